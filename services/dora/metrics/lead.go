package metrics

import "github.com/fawkes-idp/fawkes/services/dora/history"

// deploymentEnd is where a lead time ends.
func (c *Choices) deploymentEnd(started, finished history.Time) history.Time {
	if c.LeadEnd == EndStarted && started != 0 {
		return started
	}
	return finished
}

// excludes says why a change of a deployment has no lead time whatever its
// times are, "" if it has.
func (c *Choices) excludes(d *history.Deployment, reason string) string {
	first := d.Reason == history.ReasonBaseline || d.Kind == history.KindFirst
	switch {
	case first && c.FirstDeployment == "baseline":
		return history.ReasonBaseline
	case reason == history.ReasonBaseline && c.FirstDeployment == "attribute":
		reason = ""
	}
	switch {
	case reason != "":
		return reason
	case d.Reason == history.ReasonBaseline && c.FirstDeployment == "attribute":
		return ""
	}
	return d.Reason
}

// commitStart is where the lead time of a commit begins, or why that is unknown.
func (c *Choices) commitStart(ch *history.Change, pr *history.PullRequestRef) (history.Time, string) {
	switch c.LeadStart {
	case LeadCommitted:
		if ch.CommittedAt == 0 {
			return 0, ReasonCommittedUnknown
		}
		return ch.CommittedAt, ""
	case LeadCreated, LeadMerged:
		switch {
		case pr == nil:
			return 0, history.ReasonNoPullRequest
		case pr.MergedAt == 0:
			return 0, history.ReasonNotMerged
		case c.LeadStart == LeadMerged:
			return pr.MergedAt, ""
		case pr.CreatedAt == 0:
			return 0, ReasonCreatedUnknown
		}
		return pr.CreatedAt, ""
	}
	if ch.FirstAt == 0 {
		return 0, ReasonAuthoredUnknown
	}
	return ch.FirstAt, ""
}

// commitLead is the lead time of one change of a deployment; pr is nil when the
// change belongs to no pull request. The parts go by the pull request's
// milestones, each moved up to the one before it and down to the end, so that
// they add up to the whole (before it is rounded).
func (c *Choices) commitLead(d *history.Deployment, ch *history.Change, pr *history.PullRequestRef) Lead {
	if reason := c.excludes(d, ch.Reason.String()); reason != "" {
		return noLead(reason)
	}
	start, reason := c.commitStart(ch, pr)
	if reason != "" {
		return noLead(reason)
	}
	end := c.deploymentEnd(d.StartedAt, d.FinishedAt)
	l := noLead("")
	if l.Total, l.Reason = measure(start, end, c.LeadRounding, c.LeadFloor); l.Total == Unknown {
		return noLead(l.Reason)
	}
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
	created := min(max(pr.CreatedAt, start), end)
	merged := min(max(pr.MergedAt, created), end)
	l.Deploy = Span(end - merged)
	if c.LeadStart == LeadMerged {
		l.PartReason = ReasonBeforeStart
		return l
	}
	if c.LeadStart == LeadCreated {
		l.PartReason = ReasonBeforeStart
	} else {
		l.Coding = Span(created - start)
	}
	if pr.FirstReviewAt == 0 {
		l.Review = Span(merged - created)
		l.PartReason = history.ReasonNoReview
		return l
	}
	reviewed := min(max(pr.FirstReviewAt, created), merged)
	l.Pickup, l.Review = Span(reviewed-created), Span(merged-reviewed)
	return l
}

// stage is a rounded part of a pull request's way, unknown below zero. Rounding
// comes first: rounded up, less than a unit backwards is 0.
func (c *Choices) stage(a, b history.Time) Span {
	if a == 0 || b == 0 {
		return Unknown
	}
	d := round(a, b, c.LeadRounding)
	if d < 0 {
		return Unknown
	}
	return d
}

// requestStart is where the lead time of a pull request begins, or why that is
// unknown.
func (c *Choices) requestStart(pr *history.PullRequest) (history.Time, string) {
	switch c.LeadStart {
	case LeadMerged:
		return pr.MergedAt, ""
	case LeadCreated:
		if pr.CreatedAt == 0 {
			return 0, ReasonCreatedUnknown
		}
		return pr.CreatedAt, ""
	}
	if pr.FirstCommitAt == 0 {
		return 0, history.ReasonNoCommitsReported
	}
	return pr.FirstCommitAt, ""
}

// pullRequestLead is the lead time of one delivery of a merged pull request, or
// of none.
func (c *Choices) pullRequestLead(pr *history.PullRequest, to *history.Delivery) Lead {
	l := Lead{
		Coding: c.stage(pr.FirstCommitAt, pr.CreatedAt),
		Pickup: c.stage(pr.CreatedAt, pr.FirstCommentAt),
		Review: c.stage(pr.FirstCommentAt, pr.MergedAt),
		Deploy: Unknown,
	}
	end := history.Time(0)
	if to != nil {
		end = c.deploymentEnd(to.StartedAt, to.FinishedAt)
		l.Deploy = c.stage(pr.MergedAt, end)
	}
	for k := coding; k < columns && l.PartReason == ""; k++ {
		l.PartReason = l.requestPart(pr, to, k)
	}
	if pr.MergedAt == 0 || to == nil || to.FinishedAt == 0 {
		l.Total, l.Reason = Unknown, pr.Reason
		if l.Reason == "" {
			l.Reason = history.ReasonNotDeployed
		}
		return l
	}
	if c.LeadTime == LeadStages {
		stages := []Span{l.Coding, c.stage(pr.CreatedAt, pr.MergedAt), l.Deploy}
		switch c.LeadStart {
		case LeadCreated:
			stages = stages[1:]
		case LeadMerged:
			stages = stages[2:]
		}
		for _, s := range stages {
			if s != Unknown {
				l.Total += s
			}
		}
		if l.Total == 0 && c.LeadFloor == FloorPositive {
			l.Total, l.Reason = Unknown, ReasonNotPositive
		}
		return l
	}
	start, reason := c.requestStart(pr)
	if l.Reason = reason; reason != "" {
		l.Total = Unknown
		return l
	}
	l.Total, l.Reason = measure(start, end, c.LeadRounding, c.LeadFloor)
	return l
}

// requestPart says why a part of a pull request's way is unknown, "" if it is
// known or the whole says so.
func (l *Lead) requestPart(pr *history.PullRequest, to *history.Delivery, part int) string {
	switch {
	case part == coding && l.Coding != Unknown, part == pickup && l.Pickup != Unknown,
		part == review && l.Review != Unknown, part == deploy && (l.Deploy != Unknown || to == nil):
		return ""
	case part == coding && pr.FirstCommitAt == 0:
		return history.ReasonNoCommitsReported
	case part <= pickup && pr.CreatedAt == 0:
		return ReasonCreatedUnknown
	case (part == pickup || part == review) && pr.FirstCommentAt == 0:
		return history.ReasonNoReview
	}
	return history.ReasonClockSkew
}
