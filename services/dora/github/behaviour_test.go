package github

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// only is the body of the one event of a type.
func only[B event.Body](t *testing.T, r Result) B {
	t.Helper()
	var found []B
	for _, e := range r.Events {
		if b, ok := e.Body.(B); ok {
			found = append(found, b)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s: got %d events of %T in %d, want one", r.Kind, len(found), *new(B), len(r.Events))
	}
	return found[0]
}

func TestDeploymentStatusStates(t *testing.T) {
	for state, want := range map[string]string{
		"success": event.OutcomeSuccess, "failure": event.OutcomeFailure, "error": event.OutcomeFailure,
		"queued": "", "pending": "", "waiting": "", "in_progress": "",
	} {
		d := only[*event.Deployment](t, mapped(t, "deployment_status", "deployment_status.state", state))
		if d.Outcome.V != want || d.FinishedAt.Known != (want != "") || d.ID != "700200300" {
			t.Errorf("%s gives outcome %q, finished %v; want %q", state, d.Outcome.V, d.FinishedAt, want)
		}
		if want == "" && (d.Outcome.Present || d.FinishedAt.Present) {
			t.Errorf("%s says that the deployment has no end, and would undo the one that is known", state)
		}
	}
}

func TestDeploymentPayloads(t *testing.T) {
	digest := "sha256:" + strings.Repeat("9c", 32)
	for _, c := range []struct {
		payload         any
		service, digest string
		unplanned       string
	}{
		{map[string]any{}, "", "", "absent"},
		{"", "", "", "absent"},
		{nil, "", "", "absent"},
		{"just text", "", "", "absent"},
		{[]any{1, 2}, "", "", "absent"},
		{map[string]any{"service": "bookings", "unplanned": true}, "bookings", "", "true"},
		{`{"service":"bookings","digest":"` + digest + `"}`, "bookings", digest, "absent"},
		{map[string]any{"image": "registry.example:5000/x/y@" + digest}, "", digest, "absent"},
		{map[string]any{"image": "registry.example/x/y:latest"}, "", "", "absent"},
		{map[string]any{"image": map[string]any{"name": "x"}}, "", "", "absent"},
		{map[string]any{"service": nil, "digest": nil, "unplanned": nil}, "", "", "absent"},
		{map[string]any{"web_url": "https://x", "service": ""}, "", "", "absent"},
	} {
		d := only[*event.Deployment](t, mapped(t, "deployment", "deployment.payload", c.payload))
		unplanned := "absent"
		if d.Unplanned.Present {
			unplanned = fmt.Sprint(d.Unplanned.V)
		}
		if d.Service.V != c.service || d.Service.Present != (c.service != "") || d.Digest.V != c.digest || unplanned != c.unplanned {
			t.Errorf("the payload %v gives service %v, digest %v, unplanned %s", c.payload, d.Service, d.Digest, unplanned)
		}
		if d.Repo.V != repoURL {
			t.Errorf("the payload %v: the repository is %q", c.payload, d.Repo.V)
		}
	}
	if d := only[*event.Deployment](t, mapped(t, "deployment", "deployment.payload", gone)); d.Service.Present || d.Digest.Present {
		t.Errorf("without a payload it has %v, %v", d.Service, d.Digest)
	}
}

func TestWorkflowRunConclusions(t *testing.T) {
	for conclusion, want := range map[string]string{
		"success": event.OutcomeSuccess, "neutral": event.OutcomeSuccess,
		"failure": event.OutcomeFailure, "timed_out": event.OutcomeFailure, "startup_failure": event.OutcomeFailure,
		"cancelled": event.OutcomeAborted, "skipped": event.OutcomeAborted, "stale": event.OutcomeAborted,
		"action_required": "",
	} {
		b := only[*event.Build](t, mapped(t, "workflow_run_completed", "workflow_run.conclusion", conclusion))
		if b.Outcome.V != want || b.FinishedAt.Known != (want != "") {
			t.Errorf("%s gives outcome %q, finished %v; want %q", conclusion, b.Outcome.V, b.FinishedAt, want)
		}
	}
	if b := only[*event.Build](t, mapped(t, "workflow_run_completed", "workflow_run.status", "in_progress", "workflow_run.conclusion", nil)); b.Outcome.Present || b.FinishedAt.Present {
		t.Errorf("a running run has outcome %v, finished %v", b.Outcome, b.FinishedAt)
	}
	if b := only[*event.Build](t, mapped(t, "workflow_run_completed", "workflow_run.run_started_at", gone, "workflow_run.run_attempt", gone)); b.StartedAt.V.Std().Format("15:04:05") != "11:45:20" || b.Attempt.V != 1 {
		t.Errorf("an old server's run started %s, attempt %d; want its creation and 1", b.StartedAt.V.Std(), b.Attempt.V)
	}
}

func TestAttemptsOfOneRunAreSeparateBuilds(t *testing.T) {
	a := only[*event.Build](t, mapped(t, "workflow_run_completed", "workflow_run.run_attempt", 1))
	b := only[*event.Build](t, mapped(t, "workflow_run_completed", "workflow_run.run_attempt", 2))
	if a.Entity() == b.Entity() {
		t.Errorf("both attempts are %s", a.Entity())
	}
}

// Before the merge GitHub names its trial merge, a commit on no branch.
func TestOnlyAMergedPullRequestHasAMergeCommit(t *testing.T) {
	for _, name := range []string{"pull_request_opened", "pull_request_edited", "pull_request_synchronize", "pull_request_closed", "pull_request_reopened", "pull_request_review_submitted"} {
		p := only[*event.PullRequest](t, mapped(t, name, "pull_request.merge_commit_sha", "fe5dbbcea5ce7e2988b8c69bcfdfde8904aabc1f"))
		if p.MergeSHA.Present || p.MergedAt.Present {
			t.Errorf("%s says merged %v as %v", name, p.MergedAt, p.MergeSHA)
		}
	}
	p := only[*event.PullRequest](t, mapped(t, "pull_request_merged"))
	if p.MergeSHA.V != "c1dfd96eea8cc2b62785275bca38ac261256e278" || !p.MergedAt.Known {
		t.Errorf("the merged one says merged %v as %v", p.MergedAt, p.MergeSHA)
	}
}

// updated_at has whole seconds: an edit in the second of the merge must not be
// able to undo it, whichever of the two a tie prefers.
func TestAnEditInTheSecondOfTheMergeSaysNothingAgainstIt(t *testing.T) {
	edit := mapped(t, "pull_request_edited", "pull_request.updated_at", "2026-03-06T11:45:11Z")
	merge := mapped(t, "pull_request_merged")
	if edit.Events[0].At != merge.Events[0].At {
		t.Fatalf("the two are not at one instant: %d and %d", edit.Events[0].At, merge.Events[0].At)
	}
	p := only[*event.PullRequest](t, edit)
	if p.MergedAt.Present || p.MergeSHA.Present || p.ClosedAt.Present {
		t.Errorf("the edit says merged %v, merge %v, closed %v; want it silent", p.MergedAt, p.MergeSHA, p.ClosedAt)
	}
}

func TestPullRequestOfAnAccountThatIsGone(t *testing.T) {
	p := only[*event.PullRequest](t, mapped(t, "pull_request_opened", "pull_request.user", nil))
	if p.Author.Present {
		t.Errorf("its author is %v, want unknown", p.Author)
	}
	r := only[*event.Review](t, mapped(t, "pull_request_review_submitted", "review.user", nil))
	if r.Author != "" {
		t.Errorf("its reviewer is %q, want unknown", r.Author)
	}
}

// GitHub Enterprise Server writes Go's zero time for "not yet".
func TestTheZeroTimeIsNoTime(t *testing.T) {
	const zero = "0001-01-01T00:00:00Z"
	if p := only[*event.PullRequest](t, mapped(t, "pull_request_opened", "pull_request.closed_at", zero, "pull_request.merged_at", zero)); p.ClosedAt.Present || p.MergedAt.Present {
		t.Errorf("the pull request was closed %v, merged %v", p.ClosedAt, p.MergedAt)
	}
	if b := only[*event.Build](t, mapped(t, "workflow_run_requested", "workflow_run.run_started_at", zero)); b.StartedAt.V.Std().Format("15:04:05") != "11:45:20" {
		t.Errorf("the run started %s, want its creation", b.StartedAt.V.Std())
	}
	_, err := Map("pull_request", "d-1", fixture(t, "pull_request_opened", "pull_request.created_at", zero))
	faulty(t, err, "pull_request.created_at", "is required")
}

func TestReviewKinds(t *testing.T) {
	for state, want := range map[string]string{
		"approved": event.ReviewApproval, "changes_requested": event.ReviewChangesRequested, "commented": event.ReviewComment, "dismissed": event.ReviewComment,
	} {
		if r := only[*event.Review](t, mapped(t, "pull_request_review_submitted", "review.state", state)); r.Kind != want {
			t.Errorf("%s is a review of kind %s, want %s", state, r.Kind, want)
		}
	}
}

func TestPushCommits(t *testing.T) {
	commits := func(r Result) (out []*event.Commit) {
		for _, e := range r.Events {
			out = append(out, e.Body.(*event.Commit))
		}
		return out
	}
	for _, c := range commits(mapped(t, "push")) {
		if c.Parents.Present {
			t.Errorf("%s has parents %v; a push names none", c.SHA, c.Parents.V)
		}
	}
	many := make([]string, maxPaths+1)
	for i := range many {
		many[i] = fmt.Sprintf("f/%d", i)
	}
	for _, c := range []struct {
		what    string
		changes []any
		known   bool
	}{
		{"three empty lists", []any{"commits[0].added", []string{}, "commits[0].removed", []string{}, "commits[0].modified", []string{}}, false},
		{"no lists", []any{"commits[0].added", gone, "commits[0].removed", nil, "commits[0].modified", gone}, false},
		{"more paths than are taken", []any{"commits[0].added", many}, false},
		{"as many paths as are taken", []any{"commits[0].added", many[:maxPaths], "commits[0].removed", gone, "commits[0].modified", gone}, true},
		{"a path beyond all length", []any{"commits[0].added", []string{strings.Repeat("p", 5000)}}, false},
		{"one path", []any{"commits[0].added", []string{"a b/ü.go"}}, true},
	} {
		if got := commits(mapped(t, "push", c.changes...))[0].Paths; got.Known != c.known || got.Present != c.known {
			t.Errorf("%s: paths are known %v, want %v", c.what, got.Known, c.known)
		}
	}
	for _, c := range []struct {
		author map[string]any
		want   string
	}{
		{map[string]any{"name": "N", "email": "e@x", "username": "u"}, "u"},
		{map[string]any{"name": "N", "email": "e@x"}, "e@x"},
		{map[string]any{"name": "N", "email": nil}, "N"},
		{map[string]any{"name": "N\x00\u0085M", "email": ""}, "N  M"},
		{map[string]any{"name": strings.Repeat("ü", 400)}, strings.Repeat("ü", 256)},
	} {
		if got := commits(mapped(t, "push", "commits[0].author", c.author))[0].Author.V; got != c.want {
			t.Errorf("%v is the author %q, want %q", c.author, got, c.want)
		}
	}
	if got := commits(mapped(t, "push", "commits[0].author", map[string]any{}))[0].Author; got.Present {
		t.Errorf("an author without a name is %v, want unknown", got)
	}
}

// The repository's own history is imported with its own times, and must win
// over a push that carries the same ones.
func TestAPushYieldsToTheRepositorysOwnHistory(t *testing.T) {
	for _, e := range mapped(t, "push").Events {
		c := e.Body.(*event.Commit)
		git := event.New(event.SourceGit, "", &event.Commit{Repo: c.Repo, SHA: c.SHA, AuthoredAt: c.AuthoredAt, CommittedAt: c.CommittedAt})
		if e.At >= git.At {
			t.Errorf("%s: the push is at %d, git at %d", c.SHA, e.At, git.At)
		}
	}
}

func TestTheRepositoryIsFoundWhereverTheBodyHasIt(t *testing.T) {
	r := mapped(t, "push", "repository.html_url", gone)
	if r.Repo != repoURL+".git" || event.RepoKey(r.Repo) != event.RepoKey(repoURL) {
		t.Errorf("without html_url the repository is %q", r.Repo)
	}
}

func TestIncidentLabels(t *testing.T) {
	body := func(labels ...string) []byte {
		list := []any{}
		for _, l := range labels {
			list = append(list, map[string]any{"name": l})
		}
		return fixture(t, "issues_labeled", "issue.labels", list)
	}
	for _, c := range []struct {
		configured, has []string
		incident        bool
	}{
		{nil, []string{"incident"}, true},
		{nil, []string{"bug", "INCIDENT"}, true},
		{nil, []string{"incidental"}, false},
		{nil, nil, false},
		{[]string{"outage", "sev1"}, []string{"Sev1"}, true},
		{[]string{"outage", "sev1"}, []string{"incident"}, false},
	} {
		r, err := Mapper{IncidentLabels: c.configured}.Map("issues", "d-1", body(c.has...))
		if err != nil {
			t.Fatal(err)
		}
		_, got := r.Events[0].Body.(*event.Incident)
		if got != c.incident {
			t.Errorf("with %v configured, %v is an incident: %v, want %v", c.configured, c.has, got, c.incident)
		}
	}
	i := only[*event.Incident](t, func() Result {
		r, err := Map("issues", "d-1", body("incident", "service: a", "service:b", "severity:", "Env:staging", "deployment:7", "colour:red"))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}())
	if i.Service.V != "a" || i.Severity.Present || i.Environment.V != "staging" || i.CausedByDeployment.V != "7" {
		t.Errorf("the labels read service %v, severity %v, environment %v, deployment %v", i.Service, i.Severity, i.Environment, i.CausedByDeployment)
	}
}

func TestAnIncidentIsTakenBackWhenItsIssueGoes(t *testing.T) {
	for _, action := range []string{"deleted", "transferred"} {
		i := only[*event.Incident](t, mapped(t, "issues_labeled", "action", action))
		if !i.OpenedAt.Present || i.OpenedAt.Known {
			t.Errorf("%s: it was opened %v, want null", action, i.OpenedAt)
		}
	}
	// Of two labels that make an incident one is enough.
	r, err := Mapper{IncidentLabels: []string{"incident", "question"}}.Map("issues", "d-1", fixture(t, "issues_unlabeled"))
	if err != nil {
		t.Fatal(err)
	}
	if i := only[*event.Incident](t, r); !i.OpenedAt.Known {
		t.Errorf("it still has a label, and was opened %v", i.OpenedAt)
	}
}

func TestEventsOfOneDeliveryAreInTheOrderOfTheBody(t *testing.T) {
	var got []string
	for _, e := range mapped(t, "push").Events {
		got = append(got, e.Body.Entity()[:7])
	}
	if want := []string{"4d7a214", "b858cb2", "0a4d55a"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
