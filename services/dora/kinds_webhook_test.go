package dora

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// post sends a delivery to the path of a kind, with the token of its source.
func (s *server) sendTo(path, token, body string, header ...string) (int, string) {
	s.t.Helper()
	return s.call(http.MethodPost, path, body, append([]string{"Authorization", "Bearer " + token}, header...)...)
}

// taken sends a delivery that must be taken, and says how many events were new.
func (s *server) taken(path, token, body string, header ...string) int {
	s.t.Helper()
	code, answer := s.sendTo(path, token, body, header...)
	var a webhookAnswer
	if err := json.Unmarshal([]byte(answer), &a); err != nil || code != http.StatusAccepted {
		s.t.Fatalf("POST %s: %d %s for %s", path, code, answer, body)
	}
	return a.Stored
}

// numbers are the metrics of a project under some profiles, and what its lists
// hold, but for the names that tell where they came from.
func (s *server) numbers(project string, services []string) map[string]any {
	s.t.Helper()
	out := map[string]any{}
	ask := func(path string) {
		text := s.want(200, http.MethodGet, path+"&project="+project, "", nil)
		var v any
		if err := json.Unmarshal([]byte(strings.ReplaceAll(text, project, "P")), &v); err != nil {
			s.t.Fatal(err)
		}
		out[path] = withoutNames(v)
	}
	const window = "from=2026-03-01T00:00:00Z&to=2026-04-01T00:00:00Z"
	for _, profile := range []string{"dora-2025", "devlake-2023"} {
		for _, interval := range []string{"all", "week"} {
			ask("/api/dora/v1/metrics?" + window + "&interval=" + interval + "&profile=" + profile)
		}
		for _, service := range services {
			ask("/api/dora/v1/metrics?" + window + "&profile=" + profile + "&service=" + service)
		}
		ask("/api/dora/v1/changes?" + window + "&limit=1000&profile=" + profile)
	}
	ask("/api/dora/v1/deployments?" + window + "&limit=1000")
	ask("/api/dora/v1/incidents?" + window + "&limit=1000")
	return out
}

// withoutNames takes away what two sources may call differently: ids, and what
// leads to them, and notes on the series, which count the declarations of projects.
func withoutNames(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withoutNames(v[i])
		}
	case map[string]any:
		for _, name := range []string{"id", "source", "deployment_id", "previous_id", "previous", "title", "url", "digest", "resolved_by", "evidence", "ref", "restored_ref", "reports", "as_of", "key",
			"annotations", "linked_by", "deployment", "deployment_source", "previous_source", "reported_by", "events_seen"} {
			delete(v, name)
		}
		for k := range v {
			v[k] = withoutNames(v[k])
		}
	}
	return v
}

// sameNumbers compares what two projects show.
func (s *server) sameNumbers(one, other string, services ...string) {
	s.t.Helper()
	if diff := cmp.Diff(s.numbers(other, services), s.numbers(one, services)); diff != "" {
		s.t.Errorf("%s differs from %s (-%s +%s):\n%.4000s", one, other, other, one, diff)
	}
}

// TestKindsTakeOnlyWhatIsGenuineAndRight goes through what every kind owes its
// senders: no stranger, faults by name, each delivery once.
func TestKindsTakeOnlyWhatIsGenuineAndRight(t *testing.T) {
	argo := argoBody("shop", "Succeeded", "2026-03-02T10:00:00Z", "2026-03-02T10:00:30Z", nil)
	ce := cdevent("e-1", "service.deployed.0.2.0", "api", "2026-03-02T10:00:00Z", object{"environment": object{"id": "production"}, "artifactId": purlOf("a1")})
	for _, c := range []struct {
		kind, path, body string
		header           []string
		bad              map[string]string // field -> body
	}{
		{"argocd", "/webhooks/dora/argocd", argo, nil, map[string]string{
			"body":                      `{"app":`,
			"app.name":                  `{}`,
			"operation.phase":           `{"app":{"name":"x"},"operation":{}}`,
			"operation.startedAt":       strings.Replace(argo, "2026-03-02T10:00:00Z", "soon", 1),
			"operation.finishedAt":      strings.Replace(argo, "2026-03-02T10:00:30Z", "2026-03-01T10:00:30Z", 1),
			"fawkes":                    strings.Replace(argo, "argocd/v1", "argocd/v2", 1),
			"app.annotations":           strings.Replace(argo, `"annotations":{`, `"annotations":1,"x":{`, 1),
			"operation":                 strings.Replace(argo, `"operation":{`, `"operation":[],"x":{`, 1),
			"resources":                 strings.Replace(argo, `"resources":null`, `"resources":"x"`, 1),
			"health.lastTransitionTime": strings.Replace(argo, `"lastTransitionTime":""`, `"lastTransitionTime":"x"`, 1),
		}},
		{"cdevents", "/webhooks/dora/cloudevents", ce, []string{"Content-Type", "application/cloudevents+json"}, map[string]string{
			"body":                             `{"specversion":`,
			"specversion":                      `{}`,
			"id":                               `{"specversion":"1.0"}`,
			"source":                           `{"specversion":"1.0","id":"1"}`,
			"type":                             `{"specversion":"1.0","id":"1","source":"s"}`,
			"data.context.timestamp":           strings.Replace(ce, "2026-03-02T10:00:00Z", "soon", 1),
			"data.subject.content":             strings.Replace(ce, `"content":{`, `"content":"x","y":{`, 1),
			"data.subject.content.environment": strings.Replace(ce, `"environment":{`, `"other":{`, 1),
			"data.subject.content.artifactId":  strings.Replace(ce, `"artifactId":"`, `"artifactId":7,"z":"`, 1),
			"data.subject.id":                  strings.Replace(ce, `"id":"api"`, `"id":7`, 1),
		}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				token, _ := s.addSource(c.kind, "one", "shop")
				for _, wrong := range []string{"", "Bearer wrong", "Bearer " + token + "x", "Basic " + token} {
					if code, answer := s.call(http.MethodPost, c.path, c.body, append(c.header, "Authorization", wrong)...); code != http.StatusUnauthorized {
						t.Errorf("%q: %d %s, want 401", wrong, code, answer)
					}
				}
				if code, _ := s.call(http.MethodPost, c.path, c.body, append(c.header, "Authorization", "Bearer "+s.token("dora:read"))...); code != http.StatusForbidden {
					t.Errorf("a token that may only read: %d, want 403", code)
				}
				if events, kept := s.kept(); events != 0 || kept != 0 {
					t.Fatalf("a stranger left %d events and %d quarantined", events, kept)
				}
				for field, body := range c.bad {
					if code, answer := s.sendTo(c.path, token, body, c.header...); code != 422 && code != 400 || !strings.Contains(answer, `"`+field+`"`) {
						t.Errorf("%s: %d %s", field, code, answer)
					}
				}
				fields := map[string]bool{}
				for _, q := range s.inQuarantine("limit=100").Items {
					fields[q.Field] = true
				}
				for field := range c.bad {
					if !fields[field] {
						t.Errorf("no fault of %s in the quarantine, which has %v", field, fields)
					}
				}
				if n := s.taken(c.path, token, c.body, c.header...); n != 1 {
					t.Errorf("%d events are new, want 1", n)
				}
				if n := s.taken(c.path, token, c.body, c.header...); n != 0 {
					t.Errorf("%d events are new the second time", n)
				}
				q := s.inQuarantine("limit=100").Items[0]
				if got := s.replay(200, q.ID, c.body); got.Duplicates != 1 || got.Stored != 0 {
					t.Errorf("mended and replayed, what is there already: %+v", got)
				}
				if events, _ := s.kept(); events != 1 {
					t.Errorf("%d events, want 1", events)
				}
			})
		})
	}
}
