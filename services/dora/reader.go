package dora

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
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
}

func newReader(store Store, p *projector, c clock.Clock) *reader {
	return &reader{store: store, projector: p, clock: c, projects: map[string]*following{}}
}

// answer is what a question about a project is answered from.
type answer struct {
	View    *metrics.View
	History *history.Projection
	Summary history.Summary
	// Pending is how many events were acknowledged when the question came and
	// are not in the view: 0 but when the projection is far behind.
	Pending int64
}

// project gives the newest version of a project's history. It waits, within a
// bound, for everything that was acknowledged before the call.
func (r *reader) project(ctx context.Context, name string) (answer, error) {
	pending, err := r.catchUp(ctx)
	if err != nil {
		return answer{}, err
	}
	r.mu.Lock()
	f := r.projects[name]
	if f == nil {
		f = &following{}
		r.projects[name] = f
	}
	r.mu.Unlock()

	f.mu.Lock()
	defer f.mu.Unlock()
	if err := r.follow(ctx, name, f); err != nil {
		if errors.Is(err, ErrNotFound) {
			r.mu.Lock()
			delete(r.projects, name)
			r.mu.Unlock()
		}
		return answer{}, err
	}
	return answer{View: f.view.At(r.clock.Now()), History: f.history, Summary: f.replica.Summary(), Pending: pending}, nil
}

// catchUp waits until the projection holds all that is in the log now; it
// returns by how many events it still lags.
func (r *reader) catchUp(ctx context.Context) (int64, error) {
	seq, err := r.store.LogHead(ctx)
	if err != nil {
		return 0, err
	}
	if r.projector.position() >= seq {
		return 0, nil
	}
	bounded, cancel := context.WithTimeout(ctx, freshWithin)
	defer cancel()
	if !r.projector.wait(bounded, seq) && ctx.Err() == nil {
		return seq - r.projector.position(), nil
	}
	return 0, ctx.Err()
}

// follow brings f up to the current head.
func (r *reader) follow(ctx context.Context, name string, f *following) error {
	head, err := r.store.Head(ctx, name)
	if err != nil {
		return err
	}
	declared, err := r.store.Project(ctx, name)
	if errors.Is(err, ErrNotFound) {
		declared, err = Declared{Spec: project.Spec{Project: name}}, nil
	}
	if err != nil {
		return err
	}
	if f.replica == nil || f.head.Rev < head.Began || head.Rev < f.head.Rev {
		f.replica, f.view, f.head = history.NewReplica(name), nil, Head{}
	}
	if f.view != nil && head.Rev == f.head.Rev && declared.Version == f.version {
		return nil
	}
	err = r.store.Blocks(ctx, name, f.head.Rev, head.Rev, func(key string, body []byte) error {
		if body == nil {
			f.replica.Delete(key)
			return nil
		}
		return f.replica.Put(key, body)
	})
	if err != nil {
		f.replica = nil // half of a revision is none
		return fmt.Errorf("follow the history of %s: %w", name, err)
	}
	now := r.clock.Now()
	f.history = f.replica.Projection()
	if f.view == nil {
		f.view = metrics.NewView(declared.Spec, f.history, now)
	} else {
		f.view = f.view.Next(declared.Spec, f.history, now)
	}
	f.head, f.version = head, declared.Version
	return nil
}
