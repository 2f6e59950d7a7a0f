package gitops

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// dying is a cluster whose process dies, as far as the engine can tell, when a
// countdown ends: before or after Apply has done its work.
type dying struct {
	*fake
	left  *int
	after bool
}

var errDead = errors.New("killed")

func (d dying) Apply(ctx context.Context, app, namespace string, objects []Object, revision string) error {
	if *d.left--; *d.left == 0 && !d.after {
		return fmt.Errorf("%w: %w", ErrClusterAway, errDead)
	}
	err := d.fake.Apply(ctx, app, namespace, objects, revision)
	if *d.left == 0 {
		return fmt.Errorf("%w: %w", ErrClusterAway, errDead)
	}
	return err
}

// kill has every transaction be refused from the moment on at which so much is
// stored: as good as a process that dies there.
func (w *world) kill(statement int) (restore func()) {
	ctx := w.t.Context()
	run := func(q string) {
		if _, err := w.db.Write.ExecContext(ctx, q); err != nil {
			w.t.Fatalf("%s: %v", q, err)
		}
	}
	run(`CREATE TABLE countdown (n INTEGER NOT NULL)`)
	run(fmt.Sprintf(`INSERT INTO countdown VALUES (%d)`, statement))
	for _, table := range []string{"operations", "applications", "promotions", "changes", "outbox"} {
		for _, verb := range []string{"INSERT", "UPDATE"} {
			run(fmt.Sprintf(`CREATE TRIGGER dies_%[1]s_%[2]s AFTER %[2]s ON %[1]s BEGIN
				SELECT RAISE(ABORT, 'killed') FROM countdown WHERE n <= (SELECT COUNT(*) FROM operations) + (SELECT COUNT(*) FROM outbox) + (SELECT COUNT(*) FROM changes) + (SELECT COUNT(*) FROM promotions); END`, table, verb))
		}
	}
	return func() {
		for _, table := range []string{"operations", "applications", "promotions", "changes", "outbox"} {
			for _, verb := range []string{"INSERT", "UPDATE"} {
				run(fmt.Sprintf(`DROP TRIGGER dies_%s_%s`, table, verb))
			}
		}
		run(`DROP TABLE countdown`)
	}
}

// try is a step that may die.
func (w *world) try() (dead bool) {
	ctx := w.t.Context()
	if err := w.e.Refresh(ctx); err != nil {
		return true
	}
	apps, err := w.e.store.Applications(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range apps {
		if _, err := w.e.Reconcile(ctx, a.Name); err != nil {
			return true
		}
	}
	return w.e.WriteChanges(ctx) != nil
}

// story is what always happens: v1 is good, bad2 fails and is rolled back, v3 is good.
func (w *world) story() {
	w.t.Helper()
	for _, image := range []string{"v1", "bad2", "v3"} {
		w.release("hello", "dev", image)
		w.push("promote(hello): dev " + image)
		w.settle()
		w.pull()
	}
}

// wantStory checks the end of the story, however often the process died in it.
func (w *world) wantStory() {
	w.t.Helper()
	w.wantOps("hello-dev", "sync Succeeded v1", "sync Failed bad2", "rollback Succeeded v1", "sync Succeeded v3")
	w.wantOps("hello-staging", "sync Succeeded v1", "sync Succeeded v3")
	if got := w.promotions(); got != "hello dev>staging done, hello staging>production superseded, hello dev>staging done, hello staging>production waiting_approval" {
		w.t.Fatal(got)
	}
	if n := w.git(w.work, "rev-list", "--count", "HEAD"); n != "7" { // environments, three releases, a revert, two promotions
		w.t.Fatalf("%s commits:\n%s", n, w.git(w.work, "log", "--format=%s"))
	}
	for _, app := range []string{"hello-dev", "hello-staging"} {
		seen := map[string]int{}
		for _, n := range w.notes(app) {
			seen[n.Operation.StartedAt+" "+n.Operation.Phase]++
		}
		for what, n := range seen {
			if want := 1 + strings.Count(what, "Succeeded"); n != want {
				w.t.Fatalf("%s: %q was reported %d times, want %d", app, what, n, want)
			}
		}
		if len(seen) != 2*len(w.ops(app)) {
			w.t.Fatalf("%s: %v", app, seen)
		}
	}
}

func TestTheStoryWithoutADeath(t *testing.T) {
	w := newWorld(t, threeEnvironments)
	w.story()
	w.wantStory()
}

// TestAKillAtAnyTransactionLosesAndDoublesNothing has each transaction of the
// story fail once, the process gone after it, and the story go on in a new one.
func TestAKillAtAnyTransactionLosesAndDoublesNothing(t *testing.T) {
	for at := 1; at <= 36; at += 5 {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			w := newWorld(t, threeEnvironments)
			died := false
			for _, image := range []string{"v1", "bad2", "v3"} {
				w.release("hello", "dev", image)
				w.push("promote(hello): dev " + image)
				if !died {
					restore := w.kill(at)
					for range 12 {
						if died = w.try(); died {
							break
						}
						w.clock.Advance(1100 * time.Millisecond)
					}
					restore()
					if died {
						w.open()
					}
				}
				w.settle()
				w.pull()
			}
			if !died && at < 30 {
				t.Fatal("nothing died")
			}
			w.wantStory()
		})
	}
}

// TestAKillBetweenThePushAndItsNote has the commits of changes be pushed and the
// process die before it notes them.
func TestAKillBetweenThePushAndItsNote(t *testing.T) {
	w := newWorld(t, threeEnvironments)
	for _, image := range []string{"v1", "bad2", "v3"} {
		w.release("hello", "dev", image)
		w.push("promote(hello): dev " + image)
		for range 30 {
			w.stepping(func(pending []Change) {
				if len(pending) == 0 {
					return
				}
				if _, err := w.e.push(t.Context(), pending); err != nil {
					t.Fatal(err)
				}
				w.open() // killed
			})
			w.clock.Advance(1100 * time.Millisecond)
		}
		w.settle()
		w.pull()
	}
	w.wantStory()
}

func (w *world) stepping(before func([]Change)) {
	ctx := w.t.Context()
	if err := w.e.Refresh(ctx); err != nil {
		w.t.Fatal(err)
	}
	apps, err := w.e.store.Applications(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range apps {
		if _, err := w.e.Reconcile(ctx, a.Name); err != nil {
			w.t.Fatal(err)
		}
	}
	pending, err := w.e.store.Pending(ctx, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	before(pending)
	if err := w.e.WriteChanges(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// TestAnyInterleavingLeadsToWhatTheRepositorySays throws commits, failures of
// the cluster, kills and drift together.
func TestAnyInterleavingLeadsToWhatTheRepositorySays(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 4))
			w := newWorld(t, onlyProduction)
			services := []string{"a", "b"}
			for n := range 3 + r.IntN(10) {
				service := services[r.IntN(2)]
				switch r.IntN(6) {
				case 0, 1:
					w.pull()
					image := fmt.Sprint([]string{"v", "bad", "v"}[r.IntN(3)], n)
					w.release(service, "production", image)
					w.push(image)
				case 2:
					left := 1 + r.IntN(2)
					w.e.cluster = dying{w.fake, &left, r.IntN(2) == 0}
					w.try()
					w.open()
				case 3:
					if _, there := w.fake.Live(service + "-production"); there {
						w.fake.touch(service + "-production")
					}
				case 4:
					w.try()
					w.clock.Advance(1100 * time.Millisecond)
				case 5:
					w.settle()
				}
			}
			for range 2 {
				w.clock.Advance(2 * healPause)
				w.settle()
			}
			w.judge(services)
		})
	}
}

// judge checks that what runs is what the repository says, that what is wanted is
// good unless there is nothing good to go back to, and that each operation was
// reported once.
func (w *world) judge(services []string) {
	w.t.Helper()
	w.pull()
	for _, service := range services {
		name := service + "-production"
		a, err := w.e.store.Application(w.t.Context(), name)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		desired, err := w.e.objects(w.t.Context(), a, a.Tree)
		if err != nil {
			w.t.Fatal(err)
		}
		live, _ := w.fake.Live(name)
		if imagesOf(live) != imagesOf(desired) {
			w.t.Fatalf("%s runs %s, want %s\n%s", name, imagesOf(live), imagesOf(desired), w.state())
		}
		ops := w.ops(name)
		everGood, commits := false, map[string]bool{}
		for _, o := range ops {
			everGood = everGood || o.Phase == succeeded
			if o.Phase == running {
				w.t.Fatalf("%s: %+v", name, o)
			}
			if o.Kind != KindHeal && commits[o.Revision] {
				w.t.Fatalf("two operations of the commit %s\n%s", o.Revision, w.state())
			}
			commits[o.Revision] = true
		}
		if everGood && contains(imagesOf(live), "bad") {
			w.t.Fatalf("%s still runs %s\n%s", name, imagesOf(live), w.state())
		}
		seen := map[string]int{}
		for _, n := range w.notes(name) {
			seen[n.Operation.StartedAt+" "+n.Operation.Phase]++
		}
		for what, n := range seen {
			if n != 1+strings.Count(what, "Succeeded") {
				w.t.Fatalf("%s: %q was reported %d times", name, what, n)
			}
		}
		if len(seen) != 2*len(ops) {
			w.t.Fatalf("%s: %d reports of %d operations", name, len(seen), len(ops))
		}
	}
}
