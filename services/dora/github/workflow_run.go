package github

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

type workflowRun struct {
	ID           int64  `json:"id"`
	RunAttempt   int    `json:"run_attempt"`
	HeadSHA      string `json:"head_sha"`
	HeadBranch   string `json:"head_branch"`
	Status       string `json:"status"`
	Conclusion   string `json:"conclusion"`
	CreatedAt    string `json:"created_at"`
	RunStartedAt string `json:"run_started_at"`
	UpdatedAt    string `json:"updated_at"`
	HTMLURL      string `json:"html_url"`
}

// workflowRunNames are GitHub's names for the fields of the vocabulary.
var workflowRunNames = map[string]string{
	"id": "workflow_run.id", "repo": repoField, "sha": "workflow_run.head_sha", "branch": "workflow_run.head_branch",
	"outcome": "workflow_run.conclusion", "started_at": "workflow_run.run_started_at", "finished_at": "workflow_run.updated_at",
	"attempt": "workflow_run.run_attempt", "url": "workflow_run.html_url",
}

// buildOutcomes maps the conclusions that end a run. "neutral" passes, as it
// does for GitHub's required checks; what never ran to its end was aborted.
var buildOutcomes = map[string]string{
	"success":         event.OutcomeSuccess,
	"neutral":         event.OutcomeSuccess,
	"failure":         event.OutcomeFailure,
	"timed_out":       event.OutcomeFailure,
	"startup_failure": event.OutcomeFailure,
	"cancelled":       event.OutcomeAborted,
	"skipped":         event.OutcomeAborted,
	"stale":           event.OutcomeAborted,
}

// runStatuses are what a run may be in.
var runStatuses = []string{"completed", "in_progress", "queued", "requested", "waiting", "pending"}

func (r *Result) workflowRun(body []byte) error {
	var b struct {
		Run *workflowRun `json:"workflow_run"`
	}
	if err := intake.Decode(body, &b); err != nil {
		return err
	}
	if err := r.needRepo(); err != nil {
		return err
	}
	run := b.Run
	if run == nil {
		return event.Fault("workflow_run", "is required")
	}
	if run.ID <= 0 {
		return event.Fault("workflow_run.id", "is required: a whole number above 0")
	}
	if run.RunAttempt < 0 {
		return event.Fault("workflow_run.run_attempt", "%d is below 1", run.RunAttempt)
	}
	started, err := intake.When("workflow_run.run_started_at", run.RunStartedAt)
	if err != nil {
		return err
	}
	if !started.Known {
		if started, err = intake.MustWhen("workflow_run.created_at", run.CreatedAt); err != nil {
			return err
		}
	}
	updated, err := intake.MustWhen("workflow_run.updated_at", run.UpdatedAt)
	if err != nil {
		return err
	}
	out := &event.Build{
		Repo: r.Repo, SHA: run.HeadSHA, ID: strconv.FormatInt(run.ID, 10),
		Branch: event.NonZero(intake.Clean(run.HeadBranch, 512)), StartedAt: started,
		Attempt: event.Some(max(run.RunAttempt, 1)), URL: intake.Link(run.HTMLURL),
	}
	if !slices.Contains(runStatuses, run.Status) {
		return event.Fault("workflow_run.status", "%q is not one of %s", intake.Clean(run.Status, 60), strings.Join(runStatuses, ", "))
	}
	// action_required waits for somebody's approval: it has not run yet.
	if run.Status == "completed" && run.Conclusion != "action_required" {
		outcome, ok := buildOutcomes[run.Conclusion]
		if !ok && run.Conclusion == "" {
			return event.Fault("workflow_run.conclusion", "is required of a completed run")
		}
		if !ok {
			return event.Fault("workflow_run.conclusion", "%q is not one of success, neutral, failure, timed_out, startup_failure, cancelled, skipped, stale, action_required", intake.Clean(run.Conclusion, 60))
		}
		out.Outcome, out.FinishedAt = event.Some(outcome), updated
	}
	return r.add(updated.V, out, workflowRunNames)
}
