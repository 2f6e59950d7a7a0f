package dora

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/devlake"
)

const devlakeBase = "/api/rest/plugins/webhook"

// as is the header of a caller with another credential than the operator's.
func as(credential string) []string {
	if credential == "" {
		return []string{"Authorization", ""}
	}
	return []string{"Authorization", "Bearer " + credential}
}

// connect makes a connection as DevLake's user interface does.
func (s *server) connect(name string) devlake.Connection {
	s.t.Helper()
	text := s.want(200, http.MethodPost, devlakeBase+"/connections", fmt.Sprintf(`{"name":%q}`, name), nil)
	var c devlake.Connection
	if err := json.Unmarshal([]byte(text), &c); err != nil || c.APIKey == nil || len(c.APIKey.Key) < 40 {
		s.t.Fatalf("a connection %s %v", text, err)
	}
	return c
}

func devlakeDeployment(id, finished string, commits ...string) string {
	at, err := time.Parse(time.RFC3339, finished)
	if err != nil {
		panic(err)
	}
	started := at.Add(-10 * time.Minute).Format(time.RFC3339)
	var parts []object
	for i, c := range commits {
		repo := testRepo
		if i > 0 {
			repo = fmt.Sprintf("https://git.example/shop-%d.git", i)
		}
		parts = append(parts, object{"repoUrl": repo, "commitSha": hash(c), "refName": "main", "startedDate": started, "finishedDate": finished})
	}
	text, err := json.Marshal(object{"id": id, "startedDate": started, "finishedDate": finished, "result": "SUCCESS", "environment": "PRODUCTION", "deploymentCommits": parts})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func devlakeIssue(key, created string) string {
	return fmt.Sprintf(`{"issueKey":%q,"title":"down","status":"TODO","originalStatus":"open","createdDate":%q,"type":"INCIDENT","severity":"1","component":"shop"}`, key, created)
}

func TestDevLakeClientsMoveTheMetrics(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		c := s.connect("shop")
		key, at := as(c.APIKey.Key), fmt.Sprintf("%s/connections/%d", devlakeBase, c.ID)
		taken := func(path, body string) {
			t.Helper()
			if code, text := s.call(http.MethodPost, path, body, key...); code != 200 || text != "" {
				t.Fatalf("POST %s: %d %s, want 200 and nothing", path, code, text)
			}
		}
		s.post(
			line(object{"type": "commit", "repo": testRepo, "sha": hash("a"), "parents": []string{}, "author": "ada", "authored_at": "2026-03-02T08:00:00Z", "committed_at": "2026-03-02T08:00:00Z", "project": "shop"}),
			line(object{"type": "commit", "repo": testRepo, "sha": hash("b"), "parents": []string{hash("a")}, "author": "ada", "authored_at": "2026-03-02T10:00:00Z", "committed_at": "2026-03-02T10:00:00Z", "project": "shop"}))
		taken(at+"/deployments", devlakeDeployment("1", "2026-03-02T09:00:00Z", "a", "x"))
		taken(at+"/deployments", devlakeDeployment("2", "2026-03-02T12:00:00Z", "b"))
		taken(at+"/pull_requests", fmt.Sprintf(`{"id":"7","pullRequestKey":7,"displayTitle":"b","title":"b","status":"MERGED","createdDate":"2026-03-02T10:30:00Z","mergedDate":"2026-03-02T11:30:00Z","closedDate":"2026-03-02T11:30:00Z","mergeCommitSha":%q,"baseRepoId":%q,"headRepoId":%q,"baseRef":"main","headRef":"f","baseCommitSha":%q,"headCommitSha":%q}`,
			hash("b"), testRepo, testRepo, hash("a"), hash("b")))
		taken(at+"/issues", devlakeIssue("I-1", "2026-03-02T12:10:00Z"))

		five := s.five("project=shop&service=shop&from=2026-03-02&to=2026-03-03")
		s.wantValue(five, "deployment_frequency", 2, 2)
		s.wantValue(five, "change_lead_time", 7200, 1)
		s.wantValue(five, "change_fail_rate", 0.5, 2)
		if m := five["failed_deployment_recovery_time"]; m.Value != nil || m.Reason == nil {
			t.Errorf("recovery while the incident is open: %+v, want null with a reason", m)
		}
		if n := len(get[struct{ Items []object }](s, "/api/dora/v1/deployments?project=shop").Items); n != 3 {
			t.Errorf("%d deployments, want one for each commit of a deployment", n)
		}

		s.clock.Set(time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC))
		taken(at+"/issue/I-1/close", "")
		s.clock.Advance(time.Hour)
		events, _ := s.kept()
		taken(at+"/issue/I-1/close", "") // again changes nothing
		if again, _ := s.kept(); again != events {
			t.Errorf("closing again stored %d events", again-events)
		}
		five = s.five("project=shop&service=shop&from=2026-03-02&to=2026-03-03")
		s.wantValue(five, "failed_deployment_recovery_time", 2*3600, 1)
		i := get[struct {
			Items []struct {
				ResolvedAt *time.Time `json:"resolved_at"`
			}
		}](s, "/api/dora/v1/incidents?project=shop").Items
		if len(i) != 1 || i[0].ResolvedAt == nil || !i[0].ResolvedAt.Equal(time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)) {
			t.Errorf("incidents %+v, want one resolved when it was closed first", i)
		}

		// A client that repeats itself changes nothing.
		taken(at+"/deployments", devlakeDeployment("2", "2026-03-02T12:00:00Z", "b"))
		if again, _ := s.kept(); again != events {
			t.Errorf("a repeated deployment stored %d events", again-events)
		}
		old := s.five("project=shop&service=shop&from=2026-03-02&to=2026-03-03&profile=devlake-2023")
		s.wantValue(old, "change_lead_time", 120*60, 1) // half an hour to the request, an hour to the merge, half an hour on
	})
}

// TestDevLakeAnswersAsDevLakeDoes is a table of requests with their answers.
func TestDevLakeAnswersAsDevLakeDoes(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		shop, other := s.connect("shop"), s.connect("other")
		body := devlakeDeployment("1", "2026-03-02T09:00:00Z", "a")
		id := fmt.Sprint(shop.ID)
		viewer, developer := s.token("*:read"), s.token("*:read dora:write")
		bound, boundAdmin := s.token("dora:write", "other"), s.token("dora:admin", "other")
		for _, c := range []struct {
			name, method, path, body, credential string
			status                               int
			text                                 string
		}{
			{"by id", "POST", "/connections/" + id + "/deployments", body, shop.APIKey.Key, 200, ""},
			{"by id alone", "POST", "/" + id + "/deployments", body, shop.APIKey.Key, 200, ""},
			{"by name", "POST", "/connections/by-name/shop/deployments", body, shop.APIKey.Key, 200, ""},
			{"by project", "POST", "/projects/shop/deployments", body, shop.APIKey.Key, 200, ""},
			{"by project without a connection", "POST", "/projects/new%2Fone/deployments", body, developer, 200, ""},
			{"with a token of the platform", "POST", "/connections/" + id + "/issues", devlakeIssue("I", "2026-03-02T12:10:00Z"), developer, 200, ""},
			{"no key", "POST", "/connections/" + id + "/deployments", body, "", 401, `"success":false,"message":"token is missing"`},
			{"a wrong key", "POST", "/connections/" + id + "/deployments", body, "nonsense", 403, "api key is invalid"},
			{"another connection's key", "POST", "/connections/" + id + "/deployments", body, other.APIKey.Key, 403, "path doesn't match"},
			{"another project's key", "POST", "/projects/shop/deployments", body, other.APIKey.Key, 403, "path doesn't match"},
			{"a viewer", "POST", "/connections/" + id + "/deployments", body, viewer, 403, "path doesn't match"},
			{"a developer for another project", "POST", "/connections/" + id + "/deployments", body, bound, 403, "path doesn't match"},
			{"a developer for another project, by project", "POST", "/projects/third/deployments", body, bound, 403, "path doesn't match"},
			{"no such connection", "POST", "/connections/99/deployments", body, developer, 404, "record not found"},
			{"a name that no project can have", "POST", "/projects/%20/deployments", body, developer, 400, "cannot name a project"},
			{"no such path", "POST", "/connections/" + id + "/nothing", body, developer, 404, `"success":false`},
			{"a method that is not taken", "GET", "/connections/" + id + "/deployments", "", developer, 405, `"success":false`},
			{"no JSON", "POST", "/connections/" + id + "/deployments", "{", shop.APIKey.Key, 400, `"causes":[`},
			{"a field missing", "POST", "/connections/" + id + "/deployments", strings.Replace(body, `"id"`, `"di"`, 1), shop.APIKey.Key, 400, "id"},
			{"a time that is none", "POST", "/connections/" + id + "/issues", devlakeIssue("I", "yesterday"), shop.APIKey.Key, 400, "createdDate"},
			{"a body that is too long", "POST", "/connections/" + id + "/deployments", `{"a":"` + strings.Repeat("x", 2<<20) + `"}`, shop.APIKey.Key, 413, `"success":false`},
			{"the list", "GET", "/connections", "", operatorToken, 200, `"name":"other"`},
			{"the list for a developer", "GET", "/connections", "", developer, 403, ""},
			{"the list with a connection's key", "GET", "/connections", "", shop.APIKey.Key, 403, ""},
			{"one", "GET", "/connections/" + id, "", operatorToken, 200, `"postIssuesEndpoint":"/rest/plugins/webhook/connections/` + id + `/issues"`},
			{"one by name", "GET", "/connections/by-name/shop", "", operatorToken, 200, `"id":` + id},
			{"a name that is taken", "POST", "/connections", `{"name":"shop"}`, operatorToken, 400, "A webhook with name shop already exists"},
			{"no name", "POST", "/connections", `{}`, operatorToken, 400, "name"},
			{"a connection for another's project", "POST", "/connections", `{"name":"mine"}`, boundAdmin, 403, ""},
			{"another's connection", "GET", "/connections/" + id, "", boundAdmin, 403, ""},
			{"a rename", "PATCH", "/connections/" + id, `{"name":"x"}`, operatorToken, 400, "cannot be changed"},
			{"a removal with the connection's own key", "DELETE", "/connections/" + id, "", shop.APIKey.Key, 403, ""},
			{"a removal", "DELETE", "/connections/" + id, "", operatorToken, 200, `"name":"shop"`},
			{"a removed connection's key", "POST", "/connections/" + id + "/deployments", body, shop.APIKey.Key, 403, "api key is invalid"},
		} {
			code, text := s.call(c.method, devlakeBase+c.path, c.body, as(c.credential)...)
			if code != c.status || !strings.Contains(text, c.text) {
				t.Errorf("%s: %d %.300s, want %d with %q", c.name, code, text, c.status, c.text)
			}
			if c.method == "POST" && c.status == 200 && c.text == "" && text != "" {
				t.Errorf("%s: the answer has a body: %s", c.name, text)
			}
		}
		if _, kept := s.kept(); kept != 3 {
			t.Errorf("%d deliveries in quarantine, want the 3 whose body was at fault", kept)
		}
		s.connect("third")
		mine := s.want(200, "GET", devlakeBase+"/connections", "", as(boundAdmin))
		if strings.Contains(mine, `"third"`) || !strings.Contains(mine, `"other"`) || strings.Contains(mine, other.APIKey.Key) {
			t.Errorf("the list for one project: %s, want that connection alone, without its key", mine)
		}
	})
}

func TestDevLakeIsReachedByAllItsPrefixes(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		c := s.connect("shop")
		for i, prefix := range []string{"/api/rest/plugins/webhook", "/rest/plugins/webhook", "/plugins/webhook"} {
			body := devlakeDeployment(fmt.Sprint(i), "2026-03-02T09:00:00Z", "a")
			s.want(200, http.MethodPost, fmt.Sprintf("%s/connections/%d/deployments", prefix, c.ID), body, as(c.APIKey.Key))
			if events, _ := s.kept(); events != i+1 {
				t.Errorf("%s: %d events in the log, want %d", prefix, events, i+1)
			}
		}
	})
}
