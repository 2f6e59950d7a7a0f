package metrics

import (
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// Compute answers a query by the rules of a profile. Its errors are
// *event.FieldError and name the parameter at fault.
func Compute(v *View, q Query, p Profile) (Report, error) {
	s, err := v.resolve(q)
	if err != nil {
		return Report{}, err
	}
	x := v.index(p)
	parts, err := x.cal.buckets(s.window, q.Interval)
	if err != nil {
		return Report{}, err
	}
	return v.compute(q, s, x, parts), nil
}

// compute answers a question that was resolved, from an arrangement.
func (v *View) compute(q Query, s *scope, x *index, parts []window) Report {
	p := x.profile
	e := engines.Get().(*engine)
	defer engines.Put(e)
	e.v, e.x, e.s = v, x, s
	e.wait()
	r := Report{
		Project: v.spec.Project, Profile: p.Name, Version: p.Version, Service: text(q.Service), Team: text(q.Team), Environment: text(q.Environment),
		TimeZone: e.x.cal.loc.String(), Interval: q.Interval, From: s.window.from.UTC(), To: s.window.to.UTC(), AsOf: v.AsOf.UTC(),
		Metrics: e.metrics(s.window, s.open),
	}
	if r.Interval == "" {
		r.Interval = IntervalAll
	}
	r.Score, r.ScoreReason = overall(r.Metrics)
	for _, w := range parts {
		r.Series = append(r.Series, Bucket{From: w.from.UTC(), To: w.to.UTC(), Metrics: e.metrics(w, false)})
	}
	if r.Interval != IntervalAll {
		r.ChangePoints = changePoints(r.Series, r.Interval, p)
	}
	e.v, e.x, e.s = nil, nil, nil
	return r
}

// again computes some metrics of a window, and takes the others over.
func (v *View) again(s *scope, x *index, names []string, others []Metric) []Metric {
	e := engines.Get().(*engine)
	defer engines.Put(e)
	e.v, e.x, e.s, e.waiting = v, x, s, e.waiting[:0]
	e.only = names
	fresh := e.metrics(s.window, s.open)
	e.v, e.x, e.s, e.only = nil, nil, nil, nil
	for i := range fresh {
		if !slices.Contains(names, fresh[i].Metric) {
			fresh[i] = others[i]
		}
	}
	return fresh
}

// wait finds the merged pull requests that were not delivered in the scope.
func (e *engine) wait() {
	e.waiting = e.waiting[:0]
	for _, merged := range e.x.requests.of(e.s.services) {
		if e.x.requests.earliest(int(merged.request), e.s.in) < 0 {
			e.waiting = append(e.waiting, merged)
		}
	}
}

// overall is the mean of the five scores.
func overall(ms []Metric) (*float64, *string) {
	sum, missing := 0.0, []string{}
	for _, m := range ms {
		if m.Score == nil {
			missing = append(missing, m.Metric)
			continue
		}
		sum += *m.Score
	}
	if len(missing) > 0 {
		return nil, text("no score for " + strings.Join(missing, ", "))
	}
	return ptr(sum / float64(len(ms))), nil
}

var engines = sync.Pool{New: func() any { return &engine{} }}

// engine computes the metrics of one window after another with the same buffers.
type engine struct {
	v *View
	x *index
	s *scope

	sel     selector
	sets    [columns][]set
	gone    [columns][]Span // buffers for spans that are not contiguous
	days    []uint64
	reasons []int
	daily   daily
	only    []string     // the metrics that are wanted, nil for all
	waiting []mergedHead // merged pull requests that were not delivered in the scope
}

// stretch is the deployments of one lane that finished in the window.
type stretch struct {
	lane     *laneIndex
	from, to int
}

// counts are the sums over a window's deployments.
type counts struct {
	stretches                     []stretch
	all, successful, rated        int
	failed, unplanned, linked     int
	uncounted, unrated            map[string]int
	distinct                      int
	seen                          bool // some deployment finished before the end of the window
	failedBy                      map[string]int
	firstDay, lastDay             int32
	days, weeks, months, workdays float64
	weekMedian, monthMedian       float64 // of days with a deployment
	deployedWeek, weeksPerMonth   float64 // of the Four Keys dashboard
}

func (e *engine) metrics(w window, open bool) []Metric {
	cut := w
	if cut.to.After(e.v.AsOf) {
		cut.to = e.v.AsOf
	}
	if !cut.from.Before(cut.to) {
		var out []Metric
		for _, name := range Names() {
			m := metric(name, e.x.profile.Choices.Edition)
			m.unknown(ReasonNotElapsed, "the window has not begun yet")
			out = append(out, m)
		}
		return out
	}
	c := e.count(cut)
	if w.to.After(cut.to) {
		if n := e.late(cut, w); n > 0 {
			c.uncounted[ReasonAfterAsOf] += n
			c.all += n
		}
	}
	e.measure(cut, &c, open)
	out := make([]Metric, 0, len(Names()))
	for _, name := range Names() {
		switch {
		case e.only != nil && !slices.Contains(e.only, name):
			out = append(out, Metric{Metric: name})
		case name == DeploymentFrequency:
			out = append(out, e.frequency(&c))
		case name == ChangeLeadTime:
			out = append(out, e.leadTime(cut, &c))
		case name == ChangeFailRate:
			out = append(out, e.failRate(cut, &c))
		case name == RecoveryTime:
			out = append(out, e.recovery(cut, &c))
		default:
			out = append(out, e.rework(&c))
		}
	}
	return out
}

// count adds up the deployments of a window.
func (e *engine) count(w window) counts {
	c := counts{uncounted: map[string]int{}, unrated: map[string]int{}, failedBy: map[string]int{}}
	from, to := w.micros()
	c.firstDay, c.lastDay = e.x.cal.day(from), e.x.cal.day(to-1)
	words := int(c.lastDay-c.firstDay)/64 + 1
	if cap(e.days) < words {
		e.days = make([]uint64, words)
	}
	e.days = e.days[:words]
	clear(e.days)
	n := len(e.x.reasons)
	if cap(e.reasons) < 2*n {
		e.reasons = make([]int, 2*n)
	}
	e.reasons = e.reasons[:2*n]
	clear(e.reasons)
	for _, i := range e.s.lanes {
		l := &e.x.lanes[i]
		a, b := l.between(from, to)
		if b > 0 {
			c.seen = true
		}
		if a == b {
			continue
		}
		c.stretches = append(c.stretches, stretch{l, a, b})
		c.all += b - a
		for _, r := range l.rows[a:b] {
			e.reasons[r.uncounted]++
			e.reasons[n+int(r.unrated)]++
			if r.uncounted == 0 {
				d := r.day - c.firstDay
				e.days[d/64] |= 1 << (d % 64)
			}
			if r.unrated == 0 && r.unplanned {
				c.unplanned++
			}
			if r.failed {
				c.failed++
			}
		}
		for _, f := range l.failedBetween(a, b) {
			c.linked += int(f.incidents)
			for _, rule := range f.rules {
				c.failedBy[rule]++
			}
		}
	}
	c.successful, c.rated = e.reasons[0], e.reasons[n]
	for i, name := range e.x.reasons {
		if k := e.reasons[i]; i > 0 && k > 0 {
			c.uncounted[name] = k
		}
		if k := e.reasons[n+i]; i > 0 && k > 0 {
			c.unrated[name] = k
		}
	}
	if n := e.setAsideIn(w); n > 0 {
		c.uncounted[history.ReasonNotAuthoritative] += n
		c.unrated[history.ReasonNotAuthoritative] += n
		c.all += n
	}
	for _, word := range e.days {
		c.distinct += bits.OnesCount64(word)
	}
	return c
}

// late counts the deployments between the end of what has elapsed and the end
// of the window: their source's clock is ahead.
func (e *engine) late(cut, w window) int {
	n := 0
	from, to := window{cut.to, w.to}.micros()
	for _, i := range e.s.lanes {
		a, b := e.x.lanes[i].between(from, to)
		n += b - a
	}
	return n
}

// measure lays the calendar along the window. Where the first deployment chose
// the beginning, less than a day counts as one: a rate is not extrapolated from
// the minutes since the event that began it.
func (e *engine) measure(w window, c *counts, open bool) {
	cal := &e.x.cal
	c.days = cal.days(w.from, w.to)
	if open {
		c.days = max(c.days, 1)
	}
	if e.x.profile.Choices.FrequencyDays == DaysWhole {
		c.days = float64(c.lastDay - c.firstDay + 1)
	}
	c.weeks = c.days / 7
	c.months = cal.months(w.from, w.to)
	c.workdays = cal.workdays(w.from, w.to)
	switch e.x.profile.Choices.FrequencyLevel {
	case LevelByMedianWeek:
		c.weekMedian = lowerMedian(e.perUnit(c, cal.week))
		c.monthMedian = lowerMedian(e.perUnit(c, cal.month))
	case LevelByFourKeysWeek:
		e.fourKeysWeeks(c)
	}
}

// perUnit counts the days with a deployment in each calendar unit that the
// window touches.
func (e *engine) perUnit(c *counts, unit func(day int32) int32) []int {
	var per []int
	former := int32(-1 << 31)
	for d := c.firstDay; d <= c.lastDay; d++ {
		if u := unit(d); u != former {
			per, former = append(per, 0), u
		}
		i := d - c.firstDay
		per[len(per)-1] += int(e.days[i/64] >> (i % 64) & 1)
	}
	return per
}

// fourKeysWeeks takes the medians over the weeks that the level of Four Keys
// goes by. A week belongs to the month of its first day.
func (e *engine) fourKeysWeeks(c *counts) {
	cal := &e.x.cal
	days := e.perUnit(c, cal.week)
	deployed, inMonth := make([]int, len(days)), make([]int, len(days))
	month := make([]int32, len(days))
	per := map[int32]int{}
	for i := range days {
		month[i] = cal.month(cal.week(c.firstDay) + int32(7*i))
		if days[i] > 0 {
			deployed[i] = 1
			per[month[i]]++
		}
	}
	for i := range inMonth {
		inMonth[i] = per[month[i]]
	}
	c.weekMedian, c.deployedWeek, c.weeksPerMonth = median(days), median(deployed), median(inMonth)
}

func (l *laneIndex) failedBetween(a, b int) []failedRow {
	i := sort.Search(len(l.failed), func(i int) bool { return int(l.failed[i].at) >= a })
	j := i + sort.Search(len(l.failed)-i, func(k int) bool { return int(l.failed[i+k].at) >= b })
	return l.failed[i:j]
}

func (s *spans) excludedBetween(a, b int) []exclusion {
	i := sort.Search(len(s.excluded), func(i int) bool { return int(s.excluded[i].at) >= a })
	j := i + sort.Search(len(s.excluded)-i, func(k int) bool { return int(s.excluded[i+k].at) >= b })
	return s.excluded[i:j]
}

// metric begins one.
func metric(name, edition string) Metric {
	m := Metric{Metric: name, Completeness: Completeness{Reasons: map[string]int{}}}
	switch name {
	case DeploymentFrequency:
		m.Unit = UnitPerDay
	case ChangeLeadTime, RecoveryTime:
		m.Unit = UnitSeconds
	default:
		m.Unit = UnitRatio
	}
	if name != ReworkRate {
		m.LevelEdition = text(edition)
	}
	return m
}

// unknown says why there is no value.
func (m *Metric) unknown(reason, detail string) {
	m.Reason, m.Detail = text(reason), text(detail)
	m.LevelReason = text("there is no value to judge")
}

// judge sets the level; at gives the value in the unit of a bound.
func (m *Metric) judge(x *index, at func(unit string) float64) {
	if m.Metric == ReworkRate {
		m.LevelReason = text("no bounds are published for the rework rate")
		return
	}
	if m.N < LevelMinimum {
		m.LevelReason = text(fmt.Sprintf("n = %d; a level needs at least %d", m.N, LevelMinimum))
		return
	}
	if bounds, ok := x.bounds[m.Metric]; ok {
		m.Level = text(levelOn(bounds, at))
		return
	}
	m.LevelReason = text("the edition has no bounds for this metric")
}

func (c *counts) noDeployment(m *Metric) {
	switch {
	case c.all > 0:
		m.unknown(ReasonNoDeploymentInWindow, "none of the window's deployments counts")
	case c.seen:
		m.unknown(ReasonNoDeploymentInWindow, "no deployment finished in the window")
	default:
		m.unknown(ReasonNoDeploymentYet, "no deployment has ever been seen up to the end of the window")
	}
}

func ptr[T any](v T) *T { return &v }

// text is nil for "".
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func sortedKeys(rows []string, most int) []string {
	sort.Strings(rows)
	return rows[:min(len(rows), most)]
}

// opened finds the incidents opened in a window.
func (a *arranged) opened(w window) []*history.Incident {
	from, to := w.micros()
	all := a.history.Incidents
	i := sort.Search(len(all), func(i int) bool { return all[i].OpenedAt >= from })
	j := i + sort.Search(len(all)-i, func(k int) bool { return all[i+k].OpenedAt >= to })
	return all[i:j]
}
