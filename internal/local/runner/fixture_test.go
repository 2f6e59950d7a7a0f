package runner_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/local/runner"
	"github.com/fawkes-idp/fawkes/internal/local/runner/migrations"
)

const (
	token  = "0123456789abcdef0123456789abcdef0123"
	secret = "the secret of the webhook"
	api    = "/api/runner/v1"
)

// platform is the runner with its real handler and store, as a program would run it.
type platform struct {
	t       testing.TB
	folder  string
	db      *sqlstore.DB
	service *module.Service
	server  serving
	metrics *prometheus.Registry
	git     string // the folder of bare repositories
	stop    func()
}

// serving is where the platform answers.
type serving struct{ URL string }

func server(url string) serving { return serving{url} }

// setup is what a test changes.
type setup struct {
	folder   string            // a state that was there before; a new one when empty
	program  []string          // in the place of `fawkes ci run`
	settings map[string]string // of the runner
	idle     bool              // nothing is connected
	still    bool              // the background work does not start
	events   string            // where CDEvents go
}

func start(t testing.TB, s setup) *platform {
	t.Helper()
	p, err := open(t, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

// open makes the platform; it is used by the child process too, which has no cleanup.
func open(t testing.TB, s setup) (*platform, error) {
	if s.folder == "" {
		s.folder = t.TempDir()
	}
	p := &platform{t: t, folder: s.folder, git: filepath.Join(s.folder, "git"), metrics: prometheus.NewRegistry()}
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	log := slog.New(slog.DiscardHandler)
	if p.db, err = sqlstore.Open(ctx, "sqlite:"+filepath.Join(s.folder, "runner.db"), sqlstore.Options{Logger: log}); err != nil {
		cancel()
		return nil, err
	}
	if err := p.db.Migrate(ctx, migrations.FS); err != nil {
		cancel()
		return nil, err
	}
	m := runner.Module(runner.WithProgram(s.program...))
	c, err := config.Load(m.Config, "", nil, s.settings)
	if err != nil {
		cancel()
		return nil, err
	}
	verifier, err := auth.NewVerifier(auth.Options{Audience: "runner", StaticToken: token})
	if err != nil {
		cancel()
		return nil, err
	}
	p.service, err = m.New(ctx, module.Deps{
		Config: c.Section("runner"), Log: log, Metrics: p.metrics, Tracer: noop.NewTracerProvider().Tracer(""),
		Clock: clock.System(), DB: p.db, PublicURL: "http://127.0.0.1:8080", Auth: verifier, Folder: filepath.Join(s.folder, "runner"),
	})
	if err != nil {
		cancel()
		return nil, err
	}
	web := httptest.NewServer(p.service.Handler)
	p.server = server(web.URL)
	var work sync.WaitGroup
	if !s.idle {
		body := map[string]any{"git": map[string]string{"url": "file://" + p.git, "token": "git-token"}, "webhook_secret": secret}
		if s.events != "" {
			body["events"] = map[string]string{"url": s.events, "token": "events-token"}
		}
		if status, text := p.call(http.MethodPut, api+"/connections", body); status != http.StatusOK {
			cancel()
			return nil, fmt.Errorf("connect: %d %s", status, text)
		}
	}
	if !s.still {
		work.Go(func() {
			if err := p.service.Start(ctx); err != nil {
				t.Errorf("the background work ended: %v", err)
			}
		})
	}
	var once sync.Once
	p.stop = func() {
		once.Do(func() {
			web.CloseClientConnections()
			cancel()
			work.Wait()
			web.Close()
			if err := p.db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return p, nil
}

// call sends a JSON request with the operator's token.
func (p *platform) call(method, path string, body any) (int, string) {
	var in io.Reader
	if body != nil {
		text, _ := json.Marshal(body)
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, p.server.URL+path, in)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// get reads a JSON answer.
func (p *platform) get(path string, into any) {
	p.t.Helper()
	status, text := p.call(http.MethodGet, api+path, nil)
	if status != http.StatusOK {
		p.t.Fatalf("GET %s: %d %s", path, status, text)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		p.t.Fatal(err)
	}
}

type stage struct {
	Name, Status string
	Reason       *string
}

type run struct {
	ID, Repository, Branch, SHA, Subject, Author, Trigger, Status string
	Reason, Image, Digest                                         *string
	RetryOf                                                       *string `json:"retry_of"`
	Attempt                                                       int
	Position                                                      *int
	PromotedTo                                                    []string `json:"promoted_to"`
	Stages                                                        []stage
	StartedAt                                                     *time.Time `json:"started_at"`
	FinishedAt                                                    *time.Time `json:"finished_at"`
	Isolation                                                     *struct {
		PIDNamespace bool `json:"pid_namespace"`
	}
	Usage struct {
		CPU float64 `json:"cpu_seconds"`
	}
}

func (r run) stage(name string) stage {
	for _, s := range r.Stages {
		if s.Name == name {
			return s
		}
	}
	return stage{}
}

func (r run) over() bool { return r.Status != "queued" && r.Status != "running" }

func (p *platform) run(id string) run {
	p.t.Helper()
	var r run
	p.get("/runs/"+id, &r)
	return r
}

// runs lists every run, the oldest first.
func (p *platform) runs() []run {
	p.t.Helper()
	var out []run
	cursor := ""
	for {
		var page struct {
			Items []run
			Next  string `json:"next_cursor"`
		}
		p.get("/runs?limit=500&cursor="+cursor, &page)
		out = append(out, page.Items...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// wait waits until the run is as wanted.
func (p *platform) wait(id, what string, ok func(run) bool) run {
	p.t.Helper()
	var r run
	until(p.t, "run "+id+" "+what, func() bool { r = p.run(id); return ok(r) })
	return r
}

func (p *platform) ended(id string) run {
	p.t.Helper()
	return p.wait(id, "is over", run.over)
}

func (p *platform) log(id, stage string) string {
	p.t.Helper()
	var body struct{ Text string }
	q := "?limit=1048576"
	if stage != "" {
		q += "&stage=" + stage
	}
	p.get("/runs/"+id+"/log"+q, &body)
	return body.Text
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within three minutes: %s", what)
		}
		<-tick.C
	}
}

// git runs the git program.
func gitIn(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// repository makes a bare repository with one commit and gives the commit.
func (p *platform) repository(name string, files map[string]string) string {
	p.t.Helper()
	bare := filepath.Join(p.git, name+".git")
	if err := os.MkdirAll(bare, 0o755); err != nil {
		p.t.Fatal(err)
	}
	gitIn(p.t, bare, "init", "--quiet", "--bare", "--initial-branch=main")
	work := p.t.TempDir()
	gitIn(p.t, work, "init", "--quiet", "--initial-branch=main")
	for path, text := range files {
		at := filepath.Join(work, path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o755); err != nil {
			p.t.Fatal(err)
		}
	}
	gitIn(p.t, work, "add", "-A")
	gitIn(p.t, work, "commit", "--quiet", "--allow-empty", "-m", "The first commit\n\nwith a body")
	gitIn(p.t, work, "push", "--quiet", bare, "main")
	return gitIn(p.t, work, "rev-parse", "HEAD")
}

// push is the body of a push webhook.
func push(repository, ref, sha string) []byte {
	text, _ := json.Marshal(map[string]any{
		"ref": ref, "before": strings.Repeat("0", 40), "after": sha, "created": true, "deleted": false,
		"repository":  map[string]any{"full_name": repository, "clone_url": "http://127.0.0.1:8080/git/" + repository + ".git", "default_branch": "main"},
		"head_commit": map[string]any{"id": sha, "message": "The first commit\n\nwith a body", "author": map[string]string{"name": "Ada"}},
	})
	return text
}

// deliver sends a signed webhook.
func (p *platform) deliver(id, event string, body []byte, change ...func(*http.Request)) (int, string) {
	r, err := http.NewRequest(http.MethodPost, p.server.URL+"/webhooks/runner/github", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", id)
	r.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(r)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

// pushed delivers a push and gives the run that it began.
func (p *platform) pushed(id, repository, branch, sha string) string {
	p.t.Helper()
	status, text := p.deliver(id, "push", push(repository, "refs/heads/"+branch, sha))
	var a struct{ Run string }
	if err := json.Unmarshal([]byte(text), &a); status != http.StatusAccepted || err != nil || a.Run == "" {
		p.t.Fatalf("%d %s", status, text)
	}
	return a.Run
}

// pipeline is a shell script in the place of `fawkes ci run`: the repository says what it does. Its arguments are
// --dir W --artifacts A -o json.
const pipeline = `
work=$2; artifacts=$4
say() { printf '%s\n' "$1"; }
stage() { say "{\"event\":\"stage\",\"stage\":\"$1\",\"status\":\"$2\",\"reason\":\"$3\",\"summary\":\"$4\"}"; }
log() { say "{\"event\":\"log\",\"stage\":\"$1\",\"text\":\"$2\"}"; }
result() { say "{\"event\":\"result\",\"status\":\"$1\",\"reason\":\"$2\",\"exit\":$3}"; exit $3; }
say "{\"event\":\"run\",\"service\":\"hello\",\"language\":\"go\",\"stages\":[\"checkout\",\"build\",\"unit-test\",\"push\",\"promote\"]}"
. "$work/pipeline.sh"
`

func script(t testing.TB) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ci.sh")
	if err := os.WriteFile(path, []byte(pipeline), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"/bin/sh", path}
}
