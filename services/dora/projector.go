package dora

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/services/dora/history"
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

	wake   chan struct{}
	hurry  chan struct{}          // someone waits: do not rest
	asked  atomic.Int64           // changes of declarations that were announced
	owners atomic.Pointer[owners] // who owns which origin, for readers

	// The rest belongs to the goroutine that runs.
	projects map[string]*live
	origins  map[int64]Origin
	assigned map[int64]string
	prints   map[string]int64 // fingerprint of each project's origins
	specs    map[string]Declared
	anew     bool  // derive everything from the log, whatever is stored
	seq      int64 // applied up to here
	settled  int64 // derived and stored up to here
	heard    int64 // announcements taken in
	doubt    bool  // a step failed: what is stored may not be what is declared
	cost     time.Duration
	lastDone time.Time

	mu      sync.Mutex
	done    progress // what waiters may see of settled and heard
	err     error    // why the projection does not follow the log now
	ended   bool     // nobody follows the log any more
	changed chan struct{}
}

// progress is how far the projection has come: the last event and the last
// announced declaration that it holds.
type progress struct{ seq, declared int64 }

func (p progress) reached(want progress) bool {
	return p.seq >= want.seq && p.declared >= want.declared
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
	// mostRest bounds that wait, so that those who only look on see numbers that
	// are a fraction of a second old.
	mostRest  = 400 * time.Millisecond
	pollEvery = 500 * time.Millisecond
	// A step that failed is tried again after a pause between these.
	firstPause, mostPause = 50 * time.Millisecond, 5 * time.Second
)

var errNotFollowing = errors.New("the projection does not follow the log yet")

func newProjector(store Store, c clock.Clock, log *slog.Logger) *projector {
	return &projector{
		store: store, clock: c, log: log, err: errNotFollowing,
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), changed: make(chan struct{}),
		projects: map[string]*live{}, origins: map[int64]Origin{}, assigned: map[int64]string{}, specs: map[string]Declared{},
	}
}

// notify tells the projector that there is something new.
func (p *projector) notify() { signal(p.wake) }

// press tells the projector that someone waits for what is new.
func (p *projector) press() {
	signal(p.hurry)
	signal(p.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// declare announces that declarations changed. The projection holds the change
// once progress.declared has reached the number it returns.
func (p *projector) declare() int64 {
	n := p.asked.Add(1)
	p.press()
	return n
}

// wait returns when the projection has come as far as wanted, when ctx ends or
// when nobody follows the log any more; it says whether it has come so far.
func (p *projector) wait(ctx context.Context, want progress) bool {
	for {
		p.mu.Lock()
		done, ended, changed := p.done, p.ended, p.changed
		p.mu.Unlock()
		if done.reached(want) {
			return true
		}
		if ended {
			return false
		}
		p.press()
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// position is how far the projection has come.
func (p *projector) position() progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// fault is why the projection does not follow the log now; nil when it does.
func (p *projector) fault() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// note changes what others see of the projector, and wakes those who wait.
func (p *projector) note(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

// run follows the log until ctx ends. A fault of the database is logged and
// tried again; nothing is skipped.
func (p *projector) run(ctx context.Context) error {
	p.note(func() { p.ended, p.err = false, errNotFollowing })
	defer p.note(func() { p.ended, p.err = true, errNotFollowing })
	p.declare() // what was declared before counts as news, until what is stored was compared with it
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	started, pause := false, firstPause
	for {
		var more bool
		var err error
		if started {
			more, err = p.step(ctx)
		} else if err = p.start(ctx); err == nil {
			started, more = true, true
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			p.fail(ctx, err)
			if !sleep(ctx, pause/2+rand.N(pause/2)) {
				return nil
			}
			pause = min(2*pause, mostPause)
			continue
		}
		pause = firstPause
		if p.fault() != nil {
			p.note(func() { p.err = nil })
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		case <-tick.C:
		}
		p.rest(ctx)
	}
}

// rest holds the next settling back while nobody waits for it, so that many
// small steps in a row do not take the machine from those who report events.
func (p *projector) rest(ctx context.Context) {
	left := min(p.pause(), mostRest) - p.clock.Now().Sub(p.lastDone)
	if left <= 0 {
		return
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-p.hurry:
	case <-t.C:
	}
}

// pause is how long after a settling the next should wait.
func (p *projector) pause() time.Duration {
	return time.Duration(float64(p.cost) * (1/settleShare - 1))
}

// fail forgets what may be half of a batch, so that the next step begins from
// what is stored.
func (p *projector) fail(ctx context.Context, err error) {
	p.log.ErrorContext(ctx, "the projection is behind; it is tried again", "error", err)
	p.forget()
	p.doubt = true
	p.note(func() { p.err = errors.New("the projection could not follow the log; it is tried again") })
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

// start finds out where the projection stands.
func (p *projector) start(ctx context.Context) error {
	var err error
	if p.salt, err = p.store.Salt(ctx); err != nil {
		return err
	}
	if p.settled, err = p.store.Checkpoint(ctx); err != nil {
		return err
	}
	p.forget()
	if err := p.recheck(ctx); err != nil {
		return err
	}
	p.publish()
	return nil
}

// recheck compares what is stored with what should be.
func (p *projector) recheck(ctx context.Context) error {
	if err := p.store.DropUnfinished(ctx); err != nil {
		return err
	}
	if err := p.readOrigins(ctx); err != nil {
		return err
	}
	return p.reassign(ctx, true)
}

// forget drops all ledgers; they are made anew from the log when needed.
func (p *projector) forget() {
	p.projects = map[string]*live{}
	p.seq = p.settled
}

// step applies one batch of events and settles when it is time; more says that
// the log holds further events.
func (p *projector) step(ctx context.Context) (more bool, err error) {
	asked := p.asked.Load()
	switch {
	case p.doubt:
		if err := p.recheck(ctx); err != nil {
			return false, err
		}
		p.doubt = false
	case asked != p.heard:
		if err := p.reassign(ctx, false); err != nil {
			return false, err
		}
	}
	p.heard = asked
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
	if more && p.clock.Now().Sub(p.lastDone) < p.pause() {
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
