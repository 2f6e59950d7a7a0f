package relay_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/migrations"
	"github.com/fawkes-idp/fawkes/services/dora/project"
	"github.com/fawkes-idp/fawkes/services/dora/relay"
	"github.com/fawkes-idp/fawkes/services/dora/relay/devlaketest"
)

// source is a history that tests change.
type source struct {
	mu   sync.Mutex
	revs map[string]int64
	rows map[string]*history.Projection
	gone map[string]bool
}

func newSource() *source {
	return &source{revs: map[string]int64{}, rows: map[string]*history.Projection{}, gone: map[string]bool{}}
}

func (s *source) Heads(context.Context) ([]relay.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []relay.Head
	for _, name := range slices.Sorted(maps.Keys(s.revs)) {
		out = append(out, relay.Head{Project: name, Began: 1, Rev: s.revs[name]})
	}
	return out, nil
}

func (s *source) History(_ context.Context, h relay.Head) (project.Spec, *history.Projection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone[h.Project] {
		return project.Spec{}, nil, relay.ErrGone
	}
	return project.Spec{Project: h.Project}, s.rows[h.Project], nil
}

// set replaces the history of a project; rows are never changed afterwards.
func (s *source) set(name string, rows ...any) {
	p := &history.Projection{Project: name, Lanes: []*history.Lane{{Service: "api", Environment: "production"}}}
	for _, row := range rows {
		switch v := row.(type) {
		case *history.Deployment:
			p.Lanes[0].Deployments = append(p.Lanes[0].Deployments, v)
		case *history.Incident:
			p.Incidents = append(p.Incidents, v)
		case *history.PullRequest:
			p.PullRequests = append(p.PullRequests, v)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[name] = p
	s.revs[name]++
}

var began = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func at(minutes int) event.Time { return event.Micros(began.Add(time.Duration(minutes) * time.Minute)) }

func sha(n int) string { return fmt.Sprintf("%040x", n+1) }

func deployed(id string, n int) *history.Deployment {
	return &history.Deployment{Source: "github", ID: id, Service: "api", Environment: "production", Production: true,
		Repo: "https://github.com/acme/api", SHA: sha(n), Outcome: event.OutcomeSuccess, StartedAt: at(n), FinishedAt: at(n + 1)}
}

func incident(id string, opened, resolved int) *history.Incident {
	i := &history.Incident{Source: "pagerduty", ID: id, Service: "api", Title: "It is down", Severity: "high", OpenedAt: at(opened)}
	if resolved > 0 {
		i.ResolvedAt = at(resolved)
	}
	return i
}

func pull(repo string, number, merged int) *history.PullRequest {
	p := &history.PullRequest{Repo: "https://github.com/acme/" + repo, Number: fmt.Sprint(number), Title: "Change", CreatedAt: at(1), Author: 7, Head: sha(900)}
	if merged > 0 {
		p.MergedAt, p.ClosedAt, p.SHA = at(merged), at(merged), sha(merged)
	}
	return p
}

// quick is a pace at which tests need not wait.
func quick() relay.Pace {
	return relay.Pace{Poll: 5 * time.Millisecond, Backoff: 2 * time.Millisecond, Most: 20 * time.Millisecond, Probe: 5 * time.Millisecond,
		Confirm: 150 * time.Millisecond, Lease: 2 * time.Second, Attempts: 3}
}

func settings(url string) relay.Config {
	return relay.Config{URL: url, Token: devlaketest.Key, Timeout: 2 * time.Second, Pace: quick()}
}

// running is a relay that runs.
type running struct {
	t      *testing.T
	relay  *relay.Relay
	outbox *relay.Outbox
	reg    *prometheus.Registry
	logs   *logs
	end    func()
}

type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func run(t *testing.T, db *sqlstore.DB, cfg relay.Config, s relay.Source) *running {
	t.Helper()
	return runAt(t, db, cfg, s, clock.System())
}

func runAt(t *testing.T, db *sqlstore.DB, cfg relay.Config, s relay.Source, c clock.Clock) *running {
	t.Helper()
	v := &running{t: t, outbox: relay.NewOutbox(db), reg: prometheus.NewRegistry(), logs: &logs{}}
	r, err := relay.New(cfg, v.outbox, s, c, slog.New(slog.NewTextHandler(v.logs, nil)), v.reg)
	if err != nil {
		t.Fatal(err)
	}
	end := r.Begin(t.Context())
	v.relay, v.end = r, sync.OnceFunc(end)
	t.Cleanup(v.end)
	return v
}

func (v *running) status() relay.Status {
	v.t.Helper()
	s, err := v.relay.Status(context.Background())
	if err != nil {
		v.t.Fatal(err)
	}
	return s
}

type totals struct{ pending, sent, dead, discarded, waiting int }

func sum(s relay.Status) (n totals) {
	for _, p := range s.Projects {
		n.pending, n.sent, n.dead, n.discarded = n.pending+p.Pending, n.sent+p.Sent, n.dead+p.Dead, n.discarded+p.Discarded
		for _, w := range p.Waiting {
			n.waiting += w
		}
	}
	return n
}

// until waits for a condition, and says what was wanted when it does not come.
func (v *running) until(what string, ok func(relay.Status) bool) {
	v.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		if ok(v.status()) {
			return
		}
		<-tick.C
	}
	v.t.Fatalf("never: %s; status %+v\nlog:\n%s", what, v.status(), v.logs)
}

// settled waits until nothing is pending and so many are sent.
func (v *running) settled(sent int) {
	v.t.Helper()
	v.until(fmt.Sprintf("%d sent, none pending", sent), func(s relay.Status) bool {
		n := sum(s)
		return n.pending == 0 && n.sent == sent
	})
}

func onEach(t *testing.T, f func(t *testing.T, db *sqlstore.DB)) {
	t.Helper()
	storetest.Each(t, migrations.FS, f)
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

type labelPair = *dto.LabelPair

// serve runs a handler and gives its address.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	v := httptest.NewServer(h)
	t.Cleanup(v.Close)
	return v.URL
}
