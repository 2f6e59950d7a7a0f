package events

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Outcome is how a run of a pipeline ended, in the words of CDEvents.
type Outcome string

// The outcomes. Error is a run that something else than the code under it broke; it counts as a
// failure. Cancel is one that was stopped.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
	Error   Outcome = "error"
	Cancel  Outcome = "cancel"
)

// SourceOf is the source of all events about a repository, for example "fawkes/shop/api".
func SourceOf(repositoryName string) string {
	segments := strings.Split(strings.Trim(repositoryName, "/"), "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return "fawkes/" + strings.Join(segments, "/")
}

// RunID is the id of one attempt at a run, unique within its source.
func RunID(run string, attempt int) string { return fmt.Sprintf("%s/%d", run, max(attempt, 1)) }

// Run is one attempt at a run of a pipeline: what all its events have in common.
type Run struct {
	Source     string    // SourceOf the repository
	ID         string    // RunID
	Pipeline   string    // the pipeline's name: the service
	URL        string    // where people see the run; empty: the repository's
	Repository string    // clone address without credentials
	SHA        string    // what is built
	Branch     string    // empty: not known, or a tag
	Attempt    int       // from 1
	Service    string    // what is delivered
	StartedAt  time.Time // zero: not known
}

func (r Run) custom() map[string]any {
	c := map[string]any{"attempt": max(r.Attempt, 1)}
	for name, v := range map[string]string{"repo": r.Repository, "sha": r.SHA, "branch": r.Branch, "service": r.Service} {
		if v != "" {
			c[name] = v
		}
	}
	if !r.StartedAt.IsZero() {
		c["started_at"] = r.StartedAt.UTC().Format(time.RFC3339Nano)
	}
	return c
}

// address is where the run is shown; CDEvents wants one of every run that starts.
func (r Run) address() string {
	for _, s := range []string{r.URL, r.Repository} {
		if u, err := url.Parse(s); err == nil && u.Scheme != "" && u.Host != "" {
			return s
		}
	}
	return "urn:fawkes:run:" + url.PathEscape(r.ID)
}

// Started tells that the run began.
func (r Run) Started() Event {
	return newEvent(TypeRunStarted, r.Source, r.ID, r.StartedAt, map[string]any{"pipelineName": r.Pipeline, "uri": r.address()}, r.custom())
}

// Finished tells how the run ended and why, if not well. A run ends once, however often that is told.
func (r Run) Finished(at time.Time, o Outcome, why string) Event {
	return r.finished(at, o, why)
}

// FinishedAgain tells the n-th end (from 2) of a run that was carried on after it had ended, as when a
// person starts a failed stage of a Jenkins build again. It is an event of its own.
func (r Run) FinishedAgain(n int, at time.Time, o Outcome, why string) Event {
	return r.finished(at, o, why, fmt.Sprint(n))
}

func (r Run) finished(at time.Time, o Outcome, why string, key ...string) Event {
	content := map[string]any{"pipelineName": r.Pipeline, "uri": r.address(), "outcome": string(o)}
	if why != "" {
		content["errors"] = why
	}
	custom := r.custom()
	custom["outcome"] = map[Outcome]string{Success: "success", Failure: "failure", Error: "failure", Cancel: "aborted"}[o]
	return newEvent(TypeRunFinished, r.Source, r.ID, at, content, custom, key...)
}

// Image is a container image that a run made.
type Image struct {
	Name       string // the last part of its repository
	Repository string // with the registry's host, without tag and digest
	Digest     string // "sha256:…"
}

// PURL is the package URL of the image, for example
// "pkg:oci/api@sha256%3A9c…?repository_url=registry.example/shop/api".
func (i Image) PURL() string {
	name := strings.ToLower(i.Name)
	purl := "pkg:oci/" + url.PathEscape(name) + "@" + strings.ReplaceAll(i.Digest, ":", "%3A")
	if i.Repository != "" {
		purl += "?repository_url=" + strings.ReplaceAll(url.QueryEscape(i.Repository), "%2F", "/")
	}
	return purl
}

// Packaged tells that the run made an image of its commit. This is what leads from a digest that
// runs somewhere to the commit.
func (r Run) Packaged(at time.Time, i Image) Event {
	change := map[string]any{"id": r.SHA}
	if r.Repository != "" {
		change["source"] = r.Repository
	}
	return newEvent(TypeArtifactPackaged, r.Source, i.PURL(), at, map[string]any{"change": change}, r.madeBy(), r.ID)
}

// Published tells that the image can be pulled.
func (r Run) Published(at time.Time, i Image) Event {
	return newEvent(TypeArtifactPublished, r.Source, i.PURL(), at, map[string]any{}, r.madeBy(), r.ID)
}

func (r Run) madeBy() map[string]any {
	c := r.custom()
	delete(c, "started_at")
	c["pipeline_run"] = r.ID
	return c
}
