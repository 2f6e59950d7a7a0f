package delivery

import (
	"context"
	"net/url"
	"time"
)

type wireEvidence struct {
	Value      *wireMetric       `json:"value"`
	Rules      []string          `json:"rules"`
	Items      []wireEvidenceRow `json:"items"`
	NextCursor *string           `json:"next_cursor"`
}

type wireEvidenceRow struct {
	Value      *float64        `json:"value"`
	Unit       string          `json:"unit"`
	Reason     *string         `json:"reason"`
	Rule       *string         `json:"rule"`
	Ref        *string         `json:"ref"`
	Deployment *wireDeployment `json:"deployment"`
	Change     *wireChange     `json:"change"`
	Incident   *wireIncident   `json:"incident"`
}

type wireNote struct {
	Rule   string `json:"rule"`
	Detail string `json:"detail"`
}

type wireEvent struct {
	Seq    int64      `json:"seq"`
	Type   string     `json:"type"`
	Source string     `json:"source"`
	At     *time.Time `json:"at"`
}

// Evidence reads one page of the rows behind a number.
func (h *HTTP) Evidence(ctx context.Context, metric string, q Query, page Page) (Evidence, error) {
	q.Interval = ""
	v := page.add(q.values())
	v.Set("metric", metric)
	v.Set("newest", "true")
	w, err := get[wireEvidence](ctx, h, "/evidence", v)
	if err != nil {
		return Evidence{}, err
	}
	e := Evidence{Rules: w.Rules, NextCursor: deref(w.NextCursor)}
	for _, r := range w.Items {
		e.Rows = append(e.Rows, r.row())
	}
	return e, nil
}

// row takes a row up: it counts when it contributed something. Which of deployment, change and incident it is about
// is the first that it has; an incident that ended a failure goes with its deployment.
func (w wireEvidenceRow) row() Row {
	r := Row{Counted: w.Value != nil, Value: w.Value, Unit: w.Unit, Rule: deref(w.Rule), Reason: deref(w.Reason), Ref: deref(w.Ref)}
	if w.Deployment != nil {
		d := w.Deployment.deployment()
		r.Deployment = &d
	}
	if w.Change != nil {
		c := w.Change.change()
		r.Change = &c
	}
	if w.Incident != nil {
		i := w.Incident.incident()
		r.Incident = &i
	}
	return r
}

func about(q Query) url.Values {
	v := url.Values{"project": {q.Project}}
	if q.Profile != "" {
		v.Set("profile", q.Profile)
	}
	return v
}

// DeploymentEvidence reads all about one deployment.
func (h *HTTP) DeploymentEvidence(ctx context.Context, q Query, key string) (DeploymentEvidence, error) {
	w, err := get[struct {
		Deployment wireDeployment  `json:"deployment"`
		Previous   *wireDeployment `json:"previous_deployment"`
		RestoredBy *wireDeployment `json:"restored_by_deployment"`
		Changes    []wireChange    `json:"changes"`
		Incidents  []wireIncident  `json:"incidents"`
		Notes      []wireNote      `json:"notes"`
		Events     []wireEvent     `json:"events"`
	}](ctx, h, "/deployments/"+url.PathEscape(key)+"/evidence", about(q))
	if err != nil {
		return DeploymentEvidence{}, err
	}
	e := DeploymentEvidence{Deployment: w.Deployment.deployment(), Notes: notes(w.Notes), Events: events(w.Events)}
	e.Previous, e.RestoredBy = optional(w.Previous), optional(w.RestoredBy)
	for _, c := range w.Changes {
		e.Changes = append(e.Changes, c.change())
	}
	for _, i := range w.Incidents {
		e.Incidents = append(e.Incidents, i.incident())
	}
	return e, nil
}

// ChangeEvidence reads all about one commit, or the pull request with this merge commit.
func (h *HTTP) ChangeEvidence(ctx context.Context, q Query, sha string) (ChangeEvidence, error) {
	w, err := get[struct {
		Changes     []wireChange     `json:"changes"`
		Deployments []wireDeployment `json:"deployments"`
		Notes       []wireNote       `json:"notes"`
	}](ctx, h, "/changes/"+url.PathEscape(sha)+"/evidence", about(q))
	if err != nil {
		return ChangeEvidence{}, err
	}
	var e ChangeEvidence
	for _, c := range w.Changes {
		e.Deliveries = append(e.Deliveries, c.change())
	}
	for _, d := range w.Deployments {
		e.Deployments = append(e.Deployments, d.deployment())
	}
	e.Notes = notes(w.Notes)
	e.Change = first(e.Deliveries)
	return e, nil
}

// first is the delivery that stands for a change: the one that arrived first, any that is waiting when none did.
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
	w, err := get[struct {
		Incident   wireIncident    `json:"incident"`
		Deployment *wireDeployment `json:"caused_by"`
		Notes      []wireNote      `json:"notes"`
		Events     []wireEvent     `json:"events"`
	}](ctx, h, "/incidents/"+url.PathEscape(key)+"/evidence", about(q))
	if err != nil {
		return IncidentEvidence{}, err
	}
	return IncidentEvidence{Incident: w.Incident.incident(), Deployment: optional(w.Deployment), Notes: notes(w.Notes), Events: events(w.Events)}, nil
}

func optional(w *wireDeployment) *Deployment {
	if w == nil {
		return nil
	}
	d := w.deployment()
	return &d
}

func notes(ws []wireNote) []Note {
	var out []Note
	for _, w := range ws {
		out = append(out, Note(w))
	}
	return out
}

func events(ws []wireEvent) []Event {
	var out []Event
	for _, w := range ws {
		out = append(out, Event(w))
	}
	return out
}

type wireQuarantined struct {
	ID         string     `json:"id"`
	ReceivedAt *time.Time `json:"received_at"`
	Source     string     `json:"source"`
	Project    string     `json:"project"`
	Kind       string     `json:"kind"`
	Delivery   string     `json:"delivery"`
	Field      string     `json:"field"`
	Detail     string     `json:"detail"`
	Size       int        `json:"size"`
	Body       *string    `json:"body"`
}

func (w wireQuarantined) quarantined() Quarantined {
	return Quarantined{
		ID: w.ID, ReceivedAt: w.ReceivedAt, Source: w.Source, Project: w.Project, Kind: w.Kind, Delivery: w.Delivery, Field: w.Field, Detail: w.Detail,
		Size: w.Size, Body: deref(w.Body),
	}
}

// Quarantine lists the deliveries that could not be understood.
func (h *HTTP) Quarantine(ctx context.Context, page Page) (List[Quarantined], error) {
	l, err := get[wireList[wireQuarantined]](ctx, h, "/quarantine", page.add(url.Values{}))
	if err != nil {
		return List[Quarantined]{}, err
	}
	return turned(l, wireQuarantined.quarantined), nil
}

// QuarantineEntry reads one of them with the beginning of its body.
func (h *HTTP) QuarantineEntry(ctx context.Context, id string) (Quarantined, error) {
	w, err := get[wireQuarantined](ctx, h, "/quarantine/"+url.PathEscape(id), nil)
	if err != nil {
		return Quarantined{}, err
	}
	return w.quarantined(), nil
}
