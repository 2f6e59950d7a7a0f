package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora/devlake"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// Head says which revision of a project's history is current.
type Head struct {
	Project    string
	Began, Rev int64
}

// ErrGone is what a Source answers about a project that has no history now.
var ErrGone = errors.New("the project has no history")

// Source gives the history that is relayed.
type Source interface {
	// Heads lists the current revisions of all projects.
	Heads(ctx context.Context) ([]Head, error)
	// History is that of a project as of a head or later.
	History(ctx context.Context, h Head) (project.Spec, *history.Projection, error)
}

// putBatch is how many entities one transaction writes.
const putBatch = 256

// feed takes one project's history into the outbox. What it keeps in memory only
// saves work.
type feed struct {
	hashes map[entityKey]string // what the outbox holds
	seen   map[any]mapped       // by the history's own rows, which never change
	spec   project.Spec
}

type mapped struct {
	key   entityKey
	hash  string
	waits string
	until event.Time
}

// take brings the outbox up to a revision, and reports whether a connection may
// be missing now.
func (f *feed) take(ctx context.Context, o *Outbox, l lease, h Head, spec project.Spec, p *history.Projection, clock func() time.Time, leased func() time.Time) (m mark, fresh bool, err error) {
	if f.hashes == nil {
		if f.hashes, err = o.hashes(ctx, h.Project); err != nil {
			return mark{}, false, err
		}
	}
	if !sameKinds(f.spec, spec) {
		f.seen, f.spec = nil, spec
	}
	if spec.Project == "" {
		spec.Project = h.Project
	}
	now := event.Micros(clock())
	next := make(map[any]mapped, len(f.seen))
	gone := make(map[entityKey]bool, len(f.hashes))
	for k := range f.hashes {
		gone[k] = true
	}
	m = mark{project: h.Project, began: h.Began, rev: h.Rev}
	waiting := map[string]int{}
	var batch []devlake.Outgoing
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := o.put(ctx, l, h.Project, batch, clock(), leased()); err != nil {
			f.hashes = nil // what was written is in doubt
			return err
		}
		for _, b := range batch {
			f.hashes[entityKey{b.Kind, b.Entity}] = b.Hash()
		}
		batch = batch[:0]
		return nil
	}
	note := func(row any, write func() (devlake.Outgoing, error)) error {
		v, ok := f.seen[row]
		if !ok || v.until != 0 && v.until <= now {
			out, err := write()
			if err != nil {
				return err
			}
			v = mapped{key: entityKey{out.Kind, out.Entity}, waits: out.Waits, until: out.Until}
			if out.Waits == "" {
				v.hash = out.Hash()
				if f.hashes[v.key] != v.hash {
					batch, fresh = append(batch, out), true
				}
			}
		}
		next[row] = v
		if delete(gone, v.key); v.waits != "" {
			waiting[v.waits]++
			if v.until != 0 && (m.recheckAt == 0 || int64(v.until) < m.recheckAt) {
				m.recheckAt = int64(v.until)
			}
		}
		if len(batch) >= putBatch {
			return flush()
		}
		return nil
	}
	for _, lane := range p.Lanes {
		for _, d := range lane.Deployments {
			if err := note(d, func() (devlake.Outgoing, error) { return devlake.OutgoingDeployment(spec, d, now) }); err != nil {
				return mark{}, false, err
			}
		}
	}
	for _, i := range p.Incidents {
		if err := note(i, func() (devlake.Outgoing, error) { return devlake.OutgoingIncident(i) }); err != nil {
			return mark{}, false, err
		}
	}
	for _, r := range p.PullRequests {
		if err := note(r, func() (devlake.Outgoing, error) { return devlake.OutgoingPullRequest(r) }); err != nil {
			return mark{}, false, err
		}
	}
	if err := flush(); err != nil {
		return mark{}, false, err
	}
	text, err := json.Marshal(waiting)
	if err != nil {
		return mark{}, false, fmt.Errorf("write what waits: %w", err)
	}
	m.waiting = string(text)
	absent := make([]entityKey, 0, len(gone))
	for k := range gone {
		absent = append(absent, k)
	}
	if err := o.moved(ctx, l, m, absent, leased()); err != nil {
		return mark{}, false, err
	}
	f.seen = next
	return m, fresh, nil
}

// sameKinds reports whether two declarations map environments alike.
func sameKinds(a, b project.Spec) bool {
	return a.Project == b.Project && slices.Equal(a.Environments, b.Environments)
}

// due reports whether a project's history is to be looked at.
func due(m mark, known bool, h Head, now time.Time) bool {
	return !known || m.began != h.Began || m.rev != h.Rev || m.recheckAt != 0 && m.recheckAt <= sqlstore.Micros(now)
}
