package dora

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
)

// request is one of an operation, about the project "theirs".
type request struct {
	operation, scope string
	method, path     string
	body             string
	// what someone who may only touch "mine" hears of it
	bound int
	hides []string // what must not stand in the answer then
}

func requests(source, quarantined string) []request {
	const at = "/api/dora/v1"
	const r, w, a = auth.ScopeDoraRead, auth.ScopeDoraWrite, auth.ScopeDoraAdmin
	theirs := strings.ReplaceAll(deploymentLine("new", "a", "2026-03-02T10:00:00Z"), `"shop"`, `"theirs"`)
	return []request{
		{"get-metrics", r, "GET", at + "/metrics?project=theirs", "", 403, nil},
		{"list-deployments", r, "GET", at + "/deployments?project=theirs", "", 403, nil},
		{"list-changes", r, "GET", at + "/changes?project=theirs", "", 403, nil},
		{"list-incidents", r, "GET", at + "/incidents?project=theirs", "", 403, nil},
		{"list-profiles", r, "GET", at + "/profiles", "", 200, nil},
		{"get-evidence", r, "GET", at + "/evidence?project=theirs&metric=change_lead_time", "", 403, nil},
		{"get-deployment-evidence", r, "GET", at + "/deployments/events%2F1/evidence?project=theirs", "", 403, nil},
		{"get-incident-evidence", r, "GET", at + "/incidents/events%2F1/evidence?project=theirs", "", 403, nil},
		{"get-change-evidence", r, "GET", at + "/changes/" + hash("a") + "/evidence?project=theirs", "", 403, nil},
		{"list-projects", r, "GET", at + "/projects", "", 200, []string{"theirs"}},
		{"get-project", r, "GET", at + "/projects/theirs", "", 403, nil},
		{"put-project", a, "PUT", at + "/projects/theirs", `{"project":"theirs"}`, 403, nil},
		{"delete-project", a, "DELETE", at + "/projects/theirs", "", 403, nil},
		{"list-quarantine", r, "GET", at + "/quarantine", "", 200, []string{"theirs"}},
		{"list-quarantine", r, "GET", at + "/quarantine?project=theirs", "", 403, nil},
		{"get-quarantine", w, "GET", at + "/quarantine/" + quarantined, "", 404, nil},
		{"replay-quarantine", w, "POST", at + "/quarantine/" + quarantined + "/replay", "", 404, nil},
		{"discard-quarantine", w, "POST", at + "/quarantine/" + quarantined + "/discard", "", 404, nil},
		{"replay-all-quarantine", w, "POST", at + "/quarantine:replay", "", 200, []string{"secret"}},
		{"replay-all-quarantine", w, "POST", at + "/quarantine:replay?project=theirs", "", 403, nil},
		{"discard-all-quarantine", w, "POST", at + "/quarantine:discard", "", 200, []string{`"discarded":1`}},
		{"discard-all-quarantine", w, "POST", at + "/quarantine:discard?project=theirs", "", 403, nil},
		{"list-imports", r, "GET", at + "/imports?project=theirs", "", 403, nil},
		{"put-import", w, "PUT", at + "/imports/k?project=theirs", `{"tips":[]}`, 403, nil},
		{"list-events", r, "GET", at + "/events", "", 200, []string{"theirs"}},
		{"list-events", r, "GET", at + "/events?project=theirs", "", 403, nil},
		{"add-event", w, "POST", at + "/events", theirs, 403, nil},
		{"add-event", w, "POST", at + "/events?project=theirs", commitLine("z", "2026-03-02T08:00:00Z"), 403, nil},
		{"add-event", w, "POST", at + "/events", commitLine("z", "2026-03-02T08:00:00Z"), 403, nil},
		{"add-events", w, "POST", at + "/events:batch?project=theirs", commitLine("z", "2026-03-02T08:00:00Z"), 403, nil},
		{"add-events", w, "POST", at + "/events:batch", theirs + "\n" + commitLine("z", "2026-03-02T08:00:00Z"), 200, nil},
		{"list-sources", a, "GET", at + "/sources", "", 200, []string{"theirs"}},
		{"list-source-kinds", r, "GET", at + "/source-kinds", "", 200, nil},
		{"add-source", a, "POST", at + "/sources", `{"kind":"github","name":"n","project":"theirs"}`, 403, nil},
		{"compare-profiles", r, "GET", at + "/compare?project=theirs", "", 403, nil},
		{"list-annotations", r, "GET", at + "/annotations?project=theirs", "", 403, nil},
		{"add-annotation", w, "POST", at + "/annotations", `{"project":"theirs","text":"x"}`, 403, nil},
		{"delete-annotation", w, "DELETE", at + "/annotations/1?project=theirs", "", 403, nil},
		{"get-profile", r, "GET", at + "/profiles/gitlab", "", 200, nil},
		{"put-profile", a, "PUT", at + "/profiles/own", "name: own\n", 403, nil}, // profiles are the installation's
		{"delete-profile", a, "DELETE", at + "/profiles/own", "", 403, nil},
		{"list-audit", a, "GET", at + "/audit", "", 200, []string{"theirs"}},
		{"list-audit", a, "GET", at + "/audit?project=theirs", "", 403, nil},
		{"compact-log", a, "POST", at + "/archive:compact", `{"before":"2025-01-01T00:00:00Z","up_to":1,"sum":"` + strings.Repeat("0", 64) + `"}`, 403, nil},
		{"make-badge", a, "POST", at + "/badges", `{"project":"theirs","metric":"change_fail_rate"}`, 403, nil},
		{"revoke-badges", a, "DELETE", at + "/badges?project=theirs", "", 403, nil},
		{"get-relay", r, "GET", at + "/relay", "", 200, []string{"theirs"}},
		{"list-dead-letters", r, "GET", at + "/relay/dead-letters", "", 200, []string{"theirs"}},
		{"list-dead-letters", r, "GET", at + "/relay/dead-letters?project=theirs", "", 403, nil},
		{"retry-dead-letter", a, "POST", at + "/relay/dead-letters/1/retry", "", 404, nil},
		{"discard-dead-letter", a, "POST", at + "/relay/dead-letters/1/discard", "", 404, nil},
		{"retry-dead-letters", a, "POST", at + "/relay/dead-letters:retry?project=theirs", "", 403, nil},
		{"discard-dead-letters", a, "POST", at + "/relay/dead-letters:discard?project=theirs", "", 403, nil},
		{"delete-source", a, "DELETE", at + "/sources/" + source, "", 404, nil},
	}
}

// unproved are the operations, beside webhooks, whose callers prove themselves in
// another way; they have tests of their own.
var unproved = []string{"devlake-connect", "devlake-deployment", "devlake-issue", "devlake-close-issue", "devlake-pull-request",
	"opendora-metric", "opendora-benchmark", "gitlab-project-dora", "gitlab-group-dora", "stream-events", "get-badge"}

// TestEveryOperationChecksWhoAsks goes through all operations of the
// specification: nobody, someone without the scope, and someone bound to another
// project. None of them changes anything.
func TestEveryOperationChecksWhoAsks(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.post(strings.ReplaceAll(deploymentLine("1", "a", "2026-03-02T10:00:00Z"), `"shop"`, `"theirs"`), strings.ReplaceAll(deploymentLine("2", "a", "2026-03-02T10:00:00Z"), `"shop"`, `"mine"`))
		_, source := s.addSource("github", "", "theirs")
		s.want(422, http.MethodPost, "/api/dora/v1/events?project=theirs", `{"type":"commit","secret":1}`, nil)
		quarantined := get[struct{ Items []quarantineBody }](s, "/api/dora/v1/quarantine").Items[0].ID
		events, kept := s.kept()

		all := requests(source, quarantined)
		var seen []string
		for _, r := range all {
			seen = append(seen, r.operation)
			s.want(401, r.method, r.path, r.body, as(""))
			s.want(401, r.method, r.path, r.body, as("nonsense"))
			for _, scope := range []string{auth.ScopeDoraRead, auth.ScopeDoraWrite, auth.ScopeDoraAdmin} {
				if scope != r.scope {
					s.want(403, r.method, r.path, r.body, as(s.token(scope)), r.scope)
				}
			}
			answer := s.want(r.bound, r.method, r.path, r.body, as(s.token(r.scope, "mine")))
			for _, text := range r.hides {
				if strings.Contains(answer, text) {
					t.Errorf("%s shows someone bound to another project: %s", r.operation, answer)
				}
			}
			if r.path == "/api/dora/v1/events:batch" {
				var res batchResult
				if err := json.Unmarshal([]byte(answer), &res); err != nil || res.Stored != 0 || res.Rejected != 2 || res.Errors[0].Code != "forbidden" {
					t.Errorf("lines of another project and of none: %s", answer)
				}
			}
		}
		if e, k := s.kept(); e != events || k != kept {
			t.Errorf("%d events and %d quarantined more", e-events, k-kept)
		}
		if n := len(get[struct{ Items []sourceBody }](s, "/api/dora/v1/sources").Items); n != 1 {
			t.Errorf("%d sources, want the one there was", n)
		}
		// Their own project they may touch; profiles and the log are the installation's.
		for _, r := range all {
			if r.bound != 403 || r.operation == "compact-log" || strings.Contains(r.path, "evidence") || strings.Contains(r.path, "/profiles/") || r.path == "/api/dora/v1/events" && strings.Contains(r.body, "commit") {
				continue
			}
			path, body := strings.ReplaceAll(r.path, "theirs", "mine"), strings.ReplaceAll(r.body, "theirs", "mine")
			if code, text := s.call(r.method, path, body, as(s.token(r.scope, "mine"))...); code >= 400 && !(r.method == "DELETE" && code == 404) {
				t.Errorf("%s %s: %d %s for one's own project", r.method, path, code, text)
			}
		}

		api := httpapi.New(httpapi.Options{Service: "dora", Title: "t", Version: "1"})
		s.svc.register(api)
		text, err := api.OpenAPI()
		if err != nil {
			t.Fatal(err)
		}
		var spec struct {
			Paths map[string]map[string]struct {
				OperationID string `yaml:"operationId"`
			}
		}
		if err := yaml.Unmarshal(text, &spec); err != nil {
			t.Fatal(err)
		}
		for path, item := range spec.Paths {
			for method, op := range item {
				if !slices.Contains(seen, op.OperationID) && !slices.Contains(unproved, op.OperationID) && !strings.HasSuffix(op.OperationID, "-webhook") {
					t.Errorf("%s %s (%s) is not tested here", method, path, op.OperationID)
				}
			}
		}
	})
}

func TestAViewerSeesAndCannotWrite(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.tell()
		viewer := as(s.token("*:read"))
		events, _ := s.kept()
		s.want(200, http.MethodGet, "/api/dora/v1/metrics?project=shop", "", viewer)
		s.want(403, http.MethodPost, "/api/dora/v1/events", numbered(1), viewer, "dora:write")
		s.want(403, http.MethodPost, batchPath, numbered(1), viewer, "dora:write")
		s.want(403, http.MethodPut, projectsPath+"/shop", `{"project":"shop"}`, viewer, "dora:admin")
		s.want(403, http.MethodPost, fmt.Sprintf("%s/projects/shop/deployments", devlakeBase), devlakeDeployment("1", "2026-03-02T09:00:00Z", "a"), viewer)
		if e, _ := s.kept(); e != events {
			t.Errorf("a viewer stored %d events", e-events)
		}
	})
}
