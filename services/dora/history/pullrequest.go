package history

import (
	"maps"
	"slices"

	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// arrival is a lane with what it says of a repository's pull requests.
type arrival struct {
	laneKey
	production bool
	*laneRepo
}

// arrivals lists the repository's lanes in order.
func (l *Ledger) arrivals(r *repository) []arrival {
	out := make([]arrival, 0, len(r.lanes))
	for _, k := range slices.SortedFunc(maps.Keys(r.lanes), compareLanes) {
		out = append(out, arrival{k, l.spec.EnvironmentKind(k.environment) == project.KindProduction, r.lanes[k]})
	}
	return out
}

// pullRequestRow makes the row of one pull request.
func (l *Ledger) pullRequestRow(r *repository, slot int32, lanes []arrival) PullRequest {
	p := r.pulls[slot]
	out := PullRequest{
		Repo: r.url, Number: p.number, Title: p.title.v, Base: p.base.v, URL: p.url.v,
		Author: p.authorRef, Head: r.dag.refText(p.headSHA), FirstCommitAt: p.first,
		CreatedAt: p.createdAt.v, FirstCommentAt: p.shown.reviewed, ApprovedAt: p.approved,
		MergedAt: p.mergedAt.v, ClosedAt: p.closedAt.v, Commits: int(p.own),
	}
	switch {
	case p.mergedAt.v == 0:
		out.Reason = ReasonNotMerged
		return out
	case !p.mergeSHA.known():
		out.Reason = ReasonCommitUnknown
		return out
	}
	out.SHA = r.dag.refText(p.mergeSHA)
	if p.claim.merge == none {
		out.Reason = ReasonCommitUnknown
		return out
	}
	out.Reason = ReasonNotDeployed
	for _, a := range lanes {
		switch at := a.to[slot]; at {
		case nowhere:
		case atFirst:
			if a.production && out.Reason == ReasonNotDeployed {
				out.Reason = ReasonBaseline
			}
		default:
			d := &a.starts[at]
			out.Deliveries = append(out.Deliveries, Delivery{
				Service: a.service, Environment: a.environment, Production: a.production,
				Deployment: d.key, DeploymentID: d.id, StartedAt: d.started, FinishedAt: d.finished,
			})
		}
	}
	if len(out.Deliveries) > 0 {
		out.Reason = ""
	}
	return out
}

// refText is the hash that a pull request refers to: in full when the commit
// is known, else as it was reported.
func (g *dag) refText(r register[int32]) string {
	if !r.known() {
		return ""
	}
	if n := g.reported(r.v); n != none {
		return g.text(n)
	}
	return g.text(r.v)
}
