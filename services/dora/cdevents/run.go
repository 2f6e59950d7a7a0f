package cdevents

import (
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// runOutcome is how a run ended; "" for a word that is not known.
func runOutcome(word string) string {
	switch strings.ToLower(word) {
	case "success", "succeeded", "pass", "passed":
		return event.OutcomeSuccess
	case "failure", "failed", "fail", "error":
		return event.OutcomeFailure
	case "cancel", "canceled", "cancelled", "aborted", "abort":
		return event.OutcomeAborted
	case "unstable":
		return event.OutcomeUnstable
	}
	return ""
}

// build reports a run of a pipeline, a task that is part of none, or a build. The
// specification names neither repository nor commit; without them there is nothing
// to relate a build to, and the event is kept as it is.
func (r *reading) build() error {
	if r.subject == "taskrun" && r.PipelineRun != nil && r.PipelineRun.ID != "" {
		return nil // the pipeline's run is the build
	}
	word := r.Outcome
	if word == "" {
		word = r.outcome
	}
	outcome := runOutcome(word)
	if word != "" && outcome == "" && r.Outcome != "" {
		return event.Fault(r.data+"subject.content.outcome", "%q is not one of success, failure, cancel, error", intake.Clean(word, 60))
	}
	digest, vcs := "", ""
	if r.ArtifactID != "" {
		digest, vcs = artifactOf(r.ArtifactID)
		if outcome == "" && r.predicate == "finished" {
			outcome = event.OutcomeSuccess // it made something
		}
	}
	repo, sha := r.madeFrom(vcs)
	if repo == "" || sha == "" {
		return nil
	}
	b := &event.Build{
		Repo: repo, SHA: sha, ID: r.id(), Branch: event.NonZero(r.branch), StartedAt: r.started, Attempt: r.attempt, URL: r.link(),
	}
	if r.predicate == "started" {
		b.StartedAt = r.at
	} else {
		b.FinishedAt, b.Outcome = r.at, event.NonZero(outcome)
	}
	if err := r.add(r.at.V, b, map[string]string{"repo": "customData.repo", "sha": "customData.sha", "branch": "customData.branch"}); err != nil {
		return err
	}
	return r.made(digest, vcs, "subject.content.artifactId")
}
