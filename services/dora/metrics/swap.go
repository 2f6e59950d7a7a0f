package metrics

import (
	"slices"

	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// wholes is a copy of an index over the view's part of the history whose lead
// times have no parts: what comparing needs. Spans are taken from x where they
// are there.
func (v *View) wholes(x *index) *index {
	out := *x
	out.reasons = slices.Clone(x.reasons)
	out.wholes = true
	out.arrangeLanes(v.arranged, true, true)
	return &out
}

// swap is an index of the view under rules that differ from x's in one. What
// that rule does not touch is shared: [RuleInfo] tells which metrics it can move.
func (v *View) swap(x *index, r *RuleInfo, p Profile) *index {
	a := v.arranged
	out := *x
	out.profile, out.bounds, out.reasons = p, p.bounds(), slices.Clone(x.reasons)
	if r.ID == RuleDays || r.ID == RuleWeekStart {
		out.cal = a.cal.under(a.spec, &p.Choices)
	}
	if r.ID == RuleIncidentLink {
		out.incident = a.causes(&p.Choices)
	}
	recounts := slices.Contains([]string{RuleDays, RuleCountedOutcomes, RuleRatedOutcomes, RuleKnownCommit, RuleIncidentLink, RuleFailures}, r.ID)
	out.arrangeLanes(a, recounts, r.arranges)
	switch {
	case p.Unit() == UnitCommit:
		out.requests = nil
	case x.requests == nil || r.ID == RuleFirstDeployment:
		out.requests = newRequestIndex(a, p, nil)
	case r.arranges:
		out.requests = x.requests.remeasured(a, p)
	}
	out.dates()
	if slices.Contains(r.Metrics, RecoveryTime) {
		out.recoveries = nil
		out.recover(a)
	}
	return &out
}

// arrangeLanes makes the rows or the lead times of every lane anew, or both.
func (x *index) arrangeLanes(a *arranged, rows, spans bool) {
	if !rows && !spans {
		return
	}
	lanes := slices.Clone(x.lanes)
	for i, l := range a.history.Lanes {
		ds := l.Deployments[:a.finished[i]]
		if rows {
			was := lanes[i].spans
			lanes[i] = laneIndex{spans: was}
			lanes[i].fill(x, ds)
		}
		if spans {
			lanes[i].spans = spansOf(x, ds)
		}
	}
	x.lanes = lanes
}

// spansOf are the lead times of some deployments, none where a change is a pull
// request.
func spansOf(x *index, ds []*history.Deployment) spans {
	if x.profile.Unit() != UnitCommit {
		return spans{}
	}
	return x.leads(ds, nil)
}
