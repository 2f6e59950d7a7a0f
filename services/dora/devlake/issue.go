package devlake

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Statuses of an issue.
const (
	StatusTodo       = "TODO"
	StatusInProgress = "IN_PROGRESS"
	StatusDone       = "DONE"
)

// maxRaw is how much of an issue that is no incident is kept.
const maxRaw = 8 << 10

// Issue maps the body of POST …/issues. received is when the report came in:
// it is the resolution of an incident that is DONE and gives no time for it.
// The error is always a *event.FieldError.
func Issue(connection string, body []byte, received event.Time) ([]event.Event, error) {
	o, err := parse(body)
	if err != nil {
		return nil, err
	}
	key := o.need("issueKey", "the issue's own key")
	title := o.need("title", "what the issue is called")
	if o.need("status", "TODO, IN_PROGRESS or DONE"); *o.err != nil {
		return nil, *o.err
	}
	status := o.oneOf("status", StatusTodo, StatusInProgress, StatusDone)
	o.need("originalStatus", "the status in the words of its tracker")
	created := o.needWhen("createdDate")
	updated := o.when("updatedDate")
	resolved := o.when("resolutionDate")
	kind := o.text("type")
	component, severity, url := o.text("component"), o.text("severity"), o.text("url")
	if *o.err != nil {
		return nil, *o.err
	}
	e := event.Event{Source: Source(connection), At: max(created.V, updated.V, resolved.V)}
	if kind != "" && kind != "INCIDENT" {
		e.Body = &event.Other{ID: key, Kind: clean("issue."+kind, 128), Raw: clean(string(body), maxRaw)}
		return checked(e, issueNames)
	}
	i := &event.Incident{
		ID: key, Service: event.NonZero(component), Severity: event.NonZero(clean(severity, 512)),
		OpenedAt: created, Title: event.NonZero(clean(title, 2048)), URL: link(url),
	}
	switch {
	case status != StatusDone && updated.Known:
		i.ResolvedAt = event.Null[event.Time]()
	case status != StatusDone:
	case resolved.Known:
		i.ResolvedAt = resolved
	case updated.Known:
		i.ResolvedAt = updated
	default:
		// The time of receipt differs between deliveries of one report, so
		// the body itself has to be what tells a repeated one.
		i.ResolvedAt = event.Some(received)
		e.At = max(e.At, received)
		sum := sha256.Sum256(body)
		e.Delivery = "issue:" + hex.EncodeToString(sum[:])
	}
	e.Body = i
	return checked(e, issueNames)
}

// Close maps POST …/issue/{key}/close: the incident was resolved at that time.
// Which kind of issue it is the request does not say; an incident that nobody
// opened stays without effect.
func Close(connection, key string, at event.Time) ([]event.Event, error) {
	i := &event.Incident{ID: key, ResolvedAt: event.Some(at)}
	if err := i.Validate(); err != nil {
		return nil, rename(err, "", issueNames)
	}
	return []event.Event{{Source: Source(connection), At: at, Body: i}}, nil
}

// issueNames are DevLake's names for the fields of the vocabulary.
var issueNames = map[string]string{
	"source": "connection", "id": "issueKey", "service": "component", "kind": "type",
	"opened_at": "createdDate", "resolved_at": "resolutionDate",
}

func checked(e event.Event, names map[string]string) ([]event.Event, error) {
	if err := e.Validate(); err != nil {
		return nil, rename(err, "", names)
	}
	return []event.Event{e}, nil
}
