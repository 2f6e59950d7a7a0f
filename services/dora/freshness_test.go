package dora

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// TestDashboardsAreNotBlankWhileRecomputing holds the storing of a projection
// back, once because a claim moved events while nobody followed and once in Derive:
// until it is done, questions are answered from the old one.
func TestDashboardsAreNotBlankWhileRecomputing(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.tell()
		before := s.five("project=shop&from=2026-03-02&to=2026-03-12")
		s.caughtUp()
		s.stop()
		if _, err := s.db.Write.Exec(`UPDATE head SET origins = 0`); err != nil {
			t.Fatal(err)
		}
		gate := make(chan struct{})
		var held atomic.Bool
		held.Store(true)
		next := serve(t, s.db, &watched{Store: s.store, before: func(method string) error {
			if method == "PutBlocks" && held.Load() {
				<-gate
			}
			return nil
		}})
		same := func(when string) {
			t.Helper()
			now := next.five("project=shop&from=2026-03-02&to=2026-03-12")
			for name, want := range before {
				m := now[name]
				if (m.Value == nil) != (want.Value == nil) || m.Value != nil && *m.Value != *want.Value || m.N != want.N {
					t.Errorf("%s is %+v %s, was %+v", name, m, when, want)
				}
			}
			if n := len(get[struct{ Items []object }](next, projectsPath).Items); n != 1 {
				t.Errorf("%d projects %s", n, when)
			}
		}
		same("while everything is derived anew")
		held.Store(false)
		close(gate)
		next.caughtUp()
		same("once everything was derived anew")
		if h, err := s.store.Head(t.Context(), "shop"); err != nil || h.Origins == 0 {
			t.Errorf("the head is %+v %v", h, err)
		}
		next.stop()
		next.sameAnew()
		// Derive, which makes everything anew as well, drops nothing meanwhile.
		calls := 0
		err := Derive(t.Context(), &watched{Store: s.store, before: func(method string) error {
			if method == "DropProjection" {
				t.Error("the projection was dropped before the new one was there")
			}
			if method == "PutBlocks" {
				calls++
				same("within Derive")
			}
			return nil
		}}, clock.System(), s.svc.log)
		if err != nil || calls == 0 {
			t.Errorf("Derive stored %d revisions: %v", calls, err)
		}
	})
}

// TestBlocksOfAnotherVersionAreNotRead: what they mean is not known, so the
// answer is that it takes a moment, until they are derived anew.
func TestBlocksOfAnotherVersionAreNotRead(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.tell()
		s.caughtUp()
		s.stop()
		if _, err := s.db.Write.Exec(`UPDATE head SET format = 0`); err != nil {
			t.Fatal(err)
		}
		next := serve(t, s.db, s.store)
		next.caughtUp()
		s.wantValue(next.five("project=shop&from=2026-03-02&to=2026-03-03"), "deployment_frequency", 1, 1)
		next.stop()
		if _, err := s.db.Write.Exec(`UPDATE head SET format = 99, rev = rev + 1`); err != nil {
			t.Fatal(err)
		}
		next.want(503, http.MethodGet, "/api/dora/v1/metrics?project=shop", "", nil, "derived anew")
	})
}

// TestAReaderFollowsOverADroppedProjection has a projection dropped and made
// anew, with fewer revisions than the reader has seen, under its feet.
func TestAReaderFollowsOverADroppedProjection(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for n := range 6 {
			s.post(deploymentLine(fmt.Sprint(n), fmt.Sprint("c", n), fmt.Sprintf("2026-03-0%dT10:00:00Z", n+1)))
			if got, _ := s.walk("/api/dora/v1/deployments?project=shop", "id", 100); len(got) != n+1 {
				t.Fatalf("deployments %v", got)
			}
		}
		s.stop()
		ctx := t.Context()
		for round := range 2 {
			if err := s.store.DropProjection(ctx, claim(t, s.store, "a test", "shop")); err != nil {
				t.Fatal(err)
			}
			if round == 0 {
				s.want(404, http.MethodGet, projectsPath+"/shop", "", nil)
			}
			s.append(deploymentLine(fmt.Sprint("late", round), "x", "2026-03-20T10:00:00Z"))
			if err := Derive(ctx, s.store, s.clock, s.svc.log); err != nil {
				t.Fatal(err)
			}
			if got, _ := s.walk("/api/dora/v1/deployments?project=shop", "id", 100); len(got) != 7+round {
				t.Errorf("made anew: deployments %v", got)
			}
		}
	})
}

// TestWhoWritesReadsIt has many clients write and read at once: each sees its own
// event in the next answer.
func TestWhoWritesReadsIt(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		const clients, writes = 6, 8
		var wg sync.WaitGroup
		for c := range clients {
			wg.Go(func() {
				for n := range writes {
					id, name := fmt.Sprintf("%d-%d", c, n), fmt.Sprintf("p%d", c%3)
					code, text := s.call(http.MethodPost, "/api/dora/v1/events", deploymentLine(id, "a", "2026-03-02T10:00:00Z", "project", name))
					if code != http.StatusAccepted {
						t.Errorf("%d %s", code, text)
						return
					}
					if code, text := s.call(http.MethodGet, "/api/dora/v1/deployments?limit=1000&project="+name, ""); code != 200 || !strings.Contains(text, fmt.Sprintf("%q", id)) {
						t.Errorf("%s was acknowledged, and is not in the answer %d", id, code)
					}
				}
			})
		}
		wg.Wait()
		s.stop()
		s.sameAnew()
	})
}

// TestNobodyWaitsForAProjectorThatStopped: a question is answered from what
// there is, and says how much is missing.
func TestNobodyWaitsForAProjectorThatStopped(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.tell()
		s.five("project=shop")
		waited := make(chan bool)
		go func() { waited <- s.svc.projector.wait(context.Background(), progress{seq: 1 << 40}) }()
		s.stop()
		select {
		case reached := <-waited:
			if reached {
				t.Error("a waiter heard that the projection has come as far as it never will")
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a waiter was left waiting")
		}
		s.append(deploymentLine("unseen", "x", "2026-03-20T10:00:00Z"), deploymentLine("unseen 2", "x", "2026-03-20T10:00:00Z"))
		r := get[struct {
			Stale   bool
			Pending int64 `json:"pending_events"`
		}](s, "/api/dora/v1/metrics?project=shop")
		if !r.Stale || r.Pending != 2 {
			t.Errorf("%+v, want a stale answer that lacks 2 events", r)
		}
		s.want(200, http.MethodPut, projectsPath+"/other", `{"project":"other"}`, nil, `"declared":true`)
	})
}

// TestReadinessSaysWhatIsWrong goes from before the start over a fault to its
// end.
func TestReadinessSaysWhatIsWrong(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		faults := func(v *server) string {
			var out []string
			for _, c := range v.svc.ready(t.Context()) {
				if c.Err != nil {
					out = append(out, c.Name)
				}
			}
			return strings.Join(out, ", ")
		}
		s.caughtUp()
		s.tell()
		s.caughtUp()
		if got := faults(s); got != "" {
			t.Errorf("a service that works says of itself: %s", got)
		}
		s.stop()
		if got := faults(s); got != "projection" {
			t.Errorf("stopped, it says %q, want the projection", got)
		}
		f := &flaky{rand: rand.New(rand.NewPCG(1, 1)), one: 1}
		failing := make(chan struct{}, 1)
		bad := serve(t, s.db, &watched{Store: s.store, before: func(method string) error {
			if method == "Marks" {
				select {
				case failing <- struct{}{}:
				default:
				}
				return f.hiccup(method)
			}
			return nil
		}})
		<-failing
		if got := faults(bad); got != "projection" {
			t.Errorf("while the store fails it says %q, want the projection", got)
		}
		f.set(0)
		bad.caughtUp()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		bad.svc.projector.awaitHealth(ctx)
		if got := faults(bad); got != "" {
			t.Errorf("recovered, it says %s", got)
		}
	})
}

// awaitHealth waits until the projector has no fault.
func (p *projector) awaitHealth(ctx context.Context) {
	for {
		p.mu.Lock()
		err, changed := p.err, p.changed
		p.mu.Unlock()
		if err == nil {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
