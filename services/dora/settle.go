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
	if len(dirty) == 0 && p.seq != p.settled {
		if err := p.store.SetCheckpoint(ctx, p.seq); err != nil {
			return err
		}
	}
	if len(dirty) > 0 {
		p.lastDone = p.clock.Now()
		p.cost = p.lastDone.Sub(begin)
	}
	p.settled = p.seq
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
		began, err := newBegan()
		if err != nil {
			return err
		}
		next.Began = began
	}
	next.Format, next.Origins = blockFormat, p.prints[next.Project]
	next.SettledAt = event.Micros(p.clock.Now())
	if err := p.store.PutBlocks(ctx, next, delta.Changed, delta.Deleted, seq); err != nil {
		return err
	}
	v.head, v.dirty, v.fresh = next, false, false
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

// publish lets waiters see how far the projection has come.
func (p *projector) publish() {
	at := progress{p.settled, p.heard}
	if p.position() != at {
		p.note(func() { p.done = at })
	}
}
