package delivery

import (
	"context"
	"net/http"

	"github.com/fawkes-idp/fawkes/api/client/dora"
)

// Evidence reads one page of the rows behind a number, the latest first.
func (h *HTTP) Evidence(ctx context.Context, metric string, q Query, page Page) (Evidence, error) {
	newest := true
	e, err := ask[dora.EvidenceBody](ctx, "the evidence", func(ctx context.Context) (*http.Response, error) {
		return h.client.GetEvidence(ctx, &dora.GetEvidenceParams{
			Project: q.Project, Service: given(q.Service), Team: given(q.Team), Environment: given(q.Environment), From: given(q.From), To: given(q.To),
			Profile: given(q.Profile), Limit: page.limit(), Cursor: given(page.Cursor), Metric: dora.GetEvidenceParamsMetric(metric), Newest: &newest,
		})
	})
	if err != nil {
		return Evidence{}, err
	}
	return Evidence{Rules: list(e.Rules), Rows: each(e.Items, row), NextCursor: value(e.NextCursor)}, nil
}

// row takes a row up: it counts when it contributed something.
func row(w dora.EvidenceRow) Row {
	r := Row{Counted: w.Value != nil, Value: w.Value, Unit: string(w.Unit), Rule: value(w.Rule), Reason: value(w.Reason), Ref: value(w.Ref)}
	if w.Deployment != nil {
		d := deployment(*w.Deployment)
		r.Deployment = &d
	}
	if w.Change != nil {
		c := change(*w.Change)
		r.Change = &c
	}
	if w.Incident != nil {
		i := incident(*w.Incident)
		r.Incident = &i
	}
	return r
}

// DeploymentEvidence reads all about one deployment.
func (h *HTTP) DeploymentEvidence(ctx context.Context, q Query, key string) (DeploymentEvidence, error) {
	e, err := ask[dora.DeploymentEvidence](ctx, "a deployment", func(ctx context.Context) (*http.Response, error) {
		return h.client.GetDeploymentEvidence(ctx, key, &dora.GetDeploymentEvidenceParams{Project: q.Project, Profile: given(q.Profile)})
	})
	if err != nil {
		return DeploymentEvidence{}, err
	}
	return DeploymentEvidence{
		Deployment: deployment(e.Deployment), Previous: known(e.PreviousDeployment), RestoredBy: known(e.RestoredByDeployment),
		Changes: each(e.Changes, change), Incidents: each(e.Incidents, incident), Notes: each(e.Notes, note), Events: each(e.Events, logged),
	}, nil
}

// ChangeEvidence reads all about one commit, or the pull request with this merge commit.
func (h *HTTP) ChangeEvidence(ctx context.Context, q Query, sha string) (ChangeEvidence, error) {
	e, err := ask[dora.ChangeEvidence](ctx, "a change", func(ctx context.Context) (*http.Response, error) {
		return h.client.GetChangeEvidence(ctx, sha, &dora.GetChangeEvidenceParams{Project: q.Project, Profile: given(q.Profile)})
	})
	if err != nil {
		return ChangeEvidence{}, err
	}
	out := ChangeEvidence{Deliveries: each(e.Changes, change), Deployments: each(e.Deployments, deployment), Notes: each(e.Notes, note)}
	out.Change = first(out.Deliveries)
	return out, nil
}

// first is the delivery that stands for a change: the one that arrived first, any that waits when none did.
func first(deliveries []Change) Change {
	var out Change
	for i, c := range deliveries {
		earlier := c.DeployedAt != nil && (out.DeployedAt == nil || c.DeployedAt.Before(*out.DeployedAt))
		if i == 0 || earlier {
			out = c
		}
	}
	return out
}

// IncidentEvidence reads all about one incident.
func (h *HTTP) IncidentEvidence(ctx context.Context, q Query, key string) (IncidentEvidence, error) {
	e, err := ask[dora.IncidentEvidence](ctx, "an incident", func(ctx context.Context) (*http.Response, error) {
		return h.client.GetIncidentEvidence(ctx, key, &dora.GetIncidentEvidenceParams{Project: q.Project, Profile: given(q.Profile)})
	})
	if err != nil {
		return IncidentEvidence{}, err
	}
	return IncidentEvidence{Incident: incident(e.Incident), Deployment: known(e.CausedBy), Notes: each(e.Notes, note), Events: each(e.Events, logged)}, nil
}
