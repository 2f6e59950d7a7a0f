package history

import (
	"slices"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// waiting are the commits of a repository that no deployment of a service has
// brought to an environment of kind production yet.
type waiting struct {
	laneKey
	repo   *repository
	filter int
	lane   *laneRepo // nil when nothing was ever deployed there
	nodes  []int32   // in order
	made   bool
	blocks shelf
}

type waitingKey struct {
	laneKey
	repo string
}

// queues keeps one [waiting] for each production lane of each service of each
// repository; for a service without such a lane one that names no environment.
// The services of a repository are those declared for it and those deployed
// from it; when there are none, the repository stands for one of its own name.
func (l *Ledger) queues(e *encoder) {
	s := &l.state
	wanted := map[waitingKey]*laneRepo{}
	for _, r := range l.repos {
		services := map[string]bool{}
		for _, v := range l.spec.Services {
			if v.Repo != "" && event.RepoKey(v.Repo) == r.key {
				services[v.Name] = false
			}
		}
		for k, lr := range r.lanes {
			live := s.lanes[k].production
			services[k.service] = services[k.service] || live
			if live {
				wanted[waitingKey{k, r.key}] = lr
			}
		}
		if len(services) == 0 {
			services[l.serviceOf(r.url)] = false
		}
		for name, live := range services {
			if !live {
				wanted[waitingKey{laneKey{service: name}, r.key}] = nil
			}
		}
	}
	for k, q := range s.waiting {
		if lr, ok := wanted[k]; !ok {
			e.clear(&q.blocks)
			delete(s.waiting, k)
		} else if lr != q.lane {
			q.lane, q.made = lr, false
		}
	}
	for k, lr := range wanted {
		q := s.waiting[k]
		if q == nil {
			r := l.repos[k.repo]
			q = &waiting{laneKey: k.laneKey, repo: r, lane: lr, filter: filterBit(r, k.service),
				blocks: newShelf("p", k.service, k.environment, k.repo)}
			s.waiting[k] = q
		}
	}
}

// update brings the queue up to date and returns the months in which anything
// about it changed.
func (q *waiting) update() map[month]bool {
	r, g := q.repo, q.repo.dag
	if !q.made || r.renamed || q.lane != nil && q.lane.all {
		q.made, q.nodes = true, q.nodes[:0]
		months := q.blocks.months()
		for n := range g.size() {
			if q.holds(int32(n)) {
				q.nodes = append(q.nodes, int32(n))
			}
		}
		slices.SortFunc(q.nodes, g.inOrder)
		g.eachMonth(q.nodes, func(m month, _ []int32) { months[m] = true })
		return months
	}
	changed := make([]int32, 0, len(r.moved)+g.size()-g.settled)
	months := map[month]bool{}
	for _, t := range r.moved {
		months[monthOf(t.was)] = true
		changed = append(changed, t.n)
	}
	for n := g.settled; n < g.size(); n++ {
		changed = append(changed, int32(n))
	}
	if q.lane != nil {
		changed = append(changed, q.lane.shifts...)
	}
	if len(changed) == 0 {
		return nil
	}
	slices.Sort(changed)
	changed = slices.Compact(changed)
	g.walker.begin(g.size())
	for _, n := range changed {
		g.walker.mark[n] = g.walker.epoch
		months[monthOf(g.at(n).committed)] = true
	}
	q.nodes = slices.DeleteFunc(q.nodes, func(n int32) bool { return g.walker.mark[n] == g.walker.epoch })
	changed = slices.DeleteFunc(changed, func(n int32) bool { return !q.holds(n) })
	slices.SortFunc(changed, g.inOrder)
	q.nodes = mergeSorted(q.nodes, changed, g.inOrder)
	return months
}

// holds reports whether a commit is known and waits.
func (q *waiting) holds(n int32) bool {
	return q.repo.dag.has(n, present) && (q.lane == nil || q.lane.labelOf(n) == none)
}

// mergeSorted merges b into a, both in order.
func mergeSorted[T any](a, b []T, compare func(x, y T) int) []T {
	i := len(a) - 1
	a = append(a, b...)
	for j, k := len(b)-1, len(a)-1; j >= 0; k-- {
		if i >= 0 && compare(a[i], b[j]) > 0 {
			a[k] = a[i]
			i--
		} else {
			a[k] = b[j]
			j--
		}
	}
	return a
}

// encodeWaiting brings a queue up to date and writes the months that changed.
func (l *Ledger) encodeWaiting(e *encoder, q *waiting) {
	months := q.update()
	if len(months) == 0 {
		return
	}
	c := changeWriter{changeScratch: &e.scratch, repo: q.repo, filter: q.filter, skipMerges: l.spec.MergeCommits == project.MergeSkip,
		reason: reasonCode(ReasonNotDeployed), waiting: true}
	q.repo.dag.eachMonth(q.nodes, func(m month, nodes []int32) {
		if !months[m] {
			return
		}
		p := c.rows(nodes)
		if len(p.Changes) == 0 {
			return
		}
		delete(months, m)
		w := e.w.begin()
		w.flags(true, len(p.LongSHAs) > 0)
		w.text(q.service)
		w.text(q.environment)
		w.text(q.repo.url)
		w.changes(p.PullRequests, p.Changes, p.LongSHAs)
		e.put(&q.blocks, m, w.b)
	})
	for m := range months {
		e.drop(&q.blocks, m)
	}
}

// eachMonth cuts nodes, which are in order, into those of each month.
func (g *dag) eachMonth(nodes []int32, f func(m month, nodes []int32)) {
	runs(nodes, func(n int32) Time { return g.at(n).committed }, f)
}

// changeScratch is what one set of changes after another is made in.
type changeScratch struct {
	changes []Change
	pulls   []PullRequestRef
	local   map[int32]int32 // slot -> index into pulls
}

// changeWriter turns commits into the changes that readers see.
type changeWriter struct {
	*changeScratch
	repo       *repository
	filter     int
	skipMerges bool
	waiting    bool // replaced commits say so
	reason     ReasonCode
}

// rows makes the change rows of nodes, which are in order. They hold until the
// next are made.
func (w *changeWriter) rows(nodes []int32) Pending {
	r, g := w.repo, w.repo.dag
	if w.local == nil {
		w.local = map[int32]int32{}
	}
	clear(w.local)
	out := Pending{Changes: w.changes[:0], PullRequests: w.pulls[:0]}
	for _, n := range nodes {
		v := g.at(n)
		if v.flags&present == 0 || w.skipMerges && v.flags&isMerge != 0 {
			continue
		}
		c := Change{SHA: v.sha, Author: v.author, FirstAt: v.authored, CommittedAt: v.committed, PR: none, Reason: w.reason}
		if w.filter >= 0 && g.touches[n]&(1<<w.filter) == 0 {
			if v.flags&(pathsKnown|isMerge) != 0 {
				continue // another service's change
			}
			if c.Reason == 0 {
				c.Reason = reasonCode(ReasonPathsUnknown)
			}
		}
		if w.waiting && r.replaced[n] > 0 {
			c.Reason = reasonCode(ReasonReplaced)
		}
		if v.pr != none {
			p := r.pulls[v.pr]
			if p.squash != 0 && p.claim.merge == n {
				c.FirstAt = p.squash
			}
			k, ok := w.local[v.pr]
			if !ok {
				k = int32(len(out.PullRequests))
				w.local[v.pr] = k
				out.PullRequests = append(out.PullRequests, p.ref())
			}
			c.PR = k
		}
		if len(g.long) > 0 {
			if t, ok := g.long[v.sha]; ok {
				if out.LongSHAs == nil {
					out.LongSHAs = map[SHA]string{}
				}
				out.LongSHAs[v.sha] = t
			}
		}
		out.Changes = append(out.Changes, c)
	}
	w.changes, w.pulls = out.Changes, out.PullRequests
	return out
}
