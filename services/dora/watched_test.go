package dora

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// watched is a store that asks around each call: an error of before keeps the
// call from being made, one of after hides that it was.
type watched struct {
	Store
	before, after func(method string) error
}

func around(w *watched, method string, call func() error) error {
	if w.before != nil {
		if err := w.before(method); err != nil {
			return err
		}
	}
	if err := call(); err != nil {
		return err
	}
	if w.after != nil {
		return w.after(method)
	}
	return nil
}

func got[T any](w *watched, method string, call func() (T, error)) (v T, err error) {
	err = around(w, method, func() (err error) { v, err = call(); return err })
	return v, err
}

func (w *watched) Append(ctx context.Context, r []Record) ([]bool, error) {
	return got(w, "Append", func() ([]bool, error) { return w.Store.Append(ctx, r) })
}

func (w *watched) LogHead(ctx context.Context) (int64, error) {
	return got(w, "LogHead", func() (int64, error) { return w.Store.LogHead(ctx) })
}

func (w *watched) Events(ctx context.Context, after int64, limit int) ([]Entry, error) {
	return got(w, "Events", func() ([]Entry, error) { return w.Store.Events(ctx, after, limit) })
}

func (w *watched) EventsOf(ctx context.Context, origins []int64, upTo int64, yield func(Entry) error) error {
	return around(w, "EventsOf", func() error { return w.Store.EventsOf(ctx, origins, upTo, yield) })
}

func (w *watched) Origins(ctx context.Context) ([]Origin, error) {
	return got(w, "Origins", func() ([]Origin, error) { return w.Store.Origins(ctx) })
}

func (w *watched) Projects(ctx context.Context) ([]Declared, error) {
	return got(w, "Projects", func() ([]Declared, error) { return w.Store.Projects(ctx) })
}

func (w *watched) Project(ctx context.Context, name string) (Declared, error) {
	return got(w, "Project", func() (Declared, error) { return w.Store.Project(ctx, name) })
}

func (w *watched) PutProject(ctx context.Context, spec project.Spec, at event.Time) (Declared, error) {
	return got(w, "PutProject", func() (Declared, error) { return w.Store.PutProject(ctx, spec, at) })
}

func (w *watched) Marks(ctx context.Context) (progress, error) {
	return got(w, "Marks", func() (progress, error) { return w.Store.Marks(ctx) })
}

func (w *watched) Newest(ctx context.Context) (map[int64]int64, error) {
	return got(w, "Newest", func() (map[int64]int64, error) { return w.Store.Newest(ctx) })
}

func (w *watched) Beat(ctx context.Context, replica string, good time.Duration) ([]string, error) {
	return got(w, "Beat", func() ([]string, error) { return w.Store.Beat(ctx, replica, good) })
}

func (w *watched) Leases(ctx context.Context) ([]Lease, error) {
	return got(w, "Leases", func() ([]Lease, error) { return w.Store.Leases(ctx) })
}

func (w *watched) Claim(ctx context.Context, replica string, projects []string, force bool) ([]Lease, error) {
	return got(w, "Claim", func() ([]Lease, error) { return w.Store.Claim(ctx, replica, projects, force) })
}

func (w *watched) Release(ctx context.Context, leases []Lease) error {
	return around(w, "Release", func() error { return w.Store.Release(ctx, leases) })
}

func (w *watched) Heads(ctx context.Context) ([]Head, error) {
	return got(w, "Heads", func() ([]Head, error) { return w.Store.Heads(ctx) })
}

func (w *watched) Head(ctx context.Context, name string) (Head, error) {
	return got(w, "Head", func() (Head, error) { return w.Store.Head(ctx, name) })
}

func (w *watched) Follow(ctx context.Context, name string, since func(Head) int64, yield func(string, []byte) error) (Head, error) {
	return got(w, "Follow", func() (Head, error) { return w.Store.Follow(ctx, name, since, yield) })
}

func (w *watched) Blocks(ctx context.Context, name string, from, to int64, yield func(string, []byte) error) error {
	return around(w, "Blocks", func() error { return w.Store.Blocks(ctx, name, from, to, yield) })
}

func (w *watched) PutBlocks(ctx context.Context, l Lease, h Head, b blockSource) error {
	return around(w, "PutBlocks", func() error { return w.Store.PutBlocks(ctx, l, h, b) })
}

func (w *watched) DropProjection(ctx context.Context, l Lease) error {
	return around(w, "DropProjection", func() error { return w.Store.DropProjection(ctx, l) })
}

var errFlaky = errors.New("the database hiccups")

// flaky fails one call in so many, until it is mended.
type flaky struct {
	mu   sync.Mutex
	rand *rand.Rand
	one  int // in how many; 0: none
}

func (f *flaky) hiccup(string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.one > 0 && f.rand.IntN(f.one) == 0 {
		return errFlaky
	}
	return nil
}

func (f *flaky) set(one int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.one = one
}
