package goldenpath

import (
	"strings"
	"testing"
)

// TestARunThatWasCutOffIsFinished is what Jenkins does at the end of every run: the stages of an aborted one told no end.
func TestARunThatWasCutOffIsFinished(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService()).delivered()
	w.env["BUILD_TAG"], w.env["JOB_NAME"], w.env["GIT_BRANCH"] = "jenkins-small-1", "small", "origin/main"
	for _, stage := range []string{"checkout", "build"} {
		w.wants(ExitOK, RunStage(t.Context(), w.options(), stage))
	}
	w.wants(ExitUsage, Finish(t.Context(), w.options(), "ABORTED"))
	for range 2 { // the second time there is nothing to tell
		w.wants(ExitOK, Finish(t.Context(), w.options(), "aborted"))
		if got := w.receiver.kinds() + " " + w.receiver.outcome(); got != "pipelinerun.started pipelinerun.finished cancel" {
			t.Errorf("events: %s", got)
		}
	}
	if s := w.state(); s.Ends != 1 || s.Result == nil || s.Result.Status != Aborted || !strings.Contains(s.Result.Reason, "jenkins says") {
		t.Errorf("%d ends, %+v", s.Ends, s.Result)
	}
}

func TestTheEndThatAStageToldStands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService()).delivered()
	w.env["BUILD_TAG"], w.env["JOB_NAME"], w.env["GIT_BRANCH"] = "jenkins-small-1", "small", "origin/main"
	w.wants(ExitOK, RunStage(t.Context(), w.options(), "checkout"))
	w.receiver.status = 422
	w.script("gitleaks", "exit 7")
	w.wants(ExitFailed, RunStage(t.Context(), w.options(), "secrets"))
	reason := w.state().Result.Reason
	if r := w.wants(ExitUnreachable, Finish(t.Context(), w.options(), "failure")); !strings.Contains(r.Mend, "fawkes ci events send") {
		t.Errorf("got %+v", r)
	}
	w.receiver.mu.Lock()
	w.receiver.status = 0
	w.receiver.mu.Unlock()
	w.wants(ExitOK, Finish(t.Context(), w.options(), "failure"))
	if got := w.receiver.kinds() + " " + w.receiver.outcome(); got != "pipelinerun.started pipelinerun.finished failure" {
		t.Errorf("events: %s", got)
	}
	if s := w.state(); s.Ends != 1 || s.Result.Reason != reason || s.Result.Stage != "secrets" {
		t.Errorf("%d ends, %+v", s.Ends, s.Result)
	}
}
