package dora

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
)

// TestAWriteUnderAnOldLeaseIsRefused has a holder go on after its lease has
// moved, as a process does that stood still for a while.
func TestAWriteUnderAnOldLeaseIsRefused(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		old := claim(t, s, "one", "p")
		h := Head{Project: "p", Rev: 1, Seq: 1, Began: 1, Format: blockFormat}
		if err := s.PutBlocks(ctx, old, h, fixed(map[string][]byte{"a": []byte("1")}, nil)); err != nil {
			t.Fatal(err)
		}
		s.(*sqlStore).halfRevision(t, "p", 2, "b")
		if l := claim(t, s, "two", "p"); l.Epoch != old.Epoch+1 {
			t.Errorf("the epoch is %d after %d", l.Epoch, old.Epoch)
		}
		late := h
		late.Rev, late.Seq = 2, 9
		for what, err := range map[string]error{
			"a revision": s.PutBlocks(ctx, old, late, fixed(map[string][]byte{"a": []byte("late")}, nil)),
			"a head":     s.PutBlocks(ctx, old, late, fixed(nil, nil)),
			"a drop":     s.DropProjection(ctx, old),
		} {
			if !errors.Is(err, errFenced) {
				t.Errorf("%s under an old lease: %v, want it refused", what, err)
			}
		}
		if err := s.Release(ctx, []Lease{old}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Head(ctx, "p"); err != nil || got != h {
			t.Errorf("head %+v %v, want %+v", got, err, h)
		}
		if got := stored(t, s, "p"); len(got) != 1 || string(got["a"]) != "1" {
			t.Errorf("blocks %q, want those of the first revision alone", got)
		}
		all, err := s.Leases(ctx)
		if err != nil || len(all) != 1 || all[0].Holder != "two" {
			t.Errorf("leases %+v %v, want that of two", all, err)
		}
	})
}

func TestALeaseIsTakenFromTheDeadAlone(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		take := func(replica string) int {
			got, err := s.Claim(ctx, replica, []string{"p", "q"}, false)
			if err != nil {
				t.Fatal(err)
			}
			return len(got)
		}
		beat := func(replica string) []string {
			alive, err := s.Beat(ctx, replica, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return alive
		}
		beat("one")
		if n := take("one"); n != 2 {
			t.Errorf("one got %d of two free projects", n)
		}
		if alive := beat("two"); len(alive) != 2 {
			t.Errorf("alive are %v, want one and two", alive)
		}
		if n := take("two"); n != 0 {
			t.Errorf("two took %d projects from one, who is alive", n)
		}
		if n := take("one"); n != 2 {
			t.Errorf("one got %d of its own projects", n)
		}
		if err := s.Leave(ctx, "one"); err != nil {
			t.Fatal(err)
		}
		if alive := beat("two"); len(alive) != 1 {
			t.Errorf("alive are %v, want two alone", alive)
		}
		if n := take("two"); n != 2 {
			t.Errorf("two got %d of the projects that one left", n)
		}
	})
}

// TestASilentReplicaIsDeadByTheDatabasesClock: nobody else's clock has a say.
func TestASilentReplicaIsDeadByTheDatabasesClock(t *testing.T) {
	s := NewStore(storetest.OpenPostgres(t, Migrations()))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := s.Beat(ctx, "one", 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	claim(t, s, "one", "p")
	begin := time.Now()
	for {
		got, err := s.Claim(ctx, "two", []string{"p"}, false)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 1 {
			break
		}
	}
	if took := time.Since(begin); took < 200*time.Millisecond {
		t.Errorf("the lease moved after %s, want it to last for 300 ms", took)
	}
}

// TestProjectsAreSpreadAndMoveLittle looks at who should project what.
func TestProjectsAreSpreadAndMoveLittle(t *testing.T) {
	three, count, moved := []string{"a", "b", "c"}, map[string]int{}, 0
	for n := range 3000 {
		name := fmt.Sprintf("project-%d", n)
		who := preferred(name, three)
		count[who]++
		if left := preferred(name, []string{"a", "b"}); who != "c" && left != who {
			moved++
		}
	}
	for _, id := range three {
		if count[id] < 850 || count[id] > 1150 {
			t.Errorf("of 3000 projects the shares are %v", count)
		}
	}
	if moved != 0 {
		t.Errorf("%d projects moved between replicas that stayed", moved)
	}
}

// TestTwoReplicasAnswerAlike writes to one replica and asks the other at once.
func TestTwoReplicasAnswerAlike(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		other := serve(t, s.db, NewStore(s.db))
		both := []*server{s, other}
		for n := range 24 {
			name := fmt.Sprintf("p%d", n%8)
			to, from := both[n%2], both[(n+1)%2]
			to.want(202, http.MethodPost, "/api/dora/v1/events", deploymentLine(fmt.Sprint(n), "a", "2026-03-02T10:00:00Z", "project", name), nil)
			for _, v := range []*server{from, to} {
				if code, text := v.call(http.MethodGet, "/api/dora/v1/deployments?limit=1000&project="+name, ""); code != 200 || !strings.Contains(text, fmt.Sprintf(`"id":%q`, fmt.Sprint(n))) {
					t.Errorf("deployment %d is not in the answer %d %s", n, code, text)
				}
			}
		}
		// A declaration on one is heard by the other, wherever the project is.
		for n := range 8 {
			name, zone := fmt.Sprintf("p%d", n), "Europe/Berlin"
			both[n%2].want(200, http.MethodPut, projectsPath+"/"+name, fmt.Sprintf(`{"project":%q,"time_zone":%q}`, name, zone), nil)
			if p := get[projectBody](both[(n+1)%2], projectsPath+"/"+name); p.TimeZone != zone || p.Entities["deployment"] != 3 {
				t.Errorf("%s: time zone %q, entities %v", name, p.TimeZone, p.Entities)
			}
			h, err := s.store.Head(t.Context(), name)
			if err != nil || h.SpecVersion == 0 {
				t.Errorf("%s: the projection is of declaration %d, %v", name, h.SpecVersion, err)
			}
		}
		leases, err := s.store.Leases(t.Context())
		if err != nil || len(leases) != 8 {
			t.Fatalf("leases %+v %v, want 8", leases, err)
		}
		holders := map[string]int{}
		for _, l := range leases {
			holders[l.Holder]++
		}
		if holders[s.svc.projector.id] == 0 || holders[other.svc.projector.id] == 0 {
			t.Logf("shares: %v", holders) // by the hash, one may have none of eight
		}
		s.stop()
		other.want(202, http.MethodPost, "/api/dora/v1/events", deploymentLine("last", "a", "2026-03-02T10:00:00Z", "project", "p0"), nil)
		if got, _ := other.walk("/api/dora/v1/deployments?project=p0", "id", 100); len(got) != 4 {
			t.Errorf("after one replica has ended: deployments %v", got)
		}
		other.caughtUp()
		other.stop()
		other.sameAnew()
	})
}

// TestAReplicaThatStoodStillOverwritesNothing holds one replica between
// deriving and storing while the lease moves and the other goes on.
func TestAReplicaThatStoodStillOverwritesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.stop()
		var still atomic.Bool
		var caught atomic.Int64
		gate := make(chan struct{})
		paused := serve(t, s.db, &watched{Store: NewStore(s.db), before: func(method string) error {
			if still.Load() && (method == "PutBlocks" || method == "Beat" || method == "Claim") {
				if method == "PutBlocks" {
					caught.Add(1)
				}
				<-gate
			}
			return nil
		}})
		paused.post(deploymentLine("1", "a", "2026-03-02T10:00:00Z"))
		paused.caughtUp()
		still.Store(true)
		paused.append(deploymentLine("2", "b", "2026-03-02T11:00:00Z"))
		paused.svc.projector.notify()
		waitFor(t, func() bool { return caught.Load() > 0 })

		// Whoever comes next takes the lease, as from a process that gives no sign.
		if err := s.store.Leave(t.Context(), paused.svc.projector.id); err != nil {
			t.Fatal(err)
		}
		next := serve(t, s.db, NewStore(s.db))
		next.post(deploymentLine("3", "c", "2026-03-02T12:00:00Z"))
		if got, _ := next.walk("/api/dora/v1/deployments?project=shop", "id", 100); len(got) != 3 {
			t.Errorf("the next holder shows %v, want 3 deployments", got)
		}
		before, err := s.store.Head(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		still.Store(false)
		close(gate)
		for n := range 4 {
			paused.post(deploymentLine(fmt.Sprint("later", n), "d", "2026-03-02T13:00:00Z"))
			for _, v := range []*server{paused, next} {
				if got, _ := v.walk("/api/dora/v1/deployments?project=shop", "id", 100); len(got) != 4+n {
					t.Errorf("after it went on: deployments %v, want %d", got, 4+n)
				}
			}
		}
		after, err := s.store.Head(t.Context(), "shop")
		if err != nil || after.Began != before.Began || after.Rev <= before.Rev {
			t.Errorf("head %+v after %+v, %v", after, before, err)
		}
		next.stop()
		paused.caughtUp()
		paused.stop()
		paused.sameAnew()
	})
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !done() {
		select {
		case <-deadline:
			t.Fatal("it did not come to pass in 20 s")
		case <-tick.C:
		}
	}
}

// TestABusyReplicaGivesBackWhatAnotherShouldHave has a replica that is in the
// middle of storing a projection, and a second one come.
func TestABusyReplicaGivesBackWhatAnotherShouldHave(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.stop()
		const projects = 16 // by the hash, one of two replicas has none once in 30,000 times
		var still, caught atomic.Bool
		gate := make(chan struct{})
		busy := serve(t, s.db, &watched{Store: NewStore(s.db), before: func(method string) error {
			if still.Load() && method == "PutBlocks" {
				caught.Store(true)
				<-gate
			}
			return nil
		}})
		for n := range projects {
			busy.post(deploymentLine(fmt.Sprint(n), "a", "2026-03-02T10:00:00Z", "project", fmt.Sprintf("p%d", n)))
		}
		busy.caughtUp()
		still.Store(true)
		busy.append(deploymentLine("more", "b", "2026-03-02T11:00:00Z", "project", "p0"))
		busy.svc.projector.notify()
		waitFor(t, caught.Load)

		next := serve(t, s.db, NewStore(s.db))
		waitFor(t, func() bool {
			all, err := s.store.Leases(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range all {
				if l.Holder != preferred(l.Project, []string{busy.svc.projector.id, next.svc.projector.id}) {
					return false
				}
			}
			return len(all) == projects
		})
		still.Store(false)
		close(gate)
		for _, v := range []*server{busy, next} {
			v.caughtUp()
			if got, _ := v.walk("/api/dora/v1/deployments?project=p0", "id", 100); len(got) != 2 {
				t.Errorf("deployments %v, want both", got)
			}
		}
		next.stop()
		busy.caughtUp()
		busy.stop()
		busy.sameAnew()
	})
}
