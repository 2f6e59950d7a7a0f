package gitops

import (
	"strings"
	"testing"
)

func (w *world) promotions() string {
	w.t.Helper()
	all, err := w.e.store.Promotions(w.t.Context(), "", "", 0, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for i := len(all) - 1; i >= 0; i-- {
		p := all[i]
		out = append(out, p.Service+" "+p.From+">"+p.To+" "+p.State)
	}
	return strings.Join(out, ", ")
}

func TestWhatIsHealthyIsPromoted(t *testing.T) {
	w := newWorld(t, threeEnvironments)
	w.release("hello", "dev", "v1")
	w.push("promote(hello): dev v1")
	w.settle()
	w.wantOps("hello-dev", "sync Succeeded v1")
	w.wantOps("hello-staging", "sync Succeeded v1")
	if got := w.promotions(); got != "hello dev>staging done, hello staging>production waiting_approval" {
		t.Fatal(got)
	}
	p, err := w.e.Decide(t.Context(), 2, true, "per-owner")
	if err != nil || p.State != Promoting {
		t.Fatalf("%+v %v", p, err)
	}
	if p, err = w.e.Decide(t.Context(), 2, true, "per-other"); err != nil || p.DecidedBy != "per-owner" {
		t.Errorf("approved twice: %+v %v", p, err)
	}
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1")
	w.pull()
	message := w.git(w.work, "log", "-1", "--format=%B")
	for _, want := range []string{"promote(hello): production 0000000", "Fawkes-Digest: " + digest("v1"), "Fawkes-Decided-By: per-owner"} {
		if !strings.Contains(message, want) {
			t.Errorf("the commit says\n%s\nwant %q in it", message, want)
		}
	}
	text := w.file("apps/hello/production/kustomization.yaml")
	if !strings.Contains(text, "namespace: production") || !strings.Contains(text, digest("v1")) {
		t.Error(text)
	}
}

func TestAPromotionLeavesAloneWhatPeopleMade(t *testing.T) {
	w := newWorld(t, strings.Replace(threeEnvironments, "    promote: approval\n", "", 1))
	w.release("hello", "dev", "v1")
	w.push("v1")
	w.settle()
	w.pull()
	at := "apps/hello/production/kustomization.yaml"
	w.write(at, "# production is larger\n"+strings.Replace(w.file(at), "images:", "replicas:\n  - name: hello\n    count: 7\nimages:", 1))
	w.write("apps/hello/production/extra.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {a: b}\n")
	w.write(at, strings.Replace(w.file(at), "resources:\n", "resources:\n  - extra.yaml\n", 1))
	w.push("production: seven copies")
	w.settle()
	w.release("hello", "dev", "v2")
	w.write("apps/hello/dev/base/new.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\ndata: {a: b}\n")
	w.write("apps/hello/dev/kustomization.yaml", strings.Replace(w.file("apps/hello/dev/kustomization.yaml"), "  - base/service.yaml\n", "  - base/service.yaml\n  - base/new.yaml\n", 1))
	w.push("v2")
	w.settle()
	w.pull()
	text := w.file(at)
	for _, want := range []string{"# production is larger", "count: 7", digest("v2"), "extra.yaml", "base/new.yaml", "namespace: production"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\nwant %q in it", text, want)
		}
	}
	live, _ := w.fake.Live("hello-production")
	if len(live) != 4 || !strings.Contains(imagesOf(live), digest("v2")) {
		t.Errorf("%d objects run: %s", len(live), imagesOf(live))
	}
}

func TestANewerPromotionSupersedesOneThatWaits(t *testing.T) {
	w := newWorld(t, threeEnvironments)
	for _, v := range []string{"v1", "v2"} {
		w.release("hello", "dev", v)
		w.push(v)
		w.settle()
		w.pull()
	}
	want := "hello dev>staging done, hello staging>production superseded, hello dev>staging done, hello staging>production waiting_approval"
	if got := w.promotions(); got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	if _, err := w.e.Decide(t.Context(), 2, true, "per-owner"); err == nil || !strings.Contains(err.Error(), "superseded") {
		t.Errorf("%v", err)
	}
	if p, err := w.e.Decide(t.Context(), 4, false, "per-owner"); err != nil || p.State != Rejected {
		t.Errorf("%+v %v", p, err)
	}
	w.settle()
	if _, err := w.e.store.Application(t.Context(), "hello-production"); err == nil {
		t.Error("it reached production without approval")
	}
}

func TestWhatFailsInStagingStopsThereAndDevGoesOn(t *testing.T) {
	w := newWorld(t, strings.Replace(threeEnvironments, "    promote: approval\n", "", 1))
	w.release("hello", "dev", "v1")
	w.push("v1")
	w.settle()
	w.pull()
	w.e.cluster = picky{w.fake}
	w.release("hello", "dev", "odd2")
	w.push("odd2")
	w.settle()
	w.wantOps("hello-dev", "sync Succeeded v1", "sync Succeeded odd2")
	w.wantOps("hello-staging", "sync Succeeded v1", "sync Failed odd2", "rollback Succeeded v1")
	w.wantOps("hello-production", "sync Succeeded v1")
	before := w.promotions()
	w.settle()
	if got := w.promotions(); got != before {
		t.Errorf("promotions go on by themselves: %s", got)
	}
}

// picky is a cluster on which "odd" fails in staging.
type picky struct{ *fake }

func (p picky) Health(app string) (Health, []ObjectHealth) {
	h, all := p.fake.Health(app)
	live, _ := p.Live(app)
	if app == "hello-staging" && strings.Contains(imagesOf(live), "odd") {
		h.Status, h.Message = "Degraded", "odd"
	}
	return h, all
}

func TestSomebodyPromotesAndRollsBack(t *testing.T) {
	w := newWorld(t, threeEnvironments)
	w.release("hello", "dev", "v1")
	w.push("v1")
	w.settle()
	if _, err := w.e.Promote(t.Context(), "hello-dev", "production", "per-owner"); err == nil || !strings.Contains(err.Error(), "not promoted to from") {
		t.Errorf("%v", err)
	}
	p, err := w.e.Promote(t.Context(), "hello-staging", "production", "per-owner")
	if err != nil || p.State != WaitingApproval || p.ID != 2 {
		t.Fatalf("%+v %v", p, err)
	}
	w.pull()
	w.release("hello", "dev", "v2")
	w.push("v2")
	w.settle()
	if err := w.e.RollBack(t.Context(), "hello-dev", w.ops("hello-dev")[0].ID, "per-owner"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.wantOps("hello-dev", "sync Succeeded v1", "sync Succeeded v2", "rollback Succeeded v1")
	w.wantOps("hello-staging", "sync Succeeded v1", "sync Succeeded v2") // a rollback is not promoted
	if o := w.ops("hello-dev")[2]; o.By != "per-owner" || o.RollbackOf != w.ops("hello-dev")[1].ID {
		t.Errorf("%+v", o)
	}
	if err := w.e.RollBack(t.Context(), "hello-dev", w.ops("hello-dev")[0].ID, "per-owner"); err == nil {
		t.Error("rolled back to where it is")
	}
	// Forward again, over the rollback.
	if err := w.e.RollBack(t.Context(), "hello-dev", w.ops("hello-dev")[1].ID, "per-owner"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.wantOps("hello-dev", "sync Succeeded v1", "sync Succeeded v2", "rollback Succeeded v1", "rollback Succeeded v2")
}
