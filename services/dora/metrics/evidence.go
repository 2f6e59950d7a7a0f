package metrics

import (
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// Rules that evidence names beside those of history and of profiles.
const (
	RuleSuccessful = "successful_production_deployment"
	RuleFinished   = "finished_production_deployment"
	RuleUnplanned  = "unplanned"
	RuleOpened     = "incident_opened"
)

// Evidence lists the rows behind one number of [Compute] for the same query:
// each with what it contributed, or why it contributed nothing. The order is
// that of [Deployments] and [Changes], behind it what does not count for its
// source; Offset and Newest of the list apply. Its
// errors are *event.FieldError.
func Evidence(v *View, q Query, p Profile, name string, l List) (Rows[EvidenceRow], error) {
	if !slices.Contains(Names(), name) {
		return nil, event.Fault("metric", "%q is not one of %s", name, strings.Join(Names(), ", "))
	}
	s, err := v.resolve(q)
	if err != nil {
		return nil, err
	}
	if v.AsOf.Before(s.window.to) {
		s.window.to = v.AsOf
	}
	// From here on both ends bound the rows, whoever gave them.
	s.fromGiven, s.toGiven = true, true
	x := v.index(p)
	rows := func(yield func(EvidenceRow) bool) {
		skip := l.Offset
		give := func(r EvidenceRow) bool { r.Metric = name; return yield(r) }
		if !s.window.from.Before(s.window.to) {
			return
		}
		switch {
		case name == ChangeLeadTime && p.Unit() == UnitPullRequest:
			x.requestEvidence(v, s, l, give)
		case name == ChangeLeadTime:
			x.commitEvidence(v, s, l, skip, give)
		case name == RecoveryTime:
			x.recoveryEvidence(v, s, l, skip, give)
		case name == ChangeFailRate && p.Choices.FailRate == RateOfIncidents:
			x.incidentEvidence(v, s, l, &skip, give)
		case l.Newest:
			if x.asideEvidence(v, s, true, &skip, give) {
				x.countedEvidence(v, s, l, name, &skip, give)
			}
		case x.countedEvidence(v, s, l, name, &skip, give):
			x.asideEvidence(v, s, false, &skip, give)
		}
	}
	return rows, nil
}

// countedEvidence is a row for each deployment of the window.
func (x *index) countedEvidence(v *View, s *scope, l List, name string, skip *int, give func(EvidenceRow) bool) bool {
	for d := range v.inScope(s, l) {
		if d.FinishedAt == 0 {
			continue
		}
		if *skip > 0 {
			*skip--
			continue
		}
		if !give(x.countEvidence(d, name)) {
			return false
		}
	}
	return true
}

// countEvidence is what a deployment contributed to a count or a ratio.
func (x *index) countEvidence(d *history.Deployment, name string) EvidenceRow {
	r := EvidenceRow{Kind: "deployment", Unit: "count", Deployment: ptr(x.deployment(d))}
	reason := x.profile.Choices.rated(d)
	if name == DeploymentFrequency {
		reason = x.profile.Choices.counted(d)
	}
	if reason != "" {
		r.Reason = text(reason)
		return r
	}
	switch {
	case name == DeploymentFrequency:
		r.Value, r.Rule = ptr(1.0), text(RuleSuccessful)
	case name == ChangeFailRate && x.profile.Choices.FailRate == RateOfLinkedIncidents:
		linked := x.linked(d)
		r.Value, r.Rule = ptr(float64(len(linked))), text(RuleFinished)
		if len(linked) > 0 {
			r.Rule, r.Ref = text(history.FailedIncident), text(linked[0].Key())
		}
	case name == ChangeFailRate && x.profile.Choices.FailRate == RateOfDeployments && r.Deployment.Failed:
		f := r.Deployment.Failures[0]
		r.Value, r.Rule, r.Ref = ptr(1.0), text(f.Rule), f.Ref
	case name == ReworkRate && d.Unplanned:
		r.Value, r.Rule = ptr(1.0), text(RuleUnplanned)
	default:
		r.Value, r.Rule = ptr(0.0), text(RuleFinished)
	}
	return r
}

// incidentEvidence is what stands behind incidents per deployment: first the
// deployments that it divides by, then the incidents, 1 each.
func (x *index) incidentEvidence(v *View, s *scope, l List, skip *int, give func(EvidenceRow) bool) {
	if l.Newest && !x.asideEvidence(v, s, true, skip, give) || !x.countedEvidence(v, s, l, ChangeFailRate, skip, give) {
		return
	}
	for i := range inOrder(v.opened(s.window), l.Newest) {
		if !v.hits(s, i) {
			continue
		}
		if *skip > 0 {
			*skip--
			continue
		}
		if !give(EvidenceRow{Kind: "incident", Unit: "count", Value: ptr(1.0), Rule: text(RuleOpened), Incident: ptr(v.incidentRow(x.profile, i))}) {
			return
		}
	}
	if !l.Newest {
		x.asideEvidence(v, s, false, skip, give)
	}
}

func (x *index) commitEvidence(v *View, s *scope, l List, skip int, give func(EvidenceRow) bool) {
	for d := range v.inScope(s, l) {
		if d.FinishedAt == 0 {
			continue
		}
		if reason := x.unknownChanges(d); reason != "" {
			// It counts as one row whose changes are not known.
			if skip > 0 {
				skip--
				continue
			}
			if !give(EvidenceRow{Kind: "deployment", Unit: UnitSeconds, Reason: text(reason), Deployment: ptr(x.deployment(d))}) {
				return
			}
			continue
		}
		if skip >= len(d.Changes) {
			skip -= len(d.Changes)
			continue
		}
		for c := range skipping(d.Changes, &skip, l.Newest) {
			row, lead := x.deployed(d, c)
			if !give(x.changeEvidence("change", row, lead)) {
				return
			}
		}
	}
}

func (x *index) changeEvidence(kind string, row Change, lead Lead) EvidenceRow {
	r := EvidenceRow{Kind: kind, Unit: UnitSeconds, Value: row.LeadTimeSeconds, Change: &row}
	if lead.Total == Unknown {
		r.Reason = text(lead.Reason)
	}
	if row.Deployment != nil {
		r.Rule, r.Ref = text(x.profile.LeadRule()), row.Deployment
	}
	return r
}

func (x *index) requestEvidence(v *View, s *scope, l List, give func(EvidenceRow) bool) {
	for row := range x.listRequests(v, s, l) {
		lead := Lead{Total: Unknown}
		if row.LeadTimeSeconds != nil {
			lead.Total = 0
		} else {
			lead.Reason = *row.Reason
		}
		if !give(x.changeEvidence("pull_request", row, lead)) {
			return
		}
	}
}

func (x *index) recoveryEvidence(v *View, s *scope, l List, skip int, give func(EvidenceRow) bool) {
	from, to := s.window.micros()
	for r := range inOrder(v.recoveriesBetween(x, s, from, to), l.Newest) {
		if skip > 0 {
			skip--
			continue
		}
		row := EvidenceRow{Kind: "deployment", Unit: UnitSeconds, Value: seconds(r.Span), Reason: text(r.Reason), Rule: text(r.Rule), Ref: text(r.Ref)}
		if r.deployment != nil {
			row.Deployment = ptr(x.deployment(r.deployment))
		}
		if r.Incident != nil {
			row.Kind, row.Incident = "incident", ptr(v.incidentRow(x.profile, r.Incident))
		}
		if reason := x.profile.Choices.beyond(r, from, to); reason != "" {
			row.Value, row.Reason = nil, text(reason)
		}
		if !give(row) {
			return
		}
	}
}
