// Package promote writes what shall run into the environment repository, as commits that a GitOps
// controller follows: Argo CD on a cluster, the platform's own on a laptop.
//
//	done, err := promote.Promote(ctx, promote.Target{URL: …, Branch: "main", Token: …}, promote.Change{…})
//
// # Layout
//
// apps/SERVICE/ENVIRONMENT/base/ is a complete copy of the service's manifests; kustomization.yaml beside
// it lists them and sets image, namespace and annotations; where the environment is not one of production it is
// begun with a replacement that puts the environment's name before the hosts of ingresses. The copy is made anew by every promotion; what
// people added to the kustomization (patches, further resources, labels) stays as they wrote it.
//
// # Properties
//
// One environment is one commit, with trailers that name run, digest and source. Promoting what is there
// already makes none. A push that another one overtook is made again on top of it, with growing, random
// pauses, until it succeeds or the context ends; nothing is ever forced. An older revision never takes
// the place of a newer one of the same branch, unless Change.Older permits it.
package promote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// Target is the environment repository.
type Target struct {
	URL    string // what git understands
	Branch string // empty: main
	Token  string // sent as the password of user "fawkes" over HTTP; empty: none
	// Env gives the variables that git itself needs (PATH, proxies, SSH); nil gives none.
	Env func(string) string
}

// Change is what shall run.
type Change struct {
	Service      string
	Environments []string // in their order
	Image        string   // repository of the image with its host, without tag
	Digest       string   // sha256:…
	Revision     string   // the source's commit
	Repository   string   // the source's address
	Run          string   // id of the run, for the trailer
	Manifests    []Manifest
	// Newer says whether the revision that is promoted now came after ours, so that ours must not take its
	// place; nil never does.
	Newer func(ctx context.Context, promoted string) bool
}

// Manifest is one file of base/.
type Manifest struct {
	Name string // "deployment.yaml"
	Text []byte
}

// Done is what a promotion came to.
type Done struct {
	Revision     string   // the head of the environment repository that holds it
	Environments []string // that changed
	Unchanged    []string // that had it already
	Superseded   []string // that have a newer revision, and keep it
	Tries        int      // pushes
}

// Error says which of the parts failed. Unreachable is the repository's fault, everything else the input's.
type Error struct {
	Op          string
	Detail      string
	Mend        string
	Unreachable bool
	Err         error
}

func (e *Error) Error() string { return e.Op + ": " + e.Detail }
func (e *Error) Unwrap() error { return e.Err }

// The pauses between two pushes, of which a random part is waited.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// Promote commits the change and pushes it. temp is a folder for the clone, which is removed again.
func Promote(ctx context.Context, to Target, c Change, temp string) (Done, error) {
	if to.Branch == "" {
		to.Branch = "main"
	}
	if err := c.check(to); err != nil {
		return Done{}, err
	}
	dir, err := os.MkdirTemp(temp, "environments-")
	if err != nil {
		return Done{}, fmt.Errorf("promote: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	g := &repository{dir: filepath.Join(dir, "tree"), target: to}
	if err := g.clone(ctx); err != nil {
		return Done{}, err
	}
	pause := firstPause
	for tries := 1; ; tries++ {
		done, err := apply(ctx, g, c)
		if err != nil {
			return done, err
		}
		done.Tries = tries
		if len(done.Environments) == 0 {
			return done, nil
		}
		err = g.push(ctx)
		if err == nil {
			return done, nil
		}
		if !errors.Is(err, errOvertaken) {
			return Done{Tries: tries}, err
		}
		rest := time.NewTimer(rand.N(pause) + pause/4)
		select {
		case <-ctx.Done():
			rest.Stop()
			return Done{Tries: tries}, &Error{Op: "push to the environment repository", Detail: fmt.Sprintf("overtaken by others %d times until the time was up", tries),
				Mend: "run the stage again", Unreachable: true, Err: ctx.Err()}
		case <-rest.C:
		}
		pause = min(2*pause, lastPause)
		if err := g.catchUp(ctx); err != nil {
			return Done{Tries: tries}, err
		}
	}
}

// apply makes the commits on top of what the clone stands on.
func apply(ctx context.Context, g *repository, c Change) (Done, error) {
	var done Done
	kinds, err := knownEnvironments(g.dir, c.Environments)
	if err != nil {
		return done, err
	}
	for _, env := range c.Environments {
		folder := filepath.Join("apps", c.Service, env)
		if promoted := promotedRevision(filepath.Join(g.dir, folder)); promoted != "" && promoted != c.Revision && c.Newer != nil && c.Newer(ctx, promoted) {
			done.Superseded = append(done.Superseded, env)
			continue
		}
		if err := write(g.dir, folder, env, kinds[env], c); err != nil {
			return done, err
		}
		changed, err := g.commit(ctx, folder, message(c, env))
		if err != nil {
			return done, err
		}
		if changed {
			done.Environments = append(done.Environments, env)
		} else {
			done.Unchanged = append(done.Unchanged, env)
		}
	}
	done.Revision, err = g.head(ctx)
	return done, err
}

func message(c Change, env string) string {
	return fmt.Sprintf("promote(%s): %s %s\n\nFawkes-Run: %s\nFawkes-Digest: %s\nFawkes-Revision: %s\n",
		c.Service, env, c.Revision[:min(len(c.Revision), 12)], c.Run, c.Digest, c.Revision)
}
