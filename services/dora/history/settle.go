package history

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// derived is what Settle keeps between two settlings.
type derived struct {
	lanes     map[laneKey]*lane
	byKey     map[string]*row
	byID      map[string][]*row
	incidents []*Incident
	prs       map[string][]*PullRequest // by repository key

	reposChanged, deploymentsChanged, incidentsChanged bool
	settled                                            bool
	structure                                          map[string]uint64 // graph state of each repository at the last settling

	never map[string]*Pending // by service and repository: commits where nothing was ever deployed

	seed   maphash.Seed
	groups map[string]map[string]blockSum // group -> block key -> what was last handed out
}

func (s *derived) init() {
	s.lanes = map[laneKey]*lane{}
	s.prs = map[string][]*PullRequest{}
	s.structure = map[string]uint64{}
	s.seed = maphash.MakeSeed()
	s.groups = map[string]map[string]blockSum{}
}

// Settle derives the history from the facts and returns the blocks that
// changed since the last call. It may be called after any number of Apply; the
// result after the last is the same however they were grouped.
func (l *Ledger) Settle() Delta {
	s := &l.state
	changed := map[string]bool{} // repositories
	anyRepo := false
	for key, r := range l.repos {
		sum := r.dag.structure + r.dag.growth
		if r.prsChanged || r.renamed || s.structure[key] != sum || !r.view.made {
			changed[key], anyRepo = true, true
			s.structure[key] = sum
		}
		r.renamed = false
		r.deriveView()
	}
	if s.settled && !anyRepo && !s.deploymentsChanged && !s.incidentsChanged && !s.reposChanged {
		return l.encode(nil)
	}
	l.resolve(changed)
	for _, ln := range s.lanes {
		l.attributeLane(ln, changed)
		for key, lr := range ln.repos {
			if lr.moved {
				changed[key] = true
			}
		}
		ln.kinds()
	}
	l.linkIncidents()
	for _, ln := range s.lanes {
		ln.fail()
	}
	for key, r := range l.repos {
		if changed[key] {
			s.prs[key] = l.pullRequests(r)
		}
	}
	l.pendingChanges(changed)
	s.reposChanged, s.deploymentsChanged, s.incidentsChanged, s.settled = false, false, false, true
	return l.encode(changed)
}

// pullRequests makes the rows of a repository's pull requests.
func (l *Ledger) pullRequests(r *repository) []*PullRequest {
	v, g := &r.view, r.dag
	if len(v.prs) == 0 {
		return nil
	}
	merges := make([]int32, len(v.prs))
	out := make([]*PullRequest, len(v.prs))
	for i, p := range v.prs {
		first, approved, _ := p.firstReview()
		pr := &PullRequest{
			Repo: r.url, Number: p.number, Title: p.title.v, Base: p.base.v, URL: p.url.v,
			Author: l.author([]byte(p.author.v)), Head: p.headSHA.v, FirstCommitAt: v.first[i],
			CreatedAt: p.createdAt.v, FirstCommentAt: first, ApprovedAt: approved,
			MergedAt: p.mergedAt.v, ClosedAt: p.closedAt.v, Commits: v.own[i],
		}
		merges[i] = none
		switch {
		case p.mergedAt.v == 0:
			pr.Reason = ReasonNotMerged
		case p.mergeSHA.v == "":
			pr.Reason = ReasonCommitUnknown
		default:
			pr.SHA = p.mergeSHA.v
			if merges[i] = g.lookup(pr.SHA); merges[i] == none {
				pr.Reason = ReasonCommitUnknown
			} else {
				pr.Reason = ReasonNotDeployed
			}
		}
		out[i] = pr
	}
	for _, k := range slices.SortedFunc(maps.Keys(l.state.lanes), compareLanes) {
		ln := l.state.lanes[k]
		if lr := ln.repos[r.key]; lr != nil {
			lr.deliver(ln, out, merges)
		}
	}
	slices.SortFunc(out, func(a, b *PullRequest) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), compareNumbers(a.Number, b.Number))
	})
	return out
}

// deliver finds, for each merged pull request, the earliest started deployment
// whose commits, less those of the previous one by start, hold its merge SHA.
// That is where the commit is first reached, except that the first deployment
// has no previous one: what it holds can be delivered later all the same, by a
// deployment that follows one without it (a rollback beyond it, say).
func (lr *laneRepo) deliver(ln *lane, prs []*PullRequest, merges []int32) {
	g := lr.repo.dag
	order := slices.Clone(lr.order)
	slices.SortStableFunc(order, func(a, b *row) int { return cmp.Compare(a.started(), b.started()) })
	labels := lr.labels
	if !slices.Equal(order, lr.order) {
		labels = g.unlabelled()
		for i, r := range order {
			g.label(labels, r.node, int32(i))
		}
	}
	// Deployments that follow one which does not hold all that the first held.
	var again []int
	holds := lr.firstHolders(order, labels)
	for i := 1; i < len(order); i++ {
		if !holds[i-1] && order[i].node != order[i-1].node {
			again = append(again, i)
		}
	}
	var held []map[int32]bool // per entry of again: whether a merge is in its difference
	for _, i := range again {
		held = append(held, g.difference(order[i-1].node, order[i].node))
	}
	for k, pr := range prs {
		n := merges[k]
		if n == none || labels[n] == none {
			continue
		}
		at := int(labels[n])
		if at == 0 {
			at = -1
			for j, i := range again {
				if held[j][n] {
					at = i
					break
				}
			}
			if at < 0 {
				if pr.Reason == ReasonNotDeployed {
					pr.Reason = ReasonBaseline
				}
				continue
			}
		}
		r := order[at]
		pr.Deliveries = append(pr.Deliveries, Delivery{
			Service: ln.service, Environment: ln.environment, Production: ln.production,
			Deployment: r.key, DeploymentID: r.ID, StartedAt: r.started(), FinishedAt: r.FinishedAt,
		})
		pr.Reason = ""
	}
}

// firstHolders tells of each deployment in order whether it contains the first.
func (lr *laneRepo) firstHolders(order []*row, labels []int32) []bool {
	g := lr.repo.dag
	const yes, no = 1, 2
	memo := make([]uint8, len(g.sha))
	first := order[0].node
	memo[first] = yes
	out := make([]bool, len(order))
	var stack []int32
	for i, r := range order {
		stack = append(stack[:0], r.node)
		for len(stack) > 0 {
			n := stack[len(stack)-1]
			if memo[n] == 0 && labels[n] == 0 {
				memo[n] = no // an ancestor of the first
			}
			if memo[n] != 0 {
				stack = stack[:len(stack)-1]
				continue
			}
			verdict := uint8(no)
			g.parents(n, func(p int32) {
				switch memo[p] {
				case yes:
					verdict = yes
				case 0:
					if verdict == no {
						verdict = 0
					}
					if verdict != yes {
						stack = append(stack, p)
					}
				}
			})
			if verdict != 0 {
				memo[n] = verdict
			}
		}
		out[i] = memo[r.node] == yes
	}
	return out
}

func (r *row) started() Time {
	if r.StartedAt != 0 {
		return r.StartedAt
	}
	return r.FinishedAt
}

// difference is the set of commits that to contains and from does not.
func (g *dag) difference(from, to int32) map[int32]bool {
	base := map[int32]bool{}
	g.walk(from, func(n int32) bool { base[n] = true; return true })
	out := map[int32]bool{}
	g.walk(to, func(n int32) bool {
		if !base[n] {
			out[n] = true
		}
		return true
	})
	return out
}

// pendingChanges lists what has not reached production: for each production
// lane the commits of its repositories, and for a repository that nothing was
// ever deployed from, all of its commits.
func (l *Ledger) pendingChanges(changed map[string]bool) {
	s := &l.state
	inUse := map[string]bool{}
	for _, ln := range s.lanes {
		if !ln.production {
			continue
		}
		next := map[string]*Pending{}
		for key, lr := range ln.repos {
			inUse[key] = true
			if next[key] = ln.pending[key]; next[key] == nil || changed[key] {
				next[key] = l.pendingOf(ln.laneKey, lr.repo, lr.filter, lr.labels)
			}
		}
		ln.pending = next
	}
	never := map[string]*Pending{}
	for key, r := range l.repos {
		if inUse[key] {
			continue
		}
		names := []string{}
		for _, v := range l.spec.Services {
			if v.Repo != "" && event.RepoKey(v.Repo) == key {
				names = append(names, v.Name)
			}
		}
		if len(names) == 0 {
			names = append(names, l.serviceOf(r.url))
		}
		for _, name := range names {
			id := name + "\x00" + key
			if never[id] = s.never[id]; never[id] == nil || changed[key] {
				never[id] = l.pendingOf(laneKey{service: name}, r, filterBit(r, name), nil)
			}
		}
	}
	s.never = never
}

func (l *Ledger) pendingOf(k laneKey, r *repository, filter int, labels []int32) *Pending {
	g, v := r.dag, &r.view
	var nodes []int32
	for n := range g.sha {
		if g.flags[n]&present != 0 && (n >= len(labels) || labels[n] == none) {
			nodes = append(nodes, int32(n))
		}
	}
	lr := laneRepo{repo: r, filter: filter}
	p := lr.changes(nodes, reasonCode(ReasonNotDeployed), l.spec.MergeCommits == project.MergeSkip)
	for i := range p.Changes {
		if n := g.ids[p.Changes[i].SHA]; len(v.replaced) > 0 {
			if _, ok := v.replaced[n]; ok {
				p.Changes[i].Reason = reasonCode(ReasonReplaced)
			}
		}
	}
	p.Service, p.Environment, p.Production, p.Repo = k.service, k.environment, true, r.url
	return &p
}
