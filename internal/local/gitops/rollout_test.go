package gitops

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestACommitIsRolledOutAndReportedOnce(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("hello", "production", "v1")
	first := w.push("promote(hello): production")
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1")
	a := w.app("hello-production")
	if a.Sync != Synced || a.Health.Status != "Healthy" || a.Revision != first || len(a.Conditions) != 0 {
		t.Errorf("%+v", a)
	}
	notes := w.notes("hello-production")
	var phases []string
	for _, n := range notes {
		phases = append(phases, n.Operation.Phase)
	}
	if got := strings.Join(phases, " "); got != "Running Succeeded Succeeded" {
		t.Fatalf("notifications %q", got)
	}
	last := notes[2]
	if last.Operation.StartedAt != "2026-03-02T10:00:00Z" || last.Operation.Revision != first || last.Health.Status != "Healthy" ||
		last.App.Annotations["fawkes.dev/environment"] != "production" || len(last.Resources) != 1 || !strings.HasSuffix(last.Resources[0].Images[0], digest("v1")) {
		t.Errorf("%+v", last)
	}
	w.write("README.md", "changes nothing of it")
	w.push("docs: say more")
	w.settle()
	w.open()
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1")
}

func TestARollOutThatFailsIsRevertedInTheRepository(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("hello", "production", "v1")
	w.push("promote(hello): production v1")
	w.settle()
	w.release("hello", "production", "bad2")
	bad := w.push("promote(hello): production bad2")
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1", "sync Failed bad2", "rollback Succeeded v1")
	w.pull()
	message := w.git(w.work, "log", "-1", "--format=%B")
	for _, want := range []string{`Revert "promote(hello): production bad2"`, "This reverts commit " + bad, "/healthz answers 500", "Fawkes-Rollback-Of: 2"} {
		if !strings.Contains(message, want) {
			t.Errorf("the commit says\n%s\nwant %q in it", message, want)
		}
	}
	if d := w.git(w.work, "diff", "--stat", "HEAD", "HEAD~2", "--", "apps"); d != "" {
		t.Errorf("the revert leaves a difference:\n%s", d)
	}
	ops := w.ops("hello-production")
	if ops[2].RollbackOf != ops[1].ID {
		t.Errorf("the rollback is of %d", ops[2].RollbackOf)
	}
	seen := map[time.Time]bool{}
	for _, o := range ops {
		if seen[o.Started] || !o.Started.Equal(o.Started.Truncate(time.Second)) {
			t.Errorf("operations begin in one second: %v", o.Started)
		}
		seen[o.Started] = true
	}
	// The next good commit goes forward again.
	w.release("hello", "production", "v3")
	w.push("promote(hello): production v3")
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1", "sync Failed bad2", "rollback Succeeded v1", "sync Succeeded v3")
}

func TestARollbackThatFailsIsNotRolledBack(t *testing.T) {
	w := newWorld(t, onlyProduction)
	for _, image := range []string{"v1", "bad2"} {
		w.release("hello", "production", image)
		w.push("promote(hello): production " + image)
		if image == "v1" {
			w.settle()
		}
	}
	// What was good is not any more.
	w.clock.Advance(2 * time.Second)
	w.step() // bad2 fails, the revert is pushed
	w.e.cluster = broken{w.fake}
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1", "sync Failed bad2", "rollback Failed v1")
	if why := w.condition("hello-production", RollbackError); !strings.Contains(why, "the rollback failed as well") {
		t.Errorf("%q", why)
	}
}

// broken is a cluster on which nothing gets healthy any more.
type broken struct{ *fake }

func (b broken) Health(app string) (Health, []ObjectHealth) {
	h, all := b.fake.Health(app)
	if h.Status == "Healthy" {
		h.Status, h.Message = "Degraded", "everything is broken"
	}
	return h, all
}

func TestTheFirstRollOutHasNothingToGoBackTo(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("hello", "production", "bad1")
	w.push("promote(hello): production")
	w.settle()
	w.wantOps("hello-production", "sync Failed bad1")
	if why := w.condition("hello-production", RollbackError); !strings.Contains(why, "nothing to go back to") {
		t.Errorf("%q", why)
	}
}

func TestNewerCommitsWaitAndOnlyTheNewestIsNext(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("hello", "production", "slow1")
	w.push("promote(hello): production slow1")
	w.step()
	for _, image := range []string{"v2", "v3", "v4"} {
		w.release("hello", "production", image)
		w.push("promote(hello): production " + image)
		w.clock.Advance(2 * time.Second)
		w.step()
	}
	w.wantOps("hello-production", "sync Running slow1")
	w.fake.set("hello-production", "Healthy")
	w.settle()
	w.wantOps("hello-production", "sync Succeeded slow1", "sync Succeeded v4")
}

func TestARollOutThatGetsNowhereFailsInTime(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("hello", "production", "slow1")
	w.push("promote(hello): production slow1")
	w.settle()
	w.wantOps("hello-production", "sync Failed slow1")
	if m := w.ops("hello-production")[0].Message; !strings.Contains(m, "not healthy after 1m0s") {
		t.Error(m)
	}
}

func TestAnObjectThatIsRefusedFailsAndIsReverted(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("hello", "production", "v1")
	w.push("v1")
	w.settle()
	w.release("hello", "production", "v2")
	w.write("apps/hello/production/kustomization.yaml", strings.Replace(w.file("apps/hello/production/kustomization.yaml"), "images:", "patches:\n  - target: {kind: Deployment}\n    patch: |-\n      - {op: add, path: /spec/refused, value: true}\nimages:", 1))
	w.push("v2")
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1", "sync Failed v2", "rollback Succeeded v1")
	if m := w.ops("hello-production")[1].Message; !strings.Contains(m, "Deployment/hello: spec.refused: is not done here (take it out)") {
		t.Error(m)
	}
}

func TestWhatDegradesLaterIsReportedOnceAndLeftAlone(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("hello", "production", "v1")
	w.push("v1")
	w.settle()
	w.clock.Advance(time.Minute)
	w.fake.set("hello-production", "Degraded")
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1")
	notes := w.notes("hello-production")
	if last := notes[len(notes)-1]; len(notes) != 4 || last.Health.Status != "Degraded" || last.Operation.Phase != "Succeeded" {
		t.Errorf("%d notifications, the last %+v", len(notes), last)
	}
}

func TestWhatIsChangedOutsideIsBroughtBack(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("hello", "production", "v1")
	w.push("v1")
	w.settle()
	w.fake.touch("hello-production")
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1", "heal Succeeded v1")
	notes := w.notes("hello-production")
	if last := notes[len(notes)-1]; last.Operation.SelfHeal != 1 {
		t.Errorf("%+v", last)
	}
}

func TestManualSyncWaitsForSomebody(t *testing.T) {
	w := newWorld(t, onlyProduction+"sync: manual\n")
	w.release("hello", "production", "v1")
	w.push("v1")
	w.settle()
	w.wantOps("hello-production")
	if a := w.app("hello-production"); a.Sync != OutOfSync || !strings.Contains(a.SyncMessage, "synced by hand") {
		t.Errorf("%+v", a)
	}
	if err := w.e.Sync(t.Context(), "hello-production", "per-owner", false); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1")
	w.fake.touch("hello-production")
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1")
	if a := w.app("hello-production"); a.Sync != OutOfSync || !strings.Contains(a.SyncMessage, "changed outside") {
		t.Errorf("%+v", a)
	}
}

func TestAWindowHoldsARollOutUp(t *testing.T) {
	w := newWorld(t, onlyProduction+"    windows:\n      - {kind: deny, days: [mon], from: \"09:00\", to: \"11:00\", zone: UTC}\n")
	w.release("hello", "production", "v1")
	w.push("v1")
	w.settle()
	w.wantOps("hello-production")
	if a := w.app("hello-production"); !strings.Contains(a.Paused, "deny mon 09:00 to 11:00 UTC") || !strings.Contains(a.SyncMessage, a.Paused) {
		t.Errorf("%+v", a)
	}
	if err := w.e.Sync(t.Context(), "hello-production", "per-owner", false); err == nil || !strings.Contains(err.Error(), "is not changed now") {
		t.Errorf("%v", err)
	}
	w.clock.Advance(time.Hour)
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1")
}

func TestAnApplicationThatIsRemovedIsTakenAway(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("hello", "production", "v1")
	w.release("other", "production", "v1")
	w.push("both")
	w.settle()
	w.git(w.work, "rm", "-rq", "apps/hello")
	w.push("hello goes")
	w.settle()
	if _, there := w.fake.Live("hello-production"); there {
		t.Error("it still runs")
	}
	if _, there := w.fake.Live("other-production"); !there {
		t.Error("the other is gone as well")
	}
	w.git(w.work, "rm", "-rq", "--ignore-unmatch", "apps/other")
	w.release("third", "production", "v1")
	w.push("third instead")
	w.settle()
	w.wantOps("third-production", "sync Succeeded v1")
}

// file is what the clone has now.
func (w *world) file(name string) string {
	text, err := os.ReadFile(filepath.Join(w.work, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}
