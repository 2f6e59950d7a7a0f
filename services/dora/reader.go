package dora

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// freshWithin is how long a question waits for the projection to take in what
// had been acknowledged when the question came.
const freshWithin = 2 * time.Second

// reader answers questions from projections. It keeps each project's in memory
// and follows it by the blocks that changed.
type reader struct {
	store     Store
	projector *projector
	clock     clock.Clock

	mu       sync.Mutex
	projects map[string]*following
}

type following struct {
	mu      sync.Mutex
	head    Head
	version int64 // of the declaration in the view
	replica *history.Replica
	history *history.Projection
	view    *metrics.View
	first   history.Time // end of the first production deployment
	last    history.Time // and of the latest
}

func newReader(store Store, p *projector, c clock.Clock) *reader {
	return &reader{store: store, projector: p, clock: c, projects: map[string]*following{}}
}

// answer is what a question about a project is answered from.
type answer struct {
	View     *metrics.View
	History  *history.Projection
	Summary  history.Summary
	Declared Declared // of version 0 when nobody declared the project
	// FirstDeployed and LastDeployed are when the first and the latest production
	// deployment ended, 0 for none.
	FirstDeployed, LastDeployed history.Time
	lag
}

// lag is what had been acknowledged when a question came and is not in the view.
type lag struct {
	// Stale says that there is something: an event or a declaration.
	Stale bool
	// Pending is how many events: 0 but when the projection is far behind.
	Pending int64
}

// project gives the newest version of a project's history. It waits, within a
// bound, for everything that was acknowledged before the call.
func (r *reader) project(ctx context.Context, name string) (answer, error) {
	behind, err := r.catchUp(ctx, name)
	if err != nil {
		return answer{}, err
	}
	head, err := r.store.Head(ctx, name)
	if err != nil {
		r.drop(name, err)
		return answer{}, err
	}
	declared, err := r.store.Project(ctx, name)
	if errors.Is(err, ErrNotFound) {
		declared, err = undeclared(name), nil
	}
	if err != nil {
		return answer{}, err
	}
	a, err := r.at(ctx, head, declared)
	a.lag = behind
	return a, err
}

// undeclared is what holds for a project that nobody declared.
func undeclared(name string) Declared { return Declared{Spec: project.Spec{Project: name}} }

// drop forgets a project that is not there any more.
func (r *reader) drop(name string, err error) {
	if !errors.Is(err, ErrNotFound) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.projects, name)
}

// at gives a project's history as of a head or later.
func (r *reader) at(ctx context.Context, head Head, declared Declared) (answer, error) {
	r.mu.Lock()
	f := r.projects[head.Project]
	if f == nil {
		f = &following{}
		r.projects[head.Project] = f
	}
	r.mu.Unlock()

	f.mu.Lock()
	defer f.mu.Unlock()
	if err := r.follow(ctx, f, head, declared); err != nil {
		r.drop(head.Project, err)
		return answer{}, err
	}
	return answer{
		View: f.view.At(r.clock.Now()), History: f.history, Summary: f.replica.Summary(), Declared: declared,
		FirstDeployed: f.first, LastDeployed: f.last,
	}, nil
}

// catchUp waits until the projection of a project, or of all with the name "",
// holds all that is in the log and all that is declared now, whichever replica
// projects it; it returns by how much it still lags.
func (r *reader) catchUp(ctx context.Context, name string) (lag, error) {
	want, err := r.store.Marks(ctx)
	if err != nil {
		return lag{}, err
	}
	p := r.projector
	bounded, cancel := context.WithTimeout(ctx, freshWithin)
	defer cancel()
	if p.await(bounded, want.seq, func() bool { return p.reached(want, name) }) || ctx.Err() != nil {
		return lag{}, ctx.Err()
	}
	return r.lag(ctx, want, name)
}

// lag says how many events are missing.
func (r *reader) lag(ctx context.Context, want progress, name string) (lag, error) {
	p := r.projector
	p.mu.Lock()
	seen, done, f := p.seen, p.done, p.foreign[name]
	p.mu.Unlock()
	if !seen.reached(want) || f.head.Project == "" {
		return lag{Stale: true, Pending: max(want.seq-done.seq, 0)}, nil
	}
	var origins []int64
	for id, of := range p.owners.Load().of {
		if of == name {
			origins = append(origins, id)
		}
	}
	n, err := r.store.CountAfter(ctx, origins, f.head.Seq)
	return lag{Stale: true, Pending: n}, err
}

// errOtherFormat is the answer while blocks of another version of the program
// are derived anew.
var errOtherFormat = problem.New(problem.Unavailable, "the project's history is being derived anew after a change of version").
	WithMend("ask again in a minute")

// follow brings f up to the current head, when the one given or the declaration
// are news.
func (r *reader) follow(ctx context.Context, f *following, head Head, declared Declared) error {
	if f.view != nil && head.Began == f.head.Began && head.Rev <= f.head.Rev && declared.Version == f.version {
		return nil
	}
	if head.Format != blockFormat {
		return errOtherFormat
	}
	if f.replica == nil { // the whole history
		defer sparing()()
	}
	got, err := r.store.Follow(ctx, head.Project, func(h Head) int64 {
		if f.replica == nil || h.Began != f.head.Began {
			f.replica, f.view, f.head = history.NewReplica(h.Project), nil, Head{}
		}
		return f.head.Rev
	}, func(key string, body []byte) error {
		if body == nil {
			f.replica.Delete(key)
			return nil
		}
		return f.replica.Put(key, body)
	})
	if err != nil {
		f.replica = nil // half of a revision is none
		f.view = nil
		return fmt.Errorf("follow the history of %s: %w", head.Project, err)
	}
	now := r.clock.Now()
	f.history = f.replica.Projection()
	if f.view == nil {
		f.view = metrics.NewView(declared.Spec, f.history, now)
	} else {
		f.view = f.view.Next(declared.Spec, f.history, now)
	}
	f.head, f.version = got, declared.Version
	f.first, f.last = deployed(f.history)
	return nil
}

// deployed is when the first and the latest production deployment ended.
func deployed(p *history.Projection) (first, last history.Time) {
	for _, ln := range p.Lanes {
		if !ln.Production {
			continue
		}
		for _, d := range ln.Deployments {
			if t := d.FinishedAt; t != 0 {
				if first == 0 || t < first {
					first = t
				}
				last = max(last, t)
			}
		}
	}
	return first, last
}
