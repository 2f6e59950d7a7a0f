package dora

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
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
	db      *sqlstore.DB
	svc     *Service
	store   Store
	handler http.Handler
	clock   *clock.Manual
	people  *people
	metrics *prometheus.Registry
	stop    func() // ends the following of the log
}

// each runs a test of the service on both engines.
func each(t *testing.T, run func(t *testing.T, s *server)) {
	t.Helper()
	storetest.Each(t, Migrations(), func(t *testing.T, db *sqlstore.DB) { run(t, serve(t, db, NewStore(db))) })
}

// onSQLite runs a test of what no engine has a part in, on SQLite alone.
func onSQLite(t *testing.T, run func(t *testing.T, s *server)) {
	t.Helper()
	db := storetest.OpenSQLite(t, Migrations())
	run(t, serve(t, db, NewStore(db)))
}

// serve starts the service on a store of a database.
func serve(t *testing.T, db *sqlstore.DB, store Store) *server {
	t.Helper()
	return serveAs(t, db, store, Config{GitHubSecret: githubSecret, GitHubIncidentLabels: []string{"incident"}})
}

// serveAs is serve with settings of the test's own.
func serveAs(t *testing.T, db *sqlstore.DB, store Store, cfg Config) *server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	c := clock.NewManual(time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC))
	people, reg := newPeople(t, c), prometheus.NewRegistry()
	verifier, err := auth.NewVerifier(auth.Options{Audience: "dora", StaticToken: operatorToken, Issuer: people, Clock: c, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	svc, err := New(cfg, store, c, log, reg, verifier)
	if err != nil {
		t.Fatal(err)
	}
	api := httpapi.New(httpapi.Options{Service: "dora", Title: "Delivery metrics", Version: "1", Log: log, Verifier: verifier, Clock: c})
	svc.register(api)
	s := &server{t: t, db: db, svc: svc, store: store, handler: api.Handler(), clock: c, people: people, metrics: reg}
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

// people makes the tokens of people, as identity does.
type people struct {
	t     *testing.T
	clock clock.Clock
	key   ed25519.PrivateKey
}

func newPeople(t *testing.T, c clock.Clock) *people {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &people{t, c, key}
}

// Keys implements auth.Issuer.
func (p *people) Keys(context.Context) (jose.JSONWebKeySet, error) {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k", Algorithm: "EdDSA", Use: "sig"}}}, nil
}

// Exchange implements auth.Issuer.
func (p *people) Exchange(context.Context, auth.Credential, string) (string, error) {
	return "", auth.ErrRefused
}

// token is that of someone with some scopes, for some projects or for all.
func (s *server) token(scopes string, projects ...string) string {
	s.t.Helper()
	now := s.clock.Now()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: s.people.key, KeyID: "k"}},
		(&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(auth.Claims{
		Issuer: auth.IssuerName, Subject: "someone", Audience: "dora", Kind: auth.KindPerson, Scope: scopes, Projects: projects,
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(auth.MaxExchanged).Unix(), ID: "1",
	}).Serialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// want calls and checks the status and that the answer holds some texts.
func (s *server) want(status int, method, path, body string, header []string, texts ...string) string {
	s.t.Helper()
	code, answer := s.call(method, path, body, header...)
	if code != status {
		s.t.Errorf("%s %s: %d %s; want %d", method, path, code, answer, status)
	}
	for _, text := range texts {
		if !strings.Contains(answer, text) {
			s.t.Errorf("%s %s: %d %s; want %q in it", method, path, code, answer, text)
		}
	}
	return answer
}

// counted is the value of a counter whose labels have these values, in the order
// of the labels' names.
func (s *server) counted(name string, values ...string) float64 {
	s.t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var got []string
			for _, l := range m.GetLabel() {
				got = append(got, l.GetValue())
			}
			if slices.Equal(got, values) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// kept is what the log and the quarantine hold, to see whether a request changed
// anything.
func (s *server) kept() (events, quarantined int) {
	s.t.Helper()
	log, err := s.store.Events(context.Background(), 0, 100_000)
	if err != nil {
		s.t.Fatal(err)
	}
	rows, err := s.store.Quarantined(context.Background(), QuarantineFilter{}, 0, 10_000)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(log), len(rows)
}

// metric is one of the five in a report.
type metric struct {
	Metric       string
	Value        *float64
	N            int
	Reason       *string
	Completeness struct{ Linked, Total int }
}

// five asks for a report and gives its metrics by name.
func (s *server) five(query string) map[string]metric {
	s.t.Helper()
	out := map[string]metric{}
	for _, m := range get[struct{ Metrics []metric }](s, "/api/dora/v1/metrics?"+query).Metrics {
		out[m.Metric] = m
	}
	return out
}

// wantValue checks the value of one metric.
func (s *server) wantValue(five map[string]metric, name string, want float64, n int) {
	s.t.Helper()
	m := five[name]
	if m.Value == nil || math.Abs(*m.Value-want) > 1e-9*max(1, want) || m.N != n {
		text := "null"
		if m.Value != nil {
			text = fmt.Sprint(*m.Value)
		}
		s.t.Errorf("%s is %s of n = %d, want %g of %d", name, text, m.N, want, n)
	}
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
