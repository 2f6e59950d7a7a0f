package cdevents

import (
	"encoding/json"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// Source is the source of every event of this package.
const Source = "cdevents"

// Kind is CDEvents as a kind of webhook source.
func Kind() intake.Kind {
	return intake.Kind{
		Name: Source, Title: "CDEvents", Path: "/webhooks/dora/cloudevents", MaxBody: 8 << 20,
		Keep: append(attributes(), "Content-Type"),
		Setup: "Have the sender post CloudEvents over HTTP (binary, structured or batched) to {url}, with the header " +
			"Authorization: Bearer {secret}.",
		Read: read,
	}
}

func read(r intake.Request) (intake.Result, error) {
	all, err := unwrap(r)
	if err != nil {
		return intake.Result{}, err
	}
	out := intake.Result{Kind: "batch"}
	for _, c := range all {
		one, err := c.read()
		if len(all) == 1 {
			out.Kind, out.Delivery = one.Kind, one.Delivery
		}
		if err != nil {
			return out, err
		}
		for i := range one.Events {
			one.Events[i].Delivery = one.Delivery
		}
		out.Events = append(out.Events, one.Events...)
	}
	if len(out.Events) == 0 {
		out.Ignored = "the batch is empty"
	}
	return out, nil
}

// reference is how one subject names another.
type reference struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Name   string `json:"name"`
	URL    string `json:"url"`
	URI    string `json:"uri"`
}

// document is a CDEvent, of whatever version and subject.
type document struct {
	Context struct {
		ID        string `json:"id"`
		Source    string `json:"source"`
		Type      string `json:"type"`
		Timestamp string `json:"timestamp"`
	} `json:"context"`
	Subject struct {
		ID      string          `json:"id"`
		Source  string          `json:"source"`
		Content json.RawMessage `json:"content"`
	} `json:"subject"`
	CustomData     json.RawMessage `json:"customData"`
	CustomDataType string          `json:"customDataContentType"`
}

// content is what the subjects say, those of no interest left out.
type content struct {
	Repository  *reference `json:"repository"`
	Description string     `json:"description"`
	Outcome     string     `json:"outcome"`
	URL         string     `json:"url"`
	URI         string     `json:"uri"`
	PipelineRun *reference `json:"pipelineRun"`
	ArtifactID  string     `json:"artifactId"`
	Change      *reference `json:"change"`
	Environment *reference `json:"environment"`
	Service     *reference `json:"service"`
	TicketURI   string     `json:"ticketURI"`
	TicketType  string     `json:"ticketType"`
	Summary     string     `json:"summary"`
	Priority    string     `json:"priority"`
	Labels      []string   `json:"labels"`
}

// reading is one CDEvent while it is read.
type reading struct {
	document
	content
	custom
	subject, predicate string
	at                 event.Opt[event.Time]
	data               string // what stands before the names of its fields
	events             []event.Event
}

const typePrefix = "dev.cdevents."

// read reads one event. Of its own kinds each must be right; any other is kept.
func (c *cloudEvent) read() (intake.Result, error) {
	out := intake.Result{Kind: intake.Clean(c.Type, 128)}
	if !c.bare {
		out.Delivery = c.Source + " " + c.ID
		if !strings.HasPrefix(c.Type, typePrefix) {
			out.Events = []event.Event{intake.Other(Source, c.Type, out.Delivery, "", c.Data)}
			return out, nil
		}
	}
	r := &reading{data: c.data}
	if err := decode(c.Data, &r.document, c.data); err != nil {
		return out, err
	}
	r.inherit(c)
	if c.bare {
		out.Kind, out.Delivery = intake.Clean(r.Context.Type, 128), r.Context.Source+" "+r.Context.ID
	}
	if err := r.identify(); err != nil {
		return out, err
	}
	if !strings.HasPrefix(r.Context.Type, typePrefix) {
		out.Events = []event.Event{intake.Other(Source, r.Context.Type, out.Delivery, "", c.Data)}
		return out, nil
	}
	out.Kind = intake.Clean(r.subject+"."+r.predicate, 128)
	if len(r.Subject.Content) > 0 {
		if err := decode(r.Subject.Content, &r.content, r.data+"subject.content."); err != nil {
			return out, err
		}
	}
	if err := r.check(); err != nil {
		return out, err
	}
	if err := r.dispatch(); err != nil {
		return out, err
	}
	if out.Events = r.events; len(out.Events) == 0 {
		out.Events = []event.Event{intake.Other(Source, out.Kind, out.Delivery, r.repository(), c.Data)}
	}
	return out, nil
}

// inherit fills what the CDEvent leaves to its envelope.
func (r *reading) inherit(c *cloudEvent) {
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&r.Context.ID, c.ID}, {&r.Context.Source, c.Source}, {&r.Context.Type, c.Type}, {&r.Context.Timestamp, c.Time}, {&r.Subject.ID, c.Subject},
	} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
	if r.Subject.Source == "" {
		r.Subject.Source = r.Context.Source
	}
}

// identify wants what every CDEvent must have.
func (r *reading) identify() error {
	for _, f := range []struct{ name, v string }{
		{"context.type", r.Context.Type}, {"context.id", r.Context.ID}, {"context.source", r.Context.Source}, {"subject.id", r.Subject.ID},
	} {
		if strings.TrimSpace(f.v) == "" {
			return event.Fault(r.data+f.name, "is required")
		}
		if len(f.v) > intake.MostText || intake.Clean(f.v, intake.MostText) != f.v {
			return event.Fault(r.data+f.name, "is longer than %d bytes, or holds a control character", intake.MostText)
		}
	}
	var err error
	if r.at, err = intake.MustWhen(r.data+"context.timestamp", r.Context.Timestamp); err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(r.Context.Type, typePrefix); ok {
		var predicate string
		r.subject, predicate, _ = strings.Cut(strings.ToLower(rest), ".")
		r.predicate, _, _ = strings.Cut(predicate, ".")
		if r.subject == "" || r.predicate == "" {
			return event.Fault(r.data+"context.type", "%q is not a type such as \"dev.cdevents.service.deployed.0.2.0\"", intake.Clean(r.Context.Type, 120))
		}
	}
	return nil
}

// dispatch makes the events of a kind that is read.
func (r *reading) dispatch() error {
	switch r.subject + "." + r.predicate {
	case "change.created", "change.updated", "change.merged", "change.abandoned":
		return r.change()
	case "change.reviewed":
		return r.review()
	case "build.started", "build.finished", "pipelinerun.started", "pipelinerun.finished", "taskrun.started", "taskrun.finished":
		return r.build()
	case "artifact.packaged", "artifact.published", "artifact.signed":
		return r.artifact()
	case "service.deployed", "service.upgraded", "service.rolledback":
		return r.deployment()
	case "incident.detected", "incident.reported", "incident.resolved":
		return r.incident()
	case "ticket.created", "ticket.updated", "ticket.closed":
		return r.ticket()
	}
	return nil
}

// id is the subject's, unique among all senders.
func (r *reading) id() string { return r.Subject.Source + "#" + r.Subject.ID }

// add appends a report that has been checked; names translates the fields of the
// vocabulary for the error.
func (r *reading) add(at event.Time, b event.Body, names map[string]string) error {
	if err := b.Validate(); err != nil {
		placed := map[string]string{"id": r.data + "subject.id"}
		for name, field := range names {
			placed[name] = r.data + field
		}
		return intake.Rename(err, placed)
	}
	r.events = append(r.events, event.Event{Source: Source, At: at, Body: b})
	return nil
}

// link is where the subject is shown.
func (r *reading) link() event.Opt[string] {
	for _, s := range []string{r.URI, r.URL, r.TicketURI} {
		if s != "" {
			return intake.Link(s)
		}
	}
	return event.Opt[string]{}
}
