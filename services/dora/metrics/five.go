package metrics

import (
	"maps"

	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// frequency is successful deployments per elapsed calendar day.
func (e *engine) frequency(c *counts) Metric {
	m := metric(DeploymentFrequency, e.x.profile.Edition)
	m.N = c.successful
	m.Completeness = Completeness{Linked: c.successful, Total: c.all, Reasons: c.uncounted}
	m.Parts = Parts{Deployments: ptr(c.successful), Days: ptr(c.days), Workdays: ptr(c.workdays)}
	if !c.seen {
		c.noDeployment(&m)
		return m
	}
	value := float64(c.successful) / c.days
	m.Value, m.Score = ptr(value), ptr(frequencyScore(value))
	m.Interval = ptr(garwood(c.successful, c.days))
	m.Parts.DistinctDays = ptr(c.distinct)
	m.Parts.DistinctDaysPerWeek = ptr(float64(c.distinct) / c.weeks)
	if c.workdays > 0 {
		m.Parts.PerWorkday = ptr(float64(c.successful) / c.workdays)
	}
	perWeek, perMonth := float64(c.distinct)/c.weeks, float64(c.distinct)/c.months
	if e.x.profile.MedianWeeks {
		perWeek, perMonth = c.weekMedian, c.monthMedian
		m.Parts.MedianDaysPerWeek, m.Parts.MedianDaysPerMonth = ptr(perWeek), ptr(perMonth)
	}
	m.judge(func(unit string) float64 {
		switch unit {
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
	m := metric(ChangeLeadTime, e.x.profile.Edition)
	for k := range e.sets {
		e.sets[k] = e.sets[k][:0]
	}
	var missing partReasons
	if e.x.profile.Unit == UnitPullRequest {
		missing = e.gatherRequests(w, &m)
	} else {
		missing = e.gatherCommits(c, &m)
	}
	sum := e.sel.summarize(e.sets[total], e.x.profile.Percentile, false)
	m.N, m.Completeness.Linked = sum.n, sum.n
	m.Completeness.Total = sum.n
	for _, k := range m.Completeness.Reasons {
		m.Completeness.Total += k
	}
	for k, to := range map[int]**Part{coding: &m.Parts.Coding, pickup: &m.Parts.Pickup, review: &m.Parts.Review, deploy: &m.Parts.Deploy} {
		part := e.sel.summarize(e.sets[k], e.x.profile.Percentile, true)
		*to = &Part{N: part.n}
		if part.n > 0 {
			(*to).Value = ptr(part.p50)
		} else {
			(*to).Reason = text(missing.of(k, sum.n))
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
	m.set(sum)
	return m
}

// set writes a duration with all that belongs to it.
func (m *Metric) set(s summary) {
	m.Value, m.P75, m.P90, m.Interval = ptr(s.p50), ptr(s.p75), ptr(s.p90), s.interval
	m.Score = ptr(durationScore(max(0, s.p50)))
	m.judge(func(string) float64 { return s.p50 })
}

// partReasons says why a part has no value at all.
type partReasons struct{ requests int }

func (r partReasons) of(k, changes int) string {
	switch {
	case changes == 0:
		return ReasonNoAttributedChange
	case k == pickup && r.requests > 0:
		return history.ReasonNoReview
	case r.requests > 0:
		return history.ReasonClockSkew
	}
	return history.ReasonNoPullRequest
}

func (e *engine) gatherCommits(c *counts, m *Metric) partReasons {
	for _, s := range c.stretches {
		for k := range columns {
			if v := s.lane.spans.column(k, s.from, s.to); len(v.values) > 0 {
				e.sets[k] = append(e.sets[k], v)
			}
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
	withRequest := 0
	for _, v := range e.sets[coding] {
		withRequest += len(v.values)
	}
	return partReasons{withRequest}
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

func (e *engine) gatherRequests(w window, m *Metric) partReasons {
	r := &e.x.requests
	from, to := w.micros()
	for k := range e.gone {
		e.gone[k] = e.gone[k][:0]
	}
	n := 0
	for _, h := range r.between(from, to) {
		// The earliest started delivery of the scope decides; others do not count.
		if head := &r.heads[h]; !e.s.in[head.lane] || r.earliest(int(head.request), e.s.in) != int(h) {
			continue
		}
		n++
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
	for _, merged := range e.waiting {
		if merged.at >= from && merged.at < to {
			pr := e.v.history.PullRequests[merged.request]
			m.Completeness.Reasons[e.x.profile.PullRequestLead(pr, nil).Reason]++
		}
	}
	for k := range columns {
		if len(e.gone[k]) > 0 {
			e.sets[k] = append(e.sets[k], set{values: e.gone[k]})
		}
	}
	m.Parts.Pending = ptr(len(e.waiting))
	return partReasons{n}
}

// failRate is failed deployments / rated deployments. A deployment counts once,
// so it cannot exceed 1.
func (e *engine) failRate(w window, c *counts) Metric {
	m := metric(ChangeFailRate, e.x.profile.Edition)
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
		if key, _ := e.x.profile.Link(i); key == "" {
			m.Parts.IncidentsUnlinked[unlinked(i)]++
		}
	}
	m.Parts.Incidents = ptr(incidents)
	m.ratio(c, c.failed)
	return m
}

func unlinked(i *history.Incident) string {
	if i.Reason == "" {
		return history.ReasonNoDeployment
	}
	return i.Reason
}

// ratio writes k / rated with its interval.
func (m *Metric) ratio(c *counts, k int) {
	if c.rated == 0 {
		c.noDeployment(m)
		return
	}
	value := float64(k) / float64(c.rated)
	m.Value, m.Score, m.Interval = ptr(value), ptr(ratioScore(value)), ptr(wilson(k, c.rated))
	m.judge(func(string) float64 { return value })
}

// rework is unplanned deployments / rated deployments.
func (e *engine) rework(c *counts) Metric {
	m := metric(ReworkRate, e.x.profile.Edition)
	m.N = c.rated
	m.Completeness = Completeness{Linked: c.rated, Total: c.rated, Reasons: c.unrated}
	for _, k := range c.unrated {
		m.Completeness.Total += k
	}
	m.Parts = Parts{Deployments: ptr(c.rated), Unplanned: ptr(c.unplanned)}
	m.ratio(c, c.unplanned)
	return m
}

// mostOpen bounds the list of open failures; the evidence has them all.
const mostOpen = 100

// recovery is the median time from a failed deployment to restored service.
func (e *engine) recovery(w window, c *counts) Metric {
	m := metric(RecoveryTime, e.x.profile.Edition)
	values := e.gone[total][:0]
	from, to := w.micros()
	var open []string
	failed, stillOpen := 0, 0
	for _, s := range c.stretches {
		for _, r := range s.lane.recoveriesBetween(s.from, s.to) {
			failed++
			switch {
			case r.Reason == history.ReasonOpen:
				m.Completeness.Reasons[r.Reason]++
				stillOpen++
				open = append(open, s.lane.deployments[r.at].Key())
			case r.Span == Unknown:
				m.Completeness.Reasons[r.Reason]++
			case e.x.profile.RecoveredInWindow && (r.End < from || r.End >= to):
				m.Completeness.Reasons[ReasonResolvedElsewhen]++
			default:
				values = append(values, r.Span)
			}
		}
	}
	e.gone[total] = values
	sum := e.sel.summarize([]set{{values: values}}, e.x.profile.Percentile, false)
	m.N = sum.n
	m.Completeness.Linked, m.Completeness.Total = sum.n, failed
	m.Parts = Parts{Failed: ptr(failed), Recovered: ptr(sum.n), Open: ptr(stillOpen), OpenDeployments: sortedKeys(open, mostOpen)}
	switch {
	case sum.n > 0:
		m.set(sum)
	case failed > 0:
		m.unknown(ReasonNotRecovered, "no failure of the window has been recovered from yet")
	case c.all == 0:
		c.noDeployment(&m)
	default:
		m.unknown(ReasonNoFailedDeployment, "no deployment of the window failed")
	}
	return m
}
