package dora

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// load makes a project's ledger from the log, up to a number or to where the
// stored projection stands, if that is further.
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
	upTo = max(upTo, head.Seq)
	v.head, v.upTo = head, upTo
	v.head.Project, v.head.SpecVersion = name, d.Version
	var ids []int64
	for id, of := range p.assigned {
		if of == name {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	defer sparing()()
	v.ledger.GiveWay = p.giveWay(ctx)
	err = readAll(ctx, p.store, ids, upTo, v.ledger.GiveWay(), func(origin int64, at event.Time, body []byte) error {
		o := p.origins[origin]
		return v.ledger.ApplyPacked(o.Type, o.Source, at, body)
	})
	if err != nil {
		return fmt.Errorf("read the history of %s: %w", name, err)
	}
	p.projects[name] = v
	return nil
}

// settle derives what is dirty and stores it. It says that it has not done all
// of it when it ended early because the leases have to be looked at.
func (p *projector) settle(ctx context.Context) (all bool, err error) {
	begin := p.clock.Now()
	var dirty []string
	for name, v := range p.projects {
		if v.dirty {
			dirty = append(dirty, name)
		}
	}
	slices.Sort(dirty)
	for _, name := range dirty {
		if p.moving.Load() {
			p.announce()
			return false, nil
		}
		if err := p.settleNamed(ctx, name); err != nil {
			return false, err
		}
	}
	if len(dirty) > 0 {
		p.lastDone = p.clock.Now()
		p.cost = p.lastDone.Sub(begin)
	}
	p.publish()
	return true, nil
}

// settleNamed settles one project; that it belongs to another replica by now is
// no fault.
func (p *projector) settleNamed(ctx context.Context, name string) error {
	err := p.settleProject(ctx, p.projects[name])
	if errors.Is(err, errFenced) {
		p.log.WarnContext(ctx, "another replica projects this project now", "project", name)
		p.lose(name)
		return nil
	}
	return err
}

// letGo stores the projects that were made from the log and not stored yet, and
// drops their ledgers: when many are derived anew, one at a time is in memory.
func (p *projector) letGo(ctx context.Context) error {
	var done []string
	for name, v := range p.projects {
		if v.dirty && v.fresh {
			done = append(done, name)
		}
	}
	slices.Sort(done)
	for _, name := range done {
		if err := p.settleNamed(ctx, name); err != nil {
			return err
		}
		delete(p.projects, name)
	}
	return nil
}

// growth is by how many percent the memory in use may grow, while a history is
// made from the log, before what is not used any more is collected. A history is
// large and holds few pointers, so collecting often costs little.
const growth = 25

// sparing keeps the process small until the function that it returns is called.
func sparing() func() {
	former := debug.SetGCPercent(growth)
	if former == growth {
		return func() {} // whoever asked for it before will end it
	}
	return func() { debug.SetGCPercent(former) }
}

func (p *projector) settleProject(ctx context.Context, v *live) error {
	next := v.head
	next.Rev++
	if next.Began == 0 {
		began, err := newBegan()
		if err != nil {
			return err
		}
		next.Began = began
	}
	next.Seq = max(p.seq, v.upTo)
	next.Format, next.Origins = blockFormat, p.prints[next.Project]
	next.SettledAt = event.Micros(p.clock.Now())
	blocks := v.ledger.SettleTo
	if v.fresh {
		defer sparing()()
		old, err := p.storedSums(ctx, v.head)
		if err != nil {
			return err
		}
		blocks = old.unlike(blocks)
	}
	if err := p.store.PutBlocks(ctx, p.leases[next.Project], next, blocks); err != nil {
		return err
	}
	v.head, v.dirty, v.fresh = next, false, false
	if _, known := p.heads[next.Project]; !known {
		p.all = nil
	}
	p.heads[next.Project] = next
	return nil
}

// newBegan draws what tells one projection of a project from the next: revisions
// of one that was dropped must not be taken for those of its successor.
func newBegan() (int64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("begin a projection: %w", err)
	}
	return int64(binary.LittleEndian.Uint64(b[:])>>1) | 1, nil
}

// blockSource hands over the blocks of a revision as they are made, and names those
// that are gone.
type blockSource = func(put func(key string, body []byte) error) (deleted []string, err error)

// storedSums are the stored blocks of a project by key, each as a hash.
type storedSums struct {
	seed maphash.Seed
	sums map[string]uint64
}

func (p *projector) storedSums(ctx context.Context, h Head) (storedSums, error) {
	s := storedSums{maphash.MakeSeed(), map[string]uint64{}}
	// A key may come more than once: the last revision of it counts.
	err := p.store.Blocks(ctx, h.Project, 0, h.Rev, func(key string, body []byte) error {
		if body == nil {
			delete(s.sums, key)
		} else {
			s.sums[key] = maphash.Bytes(s.seed, body)
		}
		return nil
	})
	return s, err
}

// unlike reduces a complete set of blocks to those that are stored otherwise or
// not at all, and names what is stored and no longer derived.
func (s storedSums) unlike(all blockSource) blockSource {
	return func(put func(key string, body []byte) error) ([]string, error) {
		_, err := all(func(key string, body []byte) error {
			sum, stored := s.sums[key]
			delete(s.sums, key)
			if stored && sum == maphash.Bytes(s.seed, body) {
				return nil
			}
			return put(key, body)
		})
		return slices.Sorted(maps.Keys(s.sums)), err
	}
}

// publish lets waiters see how far the projections have come, and that they
// follow the log: whoever hears that all is there hears of no fault before.
func (p *projector) publish() {
	at, others := progress{p.seq, p.declared}, p.others()
	p.mu.Lock()
	news := p.err != nil || p.done != at || p.seen != at || !maps.Equal(p.foreign, others)
	p.mu.Unlock()
	if news {
		p.note(func() { p.done, p.seen, p.foreign, p.err = at, at, others, nil })
	}
}

// announce lets waiters see what is known of the projections of others while
// those of this replica are not stored yet.
func (p *projector) announce() {
	at, others := progress{p.seq, p.declared}, p.others()
	if len(others) > 0 {
		p.note(func() { p.seen, p.foreign = at, others })
	}
}
