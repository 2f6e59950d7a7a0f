package dora

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"maps"
	"slices"
)

// owners says which project each origin belongs to. It is never changed.
type owners struct {
	origins map[int64]Origin
	of      map[int64]string
}

// ownersOf works the owners out from the store.
func ownersOf(ctx context.Context, store Store) (*owners, error) {
	all, err := store.Origins(ctx)
	if err != nil {
		return nil, err
	}
	declared, err := store.Projects(ctx)
	if err != nil {
		return nil, err
	}
	o := &owners{origins: make(map[int64]Origin, len(all)), of: assign(all, declared)}
	for _, v := range all {
		o.origins[v.ID] = v
	}
	return o, nil
}

// ownersNow is who owns what, all acknowledged events and declarations taken
// in: as the projector sees it, or, where that lags, from the store.
func (s *Service) ownersNow(ctx context.Context) (*owners, error) {
	want, err := s.store.Marks(ctx)
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, freshWithin)
	defer cancel()
	known := s.projector.await(bounded, want.seq, func() bool { return s.projector.seen.reached(want) })
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o := s.projector.owners.Load(); known && o != nil {
		return o, nil
	}
	return ownersOf(ctx, s.store)
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
// those of this replica's projects again whose events or declaration changed.
func (p *projector) reassign(ctx context.Context) error {
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
	p.assigned, p.prints, p.all = next, fingerprints(origins, next), nil
	p.newest = make(map[string]int64, len(p.prints))
	for id, name := range next {
		p.newest[name] = max(p.newest[name], p.last[id])
	}
	p.owners.Store(&owners{origins: maps.Clone(p.origins), of: next})
	for _, name := range slices.Sorted(maps.Keys(again)) {
		if err := p.remake(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// fingerprints tells, for each project, one set of origins from another. The
// head of a projection keeps it: should the process end after a claim moved
// events from one project to another and before both were derived anew, the
// next one sees it.
func fingerprints(origins []Origin, of map[int64]string) map[string]int64 {
	sums := map[string]uint64{}
	var b [8]byte
	for _, o := range origins {
		name := of[o.ID]
		if name == "" {
			continue
		}
		h := fnv.New64a()
		binary.LittleEndian.PutUint64(b[:], uint64(o.ID))
		h.Write(b[:]) //nolint:errcheck // documented never to fail
		binary.LittleEndian.PutUint64(b[:], sums[name])
		h.Write(b[:]) //nolint:errcheck // documented never to fail
		sums[name] = h.Sum64()
	}
	out := make(map[string]int64, len(sums))
	for name, s := range sums {
		out[name] = int64(s >> 1)
	}
	return out
}

// remake derives a project of this replica from the log, up to where it has been
// followed; one that nothing belongs to any more is dropped. Readers see the old
// one until the new one is stored.
func (p *projector) remake(ctx context.Context, name string) error {
	l, own := p.leases[name]
	if !own {
		return nil
	}
	delete(p.projects, name)
	_, declared := p.specs[name]
	_, events := p.prints[name]
	if declared || events {
		if err := p.letGo(ctx); err != nil {
			return err
		}
		return p.load(ctx, name, p.seq)
	}
	err := p.store.DropProjection(ctx, l)
	if err == nil {
		err = p.store.Release(ctx, []Lease{l})
	}
	if err != nil && !errors.Is(err, errFenced) {
		return err
	}
	delete(p.heads, name)
	p.all = nil
	p.lose(name)
	return nil
}
