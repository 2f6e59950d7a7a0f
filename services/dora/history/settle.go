package history

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// derived is what Settle keeps between two settlings.
type derived struct {
	lanes      map[laneKey]*lane
	vanished   []*lane // lost their last deployment in this settling
	incidents  []*Incident
	production []*row // successful ones as they took effect
	waiting    map[waitingKey]*waiting
	stale      map[*deploymentFacts]bool     // rows to make again; true when the facts changed
	unresolved map[*deploymentFacts]struct{} // whose commit may still become known
	explained  map[string]struct{}           // images of which more is known

	incidentsChanged bool

	seed           maphash.Seed
	incidentBlocks shelf
	summary        []byte // as last handed out
	settled        bool
}

func (s *derived) init() {
	s.lanes = map[laneKey]*lane{}
	s.waiting = map[waitingKey]*waiting{}
	s.stale = map[*deploymentFacts]bool{}
	s.unresolved = map[*deploymentFacts]struct{}{}
	s.explained = map[string]struct{}{}
	s.seed = maphash.MakeSeed()
	s.incidentBlocks = newShelf("i")
}

// Settle derives the history from the facts and returns the blocks that
// changed since the last call. It is [Ledger.SettleTo] for those who want them
// all at once.
func (l *Ledger) Settle() Delta {
	out := Delta{Changed: map[string][]byte{}}
	deleted, err := l.SettleTo(func(key string, block []byte) error {
		out.Changed[key] = block
		return nil
	})
	if err != nil {
		//nolint:forbidigo // a fault of the program, not of its input
		panic(fmt.Sprintf("history: settle: %v", err)) // put returns none: cannot happen
	}
	out.Deleted = deleted
	return out
}

// SettleTo derives the history from the facts, gives put the blocks that changed
// since the last call, as they are made and in any order, and returns the keys
// of those that are gone. Once put has failed the ledger must not be used any
// more. It may be called after any number of Apply; the
// result after the last is the same however they were grouped.
//
// It derives again only what may have changed: the claims of pull requests
// that were reported or that refer to a commit that was, the rows of
// deployments likewise, then the lanes in which rows or commits changed, and
// last the months in which any of that is written down.
func (l *Ledger) SettleTo(put func(key string, block []byte) error) (deleted []string, err error) {
	s := &l.state
	e := newEncoder(s.seed)
	active := l.activeRepositories()
	l.inParallel(len(active), func(_, i int) {
		r := active[i]
		r.rederive(r.dag.generations())
	})
	l.resolve(len(active) > 0)
	moved := l.attribute(e, active)
	if moved || s.incidentsChanged {
		l.linkIncidents()
		e.incidents(&s.incidentBlocks, s.incidents)
	}
	if moved || len(active) > 0 {
		l.queues(e)
	}
	l.encodeSummary(e)
	deleted, err = l.encode(e, l.changedRows(), put)
	l.rest(active)
	return deleted, err
}

// changedRows is the work of writing the blocks of all that may have changed:
// lane by lane, and repository by repository.
func (l *Ledger) changedRows() []func(*encoder) {
	s := &l.state
	var work []func(*encoder)
	for _, ln := range s.lanes {
		if ln.dirty {
			work = append(work, func(e *encoder) {
				ln.fail()
				l.encodeLane(e, ln)
				e.uncounted(ln)
			})
		}
	}
	waiting := map[*repository][]*waiting{}
	for _, q := range s.waiting {
		waiting[q.repo] = append(waiting[q.repo], q)
	}
	for _, r := range l.repos {
		work = append(work, func(e *encoder) {
			if len(r.shown) > 0 || r.renamed {
				l.encodePullRequests(e, r)
			}
			for _, q := range waiting[r] {
				l.encodeWaiting(e, q)
			}
		})
	}
	return work
}

// blocksAhead bounds the blocks that were made and not yet put.
const blocksAhead = 16

// encode does the work on all processors and puts what comes of it, beside what
// first has gathered.
func (l *Ledger) encode(first *encoder, work []func(*encoder), put func(key string, block []byte) error) (deleted []string, err error) {
	for _, b := range first.made {
		if err := put(b.key, b.body); err != nil {
			return nil, err
		}
	}
	deleted = first.deleted
	all := make([]*encoder, processors(len(work)))
	made := make(chan madeBlock, blocksAhead)
	for i := range all {
		all[i] = newEncoder(first.seed)
		all[i].to = made
	}
	go func() {
		defer close(made)
		l.inParallel(len(work), func(worker, i int) { work[i](all[worker]) })
	}()
	for b := range made {
		if err == nil {
			err = put(b.key, b.body)
		}
	}
	for _, e := range all {
		deleted = append(deleted, e.deleted...)
	}
	slices.Sort(deleted)
	return deleted, err
}

// inParallel does n pieces of work that do not touch each other; worker numbers
// who does it, from 0.
func (l *Ledger) inParallel(n int, do func(worker, i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for worker := range processors(n) {
		wg.Go(func() {
			rest := l.pause()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(worker, i)
				rest()
			}
		})
	}
	wg.Wait()
}

// pause is what one goroutine calls between two pieces of its work.
func (l *Ledger) pause() func() {
	if l.GiveWay == nil {
		return func() {}
	}
	return l.GiveWay()
}

func processors(n int) int { return min(n, runtime.GOMAXPROCS(0)) }

// activeRepositories are those of which something was reported since the last
// settling, by key.
func (l *Ledger) activeRepositories() []*repository {
	var out []*repository
	for _, r := range l.repos {
		if len(r.dirty) > 0 || len(r.dag.touched) > 0 || r.dag.size() > r.dag.settled || r.renamed || !r.seen {
			r.seen = true
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *repository) int { return cmp.Compare(a.key, b.key) })
	return out
}

// attribute brings every lane up to date with its deployments and with the
// active repositories; it says whether any deployment may have changed.
func (l *Ledger) attribute(e *encoder, active []*repository) (moved bool) {
	s := &l.state
	for _, r := range active {
		for k, lr := range r.lanes {
			ln := s.lanes[k]
			if ln == nil {
				continue // it vanished
			}
			if lr.disturbed() {
				ln.dirty = true
			}
		}
		if r.renamed {
			s.rename(r)
		}
	}
	for _, ln := range s.vanished {
		moved = true
		for _, lr := range ln.repos {
			lr.repo.leave(ln.laneKey)
		}
		e.clear(&ln.blocks)
		e.clear(&ln.aside)
	}
	s.vanished = nil
	delivered := map[laneKey]bool{}
	rest := l.pause()
	for k, ln := range s.lanes {
		if ln.dirty {
			rest()
			moved, delivered[k] = true, true
			l.attributeLane(ln)
			ln.kinds()
			for _, lr := range ln.repos {
				lr.deliver()
			}
		}
	}
	for _, r := range active {
		for k, lr := range r.lanes {
			if !delivered[k] {
				lr.deliver()
			}
		}
		for _, ln := range s.lanes { // rows that show other changes than before
			if lr := ln.repos[r.key]; lr != nil && slices.ContainsFunc(lr.order, func(r *row) bool { return r.stale }) {
				ln.dirty = true
			}
		}
	}
	return moved
}

// rename shows another spelling of a repository's URL.
func (s *derived) rename(r *repository) {
	for _, ln := range s.lanes {
		for _, rows := range [][]*row{ln.reports, ln.rows} {
			for _, row := range rows {
				if row.repository == r && row.Repo != r.url {
					row.Repo, ln.dirty, row.stale = r.url, true, true
				}
			}
		}
	}
}

// rest notes that everything has been derived.
func (l *Ledger) rest(active []*repository) {
	s := &l.state
	s.incidentsChanged = false
	for _, ln := range s.lanes {
		if !ln.dirty {
			continue
		}
		ln.dirty = false
		for _, lr := range ln.repos {
			lr.shifts, lr.all = lr.shifts[:0], false
		}
	}
	for _, r := range active {
		r.renamed = false
		r.moved = r.moved[:0]
		r.dag.settled = r.dag.size()
	}
}

// repositories lists the repositories by key.
func (l *Ledger) repositories() []*repository {
	return slices.SortedFunc(maps.Values(l.repos), func(a, b *repository) int { return cmp.Compare(a.key, b.key) })
}
