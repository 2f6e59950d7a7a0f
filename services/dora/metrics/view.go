package metrics

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// View is one version of a project's history, arranged for questions. It is
// safe for any number of readers at once. The projection that it stands on must
// not change any more.
type View struct {
	// AsOf is the time as of which questions are answered.
	AsOf time.Time
	*arranged
}

// arranged is what all views of one version share.
type arranged struct {
	spec    project.Spec
	history *history.Projection
	cal     calendar
	// finished counts, for each lane, the deployments that have finished: they
	// stand before those that have not.
	finished []int

	// origin is the whole that a narrowed one was cut from, nil for a whole.
	origin *arranged

	order func() []place
	keys  func() map[string]place
	// setAside are the reports that do not count, in order.
	setAside func() []*history.Deployment

	mu      sync.Mutex
	indexes []*index          // the last used first, at most mostIndexes
	former  map[string]*index // of the version before, by what lead times depend on
}

// mostIndexes bounds for how many profiles a version stays arranged: the
// built-in ones and as many more. An index of a million commits takes up to 50
// MB, less what it shares with another that has the same lead times.
const mostIndexes = 8

// place is where a deployment stands: its lane and its number in it.
type place struct{ lane, at int32 }

// NewView arranges a projection. The arranging itself is done when a profile
// is first asked about.
func NewView(spec project.Spec, p *history.Projection, asOf time.Time) *View {
	a := &arranged{spec: spec, history: p, cal: newCalendar(spec)}
	a.finished = make([]int, len(p.Lanes))
	for i, l := range p.Lanes {
		n := len(l.Deployments)
		for n > 0 && l.Deployments[n-1].FinishedAt == 0 {
			n--
		}
		a.finished[i] = n
	}
	a.order = sync.OnceValue(a.inOrder)
	a.keys = sync.OnceValue(a.byKey)
	a.setAside = sync.OnceValue(func() []*history.Deployment { return setAside(p.Uncounted) })
	return &View{asOf, a}
}

// At is the same view as of another time.
func (v *View) At(asOf time.Time) *View { return &View{asOf, v.arranged} }

// Next arranges the projection that follows this view's. What it shares with
// it, the same *history.Deployment at the same place of a lane, is not computed
// again.
func (v *View) Next(spec project.Spec, p *history.Projection, asOf time.Time) *View {
	next := NewView(spec, p, asOf)
	v.mu.Lock()
	defer v.mu.Unlock()
	// Lead times that were not asked about since are taken from further back.
	next.former = maps.Clone(v.former)
	if next.former == nil {
		next.former = map[string]*index{}
	}
	for _, x := range slices.Backward(v.indexes) {
		next.former[x.profile.Choices.leadFingerprint()] = x
	}
	return next
}

// Spec is the project's description.
func (v *View) Spec() project.Spec { return v.spec }

// Location is the project's time zone.
func (v *View) Location() *time.Location { return v.cal.loc }

// inOrder lists all deployments by (FinishedAt, StartedAt, key), those that run
// last.
func (a *arranged) inOrder() []place {
	n := 0
	for _, l := range a.history.Lanes {
		n += len(l.Deployments)
	}
	type entry struct {
		finished history.Time
		place
	}
	all := make([]entry, 0, n)
	const last = history.Time(1<<63 - 1)
	for i, l := range a.history.Lanes {
		for j, d := range l.Deployments {
			e := entry{d.FinishedAt, place{int32(i), int32(j)}}
			if e.finished == 0 {
				e.finished = last
			}
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(x, y entry) int {
		if c := cmp.Compare(x.finished, y.finished); c != 0 {
			return c
		}
		p, q := a.at(x.place), a.at(y.place)
		return cmp.Or(cmp.Compare(p.StartedAt, q.StartedAt), cmp.Compare(p.Key(), q.Key()))
	})
	out := make([]place, len(all))
	for i, e := range all {
		out[i] = e.place
	}
	return out
}

// byKey finds a deployment by its own key or by that of a report of it.
func (a *arranged) byKey() map[string]place {
	out := map[string]place{}
	for i, l := range a.history.Lanes {
		for j, d := range l.Deployments {
			at := place{int32(i), int32(j)}
			out[d.Key()] = at
			for _, key := range d.Reports {
				out[key] = at
			}
		}
	}
	return out
}

func (a *arranged) at(p place) *history.Deployment {
	return a.history.Lanes[p.lane].Deployments[p.at]
}

// narrow is the view of one window: of every lane the deployments that finished
// in it, and the one before. What is about all of history (incidents and what
// they are linked to, first deployments, pull requests) stays whole. Numbers of
// that window are the same as of the whole; it is for [Compare], which arranges
// many times over, and cannot list rows.
func (v *View) narrow(w window) *View {
	from, to := w.micros()
	whole := *v.history
	whole.Lanes = make([]*history.Lane, len(v.history.Lanes))
	n := &arranged{spec: v.spec, history: &whole, cal: v.cal, origin: v.arranged, finished: make([]int, len(whole.Lanes)), keys: v.keys, order: v.order, setAside: v.setAside}
	for i, l := range v.history.Lanes {
		ds := l.Deployments[:v.finished[i]]
		a := sort.Search(len(ds), func(k int) bool { return ds[k].FinishedAt >= from })
		b := a + sort.Search(len(ds)-a, func(k int) bool { return ds[a+k].FinishedAt >= to })
		lane := *l
		lane.Deployments = ds[max(0, a-1):b]
		whole.Lanes[i], n.finished[i] = &lane, len(lane.Deployments)
	}
	return &View{v.AsOf, n}
}

// whole is what a narrowed arrangement was cut from, or itself.
func (a *arranged) whole() *arranged {
	if a.origin != nil {
		return a.origin
	}
	return a
}

// index returns the arrangement for a profile, made at the first call.
func (a *arranged) index(p Profile) *index {
	a.mu.Lock()
	defer a.mu.Unlock()
	want := p.fingerprint()
	for i, x := range a.indexes {
		if x.profile.Name == p.Name && x.profile.fingerprint() == want {
			copy(a.indexes[1:i+1], a.indexes[:i])
			a.indexes[0] = x
			return x
		}
	}
	x := newIndex(a, p, a.similar(p))
	a.indexes = append([]*index{x}, a.indexes[:min(len(a.indexes), mostIndexes-1)]...)
	delete(a.former, p.Choices.leadFingerprint())
	return x
}

// similar is an index with the same lead times: of this version, or else of the
// one before.
func (a *arranged) similar(p Profile) *index {
	leads := p.Choices.leadFingerprint()
	for _, x := range a.indexes {
		if x.profile.Choices.leadFingerprint() == leads {
			return x
		}
	}
	return a.former[leads]
}

// scope is what a query selects: lanes, services and a window.
type scope struct {
	in        []bool          // by lane
	lanes     []int           // those selected
	services  map[string]bool // nil for all
	env       string
	window    window
	open      bool // the query left From open, so the first deployment chose it
	fromGiven bool
	toGiven   bool
}

// resolve checks a query. Its errors are *event.FieldError.
func (v *View) resolve(q Query) (*scope, error) {
	s := &scope{in: make([]bool, len(v.history.Lanes)), env: q.Environment}
	if err := v.selectServices(s, q); err != nil {
		return nil, err
	}
	if q.Environment != "" && !v.knowsEnvironment(q.Environment) {
		return nil, event.Fault("environment", "%q is neither declared nor seen in project %q", q.Environment, v.spec.Project)
	}
	var first history.Time
	for i, l := range v.history.Lanes {
		if q.Environment == "" && !l.Production || q.Environment != "" && l.Environment != q.Environment ||
			s.services != nil && !s.services[l.Service] {
			continue
		}
		s.in[i] = true
		s.lanes = append(s.lanes, i)
		if v.finished[i] > 0 && (first == 0 || l.Deployments[0].FinishedAt < first) {
			first = l.Deployments[0].FinishedAt
		}
	}
	s.fromGiven, s.toGiven = !q.From.IsZero(), !q.To.IsZero()
	s.window = window{q.From, q.To}
	if !s.toGiven {
		s.window.to = v.AsOf
	}
	if !s.fromGiven {
		s.open = true
		s.window.from = v.cal.start(civil(s.window.to.Add(-1).In(v.cal.loc).Date()))
		if begin := v.cal.start(v.cal.day(first)); first != 0 && begin.Before(s.window.from) {
			s.window.from = begin
		}
	}
	if !s.window.from.Before(s.window.to) {
		field := "to"
		if !s.toGiven {
			field = "from"
		}
		return nil, event.Fault(field, "the window is empty: from %s, to %s", s.window.from.UTC().Format(time.RFC3339), s.window.to.UTC().Format(time.RFC3339))
	}
	return s, nil
}

func (v *View) selectServices(s *scope, q Query) error {
	if q.Service != "" {
		if !v.knowsService(q.Service) {
			return event.Fault("service", "%q is neither declared nor seen in project %q", q.Service, v.spec.Project)
		}
		s.services = map[string]bool{q.Service: true}
	}
	if q.Team == "" {
		return nil
	}
	if !slices.ContainsFunc(v.spec.Teams, func(t project.Team) bool { return t.Name == q.Team }) {
		return event.Fault("team", "%q is not one of the teams of project %q", q.Team, v.spec.Project)
	}
	team := map[string]bool{}
	for _, sv := range v.spec.Services {
		if sv.Team == q.Team && (s.services == nil || s.services[sv.Name]) {
			team[sv.Name] = true
		}
	}
	s.services = team
	return nil
}

func (v *View) knowsService(name string) bool {
	_, declared := v.spec.Service(name)
	return declared ||
		slices.ContainsFunc(v.history.Lanes, func(l *history.Lane) bool { return l.Service == name }) ||
		slices.ContainsFunc(v.history.Pending, func(p *history.Pending) bool { return p.Service == name }) ||
		slices.ContainsFunc(v.history.Uncounted, func(d *history.Deployment) bool { return d.Service == name }) ||
		slices.ContainsFunc(v.history.Incidents, func(i *history.Incident) bool { return i.Service == name })
}

func (v *View) knowsEnvironment(name string) bool {
	return slices.ContainsFunc(v.spec.Environments, func(e project.Environment) bool { return e.Name == name }) ||
		slices.ContainsFunc(v.history.Lanes, func(l *history.Lane) bool { return l.Environment == name }) ||
		slices.ContainsFunc(v.history.Uncounted, func(d *history.Deployment) bool { return d.Environment == name })
}

// hits reports whether an incident concerns what the scope selects. One that
// names no environment concerns them all.
func (v *View) hits(s *scope, i *history.Incident) bool {
	if s.services != nil && !s.services[i.Service] {
		return false
	}
	switch {
	case i.Environment == "":
		return true
	case s.env != "":
		return i.Environment == s.env
	}
	return v.spec.EnvironmentKind(i.Environment) == project.KindProduction
}
