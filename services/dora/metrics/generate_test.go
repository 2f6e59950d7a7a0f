package metrics

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// size of a generated history.
type size struct {
	services, deployments, changes, requests, incidents int
	days                                                int
}

var (
	small = size{services: 3, deployments: 60, changes: 300, requests: 60, incidents: 20, days: 90}
	large = size{services: 50, deployments: 20_000, changes: 1_000_000, requests: 100_000, incidents: 2_000, days: 730}
)

// generate makes a history of a size: successes, failures, aborts, rollbacks,
// incidents, clock skew, baselines, changes with and without a pull request.
// The same seed gives the same history. It begins on 2024-06-01 UTC.
func generate(seed uint64, n size) *history.Projection {
	r := rand.New(rand.NewPCG(seed, 2))
	begin := history.Time(1717200000 * 1e6)
	span := int64(n.days) * 86400 * 1e6
	p := &history.Projection{Project: "p"}
	var shas uint64
	sha := func() (s history.SHA) { shas++; binary.BigEndian.PutUint64(s[:], shas); return s }
	perLane, perDeployment := n.deployments/n.services, n.changes/n.deployments
	requestEvery := max(1, n.changes/n.requests)
	for s := range n.services {
		l := &history.Lane{Service: fmt.Sprintf("s%02d", s), Environment: "production", Production: true}
		repo := "https://git.example/" + l.Service + ".git"
		ends := make([]history.Time, perLane)
		for i := range ends {
			ends[i] = begin + history.Time(r.Int64N(span))
		}
		slices.Sort(ends)
		for i, end := range ends {
			d := &history.Deployment{
				Source: "ci", ID: fmt.Sprintf("%d-%d", s, i), Service: l.Service, Environment: l.Environment, Repo: repo, Production: true,
				Kind: history.KindForward, Outcome: event.OutcomeSuccess, StartedAt: end - history.Time(r.Int64N(600e6)), FinishedAt: end, Unplanned: r.IntN(12) == 0,
			}
			l.Deployments = append(l.Deployments, d)
			switch r.IntN(20) {
			case 0:
				d.Outcome = event.OutcomeAborted
			case 1:
				d.Outcome, d.Failed = event.OutcomeFailure, true
				d.Failures = []history.Failure{{Rule: history.FailedOutcome}}
			case 2:
				d.Failed, d.Failures = true, []history.Failure{{Rule: history.FailedRolledBack, Ref: "ci/x"}, {Rule: history.FailedIncident, Ref: "pager/x"}}
			}
			if d.Failed && r.IntN(10) > 0 {
				d.RestoredAt, d.RestoredBy = end+history.Time(r.Int64N(3*86400e6)), history.RestoredDeployment
			}
			if d.Outcome != event.OutcomeSuccess {
				continue
			}
			if i == 0 {
				d.Kind = history.KindFirst
			}
			for c := range r.IntN(2*perDeployment + 1) {
				ch := history.Change{SHA: sha(), FirstAt: end - history.Time(r.ExpFloat64()*2*86400e6), PR: -1}
				ch.CommittedAt = ch.FirstAt
				switch {
				case i == 0:
					ch.Reason = 2
				case r.IntN(200) == 0:
					ch.FirstAt = end + 3600e6
				}
				if c%requestEvery == 0 {
					created := ch.FirstAt + history.Time(r.ExpFloat64()*3600e6)
					ref := history.PullRequestRef{Number: fmt.Sprint(shas), CreatedAt: created, MergedAt: created + history.Time(r.ExpFloat64()*20*3600e6)}
					if r.IntN(5) > 0 {
						ref.FirstReviewAt = created + history.Time(r.ExpFloat64()*5*3600e6)
					}
					d.PullRequests = append(d.PullRequests, ref)
					p.PullRequests = append(p.PullRequests, requestOf(d, &ch, &ref))
				}
				if len(d.PullRequests) > 0 && r.IntN(8) > 0 {
					ch.PR = int32(len(d.PullRequests) - 1)
				}
				d.Changes = append(d.Changes, ch)
			}
		}
		p.Lanes = append(p.Lanes, l)
	}
	for i := range n.incidents {
		l := p.Lanes[r.IntN(len(p.Lanes))]
		d := l.Deployments[r.IntN(len(l.Deployments))]
		in := &history.Incident{Source: "pager", ID: fmt.Sprint(i), Service: l.Service, Environment: l.Environment, LinkedBy: history.LinkNone, OpenedAt: d.FinishedAt + history.Time(r.Int64N(5*3600e6))}
		if r.IntN(10) > 0 {
			in.ResolvedAt = in.OpenedAt + history.Time(r.Int64N(10*3600e6))
		}
		if d.Outcome == event.OutcomeSuccess {
			in.LatestDeployment = d.Key()
			in.Deployment, in.DeploymentID, in.LinkedBy = d.Key(), d.ID, history.LinkTime
		}
		p.Incidents = append(p.Incidents, in)
	}
	slices.SortFunc(p.Incidents, func(a, b *history.Incident) int { return int(a.OpenedAt - b.OpenedAt) })
	return p
}

// requestOf is the pull request of a change that its deployment delivered,
// except that the first deployment delivers nothing.
func requestOf(d *history.Deployment, c *history.Change, ref *history.PullRequestRef) *history.PullRequest {
	pr := &history.PullRequest{
		Repo: d.Repo, Number: ref.Number, SHA: c.SHA.String(), FirstCommitAt: c.FirstAt, CreatedAt: ref.CreatedAt, FirstCommentAt: ref.FirstReviewAt, MergedAt: ref.MergedAt, Commits: 1,
	}
	if d.Kind == history.KindFirst {
		pr.Reason = history.ReasonBaseline
		return pr
	}
	pr.Deliveries = []history.Delivery{{
		Service: d.Service, Environment: d.Environment, Production: true, Deployment: d.Key(), DeploymentID: d.ID, StartedAt: d.StartedAt, FinishedAt: d.FinishedAt,
	}}
	return pr
}
