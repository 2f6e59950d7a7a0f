package dora

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/github"
)

const githubPath = "/webhooks/dora/github"

// delivery is one of GitHub's.
type delivery struct {
	event, id, body string
}

// deliver sends a delivery signed with a secret.
func (s *server) deliver(secret string, d delivery, header ...string) (int, string) {
	s.t.Helper()
	return s.call(http.MethodPost, githubPath, d.body, append([]string{
		"Authorization", "", github.HeaderEvent, d.event, github.HeaderDelivery, d.id,
		github.HeaderSignature, github.Sign(secret, []byte(d.body)),
	}, header...)...)
}

// githubRequest is a delivery as a request.
func githubRequest(d delivery) *http.Request {
	r := httptest.NewRequest(http.MethodPost, githubPath, strings.NewReader(d.body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(github.HeaderEvent, d.event)
	r.Header.Set(github.HeaderDelivery, d.id)
	r.Header.Set(github.HeaderSignature, github.Sign(githubSecret, []byte(d.body)))
	return r
}

func ofGitHub(v object) string {
	v["repository"] = object{"name": "shop", "full_name": "acme/shop", "html_url": "https://github.example/acme/shop", "clone_url": "https://github.example/acme/shop.git"}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func pushOf(commits ...object) string { return pushOnto(hash("0"), commits...) }

// pushOnto is a push of commits onto a former head.
func pushOnto(before string, commits ...object) string {
	return ofGitHub(object{"ref": "refs/heads/main", "before": before, "after": commits[len(commits)-1]["id"], "commits": commits})
}

func pushed(name, at string) object {
	return object{"id": hash(name), "timestamp": at, "message": name, "author": object{"name": "Ada", "username": "ada"},
		"added": []string{"main.go"}, "removed": []string{}, "modified": []string{}}
}

func deployedOnGitHub(id int, commit, created, state, at string, payload object) (started, status string) {
	d := object{"id": id, "sha": hash(commit), "ref": "main", "task": "deploy", "environment": "production", "created_at": created, "updated_at": created, "payload": payload}
	started = ofGitHub(object{"action": "created", "deployment": d})
	status = ofGitHub(object{"action": "created", "deployment": d, "deployment_status": object{"id": id * 10, "state": state, "environment": "production", "created_at": at, "updated_at": at}})
	return started, status
}

// TestGitHubDeliveries sends deliveries one after another; each row says what is
// answered and by how much the log and the quarantine grow.
func TestGitHubDeliveries(t *testing.T) {
	push := delivery{"push", "d-1", pushOf(pushed("a", "2026-03-02T08:00:00Z"))}
	form := "payload=" + url.QueryEscape(pushOf(pushed("b", "2026-03-02T09:00:00Z")))
	each(t, func(t *testing.T, s *server) {
		for _, c := range []struct {
			name         string
			d            delivery
			secret       string
			header       []string
			status       int
			text         string
			events, kept int
		}{
			{"a wrong signature stores nothing", push, "another secret", nil, 401, "bad_signature", 0, 0},
			{"a missing signature stores nothing", push, githubSecret, []string{github.HeaderSignature, ""}, 401, "is missing", 0, 0},
			{"a signature by SHA-1 stores nothing", push, githubSecret, []string{github.HeaderSignature, "sha1=" + strings.Repeat("0", 40)}, 401, "sha256=", 0, 0},
			{"a body at fault without its signature is not kept either", delivery{"push", "d-2", "{"}, "another secret", nil, 401, "", 0, 0},
			{"the right signature", push, githubSecret, nil, 202, "", 1, 0},
			{"a redelivery changes nothing", push, githubSecret, nil, 202, "", 0, 0},
			{"the same id with another body is the same delivery", delivery{"push", "d-1", pushOf(pushed("z", "2026-03-02T08:30:00Z"))}, githubSecret, nil, 202, "", 0, 0},
			{"a form", delivery{"push", "d-3", form}, githubSecret, []string{"Content-Type", "application/x-www-form-urlencoded"}, 202, "", 1, 0},
			{"a form without a payload", delivery{"push", "d-4", "a=b"}, githubSecret, []string{"Content-Type", "application/x-www-form-urlencoded"}, 422, "payload", 0, 1},
			{"no JSON", delivery{"push", "d-5", `{"commits":`}, githubSecret, nil, 400, "invalid_body", 0, 1},
			{"a field at fault is named as GitHub does", delivery{"push", "d-6", strings.Replace(push.body, "2026-03-02T08:00:00Z", "yesterday", 1)}, githubSecret, nil, 422, "commits[0].timestamp", 0, 1},
			{"a pull request without its number", delivery{"pull_request", "d-7", ofGitHub(object{"action": "opened", "pull_request": object{"title": "x", "created_at": "2026-03-02T08:00:00Z"}})}, githubSecret, nil, 422, "pull_request.number", 0, 1},
			{"no event named", delivery{"", "d-8", push.body}, githubSecret, nil, 422, github.HeaderEvent, 0, 1},
			{"an unknown event is kept and counted", delivery{"star", "d-9", ofGitHub(object{"action": "created"})}, githubSecret, nil, 202, "", 1, 0},
			{"a ping says nothing", delivery{"ping", "d-10", ofGitHub(object{"zen": "x"})}, githubSecret, nil, 202, "", 0, 0},
		} {
			events, kept := s.kept()
			code, body := s.deliver(c.secret, c.d, c.header...)
			if code != c.status || !strings.Contains(body, c.text) {
				t.Errorf("%s: %d %s, want %d with %q", c.name, code, body, c.status, c.text)
			}
			e, k := s.kept()
			if e-events != c.events || k-kept != c.kept {
				t.Errorf("%s: %d events and %d quarantined more, want %d and %d", c.name, e-events, k-kept, c.events, c.kept)
			}
		}
		p := get[projectBody](s, "/api/dora/v1/projects/shop")
		if p.Entities["commit"] != 2 {
			t.Errorf("entities %v, want 2 commits", p.Entities)
		}
		if n := s.counted("fawkes_dora_events_total", "stored", "other"); n != 1 {
			t.Errorf("%g deliveries of other kinds were counted, want 1", n)
		}
		for result, want := range map[string]float64{"refused": 4, "quarantined": 5, "ignored": 1, "accepted": 5} {
			if n := s.counted("fawkes_dora_deliveries_total", result, "github"); n != want {
				t.Errorf("%g deliveries counted as %s, want %g", n, result, want)
			}
		}
		q := get[struct{ Items []quarantineBody }](s, "/api/dora/v1/quarantine").Items
		if len(q) != 5 || q[0].Source != "github" || q[2].Field != "commits[0].timestamp" || q[2].Delivery != "d-6" || q[2].Kind != "push" {
			t.Fatalf("quarantine %+v", q)
		}
		one := get[quarantineBody](s, "/api/dora/v1/quarantine/"+q[3].ID)
		if one.Body == nil || *one.Body != `{"commits":` {
			t.Errorf("the quarantined delivery is %+v", one)
		}
	})
}

func TestGitHubWithoutASecretIsNotBelieved(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.svc.cfg.GitHubSecret = ""
		code, body := s.deliver("", delivery{"push", "d", pushOf(pushed("a", "2026-03-02T08:00:00Z"))})
		if code != http.StatusUnauthorized || !strings.Contains(body, "fawkes dora source add github") {
			t.Errorf("%d %s", code, body)
		}
		if events, kept := s.kept(); events != 0 || kept != 0 {
			t.Errorf("%d events and %d quarantined", events, kept)
		}
	})
}

func TestGitHubBodiesHaveABound(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		big := delivery{"star", "d", `{"a":"` + strings.Repeat("x", github.MaxBody) + `"}`}
		if code, body := s.deliver(githubSecret, big); code != http.StatusRequestEntityTooLarge {
			t.Errorf("%d %.200s, want 413", code, body)
		}
		fits := delivery{"star", "d", ofGitHub(object{"a": strings.Repeat("x", 2<<20)})}
		if code, body := s.deliver(githubSecret, fits); code != http.StatusAccepted {
			t.Errorf("%d %.200s, want 202 for 2 MiB", code, body)
		}
	})
}

// addSource sets a source up and returns its secret and its number.
func (s *server) addSource(kind, name, project string) (secret, id string) {
	s.t.Helper()
	text := s.want(http.StatusCreated, http.MethodPost, "/api/dora/v1/sources", fmt.Sprintf(`{"kind":%q,"name":%q,"project":%q}`, kind, name, project), nil)
	var v sourceBody
	if err := json.Unmarshal([]byte(text), &v); err != nil || len(v.Secret) < 40 {
		s.t.Fatalf("a source %s %v", text, err)
	}
	return v.Secret, v.ID
}

// TestGitHubSourcesFeedTheirOwnProjects has one repository hooked to two
// projects.
func TestGitHubSourcesFeedTheirOwnProjects(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		one, id := s.addSource("github", "", "one")
		two, _ := s.addSource("github", "", "two")
		s.want(409, http.MethodPost, "/api/dora/v1/sources", `{"kind":"github","project":"one"}`, nil, "body.name")
		list := s.want(200, http.MethodGet, "/api/dora/v1/sources", "", nil, `"name":"one"`)
		if strings.Contains(list, one) {
			t.Error("the list shows a secret")
		}
		d := delivery{"push", "same-id", pushOf(pushed("a", "2026-03-02T08:00:00Z"))}
		for i, secret := range []string{one, two, two} {
			if code, body := s.deliver(secret, d); code != http.StatusAccepted {
				t.Fatalf("delivery %d: %d %s", i, code, body)
			}
		}
		for _, name := range []string{"one", "two"} {
			if p := get[projectBody](s, "/api/dora/v1/projects/"+name); p.Entities["commit"] != 1 {
				t.Errorf("%s has %v, want its commit", name, p.Entities)
			}
		}
		if events, _ := s.kept(); events != 2 {
			t.Errorf("%d events, want one for each project", events)
		}
		s.want(204, http.MethodDelete, "/api/dora/v1/sources/"+id, "", nil)
		s.want(404, http.MethodDelete, "/api/dora/v1/sources/"+id, "", nil)
		if code, _ := s.deliver(one, d); code != http.StatusUnauthorized {
			t.Errorf("a removed source is believed: %d", code)
		}
		for body, field := range map[string]string{
			`{"kind":"gitlab","project":"p"}`:              "body.kind",
			`{"kind":"github","project":" "}`:              "body.project",
			`{"kind":"github","project":"p","name":"a b"}`: "body.name",
			`{"kind":"github","project":"p","x":1}`:        "x",
		} {
			s.want(422, http.MethodPost, "/api/dora/v1/sources", body, nil, field)
		}
	})
}

// TestGitHubAloneMovesAllFiveMetrics tells a story in deliveries: two changes
// are pushed and deployed, the second breaks production, and an unplanned third
// deployment mends it.
func TestGitHubAloneMovesAllFiveMetrics(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		n := 0
		send := func(event, body string) {
			t.Helper()
			n++
			if code, text := s.deliver(githubSecret, delivery{event, fmt.Sprintf("s-%d", n), body}); code != http.StatusAccepted {
				t.Fatalf("%s: %d %s", event, code, text)
			}
		}
		deploy := func(id int, commit, created, at string, payload object) {
			t.Helper()
			started, status := deployedOnGitHub(id, commit, created, "success", at, payload)
			send("deployment", started)
			send("deployment_status", status)
		}
		pr := func(action string, more object) string {
			p := object{"number": 7, "title": "b", "html_url": "https://github.example/acme/shop/pull/7", "user": object{"login": "ada"},
				"created_at": "2026-03-02T10:30:00Z", "updated_at": "2026-03-02T10:30:00Z", "head": object{"sha": hash("b")}, "base": object{"ref": "main"}}
			for k, v := range more {
				p[k] = v
			}
			return ofGitHub(object{"action": action, "pull_request": p})
		}
		s.want(200, http.MethodPut, "/api/dora/v1/projects/shop", `{"project":"shop","first_deployment":"attribute"}`, nil)
		send("push", pushOf(pushed("a", "2026-03-02T08:00:00Z")))
		deploy(1, "a", "2026-03-02T08:50:00Z", "2026-03-02T09:00:00Z", nil)
		send("pull_request", pr("opened", nil))
		review := object{"action": "submitted", "review": object{"id": 1, "user": object{"login": "bob"}, "state": "approved", "submitted_at": "2026-03-02T11:00:00Z"},
			"pull_request": object{"number": 7, "title": "b", "user": object{"login": "ada"}, "created_at": "2026-03-02T10:30:00Z", "updated_at": "2026-03-02T11:00:00Z", "head": object{"sha": hash("b")}, "base": object{"ref": "main"}}}
		send("pull_request_review", ofGitHub(review))
		send("push", pushOnto(hash("a"), pushed("b", "2026-03-02T10:00:00Z")))
		send("pull_request", pr("closed", object{"merged_at": "2026-03-02T11:30:00Z", "closed_at": "2026-03-02T11:30:00Z", "merge_commit_sha": hash("b"), "updated_at": "2026-03-02T11:30:00Z"}))
		deploy(2, "b", "2026-03-02T11:40:00Z", "2026-03-02T12:00:00Z", nil)
		send("issues", ofGitHub(object{"action": "opened", "issue": object{"number": 9, "title": "down", "state": "open", "html_url": "https://github.example/acme/shop/issues/9",
			"created_at": "2026-03-02T12:10:00Z", "updated_at": "2026-03-02T12:10:00Z", "user": object{"login": "eve"}, "labels": []object{{"name": "Incident"}}}}))
		send("push", pushOnto(hash("b"), pushed("c", "2026-03-02T12:30:00Z")))
		deploy(3, "c", "2026-03-02T12:50:00Z", "2026-03-02T13:00:00Z", object{"unplanned": true})

		five := s.five("project=shop&from=2026-03-02&to=2026-03-03")
		s.wantValue(five, "deployment_frequency", 3, 3)
		s.wantValue(five, "change_lead_time", 3600, 3) // 1 h, 2 h and half an hour
		s.wantValue(five, "change_fail_rate", 1.0/3, 3)
		s.wantValue(five, "failed_deployment_recovery_time", 3600, 1)
		s.wantValue(five, "deployment_rework_rate", 1.0/3, 3)

		old := s.five("project=shop&from=2026-03-02&to=2026-03-03&profile=devlake-2023")
		// One pull request: 30 min coding, 60 min to the merge, 30 min to the deployment.
		s.wantValue(old, "change_lead_time", 120*60, 1)
		s.wantValue(old, "change_fail_rate", 1.0/3, 3)
	})
}
