package metrics

import (
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// DORA2025 is the default profile.
func DORA2025() Profile {
	return Profile{
		Name:    ProfileDORA2025,
		Summary: "The five DORA metrics per commit, per service and environment.",
		Rules: []string{
			"A change is a commit; its lead time is authored to deployed, and a squashed pull request counts from its earliest commit.",
			"A change belongs to the first successful deployment, per service and environment, that contains it and whose predecessor does not.",
			"The first deployment of a service is a baseline without lead times unless the project says otherwise.",
			"A deployment failed when its source says so, when the next deployment rolled it back, or when an incident is linked to it; it counts once.",
			"Aborted deployments never reached users and do not count.",
			"Recovery runs from the end of the failed deployment until service was restored.",
			"Medians are continuous.",
		},
		Edition:    Edition2023,
		Unit:       UnitCommit,
		Percentile: Continuous,
		CommitLead: commitLead,
		LeadRule:   "commit_graph",
		Rated:      finishedWithOutcome,
		Link:       func(i *history.Incident) (string, string) { return i.Deployment, i.LinkedBy },
		Failures:   failures,
		Recoveries: restored,
	}
}

// commitLead is authored to deployed. The parts go by the pull request's
// milestones, each moved up to the one before it and down to the deployment, so
// that they add up to the whole.
func commitLead(d *history.Deployment, c *history.Change, pr *history.PullRequestRef) Lead {
	switch {
	case c.Reason != 0:
		return noLead(c.Reason.String())
	case d.Reason != "":
		return noLead(d.Reason)
	case c.FirstAt == 0:
		return noLead(ReasonAuthoredUnknown)
	case d.FinishedAt < c.FirstAt:
		return noLead(history.ReasonClockSkew)
	}
	l := noLead("")
	l.Total = Span(d.FinishedAt - c.FirstAt)
	switch {
	case pr == nil:
		l.PartReason = history.ReasonNoPullRequest
		return l
	case pr.MergedAt == 0:
		l.PartReason = history.ReasonNotMerged
		return l
	case pr.CreatedAt == 0:
		l.PartReason = ReasonCreatedUnknown
		return l
	}
	l.PartReason = ""
	created := min(max(pr.CreatedAt, c.FirstAt), d.FinishedAt)
	merged := min(max(pr.MergedAt, created), d.FinishedAt)
	l.Coding = Span(created - c.FirstAt)
	l.Deploy = Span(d.FinishedAt - merged)
	if pr.FirstReviewAt == 0 {
		l.Review = Span(merged - created)
		l.PartReason = history.ReasonNoReview
		return l
	}
	reviewed := min(max(pr.FirstReviewAt, created), merged)
	l.Pickup, l.Review = Span(reviewed-created), Span(merged-reviewed)
	return l
}

// failures are those that history found.
func failures(d *history.Deployment, _ []*history.Incident) []history.Failure {
	if !d.Failed {
		return nil
	}
	return d.Failures
}

// finishedWithOutcome counts deployments that reached users, or were meant to
// and failed.
func finishedWithOutcome(d *history.Deployment) string {
	switch d.Outcome {
	case event.OutcomeSuccess, event.OutcomeFailure:
		return ""
	case event.OutcomeAborted:
		return ReasonAborted
	}
	return ReasonOutcomeUnknown
}

// restored is the one recovery of a failed deployment.
func restored(d *history.Deployment, _ []*history.Incident) []Recovery {
	if !d.Failed || finishedWithOutcome(d) != "" {
		return nil
	}
	r := Recovery{End: d.RestoredAt, Rule: d.RestoredBy, Ref: d.RestoredRef, Span: between(d.FinishedAt, d.RestoredAt)}
	switch {
	case d.RestoredAt == 0:
		r.Reason = history.ReasonOpen
	case r.Span == Unknown:
		r.Reason = history.ReasonClockSkew
	}
	return []Recovery{r}
}
