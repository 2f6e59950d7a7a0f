package goldenpath

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/oci"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// TestMain lets this program be its own keeper, and a pipeline in a process of its own (asProcess).
func TestMain(m *testing.M) {
	sandbox.Init()
	if dir := os.Getenv("RUN_PIPELINE_IN"); dir != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		encoder := json.NewEncoder(os.Stdout)
		r := Run(ctx, Options{Dir: dir, Artifacts: os.Getenv("RUN_ARTIFACTS"), Environ: os.Environ(), Clock: clock.System(), Version: "test",
			Reporter: ReporterFunc(func(e Event) { _ = encoder.Encode(e) })})
		stop()
		os.Exit(r.Exit)
	}
	os.Exit(m.Run())
}

// The small service that the tests take down the road.
func smallService() map[string]string {
	return map[string]string{
		"go.mod":       "module example.org/small\n\ngo 1.24\n",
		"main.go":      "package main\n\nfunc twice(n int) int { return 2 * n }\n\nfunc main() { println(twice(21)) }\n",
		"main_test.go": "package main\n\nimport \"testing\"\n\nfunc TestTwice(t *testing.T) {\n\tif twice(2) != 4 {\n\t\tt.Error(\"twice 2 is not 4\")\n\t}\n}\n",
		"fawkes.yaml":  "version: 1\nservice: small\n",
	}
}

// world is a repository and everything around it.
type world struct {
	t         *testing.T
	dir       string
	artifacts string
	tools     string
	env       map[string]string
	registry  *httptest.Server
	receiver  *receiver
	bare      string // the environment repository
	told      []Event
}

// newWorld commits the files. The scanners are small stand-ins: gitleaks finds AKIA…, gosec finds md5.
func newWorld(t *testing.T, files map[string]string) *world {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: filepath.Join(root, "work"), artifacts: filepath.Join(root, "artifacts"), tools: filepath.Join(root, "tools"), bare: filepath.Join(root, "environments.git")}
	w.write(files)
	w.git("init", "--quiet", "--initial-branch=main")
	w.git("remote", "add", "origin", "https://git.example/shop/small.git")
	w.commit("first")
	w.script("gitleaks", `for last; do :; done
r=$(grep -rn --include='*.go' AKIA "$last" | head -1)
printf '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"gitleaks"}},"results":['
if [ -n "$r" ]; then f=${r%%:*}; l=${r#*:}; l=${l%%:*}
printf '{"ruleId":"aws-access-token","message":{"text":"a key"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"%s"},"region":{"startLine":%s,"snippet":{"text":"AKIAIOSFODNN7EXAMPLE"}}}}]}' "$f" "$l"; fi
printf ']}]}'`)
	w.script("gosec", `r=$(grep -rn --include='*.go' 'crypto/md5' . | head -1); i=
if [ -n "$r" ]; then f=${r%%:*}; l=${r#*:}; l=${l%%:*}
i=$(printf '{"severity":"HIGH","confidence":"HIGH","rule_id":"G501","details":"Blocklisted import crypto/md5","file":"%s/%s","line":"%s"}' "$PWD" "${f#./}" "$l"); fi
printf '{"Golang errors":{},"Issues":[%s],"Stats":{"files":1}}' "$i"`)
	w.script("staticcheck", "exit 0")
	w.env = map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": os.Getenv("HOME"), "FAWKES_TOOLS": w.tools, "FAWKES_CACHE": filepath.Join(root, "cache"), "TMPDIR": root,
		"GOFLAGS": "-mod=mod", "GOCACHE": goCache(t),
	}
	return w
}

// goCache is shared by all tests, so that the standard library is compiled once.
func goCache(t *testing.T) string {
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func (w *world) write(files map[string]string) {
	w.t.Helper()
	for name, text := range files {
		file := filepath.Join(w.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", w.dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@d")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w *world) commit(subject string) string {
	w.git("add", "--all")
	w.git("commit", "--quiet", "--allow-empty", "-m", subject)
	return w.git("rev-parse", "HEAD")
}

func (w *world) script(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.tools, name)
	if err := errors.Join(os.MkdirAll(w.tools, 0o755), os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o755)); err != nil {
		w.t.Fatal(err)
	}
}

// delivered gives the world a registry, a signing key, an environment repository and a receiver of events.
func (w *world) delivered() *world {
	w.t.Helper()
	w.registry = httptest.NewServer(registry.New(registry.Logger(discard())))
	w.t.Cleanup(w.registry.Close)
	w.receiver = newReceiver(w.t)
	if out, err := exec.Command("git", "init", "--quiet", "--bare", "--initial-branch=main", w.bare).CombinedOutput(); err != nil {
		w.t.Fatalf("%v %s", err, out)
	}
	private, public, err := oci.GenerateKeys([]byte("key-password"))
	key := filepath.Join(filepath.Dir(w.dir), "cosign.key")
	if err := errors.Join(err, os.WriteFile(key, private, 0o600), os.WriteFile(key+".pub", public, 0o600)); err != nil {
		w.t.Fatal(err)
	}
	for k, v := range map[string]string{
		"FAWKES_REGISTRY": strings.TrimPrefix(w.registry.URL, "http://"), "FAWKES_REGISTRY_TOKEN": "registry-token-1", "FAWKES_SIGNING_KEY": key, "FAWKES_SIGNING_PASSWORD": "key-password",
		"FAWKES_ENVIRONMENTS_URL": w.bare, "FAWKES_EVENTS_URL": w.receiver.URL, "FAWKES_EVENTS_TOKEN": "events-token-1",
	} {
		w.env[k] = v
	}
	return w
}

func (w *world) options() Options {
	var environ []string
	for k, v := range w.env {
		environ = append(environ, k+"="+v)
	}
	return Options{Dir: w.dir, Artifacts: w.artifacts, Environ: environ, Clock: clock.System(), Version: "test", Reporter: ReporterFunc(func(e Event) { w.told = append(w.told, e) })}
}

// run runs all stages and wants an exit code.
func (w *world) run(exit int) Result {
	w.t.Helper()
	return w.wants(exit, Run(w.t.Context(), w.options()))
}

func (w *world) wants(exit int, r Result) Result {
	w.t.Helper()
	if r.Exit != exit {
		w.t.Fatalf("exit %d in %q: %s; want %d\n%s", r.Exit, r.Stage, r.Reason, exit, w.logs())
	}
	return r
}

// logs is everything that the stages said.
func (w *world) logs() string {
	files, err := filepath.Glob(filepath.Join(w.artifacts, folderLogs, "*.log"))
	if err != nil {
		w.t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			w.t.Fatal(err)
		}
		fmt.Fprintf(&b, "== %s\n%s", filepath.Base(f), text)
	}
	return b.String()
}

func (w *world) state() *State {
	w.t.Helper()
	s, err := ReadState(w.artifacts)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// kept reads an artifact.
func (w *world) kept(name string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.artifacts, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// statuses is "stage status" of every stage that was begun.
func (w *world) statuses() string {
	var out []string
	for _, name := range Stages() {
		if st := w.state().Stages[name]; st != nil {
			out = append(out, name+" "+st.Status)
		}
	}
	return strings.Join(out, ", ")
}

// receiver takes events as the platform does: the same id once.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	ids    []string
	types  []string
	bodies []map[string]any
	status int // of the answer; 0: 202
	tokens []string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, err := io.ReadAll(req.Body)
		var e map[string]any
		if err == nil {
			err = json.Unmarshal(body, &e)
		}
		if err != nil || req.Header.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" {
			t.Errorf("received %q as %q: %v", body, req.Header.Get("Content-Type"), err)
		}
		if r.status != 0 {
			w.WriteHeader(r.status)
			return
		}
		id := fmt.Sprint(e["id"])
		if !slices.Contains(r.ids, id) {
			r.ids, r.types, r.bodies = append(r.ids, id), append(r.types, fmt.Sprint(e["type"])), append(r.bodies, e)
		}
		r.tokens = append(r.tokens, req.Header.Get("Authorization"))
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(r.Close)
	return r
}

// kinds are the types without what all have in common.
func (r *receiver) kinds() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, s := range r.types {
		s = strings.TrimPrefix(s, "dev.cdevents.")
		out = append(out, s[:strings.LastIndex(s, ".0.")])
	}
	return strings.Join(out, " ")
}

// outcome is how the run ended, as the last event says.
func (r *receiver) outcome() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range slices.Backward(r.bodies) {
		if e["type"] == "dev.cdevents.pipelinerun.finished.0.3.0" {
			content := e["data"].(map[string]any)["subject"].(map[string]any)["content"].(map[string]any)
			return fmt.Sprint(content["outcome"])
		}
	}
	return ""
}
