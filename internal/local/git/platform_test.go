package git_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log"
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

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/local/git"
)

// issuer is identity with three tokens.
type issuer struct {
	key    ed25519.PrivateKey
	scopes map[string]string // by token
}

func (i issuer) Keys(context.Context) (jose.JSONWebKeySet, error) {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "k1", Algorithm: "EdDSA", Use: "sig"}}}, nil
}

func (i issuer) Exchange(_ context.Context, c auth.Credential, audience string) (string, error) {
	scope, known := i.scopes[c.Secret]
	if !known {
		return "", auth.ErrRefused
	}
	now := time.Now().Unix()
	return auth.Claims{
		Issuer: auth.IssuerName, Subject: "per-ada", Name: "Ada", Audience: audience, Scope: scope, Kind: auth.KindToken, ID: "j1",
		IssuedAt: now, NotBefore: now, Expires: now + 300,
	}.Sign(i.key, "k1")
}

// platform is the git server with its real handler, database and folder, as a program runs it.
type platform struct {
	t                  *testing.T
	state              string
	settings           map[string]string
	admin, write, read string // tokens
	issuer             issuer
	url                string
	log                *logBuffer
	stop               func() // ends this run, as a crash does: nothing is told
	registry           *prometheus.Registry
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T) *platform { return startWith(t, nil) }

func startWith(t *testing.T, settings map[string]string) *platform {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{t: t, state: t.TempDir(), settings: settings, admin: auth.NewToken(), write: auth.NewToken(), read: auth.NewToken(), log: &logBuffer{}}
	p.issuer = issuer{key, map[string]string{p.admin: "*", p.write: "git:read git:write", p.read: "git:read"}}
	p.begin(true)
	t.Cleanup(func() {
		p.stop()
		if strings.Contains(p.log.String(), "level=ERROR") {
			t.Errorf("something was logged as an error:\n%s", p.log)
		}
	})
	return p
}

// begin starts the server on the state there is; background says whether its background work runs.
func (p *platform) begin(background bool) {
	p.t.Helper()
	m := git.Module()
	db, err := sqlstore.Open(p.t.Context(), "sqlite:"+filepath.Join(p.state, "git.db"), sqlstore.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := db.Migrate(p.t.Context(), m.Migrations); err != nil {
		p.t.Fatal(err)
	}
	c, err := config.Load(m.Config, "", nil, p.settings)
	if err != nil {
		p.t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Options{Audience: "git", Issuer: p.issuer})
	if err != nil {
		p.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(noPanic{p.t}, "", 0)
	p.url = "http://" + server.Listener.Addr().String()
	p.registry = prometheus.NewRegistry()
	s, err := m.New(p.t.Context(), module.Deps{
		Config: c.Section("git"), Log: slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Metrics: p.registry,
		Tracer: noop.NewTracerProvider().Tracer(""), Clock: clock.System(), DB: db, Folder: filepath.Join(p.state, "git"), Auth: verifier, PublicURL: p.url,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	server.Config.Handler = s.Handler
	server.Start()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	if background {
		go func() { done <- s.Start(ctx) }()
	} else {
		done <- nil
	}
	p.stop = sync.OnceFunc(func() {
		server.CloseClientConnections()
		server.Close()
		cancel()
		if err := <-done; err != nil {
			p.t.Errorf("the background work ended with %v", err)
		}
		if err := db.Close(); err != nil {
			p.t.Errorf("close the database: %v", err)
		}
	})
}

// remote is a repository's address with a token in it.
func (p *platform) remote(token, name string) string {
	return strings.Replace(p.url, "http://", "http://any:"+token+"@", 1) + "/git/" + name + ".git"
}

// gitEnv is a person's environment: nothing of this machine's configuration.
func gitEnv(more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=Bob", "GIT_COMMITTER_EMAIL=bob@example.org",
		"GIT_AUTHOR_DATE=2026-03-01T10:00:00+0100", "GIT_COMMITTER_DATE=2026-03-02T11:30:00+0100",
	}, more...)
}

// git runs the git program and fails the test when it fails.
func (p *platform) git(dir string, args ...string) string {
	p.t.Helper()
	out, err := p.try(dir, args...)
	if err != nil {
		p.t.Fatalf("git %s: %v\n%s\nlog of the server:\n%s", strings.Join(args, " "), err, out, p.log)
	}
	return strings.TrimSpace(out)
}

// try runs the git program.
func (p *platform) try(dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(p.t.Context(), "git", args...)
	cmd.Dir, cmd.Env = dir, gitEnv()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// work makes a working copy with one commit on main.
func (p *platform) work(name string) string {
	p.t.Helper()
	dir := p.t.TempDir()
	p.git(dir, "init", "--quiet", "--initial-branch=main", ".")
	p.git(dir, "remote", "add", "origin", p.remote(p.write, name))
	p.commit(dir, "README.md", "# "+name+"\n", "Begin")
	return dir
}

// commit writes a file, commits it and returns the commit.
func (p *platform) commit(dir, path, text, message string) string {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.git(dir, "add", "--all")
	p.git(dir, "commit", "--quiet", "-m", message)
	return p.git(dir, "rev-parse", "HEAD")
}

// bare is a repository's folder on the server.
func (p *platform) bare(name string) string {
	return filepath.Join(p.state, "git", "repositories", name+".git")
}

// call sends a JSON request and returns the status and the decoded answer.
func (p *platform) call(token, method, path, body string) (int, map[string]any) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+"/api/git/v1"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var out map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &out); err != nil {
			p.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, text)
		}
	}
	return resp.StatusCode, out
}

// want sends a request that must be answered with the status.
func (p *platform) want(status int, token, method, path, body string) map[string]any {
	p.t.Helper()
	got, out := p.call(token, method, path, body)
	if got != status {
		p.t.Fatalf("%s %s: %d %v, want %d", method, path, got, out, status)
	}
	return out
}

// items are those of a list.
func items(list map[string]any) (out []map[string]any) {
	all, _ := list["items"].([]any)
	for _, item := range all {
		out = append(out, item.(map[string]any))
	}
	return out
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(20*time.Second), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("this did not come about: %s", what)
		case <-tick.C:
		}
	}
}

// received is one delivery as a hook got it.
type received struct {
	event, id, signature string
	raw                  []byte
	body                 map[string]any
}

// noPanic fails the test when a handler panics, which the server only writes down.
type noPanic struct{ t *testing.T }

func (n noPanic) Write(text []byte) (int, error) {
	if strings.Contains(string(text), "panic") {
		n.t.Errorf("the server says: %s", text)
	}
	return len(text), nil
}

// receiver is a hook's other end.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer func(n int, r received) int // the status of the nth request, from 0
}

func receive(t *testing.T, answer func(n int, r received) int) *receiver {
	t.Helper()
	h := &receiver{answer: answer}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		d := received{event: r.Header.Get("X-GitHub-Event"), id: r.Header.Get("X-GitHub-Delivery"), signature: r.Header.Get("X-Hub-Signature-256"), raw: raw}
		if err := json.Unmarshal(raw, &d.body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		n := len(h.got)
		h.got = append(h.got, d)
		if h.answer != nil {
			w.WriteHeader(h.answer(n, d))
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *receiver) all() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]received(nil), h.got...)
}

// told returns the deliveries, each id once.
func (h *receiver) told() (out []received) {
	seen := map[string]bool{}
	for _, d := range h.all() {
		if !seen[d.id] {
			seen[d.id] = true
			out = append(out, d)
		}
	}
	return out
}

// wait returns the deliveries once there are n.
func (h *receiver) wait(t *testing.T, n int) []received {
	t.Helper()
	eventually(t, "enough deliveries", func() bool { return len(h.all()) >= n })
	return h.all()
}
