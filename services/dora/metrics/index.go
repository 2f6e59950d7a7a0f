package metrics

import (
	"cmp"
	"slices"
	"sort"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// index is a history under one profile's rules, in columns: what a query reads
// is a few contiguous stretches of them.
type index struct {
	profile  Profile
	incident map[string][]*history.Incident // by key of the deployment that caused them
	lanes    []laneIndex
	requests requestIndex
	reasons  []string // by number; 0 is ""
}

// laneIndex holds one lane's finished deployments, each at its place.
type laneIndex struct {
	deployments []*history.Deployment
	finished    []history.Time
	rows        []row
	failed      []failedRow   // those that count as failed, by place
	recoveries  []recoveryRow // by place of the deployment
	spans       spans
}

// row is what counting needs to know of a deployment.
type row struct {
	day       int32 // its calendar day in the project's time zone
	uncounted uint8 // number of the reason why it is no successful deployment
	unrated   uint8 // number of the reason why it is in no denominator
	failed    bool
	unplanned bool
}

type failedRow struct {
	at    int32
	rules []string // each once
}

type recoveryRow struct {
	at int32
	Recovery
}

// The columns of spans.
const (
	total = iota
	coding
	pickup
	review
	deploy
	columns
)

// spans are the lead times of a lane's changes: only the known ones, deployment
// after deployment, with a sum up to each.
type spans struct {
	values   [columns][]Span
	classes  [columns][]uint16 // their magnitudes, so that many are counted fast
	upTo     [columns][]int32  // upTo[k][i]: values of deployments before i
	excluded []exclusion
}

type exclusion struct {
	at     int32
	reason uint8
	count  int32
}

func (s *spans) column(k, from, to int) set {
	a, b := s.upTo[k][from], s.upTo[k][to]
	return set{s.values[k][a:b], s.classes[k][a:b]}
}

func newIndex(a *arranged, p Profile, former *index) *index {
	x := &index{profile: p, incident: map[string][]*history.Incident{}, reasons: []string{""}}
	if former != nil {
		x.reasons = slices.Clone(former.reasons) // spans taken over keep their numbers
	}
	for _, i := range a.history.Incidents {
		if key, _ := p.Link(i); key != "" {
			x.incident[key] = append(x.incident[key], i)
		}
	}
	old := map[[2]string]*laneIndex{}
	if former != nil {
		for i := range former.lanes {
			if l := &former.lanes[i]; len(l.deployments) > 0 {
				old[[2]string{l.deployments[0].Service, l.deployments[0].Environment}] = l
			}
		}
	}
	x.lanes = make([]laneIndex, len(a.history.Lanes))
	for i, l := range a.history.Lanes {
		n := a.finished[i]
		x.lanes[i].fill(x, a, l.Deployments[:n])
		if p.Unit == UnitCommit {
			x.lanes[i].spans = x.leads(l.Deployments[:n], old[[2]string{l.Service, l.Environment}])
		}
	}
	if p.Unit == UnitPullRequest {
		x.requests = newRequestIndex(a, p)
	}
	return x
}

func (x *index) number(reason string) uint8 {
	i := slices.Index(x.reasons, reason)
	if i < 0 {
		i = len(x.reasons)
		x.reasons = append(x.reasons, reason)
	}
	return uint8(i)
}

func (l *laneIndex) fill(x *index, a *arranged, ds []*history.Deployment) {
	l.deployments = ds
	l.finished = make([]history.Time, len(ds))
	l.rows = make([]row, len(ds))
	for i, d := range ds {
		linked := x.linked(d)
		r := row{day: a.cal.day(d.FinishedAt), uncounted: x.number(successful(d)), unrated: x.number(x.profile.Rated(d)), unplanned: d.Unplanned}
		if fs := x.profile.Failures(d, linked); len(fs) > 0 && r.unrated == 0 {
			r.failed = true
			rules := make([]string, 0, len(fs))
			for _, f := range fs {
				if !slices.Contains(rules, f.Rule) {
					rules = append(rules, f.Rule)
				}
			}
			l.failed = append(l.failed, failedRow{int32(i), rules})
		}
		for _, r := range x.profile.Recoveries(d, linked) {
			l.recoveries = append(l.recoveries, recoveryRow{int32(i), r})
		}
		l.finished[i], l.rows[i] = d.FinishedAt, r
	}
}

// linked are the incidents of a deployment. Most projects have few, so the key
// is not made when there are none.
func (x *index) linked(d *history.Deployment) []*history.Incident {
	if len(x.incident) == 0 {
		return nil
	}
	return x.incident[d.Key()]
}

// leads fills the columns of a lane, taking over those of the deployments that
// it shares with the version before.
func (x *index) leads(ds []*history.Deployment, old *laneIndex) spans {
	var s spans
	same := 0
	if old != nil {
		for same < min(len(ds), len(old.deployments)) && ds[same] == old.deployments[same] {
			same++
		}
		if same == len(ds) && same == len(old.deployments) {
			return old.spans
		}
	}
	n := 0
	for _, d := range ds {
		n += len(d.Changes)
	}
	for k := range columns {
		s.values[k], s.classes[k] = make([]Span, 0, n), make([]uint16, 0, n)
		s.upTo[k] = make([]int32, 1, len(ds)+1)
		if same > 0 {
			c := old.spans.column(k, 0, same)
			s.values[k], s.classes[k] = append(s.values[k], c.values...), append(s.classes[k], c.magnitudes...)
			s.upTo[k] = append(s.upTo[k][:0], old.spans.upTo[k][:same+1]...)
		}
	}
	if same > 0 {
		for _, e := range old.spans.excluded {
			if int(e.at) < same {
				s.excluded = append(s.excluded, e)
			}
		}
	}
	for i := same; i < len(ds); i++ {
		x.lead(&s, int32(i), ds[i])
	}
	return s
}

func (x *index) lead(s *spans, at int32, d *history.Deployment) {
	begin := len(s.excluded)
	exclude := func(reason string) {
		n := x.number(reason)
		for i := begin; i < len(s.excluded); i++ {
			if s.excluded[i].reason == n {
				s.excluded[i].count++
				return
			}
		}
		s.excluded = append(s.excluded, exclusion{at, n, 1})
	}
	for i := range d.Changes {
		c := &d.Changes[i]
		var pr *history.PullRequestRef
		if c.PR >= 0 && int(c.PR) < len(d.PullRequests) {
			pr = &d.PullRequests[c.PR]
		}
		l := x.profile.CommitLead(d, c, pr)
		if l.Total == Unknown {
			exclude(l.Reason)
			continue
		}
		for k, v := range [columns]Span{l.Total, l.Coding, l.Pickup, l.Review, l.Deploy} {
			if v != Unknown {
				s.values[k], s.classes[k] = append(s.values[k], v), append(s.classes[k], uint16(magnitude(v)))
			}
		}
	}
	if d.Reason != "" && len(d.Changes) == 0 && d.Outcome == event.OutcomeSuccess {
		exclude(d.Reason) // its changes are not known: at least one row that does not count
	}
	for k := range columns {
		s.upTo[k] = append(s.upTo[k], int32(len(s.values[k])))
	}
}

// between finds the deployments that finished in [from, to).
func (l *laneIndex) between(from, to history.Time) (int, int) {
	a := sort.Search(len(l.finished), func(i int) bool { return l.finished[i] >= from })
	b := a + sort.Search(len(l.finished)-a, func(i int) bool { return l.finished[a+i] >= to })
	return a, b
}

// requestIndex holds the deliveries of merged pull requests.
type requestIndex struct {
	heads     []deliveryHead // by pull request, then by start
	leads     []Lead         // beside heads
	finished  []int32        // the places of heads, by (finished, place)
	merged    []mergedHead   // by pull request
	services  map[string][]string
	concern   map[string][]int32 // by service: the places in merged that concern it
	delivered []int32            // delivered[i]: first head of pull request i
}

type deliveryHead struct {
	request, lane     int32
	started, finished history.Time
	delivery          int32 // its number among the pull request's
}

type mergedHead struct {
	request int32
	at      history.Time
}

func newRequestIndex(a *arranged, p Profile) requestIndex {
	type lane struct{ service, environment string }
	number := make(map[lane]int32, len(a.history.Lanes))
	r := requestIndex{services: map[string][]string{}, concern: map[string][]int32{}}
	serve := func(repo, service string) {
		k := event.RepoKey(repo)
		if !slices.Contains(r.services[k], service) {
			r.services[k] = append(r.services[k], service)
		}
	}
	for i, l := range a.history.Lanes {
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
	for i, pr := range a.history.PullRequests {
		r.delivered[i] = int32(len(r.heads))
		if pr.MergedAt == 0 {
			continue
		}
		r.merged = append(r.merged, mergedHead{int32(i), pr.MergedAt})
		if len(pr.Deliveries) == 0 {
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
			r.heads = append(r.heads, deliveryHead{int32(i), n, d.StartedAt, d.FinishedAt, int32(j)})
		}
		slices.SortStableFunc(r.heads[r.delivered[i]:], func(x, y deliveryHead) int { return int(min(1, max(-1, x.started-y.started))) })
		for _, h := range r.heads[r.delivered[i]:] {
			r.leads = append(r.leads, p.PullRequestLead(pr, &pr.Deliveries[h.delivery]))
		}
	}
	r.delivered[len(a.history.PullRequests)] = int32(len(r.heads))
	r.finished = make([]int32, len(r.heads))
	for i := range r.finished {
		r.finished[i] = int32(i)
	}
	slices.SortFunc(r.finished, func(x, y int32) int {
		return cmp.Or(cmp.Compare(r.heads[x].finished, r.heads[y].finished), cmp.Compare(x, y))
	})
	return r
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
func (r *requestIndex) between(from, to history.Time) []int32 {
	a := sort.Search(len(r.finished), func(i int) bool { return r.heads[r.finished[i]].finished >= from })
	b := a + sort.Search(len(r.finished)-a, func(i int) bool { return r.heads[r.finished[a+i]].finished >= to })
	return r.finished[a:b]
}

// of are the merged pull requests that concern some services; nil is all.
func (r *requestIndex) of(services map[string]bool) []mergedHead {
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
