package dora

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/services/dora/relay"
	"github.com/fawkes-idp/fawkes/services/dora/relay/devlaketest"
)

// relays is a service that relays to a DevLake, on both engines.
func relays(t *testing.T, address, token string, run func(t *testing.T, s *server)) {
	t.Helper()
	storetest.Each(t, Migrations(), func(t *testing.T, db *sqlstore.DB) {
		run(t, serveAs(t, db, NewStore(db), Config{
			GitHubSecret: githubSecret, GitHubIncidentLabels: []string{"incident"}, Outbox: relay.NewOutbox(db),
			DevLake: relay.Config{URL: address, Token: token, Timeout: 5 * time.Second, Pace: relay.Pace{Poll: 5 * time.Millisecond}},
		}))
	})
}

type relayAnswer struct {
	Configured                   bool
	Reachable                    *bool
	Pending, Sent, Dead, Waiting int
	LastError                    *string `json:"last_error"`
	Projects                     []struct{ Project string }
}

// until asks the relay's status until it is as wanted.
func (s *server) until(what string, ok func(relayAnswer) bool) {
	s.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		if ok(get[relayAnswer](s, "/api/dora/v1/relay")) {
			return
		}
		<-tick.C
	}
	_, text := s.call(http.MethodGet, "/api/dora/v1/relay", "")
	s.t.Fatalf("never: %s; %s", what, text)
}

func TestEverySourceIsRelayed(t *testing.T) {
	storetest.Each(t, Migrations(), func(t *testing.T, db *sqlstore.DB) {
		lake := devlaketest.New(t, "/api")
		s := serveAs(t, db, NewStore(db), Config{GitHubSecret: githubSecret, GitHubIncidentLabels: []string{"incident"}, Outbox: relay.NewOutbox(db),
			DevLake: relay.Config{URL: lake.URL, Token: devlaketest.Key, Pace: relay.Pace{Poll: 5 * time.Millisecond}}})
		digest := "sha256:" + strings.Repeat("ab", 32)
		s.post(
			commitLine("a", "2026-03-02T08:00:00Z"),
			deploymentLine("1", "a", "2026-03-02T10:00:00Z"),
			line(object{"type": "deployment", "id": "by-digest", "project": "shop", "service": "api", "environment": "staging", "digest": digest,
				"outcome": "success", "started_at": "2026-03-02T11:00:00Z", "finished_at": "2026-03-02T11:05:00Z"}),
			line(object{"type": "incident", "id": "7", "project": "shop", "service": "api", "opened_at": "2026-03-02T10:30:00Z"}),
			line(object{"type": "pull_request", "project": "shop", "repo": testRepo, "number": "12", "created_at": "2026-03-01T10:30:00Z", "merged_at": "2026-03-02T07:30:00Z"}),
		)
		s.until("three sent and one waits", func(a relayAnswer) bool { return a.Sent == 3 && a.Pending == 0 && a.Waiting == 1 })
		// A report of another kind brings what was missing, another the end of the incident.
		s.post(line(object{"type": "artifact", "digest": digest, "repo": testRepo, "sha": hash("a"), "project": "shop"}),
			line(object{"type": "incident", "id": "7", "project": "shop", "service": "api", "opened_at": "2026-03-02T10:30:00Z", "resolved_at": "2026-03-02T10:50:00Z"}))
		s.until("all four sent", func(a relayAnswer) bool {
			return a.Sent == 4 && a.Pending == 0 && a.Waiting == 0 && lake.Issues()["webhook:1:events/7"]["resolutionDate"] == "2026-03-02T10:50:00Z"
		})
		if d := lake.Deployments()["shop/events/by-digest"]; d["environment"] != "STAGING" {
			t.Errorf("the deployment by digest is %v", d)
		}
		found := false
		for key, c := range lake.Commits() {
			found = found || strings.Contains(key, "by-digest") && c["commitSha"] == hash("a") && c["repoUrl"] == testRepo
		}
		if !found {
			t.Errorf("the source of the image did not arrive: %v", lake.Commits())
		}
		if s.counted("fawkes_dora_relay_requests_total", "deployment", "accepted") != 2 {
			t.Error("the accepted deployments are not counted")
		}
	})
}

func TestWhatTheRelaySendsOurOwnWebhookAPITakes(t *testing.T) {
	onSQLite(t, func(t *testing.T, receiver *server) {
		lake := devlaketest.New(t, "") // for what is no webhook: projects and blueprints
		to, err := url.Parse(lake.URL)
		if err != nil {
			t.Fatal(err)
		}
		rest := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Set("Authorization", "Bearer "+devlaketest.Key)
		}}
		mux := http.NewServeMux()
		mux.Handle("/rest/", rest)
		mux.Handle("/rest/plugins/webhook/", receiver.handler)
		web := httptest.NewServer(mux)
		defer web.Close()
		relays(t, web.URL, operatorToken, func(t *testing.T, s *server) {
			s.post(
				commitLine("a", "2026-03-02T08:00:00Z"),
				deploymentLine("1", "a", "2026-03-02T10:00:00Z"),
				deploymentLine("2", "a", "2026-03-02T11:00:00Z", "outcome", "aborted", "environment", "testing"),
				line(object{"type": "incident", "id": "7", "project": "shop", "service": "api", "opened_at": "2026-03-02T10:30:00Z", "resolved_at": "2026-03-02T10:50:00Z"}),
				line(object{"type": "pull_request", "project": "shop", "repo": "https://git.example/acme/shop", "number": "12", "created_at": "2026-03-01T10:30:00Z", "merged_at": "2026-03-02T07:30:00Z"}),
			)
			s.until("all sent", func(a relayAnswer) bool { return a.Sent == 4 && a.Pending == 0 && a.Dead == 0 })
		})
		_, quarantined := receiver.kept()
		if quarantined != 0 {
			t.Errorf("%d of the bodies could not be read", quarantined)
		}
		got := get[struct {
			Items []struct{ ID, SHA, Outcome string }
		}](receiver, "/api/dora/v1/deployments?project=fawkes-shop&environment=production").Items
		if len(got) != 1 || got[0].ID != "shop/events/1" || got[0].SHA != hash("a") || got[0].Outcome != "success" {
			t.Errorf("the receiver has the deployments %+v", got)
		}
		incidents := get[struct {
			Items []struct {
				ID         string
				ResolvedAt string `json:"resolved_at"`
			}
		}](receiver, "/api/dora/v1/incidents?project=fawkes-shop").Items
		if len(incidents) != 1 || incidents[0].ResolvedAt != "2026-03-02T10:50:00Z" {
			t.Errorf("the receiver has the incidents %+v", incidents)
		}
	})
}

func TestTheRelayShowsAndMendsWhatDevLakeRefused(t *testing.T) {
	lake := devlaketest.New(t, "")
	refuse := func(r *http.Request) *devlaketest.Fault {
		if strings.HasSuffix(r.URL.Path, "/deployments") {
			return &devlaketest.Fault{Status: 400, Before: true, Message: "the deployment is too strange"}
		}
		return nil
	}
	relays(t, lake.URL, devlaketest.Key, func(t *testing.T, s *server) {
		lake.SetFail(refuse)
		s.post(deploymentLine("1", "a", "2026-03-02T10:00:00Z"), deploymentLine("2", "b", "2026-03-02T11:00:00Z"))
		s.until("both dead", func(a relayAnswer) bool { return a.Dead == 2 && *a.Reachable })
		dead := get[struct {
			Items []struct {
				ID, Project, Kind, Entity, Error, Body string
				Status                                 int
			}
		}](s, "/api/dora/v1/relay/dead-letters").Items
		if len(dead) != 2 || dead[0].Status != 400 || dead[0].Kind != "deployment" || !strings.Contains(dead[0].Error, "too strange") || !strings.Contains(dead[0].Body, "deploymentCommits") {
			t.Fatalf("the dead letters are %+v", dead)
		}
		at := "/api/dora/v1/relay/dead-letters"
		lake.SetFail(nil)
		reader := []string{"Authorization", "Bearer " + s.token("dora:read")}
		stranger := []string{"Authorization", "Bearer " + s.token("dora:read dora:admin", "other")}
		s.want(http.StatusForbidden, http.MethodPost, at+"/"+dead[0].ID+"/retry", "", reader)
		s.want(http.StatusNotFound, http.MethodPost, at+"/"+dead[0].ID+"/retry", "", stranger)
		s.want(http.StatusForbidden, http.MethodPost, at+":discard", "", stranger)
		s.want(http.StatusOK, http.MethodGet, "/api/dora/v1/relay", "", stranger, `"projects":[]`, `"dead":0`)
		s.want(http.StatusNotFound, http.MethodPost, at+"/999999/discard", "", nil, "there is no dead letter")
		s.want(http.StatusOK, http.MethodPost, at+"/"+dead[0].ID+"/retry", "", nil, `"changed":1`)
		s.until("one sent", func(a relayAnswer) bool { return a.Sent == 1 && a.Dead == 1 })
		s.want(http.StatusOK, http.MethodPost, at+"/"+dead[1].ID+"/discard", "", nil, `"changed":1`)
		s.want(http.StatusOK, http.MethodPost, at+":retry", "", nil, `"changed":0`)
		s.want(http.StatusOK, http.MethodGet, "/api/dora/v1/audit", "", nil, "relay.retried", "relay.discarded")
		s.until("none dead", func(a relayAnswer) bool { return a.Sent == 1 && a.Dead == 0 && a.Pending == 0 })
	})
}

func TestADevLakeThatIsDownLeavesTheServiceReady(t *testing.T) {
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	relays(t, down.URL, devlaketest.Key, func(t *testing.T, s *server) {
		s.post(deploymentLine("1", "a", "2026-03-02T10:00:00Z"))
		s.until("the fault shows", func(a relayAnswer) bool { return a.LastError != nil && a.Pending == 1 })
		for _, c := range s.svc.ready(t.Context()) {
			if c.Err != nil {
				t.Errorf("%s is not ready: %v", c.Name, c.Err)
			}
		}
	})
}

func TestWithoutADevLakeTheStatusSaysSo(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.want(http.StatusOK, http.MethodGet, "/api/dora/v1/relay", "", nil, `"configured":false`, `"projects":[]`)
		s.want(http.StatusOK, http.MethodGet, "/api/dora/v1/relay/dead-letters", "", nil, `"items":[]`)
		s.want(http.StatusNotFound, http.MethodPost, "/api/dora/v1/relay/dead-letters/1/retry", "", nil, "there is no dead letter 1")
		s.want(http.StatusOK, http.MethodPost, "/api/dora/v1/relay/dead-letters:retry", "", nil, `"changed":0`)
	})
}
