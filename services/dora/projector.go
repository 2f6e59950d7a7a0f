package dora

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// blockFormat counts changes to what blocks mean. A projection of another
// format is derived anew when the process starts.
const blockFormat = 1

// projector follows the event log and keeps every project's projection up to
// date. It is the only writer of projections, and nothing that it keeps in
// memory is needed to go on after a crash: a ledger is rebuilt from the log.
type projector struct {
	store Store
	clock clock.Clock
	log   *slog.Logger
	salt  []byte

	wake    chan struct{}
	rebuild chan string

	// The rest belongs to the goroutine that runs.
	projects map[string]*live
	origins  map[int64]Origin
	assigned map[int64]string
	specs    map[string]Declared
	seq      int64 // applied up to here
	settled  int64 // derived and stored up to here
	doubt    bool  // a step failed: what is stored may not be what is declared
	cost     time.Duration
	lastDone time.Time

	mu      sync.Mutex
	done    int64 // what waiters may see of settled
	changed chan struct{}
}

// live is a project whose ledger is in memory.
type live struct {
	ledger *history.Ledger
	head   Head
	dirty  bool
	fresh  bool // made from the log since the process started: compare with what is stored
}

const (
	readBatch = 4096
	// settleShare bounds the part of the time that deriving takes while events
	// keep coming: after a settling that took t, the next waits for (1/share-1)*t.
	settleShare = 0.2
	pollEvery   = 500 * time.Millisecond
)

func newProjector(store Store, c clock.Clock, log *slog.Logger) *projector {
	return &projector{
		store: store, clock: c, log: log,
		wake: make(chan struct{}, 1), rebuild: make(chan string, 64), changed: make(chan struct{}),
		projects: map[string]*live{}, origins: map[int64]Origin{}, assigned: map[int64]string{}, specs: map[string]Declared{},
	}
}

// notify tells the projector that the log grew.
func (p *projector) notify() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// wait returns when everything up to seq is in the projection, or when ctx
// ends; it says which.
func (p *projector) wait(ctx context.Context, seq int64) bool {
	for {
		p.mu.Lock()
		done, changed := p.done, p.changed
		p.mu.Unlock()
		if done >= seq {
			return true
		}
		p.notify()
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// position is the number of the last event that the projection holds.
func (p *projector) position() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// run follows the log until ctx ends. A fault of the database is logged and
// tried again; nothing is skipped.
func (p *projector) run(ctx context.Context) error {
	if err := p.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		more, err := p.step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			p.log.ErrorContext(ctx, "projection is behind and will be tried again", "error", err)
			// What was applied may be half of a batch: forget it and go back to what
			// is stored.
			p.forget()
			p.doubt = true
		case more:
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		case <-tick.C:
		}
	}
}

func (p *projector) start(ctx context.Context) error {
	var err error
	if p.salt, err = p.store.Salt(ctx); err != nil {
		return err
	}
	if err := p.store.DropUnfinished(ctx); err != nil {
		return err
	}
	if p.settled, err = p.store.Checkpoint(ctx); err != nil {
		return err
	}
	p.forget()
	if err := p.readOrigins(ctx); err != nil {
		return err
	}
	if err := p.reassign(ctx, true); err != nil {
		return err
	}
	p.publish()
	return nil
}

// forget drops all ledgers; they are made anew from the log when needed.
func (p *projector) forget() {
	p.projects = map[string]*live{}
	p.seq = p.settled
}

// step applies one batch of events and settles when it is time; more says that
// the log holds further events.
func (p *projector) step(ctx context.Context) (more bool, err error) {
	if p.doubt {
		if err := p.reassign(ctx, true); err != nil {
			return false, err
		}
		p.doubt = false
	}
	if err := p.rebuildAsked(ctx); err != nil {
		return false, err
	}
	entries, err := p.store.Events(ctx, p.seq, readBatch)
	if err != nil {
		return false, err
	}
	if len(entries) > 0 {
		if err := p.applyBatch(ctx, entries); err != nil {
			return false, err
		}
		p.seq = entries[len(entries)-1].Seq
	}
	more = len(entries) == readBatch
	rest := time.Duration(float64(p.cost) * (1/settleShare - 1))
	if more && p.clock.Now().Sub(p.lastDone) < rest {
		return true, nil
	}
	return more, p.settle(ctx)
}

func (p *projector) applyBatch(ctx context.Context, entries []Entry) error {
	for _, e := range entries {
		if _, ok := p.origins[e.Origin]; !ok {
			if err := p.readOrigins(ctx); err != nil {
				return err
			}
			if err := p.reassign(ctx, false); err != nil {
				return err
			}
			break
		}
	}
	upTo := entries[len(entries)-1].Seq
	loaded := map[string]bool{}
	for _, e := range entries {
		name := p.assigned[e.Origin]
		if name == "" || loaded[name] {
			continue
		}
		v := p.projects[name]
		if v == nil {
			// Reading the project's part of the log takes in this batch as well.
			if err := p.load(ctx, name, upTo); err != nil {
				return err
			}
			loaded[name] = true
			continue
		}
		o := p.origins[e.Origin]
		if err := v.ledger.ApplyPacked(o.Type, o.Source, e.At, e.Body); err != nil {
			return fmt.Errorf("apply event %d: %w", e.Seq, err)
		}
		v.dirty = true
	}
	return nil
}

// load makes a project's ledger from the log.
func (p *projector) load(ctx context.Context, name string, upTo int64) error {
	d := p.specs[name]
	if d.Spec.Project == "" {
		d.Spec = project.Spec{Project: name}
	}
	v := &live{ledger: history.NewLedger(d.Spec, p.salt), dirty: true, fresh: true}
	head, err := p.store.Head(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	v.head = head
	v.head.Project, v.head.SpecVersion = name, d.Version
	var ids []int64
	for id, of := range p.assigned {
		if of == name {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	err = p.store.EventsOf(ctx, ids, upTo, func(e Entry) error {
		o := p.origins[e.Origin]
		return v.ledger.ApplyPacked(o.Type, o.Source, e.At, e.Body)
	})
	if err != nil {
		return fmt.Errorf("read the history of %s: %w", name, err)
	}
	p.projects[name] = v
	return nil
}

// settle derives what is dirty, stores it, and moves the checkpoint.
func (p *projector) settle(ctx context.Context) error {
	begin := p.clock.Now()
	var dirty []string
	for name, v := range p.projects {
		if v.dirty {
			dirty = append(dirty, name)
		}
	}
	slices.Sort(dirty)
	for i, name := range dirty {
		seq := int64(0)
		if i == len(dirty)-1 {
			seq = p.seq // the checkpoint moves with the last
		}
		if err := p.settleProject(ctx, p.projects[name], seq); err != nil {
			return err
		}
	}
	if len(dirty) == 0 && p.seq == p.settled {
		return nil
	}
	if len(dirty) == 0 {
		if err := p.store.SetCheckpoint(ctx, p.seq); err != nil {
			return err
		}
	}
	p.settled = p.seq
	p.lastDone = p.clock.Now()
	p.cost = p.lastDone.Sub(begin)
	p.publish()
	return nil
}

func (p *projector) settleProject(ctx context.Context, v *live, seq int64) error {
	delta := v.ledger.Settle()
	if v.fresh {
		var err error
		if delta, err = p.unstored(ctx, v.head, delta); err != nil {
			return err
		}
	}
	next := v.head
	next.Rev++
	if next.Began == 0 {
		// Revisions of a projection that was dropped must not come again.
		next.Rev = int64(event.Micros(p.clock.Now()))
		next.Began = next.Rev
	}
	next.Format = blockFormat
	next.SettledAt = event.Micros(p.clock.Now())
	if err := p.store.PutBlocks(ctx, next, delta.Changed, delta.Deleted, seq); err != nil {
		return err
	}
	v.head, v.dirty, v.fresh = next, false, false
	return nil
}

// unstored reduces a complete set of blocks to what differs from the stored
// ones, and adds what is stored but no longer derived.
func (p *projector) unstored(ctx context.Context, h Head, all history.Delta) (history.Delta, error) {
	out := history.Delta{Changed: maps.Clone(all.Changed)}
	gone := map[string]bool{}
	err := p.store.Blocks(ctx, h.Project, 0, h.Rev, func(key string, body []byte) error {
		want, ok := all.Changed[key]
		switch {
		case body == nil:
			delete(gone, key)
			if ok {
				out.Changed[key] = want
			}
		case !ok:
			gone[key] = true
		case bytes.Equal(want, body):
			delete(out.Changed, key)
		default:
			out.Changed[key] = want
		}
		return nil
	})
	out.Deleted = slices.Sorted(maps.Keys(gone))
	return out, err
}

func (p *projector) publish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = p.settled
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *projector) readOrigins(ctx context.Context) error {
	all, err := p.store.Origins(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		p.origins[o.ID] = o
	}
	return nil
}

// reassign works out anew which origin belongs to which project, and makes
// those projects again whose events or declaration changed. At the start only
// what is not stored as it should be is made again.
func (p *projector) reassign(ctx context.Context, starting bool) error {
	declared, err := p.store.Projects(ctx)
	if err != nil {
		return err
	}
	again := map[string]bool{}
	specs := map[string]Declared{}
	for _, d := range declared {
		specs[d.Spec.Project] = d
	}
	for name := range p.specs {
		if specs[name].Version != p.specs[name].Version {
			again[name] = true
		}
	}
	for name := range specs {
		if specs[name].Version != p.specs[name].Version {
			again[name] = true
		}
	}
	p.specs = specs
	origins := slices.SortedFunc(maps.Values(p.origins), func(a, b Origin) int { return int(a.ID - b.ID) })
	next := assign(origins, declared)
	for id, was := range p.assigned {
		if is := next[id]; is != was {
			again[was], again[is] = true, true
		}
	}
	p.assigned = next
	if starting {
		return p.checkStored(ctx)
	}
	for name := range again {
		if err := p.remake(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// checkStored compares heads with declarations and with who has events at all.
func (p *projector) checkStored(ctx context.Context) error {
	heads, err := p.store.Heads(ctx)
	if err != nil {
		return err
	}
	stored := map[string]Head{}
	for _, h := range heads {
		stored[h.Project] = h
	}
	want := map[string]bool{}
	for _, name := range p.assigned {
		want[name] = true
	}
	for name := range p.specs {
		want[name] = true
	}
	delete(want, "")
	for name, h := range stored {
		if !want[name] || h.Format != blockFormat || h.SpecVersion != p.specs[name].Version {
			if err := p.remake(ctx, name); err != nil {
				return err
			}
		}
	}
	for name := range want {
		if _, ok := stored[name]; !ok {
			if err := p.remake(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// remake derives a project from the log, up to where the projection stands;
// one that nothing belongs to any more is dropped.
func (p *projector) remake(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	delete(p.projects, name)
	_, declared := p.specs[name]
	if !declared && !slices.Contains(slices.Collect(maps.Values(p.assigned)), name) {
		return p.store.DropProjection(ctx, name)
	}
	return p.load(ctx, name, p.seq)
}

// declare asks for a project to be derived under its new declaration.
func (p *projector) declare(name string) {
	select {
	case p.rebuild <- name:
	default: // others wait already; all declarations are read then
	}
	p.notify()
}

func (p *projector) rebuildAsked(ctx context.Context) error {
	asked := false
	for {
		select {
		case <-p.rebuild:
			asked = true
			continue
		default:
		}
		break
	}
	if !asked {
		return nil
	}
	return p.reassign(ctx, false)
}

// waitFor returns when cond holds, looking again whenever the projection moves
// and at least a few times a second, or when ctx ends, which is no error.
func (p *projector) waitFor(ctx context.Context, cond func() (bool, error)) error {
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		ok, err := cond()
		if ctx.Err() != nil {
			return nil
		}
		if ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-time.After(pollEvery / 2):
		case <-ctx.Done():
			return nil
		}
	}
}
