package goldenpath

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/promote"
)

// promote commits the image to the environment repository, where the commit is of the default branch.
func (j *job) promote(ctx context.Context) error {
	s := j.pipeline.state
	target := j.o.Env("FAWKES_ENVIRONMENTS_URL")
	if target == "" {
		return skipf("there is no environment repository: FAWKES_ENVIRONMENTS_URL is not set")
	}
	if ok, why := s.onDefaultBranch(); !ok {
		return skipf("%s", why)
	}
	if s.Changed {
		return skipf("the work tree held changes that are not committed")
	}
	if s.Image == nil || !s.Image.Pushed {
		return skipf("the image was not pushed to a registry")
	}
	manifests, from, err := j.manifests()
	if err != nil {
		return err
	}
	j.log.say("manifests  %s", from)
	done, err := promote.Promote(ctx, promote.Target{
		URL: target, Branch: j.o.Env("FAWKES_ENVIRONMENTS_BRANCH"), Token: j.o.Env("FAWKES_ENVIRONMENTS_TOKEN"), Env: j.o.Env,
	}, promote.Change{
		Service: s.Service, Environments: j.file.Promote.To, Image: s.Image.Repository, Digest: s.Image.Digest, Revision: s.SHA, Repository: s.Repository, Run: s.run().ID,
		Manifests: manifests, Newer: j.newer(),
	}, j.temp)
	if err != nil {
		var e *promote.Error
		if !errors.As(err, &e) || ctx.Err() != nil {
			return err
		}
		exit := ExitUsage
		if e.Unreachable {
			exit = ExitUnreachable
		}
		return &failure{exit: exit, reason: e.Error(), mend: e.Mend, err: err}
	}
	var parts []string
	for _, part := range []struct {
		names []string
		text  string
	}{{done.Environments, "promoted to "}, {done.Unchanged, "already in "}, {done.Superseded, "a newer revision is in "}} {
		if len(part.names) > 0 {
			parts = append(parts, part.text+strings.Join(part.names, ", "))
		}
	}
	j.state.Summary = strings.Join(parts, "; ")
	j.log.say("%s (%s)", j.state.Summary, short(done.Revision))
	reached := append(done.Environments, done.Unchanged...)
	if len(reached) == 0 {
		return skipf("%s", j.state.Summary)
	}
	j.out.report(Event{Event: "promoted", Environments: reached, Revision: done.Revision, At: j.now()})
	return j.keep(func(s *State) { s.Promoted = &PromotedState{Environments: reached, Revision: done.Revision} })
}

// newer says whether what is promoted came after our commit; only a history that is here can tell.
func (j *job) newer() func(context.Context, string) bool {
	if j.o.Older {
		return nil
	}
	return func(ctx context.Context, promoted string) bool {
		if !fullHash.MatchString(promoted) {
			return false
		}
		_, err := j.git(ctx, "merge-base", "--is-ancestor", j.pipeline.state.SHA, promoted)
		return err == nil
	}
}

// The bounds of deploy/.
const (
	mostManifests = 100
	mostManifest  = 1 << 20
)

// manifests are those of the folder deploy/, or are made from what fawkes.yaml says.
func (j *job) manifests() (out []promote.Manifest, from string, err error) {
	files, err := fs.ReadDir(j.tree.FS(), "deploy")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", failf(ExitUsage, "", "read deploy/: %v", err)
	}
	for _, f := range files {
		ext := path.Ext(f.Name())
		if f.IsDir() || ext != ".yaml" && ext != ".yml" || strings.HasPrefix(f.Name(), ".") || strings.HasPrefix(f.Name(), "kustomization.") {
			continue
		}
		if len(out) == mostManifests {
			return nil, "", failf(ExitUsage, "", "deploy/ holds more than %d manifests", mostManifests)
		}
		text, err := j.readTree("deploy/"+f.Name(), mostManifest+1)
		if err != nil || len(text) > mostManifest {
			return nil, "", failf(ExitUsage, "", "read deploy/%s: it has more than %d bytes, or %v", f.Name(), mostManifest, err)
		}
		out = append(out, promote.Manifest{Name: f.Name(), Text: text})
	}
	if len(out) == 0 {
		return promote.Defaults(j.pipeline.state.Service, j.file.Deploy), "made from deploy in fawkes.yaml", nil
	}
	if err := promote.CheckImages(j.pipeline.state.Service, out); err != nil {
		return nil, "", failf(ExitUsage, "write `image: "+j.pipeline.state.Service+"`; the promotion puts registry and digest in its place", "deploy/: %v", err)
	}
	return out, fmt.Sprintf("%d of deploy/", len(out)), nil
}

// readFile reads a fawkes.yaml by its path; one that is not there says nothing.
func readFile(name string) (*fawkesfile.File, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fawkesfile.Default(), nil
	}
	if err != nil {
		return nil, failf(ExitUsage, "", "read %s: %v", fawkesfile.Name, err)
	}
	return fawkesfile.Parse(text)
}
