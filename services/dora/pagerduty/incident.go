package pagerduty

import (
	"encoding/json"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// message is a delivery: always one event.
type message struct {
	Event *struct {
		ID           string          `json:"id"`
		EventType    string          `json:"event_type"`
		ResourceType string          `json:"resource_type"`
		OccurredAt   string          `json:"occurred_at"`
		Data         json.RawMessage `json:"data"`
	} `json:"event"`
}

type reference struct {
	ID      string `json:"id"`
	Summary string `json:"summary"`
	Name    string `json:"name"`
	HTMLURL string `json:"html_url"`
}

type incident struct {
	ID            string     `json:"id"`
	Type          string     `json:"type"`
	HTMLURL       string     `json:"html_url"`
	Title         string     `json:"title"`
	CreatedAt     string     `json:"created_at"`
	ResolvedAt    string     `json:"resolved_at"`
	Service       *reference `json:"service"`
	Priority      *reference `json:"priority"`
	Urgency       string     `json:"urgency"`
	ResolveReason *struct {
		Type string `json:"type"`
	} `json:"resolve_reason"`
}

// fields is the data of incident.custom_field_values.updated.
type fields struct {
	Incident     *reference `json:"incident"`
	CustomFields []struct {
		Name  string          `json:"name"`
		Value json.RawMessage `json:"value"`
	} `json:"custom_fields"`
}

// names are PagerDuty's names for the fields of the vocabulary.
var names = map[string]string{
	"id": "event.data.id", "service": "event.data.service.summary", "environment": "query.environment", "severity": "event.data.priority.summary",
	"opened_at": "event.data.created_at", "resolved_at": "event.occurred_at", "title": "event.data.title", "url": "event.data.html_url",
}

// Read reads one delivery.
func Read(r intake.Request) (intake.Result, error) {
	var m message
	if err := intake.Decode(r.Body, &m); err != nil {
		return intake.Result{}, err
	}
	if m.Event == nil {
		return intake.Result{}, event.Fault("event", "is required")
	}
	kind, id := m.Event.EventType, m.Event.ID
	res := intake.Result{Kind: intake.Clean(kind, 128), Delivery: intake.Clean(id, intake.MostText)}
	switch {
	case kind == "":
		return res, event.Fault("event.event_type", "is required: incident.triggered, say")
	case kind == "pagey.ping":
		res.Ignored = "a ping only tests the webhook"
		return res, nil
	case id == "":
		return res, event.Fault("event.id", "is required")
	case len(id) > 128 || res.Delivery != id:
		return res, event.Fault("event.id", "is not an id: at most 128 bytes, without control characters")
	}
	at, err := intake.MustWhen("event.occurred_at", m.Event.OccurredAt)
	if err != nil {
		return res, err
	}
	e := event.Event{Source: Source, At: at.V, Delivery: id}
	switch {
	case kind == "incident.custom_field_values.updated":
		e.Body, err = linked(m.Event.Data)
	case strings.HasPrefix(kind, "incident.") && isIncident(m.Event.Data) || aboutIncidents[kind]:
		e.Body, err = told(kind, at, m.Event.Data, r)
	default:
		e = intake.Other(Source, kind, id, "", r.Body)
		e.At, e.Delivery = at.V, id
	}
	if err != nil {
		return res, err
	}
	if err := e.Body.Validate(); err != nil {
		return res, intake.Rename(err, names)
	}
	res.Events = []event.Event{e}
	return res, nil
}

// aboutIncidents are the events whose data is an incident whatever it says.
var aboutIncidents = map[string]bool{
	"incident.triggered": true, "incident.resolved": true, "incident.reopened": true, "incident.acknowledged": true, "incident.unacknowledged": true,
	"incident.escalated": true, "incident.delegated": true, "incident.reassigned": true, "incident.priority_updated": true,
}

// isIncident reports whether the data of an event is an incident, as it is unless
// it says that it is a note, a responder or the like.
func isIncident(data json.RawMessage) bool {
	var d struct {
		Type any `json:"type"`
	}
	if json.Unmarshal(data, &d) != nil {
		return true // and at fault
	}
	return d.Type == nil || d.Type == "incident" || d.Type == "incident_reference"
}

// within puts the place of the data before the field at fault.
func within(data json.RawMessage, v any) error {
	if len(data) == 0 || string(data) == "null" {
		return event.Fault("event.data", "is required")
	}
	err := intake.Decode(data, v)
	fault, ok := err.(*event.FieldError) //nolint:errorlint // Decode returns nothing else
	if !ok {
		return err
	}
	if fault.Field == "body" {
		return event.Fault("event.data", "%s", fault.Detail)
	}
	return event.Fault("event.data."+fault.Field, "%s", fault.Detail)
}

// told reads an incident as it is at the time of an event.
func told(kind string, at event.Opt[event.Time], data json.RawMessage, r intake.Request) (event.Body, error) {
	var i incident
	if err := within(data, &i); err != nil {
		return nil, err
	}
	if i.Type != "" && i.Type != "incident" && i.Type != "incident_reference" {
		return nil, event.Fault("event.data.type", "%q is not incident, of which %s tells", intake.Clean(i.Type, 60), intake.Clean(kind, 60))
	}
	if strings.TrimSpace(i.ID) == "" {
		return nil, event.Fault("event.data.id", "is required")
	}
	opened, err := intake.When("event.data.created_at", i.CreatedAt)
	if err != nil {
		return nil, err
	}
	if !opened.Known && kind == "incident.triggered" {
		opened = at
	}
	out := &event.Incident{ID: i.ID, OpenedAt: opened, Title: event.NonZero(intake.Clean(i.Title, intake.MostTitle)), URL: intake.Link(i.HTMLURL)}
	switch kind {
	case "incident.resolved":
		if out.ResolvedAt, err = intake.When("event.data.resolved_at", i.ResolvedAt); err != nil {
			return nil, err
		}
		if !out.ResolvedAt.Known {
			out.ResolvedAt = at
		}
		if out.ResolvedAt.V < opened.V {
			return nil, event.Fault("event.occurred_at", "lies before event.data.created_at")
		}
	case "incident.reopened":
		if at.V < opened.V {
			return nil, event.Fault("event.occurred_at", "lies before event.data.created_at")
		}
		out.ResolvedAt = event.Null[event.Time]()
	}
	if i.ResolveReason != nil && i.ResolveReason.Type == "merge_resolve_reason" {
		out.OpenedAt = event.Null[event.Time]() // it lives on as the other
	}
	service := strings.TrimSpace(r.Query.Get("service"))
	if service == "" && i.Service != nil {
		service = strings.TrimSpace(i.Service.Summary)
	}
	out.Service, out.Environment = event.NonZero(service), event.NonZero(strings.TrimSpace(r.Query.Get("environment")))
	severity := i.Urgency
	if i.Priority != nil && i.Priority.Summary != "" {
		severity = i.Priority.Summary
	} else if i.Priority != nil && i.Priority.Name != "" {
		severity = i.Priority.Name
	}
	out.Severity = event.NonZero(intake.Clean(severity, intake.MostText))
	return out, nil
}

// linked reads what the custom fields of an incident say about its cause.
func linked(data json.RawMessage) (event.Body, error) {
	var f fields
	if err := within(data, &f); err != nil {
		return nil, err
	}
	if f.Incident == nil || f.Incident.ID == "" {
		return nil, event.Fault("event.data.incident.id", "is required")
	}
	out := &event.Incident{ID: f.Incident.ID}
	for _, c := range f.CustomFields {
		to := map[string]*event.Opt[string]{
			"service": &out.Service, "environment": &out.Environment,
			"deployment": &out.CausedByDeployment, "deployment_id": &out.CausedByDeployment,
			"sha": &out.SHA, "commit": &out.SHA, "git_sha": &out.SHA, "digest": &out.Digest, "image_digest": &out.Digest,
		}[strings.ToLower(c.Name)]
		if to == nil {
			continue
		}
		var value *string
		if json.Unmarshal(c.Value, &value) != nil {
			return nil, event.Fault("event.data.custom_fields."+intake.Clean(c.Name, 60), "want a text, got %s", intake.Clean(string(c.Value), 60))
		}
		switch {
		case value == nil || strings.TrimSpace(*value) == "":
			if !to.Present {
				*to = event.Null[string]()
			}
		default:
			*to = event.Some(strings.TrimSpace(*value))
		}
	}
	if err := out.Validate(); err != nil {
		return nil, intake.Rename(err, map[string]string{
			"id": "event.data.incident.id", "service": "event.data.custom_fields.service", "environment": "event.data.custom_fields.environment",
			"caused_by_deployment": "event.data.custom_fields.deployment", "sha": "event.data.custom_fields.sha", "digest": "event.data.custom_fields.digest",
		})
	}
	return out, nil
}
