package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

const repoURL = "https://github.com/harbourlane/tidewater-api"

// fixture reads a body of testdata, with some of its fields replaced: pairs of
// a path ("pull_request.number", "commits[0].id") and a value. The value gone
// takes a field away.
func fixture(t testing.TB, name string, changes ...any) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) == 0 {
		return body
	}
	var doc any
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(changes); i += 2 {
		doc = replaced(t, doc, strings.Split(strings.ReplaceAll(changes[i].(string), "[", ".["), "."), changes[i+1])
	}
	body, err = json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

type nothing struct{}

var gone nothing

func replaced(t testing.TB, doc any, path []string, value any) any {
	t.Helper()
	if len(path) == 0 {
		return value
	}
	if i, err := strconv.Atoi(strings.Trim(path[0], "[]")); err == nil {
		list := doc.([]any)
		list[i] = replaced(t, list[i], path[1:], value)
		return list
	}
	m, ok := doc.(map[string]any)
	if !ok {
		t.Fatalf("%s is in no object", path[0])
	}
	if len(path) == 1 && value == gone {
		delete(m, path[0])
		return m
	}
	m[path[0]] = replaced(t, m[path[0]], path[1:], value)
	return m
}

// eventName is the event that a fixture is of.
func eventName(name string) string {
	for _, e := range []string{
		"pull_request_review_comment", "pull_request_review", "pull_request", "push", "issue_comment", "issues",
		"deployment_status", "deployment", "workflow_run", "release", "check_run", "ping",
	} {
		if strings.HasPrefix(name, e) {
			return e
		}
	}
	return name
}

func mapped(t *testing.T, name string, changes ...any) Result {
	t.Helper()
	r, err := Map(eventName(name), "d-1", fixture(t, name, changes...))
	if err != nil {
		t.Fatalf("%s with %v: %v", name, changes, err)
	}
	return r
}

// lines are events in the bulk format, for comparing and for reading.
func lines(t *testing.T, events []event.Event) string {
	t.Helper()
	var out strings.Builder
	for _, e := range events {
		line, err := event.MarshalLine(e)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n", line)
	}
	return out.String()
}

const opened418 = `"repo":"` + repoURL + `","number":"418","author":"jpetrel","created_at":"2026-03-04T08:30:00Z",`
const rest418 = `"base":"main","title":"Price berths by length","url":"` + repoURL + `/pull/418"}`

func pr418(at, facts, head string) string {
	return `{"type":"pull_request","source":"github","at":"` + at + `",` + opened418 + facts + `"head_sha":"` + head + `",` + rest418 + "\n"
}

const head418, later418 = "902ba3cda1883801594b6e1b452790cc53948fda", "4d7a214614ab2935c943f9e0ff69d22eadbb8f32"

func TestMapReadsEachEvent(t *testing.T) {
	const deploy = `"id":"700200300","service":"bookings","environment":"production","repo":"` + repoURL + `","sha":"c1dfd96eea8cc2b62785275bca38ac261256e278",` +
		`"digest":"sha256:9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c",`
	const run = `"repo":"` + repoURL + `","sha":"c1dfd96eea8cc2b62785275bca38ac261256e278","id":"12345600789","branch":"main",`
	for _, c := range []struct{ fixture, kind, want string }{
		{"push", "push", `{"type":"commit","source":"github","at":"2026-03-04T09:05:30.999999Z","repo":"` + repoURL + `","sha":"4d7a214614ab2935c943f9e0ff69d22eadbb8f32","author":"mira-oduya","authored_at":"2026-03-04T09:05:31Z","paths":["internal/price/length.go","internal/price/length_test.go","internal/price/weight.go","internal/price/price.go"]}
{"type":"commit","source":"github","at":"2026-03-04T09:12:54.999999Z","repo":"` + repoURL + `","sha":"b858cb282617fb0956d960215c8e84d1ccf909c6","author":"jonas.petrel@harbourlane.example","authored_at":"2026-03-04T07:01:00Z","committed_at":"2026-03-04T09:12:55Z","paths":["web/booking.html"]}
{"type":"commit","source":"github","at":"2026-03-04T09:09:59.999999Z","repo":"` + repoURL + `","sha":"0a4d55a8d778e5022fab701977c5d840bbc486d0","author":"jonas.petrel@harbourlane.example","authored_at":"2026-03-04T09:10:00Z","ancestors":["4d7a214614ab2935c943f9e0ff69d22eadbb8f32","b858cb282617fb0956d960215c8e84d1ccf909c6","7b502c3a1f48c8609ae212cdfb639dee39673f5e"]}
`},
		{"push_forced", "push", `{"type":"commit","source":"github","at":"2026-03-04T09:05:30.999999Z","repo":"` + repoURL + `","sha":"4d7a214614ab2935c943f9e0ff69d22eadbb8f32","author":"mira-oduya","authored_at":"2026-03-04T09:05:31Z","paths":["internal/price/length.go","internal/price/length_test.go","internal/price/weight.go","internal/price/price.go"]}
`},
		{"push_tag", "push", `{"type":"commit","source":"github","at":"2026-03-04T09:12:54.999999Z","repo":"` + repoURL + `","sha":"b858cb282617fb0956d960215c8e84d1ccf909c6","author":"jonas.petrel@harbourlane.example","authored_at":"2026-03-04T07:01:00Z","committed_at":"2026-03-04T09:12:55Z","paths":["web/booking.html"]}
`},
		{"pull_request_opened", "pull_request.opened", pr418("2026-03-04T08:30:00Z", "", head418)},
		{"pull_request_edited", "pull_request.edited", pr418("2026-03-04T09:20:00Z", "", head418)},
		{"pull_request_synchronize", "pull_request.synchronize", pr418("2026-03-04T10:02:09Z", "", later418)},
		{"pull_request_closed", "pull_request.closed", pr418("2026-03-05T16:00:00Z", `"closed_at":"2026-03-05T16:00:00Z",`, head418)},
		{"pull_request_reopened", "pull_request.reopened", pr418("2026-03-05T16:30:00Z", `"closed_at":null,`, head418)},
		{"pull_request_merged", "pull_request.closed", pr418("2026-03-06T11:45:11Z",
			`"merged_at":"2026-03-06T11:45:10Z","closed_at":"2026-03-06T11:45:10Z","merge_sha":"c1dfd96eea8cc2b62785275bca38ac261256e278",`, head418)},
		{"pull_request_review_submitted", "pull_request_review.submitted", pr418("2026-03-05T09:14:28Z", "", head418) +
			`{"type":"review","source":"github","at":"2026-03-05T09:14:27Z","repo":"` + repoURL + `","number":"418","author":"mira-oduya","kind":"approval","submitted_at":"2026-03-05T09:14:27Z"}` + "\n"},
		{"pull_request_review_edited", "pull_request_review.edited", pr418("2026-03-05T09:20:00Z", "", head418) +
			`{"type":"review","source":"github","at":"2026-03-05T09:14:27Z","repo":"` + repoURL + `","number":"418","author":"mira-oduya","kind":"comment","submitted_at":"2026-03-05T09:14:27Z"}` + "\n"},
		{"pull_request_review_dismissed", "pull_request_review.dismissed", pr418("2026-03-05T10:00:00Z", "", head418) +
			`{"type":"review","source":"github","at":"2026-03-05T09:14:27Z","repo":"` + repoURL + `","number":"418","author":"mira-oduya","kind":"comment","submitted_at":"2026-03-05T09:14:27Z"}` + "\n"},
		{"pull_request_review_comment_created", "pull_request_review_comment.created", pr418("2026-03-04T15:01:02Z", "", head418) +
			`{"type":"review","source":"github","at":"2026-03-04T15:01:02Z","repo":"` + repoURL + `","number":"418","author":"mira-oduya","kind":"comment","submitted_at":"2026-03-04T15:01:02Z"}` + "\n"},
		{"issue_comment_on_pull_request", "issue_comment.created",
			`{"type":"review","source":"github","at":"2026-03-04T08:31:40Z","repo":"` + repoURL + `","number":"418","author":"renewals[bot]","kind":"comment","submitted_at":"2026-03-04T08:31:40Z"}` + "\n"},
		{"deployment", "deployment.created",
			`{"type":"deployment","source":"github","at":"2026-03-06T12:00:00Z",` + deploy + `"started_at":"2026-03-06T12:00:00Z","unplanned":false,"title":"v2.7.0 to production"}` + "\n"},
		{"deployment_status", "deployment_status.created",
			`{"type":"deployment","source":"github","at":"2026-03-06T12:04:31Z",` + deploy + `"outcome":"success","started_at":"2026-03-06T12:00:00Z","finished_at":"2026-03-06T12:04:31Z","unplanned":false,` +
				`"title":"v2.7.0 to production","url":"` + repoURL + `/actions/runs/12345600789/job/1"}` + "\n"},
		{"workflow_run_requested", "workflow_run.requested",
			`{"type":"build","source":"github","at":"2026-03-06T11:50:00Z",` + run + `"started_at":"2026-03-06T11:50:00Z","attempt":2,"url":"` + repoURL + `/actions/runs/12345600789"}` + "\n"},
		{"workflow_run_completed", "workflow_run.completed",
			`{"type":"build","source":"github","at":"2026-03-06T11:57:30Z",` + run + `"outcome":"success","started_at":"2026-03-06T11:50:00Z","finished_at":"2026-03-06T11:57:30Z","attempt":2,"url":"` + repoURL + `/actions/runs/12345600789"}` + "\n"},
		{"issues_labeled", "issues.labeled",
			`{"type":"incident","source":"github","at":"2026-03-07T02:10:00Z","id":"harbourlane/tidewater-api#431","service":"bookings","environment":"production","repo":"` + repoURL + `",` +
				`"opened_at":"2026-03-07T02:03:44Z","severity":"critical","caused_by_deployment":"700200300","title":"Bookings answer 500","url":"` + repoURL + `/issues/431"}` + "\n"},
		{"issues_closed", "issues.closed",
			`{"type":"incident","source":"github","at":"2026-03-07T03:40:00Z","id":"harbourlane/tidewater-api#431","repo":"` + repoURL + `",` +
				`"opened_at":"2026-03-07T02:03:44Z","resolved_at":"2026-03-07T03:40:00Z","title":"Bookings answer 500","url":"` + repoURL + `/issues/431"}` + "\n"},
		{"issues_reopened", "issues.reopened",
			`{"type":"incident","source":"github","at":"2026-03-07T04:00:00Z","id":"harbourlane/tidewater-api#431","repo":"` + repoURL + `",` +
				`"opened_at":"2026-03-07T02:03:44Z","resolved_at":null,"title":"Bookings answer 500","url":"` + repoURL + `/issues/431"}` + "\n"},
		{"issues_unlabeled", "issues.unlabeled",
			`{"type":"incident","source":"github","at":"2026-03-07T05:00:00Z","id":"harbourlane/tidewater-api#431","repo":"` + repoURL + `",` +
				`"opened_at":null,"title":"Bookings answer 500","url":"` + repoURL + `/issues/431"}` + "\n"},
	} {
		t.Run(c.fixture, func(t *testing.T) {
			r := mapped(t, c.fixture)
			if r.Kind != c.kind || r.Repo != repoURL || r.Ignored != "" {
				t.Errorf("got kind %q, repository %q, ignored %q; want %q, %q and nothing", r.Kind, r.Repo, r.Ignored, c.kind, repoURL)
			}
			if got := lines(t, r.Events); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			for _, e := range r.Events {
				if e.Delivery != "d-1" || e.Source != Source || e.Project != "" {
					t.Errorf("%s has delivery %q, source %q, project %q", e.Body.Type(), e.Delivery, e.Source, e.Project)
				}
			}
		})
	}
}

func TestMapIgnoresWhatSaysNothing(t *testing.T) {
	for _, c := range []struct {
		fixture string
		changes []any
	}{
		{"ping", nil},
		{"push_deleted", nil},
		{"push_tag", []any{"head_commit", nil}},
		{"issue_comment_on_issue", nil},
		{"issue_comment_on_pull_request", []any{"action", "deleted"}},
		{"pull_request_review_comment_created", []any{"action", "deleted"}},
		{"pull_request_review_submitted", []any{"review.state", "pending", "review.submitted_at", nil}},
		{"deployment_status", []any{"deployment_status.state", "inactive"}},
	} {
		if r := mapped(t, c.fixture, c.changes...); len(r.Events) > 0 || r.Ignored == "" {
			t.Errorf("%s with %v: got %d events, ignored %q; want it ignored with a reason", c.fixture, c.changes, len(r.Events), r.Ignored)
		}
	}
}

func TestMapKeepsWhatItDoesNotInterpret(t *testing.T) {
	for _, c := range []struct {
		fixture string
		changes []any
		kind    string
	}{
		{"check_run_completed", nil, "check_run.completed"},
		{"release_published", nil, "release.published"},
		{"issues_opened", nil, "issues.opened"},
		{"issues_unlabeled", []any{"label.name", "question"}, "issues.unlabeled"},
	} {
		r := mapped(t, c.fixture, c.changes...)
		if len(r.Events) != 1 {
			t.Errorf("%s: got %d events, want one", c.fixture, len(r.Events))
			continue
		}
		o, ok := r.Events[0].Body.(*event.Other)
		if !ok || o.Kind != c.kind || o.Repo != repoURL || o.ID != "d-1" || !strings.HasPrefix(o.Raw, "{") {
			t.Errorf("%s: got %+v, want other of kind %s", c.fixture, r.Events[0].Body, c.kind)
		}
	}
	r, err := Map("star", "", []byte(`{"action":"created","x":"`+strings.Repeat("é", maxRaw)+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	o := r.Events[0].Body.(*event.Other)
	if len(o.Raw) > maxRaw || len(o.Raw) < maxRaw-3 || !strings.HasSuffix(o.Raw, "é") {
		t.Errorf("a long body is kept as %d bytes ending in %q, want at most %d, cut between characters", len(o.Raw), o.Raw[len(o.Raw)-4:], maxRaw)
	}
	if !strings.HasPrefix(o.ID, "sha256:") || o.Validate() != nil {
		t.Errorf("without a delivery id it is %q, want the body's hash", o.ID)
	}
}

func TestMapNamesTheFieldAtFault(t *testing.T) {
	type change = []any
	for _, c := range []struct {
		fixture       string
		change        change
		field, detail string
	}{
		{"push", change{"ref", gone}, "ref", "is required"},
		{"push", change{"repository", gone}, "repository.html_url", "is required"},
		{"push", change{"repository", "tidewater"}, "repository", "want an object, got string"},
		{"push", change{"repository.html_url", "", "repository.clone_url", "https:///"}, "repository.html_url", "names no repository"},
		{"push", change{"commits", "none"}, "commits", "want a list, got string"},
		{"push", change{"commits[1].id", "not hex"}, "commits[1].id", "is not a commit's hash"},
		{"push", change{"commits[2].id", ""}, "commits[2].id", "is required"},
		{"push", change{"commits[0].timestamp", gone}, "commits[0].timestamp", "is required"},
		{"push", change{"commits[0].timestamp", "yesterday"}, "commits[0].timestamp", "want a time"},
		{"push", change{"commits[0].timestamp", "1969-01-01T00:00:00Z"}, "commits[0].timestamp", "outside 1970 to 2200"},
		{"push", change{"commits[1].author.date", "soon"}, "commits[1].author.date", "want a time"},
		{"push", change{"commits[1].committer.date", "9999-01-01T00:00:00Z"}, "commits[1].committer.date", "outside 1970 to 2200"},
		{"push", change{"commits[0].timestamp", 1772615131}, "commits.timestamp", "want a string, got number"},
		{"push_tag", change{"head_commit.id", "x"}, "head_commit.id", "is not a commit's hash"},
		{"pull_request_opened", change{"action", gone}, "action", "is required"},
		{"pull_request_opened", change{"pull_request", gone}, "pull_request", "is required"},
		{"pull_request_opened", change{"pull_request", nil}, "pull_request", "is required"},
		{"pull_request_opened", change{"pull_request.number", "418"}, "pull_request.number", "want a whole number, got string"},
		{"pull_request_opened", change{"pull_request.number", 4.5}, "pull_request.number", "want a whole number, got number 4.5"},
		{"pull_request_opened", change{"pull_request.number", gone}, "pull_request.number", "is required"},
		{"pull_request_opened", change{"pull_request.number", -1}, "pull_request.number", "is required"},
		{"pull_request_opened", change{"pull_request.created_at", gone}, "pull_request.created_at", "is required"},
		{"pull_request_opened", change{"pull_request.created_at", "2026"}, "pull_request.created_at", "want a time"},
		{"pull_request_opened", change{"pull_request.updated_at", "2026"}, "pull_request.updated_at", "want a time"},
		{"pull_request_opened", change{"pull_request.closed_at", "2026"}, "pull_request.closed_at", "want a time"},
		{"pull_request_opened", change{"pull_request.head.sha", "xyz"}, "pull_request.head.sha", "is not a commit's hash"},
		{"pull_request_opened", change{"pull_request.user", "jpetrel"}, "pull_request.user", "want an object"},
		{"pull_request_merged", change{"pull_request.merged_at", "now"}, "pull_request.merged_at", "want a time"},
		{"pull_request_merged", change{"pull_request.merge_commit_sha", "main"}, "pull_request.merge_commit_sha", "is not a commit's hash"},
		{"pull_request_review_submitted", change{"review", gone}, "review", "is required"},
		{"pull_request_review_submitted", change{"review.state", gone}, "review.state", "is required"},
		{"pull_request_review_submitted", change{"review.state", "lgtm"}, "review.state", `"lgtm" is not one of`},
		{"pull_request_review_submitted", change{"review.submitted_at", nil}, "review.submitted_at", "is required"},
		{"pull_request_review_submitted", change{"pull_request", gone}, "pull_request", "is required"},
		{"pull_request_review_comment_created", change{"comment", gone}, "comment", "is required"},
		{"pull_request_review_comment_created", change{"comment.created_at", gone}, "comment.created_at", "is required"},
		{"pull_request_review_comment_created", change{"pull_request.number", 0}, "pull_request.number", "is required"},
		{"issue_comment_on_pull_request", change{"issue", gone}, "issue", "is required"},
		{"issue_comment_on_pull_request", change{"issue.number", gone}, "issue.number", "is required"},
		{"issue_comment_on_pull_request", change{"comment", gone}, "comment", "is required"},
		{"issue_comment_on_pull_request", change{"repository", gone}, "repository.html_url", "is required"},
		{"deployment", change{"deployment", gone}, "deployment", "is required"},
		{"deployment", change{"deployment.id", gone}, "deployment.id", "is required"},
		{"deployment", change{"deployment.id", "7"}, "deployment.id", "want a whole number"},
		{"deployment", change{"deployment.sha", gone}, "deployment.sha", "is required"},
		{"deployment", change{"deployment.sha", "main"}, "deployment.sha", "is not a commit's hash"},
		{"deployment", change{"deployment.created_at", gone}, "deployment.created_at", "is required"},
		{"deployment", change{"deployment.environment", strings.Repeat("e", 600)}, "deployment.environment", "at most 512"},
		{"deployment", change{"deployment.payload.service", 7}, "deployment.payload.service", "want a string, got 7"},
		{"deployment", change{"deployment.payload.digest", "latest"}, "deployment.payload.digest", "is not a digest"},
		{"deployment", change{"deployment.payload.digest", []int{1}}, "deployment.payload.digest", "want a string"},
		{"deployment", change{"deployment.payload.unplanned", "no"}, "deployment.payload.unplanned", "want true or false"},
		{"deployment_status", change{"deployment_status", gone}, "deployment_status", "is required"},
		{"deployment_status", change{"deployment_status.state", gone}, "deployment_status.state", "is required"},
		{"deployment_status", change{"deployment_status.created_at", gone}, "deployment_status.created_at", "is required"},
		{"deployment_status", change{"deployment_status.created_at", "2026-03-06T11:00:00Z"}, "deployment_status.created_at", "lies before"},
		{"deployment_status", change{"deployment", gone}, "deployment", "is required"},
		{"workflow_run_completed", change{"workflow_run", gone}, "workflow_run", "is required"},
		{"workflow_run_completed", change{"workflow_run.id", 0}, "workflow_run.id", "is required"},
		{"workflow_run_completed", change{"workflow_run.head_sha", ""}, "workflow_run.head_sha", "is required"},
		{"workflow_run_completed", change{"workflow_run.conclusion", nil}, "workflow_run.conclusion", "is required of a completed run"},
		{"workflow_run_completed", change{"workflow_run.updated_at", nil}, "workflow_run.updated_at", "is required"},
		{"workflow_run_completed", change{"workflow_run.run_started_at", "then"}, "workflow_run.run_started_at", "want a time"},
		{"workflow_run_completed", change{"workflow_run.run_started_at", gone, "workflow_run.created_at", gone}, "workflow_run.created_at", "is required"},
		{"workflow_run_completed", change{"workflow_run.run_attempt", -2}, "workflow_run.run_attempt", "below 1"},
		{"workflow_run_completed", change{"repository", gone}, "repository.html_url", "is required"},
		{"issues_labeled", change{"issue", gone}, "issue", "is required"},
		{"issues_labeled", change{"action", gone}, "action", "is required"},
		{"issues_labeled", change{"issue.number", gone}, "issue.number", "is required"},
		{"issues_labeled", change{"issue.created_at", gone}, "issue.created_at", "is required"},
		{"issues_labeled", change{"issue.labels", "incident"}, "issue.labels", "want a list"},
		{"issues_closed", change{"issue.closed_at", "then"}, "issue.closed_at", "want a time"},
		{"issues_closed", change{"issue.updated_at", "then"}, "issue.updated_at", "want a time"},
		{"issues_closed", change{"repository", gone}, "repository.html_url", "is required"},
		{"deployment_status", change{"deployment_status.state", "paused"}, "deployment_status.state", `"paused" is not success`},
		{"deployment_status", change{"deployment_status.state", "SUCCESS"}, "deployment_status.state", "is not success"},
		{"deployment_status", change{"deployment_status.state", 1}, "deployment_status.state", "want a string"},
		{"deployment_status", change{"deployment_status", nil}, "deployment_status", "is required"},
		{"deployment_status", change{"deployment_status", []any{}}, "deployment_status", "want an object"},
		{"deployment_status", change{"deployment_status.created_at", "2999-01-01T00:00:00Z"}, "deployment_status.created_at", "outside 1970 to 2200"},
		{"deployment", change{"deployment.sha", ""}, "deployment.sha", "is required"},
		{"deployment", change{"deployment.sha", nil}, "deployment.sha", "is required"},
		{"deployment", change{"deployment.environment", 7}, "deployment.environment", "want a string"},
		{"deployment", change{"repository", "shop"}, "repository", "want an object"},
		{"deployment", change{"repository", []any{}}, "repository", "want an object"},
		{"workflow_run_completed", change{"workflow_run.conclusion", "postponed"}, "workflow_run.conclusion", `"postponed" is not one of`},
		{"workflow_run_completed", change{"workflow_run.status", "done"}, "workflow_run.status", `"done" is not one of`},
		{"workflow_run_completed", change{"workflow_run.status", gone}, "workflow_run.status", "is not one of completed"},
		{"workflow_run_completed", change{"workflow_run.updated_at", "2001-01-01T00:00:00Z"}, "workflow_run.updated_at", "lies before"},
		{"workflow_run_completed", change{"workflow_run", []any{}}, "workflow_run", "want an object"},
		{"workflow_run_completed", change{"workflow_run.id", "7"}, "workflow_run.id", "want a whole number"},
		{"workflow_run_completed", change{"workflow_run.head_branch", 7}, "workflow_run.head_branch", "want a string"},
		{"pull_request_opened", change{"pull_request", []any{}}, "pull_request", "want an object"},
		{"pull_request_opened", change{"pull_request.head", "x"}, "pull_request.head", "want an object"},
		{"pull_request_opened", change{"pull_request.base", 7}, "pull_request.base", "want an object"},
		{"pull_request_opened", change{"pull_request.created_at", "2999-01-01T00:00:00Z"}, "pull_request.created_at", "outside 1970 to 2200"},
		{"pull_request_review_submitted", change{"review", []any{}}, "review", "want an object"},
		{"pull_request_review_submitted", change{"review.user", "ada"}, "review.user", "want an object"},
		{"issues_closed", change{"issue.closed_at", "2001-01-01T00:00:00Z"}, "issue.closed_at", "lies before"},
		{"issues_closed", change{"issue", []any{}}, "issue", "want an object"},
		{"issues_labeled", change{"issue.labels", map[string]any{}}, "issue.labels", "want a list"},
		{"push", change{"ref", 7}, "ref", "want a string"},
		{"push", change{"commits", map[string]any{}}, "commits", "want a list"},
		{"push", change{"head_commit", []any{}}, "head_commit", "want an object"},
		{"push", change{"commits[0].added", "a.go"}, "commits.added", "want a list"},
		{"push", change{"forced", "no"}, "forced", "want true or false"},
		{"check_run_completed", change{"action", 5}, "action", "want a string, got number"},
	} {
		_, err := Map(eventName(c.fixture), "d-1", fixture(t, c.fixture, c.change...))
		faulty(t, err, c.field, c.detail, c.fixture, c.change)
	}
}

func faulty(t *testing.T, err error, field, detail string, about ...any) {
	t.Helper()
	var fault *event.FieldError
	if !errors.As(err, &fault) {
		t.Errorf("%v: got %v, want %s at fault: %s", about, err, field, detail)
	} else if fault.Field != field || !strings.Contains(fault.Detail, detail) {
		t.Errorf("%v: got %q at fault: %s; want %q: %s", about, fault.Field, fault.Detail, field, detail)
	}
}

func TestMapRefusesWhatIsNoBody(t *testing.T) {
	for _, c := range []struct{ body, detail string }{
		{"", "not JSON"},
		{"{", "it ends too early"},
		{"payload=%7B%7D", "not JSON"},
		{"[]", "want an object, got array"},
		{`"push"`, "want an object, got string"},
		{"{} {}", "not JSON"},
		{strings.Repeat("[", 20_000), "not JSON"},
	} {
		for _, name := range []string{"push", "ping", "something_new"} {
			_, err := Map(name, "d-1", []byte(c.body))
			faulty(t, err, "body", c.detail, name, c.body)
		}
	}
	_, err := Map("", "d-1", []byte("{}"))
	faulty(t, err, HeaderEvent, "is required")
	_, err = Map("pu sh", "d-1", []byte("{}"))
	faulty(t, err, HeaderEvent, "printable ASCII")
	_, err = Map("push", strings.Repeat("d", 200), []byte("{}"))
	faulty(t, err, HeaderDelivery, "at most 128")
	_, err = Map("push", "d\n1", []byte("{}"))
	faulty(t, err, HeaderDelivery, "printable ASCII")
}

func TestMapIsStableAcrossRedelivery(t *testing.T) {
	first, again := mapped(t, "push"), mapped(t, "push")
	for i := range first.Events {
		a, err := event.Pack(first.Events[i].Body)
		if err != nil {
			t.Fatal(err)
		}
		b, err := event.Pack(again.Events[i].Body)
		if err != nil {
			t.Fatal(err)
		}
		if event.KeyOf(first.Events[i], i, a) != event.KeyOf(again.Events[i], i, b) {
			t.Errorf("event %d has another key when it is delivered again", i)
		}
	}
}
