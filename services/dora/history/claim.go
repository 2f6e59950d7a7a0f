package history

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// claims is which commits of a repository belong to which of its pull
// requests. A commit belongs to the first merged of those that claim it;
// node.pr holds that one's slot.
type claims struct {
	rivals   map[int32][]int32  // nodes that several pull requests claim -> their slots
	replaced map[int32]int32    // nodes in whose place a squash or rebase put others -> by how many
	awaited  map[int32][]int32  // nodes that are referred to and not reported -> slots
	loose    map[int32]struct{} // slots that refer to a commit by an abbreviation
	shown    map[int32]struct{} // slots whose rows must be made again
	moved    []touch            // nodes that something may have been derived from, of this settling
}

func newClaims() claims {
	return claims{rivals: map[int32][]int32{}, replaced: map[int32]int32{}, awaited: map[int32][]int32{},
		loose: map[int32]struct{}{}, shown: map[int32]struct{}{}}
}

// claim is what one pull request was found to hold.
type claim struct {
	nodes    []int32    // its commits: those of the branch, then those that the merge made
	merge    int32      // its merge commit when that is reported, else none
	branch   int32      // how many of nodes are the branch's
	own      int32      // how many of its commits are reported
	gone     bool       // the branch's commits were replaced by the merge's
	squash   Time       // the authored time that the merge commit stands for, 0 for its own
	first    Time       // earliest authored time
	approved Time       // first approval
	order    Time       // merged, or the end of time
	shown    milestones // as changes show it
}

// milestones are the times of a pull request that changes show.
type milestones struct{ created, reviewed, merged Time }

// ref is the pull request as changes show it.
func (p *pullRequestFacts) ref() PullRequestRef {
	return PullRequestRef{Number: p.number, CreatedAt: p.shown.created, FirstReviewAt: p.shown.reviewed, MergedAt: p.shown.merged}
}

var noClaim = claim{merge: none}

// mostClaimed bounds the commits that one pull request brings by ancestry. A
// merge of more (another history grafted in, say) claims itself and what it
// lists.
const mostClaimed = 10_000

// rederive brings claims up to date with the facts and the graph. A change to
// a commit that others descend from may concern any of them: it may fill a hole
// between a branch and its base, or show that a branch was rebased.
func (r *repository) rederive(reshaped bool) {
	g := r.dag
	r.moved = append(r.moved[:0], g.touched...)
	for _, t := range g.touched {
		reshaped = reshaped || t.dated && g.has(t.n, isParent)
	}
	switch {
	case reshaped:
		for slot := range r.pulls {
			r.changed(int32(slot))
		}
	case len(g.touched) > 0 || g.size() > g.settled:
		for slot := range r.loose {
			r.changed(slot)
		}
		for _, t := range g.touched {
			for _, slot := range r.awaited[t.n] {
				r.changed(slot)
			}
			if g.has(t.n, present) {
				delete(r.awaited, t.n)
			}
			for _, slot := range r.claimants(t.n) {
				r.changed(slot)
			}
		}
	}
	for _, slot := range r.dirty {
		r.pulls[slot].dirty = false
		r.reclaim(slot)
	}
	r.dirty = r.dirty[:0]
	g.touched = g.touched[:0]
}

// claimants are the slots that claim a node.
func (r *repository) claimants(n int32) []int32 {
	if all, ok := r.rivals[n]; ok {
		return slices.Clone(all)
	}
	if slot := r.dag.at(n).pr; slot != none {
		return []int32{slot}
	}
	return nil
}

// reclaim derives a pull request's claim again and puts it in the old one's place.
func (r *repository) reclaim(slot int32) {
	p := r.pulls[slot]
	r.shown[slot] = struct{}{}
	old, now := p.claim, r.claimOf(slot)
	if old.order == now.order && old.shown == now.shown && old.gone == now.gone && old.squash == now.squash &&
		old.merge == now.merge && old.branch == now.branch && slices.Equal(old.nodes, now.nodes) {
		p.claim = now
		return
	}
	r.release(slot, old)
	p.claim = now
	for _, n := range now.nodes {
		r.take(n, slot)
	}
	if now.gone {
		for _, n := range now.nodes[:now.branch] {
			r.replaced[n]++
		}
	}
	for _, n := range append(old.nodes, now.nodes...) {
		if int(n) < r.dag.settled {
			r.moved = append(r.moved, touch{n: n, was: r.dag.at(n).committed})
		}
	}
}

func (r *repository) take(n, slot int32) {
	v := r.dag.at(n)
	if v.pr == none {
		v.pr = slot
		return
	}
	if all, ok := r.rivals[n]; ok {
		r.rivals[n] = append(all, slot)
	} else {
		r.rivals[n] = []int32{v.pr, slot}
	}
	if r.before(slot, v.pr) {
		v.pr = slot
	}
}

func (r *repository) release(slot int32, old claim) {
	for _, n := range old.nodes {
		v := r.dag.at(n)
		all := slices.DeleteFunc(r.rivals[n], func(s int32) bool { return s == slot })
		switch len(all) {
		case 0:
			v.pr = none
		case 1:
			delete(r.rivals, n)
			v.pr = all[0]
		default:
			r.rivals[n] = all
			v.pr = slices.MinFunc(all, func(a, b int32) int {
				if r.before(a, b) {
					return -1
				}
				return 1
			})
		}
	}
	if old.gone {
		for _, n := range old.nodes[:old.branch] {
			if r.replaced[n]--; r.replaced[n] == 0 {
				delete(r.replaced, n)
			}
		}
	}
}

// before orders pull requests by their merging, then by number.
func (r *repository) before(a, b int32) bool {
	x, y := r.pulls[a], r.pulls[b]
	return cmp.Or(cmp.Compare(x.order, y.order), compareNumbers(x.number, y.number)) < 0
}

// compareNumbers orders "9" before "10" and both before "x".
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// claimOf finds the commits of a pull request: those that it lists; for a
// merge commit also what its other parents brought; for a squash or a rebase
// of which no commit is listed, the branch behind its head.
func (r *repository) claimOf(slot int32) claim {
	g, p := r.dag, r.pulls[slot]
	c := claim{merge: none, order: p.mergedAt.v, shown: milestones{created: p.createdAt.v, merged: p.mergedAt.v}}
	c.shown.reviewed, c.approved = p.firstReview()
	if c.order == 0 {
		c.order = math.MaxInt64
	}
	var set nodeSet
	for _, n := range p.commits.v {
		if n = r.follow(slot, n); n != none {
			set.add(n)
		}
	}
	listed := len(set.nodes) > 0
	if p.mergedAt.v != 0 && p.mergeSHA.known() {
		c.merge = r.follow(slot, p.mergeSHA.v)
	}
	if c.merge != none {
		m := g.at(c.merge)
		if m.flags&isMerge != 0 {
			others := append([]int32{m.p2}, g.more[c.merge]...)
			brought, _ := g.difference(m.p1, others, mostClaimed)
			set.add(brought...)
		} else if head := &p.headSHA; !listed && head.known() {
			switch h := r.follow(slot, head.v); {
			case h == none || h == c.merge:
			case m.flags&parentsKnown != 0:
				brought, _ := g.difference(m.p1, []int32{h}, mostClaimed)
				set.add(brought...)
			default: // without a base nothing tells where the branch began
				set.add(h)
			}
		}
	}
	c.nodes, c.branch = set.nodes, int32(len(set.nodes))
	for _, n := range set.nodes {
		if !g.has(n, present) {
			continue
		}
		c.own++
		if t := g.at(n).authored; t != 0 && (c.first == 0 || t < c.first) {
			c.first = t
		}
	}
	if c.merge == none {
		return c
	}
	if c.own == 0 && r.standsForItself(slot, c.merge) {
		c.first = g.at(c.merge).authored
	}
	if !set.has(c.merge) {
		if !g.has(c.merge, isMerge) && !c.merged(g) {
			c.rewritten(g)
			c.own = max(c.own, 1)
		}
		c.nodes = append(c.nodes, c.merge)
	}
	return c
}

// standsForItself reports whether the merge commit of a pull request of which no
// commit is reported is a commit of its branch: its head, or, where nothing
// tells of the branch, one that was there when the pull request was opened. A
// squash or a merge was authored by merging, and says nothing of when the work
// began.
func (r *repository) standsForItself(slot, merge int32) bool {
	g, p := r.dag, r.pulls[slot]
	switch m := g.at(merge); {
	case m.flags&isMerge != 0 || len(p.commits.v) > 0:
		return false
	case p.headSHA.known():
		return r.follow(slot, p.headSHA.v) == merge
	default:
		return m.authored <= p.createdAt.v
	}
}

// follow resolves what a pull request refers to, and remembers to look again
// when it is not reported yet.
func (r *repository) follow(slot, n int32) int32 {
	g := r.dag
	if g.has(n, present) {
		return n
	}
	if len(g.long) > 0 && len(g.text(n)) != 40 {
		r.loose[slot] = struct{}{}
	}
	if all := r.awaited[n]; len(all) == 0 || all[len(all)-1] != slot {
		r.awaited[n] = append(all, slot)
	}
	return g.reported(n)
}

// merged says of a merge commit whose parents are not known that it holds
// commits of the branch, as a squash or a rebase would not.
func (c *claim) merged(g *dag) bool {
	return !g.has(c.merge, parentsKnown) && slices.ContainsFunc(c.nodes, func(n int32) bool { return g.contains(c.merge, n) })
}

// rewritten handles a merge that put other commits in the branch's place.
// After a rebase the commits before the merge SHA carry the authored times of
// the branch's, one by one; otherwise it was a squash, and its one commit
// stands for the branch.
func (c *claim) rewritten(g *dag) {
	var known []int32
	for _, n := range c.nodes {
		if g.has(n, present) {
			known = append(known, n)
		}
	}
	if len(known) == 0 {
		return
	}
	run := make([]int32, 0, len(known))
	for n := c.merge; n != none && len(run) < len(known) && !g.has(n, isMerge); n = g.at(n).p1 {
		run = append(run, n)
	}
	if len(run) == len(known) && slices.Equal(authoredTimes(g, run), authoredTimes(g, known)) {
		for _, n := range run[1:] { // run[0] is the merge commit, which comes last
			if !slices.Contains(known, n) {
				c.nodes = append(c.nodes, n)
			}
		}
	} else if m := g.at(c.merge).authored; c.first != 0 && (m == 0 || c.first < m) {
		c.squash = c.first
	}
	c.gone = true
}

func authoredTimes(g *dag, nodes []int32) []Time {
	out := make([]Time, len(nodes))
	for i, n := range nodes {
		out[i] = g.at(n).authored
	}
	slices.Sort(out)
	return out
}

// firstReview returns the first act of review by someone other than the
// author, and the first approval by such a one.
func (p *pullRequestFacts) firstReview() (first, approved Time) {
	for i := range p.reviews {
		v := &p.reviews[i]
		if v.author != "" && strings.EqualFold(v.author, p.author.v) {
			continue
		}
		if first == 0 {
			first = v.at
		}
		if v.kind == event.ReviewApproval {
			return first, v.at
		}
	}
	return first, approved
}

// nodeSet is a small set that keeps the order of adding.
type nodeSet struct {
	nodes []int32
	in    map[int32]struct{} // nil while the set is small
}

func (s *nodeSet) has(n int32) bool {
	if s.in == nil {
		return slices.Contains(s.nodes, n)
	}
	_, ok := s.in[n]
	return ok
}

func (s *nodeSet) add(nodes ...int32) {
	for _, n := range nodes {
		if s.has(n) {
			continue
		}
		s.nodes = append(s.nodes, n)
		switch {
		case s.in != nil:
			s.in[n] = struct{}{}
		case len(s.nodes) > 32:
			s.in = make(map[int32]struct{}, 64)
			for _, m := range s.nodes {
				s.in[m] = struct{}{}
			}
		}
	}
}
