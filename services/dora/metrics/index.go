package metrics

import (
	"slices"
	"sort"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// index is a history under one profile's rules, in columns: what a query reads
// is a few contiguous stretches of them.
type index struct {
	profile    Profile
	cal        calendar
	incident   map[*history.Deployment][]*history.Incident // by the deployment that caused them
	lanes      []laneIndex
	recoveries []recoveryRow // by anchor
	requests   *requestIndex // nil where the unit is the commit
	days       []int32       // by head of requests, where medians are daily
	bounds     map[string][]Bound
	reasons    []string // by number; 0 is ""
	// wholes says that of lead times only the whole is arranged, not its parts.
	wholes bool
}

// laneIndex holds one lane's finished deployments, each at its place.
type laneIndex struct {
	deployments []*history.Deployment
	finished    []history.Time
	rows        []row
	failed      []failedRow // those that count as failed, by place
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
	// incidents is how many belong to it.
	incidents int32
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

// newIndex arranges a history. former is an index of another version, or under
// another profile, that has the same lead times for what it shares; it may be
// nil.
func newIndex(a *arranged, p Profile, former *index) *index {
	x := &index{profile: p, cal: a.cal.under(a.spec, &p.Choices), bounds: p.bounds(), reasons: []string{""}}
	if former != nil {
		x.reasons = slices.Clone(former.reasons) // spans taken over keep their numbers
	}
	x.incident = a.causes(&p.Choices)
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
		x.lanes[i].fill(x, l.Deployments[:n])
		if p.Unit() == UnitCommit {
			x.lanes[i].spans = x.leads(l.Deployments[:n], old[[2]string{l.Service, l.Environment}])
		}
	}
	if p.Unit() == UnitPullRequest {
		if former != nil {
			x.requests = newRequestIndex(a, p, former.requests)
		} else {
			x.requests = newRequestIndex(a, p, nil)
		}
	}
	x.dates()
	x.recover(a)
	return x
}

// dates says on which day each delivery of a pull request was, where medians are
// daily.
func (x *index) dates() {
	x.days = nil
	if x.requests == nil || x.profile.Choices.Aggregation != DailyMedians {
		return
	}
	x.days = make([]int32, len(x.requests.heads))
	for i := range x.days {
		x.days[i] = x.cal.day(x.requests.heads[i].finished)
	}
}

func (x *index) number(reason string) uint8 {
	i := slices.Index(x.reasons, reason)
	if i < 0 {
		i = len(x.reasons)
		x.reasons = append(x.reasons, reason)
	}
	return uint8(i)
}

func (l *laneIndex) fill(x *index, ds []*history.Deployment) {
	c := &x.profile.Choices
	l.deployments = ds
	l.finished = make([]history.Time, len(ds))
	l.rows = make([]row, len(ds))
	for i, d := range ds {
		linked := x.linked(d)
		r := row{day: x.cal.day(d.FinishedAt), uncounted: x.number(c.counted(d)), unrated: x.number(c.rated(d)), unplanned: d.Unplanned}
		if fs := c.failures(d, linked); r.unrated == 0 && (len(fs) > 0 || len(linked) > 0) {
			r.failed = len(fs) > 0
			rules := make([]string, 0, len(fs))
			for _, f := range fs {
				if !slices.Contains(rules, f.Rule) {
					rules = append(rules, f.Rule)
				}
			}
			l.failed = append(l.failed, failedRow{int32(i), rules, int32(len(linked))})
		}
		l.finished[i], l.rows[i] = d.FinishedAt, r
	}
}

// linked are the incidents of a deployment.
func (x *index) linked(d *history.Deployment) []*history.Incident { return x.incident[d] }

// causes finds the incidents that each deployment caused under some choices.
func (a *arranged) causes(c *Choices) map[*history.Deployment][]*history.Incident {
	byKey := map[string][]*history.Incident{}
	for _, i := range a.history.Incidents {
		if key, _ := c.link(i); key != "" {
			byKey[key] = append(byKey[key], i)
		}
	}
	if len(byKey) == 0 {
		return nil
	}
	out := make(map[*history.Deployment][]*history.Incident, len(byKey))
	var key []byte // no string is made of it to look it up
	look := func(d *history.Deployment) {
		key = append(append(append(key[:0], d.Source...), '/'), d.ID...)
		if is, ok := byKey[string(key)]; ok {
			out[d] = is
		}
	}
	whole := a.whole().history
	for _, l := range whole.Lanes {
		for _, d := range l.Deployments {
			look(d)
		}
	}
	for _, d := range whole.Uncounted {
		look(d)
	}
	return out
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
		s.upTo[k] = make([]int32, 1, len(ds)+1)
		if same > 0 && (k == total || !x.wholes) {
			c := old.spans.column(k, 0, same)
			s.values[k], s.classes[k] = make([]Span, 0, n), make([]uint16, 0, n)
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
		x.lead(&s, int32(i), ds[i], n)
	}
	return s
}

func (x *index) lead(s *spans, at int32, d *history.Deployment, most int) {
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
		l := x.profile.Choices.commitLead(d, c, pr)
		if l.Total == Unknown {
			exclude(l.Reason)
			continue
		}
		for k, v := range [columns]Span{l.Total, l.Coding, l.Pickup, l.Review, l.Deploy} {
			if x.wholes && k > total {
				break
			}
			if v != Unknown {
				if s.values[k] == nil { // a project may have no review at all
					s.values[k], s.classes[k] = make([]Span, 0, most), make([]uint16, 0, most)
				}
				s.values[k], s.classes[k] = append(s.values[k], v), append(s.classes[k], uint16(magnitude(v)))
			}
		}
	}
	if reason := x.unknownChanges(d); reason != "" {
		exclude(reason) // its changes are not known: at least one row that does not count
	}
	for k := range columns {
		s.upTo[k] = append(s.upTo[k], int32(len(s.values[k])))
	}
}

// unknownChanges says why the changes of a deployment are not known, "" if they
// are: it stands for at least one row that does not count.
func (x *index) unknownChanges(d *history.Deployment) string {
	if len(d.Changes) > 0 || d.Outcome != event.OutcomeSuccess || d.Reason == history.ReasonBaseline && x.profile.Choices.FirstDeployment == "attribute" {
		return ""
	}
	return d.Reason
}

// between finds the deployments that finished in [from, to).
func (l *laneIndex) between(from, to history.Time) (int, int) {
	a := sort.Search(len(l.finished), func(i int) bool { return l.finished[i] >= from })
	b := a + sort.Search(len(l.finished)-a, func(i int) bool { return l.finished[a+i] >= to })
	return a, b
}
