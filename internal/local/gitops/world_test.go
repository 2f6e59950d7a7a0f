package gitops

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/internal/kit/webhook"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/migrations"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/mirror"
)

// world is an engine with a real repository, a real store and a cluster in memory,
// driven step by step by a clock that stands still.
type world struct {
	t      testing.TB
	clock  *clock.Manual
	remote string // the bare repository
	work   string // a clone of it
	db     *sqlstore.DB
	fake   *fake
	e      *Engine
	folder string
	n      int
}

const threeEnvironments = `environments:
  - name: dev
    kind: development
  - name: staging
    kind: staging
    from: dev
    promote: automatic
  - name: production
    kind: production
    from: staging
    promote: approval
`

const onlyProduction = `environments:
  - name: production
    kind: production
`

func newWorld(t testing.TB, environments string) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewManual(time.Date(2026, 3, 2, 10, 0, 0, 123456000, time.UTC)), folder: t.TempDir()}
	w.remote, w.work = filepath.Join(w.folder, "environments.git"), filepath.Join(w.folder, "work")
	w.git("", "init", "-q", "--bare", "-b", "main", w.remote)
	w.git("", "init", "-q", "-b", "main", w.work)
	w.git(w.work, "remote", "add", "origin", w.remote)
	if environments != "" {
		w.write("environments.yaml", environments)
		w.push("environments")
	}
	w.db = storetest.OpenSQLite(t, migrations.FS)
	w.fake = newFake(w.clock)
	w.open()
	c := Connections{}
	c.Repository.URL, c.Repository.Branch = "file://"+w.remote, "main"
	c.Events.URL, c.WebhookSecret = "http://127.0.0.1:1/webhooks/dora/argocd", "hook secret"
	if err := w.e.connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return w
}

// open makes the engine anew on the same store, as after a kill.
func (w *world) open() {
	w.t.Helper()
	m, err := mirror.Open(context.Background(), filepath.Join(w.folder, "mirror"))
	if err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w.e, err = NewEngine(context.Background(), Config{Concurrency: 4, Poll: time.Second, Resync: time.Second, RolloutLimit: time.Minute, PublicURL: "http://fawkes"},
		NewStore(w.db), m, w.fake, webhook.New(w.db, webhook.Options{Clock: w.clock}), w.clock, log)
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) git(dir string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w *world) write(name, text string) {
	w.t.Helper()
	at := filepath.Join(w.work, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// push commits all there is and gives the commit.
func (w *world) push(subject string) string {
	w.t.Helper()
	w.git(w.work, "add", "-A")
	w.git(w.work, "commit", "-q", "--allow-empty", "-m", subject)
	w.git(w.work, "push", "-q", "origin", "HEAD:main")
	return w.git(w.work, "rev-parse", "HEAD")
}

func (w *world) pull() { w.git(w.work, "pull", "-q", "--ff-only", "origin", "main") }

func digest(tag string) string { return fmt.Sprintf("sha256:%064x", tag) }

// release writes what the pipeline's promotion writes: image is a word of the
// image's name, by which the cluster in memory judges it.
func (w *world) release(service, environment, image string) {
	w.t.Helper()
	w.n++
	dir := "apps/" + service + "/" + environment + "/"
	w.write(dir+"kustomization.yaml", fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: %s
resources:
  - base/deployment.yaml
  - base/service.yaml
images:
  - name: %s
    newName: registry.local/%s/%s
    digest: %s
commonAnnotations:
  fawkes.dev/service: %s
  fawkes.dev/repository: http://git/fawkes/%s.git
  fawkes.dev/revision: "%040x"
`, environment, service, service, image, digest(image), service, service, image))
	w.write(dir+"base/deployment.yaml", fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
spec:
  replicas: 2
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      containers:
        - name: %[1]s
          image: %[1]s
          env: [{name: RELEASE, value: %[2]s}]
`, service, image))
	w.write(dir+"base/service.yaml", fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %[1]s}\nspec: {selector: {app: %[1]s}, ports: [{port: 80}]}\n", service))
}

// step does everything there is to do now, once.
func (w *world) step() {
	w.t.Helper()
	ctx := w.t.Context()
	if err := w.e.Refresh(ctx); err != nil {
		w.t.Fatalf("refresh: %v", err)
	}
	apps, err := w.e.store.Applications(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range apps {
		if _, err := w.e.Reconcile(ctx, a.Name); err != nil {
			w.t.Fatalf("reconcile %s: %v", a.Name, err)
		}
	}
	if err := w.e.WriteChanges(ctx); err != nil {
		w.t.Fatalf("write: %v", err)
	}
}

// settle steps until nothing moves any more, a second apart.
func (w *world) settle() {
	w.t.Helper()
	last, quiet := "", 0
	for range 200 {
		w.step()
		w.clock.Advance(1100 * time.Millisecond)
		now := w.state()
		if now != last {
			last, quiet = now, 0
			continue
		}
		if quiet++; quiet > 2 && !strings.Contains(now, "Running") {
			return
		}
	}
	w.t.Fatalf("it never settles:\n%s", last)
}

// state is everything that is stored of applications, in short.
func (w *world) state() string {
	var out []string
	apps, err := w.e.store.Applications(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range apps {
		out = append(out, fmt.Sprint(a.Name, " ", a.Sync, " ", a.Health.Status, " ", a.Revision, " ", a.Conditions))
		for _, o := range w.ops(a.Name) {
			out = append(out, fmt.Sprint("  ", o.ID, o.Kind, o.Phase))
		}
	}
	promotions, err := w.e.store.Promotions(w.t.Context(), "", "", 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range promotions {
		out = append(out, fmt.Sprint(p.ID, p.Service, p.From, p.To, p.State, p.Reason))
	}
	return strings.Join(out, "\n")
}

func (w *world) app(name string) Application {
	w.t.Helper()
	a, err := w.e.store.Application(w.t.Context(), name)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return a
}

// ops are the operations of an application, oldest first.
func (w *world) ops(name string) []Operation {
	w.t.Helper()
	all, err := w.e.store.Operations(w.t.Context(), name, 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(all)
	return all
}

// told is an operation in short: "sync Succeeded v1".
func (w *world) told(name string) []string {
	out := []string{}
	for _, o := range w.ops(name) {
		image := ""
		if len(o.Detail.Images) > 0 {
			image, _, _ = strings.Cut(o.Detail.Images[0], "@")
			image = image[strings.LastIndexByte(image, '/')+1:]
		}
		out = append(out, o.Kind+" "+o.Phase+" "+image)
	}
	return out
}

func (w *world) wantOps(name string, want ...string) {
	w.t.Helper()
	if got := w.told(name); strings.Join(got, ", ") != strings.Join(want, ", ") {
		w.t.Fatalf("operations of %s are %q, want %q\n%s", name, got, want, w.state())
	}
}

// note is a notification that was stored.
type note struct {
	Key string
	App struct {
		Name        string
		Annotations map[string]string
	}
	Operation struct {
		Phase, StartedAt, FinishedAt, Message, Revision string
		SelfHeal                                        int
	}
	Resources []struct{ Images []string }
	Health    struct{ Status string }
}

func (w *world) notes(name string) []note {
	w.t.Helper()
	rows, err := w.db.Read.QueryContext(w.t.Context(), `SELECT key, body FROM outbox ORDER BY id`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	var out []note
	for rows.Next() {
		var n note
		var body []byte
		if err := rows.Scan(&n.Key, &body); err != nil {
			w.t.Fatal(err)
		}
		if err := json.Unmarshal(body, &n); err != nil {
			w.t.Fatal(err)
		}
		if n.App.Name == name {
			out = append(out, n)
		}
	}
	if err := rows.Err(); err != nil && !errors.Is(err, sql.ErrNoRows) {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) condition(name, kind string) string {
	for _, c := range w.app(name).Conditions {
		if c.Type == kind {
			return c.Message
		}
	}
	return ""
}
