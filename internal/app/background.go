package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

const (
	firstPause = 500 * time.Millisecond
	mostPause  = time.Minute
	// steady is how long background work must have run for its earlier failures to
	// be forgotten.
	steady = time.Minute
)

// background is the work of one module beside its requests.
type background struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu  sync.Mutex
	err error
}

// fault is why the work is not running now, or nil.
func (b *background) fault() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *background) note(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// stop tells the work to end and waits for it.
func (b *background) stop(ctx context.Context) error {
	b.cancel()
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("it did not end in time: %w", ctx.Err())
	}
}

// supervise runs a module's background work, and runs it again after a growing
// pause whenever it panics or returns an error, without its neighbours noticing.
func (a *App) supervise(r *running) *background {
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{cancel: cancel, done: make(chan struct{})}
	log := a.log.With("module", r.name)
	go func() {
		defer close(b.done)
		pause := firstPause
		for {
			began := time.Now()
			err := contained(ctx, r.service.Start)
			if ctx.Err() != nil {
				if err != nil && !errors.Is(err, context.Canceled) {
					log.Warn("background work ended badly while stopping", "error", err)
				}
				return
			}
			if err == nil {
				return // there was nothing to keep running
			}
			if time.Since(began) > steady {
				pause = firstPause
			}
			b.note(err)
			a.restarts.WithLabelValues(r.name).Inc()
			log.Error("background work failed and is started again", "after", pause.String(), "error", err)
			if !sleep(ctx, pause/2+rand.N(pause/2)) {
				return
			}
			pause = min(2*pause, mostPause)
			b.note(nil)
		}
	}()
	return b
}

// contained turns a panic into an error.
func contained(ctx context.Context, work func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return work(ctx)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
