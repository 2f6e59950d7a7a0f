package dora

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// blockFormat counts changes to what blocks mean. A projection of another
// format is derived anew when the process starts.
const blockFormat = 3

// projector follows the event log, and keeps the projections up to date of
// those projects whose lease this replica holds. Of the others it knows what
// their projections should hold, so that questions can wait for it. Nothing that
// it keeps in memory is needed to go on after a crash: a ledger is rebuilt from
// the log.
type projector struct {
	id    string // of this replica
	store Store
	clock clock.Clock
	log   *slog.Logger
	salt  []byte

	wake    chan struct{}
	hurry   chan struct{} // someone waits: do not rest
	waiters atomic.Int64  // how many
	arrived atomic.Int64  // events that this process stored
	crowd   crowd
	owners  atomic.Pointer[owners] // who owns which origin, for readers
	alive   atomic.Pointer[[]string]
	moving  atomic.Bool // a replica came or went, and the leases were not looked at since
	watched func() bool // somebody looks on without asking; may be nil

	// The rest belongs to the goroutine that runs.
	projects map[string]*live
	leases   map[string]Lease
	heads    map[string]Head // as last seen
	origins  map[int64]Origin
	assigned map[int64]string
	prints   map[string]int64 // fingerprint of each project's origins
	last     map[int64]int64  // number of each origin's last event
	newest   map[string]int64 // and of each project's
	specs    map[string]Declared
	all      map[string]bool // what wanted gives; nil: to be made
	anew     bool            // derive everything from the log, whatever is stored
	force    bool            // take every lease, whoever holds it
	seq      int64           // followed up to here
	declared int64           // declarations taken in up to here
	doubt    bool            // a step failed: go by what is stored
	looked   time.Time
	peers    []string // alive when leases were last looked at
	taken    int64    // of arrived, those before the last step
	cost     time.Duration
	lastDone time.Time
	catching time.Time // since when the log has held more than one step takes in; zero: it does not

	mu      sync.Mutex
	done    progress           // what the projections of this replica hold
	seen    progress           // what is known of: who owns what, and what the others should hold
	foreign map[string]foreign // projects that other replicas project
	err     error              // why the projection does not follow the log now
	ended   bool               // nobody follows the log any more
	wants   map[int64]int      // how many wait for the event of a number
	changed chan struct{}
}

// progress is how far the projection has come: the last event and the last
// change of a declaration that it holds.
type progress struct{ seq, declared int64 }

func (p progress) reached(want progress) bool {
	return p.seq >= want.seq && p.declared >= want.declared
}

// live is a project whose ledger is in memory.
type live struct {
	ledger *history.Ledger
	head   Head
	upTo   int64 // events up to here were read when it was loaded
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
	mostRest = 400 * time.Millisecond
	// mostCatching is how old the projections may become while a long backlog is
	// taken in that nobody waits for.
	mostCatching = 5 * time.Second
	// The log is looked at this often: alone, beside other replicas, which say
	// nothing when they append, and while someone waits for another replica.
	pollAlone, pollBeside, pollWaited = 500 * time.Millisecond, 100 * time.Millisecond, 20 * time.Millisecond
	// A step that failed is tried again after a pause between these.
	firstPause, mostPause = 50 * time.Millisecond, 5 * time.Second
)

var errNotFollowing = errors.New("the projection does not follow the log yet")

func newProjector(store Store, c clock.Clock, log *slog.Logger) *projector {
	return &projector{
		id: newReplicaID(), store: store, clock: c, log: log, err: errNotFollowing,
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), changed: make(chan struct{}),
		projects: map[string]*live{}, leases: map[string]Lease{}, heads: map[string]Head{},
		wants: map[int64]int{}, last: map[int64]int64{}, newest: map[string]int64{}, origins: map[int64]Origin{}, assigned: map[int64]string{}, specs: map[string]Declared{},
	}
}

// newReplicaID names one start of one process.
func newReplicaID() string {
	var b [12]byte
	rand.Read(b[:]) //nolint:errcheck // documented never to fail
	return hex.EncodeToString(b[:])
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

// wait returns when the projections have come as far as wanted, when ctx ends or
// when nobody follows the log any more; it says whether they have come so far.
func (p *projector) wait(ctx context.Context, want progress) bool {
	return p.await(ctx, want.seq, func() bool { return p.reached(want, "") })
}

// await waits for something that is said under p.mu, and that the event of a
// number brings about.
func (p *projector) await(ctx context.Context, seq int64, reached func() bool) bool {
	p.waiters.Add(1)
	defer p.waiters.Add(-1)
	p.mu.Lock()
	p.wants[seq]++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.wants[seq]--; p.wants[seq] == 0 {
			delete(p.wants, seq)
		}
	}()
	for {
		p.mu.Lock()
		ok, ended, changed := reached(), p.ended, p.changed
		p.mu.Unlock()
		if ok {
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

// position is how far the projections of this replica have come.
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
	defer p.leave(ctx)
	defer p.keepAlive(ctx)()
	p.doubt = true
	pause := firstPause
	for {
		more, err := p.step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			p.fail(ctx, err)
			if !sleep(ctx, pause/2+mrand.N(pause/2)) {
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
		if !p.idle(ctx) {
			return nil
		}
		p.rest(ctx)
		p.leisure(ctx)
	}
}

// idle waits until there may be something to do; false when ctx ended.
func (p *projector) idle(ctx context.Context) bool {
	every := pollAlone
	if len(p.peers) > 1 {
		every = pollBeside
	}
	if p.waiters.Load() > 0 && p.behind() {
		every = pollWaited
	}
	t := time.NewTimer(every)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-p.wake:
	case <-t.C:
	}
	return true
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

// fail makes the next step begin from what is stored.
func (p *projector) fail(ctx context.Context, err error) {
	p.log.ErrorContext(ctx, "the projection is behind; it is tried again", "error", err)
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

// start forgets all and finds out what is stored and what should be.
func (p *projector) start(ctx context.Context) error {
	var err error
	if p.salt, err = p.store.Salt(ctx); err != nil {
		return err
	}
	marks, err := p.store.Marks(ctx)
	if err != nil {
		return err
	}
	p.projects, p.leases = map[string]*live{}, map[string]Lease{}
	p.origins, p.assigned = map[int64]Origin{}, map[int64]string{}
	p.seq = marks.seq
	if err := p.readOrigins(ctx); err != nil {
		return err
	}
	if p.last, err = p.store.Newest(ctx); err != nil {
		return err
	}
	if err := p.readHeads(ctx); err != nil {
		return err
	}
	if err := p.reassign(ctx); err != nil {
		return err
	}
	p.declared, p.doubt, p.looked = marks.declared, false, time.Time{}
	return nil
}

func (p *projector) readHeads(ctx context.Context) error {
	all, err := p.store.Heads(ctx)
	if err != nil {
		return err
	}
	p.heads, p.all = make(map[string]Head, len(all)), nil
	for _, h := range all {
		p.heads[h.Project] = h
	}
	return nil
}

// step takes in one batch of events, sees to the leases, and settles when it is
// time; more says that the log holds further events.
func (p *projector) step(ctx context.Context) (more bool, err error) {
	if p.doubt {
		if err := p.start(ctx); err != nil {
			return false, err
		}
	}
	p.taken = p.arrived.Load()
	marks, err := p.store.Marks(ctx)
	if err != nil {
		return false, err
	}
	if marks.declared != p.declared {
		if err := p.reassign(ctx); err != nil {
			return false, err
		}
		p.declared = marks.declared
	}
	if marks.seq > p.seq {
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
	}
	if !more {
		p.catching = time.Time{}
	}
	if err := p.look(ctx); err != nil {
		return false, err
	}
	if p.waiters.Load() > 0 && p.behind() {
		if err := p.readHeads(ctx); err != nil {
			return false, err
		}
	}
	if more && !p.worthwhile() {
		p.announce()
		return true, nil
	}
	settled, err := p.settle(ctx)
	return more || !settled, err
}

// worthwhile says, while the log holds more than was taken in, whether to settle
// already: to derive what the next events change again takes as long as to derive
// it once. It is for somebody who waits for no more than has been taken in, and
// now and then so that there are numbers at all.
func (p *projector) worthwhile() bool {
	now := p.clock.Now()
	if p.catching.IsZero() {
		p.catching = now
	}
	if now.Sub(p.lastDone) < p.pause() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for want := range p.wants {
		if want <= p.seq && want > p.done.seq {
			return true
		}
	}
	return now.Sub(p.catching) >= mostCatching && now.Sub(p.lastDone) >= mostCatching
}

// applyBatch takes entries into the ledgers of the projects that this replica
// projects, and notes what the others should hold.
func (p *projector) applyBatch(ctx context.Context, entries []Entry) error {
	for _, e := range entries {
		if _, ok := p.origins[e.Origin]; !ok {
			if err := p.readOrigins(ctx); err != nil {
				return err
			}
			if err := p.reassign(ctx); err != nil {
				return err
			}
			break
		}
	}
	upTo := entries[len(entries)-1].Seq
	for _, e := range entries {
		p.last[e.Origin] = e.Seq
		name := p.assigned[e.Origin]
		if name == "" {
			continue
		}
		p.newest[name] = max(p.newest[name], e.Seq)
		if _, own := p.leases[name]; !own {
			continue
		}
		v := p.projects[name]
		switch {
		case v == nil && e.Seq <= p.heads[name].Seq:
			// Stored by the replica that held the lease before.
		case v == nil:
			// Reading the project's part of the log takes in this batch as well.
			if err := p.load(ctx, name, upTo); err != nil {
				return err
			}
		case e.Seq > v.upTo:
			o := p.origins[e.Origin]
			if err := v.ledger.ApplyPacked(o.Type, o.Source, e.At, e.Body); err != nil {
				return fmt.Errorf("apply event %d: %w", e.Seq, err)
			}
			v.dirty = true
		}
	}
	return nil
}
