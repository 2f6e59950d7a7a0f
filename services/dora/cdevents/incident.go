package cdevents

import (
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

func incidentNames() map[string]string {
	return map[string]string{
		"service": "subject.content.service.id", "environment": "subject.content.environment.id", "digest": "subject.content.artifactId",
		"title": "subject.content.description", "severity": "customData.severity", "caused_by_deployment": "customData.causedByDeployment",
	}
}

// incident reports a failure's beginning or end.
func (r *reading) incident() error {
	i := &event.Incident{
		ID: r.id(), Service: event.NonZero(r.service), Environment: event.NonZero(environmentName(r.Environment)),
		Severity: event.NonZero(r.severity), CausedByDeployment: event.NonZero(r.cause), URL: r.link(),
	}
	if r.Service != nil && !i.Service.Known {
		i.Service = event.NonZero(serviceName(r.Service.ID))
	}
	if r.predicate == "resolved" {
		i.ResolvedAt = r.at
		return r.add(r.at.V, i, incidentNames())
	}
	i.Title = event.NonZero(intake.Clean(r.Description, intake.MostTitle))
	if r.ArtifactID != "" {
		digest, _ := artifactOf(r.ArtifactID)
		i.Digest = event.NonZero(digest)
	}
	return r.opened(i, r.predicate == "detected", incidentNames())
}

// opened appends the report of an incident that is open. One that does not know
// for sure since when says so in a report of its own without a time, which yields
// to every other.
func (r *reading) opened(i *event.Incident, sure bool, names map[string]string) error {
	if sure {
		i.OpenedAt, i.ResolvedAt = r.at, event.Null[event.Time]() // again, where it was resolved before
		return r.add(r.at.V, i, names)
	}
	if err := r.add(r.at.V, i, names); err != nil {
		return err
	}
	return r.add(0, &event.Incident{ID: i.ID, Service: i.Service, Environment: i.Environment, OpenedAt: r.at}, names)
}

// ticket reports a ticket that is an incident. One that is closed need not say
// again what it is: an end without a beginning changes nothing.
func (r *reading) ticket() error {
	kind := strings.ToLower(r.TicketType)
	if kind != "incident" && (kind != "" || r.predicate != "closed") {
		return nil
	}
	i := &event.Incident{
		ID: r.id(), Severity: event.NonZero(intake.Clean(r.Priority, intake.MostText)), CausedByDeployment: event.NonZero(r.cause),
		Service: event.NonZero(r.service), Environment: event.NonZero(r.environment),
		Title: event.NonZero(intake.Clean(r.Summary, intake.MostTitle)), URL: r.link(),
	}
	for _, l := range r.Labels {
		key, value, _ := strings.Cut(l, ":")
		value = intake.Clean(strings.TrimSpace(value), intake.MostText)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "service":
			first(&i.Service, value)
		case "environment", "env":
			first(&i.Environment, value)
		case "deployment":
			first(&i.CausedByDeployment, value)
		}
	}
	names := map[string]string{"service": "subject.content.labels", "environment": "subject.content.labels", "title": "subject.content.summary", "severity": "subject.content.priority"}
	if r.predicate == "closed" {
		i.ResolvedAt = r.at
		return r.add(r.at.V, i, names)
	}
	if r.predicate == "updated" {
		return r.add(r.at.V, i, names)
	}
	return r.opened(i, true, names)
}

func first(to *event.Opt[string], v string) {
	if !to.Known && v != "" {
		*to = event.Some(v)
	}
}
