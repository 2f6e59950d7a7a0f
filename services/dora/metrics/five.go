package metrics

import (
	"maps"
	"sort"

	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// frequency is successful deployments per elapsed calendar day.
func (e *engine) frequency(c *counts) Metric {
	m := metric(DeploymentFrequency, e.x.profile.Choices.Edition)
	m.N = c.successful
	m.Completeness = Completeness{Linked: c.successful, Total: c.all, Reasons: c.uncounted}
	m.Parts = Parts{Deployments: ptr(c.successful), Days: ptr(c.days), Workdays: ptr(c.workdays)}
	if !c.seen {
		c.noDeployment(&m)
		return m
	}
	value := float64(c.successful) / c.days
	m.Value, m.Score = ptr(value), ptr(frequencyScore(value))
	m.Interval = ptr(e.sel.known.rate(c.successful, c.days))
	m.Parts.DistinctDays = ptr(c.distinct)
	m.Parts.DistinctDaysPerWeek = ptr(float64(c.distinct) / c.weeks)
	if c.workdays > 0 {
		m.Parts.PerWorkday = ptr(float64(c.successful) / c.workdays)
	}
	perWeek, perMonth := float64(c.distinct)/c.weeks, float64(c.distinct)/c.months
	switch e.x.profile.Choices.FrequencyLevel {
	case LevelByMedianWeek:
		perWeek, perMonth = c.weekMedian, c.monthMedian
		m.Parts.MedianDaysPerWeek, m.Parts.MedianDaysPerMonth = ptr(perWeek), ptr(perMonth)
	case LevelByFourKeysWeek:
		perWeek = c.weekMedian
		m.Parts.MedianDaysPerWeek = ptr(perWeek)
	}
	m.judge(e.x, func(unit string) float64 {
		switch unit {
		case UnitPerDay:
			return value
		case unitWeeks:
			return c.deployedWeek
		case unitWeeksPerMonth:
			return c.weeksPerMonth
		case unitPerWeek:
			return perWeek
		case unitPerMonth:
			return perMonth
		}
		return 6 * float64(c.distinct) / c.months
	})
	return m
}

// leadTime is the median of the profile's lead times.
func (e *engine) leadTime(w window, c *counts) Metric {
	m := metric(ChangeLeadTime, e.x.profile.Choices.Edition)
	for k := range e.sets {
		e.sets[k] = e.sets[k][:0]
	}
	e.daily.reset()
	if e.x.profile.Unit() == UnitPullRequest {
		e.gatherRequests(w, &m)
	} else {
		e.gatherCommits(c, &m)
	}
	n := countOf(e.sets[total])
	sum := e.summarize(e.sets[total], total, false)
	m.N, m.Completeness.Linked, m.Parts.DailyMedians = n, n, sum.days
	m.Completeness.Total = n
	for _, k := range m.Completeness.Reasons {
		m.Completeness.Total += k
	}
	for k, to := range map[int]**Part{coding: &m.Parts.Coding, pickup: &m.Parts.Pickup, review: &m.Parts.Review, deploy: &m.Parts.Deploy} {
		part := e.summarize(e.sets[k], k, true)
		*to = &Part{N: countOf(e.sets[k])}
		switch {
		case part.n > 0:
			(*to).Value = ptr(part.p50)
		case n == 0:
			(*to).Reason = text(ReasonNoAttributedChange)
		default:
			(*to).Reason = text(e.withoutPart(w, k, countOf(e.sets[deploy])))
		}
	}
	if sum.n == 0 {
		if c.all == 0 && m.Completeness.Total == 0 {
			c.noDeployment(&m)
		} else {
			m.unknown(ReasonNoAttributedChange, "no change of the window's deployments has a lead time")
		}
		return m
	}
	m.set(sum, e.x)
	return m
}

func countOf(sets []set) int {
	n := 0
	for _, s := range sets {
		n += len(s.values)
	}
	return n
}

// set writes a duration with all that belongs to it.
func (m *Metric) set(s summary, x *index) {
	m.Value, m.P75, m.P90, m.Interval = ptr(s.p50), ptr(s.p75), ptr(s.p90), s.interval
	m.Score = ptr(durationScore(max(0, s.p50)))
	m.judge(x, func(string) float64 { return s.p50 })
}

// withoutPart says why a part has no value though some changes have a lead time.
// withRequest is how many of those, where changes are commits, have a pull
// request.
func (e *engine) withoutPart(w window, part, withRequest int) string {
	c := &e.x.profile.Choices
	switch {
	case e.x.profile.Unit() == UnitPullRequest:
		return e.withoutRequestPart(w, part)
	case withRequest == 0:
		return history.ReasonNoPullRequest
	case c.LeadStart == LeadMerged, c.LeadStart == LeadCreated && part == coding:
		return ReasonBeforeStart
	}
	return history.ReasonNoReview
}

// withoutRequestPart is the reason that most of the window's pull requests have
// for not having a part, of two that as many have the one first in the alphabet.
func (e *engine) withoutRequestPart(w window, part int) string {
	r := e.x.requests
	from, to := w.micros()
	count := map[string]int{}
	for _, h := range r.between(from, to) {
		if l := r.leads[h]; l.Total != Unknown && r.counts(int(h), e.s.in, e.x.profile.Choices.Delivery) {
			pr := e.v.history.PullRequests[r.heads[h].request]
			count[l.requestPart(pr, r.delivery(pr, &r.heads[h]), part)]++
		}
	}
	most := ""
	for reason, n := range count {
		if most == "" || n > count[most] || n == count[most] && reason < most {
			most = reason
		}
	}
	return most
}

func (e *engine) gatherCommits(c *counts, m *Metric) {
	kind := Percentile(e.x.profile.Choices.Percentile)
	for _, s := range c.stretches {
		for k := range columns {
			if v := s.lane.spans.column(k, s.from, s.to); len(v.values) > 0 {
				e.sets[k] = append(e.sets[k], v)
			}
		}
		if e.x.profile.Choices.Aggregation == DailyMedians {
			e.daily.addLane(s, kind)
		}
		for _, x := range s.lane.spans.excludedBetween(s.from, s.to) {
			m.Completeness.Reasons[e.x.reasons[x.reason]] += int(x.count)
		}
	}
	pending := 0
	for _, p := range e.v.history.Pending {
		if e.s.waits(p) {
			pending += len(p.Changes)
		}
	}
	m.Parts.Pending = ptr(pending)
}

// waits reports whether pending changes belong to the scope.
func (s *scope) waits(p *history.Pending) bool {
	if s.services != nil && !s.services[p.Service] {
		return false
	}
	if s.env == "" {
		return p.Production
	}
	return p.Environment == s.env
}

func (e *engine) gatherRequests(w window, m *Metric) {
	r := e.x.requests
	from, to := w.micros()
	for k := range e.gone {
		e.gone[k] = e.gone[k][:0]
	}
	for _, h := range r.between(from, to) {
		if !r.counts(int(h), e.s.in, e.x.profile.Choices.Delivery) {
			continue
		}
		l := &r.leads[h]
		if l.Total == Unknown {
			m.Completeness.Reasons[l.Reason]++
			continue
		}
		for k, v := range [columns]Span{l.Total, l.Coding, l.Pickup, l.Review, l.Deploy} {
			if v != Unknown {
				e.gone[k] = append(e.gone[k], v)
			}
		}
	}
	if e.x.profile.Choices.Aggregation == DailyMedians {
		for _, lane := range e.s.lanes {
			e.daily.addRequests(e.x, r.laneBetween(lane, from, to), e.s.in, Percentile(e.x.profile.Choices.Percentile))
		}
	}
	first := sort.Search(len(e.waiting), func(i int) bool { return e.waiting[i].at >= from })
	for _, merged := range e.waiting[first:] {
		if merged.at >= to {
			break
		}
		pr := e.v.history.PullRequests[merged.request]
		m.Completeness.Reasons[e.x.profile.Choices.pullRequestLead(pr, nil).Reason]++
	}
	for k := range columns {
		if len(e.gone[k]) > 0 {
			e.sets[k] = append(e.sets[k], set{values: e.gone[k]})
		}
	}
	m.Parts.Pending = ptr(len(e.waiting))
}

// failRate is failed deployments / rated deployments, where a deployment counts
// once, so that it cannot exceed 1; or, under profiles that say so, incidents /
// rated deployments, which can.
func (e *engine) failRate(w window, c *counts) Metric {
	m := metric(ChangeFailRate, e.x.profile.Choices.Edition)
	m.N = c.rated
	m.Completeness = Completeness{Linked: c.rated, Total: c.rated, Reasons: maps.Clone(c.unrated)}
	for _, k := range c.unrated {
		m.Completeness.Total += k
	}
	m.Parts = Parts{Deployments: ptr(c.rated), Failed: ptr(c.failed), FailedBy: c.failedBy, IncidentsUnlinked: map[string]int{}}
	incidents := 0
	for _, i := range e.v.opened(w) {
		if !e.v.hits(e.s, i) {
			continue
		}
		incidents++
		if key, _ := e.x.profile.Choices.link(i); key == "" {
			m.Parts.IncidentsUnlinked[unlinked(i)]++
		}
	}
	m.Parts.Incidents = ptr(incidents)
	switch e.x.profile.Choices.FailRate {
	case RateOfLinkedIncidents:
		m.Parts.IncidentsLinked = ptr(c.linked)
		m.perDeployment(e, c, c.linked, c.rated)
	case RateOfIncidents:
		if incidents > 0 {
			m.perDeployment(e, c, incidents, max(c.rated, 1))
		} else {
			m.perDeployment(e, c, 0, c.rated)
		}
	default:
		m.ratio(c, e.x, c.failed)
	}
	return m
}

// perDeployment writes incidents per deployment with the interval of a Poisson
// rate: it is no share, and can exceed 1.
func (m *Metric) perDeployment(e *engine, c *counts, incidents, deployments int) {
	if deployments == 0 {
		c.noDeployment(m)
		return
	}
	value := float64(incidents) / float64(deployments)
	m.Value, m.Score, m.Interval = ptr(value), ptr(ratioScore(min(1, value))), ptr(e.sel.known.rate(incidents, float64(deployments)))
	m.judge(e.x, func(string) float64 { return value })
}

func unlinked(i *history.Incident) string {
	if i.Reason == "" {
		return history.ReasonNoDeployment
	}
	return i.Reason
}

// ratio writes k / rated with its interval.
func (m *Metric) ratio(c *counts, x *index, k int) {
	if c.rated == 0 {
		c.noDeployment(m)
		return
	}
	value := float64(k) / float64(c.rated)
	m.Value, m.Score, m.Interval = ptr(value), ptr(ratioScore(value)), ptr(wilson(k, c.rated))
	m.judge(x, func(string) float64 { return value })
}

// rework is unplanned deployments / rated deployments.
func (e *engine) rework(c *counts) Metric {
	m := metric(ReworkRate, e.x.profile.Choices.Edition)
	m.N = c.rated
	m.Completeness = Completeness{Linked: c.rated, Total: c.rated, Reasons: c.unrated}
	for _, k := range c.unrated {
		m.Completeness.Total += k
	}
	m.Parts = Parts{Deployments: ptr(c.rated), Unplanned: ptr(c.unplanned)}
	m.ratio(c, e.x, c.unplanned)
	return m
}

// mostOpen bounds the list of open failures; the evidence has them all.
const mostOpen = 100
