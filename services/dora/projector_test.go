package dora

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history/historytest"
)

// append stores lines without the service's knowledge, as another process would.
func (s *server) append(lines ...string) {
	s.t.Helper()
	var events []event.Event
	for _, l := range lines {
		e, err := event.ParseLine([]byte(l), event.SourceBulk, "")
		if err != nil {
			s.t.Fatal(err)
		}
		events = append(events, e)
	}
	records, err := s.svc.records(events)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.store.Append(context.Background(), records); err != nil {
		s.t.Fatal(err)
	}
}

// sameAnew compares every stored projection with one made anew from the log.
// Nobody may follow the log any more.
func (s *server) sameAnew() {
	s.t.Helper()
	ctx := context.Background()
	all := func() map[string]map[string]string {
		heads, err := s.store.Heads(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		out := map[string]map[string]string{}
		for _, h := range heads {
			out[h.Project] = map[string]string{}
			for key, body := range stored(s.t, s.store, h.Project) {
				out[h.Project][key] = string(body)
			}
		}
		return out
	}
	grew := all()
	if len(grew) == 0 {
		s.t.Fatal("nothing is stored")
	}
	for name := range grew {
		if err := s.store.DropProjection(ctx, claim(s.t, s.store, "a test", name)); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := Derive(ctx, s.store, s.clock, s.svc.log); err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(grew, all()); diff != "" {
		s.t.Errorf("what was stored is not what the log says (-stored +anew):\n%s", diff)
	}
}

// caughtUp waits until the projection holds the whole log.
func (s *server) caughtUp() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	marks, err := s.store.Marks(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	if !s.svc.projector.wait(ctx, marks) {
		s.t.Fatalf("the projection is at %+v, the log at %+v: %v", s.svc.projector.position(), marks, s.svc.projector.fault())
	}
}

// TestARestartGoesOnWhereItWas stops the service between batches, stores more
// behind its back, and starts it again several times.
func TestARestartGoesOnWhereItWas(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for round := range 4 {
			s.append(commitLine(fmt.Sprintf("r%d", round), "2026-03-02T08:00:00Z"), deploymentLine(fmt.Sprintf("r%d", round), fmt.Sprintf("r%d", round), fmt.Sprintf("2026-03-0%dT10:00:00Z", round+2)))
			next := serve(t, s.db, s.store)
			if n, _ := next.walk("/api/dora/v1/deployments?project=shop", "id", 100); len(n) != round+1 {
				t.Errorf("after restart %d there are the deployments %v", round, n)
			}
			next.stop()
		}
		// The one from the beginning followed all the while; it is stopped now, and
		// what is stored is whole. A further start has nothing to read again.
		s.caughtUp()
		s.stop()
		var reads atomic.Int64
		idle := serve(t, s.db, &watched{Store: s.store, before: func(method string) error {
			if method == "EventsOf" || method == "PutBlocks" {
				reads.Add(1)
			}
			return nil
		}})
		if n, _ := idle.walk("/api/dora/v1/deployments?project=shop", "id", 100); len(n) != 4 {
			t.Errorf("deployments %v", n)
		}
		idle.stop()
		if reads.Load() != 0 {
			t.Errorf("a start on a whole projection derived %d times", reads.Load())
		}
		idle.sameAnew()
	})
}

// TestAClaimThatComesWhileNobodyFollowsMovesEvents ends the process after a
// claim was stored and before anything was derived under it.
func TestAClaimThatComesWhileNobodyFollowsMovesEvents(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.post(commitLine("a", "2026-03-02T08:00:00Z"), deploymentLine("1", "a", "2026-03-02T10:00:00Z", "project", "m"))
		if p := get[projectBody](s, projectsPath+"/m"); p.Entities["commit"] != 1 {
			t.Fatalf("m has %v, want the commit", p.Entities)
		}
		s.stop()
		s.append(deploymentLine("2", "a", "2026-03-02T11:00:00Z", "project", "b")) // b stands before m
		next := serve(t, s.db, s.store)
		for name, commits := range map[string]int{"m": 0, "b": 1} {
			if p := get[projectBody](next, projectsPath+"/"+name); p.Entities["commit"] != commits || p.Entities["deployment"] != 1 {
				t.Errorf("%s has %v, want %d commits and a deployment", name, p.Entities, commits)
			}
		}
		next.stop()
		next.sameAnew()
	})
}

// TestAnOriginWithoutEventsClaimsNothing has the storing of an event fail after
// its origin was made.
func TestAnOriginWithoutEventsClaimsNothing(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.post(commitLine("a", "2026-03-02T08:00:00Z"))
		if _, err := s.store.(*sqlStore).makeOrigin(t.Context(), Origin{Project: "ghost", Source: "events", Type: event.TypeDeployment, Repo: testRepo}); err != nil {
			t.Fatal(err)
		}
		s.post(commitLine("b", "2026-03-02T09:00:00Z"), line(object{"type": "artifact", "digest": "sha256:abcd", "repo": testRepo, "sha": hash("a")}))
		if p := get[projectBody](s, projectsPath+"/shop"); p.Entities["commit"] != 2 {
			t.Errorf("shop has %v, want both commits", p.Entities)
		}
		s.want(404, http.MethodGet, projectsPath+"/ghost", "", nil)
	})
}

// TestAStoreThatHiccupsLosesAndDoublesNothing has one call in eight fail, before
// or after it was carried out, while several clients send histories and try
// again as the answers tell them to.
func TestAStoreThatHiccupsLosesAndDoublesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.stop()
		f := &flaky{rand: rand.New(rand.NewPCG(7, 7)), one: 16}
		w := &watched{Store: s.store, before: f.hiccup, after: f.hiccup}
		bad := serve(t, s.db, w)
		const clients = 4
		var wg sync.WaitGroup
		keys := make([]map[event.Key]bool, clients)
		for c := range clients {
			keys[c] = map[event.Key]bool{}
			wg.Go(func() {
				for i, group := range historytest.Groups(int64(c), historytest.Generate(int64(c), 8)) {
					for n := range group {
						group[n].Project = fmt.Sprintf("p%d", c)
					}
					records, err := bad.svc.records(group)
					if err != nil {
						t.Error(err)
						return
					}
					for _, r := range records {
						keys[c][r.Key] = true
					}
					acknowledged := false
					for range 1000 {
						if _, err := bad.svc.Take(context.Background(), group); err == nil {
							acknowledged = true
							break
						} else if !errors.Is(err, errFlaky) {
							t.Error(err)
							return
						}
					}
					if !acknowledged {
						t.Errorf("group %d of client %d was never taken", i, c)
					}
				}
			})
		}
		wg.Wait()
		f.set(0)
		bad.caughtUp()
		// A look at the log may have failed since all was there; the next does not.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		bad.svc.projector.awaitHealth(ctx)
		if err := bad.svc.projector.fault(); err != nil {
			t.Errorf("the projector recovered, and says %v", err)
		}
		bad.stop()
		want := 0
		for _, k := range keys {
			want += len(k)
		}
		if events, _ := s.kept(); events != want {
			t.Errorf("%d events in the log, want the %d that were acknowledged", events, want)
		}
		s.sameAnew()
	})
}

// TestHalfOfARevisionIsForgotten has the writing of a revision fail in the
// middle; what it left must not become part of the next.
func TestHalfOfARevisionIsForgotten(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.stop()
		var failed atomic.Int64
		w := &watched{Store: s.store}
		broken := &halfPut{watched: w, sql: s.store.(*sqlStore), failed: &failed, t: t}
		next := serve(t, s.db, broken)
		next.post(commitLine("a", "2026-03-02T08:00:00Z"), deploymentLine("1", "a", "2026-03-02T10:00:00Z"))
		next.caughtUp()
		next.post(deploymentLine("2", "a", "2026-03-02T11:00:00Z"))
		next.caughtUp()
		next.stop()
		if failed.Load() != 2 {
			t.Fatalf("%d revisions failed, want 2", failed.Load())
		}
		s.sameAnew()
	})
}

// halfPut fails every other revision after it has written a block of it.
type halfPut struct {
	*watched
	sql    *sqlStore
	failed *atomic.Int64
	calls  int
	t      *testing.T
}

func (h *halfPut) PutBlocks(ctx context.Context, l Lease, head Head, b blockSource) error {
	h.calls++
	if h.calls%2 == 1 {
		h.sql.halfRevision(h.t, head.Project, head.Rev, fmt.Sprintf("i/2020-%02d", h.calls))
		h.failed.Add(1)
		return errFlaky
	}
	return h.watched.PutBlocks(ctx, l, head, b)
}

// storedBlocks is a store that holds one project's blocks in all their revisions.
type storedBlocks struct {
	Store
	rows [][2]string // key and body; "" for one that is gone
}

func (b storedBlocks) Blocks(_ context.Context, _ string, _, _ int64, yield func(string, []byte) error) error {
	for _, r := range b.rows {
		var body []byte
		if r[1] != "" {
			body = []byte(r[1])
		}
		if err := yield(r[0], body); err != nil {
			return err
		}
	}
	return nil
}

// TestOnlyWhatDiffersIsStored compares derived blocks (a=1, b=2) with stored
// ones, of which older revisions may still be there.
func TestOnlyWhatDiffersIsStored(t *testing.T) {
	for _, c := range []struct {
		name          string
		rows          [][2]string
		changed, gone string
	}{
		{"nothing is stored", nil, "a b", ""},
		{"all is stored", [][2]string{{"a", "1"}, {"b", "2"}}, "", ""},
		{"one differs", [][2]string{{"a", "0"}, {"b", "2"}}, "a", ""},
		{"one was as it should be and is not any more", [][2]string{{"a", "1"}, {"b", "2"}, {"a", "0"}}, "a", ""},
		{"one has become as it should be", [][2]string{{"a", "0"}, {"b", "2"}, {"a", "1"}}, "", ""},
		{"one was removed", [][2]string{{"a", "1"}, {"b", "2"}, {"a", ""}}, "a", ""},
		{"one is too many", [][2]string{{"a", "1"}, {"b", "2"}, {"c", "3"}}, "", "c"},
		{"one was too many and is removed", [][2]string{{"a", "1"}, {"b", "2"}, {"c", "3"}, {"c", ""}}, "", ""},
		{"one was removed and came back", [][2]string{{"a", "1"}, {"b", "2"}, {"c", ""}, {"c", "3"}}, "", "c"},
	} {
		p := newProjector(storedBlocks{rows: c.rows}, nil, nil)
		old, err := p.storedSums(t.Context(), Head{Project: "p", Rev: 9})
		if err != nil {
			t.Fatal(err)
		}
		var changed []string
		gone, err := old.unlike(fixed(map[string][]byte{"a": []byte("1"), "b": []byte("2")}, nil))(func(key string, _ []byte) error {
			changed = append(changed, key)
			return nil
		})
		if err != nil || strings.Join(changed, " ") != c.changed || strings.Join(gone, " ") != c.gone {
			t.Errorf("%s: writes %q and removes %q (%v), want %q and %q", c.name, changed, gone, err, c.changed, c.gone)
		}
	}
}
