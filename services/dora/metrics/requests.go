package metrics

import (
	"cmp"
	"slices"
	"sort"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// requestIndex holds the deliveries of merged pull requests.
type requestIndex struct {
	heads     []deliveryHead // by pull request, then by start
	leads     []Lead         // beside heads
	finished  []int32        // the places of heads, by (finished, place)
	lanes     [][]int32      // the same of each lane
	merged    []mergedHead   // by (merged, pull request)
	services  map[string][]string
	concern   map[string][]int32 // by service: the places in merged that concern it
	delivered []int32            // delivered[i]: first head of pull request i
	// beyond are deliveries that history does not hold: those of a first
	// deployment under a profile that lets it deliver.
	beyond []history.Delivery
	// of which history, so that another profile with the same leads shares it
	history *history.Projection
	spec    *project.Spec
}

type deliveryHead struct {
	request, lane     int32
	started, finished history.Time
	delivery          int32 // its number among the pull request's; below 0 among those beyond
}

type mergedHead struct {
	request int32
	at      history.Time
}

// newRequestIndex arranges the deliveries of pull requests; former is one with
// the same lead times, or nil.
func newRequestIndex(a *arranged, p Profile, former *requestIndex) *requestIndex {
	if former != nil && former.history == a.history && former.spec == &a.spec {
		return former
	}
	return arrangeRequests(a, p).measured(a, p)
}

// remeasured is the same arrangement with the lead times of another profile that
// lets first deployments deliver the same.
func (r *requestIndex) remeasured(a *arranged, p Profile) *requestIndex {
	next := *r
	next.leads = nil
	return next.measured(a, p)
}

// measured fills in the lead times.
func (r *requestIndex) measured(a *arranged, p Profile) *requestIndex {
	r.leads = make([]Lead, len(r.heads))
	for i := range r.heads {
		pr := a.history.PullRequests[r.heads[i].request]
		r.leads[i] = p.Choices.pullRequestLead(pr, r.delivery(pr, &r.heads[i]))
	}
	return r
}

// arrangeRequests puts the deliveries in order.
func arrangeRequests(a *arranged, p Profile) *requestIndex {
	type lane struct{ service, environment string }
	number := make(map[lane]int32, len(a.history.Lanes))
	r := &requestIndex{services: map[string][]string{}, concern: map[string][]int32{}, history: a.history, spec: &a.spec}
	serve := func(repo, service string) {
		k := event.RepoKey(repo)
		if !slices.Contains(r.services[k], service) {
			r.services[k] = append(r.services[k], service)
		}
	}
	for i, l := range a.whole().history.Lanes { // a repository serves whatever the window is
		number[lane{l.Service, l.Environment}] = int32(i)
		former := ""
		for _, d := range l.Deployments {
			if d.Repo != "" && d.Repo != former {
				serve(d.Repo, l.Service)
				former = d.Repo
			}
		}
	}
	for _, s := range a.spec.Services {
		if s.Repo != "" {
			serve(s.Repo, s.Name)
		}
	}
	r.delivered = make([]int32, len(a.history.PullRequests)+1)
	var repo string // that of the pull request before, and its services
	var serving []string
	concerns := func(service string) {
		at := int32(len(r.merged) - 1)
		if c := r.concern[service]; len(c) == 0 || c[len(c)-1] != at {
			r.concern[service] = append(c, at)
		}
	}
	first := map[history.SHA][]int32{}
	if p.Choices.FirstDeployment == "attribute" {
		first = a.firstChanges()
	}
	baseline := p.Choices.FirstDeployment == "baseline"
	for i, pr := range a.history.PullRequests {
		r.delivered[i] = int32(len(r.heads))
		if pr.MergedAt == 0 {
			continue
		}
		r.merged = append(r.merged, mergedHead{int32(i), pr.MergedAt})
		early := r.firstDeliveries(a, pr, first)
		if len(pr.Deliveries)+len(early) == 0 {
			if pr.Repo != repo {
				repo, serving = pr.Repo, r.services[event.RepoKey(pr.Repo)]
			}
			for _, s := range serving {
				concerns(s)
			}
		}
		for j := range pr.Deliveries {
			d := &pr.Deliveries[j]
			concerns(d.Service)
			n, ok := number[lane{d.Service, d.Environment}]
			if !ok {
				continue
			}
			if baseline && a.isFirst(n, d.Deployment) {
				continue
			}
			r.heads = append(r.heads, deliveryHead{int32(i), n, d.StartedAt, d.FinishedAt, int32(j)})
		}
		for _, n := range early {
			d := a.first(n)
			concerns(d.Service)
			r.beyond = append(r.beyond, history.Delivery{Service: d.Service, Environment: d.Environment, Production: d.Production,
				Deployment: d.Key(), DeploymentID: d.ID, StartedAt: d.StartedAt, FinishedAt: d.FinishedAt})
			r.heads = append(r.heads, deliveryHead{int32(i), n, d.StartedAt, d.FinishedAt, -int32(len(r.beyond))})
		}
		slices.SortStableFunc(r.heads[r.delivered[i]:], func(x, y deliveryHead) int { return int(min(1, max(-1, x.started-y.started))) })
	}
	r.delivered[len(a.history.PullRequests)] = int32(len(r.heads))
	r.finished = make([]int32, len(r.heads))
	for i := range r.finished {
		r.finished[i] = int32(i)
	}
	slices.SortFunc(r.finished, func(x, y int32) int {
		return cmp.Or(cmp.Compare(r.heads[x].finished, r.heads[y].finished), cmp.Compare(x, y))
	})
	r.lanes = make([][]int32, len(a.history.Lanes))
	for _, h := range r.finished {
		n := r.heads[h].lane
		r.lanes[n] = append(r.lanes[n], h)
	}
	r.sortMerged()
	return r
}

// sortMerged puts merged pull requests into the order of merging.
func (r *requestIndex) sortMerged() {
	order := make([]int32, len(r.merged))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int {
		return cmp.Or(cmp.Compare(r.merged[x].at, r.merged[y].at), cmp.Compare(x, y))
	})
	sorted, place := make([]mergedHead, len(order)), make([]int32, len(order))
	for i, was := range order {
		sorted[i], place[was] = r.merged[was], int32(i)
	}
	r.merged = sorted
	for _, c := range r.concern {
		for i := range c {
			c[i] = place[c[i]]
		}
	}
}

// delivery is the delivery behind a head.
func (r *requestIndex) delivery(pr *history.PullRequest, h *deliveryHead) *history.Delivery {
	if h.delivery < 0 {
		return &r.beyond[-h.delivery-1]
	}
	return &pr.Deliveries[h.delivery]
}

// first is the deployment that began a lane, nil when there is none whose
// changes are a baseline.
func (a *arranged) first(lane int32) *history.Deployment {
	for _, d := range a.whole().history.Lanes[lane].Deployments {
		if d.Kind == history.KindFirst && d.Outcome == event.OutcomeSuccess && d.FinishedAt != 0 {
			return d
		}
	}
	return nil
}

func (a *arranged) isFirst(lane int32, key string) bool {
	d := a.first(lane)
	return d != nil && d.Key() == key
}

// firstChanges are the changes of the deployments that began a lane, each with
// the lanes.
func (a *arranged) firstChanges() map[history.SHA][]int32 {
	out := map[history.SHA][]int32{}
	for i := range a.history.Lanes {
		if d := a.first(int32(i)); d != nil {
			for k := range d.Changes {
				out[d.Changes[k].SHA] = append(out[d.Changes[k].SHA], int32(i))
			}
		}
	}
	return out
}

// firstDeliveries are the lanes whose first deployment brought a merged pull
// request, and to which history tells of no delivery.
func (r *requestIndex) firstDeliveries(a *arranged, pr *history.PullRequest, first map[history.SHA][]int32) []int32 {
	if len(first) == 0 || pr.SHA == "" {
		return nil
	}
	var out []int32
	for _, n := range first[history.ParseSHA(pr.SHA)] {
		l := a.history.Lanes[n]
		if event.RepoKey(a.first(n).Repo) == event.RepoKey(pr.Repo) && !slices.ContainsFunc(pr.Deliveries, func(d history.Delivery) bool { return d.Service == l.Service && d.Environment == l.Environment }) {
			out = append(out, n)
		}
	}
	return out
}

// earliest is the number of the head of a pull request's earliest started
// delivery in the scope, -1 for none.
func (r *requestIndex) earliest(request int, in []bool) int {
	for h := r.delivered[request]; h < r.delivered[request+1]; h++ {
		if in[r.heads[h].lane] {
			return int(h)
		}
	}
	return -1
}

// between are the places of the heads of deliveries that finished in
// [from, to).
func (r *requestIndex) between(from, to history.Time) []int32 { return r.cut(r.finished, from, to) }

// laneBetween are those of one lane.
func (r *requestIndex) laneBetween(lane int, from, to history.Time) []int32 {
	return r.cut(r.lanes[lane], from, to)
}

func (r *requestIndex) cut(heads []int32, from, to history.Time) []int32 {
	a := sort.Search(len(heads), func(i int) bool { return r.heads[heads[i]].finished >= from })
	b := a + sort.Search(len(heads)-a, func(i int) bool { return r.heads[heads[a+i]].finished >= to })
	return heads[a:b]
}

// counts reports whether a head counts in a scope: it is there, and, where a
// pull request counts once, its pull request reached nothing there before.
func (r *requestIndex) counts(h int, in []bool, delivery string) bool {
	head := &r.heads[h]
	return in[head.lane] && (delivery == DeliveredPerPlace || r.earliest(int(head.request), in) == h)
}

// inScope are the heads of a pull request that count in a scope.
func (r *requestIndex) inScope(request int, in []bool, delivery string) []int32 {
	var out []int32
	for h := r.delivered[request]; h < r.delivered[request+1]; h++ {
		if in[r.heads[h].lane] {
			out = append(out, h)
			if delivery == DeliveredOnce {
				break
			}
		}
	}
	return out
}

// of are the merged pull requests that concern some services; nil is all.
func (r *requestIndex) of(services map[string]bool) []mergedHead {
	if r == nil {
		return nil
	}
	if services == nil {
		return r.merged
	}
	var at []int32
	for s := range services {
		at = append(at, r.concern[s]...)
	}
	slices.Sort(at)
	at = slices.Compact(at)
	out := make([]mergedHead, len(at))
	for i, n := range at {
		out[i] = r.merged[n]
	}
	return out
}

// concerns reports whether a pull request that was not delivered in the scope
// is one that its services wait for.
func (r *requestIndex) concerns(pr *history.PullRequest, services map[string]bool) bool {
	if services == nil {
		return true
	}
	if len(pr.Deliveries) > 0 {
		return slices.ContainsFunc(pr.Deliveries, func(d history.Delivery) bool { return services[d.Service] })
	}
	return slices.ContainsFunc(r.services[event.RepoKey(pr.Repo)], func(s string) bool { return services[s] })
}
