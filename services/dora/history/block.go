package history

import (
	"cmp"
	"hash/maphash"
	"net/url"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// A projection is stored in blocks: a block holds what one lane, repository or
// project did in one month, so that one more event rewrites a few small blocks
// however long the history is. Equal facts give equal blocks, byte for byte.
//
// Keys: "d/<service>/<environment>/<month>" deployments with their changes,
// "u/<service>/<environment>/<month>" reports of deployments that do not count,
// "p/<service>/<environment>/<repo>/<month>" changes that wait,
// "r/<repo>/<month>" pull requests, "i/<month>" incidents, "m" the summary.

// Delta is what a settling changed.
type Delta struct {
	Changed map[string][]byte
	Deleted []string
}

// shelf is a row of blocks, one a month, as they were last handed out.
type shelf struct {
	name string
	sums map[month]blockSum
}

type blockSum struct {
	heads uint64 // of the deployments without their changes
	block uint64 // of the whole block
}

func newShelf(parts ...string) shelf {
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return shelf{name: strings.Join(parts, "/"), sums: map[month]blockSum{}}
}

func (s *shelf) key(m month) string { return s.name + "/" + m.String() }

// months are those that have a block.
func (s *shelf) months() map[month]bool {
	out := make(map[month]bool, len(s.sums))
	for m := range s.sums {
		out[m] = true
	}
	return out
}

// encoder gathers the blocks that differ from those handed out before. Several
// may work at once, each on shelves of its own.
type encoder struct {
	made    []madeBlock    // when there is no one to give them to
	to      chan madeBlock // to whom blocks are given
	deleted []string
	seed    maphash.Seed // the same for all, or sums could not be compared
	w       *writer
	scratch changeScratch
}

type madeBlock struct {
	key  string
	body []byte
}

func newEncoder(seed maphash.Seed) *encoder { return &encoder{seed: seed, w: newWriter()} }

// give hands out a block; it is not changed any more.
func (e *encoder) give(key string, body []byte) {
	if e.to != nil {
		e.to <- madeBlock{key, body}
		return
	}
	e.made = append(e.made, madeBlock{key, body})
}

func (e *encoder) put(s *shelf, m month, block []byte) { e.putHeads(s, m, 0, block) }

func (e *encoder) putHeads(s *shelf, m month, heads uint64, block []byte) {
	sum := blockSum{heads: heads, block: maphash.Bytes(e.seed, block)}
	if old, ok := s.sums[m]; !ok || old.block != sum.block {
		e.give(s.key(m), slices.Clone(block))
	}
	s.sums[m] = sum
}

func (e *encoder) drop(s *shelf, m month) {
	if _, ok := s.sums[m]; ok {
		delete(s.sums, m)
		e.deleted = append(e.deleted, s.key(m))
	}
}

func (e *encoder) clear(s *shelf) {
	for m := range s.sums {
		e.drop(s, m)
	}
}

// encodeLane writes the months of a lane in which a deployment or its changes
// differ.
func (l *Ledger) encodeLane(e *encoder, ln *lane) {
	gone := ln.blocks.months()
	runs(ln.rows, func(r *row) Time { return r.FinishedAt }, func(m month, rows []*row) {
		delete(gone, m)
		stale := false
		w := e.w.begin()
		for _, r := range rows {
			stale = stale || r.stale
			w.head(&r.Deployment)
		}
		heads := maphash.Bytes(e.seed, w.b)
		if old, ok := ln.blocks.sums[m]; ok && !stale && old.heads == heads {
			return
		}
		w.begin()
		w.text(ln.service)
		w.text(ln.environment)
		w.uint(uint64(len(rows)))
		for _, r := range rows {
			l.encodeRow(e, ln, r)
			r.stale = false
		}
		e.putHeads(&ln.blocks, m, heads, w.b)
	})
	for m := range gone {
		e.drop(&ln.blocks, m)
	}
}

func (l *Ledger) encodeRow(e *encoder, ln *lane, r *row) {
	var p Pending
	w := e.w
	if r.label != none {
		lr := ln.repos[r.repository.key]
		c := changeWriter{changeScratch: &e.scratch, repo: r.repository, filter: lr.filter, skipMerges: l.spec.MergeCommits == project.MergeSkip}
		if r.Reason == ReasonBaseline {
			c.reason = reasonCode(ReasonBaseline)
		}
		p = c.rows(r.nodes)
	}
	r.LongSHAs = p.LongSHAs
	w.head(&r.Deployment)
	r.LongSHAs = nil
	w.changes(p.PullRequests, p.Changes, p.LongSHAs)
}

// uncounted writes the months of what does not count in a lane, which has
// nothing but what was reported.
func (e *encoder) uncounted(ln *lane) {
	gone := ln.aside.months()
	runs(ln.uncounted, func(r *row) Time { return r.FinishedAt }, func(m month, rows []*row) {
		delete(gone, m)
		w := e.w.begin()
		w.text(ln.service)
		w.text(ln.environment)
		w.uint(uint64(len(rows)))
		for _, r := range rows {
			w.head(&Deployment{
				Source: r.Source, ID: r.ID, Repo: r.Repo, SHA: r.SHA, Digest: r.Digest, Production: r.Production, Outcome: r.Outcome,
				StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Unplanned: r.Unplanned, Title: r.Title, URL: r.URL,
				ResolvedBy: r.ResolvedBy, Reason: ReasonNotAuthoritative,
			})
			w.changes(nil, nil, nil)
		}
		e.put(&ln.aside, m, w.b)
	})
	for m := range gone {
		e.drop(&ln.aside, m)
	}
}

// encodePullRequests writes the months of a repository in which a pull request
// differs.
func (l *Ledger) encodePullRequests(e *encoder, r *repository) {
	months := map[month]bool{}
	for slot := range r.shown {
		p := r.pulls[slot]
		months[p.month], months[monthOf(p.createdAt.v)] = true, true
		p.month = monthOf(p.createdAt.v)
	}
	clear(r.shown)
	if r.renamed {
		for m := range r.blocks.sums {
			months[m] = true
		}
	}
	var slots []int32
	for slot, p := range r.pulls {
		if months[p.month] {
			slots = append(slots, int32(slot))
		}
	}
	slices.SortFunc(slots, func(a, b int32) int {
		x, y := r.pulls[a], r.pulls[b]
		return cmp.Or(cmp.Compare(x.createdAt.v, y.createdAt.v), compareNumbers(x.number, y.number))
	})
	lanes := l.arrivals(r)
	runs(slots, func(slot int32) Time { return r.pulls[slot].createdAt.v }, func(m month, slots []int32) {
		delete(months, m)
		w := e.w.begin()
		w.text(r.url)
		w.uint(uint64(len(slots)))
		for _, slot := range slots {
			p := l.pullRequestRow(r, slot, lanes)
			w.pullRequest(&p)
		}
		e.put(&r.blocks, m, w.b)
	})
	for m := range months {
		e.drop(&r.blocks, m)
	}
}

func (e *encoder) incidents(s *shelf, incidents []*Incident) {
	gone := s.months()
	runs(incidents, func(i *Incident) Time { return i.OpenedAt }, func(m month, rows []*Incident) {
		delete(gone, m)
		w := e.w.begin()
		w.uint(uint64(len(rows)))
		for _, i := range rows {
			w.incident(i)
		}
		e.put(s, m, w.b)
	})
	for m := range gone {
		e.drop(s, m)
	}
}
