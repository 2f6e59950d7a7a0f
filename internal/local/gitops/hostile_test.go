package gitops

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnEmptyRepositoryIsWaitedFor(t *testing.T) {
	w := newWorld(t, "")
	w.step()
	if p := w.e.repository().problem; !strings.Contains(p, "no environments.yaml yet") {
		t.Errorf("%q", p)
	}
	w.write("README.md", "nothing here")
	w.push("a commit without environments")
	w.step()
	if p := w.e.repository().problem; !strings.Contains(p, "no environments.yaml yet") {
		t.Errorf("%q", p)
	}
	w.write("environments.yaml", onlyProduction)
	w.release("hello", "production", "v1")
	w.push("environments")
	w.settle()
	w.wantOps("hello-production", "sync Succeeded v1")
	if p := w.e.repository().problem; p != "" {
		t.Errorf("%q", p)
	}
}

func TestABrokenFileOfEnvironmentsStopsNothingThatRuns(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("hello", "production", "v1")
	w.push("v1")
	w.settle()
	w.write("environments.yaml", "environments:\n  - name: production\n    kind: prod\n")
	w.git(w.work, "rm", "-rq", "--cached", "apps")
	if err := os.RemoveAll(filepath.Join(w.work, "apps")); err != nil {
		t.Fatal(err)
	}
	w.push("broken")
	w.settle()
	w.open() // and not after a restart, either
	w.settle()
	if p := w.e.repository().problem; !strings.Contains(p, "environments.yaml:2: kind: \"prod\"") {
		t.Errorf("%q", p)
	}
	if _, there := w.fake.Live("hello-production"); !there {
		t.Error("what ran is gone")
	}
}

func TestAHostileRepositoryHarmsOnlyItself(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("good", "production", "v1")
	for _, service := range []string{"link", "huge", "bomb", "remote", "nothing", "many"} {
		w.release(service, "production", "v1")
	}
	secret := filepath.Join(w.folder, "secret.yaml")
	if err := os.WriteFile(secret, []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stolen}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(w.work, "apps", name) }
	if err := os.Remove(at("link/production/base/service.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, at("link/production/base/service.yaml")); err != nil {
		t.Fatal(err)
	}
	w.write("apps/huge/production/base/service.yaml", strings.Repeat("# much\n", 200_000))
	w.write("apps/bomb/production/base/service.yaml", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d]\n")
	w.write("apps/remote/production/kustomization.yaml", "resources:\n  - http://127.0.0.1:9/x.yaml\n")
	if err := os.Remove(at("nothing/production/kustomization.yaml")); err != nil {
		t.Fatal(err)
	}
	for i := range 600 {
		w.write("apps/many/production/x/"+strings.Repeat("y", i%50+1)+"/"+string(rune('a'+i%26))+strings.Repeat("z", i/26)+".txt", "x")
	}
	w.write("apps/UPPER/production/kustomization.yaml", "resources: []\n")
	w.write("apps/good-production/x/kustomization.yaml", "resources: []\n")
	w.write("apps/elsewhere/nowhere/kustomization.yaml", "resources: []\n")
	if err := os.MkdirAll(at("linked"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../good/production", at("linked/production")); err != nil {
		t.Fatal(err)
	}
	w.push("hostile")
	w.settle()
	w.wantOps("good-production", "sync Succeeded v1")
	for name, want := range map[string]string{
		"link-production":    "apps/link/production/base/service.yaml: is a symbolic link",
		"huge-production":    "apps/huge/production/base/service.yaml: is 1367 KiB, at most 512 KiB are read",
		"bomb-production":    "apps/bomb/production/base/service.yaml:5: stands for more than 20000 values",
		"remote-production":  "apps/remote/production/kustomization.yaml:2: resources: \"http://127.0.0.1:9/x.yaml\" is remote",
		"nothing-production": "apps/nothing/production/kustomization.yaml: is missing",
		"many-production":    "files, at most 500 are read",
		"elsewhere-nowhere":  "environments.yaml has no environment \"nowhere\"",
	} {
		w.wantOps(name)
		if why := w.condition(name, ComparisonError); !strings.Contains(why, want) {
			t.Errorf("%s: %q, want %q", name, why, want)
		}
	}
	if p := w.e.repository().problem; !strings.Contains(p, "apps/UPPER/production") || !strings.Contains(p, "apps/linked/production: is no folder") {
		t.Errorf("%q", p)
	}
	live, _ := w.fake.Live("link-production")
	if len(live) != 0 {
		t.Error("what a link leads to was read")
	}
}
