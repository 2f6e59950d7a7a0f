package dora

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
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

// settle derives what is dirty and stores it.
func (p *projector) settle(ctx context.Context) error {
	begin := p.clock.Now()
	var dirty []string
	for name, v := range p.projects {
		if v.dirty {
			dirty = append(dirty, name)
		}
	}
	slices.Sort(dirty)
	for _, name := range dirty {
		err := p.settleProject(ctx, p.projects[name])
		if errors.Is(err, errFenced) {
			p.log.WarnContext(ctx, "another replica projects this project now", "project", name)
			p.lose(name)
			continue
		}
		if err != nil {
			return err
		}
	}
	if len(dirty) > 0 {
		p.lastDone = p.clock.Now()
		p.cost = p.lastDone.Sub(begin)
	}
	p.publish()
	return nil
}

func (p *projector) settleProject(ctx context.Context, v *live) error {
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
		began, err := newBegan()
		if err != nil {
			return err
		}
		next.Began = began
	}
	next.Seq = max(p.seq, v.upTo)
	next.Format, next.Origins = blockFormat, p.prints[next.Project]
	next.SettledAt = event.Micros(p.clock.Now())
	if err := p.store.PutBlocks(ctx, p.leases[next.Project], next, delta.Changed, delta.Deleted); err != nil {
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

// unstored reduces a complete set of blocks to what differs from the stored
// ones, and adds what is stored but no longer derived.
func (p *projector) unstored(ctx context.Context, h Head, all history.Delta) (history.Delta, error) {
	out := history.Delta{Changed: maps.Clone(all.Changed)}
	gone := map[string]bool{}
	// A key may come more than once: the last revision of it counts.
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

// publish lets waiters see how far the projections have come.
func (p *projector) publish() {
	at, others := progress{p.seq, p.declared}, p.others()
	p.mu.Lock()
	news := p.done != at || p.seen != at || !maps.Equal(p.foreign, others)
	p.mu.Unlock()
	if news {
		p.note(func() { p.done, p.seen, p.foreign = at, at, others })
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
