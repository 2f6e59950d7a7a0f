package cdevents

import (
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// workloads are the kinds of Kubernetes that the specification's examples put
// before a service's name: "daemonset/myapp".
func workloads() []string {
	return []string{"service", "services", "deployment", "deployments", "daemonset", "daemonsets", "statefulset", "statefulsets", "job", "cronjob", "rollout", "app", "application"}
}

// serviceName is what a service is called, of its id.
func serviceName(id string) string {
	id = strings.Trim(id, "/")
	if kind, name, ok := strings.Cut(id, "/"); ok && name != "" && slices.Contains(workloads(), strings.ToLower(kind)) {
		return name
	}
	return id
}

// environmentName is what an environment is called: by its name, else by its id.
func environmentName(ref *reference) string {
	if ref == nil {
		return ""
	}
	if ref.Name != "" {
		return ref.Name
	}
	return strings.Trim(ref.ID, "/")
}

// deployment reports that a service runs another version. A service that was
// removed, or published at an address, runs none.
func (r *reading) deployment() error {
	environment := environmentName(r.Environment)
	if environment == "" {
		environment = r.environment
	}
	if environment == "" {
		return event.Fault(r.data+"subject.content.environment", "is required: the environment, by its id")
	}
	if intake.Clean(environment, intake.MostText) != environment {
		return event.Fault(r.data+"subject.content.environment.id", "is longer than %d bytes, or holds a control character", intake.MostText)
	}
	service := r.service
	if service == "" {
		service = serviceName(r.Subject.ID)
	}
	id := r.id() + "@" + environment + "/" + r.at.V.Std().Format(time.RFC3339Nano)
	if r.custom.deployment != "" {
		id = r.Context.Source + "#" + r.custom.deployment
	}
	outcome := runOutcome(r.outcome)
	if outcome == "" || outcome == event.OutcomeUnstable {
		outcome = event.OutcomeSuccess
	}
	d := &event.Deployment{
		ID: id, Service: event.Some(service), Environment: event.Some(environment), Repo: event.NonZero(r.repo), SHA: event.NonZero(r.sha),
		Outcome: event.Some(outcome), StartedAt: r.started, FinishedAt: r.at, Unplanned: r.unplanned, URL: r.link(),
	}
	if d.StartedAt.V > d.FinishedAt.V {
		d.StartedAt = event.Opt[event.Time]{}
	}
	if r.ArtifactID != "" {
		digest, vcs := artifactOf(r.ArtifactID)
		d.Digest = event.NonZero(digest)
		d.Title = event.NonZero(intake.Clean(r.ArtifactID, intake.MostTitle))
		if !d.SHA.Known {
			if repo, sha := r.madeFrom(vcs); repo != "" && sha != "" {
				d.Repo, d.SHA = event.Some(repo), event.Some(sha)
			}
		}
	}
	return r.add(r.at.V, d, map[string]string{"service": "subject.id", "environment": "subject.content.environment.id", "digest": "subject.content.artifactId"})
}
