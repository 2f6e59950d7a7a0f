package devlake

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

type nothing struct{}

// gone takes a field away.
var gone nothing

// fixture reads a body of testdata with some of its fields replaced: pairs of
// a path ("deploymentCommits.0.repoUrl") and a value.
func fixture(t testing.TB, name string, changes ...any) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(changes); i += 2 {
		at := doc
		path := strings.Split(changes[i].(string), ".")
		for len(path) > 2 {
			var n int
			if _, err := fmt.Sscan(path[1], &n); err != nil {
				t.Fatal(err)
			}
			at, path = at[path[0]].([]any)[n].(map[string]any), path[2:]
		}
		if at[path[0]] = changes[i+1]; changes[i+1] == gone {
			delete(at, path[0])
		}
	}
	body, err = json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func at(t testing.TB, s string) event.Time {
	t.Helper()
	v, err := event.ParseTime(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// lines are events in the bulk format, for comparing and for reading.
func lines(t *testing.T, events []event.Event, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
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

func equal(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
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

const received = "2026-03-07T09:00:00Z"

// read maps a fixture by its name.
func read(t testing.TB, name string, changes ...any) ([]event.Event, error) {
	t.Helper()
	body := fixture(t, name, changes...)
	switch {
	case strings.HasPrefix(name, "deployment"):
		return Deployments("ci", body)
	case strings.HasPrefix(name, "issue"):
		return Issue("ci", body, at(t, received))
	default:
		return PullRequest("ci", body)
	}
}

func TestBodiesAreRead(t *testing.T) {
	const api, sha = "https://github.com/harbourlane/tidewater-api", "c1dfd96eea8cc2b62785275bca38ac261256e278"
	events, err := read(t, "deployment")
	equal(t, lines(t, events, err), `{"type":"deployment","source":"devlake:ci","at":"2026-03-06T12:04:31Z","id":"tidewater-api-2071","environment":"production","repo":"`+api+`","sha":"`+sha+`",`+
		`"outcome":"success","started_at":"2026-03-06T12:00:00Z","finished_at":"2026-03-06T12:04:31Z","title":"v2.7.0 to production"}
`)
	events, err = read(t, "deployment_of_three")
	equal(t, lines(t, events, err), `{"type":"deployment","source":"devlake:ci","at":"2026-03-06T12:05:00Z","id":"release-88","environment":"staging","repo":"`+api+`","sha":"`+sha+`",`+
		`"outcome":"failure","started_at":"2026-03-06T12:00:00Z","finished_at":"2026-03-06T12:05:00Z","title":"The spring release"}
{"type":"deployment","source":"devlake:ci","at":"2026-03-06T12:12:00Z","id":"release-88:tidewater-web","environment":"staging","repo":"git@github.com:harbourlane/tidewater-web.git","sha":"4d7a214614ab2935c943f9e0ff69d22eadbb8f32",`+
		`"outcome":"success","started_at":"2026-03-06T12:05:00Z","finished_at":"2026-03-06T12:12:00Z","title":"The pages"}
{"type":"deployment","source":"devlake:ci","at":"2026-03-06T12:20:00Z","id":"release-88:ledger","environment":"staging","repo":"https://gitlab.example/platform/ledger.git","sha":"b858cb282617fb0956d960215c8e84d1ccf909c6",`+
		`"outcome":"aborted","started_at":"2026-03-06T12:12:00Z","finished_at":"2026-03-06T12:20:00Z","title":"The spring release"}
`)
	events, err = read(t, "issue")
	equal(t, lines(t, events, err), `{"type":"incident","source":"devlake:ci","at":"2026-03-07T02:03:44Z","id":"INC-431","service":"bookings","opened_at":"2026-03-07T02:03:44Z",`+
		`"severity":"critical","title":"Bookings answer 500","url":"https://status.harbourlane.example/incidents/INC-431"}
`)
	events, err = read(t, "pull_request")
	equal(t, lines(t, events, err), `{"type":"pull_request","source":"devlake:ci","at":"2026-03-06T11:45:10Z","repo":"`+api+`","number":"418","author":"jpetrel","created_at":"2026-03-04T08:30:00Z",`+
		`"merged_at":"2026-03-06T11:45:10Z","closed_at":"2026-03-06T11:45:10Z","merge_sha":"`+sha+`","head_sha":"902ba3cda1883801594b6e1b452790cc53948fda","base":"main","title":"Price berths by length","url":"`+api+`/pull/418"}
`)
	events, err = Close("ci", "INC-431", at(t, "2026-03-07T03:40:00Z"))
	equal(t, lines(t, events, err), `{"type":"incident","source":"devlake:ci","at":"2026-03-07T03:40:00Z","id":"INC-431","resolved_at":"2026-03-07T03:40:00Z"}
`)
}

func TestTheFieldAtFaultIsNamed(t *testing.T) {
	type change = []any
	commit := func(field string, v any) change { return change{"deploymentCommits.0." + field, v} }
	for _, c := range []struct {
		fixture       string
		change        change
		field, detail string
	}{
		{"deployment", change{"id", gone}, "id", "is required"},
		{"deployment", change{"id", ""}, "id", "is required"},
		{"deployment", change{"id", []int{}}, "id", "want a string, got a list"},
		{"deployment", change{"id", true}, "id", "want a string, got true or false"},
		{"deployment", change{"id", strings.Repeat("i", 600)}, "id", "at most 512"},
		{"deployment", change{"startedDate", gone}, "startedDate", "is required"},
		{"deployment", change{"finishedDate", nil}, "finishedDate", "is required"},
		{"deployment", change{"finishedDate", "soon"}, "finishedDate", "want a time"},
		{"deployment", change{"finishedDate", ""}, "finishedDate", "want a time"},
		{"deployment", change{"finishedDate", 1772798671}, "finishedDate", "want a time such as \"2026-01-31T09:30:00Z\", got a number"},
		{"deployment", change{"finishedDate", "0001-01-01T00:00:00Z"}, "finishedDate", "outside 1970 to 2200"},
		{"deployment", change{"finishedDate", "2001-03-06T11:00:00Z"}, "finishedDate", "lies before startedDate"},
		{"issue", change{"status", "DONE", "resolutionDate", "2001-03-06T11:00:00Z"}, "resolutionDate", "lies before"},
		{"issue", change{"type", []int{}}, "type", "want a string"},
		{"issue", change{"status", 1}, "status", "is not one of"},
		{"pull_request", change{"url", []int{}}, "url", "want a string"},
		{"pull_request", change{"baseRepoId", map[string]any{}}, "baseRepoId", "want a string"},
		{"pull_request", change{"createdDate", "2999-01-01T00:00:00Z"}, "createdDate", "outside 1970 to 2200"},
		{"deployment", change{"createdDate", "soon"}, "createdDate", "want a time"},
		{"deployment", change{"result", "GREEN"}, "result", `"GREEN" is not one of SUCCESS, FAILURE, ABORT`},
		{"deployment", change{"result", map[string]any{}}, "result", "want a string, got an object"},
		{"deployment", change{"environment", "prod"}, "environment", `"prod" is not one of PRODUCTION, STAGING, TESTING, DEVELOPMENT`},
		{"deployment", change{"deploymentCommits", gone}, "deploymentCommits", "is required"},
		{"deployment", change{"deploymentCommits", []any{}}, "deploymentCommits", "is required"},
		{"deployment", change{"deploymentCommits", "c1dfd96e"}, "deploymentCommits[0]", "want an object, got a string"},
		{"deployment", change{"deploymentCommits", []any{nil}}, "deploymentCommits[0]", "want an object, got null"},
		{"deployment", change{"deploymentCommits", make([]struct{}, maxCommits+1)}, "deploymentCommits", "holds 1001 entries, at most 1000"},
		{"deployment", commit("repoUrl", gone), "deploymentCommits[0].repoUrl", "is required"},
		{"deployment", commit("repoUrl", "https:///"), "deploymentCommits[0].repoUrl", "names no repository"},
		{"deployment", commit("commitSha", gone), "deploymentCommits[0].commitSha", "is required"},
		{"deployment", commit("commitSha", "main"), "deploymentCommits[0].commitSha", "is not a commit's hash"},
		{"deployment", commit("startedDate", gone), "deploymentCommits[0].startedDate", "is required"},
		{"deployment", commit("finishedDate", gone), "deploymentCommits[0].finishedDate", "is required"},
		{"deployment", commit("finishedDate", "2026-03-06T11:00:00Z"), "deploymentCommits[0].finishedDate", "lies before"},
		{"deployment", commit("createdDate", 5), "deploymentCommits[0].createdDate", "want a time"},
		{"deployment", commit("result", "GREEN"), "deploymentCommits[0].result", "is not one of"},
		{"deployment", commit("displayTitle", []int{}), "deploymentCommits[0].displayTitle", "want a string"},
		{"deployment_of_three", change{"deploymentCommits.2.commitSha", "xyz!"}, "deploymentCommits[2].commitSha", "is not a commit's hash"},
		{"issue", change{"issueKey", gone}, "issueKey", "is required"},
		{"issue", change{"title", ""}, "title", "is required"},
		{"issue", change{"status", gone}, "status", "is required: TODO, IN_PROGRESS or DONE"},
		{"issue", change{"status", "OPEN"}, "status", `"OPEN" is not one of TODO, IN_PROGRESS, DONE`},
		{"issue", change{"originalStatus", gone}, "originalStatus", "is required"},
		{"issue", change{"createdDate", nil}, "createdDate", "is required"},
		{"issue", change{"createdDate", "then"}, "createdDate", "want a time"},
		{"issue", change{"updatedDate", "then"}, "updatedDate", "want a time"},
		{"issue", change{"resolutionDate", 5}, "resolutionDate", "want a time"},
		{"issue", change{"component", []int{}}, "component", "want a string"},
		{"issue", change{"component", strings.Repeat("c", 600)}, "component", "at most 512"},
		{"pull_request", change{"id", gone}, "id", "is required"},
		{"pull_request", change{"displayTitle", gone}, "displayTitle", "is required"},
		{"pull_request", change{"pullRequestKey", gone}, "pullRequestKey", "is required"},
		{"pull_request", change{"pullRequestKey", 0}, "pullRequestKey", "is required"},
		{"pull_request", change{"pullRequestKey", -3}, "pullRequestKey", "above 0"},
		{"pull_request", change{"pullRequestKey", "PR-1"}, "pullRequestKey", "want a whole number, got PR-1"},
		{"pull_request", change{"pullRequestKey", 1.5}, "pullRequestKey", "want a whole number, got 1.5"},
		{"pull_request", change{"createdDate", gone}, "createdDate", "is required"},
		{"pull_request", change{"mergedDate", "then"}, "mergedDate", "want a time"},
		{"pull_request", change{"closedDate", "then"}, "closedDate", "want a time"},
		{"pull_request", change{"status", "DRAFT"}, "status", "is not one of OPEN, CLOSED, MERGED"},
		{"pull_request", change{"mergeCommitSha", "main"}, "mergeCommitSha", "is not a commit's hash"},
		{"pull_request", change{"headCommitSha", "head"}, "headCommitSha", "is not a commit's hash"},
	} {
		_, err := read(t, c.fixture, c.change...)
		faulty(t, err, c.field, c.detail, c.fixture, c.change)
	}
	for _, body := range []string{"", "{", "[]", "null", `"x"`, "{} {}", "id=1"} {
		for name, f := range map[string]func() error{
			"Deployments":    func() error { _, err := Deployments("ci", []byte(body)); return err },
			"Issue":          func() error { _, err := Issue("ci", []byte(body), 1); return err },
			"PullRequest":    func() error { _, err := PullRequest("ci", []byte(body)); return err },
			"ConnectionName": func() error { _, err := ConnectionName([]byte(body)); return err },
		} {
			faulty(t, f(), "body", "", name, body)
		}
	}
	_, err := Close("ci", "", at(t, received))
	faulty(t, err, "issueKey", "is required")
	_, err = Close("ci", "a\x00b", at(t, received))
	faulty(t, err, "issueKey", "control character")
}

func TestResultAndEnvironmentOfADeployment(t *testing.T) {
	for _, c := range []struct {
		of, entry            any
		outcome, environment string
		given                any
	}{
		{gone, gone, event.OutcomeSuccess, "production", gone},
		{"", "", event.OutcomeSuccess, "production", ""},
		{nil, nil, event.OutcomeSuccess, "production", nil},
		{"SUCCESS", gone, event.OutcomeSuccess, "production", "PRODUCTION"},
		{"FAILURE", gone, event.OutcomeFailure, "staging", "STAGING"},
		{"FAILURE", "SUCCESS", event.OutcomeSuccess, "testing", "TESTING"},
		{"SUCCESS", "FAILURE", event.OutcomeFailure, "development", "DEVELOPMENT"},
		{"failed", gone, event.OutcomeFailure, "production", "production"},
		{"ABORT", gone, event.OutcomeAborted, "production", "Production"},
		{"Cancelled", gone, event.OutcomeAborted, "production", gone},
	} {
		events, err := read(t, "deployment", "result", c.of, "deploymentCommits.0.result", c.entry, "environment", c.given)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		d := events[0].Body.(*event.Deployment)
		if d.Outcome.V != c.outcome || d.Environment.V != c.environment {
			t.Errorf("result %v, of the entry %v, environment %v: got %s in %s, want %s in %s", c.of, c.entry, c.given, d.Outcome.V, d.Environment.V, c.outcome, c.environment)
		}
	}
}

func TestServiceOfADeployment(t *testing.T) {
	for _, c := range []struct {
		of, entry any
		want      string
	}{{gone, gone, ""}, {"bookings", gone, "bookings"}, {"bookings", "pages", "pages"}, {gone, "pages", "pages"}} {
		events, err := read(t, "deployment", "service", c.of, "deploymentCommits.0.service", c.entry)
		if err != nil {
			t.Fatal(err)
		}
		if d := events[0].Body.(*event.Deployment); d.Service.V != c.want || d.Service.Present != (c.want != "") {
			t.Errorf("service %v, of the entry %v: got %+v, want %q", c.of, c.entry, d.Service, c.want)
		}
	}
}

// ids maps a deployment of these repositories and commits ("url sha") to the
// ids of its events, by repository and commit.
func ids(t *testing.T, commits ...string) map[string]string {
	t.Helper()
	entries := []any{}
	for _, c := range commits {
		url, sha, _ := strings.Cut(c, " ")
		entries = append(entries, map[string]any{"repoUrl": url, "commitSha": sha, "startedDate": "2026-03-06T12:00:00Z", "finishedDate": "2026-03-06T12:01:00Z"})
	}
	events, err := read(t, "deployment", "id", "d", "deploymentCommits", entries)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range events {
		d := e.Body.(*event.Deployment)
		if other, ok := out[d.ID]; ok {
			t.Errorf("%s and %s share the id %s", other, d.Repo.V, d.ID)
		}
		out[d.ID] = d.Repo.V + " " + d.SHA.V
	}
	return out
}

func TestIDsOfTheCommitsOfOneDeployment(t *testing.T) {
	const api, web, web2 = "https://h/a/api aaaa", "https://h/a/web bbbb", "https://h/b/web cccc"
	for _, c := range []struct {
		commits []string
		want    map[string]string
	}{
		{[]string{api}, map[string]string{"d": api}},
		{[]string{api, web}, map[string]string{"d": api, "d:web": web}},
		{[]string{api, web, web2}, map[string]string{"d": api, "d:h/a/web": web, "d:h/b/web": web2}},
		{[]string{web, web2}, map[string]string{"d": web, "d:web": web2}},
		{[]string{api, api, "https://h/a/api.git AAAA"}, map[string]string{"d": api}},
		{[]string{api, "https://h/a/api bbbb"}, map[string]string{"d": api, "d:api": "https://h/a/api bbbb"}},
		{[]string{api, "https://h/a/web bbbb", "https://h/a/web cccc"}, map[string]string{"d": api, "d:h/a/web@bbbb": "https://h/a/web bbbb", "d:h/a/web@cccc": "https://h/a/web cccc"}},
	} {
		if got := ids(t, c.commits...); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%v: got %v, want %v", c.commits, got, c.want)
		}
	}
	// Another order of the further ones gives the same ids.
	more := []string{web, web2, "https://h/b/web dddd", "git@x:ledger.git eeee"}
	want := fmt.Sprint(ids(t, append([]string{api}, more...)...))
	for range more {
		more = append(more[1:], more[0])
		if got := fmt.Sprint(ids(t, append([]string{api}, more...)...)); got != want {
			t.Errorf("%v: got %v, want %v", more, got, want)
		}
	}
}

func TestResolutionOfAnIssue(t *testing.T) {
	const created, updated, resolved = "2026-03-07T02:03:44Z", "2026-03-07T03:00:00Z", "2026-03-07T03:40:00Z"
	for _, c := range []struct {
		status           string
		updated, resolve any
		present          bool
		want, at         string
	}{
		{"TODO", gone, gone, false, "", created},
		{"IN_PROGRESS", nil, nil, false, "", created},
		{"IN_PROGRESS", updated, gone, true, "", updated}, // open again, if it was closed
		{"DONE", gone, resolved, true, resolved, resolved},
		{"DONE", updated, resolved, true, resolved, resolved},
		{"DONE", updated, nil, true, updated, updated},
		{"DONE", nil, nil, true, received, received}, // DevLake leaves such an issue unresolved for ever
		{"done", gone, resolved, true, resolved, resolved},
		{"TODO", gone, resolved, false, "", resolved},
	} {
		events, err := read(t, "issue", "status", c.status, "updatedDate", c.updated, "resolutionDate", c.resolve)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		i := events[0].Body.(*event.Incident)
		got := ""
		if i.ResolvedAt.Known {
			got = i.ResolvedAt.V.Std().Format("2006-01-02T15:04:05Z07:00")
		}
		if i.ResolvedAt.Present != c.present || got != c.want || events[0].At != at(t, c.at) {
			t.Errorf("%+v: got resolved %q (present %v) at %s", c, got, i.ResolvedAt.Present, events[0].At.Std())
		}
	}
}

func TestAnIssueThatIsDoneWithoutATimeIsOneReportHoweverOftenItComes(t *testing.T) {
	body := fixture(t, "issue", "status", "DONE")
	key := func(body []byte, when string) event.Key {
		events, err := Issue("ci", body, at(t, when))
		if err != nil {
			t.Fatal(err)
		}
		packed, err := event.Pack(events[0].Body)
		if err != nil {
			t.Fatal(err)
		}
		return event.KeyOf(events[0], 0, packed)
	}
	if key(body, "2026-03-07T09:00:00Z") != key(body, "2026-03-07T09:00:05Z") {
		t.Error("the same body, received again, is another report")
	}
	if key(body, received) == key(fixture(t, "issue", "status", "DONE", "severity", "low"), received) {
		t.Error("two bodies are one report")
	}
}

func TestTypeOfAnIssue(t *testing.T) {
	for kind, incident := range map[any]bool{"INCIDENT": true, "": true, gone: true, nil: true, "BUG": false, "REQUIREMENT": false, "incident": false} {
		events, err := read(t, "issue", "type", kind)
		if err != nil {
			t.Fatal(err)
		}
		switch b := events[0].Body.(type) {
		case *event.Incident:
			if !incident {
				t.Errorf("an issue of type %v is an incident", kind)
			}
		case *event.Other:
			if incident || b.ID != "INC-431" || b.Kind != fmt.Sprint("issue.", kind) || !strings.Contains(b.Raw, `"issueKey":"INC-431"`) {
				t.Errorf("an issue of type %v is %+v", kind, b)
			}
		}
	}
	if events, err := read(t, "issue", "component", nil); err != nil || events[0].Body.(*event.Incident).Service.Present {
		t.Errorf("without a component the service is not unknown: %+v, %v", events, err)
	}
}

func TestRepositoryOfAPullRequest(t *testing.T) {
	for _, c := range []struct{ url, base, want string }{
		{"https://github.com/o/r/pull/1", "", "https://github.com/o/r"},
		{"https://github.com/o/r/pull/1/files?w=1#x", "", "https://github.com/o/r"},
		{"https://gitlab.example/a/b/c/-/merge_requests/7", "", "https://gitlab.example/a/b/c"},
		{"https://gitlab.example/a/b/merge_requests/7", "", "https://gitlab.example/a/b"},
		{"https://bitbucket.org/o/r/pull-requests/3", "", "https://bitbucket.org/o/r"},
		{"https://dev.azure.com/o/p/_git/r/pullrequest/9", "", "https://dev.azure.com/o/p/_git/r"},
		{"https://gitea.example/o/r/pulls/4", "", "https://gitea.example/o/r"},
		{"https://github.com/o/r/pull/1", "https://github.com/other/r", "https://github.com/o/r"},
		{"", "https://github.com/o/r.git", "https://github.com/o/r.git"},
		{"", "git@github.com:o/r.git", "git@github.com:o/r.git"},
		{"https://reviews.example/c/12", "https://github.com/o/r", "https://github.com/o/r"},
		{"", "webhook:1", "webhook:ci"},
		{"", "", "webhook:ci"},
		{"https://github.com/o/r/pull/", "", "webhook:ci"},
	} {
		events, err := read(t, "pull_request", "url", c.url, "baseRepoId", c.base)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
		} else if got := events[0].Body.(*event.PullRequest).Repo; got != c.want {
			t.Errorf("url %q and baseRepoId %q: got %q, want %q", c.url, c.base, got, c.want)
		}
	}
}

func TestAPullRequestThatIsNotMergedHasNoMergeCommit(t *testing.T) {
	events, err := read(t, "pull_request", "status", "OPEN", "mergedDate", nil, "closedDate", nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := events[0].Body.(*event.PullRequest); p.MergeSHA.Present || p.MergedAt.Present || p.ClosedAt.Present {
		t.Errorf("it says merged %v as %v, closed %v", p.MergedAt, p.MergeSHA, p.ClosedAt)
	}
	events, err = read(t, "pull_request", "authorName", "")
	if err != nil {
		t.Fatal(err)
	}
	if p := events[0].Body.(*event.PullRequest); p.Author.V != "8842210" {
		t.Errorf("without a name the author is %q, want the id", p.Author.V)
	}
}

func TestBodiesAreReadAsLenientlyAsDevLakeReadsThem(t *testing.T) {
	var entry any = map[string]any{"REPOURL": "https://h/o/r", "commitsha": "abcd", "StartedDate": "2026-03-06 12:00:00", "finishedDATE": "2026-03-06T13:04:31.5+0100", "unknown": []int{1}}
	events, err := read(t, "deployment", "id", 2071, "deploymentCommits", entry, "deployment_commits", "x", "startedDate", "2026-03-06", "finishedDate", "2026-03-06 12:05")
	equal(t, lines(t, events, err), `{"type":"deployment","source":"devlake:ci","at":"2026-03-06T12:04:31.5Z","id":"2071","environment":"production","repo":"https://h/o/r","sha":"abcd",`+
		`"outcome":"success","started_at":"2026-03-06T12:00:00Z","finished_at":"2026-03-06T12:04:31.5Z","title":"v2.7.0 to production"}
`)
	if events, err := read(t, "pull_request", "pullRequestKey", "418"); err != nil || events[0].Body.Entity() != "418" {
		t.Errorf("a number as text: %v, %v", events, err)
	}
	if events, err := read(t, "issue", "issueKey", 431); err != nil || events[0].Body.Entity() != "431" {
		t.Errorf("text as a number: %v, %v", events, err)
	}
}

func TestOneReportTwiceIsOneReport(t *testing.T) {
	for _, name := range []string{"deployment", "deployment_of_three", "issue", "pull_request"} {
		first, err := read(t, name)
		if err != nil {
			t.Fatal(err)
		}
		again, err := read(t, name)
		if err != nil {
			t.Fatal(err)
		}
		for n := range first {
			a, err := event.Pack(first[n].Body)
			if err != nil {
				t.Fatal(err)
			}
			b, err := event.Pack(again[n].Body)
			if err != nil {
				t.Fatal(err)
			}
			if event.KeyOf(first[n], n, a) != event.KeyOf(again[n], n, b) {
				t.Errorf("%s: event %d has another key when it comes again", name, n)
			}
		}
	}
}
