package dora

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
)

const (
	operatorToken = "test-operator-token-of-more-than-32-characters"
	githubSecret  = "a secret for the tests of deliveries"
)

// server is the service with its real handler on a real database.
type server struct {
	t       *testing.T
	svc     *Service
	store   Store
	handler http.Handler
	clock   *clock.Manual
	stop    func()
}

// each runs a test of the service on both engines.
func each(t *testing.T, run func(t *testing.T, s *server)) {
	t.Helper()
	storetest.Each(t, Migrations(), func(t *testing.T, db *sqlstore.DB) { run(t, serve(t, db)) })
}

func serve(t *testing.T, db *sqlstore.DB) *server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	c := clock.NewManual(time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC))
	verifier, err := auth.NewVerifier(auth.Options{Audience: "dora", StaticToken: operatorToken, Clock: c, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	store := NewStore(db)
	svc, err := New(Config{GitHubSecret: githubSecret, GitHubIncidentLabels: []string{"incident"}}, store, c, log, prometheus.NewRegistry(), verifier)
	if err != nil {
		t.Fatal(err)
	}
	api := httpapi.New(httpapi.Options{Service: "dora", Title: "Delivery metrics", Version: "1", Log: log, Verifier: verifier, Clock: c})
	svc.register(api)
	s := &server{t: t, svc: svc, store: store, handler: api.Handler(), clock: c}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := svc.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	s.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(func() {
		s.stop()
		if err := svc.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// call sends a request as the operator and returns status and body.
func (s *server) call(method, path, body string, header ...string) (int, string) {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+operatorToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// get decodes the answer of a question that must succeed.
func get[T any](s *server, path string) T {
	s.t.Helper()
	code, body := s.call(http.MethodGet, path, "")
	if code != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", path, code, body)
	}
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		s.t.Fatalf("GET %s: %v in %s", path, err, body)
	}
	return v
}

// post sends lines of the bulk format, all of which must be taken.
func (s *server) post(lines ...string) batchResult {
	s.t.Helper()
	code, body := s.call(http.MethodPost, "/api/dora/v1/events:batch", strings.Join(lines, "\n"))
	var res batchResult
	if err := json.Unmarshal([]byte(body), &res); err != nil || code != http.StatusOK || res.Rejected > 0 {
		s.t.Fatalf("POST events:batch: %d %s", code, body)
	}
	return res
}

type object = map[string]any

func hash(name string) string { return fmt.Sprintf("%040x", name) }

const testRepo = "https://git.example/shop.git"

func commitLine(name, authored string, parents ...string) string {
	hashes := make([]string, len(parents))
	for i, p := range parents {
		hashes[i] = hash(p)
	}
	return line(object{"type": "commit", "repo": testRepo, "sha": hash(name), "parents": hashes, "author": "ada", "authored_at": authored, "committed_at": authored})
}

func deploymentLine(id, commit, finished string, more ...any) string {
	o := object{"type": "deployment", "id": id, "project": "shop", "service": "api", "environment": "production", "repo": testRepo,
		"sha": hash(commit), "outcome": "success", "started_at": finished, "finished_at": finished}
	for i := 0; i+1 < len(more); i += 2 {
		o[more[i].(string)] = more[i+1]
	}
	return line(o)
}

// line writes an object with its type first.
func line(o object) string {
	typ := o["type"]
	delete(o, "type")
	rest, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"type":%q,%s`, typ, bytes.TrimPrefix(rest, []byte("{")))
}

func TestHistoryInMetricsOut(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.post(
			commitLine("a", "2026-03-02T08:00:00Z"),
			commitLine("b", "2026-03-02T09:00:00Z", "a"),
			commitLine("c", "2026-03-02T11:00:00Z", "b"),
			deploymentLine("1", "a", "2026-03-02T10:00:00Z"),
			deploymentLine("2", "c", "2026-03-02T12:00:00Z"),
		)
		r := get[struct {
			Stale   bool
			Metrics []struct {
				Metric string
				Value  *float64
				N      int
			}
		}](s, "/api/dora/v1/metrics?project=shop")
		if r.Stale || len(r.Metrics) != 5 {
			t.Fatalf("got %+v", r)
		}
		for _, m := range r.Metrics {
			if m.Metric == "change_lead_time" && (m.Value == nil || *m.Value != 2*3600 || m.N != 2) {
				t.Errorf("lead time: %v, n = %d; want the median of 3 h and 1 h", m.Value, m.N)
			}
		}
		again := s.post(commitLine("a", "2026-03-02T08:00:00Z"), deploymentLine("1", "a", "2026-03-02T10:00:00Z"))
		if again.Stored != 0 || again.Duplicates != 2 {
			t.Errorf("sent again: %+v, want two duplicates", again)
		}
	})
}

func TestEventsWithoutAProjectFollowTheirRepository(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.post(commitLine("a", "2026-03-02T08:00:00Z"))
		names := func() (out []string) {
			for _, p := range get[struct{ Items []struct{ Project string } }](s, "/api/dora/v1/projects").Items {
				out = append(out, p.Project)
			}
			return out
		}
		if got := names(); len(got) != 1 || got[0] != "shop" {
			t.Errorf("a repository that nobody claims: projects %v, want its own name", got)
		}
		s.post(deploymentLine("1", "a", "2026-03-02T10:00:00Z", "project", "web"))
		if got := names(); len(got) != 1 || got[0] != "web" {
			t.Errorf("once a project claims it: projects %v, want that one", got)
		}
		d := get[struct{ Items []struct{ Changes int } }](s, "/api/dora/v1/deployments?project=web").Items
		if len(d) != 1 || d[0].Changes != 1 {
			t.Errorf("deployments %+v, want one with the commit that came before", d)
		}
	})
}

func TestEvidenceOfADeployment(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.post(commitLine("a", "2026-03-02T08:00:00Z"), deploymentLine("v/1", "a", "2026-03-02T10:00:00Z"))
		e := get[deploymentEvidence](s, "/api/dora/v1/deployments/events%2Fv%2F1/evidence?project=shop")
		if e.Deployment.ID != "v/1" || len(e.Changes) != 1 || len(e.Events) != 1 || len(e.Notes) == 0 {
			t.Errorf("got %+v", e)
		}
		c := get[changeEvidence](s, "/api/dora/v1/changes/"+hash("a")+"/evidence?project=shop")
		if len(c.Deployments) != 1 {
			t.Errorf("got %+v", c)
		}
	})
}

func TestUnknownProjectSaysHowToBeginOne(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		code, body := s.call(http.MethodGet, "/api/dora/v1/metrics?project=nope", "")
		if code != http.StatusNotFound || !strings.Contains(body, "unknown_project") || !strings.Contains(body, "fawkes dora import git") {
			t.Errorf("%d %s", code, body)
		}
	})
}
