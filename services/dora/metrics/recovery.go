package metrics

import (
	"cmp"
	"slices"
	"sort"

	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// Recovery is one failure and when service was restored.
type Recovery struct {
	Span Span         // Unknown while it is open
	End  history.Time // 0 while it is open
	// Reason says why Span is unknown: history.ReasonOpen, history.ReasonClockSkew.
	Reason   string
	Rule     string            // what restored service
	Ref      string            // key of that deployment or incident
	Incident *history.Incident // where the failure is an incident rather than the deployment's own
}

// recoveryRow is a recovery at its place. Lane is -1 where no deployment is
// known.
type recoveryRow struct {
	anchor     history.Time // what decides to which window it belongs
	lane       int32
	deployment *history.Deployment
	Recovery
}

// start is where the recovery from a failure begins; d or i may be nil.
func (c *Choices) recoveryStart(d *history.Deployment, i *history.Incident) history.Time {
	if d == nil {
		return i.OpenedAt
	}
	switch c.RecoveryStart {
	case FromDeploymentStarted:
		if d.StartedAt != 0 {
			return d.StartedAt
		}
	case FromOpened:
		if i != nil {
			return i.OpenedAt
		}
	case FromEarlier:
		if i != nil && i.OpenedAt < d.FinishedAt {
			return i.OpenedAt
		}
	}
	return d.FinishedAt
}

// recovered measures a recovery that has an end, or says why it has none.
func (c *Choices) recovered(start history.Time, r Recovery) Recovery {
	if r.End == 0 {
		r.Span = Unknown
		if r.Reason == "" {
			r.Reason = history.ReasonOpen
		}
		return r
	}
	r.Span, r.Reason = measure(start, r.End, c.RecoveryRounding, c.RecoveryFoot)
	return r
}

// ofIncident is the recovery from one incident; d is nil where no deployment is
// known to have caused it.
func (c *Choices) ofIncident(d *history.Deployment, i *history.Incident) (Recovery, history.Time) {
	start := c.recoveryStart(d, i)
	return c.recovered(start, Recovery{End: i.ResolvedAt, Ref: i.Key(), Rule: history.RestoredIncident, Incident: i}), start
}

// ofDeployment is the recovery from a failed deployment. One that only its being
// unplanned makes a failure has none: nothing tells when it was mended.
func (c *Choices) ofDeployment(d *history.Deployment, linked []*history.Incident) (Recovery, history.Time, bool) {
	fs := c.failures(d, linked)
	if !slices.ContainsFunc(fs, func(f history.Failure) bool { return f.Rule != FailedUnplanned }) {
		return Recovery{}, 0, false
	}
	var first, last *history.Incident
	open := false
	for _, i := range linked {
		if first == nil || i.OpenedAt < first.OpenedAt {
			first = i
		}
		open = open || i.ResolvedAt == 0
		if last == nil || i.ResolvedAt > last.ResolvedAt {
			last = i
		}
	}
	start := c.recoveryStart(d, first)
	r := Recovery{End: d.RestoredAt, Rule: d.RestoredBy, Ref: d.RestoredRef}
	if c.RecoveryEnd == UntilResolved || !d.Failed {
		r = Recovery{Rule: history.RestoredIncident}
		switch {
		case last == nil:
			r.Reason = ReasonNoIncident
		case !open:
			r.End, r.Ref = last.ResolvedAt, last.Key()
		}
	}
	return c.recovered(start, r), start, true
}

// recoveries lists the failures of one deployment to recover from, each with
// where it began.
func (c *Choices) recoveries(d *history.Deployment, linked []*history.Incident) (out []Recovery, starts []history.Time) {
	if c.rated(d) != "" {
		return nil, nil
	}
	if c.RecoveryOf == RecoverDeployments {
		if r, start, ok := c.ofDeployment(d, linked); ok {
			return []Recovery{r}, []history.Time{start}
		}
		return nil, nil
	}
	for _, i := range linked {
		r, start := c.ofIncident(d, i)
		out, starts = append(out, r), append(starts, start)
	}
	return out, starts
}

// anchor is the time that decides to which window a recovery belongs. One that
// is still open belongs to where it began.
func (c *Choices) anchor(d *history.Deployment, r Recovery, start history.Time) history.Time {
	switch {
	case c.RecoveryWindow == WindowEnd && r.End != 0:
		return r.End
	case c.RecoveryWindow == WindowStart || c.RecoveryWindow == WindowEnd || d == nil:
		return start
	}
	return d.FinishedAt
}

// recover lists all recoveries by (anchor, deployment, incident).
func (x *index) recover(a *arranged) {
	c := &x.profile.Choices
	a = a.whole()
	add := func(lane int32, d *history.Deployment, r Recovery, start history.Time) {
		x.recoveries = append(x.recoveries, recoveryRow{c.anchor(d, r, start), lane, d, r})
	}
	if c.RecoveryOf == RecoverIncidents {
		places := a.keys()
		for _, i := range a.history.Incidents {
			lane, d := int32(-1), (*history.Deployment)(nil)
			if key, _ := c.link(i); key != "" {
				if p, ok := places[key]; ok {
					if cause := a.at(p); cause.FinishedAt != 0 {
						lane, d = p.lane, cause
					}
				}
			}
			r, start := c.ofIncident(d, i)
			add(lane, d, r, start)
		}
	} else {
		for i, l := range a.history.Lanes {
			for _, d := range l.Deployments[:a.finished[i]] {
				rs, starts := c.recoveries(d, x.linked(d))
				for k, r := range rs {
					add(int32(i), d, r, starts[k])
				}
			}
		}
	}
	slices.SortFunc(x.recoveries, func(p, q recoveryRow) int {
		return cmp.Or(cmp.Compare(p.anchor, q.anchor), compareDeployments(p.deployment, q.deployment), cmp.Compare(p.Ref, q.Ref))
	})
}

func compareDeployments(p, q *history.Deployment) int {
	switch {
	case p == q:
		return 0
	case p == nil:
		return -1
	case q == nil:
		return 1
	}
	if c := cmp.Compare(p.StartedAt, q.StartedAt); c != 0 {
		return c
	}
	return cmp.Compare(p.Key(), q.Key())
}

// recoveriesBetween are the recoveries of the scope whose anchor lies in
// [from, to).
func (v *View) recoveriesBetween(x *index, s *scope, from, to history.Time) []*recoveryRow {
	all := x.recoveries
	i := sort.Search(len(all), func(i int) bool { return all[i].anchor >= from })
	j := i + sort.Search(len(all)-i, func(k int) bool { return all[i+k].anchor >= to })
	var out []*recoveryRow
	for k := i; k < j; k++ {
		r := &all[k]
		if x.profile.Choices.RecoveryOf == RecoverIncidents {
			if !v.hits(s, r.Incident) {
				continue
			}
		} else if !s.in[r.lane] {
			continue
		}
		out = append(out, r)
	}
	return out
}

// beyond says why a recovery of the window does not count after all: it ended
// outside of it.
func (c *Choices) beyond(r *recoveryRow, from, to history.Time) string {
	if c.RecoveryWindow == WindowDeploymentAndEnd && r.Span != Unknown && (r.End < from || r.End >= to) {
		return ReasonResolvedElsewhen
	}
	return ""
}

// recovery is the median time from a failure to restored service.
func (e *engine) recovery(w window, c *counts) Metric {
	m := metric(RecoveryTime, e.x.profile.Choices.Edition)
	values := e.gone[total][:0]
	from, to := w.micros()
	var open []string
	rows := e.v.recoveriesBetween(e.x, e.s, from, to)
	stillOpen := 0
	services := map[string]int32{} // of incidents, which stand for a project in GitLab
	place := func(r *recoveryRow) int32 {
		if e.x.profile.Choices.RecoveryOf != RecoverIncidents {
			return r.lane
		}
		n, ok := services[r.Incident.Service]
		if !ok {
			n = int32(len(services))
			services[r.Incident.Service] = n
		}
		return n
	}
	e.daily.reset()
	for _, r := range rows {
		switch reason := e.x.profile.Choices.beyond(r, from, to); {
		case reason != "":
			m.Completeness.Reasons[reason]++
		case r.Span != Unknown:
			values = append(values, r.Span)
			if e.x.profile.Choices.Aggregation == DailyMedians {
				e.daily.add(place(r), e.x.cal.day(r.anchor), r.Span)
			}
		default:
			m.Completeness.Reasons[r.Reason]++
			if r.Reason == history.ReasonOpen {
				stillOpen++
				if r.deployment != nil {
					open = append(open, r.deployment.Key())
				}
			}
		}
	}
	e.gone[total] = values
	e.daily.sum(Percentile(e.x.profile.Choices.Percentile))
	sum := e.summarize([]set{{values: values}}, total, false)
	m.N = len(values)
	m.Completeness.Linked, m.Completeness.Total = m.N, len(rows)
	m.Parts = Parts{Failed: ptr(len(rows)), Recovered: ptr(m.N), Open: ptr(stillOpen), OpenDeployments: sortedKeys(open, mostOpen), DailyMedians: sum.days}
	switch {
	case m.N > 0:
		m.set(sum, e.x)
	case len(rows) > 0:
		m.unknown(ReasonNotRecovered, "no failure of the window has been recovered from yet")
	case c.all == 0:
		c.noDeployment(&m)
	default:
		m.unknown(ReasonNoFailedDeployment, "no deployment of the window failed")
	}
	return m
}
