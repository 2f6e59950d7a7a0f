package dora

import (
	"context"
	"hash/fnv"
	"maps"
	"slices"
	"time"
)

const (
	// aliveFor is how long a replica that gives no sign of life counts as alive, by
	// the database's clock; beatEvery is how often it gives one.
	aliveFor  = 2 * time.Second
	beatEvery = 400 * time.Millisecond
	// lookEvery is how often leases are looked at while there are other replicas,
	// or leases to be had.
	lookEvery = 250 * time.Millisecond
)

// keepAlive gives signs of life beside the projector, which may be busy with one
// project for seconds. The function that it returns ends that.
func (p *projector) keepAlive(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			bounded, cancel := context.WithTimeout(ctx, aliveFor)
			alive, err := p.store.Beat(bounded, p.id, aliveFor)
			cancel()
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				p.log.WarnContext(ctx, "this replica could not give a sign of life; it is tried again", "error", err)
			default:
				if was := p.alive.Swap(&alive); was == nil || !slices.Equal(*was, alive) {
					p.moving.Store(true)
					p.notify()
				}
				if err := p.share(ctx, alive); err != nil && ctx.Err() == nil {
					p.log.WarnContext(ctx, "projects that another replica should have were not returned; it is tried again", "error", err)
				}
			}
			if !sleep(ctx, beatEvery) {
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// share gives back the leases of projects that another replica should have. It
// does not wait for the projector, which may be deriving one of them: what that
// has not stored yet is refused from now on, and the other replica derives it.
func (p *projector) share(ctx context.Context, alive []string) error {
	if len(alive) < 2 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, aliveFor)
	defer cancel()
	all, err := p.store.Leases(ctx)
	if err != nil {
		return err
	}
	give := slices.DeleteFunc(all, func(l Lease) bool { return l.Holder != p.id || preferred(l.Project, alive) == p.id })
	if len(give) == 0 {
		return nil
	}
	return p.store.Release(ctx, give)
}

// leave lets the others have the leases at once.
func (p *projector) leave(ctx context.Context) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), aliveFor)
	defer cancel()
	if err := p.store.Leave(bounded, p.id); err != nil {
		p.log.WarnContext(ctx, "the leases of projects were not returned; they end by themselves", "error", err)
	}
}

// preferred is the replica that should project a project: each weighs it by a
// hash, so that a replica that comes or goes moves its share and nothing else.
func preferred(project string, alive []string) string {
	best, most := "", uint64(0)
	for _, id := range alive {
		h := fnv.New64a()
		h.Write([]byte(id))      //nolint:errcheck // documented never to fail
		h.Write([]byte{0})       //nolint:errcheck // documented never to fail
		h.Write([]byte(project)) //nolint:errcheck // documented never to fail
		w := h.Sum64()
		w ^= w >> 33 // FNV mixes its last bytes poorly
		w *= 0xff51afd7ed558ccd
		w ^= w >> 33
		if best == "" || w > most || w == most && id < best {
			best, most = id, w
		}
	}
	return best
}

// look gives back the leases of projects that another replica should have, and
// takes those that this one should have and that are free, or whose holder gives
// no sign of life.
func (p *projector) look(ctx context.Context) error {
	p.moving.Store(false) // before it is read who is alive: whoever comes now sets it again
	alive := p.alive.Load()
	if alive == nil {
		return nil // not known yet
	}
	now := time.Now() //nolint:forbidigo // the machine's own time: an injected clock may stand still
	same := slices.Equal(*alive, p.peers)
	want := p.wanted()
	missing := len(p.leases) < len(want)
	if same && (!missing && len(p.peers) == 1 || now.Sub(p.looked) < lookEvery && !p.newcomers(want)) {
		return nil
	}
	p.peers, p.looked = *alive, now
	if len(p.peers) > 1 || !same {
		if err := p.compareLeases(ctx); err != nil {
			return err
		}
	}
	var take []string
	var give []Lease
	for _, name := range slices.Sorted(maps.Keys(want)) {
		l, own := p.leases[name]
		switch mine := p.force || preferred(name, p.peers) == p.id; {
		case mine && !own:
			take = append(take, name)
		case !mine && own:
			give = append(give, l)
		}
	}
	if len(give) > 0 {
		if err := p.store.Release(ctx, give); err != nil {
			return err
		}
		for _, l := range give {
			p.lose(l.Project)
		}
	}
	return p.take(ctx, take)
}

// wanted are the projects that there are: declared, spoken of, or still stored.
func (p *projector) wanted() map[string]bool {
	if p.all != nil {
		return p.all
	}
	p.all = make(map[string]bool, len(p.prints)+len(p.specs))
	for name := range p.prints {
		p.all[name] = true
	}
	for name := range p.specs {
		p.all[name] = true
	}
	for name := range p.heads {
		p.all[name] = true
	}
	return p.all
}

// newcomers says whether there is a project without a projection and without a
// lease of this replica, which should not have to wait.
func (p *projector) newcomers(want map[string]bool) bool {
	if len(p.leases) >= len(want) {
		return false
	}
	for name := range want {
		if _, own := p.leases[name]; own {
			continue
		}
		if _, stored := p.heads[name]; !stored && preferred(name, p.peers) == p.id {
			return true
		}
	}
	return false
}

// compareLeases drops what this replica believes to hold and does not.
func (p *projector) compareLeases(ctx context.Context) error {
	all, err := p.store.Leases(ctx)
	if err != nil {
		return err
	}
	held := make(map[string]Lease, len(all))
	for _, l := range all {
		held[l.Project] = l
	}
	for name, l := range p.leases {
		if held[name] != l {
			p.lose(name)
		}
	}
	return nil
}

func (p *projector) lose(name string) {
	delete(p.leases, name)
	delete(p.projects, name)
	p.looked = time.Time{}
}

// take claims projects and begins to project those that it got.
func (p *projector) take(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	got, err := p.store.Claim(ctx, p.id, names, p.force)
	if err != nil || len(got) == 0 {
		return err
	}
	// What the holder before stored, perhaps a moment ago.
	if err := p.readHeads(ctx); err != nil {
		return err
	}
	ahead := false
	for _, l := range got {
		p.leases[l.Project] = l
		ahead = ahead || p.heads[l.Project].Seq > p.seq
	}
	if ahead {
		if err := p.readOrigins(ctx); err != nil {
			return err
		}
		if err := p.reassign(ctx); err != nil {
			return err
		}
	}
	for _, l := range got {
		if p.projects[l.Project] != nil || !p.anew && p.current(l.Project) {
			continue
		}
		if err := p.remake(ctx, l.Project); err != nil {
			return err
		}
	}
	return nil
}

// current says whether the stored projection of a project is what it should be,
// as far as this replica has followed the log.
func (p *projector) current(name string) bool {
	h, stored := p.heads[name]
	_, declared := p.specs[name]
	print, events := p.prints[name]
	return stored && (declared || events) && h.Format == blockFormat && h.SpecVersion == p.specs[name].Version &&
		h.Origins == print && h.Seq >= p.newest[name]
}

// foreign is what the projection of a project should hold that another replica
// projects, and what is known to be stored.
type foreign struct {
	seq, origins, version int64
	wanted                bool
	head                  Head
}

// holds says whether what is stored holds all up to a mark.
func (f foreign) holds(mark int64) bool {
	if !f.wanted || f.head.Format != blockFormat {
		return f.head.Project == "" && !f.wanted
	}
	return f.head.SpecVersion == f.version && f.head.Origins == f.origins && (f.head.Seq >= f.seq || f.head.Seq >= mark)
}

// others are the projects that other replicas project.
func (p *projector) others() map[string]foreign {
	want := p.wanted()
	if len(want) == len(p.leases) {
		return nil
	}
	out := map[string]foreign{}
	for name := range want {
		if _, own := p.leases[name]; own {
			continue
		}
		_, declared := p.specs[name]
		print, events := p.prints[name]
		out[name] = foreign{seq: p.newest[name], origins: print, version: p.specs[name].Version, wanted: declared || events, head: p.heads[name]}
	}
	return out
}

// behind says whether a project that another replica projects is not known to
// be what it should be.
func (p *projector) behind() bool {
	for _, f := range p.others() {
		if !f.holds(p.seq) {
			return true
		}
	}
	return false
}

// reached says, under p.mu, whether the projection of a project, or of all with
// the name "", holds what is wanted.
func (p *projector) reached(want progress, name string) bool {
	if p.done.reached(want) && len(p.foreign) == 0 {
		return true
	}
	if !p.seen.reached(want) {
		return false
	}
	if name != "" {
		if f, other := p.foreign[name]; other {
			return f.holds(want.seq)
		}
		return p.done.reached(want)
	}
	for _, f := range p.foreign {
		if !f.holds(want.seq) {
			return false
		}
	}
	return p.done.reached(want)
}
