package app_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
)

const operator = "operator-token-of-at-least-32-characters"

// safeBuffer may be written by a program while the test reads it.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestServiceSaysHowToUseIt(t *testing.T) {
	d := &diary{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	stored := part(d, "stored")
	stored.Migrations = tables()
	for _, c := range []struct {
		args     []string
		code     int
		out, err string
	}{
		{nil, app.ExitUsage, "Modules:", ""},
		{[]string{"--help"}, app.ExitOK, "a            tests", ""},
		{[]string{"--version"}, app.ExitOK, "fawkes-service v1", ""},
		{[]string{"nope"}, app.ExitUsage, "", `no module "nope"; the modules are a, b, stored`},
		{[]string{"all"}, app.ExitUsage, "", `no module "all"`},
		{[]string{"a", "--help"}, app.ExitOK, "", "-listen"},
		{[]string{"a", "--nope"}, app.ExitUsage, "", "nope"},
		{[]string{"a", "b"}, app.ExitUsage, "", `"b" is one argument too many`},
		{[]string{"a", "--listen", l.Addr().String()}, app.ExitFailed, "", "is taken by another program"},
		{[]string{"a", "--config", "/does/not/exist"}, app.ExitFailed, "", "/does/not/exist"},
		{[]string{"a", "--log-level", "loud"}, app.ExitFailed, "", "debug, info, warn or error"},
		{[]string{"stored", "--listen", "127.0.0.1:0"}, app.ExitFailed, "", "FAWKES_STORED_DATABASE_URL"},
	} {
		var stdout, stderr safeBuffer
		ctx, cancel := context.WithCancel(context.Background())
		code := app.Service{Modules: options(part(d, "a"), part(d, "b"), stored).Modules, Args: c.args, Stdout: &stdout, Stderr: &stderr, Version: "v1",
			Ready: func(string) { cancel() }}.Run(ctx)
		cancel()
		if code != c.code || !strings.Contains(stdout.String(), c.out) || !strings.Contains(stderr.String(), c.err) {
			t.Errorf("%v: code %d, out %q, err %q; want %d, %q, %q", c.args, code, stdout.String(), stderr.String(), c.code, c.out, c.err)
		}
	}
}

// TestDoraAloneOnPostgres is the main road's service as a cluster runs it, with
// an operator token in place of identity.
func TestDoraAloneOnPostgres(t *testing.T) {
	var stderr safeBuffer
	database := pgtest.Start(t).Database(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ready, done := make(chan string, 1), make(chan int, 1)
	go func() {
		done <- app.Service{
			Modules: app.Modules(), Args: []string{"dora", "--listen", "127.0.0.1:0"}, Version: "v1",
			Env:    []string{"FAWKES_DORA_DATABASE_URL=" + database, "FAWKES_AUTH_STATIC_TOKEN=" + operator},
			Stdout: &stderr, Stderr: &stderr, Ready: func(url string) { ready <- url },
		}.Run(ctx)
	}()
	var url string
	select {
	case url = <-ready:
	case code := <-done:
		t.Fatalf("it ended with %d:\n%s", code, stderr.String())
	}
	ask := func(path, token string) int {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	// It answers before its projection has begun to follow the log, and says so.
	for deadline := time.Now().Add(20 * time.Second); ask("/readyz", "") != http.StatusOK; {
		if time.Now().After(deadline) {
			t.Fatalf("it did not become ready:\n%s", stderr.String())
		}
		runtime.Gosched()
	}
	for _, c := range []struct {
		path, token string
		want        int
	}{
		{"/healthz", "", 200},
		{"/api/dora/v1/projects", operator, 200},
		{"/api/dora/v1/projects", "", 401},
		{"/api/dora/v1/projects", strings.ToUpper(operator), 401},
		{"/api/identity/v1/tokens", operator, 404},
	} {
		if got := ask(c.path, c.token); got != c.want {
			t.Errorf("%s with the token %q answers %d, want %d\n%s", c.path, c.token, got, c.want, stderr.String())
		}
	}
	cancel()
	if code := <-done; code != app.ExitOK {
		t.Errorf("it ended with %d:\n%s", code, stderr.String())
	}
}
