package devlake

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

func TestRoute(t *testing.T) {
	id := func(op Operation) Target { return Target{Operation: op, Connection: "7"} }
	named := func(op Operation) Target { return Target{Operation: op, Connection: "ci", ByName: true} }
	closing := func(t Target, key string) Target { t.IssueKey = key; return t }
	for rest, want := range map[string]Target{
		"connections":                                    {Operation: OpConnections},
		"connections/7":                                  id(OpConnection),
		"connections/7/deployments":                      id(OpDeployments),
		"connections/7/pull_requests":                    id(OpPullRequests),
		"connections/7/issues":                           id(OpIssues),
		"connections/7/issue/INC-1/close":                closing(id(OpCloseIssue), "INC-1"),
		"7/deployments":                                  id(OpDeployments),
		"7/pull_requests":                                id(OpPullRequests),
		"7/issues":                                       id(OpIssues),
		"7/issue/INC-1/close":                            closing(id(OpCloseIssue), "INC-1"),
		"connections/by-name/ci":                         named(OpConnection),
		"connections/by-name/ci/deployments":             named(OpDeployments),
		"connections/by-name/ci/pull_requests":           named(OpPullRequests),
		"connections/by-name/ci/issues":                  named(OpIssues),
		"connections/by-name/ci/issue/INC-1/close":       closing(named(OpCloseIssue), "INC-1"),
		"projects/shop/deployments":                      {Operation: OpDeployments, Project: "shop"},
		"projects/team%2Fshop/deployments":               {Operation: OpDeployments, Project: "team/shop"},
		"connections/by-name/build%20farm/deployments":   {Operation: OpDeployments, Connection: "build farm", ByName: true},
		"connections/by-name/ci/issue/a%2Fb%3F/close":    closing(named(OpCloseIssue), "a/b?"),
		"connections/by-name/a+b/deployments":            {Operation: OpDeployments, Connection: "a+b", ByName: true},
		"7/deployments/":                                 id(OpDeployments),
		"connections/by-name/deployments":                {Operation: OpConnection, Connection: "deployments", ByName: true},
		"connections/by-name/connections/issues":         {Operation: OpIssues, Connection: "connections", ByName: true},
		"connections/by-name/ci/issue/deployments/close": closing(named(OpCloseIssue), "deployments"),
	} {
		for _, prefix := range []string{"/api/rest", "/rest", ""} {
			path := prefix + "/plugins/webhook/" + rest
			if got, ok := Route(path); !ok || got != want {
				t.Errorf("%s: got %+v, %v; want %+v", path, got, ok, want)
			}
		}
	}
	for _, path := range []string{
		"", "/", "/plugins/webhook", "/plugins/webhook/", "/api/plugins/webhook/connections", "/plugins/github/connections", "/x/plugins/webhook/connections",
		"/plugins/webhook/7", "/plugins/webhook/7/cicd_tasks", "/plugins/webhook/7/connections", "/plugins/webhook/7/close_issue", "/plugins/webhook/7/connection",
		"/plugins/webhook/7/issue/close", "/plugins/webhook/7/issue/INC-1", "/plugins/webhook/7/issue//close", "/plugins/webhook/7/issue/INC-1/reopen",
		"/plugins/webhook/7/issue/a/b/close", "/plugins/webhook//deployments", "/plugins/webhook/connections//deployments", "/plugins/webhook/connections/7/deployments/1",
		"/plugins/webhook/projects", "/plugins/webhook/projects/shop", "/plugins/webhook/projects/shop/issues", "/plugins/webhook/projects/shop/pull_requests", "/plugins/webhook/projects/deployments",
		"/plugins/webhook/7/%zz", "/plugins/webhook/%2/deployments",
	} {
		if got, ok := Route(path); ok {
			t.Errorf("%q is a path to %+v", path, got)
		}
	}
}

func TestTargetsTakeTheirMethods(t *testing.T) {
	for op, want := range map[Operation]string{
		OpConnections: "GET POST", OpConnection: "GET PATCH DELETE",
		OpDeployments: "POST", OpIssues: "POST", OpCloseIssue: "POST", OpPullRequests: "POST",
	} {
		target := Target{Operation: op}
		if got := strings.Join(target.Methods(), " "); got != want {
			t.Errorf("%s takes %s, want %s", op, got, want)
		}
		for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"} {
			if got := target.Allows(m); got != strings.Contains(want, m) {
				t.Errorf("%s allows %s: %v", op, m, got)
			}
		}
	}
}

func TestConnectionsLookLikeDevLakes(t *testing.T) {
	made := time.Date(2026, 3, 1, 11, 0, 0, 0, time.FixedZone("", 3600))
	got, err := json.Marshal(NewConnection(7, "ci", made, made).WithKey(12, "k-123"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, string(got), `{"name":"ci","id":7,"createdAt":"2026-03-01T10:00:00Z","updatedAt":"2026-03-01T10:00:00Z",`+
		`"postIssuesEndpoint":"/rest/plugins/webhook/connections/7/issues","closeIssuesEndpoint":"/rest/plugins/webhook/connections/7/issue/:issueKey/close",`+
		`"postPullRequestsEndpoint":"/rest/plugins/webhook/connections/7/pull_requests","postPipelineTaskEndpoint":"/rest/plugins/webhook/connections/7/cicd_tasks",`+
		`"postPipelineDeployTaskEndpoint":"/rest/plugins/webhook/connections/7/deployments","closePipelineEndpoint":"/rest/plugins/webhook/connections/7/cicd_pipeline/:pipelineName/finish",`+
		`"apiKey":{"id":12,"createdAt":"2026-03-01T10:00:00Z","updatedAt":"2026-03-01T10:00:00Z","name":"webhook-7","apiKey":"k-123","expiredAt":null,`+
		`"allowedPath":"/plugins/webhook/connections/7/.*","type":"plugin:webhook","extra":"connectionId:7"}}`)
	for _, c := range []struct{ text, absent string }{
		{encoded(t, NewConnection(7, "ci", made, made)), `"apiKey"`},
		{encoded(t, NewConnection(7, "ci", made, made).WithKey(12, "")), `"apiKey":"`},
	} {
		if strings.Contains(c.text, c.absent) {
			t.Errorf("%s holds %s", c.text, c.absent)
		}
	}
	// Where a body can be posted that an endpoint names, Route knows it.
	for _, path := range []string{NewConnection(7, "ci", made, made).PostIssuesEndpoint, NewConnection(7, "ci", made, made).PostPipelineDeployTaskEndpoint, NewConnection(7, "ci", made, made).PostPullRequestsEndpoint} {
		if target, ok := Route(path); !ok || target.Connection != "7" {
			t.Errorf("%s leads to %+v, %v", path, target, ok)
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestConnectionName(t *testing.T) {
	if name, err := ConnectionName([]byte(`{"name":"build farm","x":1}`)); err != nil || name != "build farm" {
		t.Errorf("got %q, %v", name, err)
	}
	for _, c := range []struct{ body, detail string }{
		{`{}`, "is required"}, {`{"name":" "}`, "is required"}, {`{"name":["a"]}`, "want a string"},
		{`{"name":"` + strings.Repeat("n", 101) + `"}`, "at most 100"}, {`{"name":"a\u0000"}`, "control character"},
	} {
		_, err := ConnectionName([]byte(c.body))
		faulty(t, err, "name", c.detail, c.body)
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		want   string
	}{
		{event.Fault("deploymentCommits[0].commitSha", "is required"), http.StatusBadRequest,
			`{"code":0,"success":false,"message":"input json error (400): deploymentCommits[0].commitSha: is required","causes":["deploymentCommits[0].commitSha: is required"],"data":null}`},
		{errors.New("sql: connection refused at 10.0.0.3"), http.StatusInternalServerError,
			`{"code":0,"success":false,"message":"internal error (500)","causes":[],"data":null}`},
	} {
		status, answer := Failure(c.err)
		if status != c.status {
			t.Errorf("%v is answered %d, want %d", c.err, status, c.status)
		}
		equal(t, encoded(t, answer), c.want)
	}
	equal(t, encoded(t, Refuse(MessageNoToken)), `{"code":0,"success":false,"message":"token is missing","causes":[],"data":null}`)
}
