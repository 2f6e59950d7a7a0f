package metrics

import (
	"slices"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/history"
)

func instant(t history.Time) *time.Time {
	if t == 0 {
		return nil
	}
	return ptr(t.Std())
}

func seconds(s Span) *float64 {
	if s == Unknown {
		return nil
	}
	return ptr(float64(s) / 1e6)
}

// fill writes a lead time with its parts, and why one of them is null.
func (c *Change) fill(l Lead) {
	c.CodingSeconds, c.PickupSeconds = seconds(l.Coding), seconds(l.Pickup)
	c.ReviewSeconds, c.DeploySeconds = seconds(l.Review), seconds(l.Deploy)
	c.LeadTimeSeconds = seconds(l.Total)
	if l.Total == Unknown {
		c.Reason = text(l.Reason)
	} else {
		c.Reason = text(l.PartReason)
	}
}

// commit is the row of a commit, without its lead time.
func commit(c *history.Change, repo, service, environment string, prs []history.PullRequestRef, long map[history.SHA]string) (Change, *history.PullRequestRef) {
	out := Change{
		Repo: repo, SHA: c.SHA.Text(long), AuthorRef: text(c.Author.String()),
		Service: text(service), Environment: text(environment), FirstCommitAt: instant(c.FirstAt),
	}
	if c.PR < 0 || int(c.PR) >= len(prs) {
		return out, nil
	}
	pr := &prs[c.PR]
	out.Number = text(pr.Number)
	out.CreatedAt, out.FirstReviewAt, out.MergedAt = instant(pr.CreatedAt), instant(pr.FirstReviewAt), instant(pr.MergedAt)
	return out, pr
}

// deployed is the row of a change of a deployment.
func (x *index) deployed(d *history.Deployment, c *history.Change) (Change, Lead) {
	out, pr := commit(c, d.Repo, d.Service, d.Environment, d.PullRequests, d.LongSHAs)
	out.DeployedAt, out.DeploymentID, out.Deployment = instant(d.FinishedAt), text(d.ID), text(d.Key())
	l := x.profile.Choices.commitLead(d, c, pr)
	out.fill(l)
	return out, l
}

// pending is the row of a change that waits. The stretches that it has already
// passed are not given: they are known only once it has arrived.
func pending(p *history.Pending, c *history.Change) Change {
	out, _ := commit(c, p.Repo, p.Service, p.Environment, p.PullRequests, p.LongSHAs)
	reason := c.Reason.String()
	if reason == "" {
		reason = history.ReasonNotDeployed
	}
	out.fill(noLead(reason))
	return out
}

// request is the row of a merged pull request and its delivery, which may be nil.
func (x *index) request(pr *history.PullRequest, to *history.Delivery) (Change, Lead) {
	out := Change{
		Repo: pr.Repo, Number: text(pr.Number), SHA: pr.SHA, AuthorRef: text(pr.Author.String()),
		FirstCommitAt: instant(pr.FirstCommitAt), CreatedAt: instant(pr.CreatedAt),
		FirstReviewAt: instant(pr.FirstCommentAt), MergedAt: instant(pr.MergedAt),
	}
	if to != nil {
		out.Service, out.Environment = text(to.Service), text(to.Environment)
		out.DeployedAt, out.DeploymentID, out.Deployment = instant(to.FinishedAt), text(to.DeploymentID), text(to.Deployment)
	}
	l := x.profile.Choices.pullRequestLead(pr, to)
	out.fill(l)
	return out, l
}

// deployment is the row of a deployment under the profile's rules.
func (x *index) deployment(d *history.Deployment) Deployment {
	out := Deployment{
		ID: d.ID, Source: d.Source, Key: d.Key(), Service: d.Service, Environment: d.Environment, Production: d.Production,
		Repo: text(d.Repo), SHA: text(d.SHA), Digest: text(d.Digest), ResolvedBy: text(d.ResolvedBy),
		Kind: text(d.Kind), Outcome: text(d.Outcome), Unplanned: d.Unplanned,
		StartedAt: instant(d.StartedAt), FinishedAt: instant(d.FinishedAt),
		PreviousID: text(d.PreviousID), Previous: text(d.Previous),
		Changes: len(d.Changes), Reason: text(d.Reason),
		Reports: append([]string{}, d.Reports...), FailureReasons: []string{}, Failures: []Failure{}, Title: text(d.Title), URL: text(d.URL),
	}
	linked := x.linked(d)
	for _, f := range x.profile.Choices.failures(d, linked) {
		out.Failed = true
		out.Failures = append(out.Failures, Failure{f.Rule, text(f.Ref)})
		if !slices.Contains(out.FailureReasons, f.Rule) {
			out.FailureReasons = append(out.FailureReasons, f.Rule)
		}
	}
	var last Recovery
	recoveries, _ := x.profile.Choices.recoveries(d, linked)
	for _, r := range recoveries {
		if r.End == 0 {
			return out // as long as one failure is open, service is not restored
		}
		if r.End > last.End {
			last = r
		}
	}
	out.RestoredAt, out.RestoredBy, out.RestoredRef = instant(last.End), text(last.Rule), text(last.Ref)
	return out
}

// incidentRow is the row of an incident under the profile's rules.
func (v *View) incidentRow(p Profile, i *history.Incident) Incident {
	key, rule := p.Choices.link(i)
	out := Incident{
		ID: i.ID, Source: i.Source, Key: i.Key(), Service: text(i.Service), Environment: text(i.Environment),
		Severity: text(i.Severity), Title: text(i.Title), URL: text(i.URL),
		OpenedAt: instant(i.OpenedAt), ResolvedAt: instant(i.ResolvedAt), Deployment: text(key), LinkedBy: rule, Rule: rule,
	}
	if key == "" {
		out.LinkedBy, out.Rule, out.Reason = history.LinkNone, history.LinkNone, text(unlinked(i))
		return out
	}
	out.DeploymentID = text(i.DeploymentID)
	if at, ok := v.keys()[key]; ok {
		out.DeploymentID = text(v.at(at).ID)
	}
	if rule == RuleLatestDeployment {
		out.LinkedBy = history.LinkTime // the wire's word for whatever goes by time
	}
	return out
}
