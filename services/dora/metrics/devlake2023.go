package metrics

import (
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// Rules of the devlake-2023 profile.
const (
	RuleCommitDifference = "commit_difference" // the merge commit is new since the previous successful deployment
	RuleLatestDeployment = "latest_deployment" // the project's latest before the incident
)

// DevLake2023 gives what Apache DevLake's DORA dashboard shows with the 2023
// report selected. Its rules are those of backend/plugins/dora/tasks (lead
// times: change_lead_time_calculator.go; incidents:
// incident_deploy_connector.go) and of the queries in
// grafana/dashboards/DORA.json and DORADetails-*.json of apache/incubator-devlake
// at commit 420e494 (May 2026).
//
// Recovery follows "Metric 4: Failed deployment recovery time" there: one row
// for each incident whose deployment (successful, production) finished in the
// selected period and which was resolved in it; the span is
// TIMESTAMPDIFF(MINUTE, deployment finished, incident resolved), which cuts off
// the seconds; the median is max(x) WHERE percent_rank() <= 0.5. DevLake itself
// lets a span be negative; so does this.
//
// DevLake knows no rework rate; the value is that of dora-2025 over this
// profile's deployments.
func DevLake2023() Profile {
	return Profile{
		Name:    ProfileDevLake2023,
		Summary: "What Apache DevLake's DORA dashboard shows with its 2023 report.",
		Rules: []string{
			"A change is a merged pull request; it counts when its deployment finished in the window.",
			"Coding, pickup, review and deploy are whole minutes rounded up; a negative one is null.",
			"The lead time is coding + (merged - created) + deploy, with nulls as 0.",
			"A pull request's deployment is the earliest started successful production deployment whose difference to the previous successful one holds the merge commit.",
			"An incident belongs to the project's latest successful production deployment that finished before it was opened.",
			"Change fail rate is deployments with at least one incident / successful deployments.",
			"Recovery runs, per incident, from the end of its deployment to its resolution, both in the window, in whole minutes.",
			"Medians are lower medians; the frequency's level goes by the median of days with a deployment over the weeks, then months.",
		},
		Edition:           Edition2023,
		Unit:              UnitPullRequest,
		Percentile:        Lower,
		PullRequestLead:   pullRequestLead,
		LeadRule:          RuleCommitDifference,
		Rated:             successful,
		Link:              linkLatest,
		Failures:          anyIncident,
		Recoveries:        resolved,
		RecoveredInWindow: true,
		MedianWeeks:       true,
	}
}

const minute = Span(60_000_000)

// minutesUp is the span from a to b in whole minutes, rounded up; a result
// below zero is Unknown. So, as in DevLake, less than a minute backwards is 0.
func minutesUp(a, b history.Time) Span {
	if a == 0 || b == 0 {
		return Unknown
	}
	d := Span(b - a)
	m := d / minute // cuts toward zero, which is up for negative spans
	if d > 0 && d%minute != 0 {
		m++
	}
	if m < 0 {
		return Unknown
	}
	return m * minute
}

func pullRequestLead(pr *history.PullRequest, to *history.Delivery) Lead {
	l := Lead{
		Coding: minutesUp(pr.FirstCommitAt, pr.CreatedAt),
		Pickup: minutesUp(pr.CreatedAt, pr.FirstCommentAt),
		Review: minutesUp(pr.FirstCommentAt, pr.MergedAt),
		Deploy: Unknown,
	}
	if to != nil {
		l.Deploy = minutesUp(pr.MergedAt, to.FinishedAt)
	}
	switch {
	case pr.FirstCommitAt == 0:
		l.PartReason = history.ReasonNoCommitsReported
	case l.Coding == Unknown:
		l.PartReason = history.ReasonClockSkew
	case pr.FirstCommentAt == 0:
		l.PartReason = history.ReasonNoReview
	case l.Pickup == Unknown || l.Review == Unknown || to != nil && l.Deploy == Unknown:
		l.PartReason = history.ReasonClockSkew
	}
	if pr.MergedAt == 0 || to == nil || to.FinishedAt == 0 {
		l.Total, l.Reason = Unknown, pr.Reason
		if l.Reason == "" {
			l.Reason = history.ReasonNotDeployed
		}
		return l
	}
	for _, s := range []Span{l.Coding, minutesUp(pr.CreatedAt, pr.MergedAt), l.Deploy} {
		if s != Unknown {
			l.Total += s
		}
	}
	return l
}

// successful counts only successful deployments.
func successful(d *history.Deployment) string {
	switch d.Outcome {
	case event.OutcomeSuccess:
		return ""
	case event.OutcomeFailure:
		return ReasonFailureOutcome
	case event.OutcomeAborted:
		return ReasonAborted
	}
	return ReasonOutcomeUnknown
}

func linkLatest(i *history.Incident) (string, string) {
	if i.LatestDeployment == "" {
		return "", history.LinkNone
	}
	return i.LatestDeployment, RuleLatestDeployment
}

func anyIncident(d *history.Deployment, linked []*history.Incident) []history.Failure {
	if successful(d) != "" {
		return nil
	}
	var out []history.Failure
	for _, i := range linked {
		out = append(out, history.Failure{Rule: history.FailedIncident, Ref: i.Key()})
	}
	return out
}

// resolved is one recovery for each linked incident.
func resolved(d *history.Deployment, linked []*history.Incident) []Recovery {
	if successful(d) != "" {
		return nil
	}
	var out []Recovery
	for _, i := range linked {
		r := Recovery{Span: Unknown, End: i.ResolvedAt, Ref: i.Key(), Rule: history.RestoredIncident, Incident: i}
		if i.ResolvedAt == 0 {
			r.Reason = history.ReasonOpen
		} else {
			r.Span = Span(i.ResolvedAt-d.FinishedAt) / minute * minute
		}
		out = append(out, r)
	}
	return out
}
