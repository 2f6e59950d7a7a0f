package promote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	rev1 = "1111111111111111111111111111111111111111"
	rev2 = "2222222222222222222222222222222222222222"
)

func digest(c string) string { return "sha256:" + strings.Repeat(c, 64) }

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@d")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// environments is a bare repository; files is what is committed first.
func environments(t *testing.T, files map[string]string) string {
	t.Helper()
	bare := filepath.Join(t.TempDir(), "environments.git")
	git(t, t.TempDir(), "init", "--quiet", "--bare", "--initial-branch=main", bare)
	if len(files) > 0 {
		tree := t.TempDir()
		git(t, tree, "init", "--quiet", "--initial-branch=main")
		for name, text := range files {
			file := filepath.Join(tree, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		git(t, tree, "add", "--all")
		git(t, tree, "commit", "--quiet", "-m", "first")
		git(t, tree, "push", "--quiet", bare, "main")
	}
	return bare
}

func change(service, revision, c string, to ...string) Change {
	return Change{
		Service: service, Environments: to, Image: "127.0.0.1:8080/shop/" + service, Digest: digest(c), Revision: revision,
		Repository: "https://git.example/shop/" + service + ".git", Run: "r-1/1",
		Manifests: []Manifest{{"deployment.yaml", []byte("kind: Deployment\n")}, {"service.yaml", []byte("kind: Service\n")}},
	}
}

func TestAPromotionIsOneCommitAnEnvironmentAndTheSameAgainIsNone(t *testing.T) {
	bare := environments(t, nil)
	to := Target{URL: bare}
	done, err := Promote(t.Context(), to, change("api", rev1, "a", "dev", "staging"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(done.Environments, " "); got != "dev staging" || done.Revision != git(t, bare, "rev-parse", "main") {
		t.Fatalf("got %+v", done)
	}
	log := git(t, bare, "log", "--format=%s", "main")
	if want := "promote(api): staging " + rev1[:12] + "\npromote(api): dev " + rev1[:12]; log != want {
		t.Fatalf("log: %s", log)
	}
	body := git(t, bare, "log", "-1", "--format=%(trailers:key=Fawkes-Digest,valueonly)%(trailers:key=Fawkes-Revision,valueonly)%(trailers:key=Fawkes-Run,valueonly)", "main")
	if strings.Join(strings.Fields(body), " ") != digest("a")+" "+rev1+" r-1/1" {
		t.Errorf("trailers: %q", body)
	}
	want := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: dev\nresources:\n  - base/deployment.yaml\n  - base/service.yaml\n" +
		"images:\n  - name: api\n    newName: 127.0.0.1:8080/shop/api\n    digest: " + digest("a") + "\ncommonAnnotations:\n  fawkes.dev/revision: \"" + rev1 + "\"\n" +
		"  fawkes.dev/service: api\n  fawkes.dev/repository: https://git.example/shop/api.git"
	if got := git(t, bare, "show", "main:apps/api/dev/kustomization.yaml"); got != want {
		t.Errorf("kustomization:\n%s\nwant\n%s", got, want)
	}

	again, err := Promote(t.Context(), to, change("api", rev1, "a", "dev", "staging"), t.TempDir())
	if err != nil || len(again.Environments) != 0 || strings.Join(again.Unchanged, " ") != "dev staging" || again.Revision != done.Revision {
		t.Fatalf("again: %+v, %v", again, err)
	}
	if n := git(t, bare, "rev-list", "--count", "main"); n != "2" {
		t.Errorf("%s commits, want 2", n)
	}
}

func TestWhatPeopleAddedStays(t *testing.T) {
	const old = `# ours
kind: Kustomization
resources:
  - base/gone.yaml
  - quota.yaml # by hand
patches:
  - path: more-memory.yaml
images:
  - name: sidecar
    newTag: "1"
  - name: api
    newTag: v1
commonAnnotations:
  team: blue
`
	bare := environments(t, map[string]string{"apps/api/dev/kustomization.yaml": old, "apps/api/dev/base/gone.yaml": "x: 1\n", "apps/api/dev/quota.yaml": "y: 1\n"})
	if _, err := Promote(t.Context(), Target{URL: bare}, change("api", rev1, "a", "dev"), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	got := git(t, bare, "show", "main:apps/api/dev/kustomization.yaml")
	for _, want := range []string{"# ours", "- quota.yaml", "- path: more-memory.yaml", "- name: sidecar\n    newTag: \"1\"", "team: blue", "digest: " + digest("a")} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "gone") || strings.Contains(got, "newTag: v1") {
		t.Errorf("what was replaced is still there:\n%s", got)
	}
	if files := git(t, bare, "ls-tree", "-r", "--name-only", "main"); strings.Contains(files, "gone") || !strings.Contains(files, "quota.yaml") {
		t.Errorf("files: %s", files)
	}
}

func TestAnOlderRevisionDoesNotTakeThePlaceOfANewer(t *testing.T) {
	bare := environments(t, nil)
	to := Target{URL: bare}
	if _, err := Promote(t.Context(), to, change("api", rev2, "b", "dev"), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	late := change("api", rev1, "a", "dev")
	late.Newer = func(_ context.Context, promoted string) bool { return promoted == rev2 }
	done, err := Promote(t.Context(), to, late, t.TempDir())
	if err != nil || len(done.Environments) != 0 || strings.Join(done.Superseded, "") != "dev" {
		t.Fatalf("got %+v, %v", done, err)
	}
	late.Newer = func(context.Context, string) bool { return false }
	if done, err = Promote(t.Context(), to, late, t.TempDir()); err != nil || len(done.Environments) != 1 {
		t.Fatalf("a deliberate step back: %+v, %v", done, err)
	}
}

// TestPromoteAsAProcess is the body of the processes of the next test.
func TestPromoteAsAProcess(t *testing.T) {
	bare, service := os.Getenv("PROMOTE_TO"), os.Getenv("PROMOTE_SERVICE")
	if bare == "" {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	done, err := Promote(ctx, Target{URL: bare}, change(service, rev1, "a", "dev", "staging"), t.TempDir())
	if err != nil || len(done.Environments) != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
}

// TestTwentyProcessesPromoteAtOnce has each promote another service; none is lost.
func TestTwentyProcessesPromoteAtOnce(t *testing.T) {
	bare := environments(t, nil)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			cmd := exec.Command(self, "-test.run=^TestPromoteAsAProcess$", "-test.count=1")
			cmd.Env = append(os.Environ(), "PROMOTE_TO="+bare, fmt.Sprintf("PROMOTE_SERVICE=s%d", i))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("process %d: %v\n%s", i, err, out)
			}
		})
	}
	all.Wait()
	if n := git(t, bare, "rev-list", "--count", "main"); n != "40" {
		t.Errorf("%s commits, want 40", n)
	}
	git(t, bare, "fsck", "--strict")
	files := git(t, bare, "ls-tree", "-r", "--name-only", "main")
	for i := range 20 {
		for _, env := range []string{"dev", "staging"} {
			if want := fmt.Sprintf("apps/s%d/%s/kustomization.yaml\n", i, env); !strings.Contains(files+"\n", want) {
				t.Errorf("%s is missing", want)
			}
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	bare := environments(t, map[string]string{"environments.yaml": "environments:\n  - name: dev\n  - name: production\n"})
	for _, c := range []struct {
		name   string
		to     Target
		change func(*Change)
		want   string
		away   bool
	}{
		{"an unknown environment", Target{URL: bare}, func(c *Change) { c.Environments = []string{"prod"} }, `knows no environment "prod", only dev, production`, false},
		{"a path as a service", Target{URL: bare}, func(c *Change) { c.Service = "../x" }, "not a name of a service", false},
		{"a path as an environment", Target{URL: bare}, func(c *Change) { c.Environments = []string{"../x"} }, "not a name of an environment", false},
		{"a path as a manifest", Target{URL: bare}, func(c *Change) { c.Manifests[0].Name = "../x.yaml" }, "not a name for a manifest", false},
		{"a tag instead of a digest", Target{URL: bare}, func(c *Change) { c.Digest = "latest" }, "not a digest", false},
		{"an option as an address", Target{URL: "--upload-pack=x"}, func(*Change) {}, "not the address", false},
		{"another branch", Target{URL: bare, Branch: "trunk"}, func(*Change) {}, `no branch "trunk"`, false},
		{"no repository", Target{URL: filepath.Join(bare, "nothing")}, func(*Change) {}, "git ls-remote", true},
		{"a server that is not there", Target{URL: "http://127.0.0.1:1/x.git", Token: "s3cret"}, func(*Change) {}, "git ls-remote", true},
	} {
		ch := change("api", rev1, "a", "dev")
		c.change(&ch)
		_, err := Promote(t.Context(), c.to, ch, t.TempDir())
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || e.Unreachable != c.away || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v (%+v)", c.name, err, e)
		}
	}
	if n := git(t, bare, "rev-list", "--count", "main"); n != "1" {
		t.Errorf("%s commits, want 1", n)
	}
}
