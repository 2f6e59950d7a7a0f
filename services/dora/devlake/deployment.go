package devlake

import (
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Source is the source of a connection's events, "devlake:<connection>".
func Source(connection string) string { return "devlake:" + connection }

// maxCommits bounds the repositories of one deployment.
const maxCommits = 1000

// outcomes maps results. DevLake knows SUCCESS and FAILURE; the others are
// what pipelines send to it.
var outcomes = map[string]string{
	"SUCCESS":   event.OutcomeSuccess,
	"FAILURE":   event.OutcomeFailure,
	"FAILED":    event.OutcomeFailure,
	"ERROR":     event.OutcomeFailure,
	"ABORT":     event.OutcomeAborted,
	"ABORTED":   event.OutcomeAborted,
	"CANCELED":  event.OutcomeAborted,
	"CANCELLED": event.OutcomeAborted,
}

// Deployments maps the body of POST …/deployments, one event for each entry of
// deploymentCommits. The error is always a *event.FieldError.
func Deployments(connection string, body []byte) ([]event.Event, error) {
	o, err := parse(body)
	if err != nil {
		return nil, err
	}
	id := o.need("id", "the deployment's own id")
	if began, ended := o.needWhen("startedDate"), o.needWhen("finishedDate"); ended.V < began.V {
		o.fault("finishedDate", "lies before startedDate")
	}
	o.when("createdDate")
	result := o.result("SUCCESS")
	environment := o.oneOf("environment", "PRODUCTION", "STAGING", "TESTING", "DEVELOPMENT")
	if environment == "" {
		environment = "PRODUCTION"
	}
	title := o.text("displayTitle")
	if title == "" {
		title = o.text("name")
	}
	service := o.text("service")
	entries := o.list("deploymentCommits")
	switch {
	case *o.err != nil:
		return nil, *o.err
	case len(entries) == 0:
		return nil, event.Fault("deploymentCommits", "is required: at least one entry with repoUrl and commitSha")
	case len(entries) > maxCommits:
		return nil, event.Fault("deploymentCommits", "holds %d entries, at most %d are taken", len(entries), maxCommits)
	}

	bodies := make([]*event.Deployment, 0, len(entries))
	paths := make([]string, 0, len(entries))
	seen := map[[2]string]bool{}
	for _, e := range entries {
		d := e.deployed(result)
		if *o.err != nil {
			return nil, *o.err
		}
		k := [2]string{event.RepoKey(d.Repo.V), strings.ToLower(d.SHA.V)}
		if seen[k] {
			continue
		}
		seen[k] = true
		d.Environment = event.Some(strings.ToLower(environment))
		if !d.Service.Known {
			d.Service = event.NonZero(service)
		}
		if !d.Title.Known {
			d.Title = event.NonZero(clean(title, 2048))
		}
		bodies, paths = append(bodies, d), append(paths, e.path)
	}
	name(id, bodies)
	out := make([]event.Event, len(bodies))
	for i, d := range bodies {
		out[i] = event.New(Source(connection), "", d)
		if err := out[i].Validate(); err != nil {
			return nil, rename(rename(err, paths[i], commitNames), "", map[string]string{"source": "connection"})
		}
	}
	return out, nil
}

// commitNames are DevLake's names for the fields of the vocabulary.
var commitNames = map[string]string{
	"repo": "repoUrl", "sha": "commitSha", "started_at": "startedDate", "finished_at": "finishedDate",
	"outcome": "result", "title": "displayTitle",
}

// result reads a result, or the default where there is none.
func (o object) result(missing string) string {
	s := o.text("result")
	if s == "" {
		s = missing
	}
	if _, ok := outcomes[strings.ToUpper(s)]; !ok {
		o.fault("result", "%q is not one of SUCCESS, FAILURE, ABORT", clean(s, 60))
	}
	return strings.ToUpper(s)
}

// deployed reads one entry of deploymentCommits.
func (o object) deployed(result string) *event.Deployment {
	d := &event.Deployment{
		Repo:       event.Some(o.need("repoUrl", "the repository's URL")),
		SHA:        event.Some(o.need("commitSha", "the commit that was deployed")),
		StartedAt:  o.needWhen("startedDate"),
		FinishedAt: o.needWhen("finishedDate"),
		Outcome:    event.Some(outcomes[o.result(result)]),
		Service:    event.NonZero(o.text("service")),
		Title:      event.NonZero(clean(o.text("displayTitle"), 2048)),
	}
	o.when("createdDate")
	return d
}

// name gives each entry its id. The first has the deployment's own; the others
// add the repository's name, or its key, or its key and the commit: the
// shortest that tells them apart. It does not depend on their order, so that a
// second report of the same deployment meets the first.
func name(id string, bodies []*event.Deployment) {
	bodies[0].ID = id
	for _, form := range []func(*event.Deployment) string{
		func(d *event.Deployment) string { return event.RepoName(d.Repo.V) },
		func(d *event.Deployment) string { return event.RepoKey(d.Repo.V) },
		func(d *event.Deployment) string { return event.RepoKey(d.Repo.V) + "@" + strings.ToLower(d.SHA.V) },
	} {
		taken := map[string]bool{}
		for _, d := range bodies[1:] {
			d.ID = id + ":" + form(d)
			taken[d.ID] = true
		}
		if len(taken) == len(bodies)-1 {
			return
		}
	}
}
