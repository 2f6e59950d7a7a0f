package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// dialTo gives a client whose pauses take no time and are written down.
func dialTo(t *testing.T, handler http.HandlerFunc) (*api, *[]time.Duration) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	g := &globals{version: "test", IO: IO{Clock: clock.System()}}
	client, err := g.dial(server.URL, "secret")
	if err != nil {
		t.Fatal(err)
	}
	var pauses []time.Duration
	client.pause = func(ctx context.Context, d time.Duration) error {
		pauses = append(pauses, d)
		return ctx.Err()
	}
	return client, &pauses
}

func TestListFollowsItsCursors(t *testing.T) {
	client, _ := dialTo(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer secret" {
			t.Errorf("authorization: got %q", got)
		}
		var from int
		fmt.Sscan(r.URL.Query().Get("cursor"), &from)
		var size int
		fmt.Sscan(r.URL.Query().Get("limit"), &size)
		p := map[string]any{}
		items := []int{}
		for i := from; i < min(from+size, 1200); i++ {
			items = append(items, i)
		}
		p["items"] = items
		if from+size < 1200 {
			p["next_cursor"] = fmt.Sprint(from + size)
		}
		writeJSON(t, w, p)
	})
	for limit, want := range map[int]int{0: 1200, 3: 3, 700: 700, 5000: 1200} {
		n := 0
		more, err := client.list(context.Background(), "/list", url.Values{"project": {"p"}}, limit, func(raw json.RawMessage) error {
			if string(raw) != fmt.Sprint(n) {
				t.Errorf("item %d: got %s", n, raw)
			}
			n++
			return nil
		})
		if err != nil || n != want || more != (want < 1200) {
			t.Errorf("limit %d: want %d items, got %d, more %v, %v", limit, want, n, more, err)
		}
	}
}

func TestOnlyWhatMayBeSentAgainIsSentAgain(t *testing.T) {
	calls := 0
	client, pauses := dialTo(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.Header().Set("Retry-After", "7")
		problem.Write(w, r, problem.New(problem.RateLimited, "slow down"))
	})
	if err := client.get(context.Background(), "/x", nil, nil); exitCode(err) != exitFailure || calls != client.patience {
		t.Errorf("a read: want %d tries, got %d, %v", client.patience, calls, err)
	}
	for _, p := range *pauses {
		if p < 7*time.Second || p > 9*time.Second {
			t.Errorf("want pauses of Retry-After and a little, got %s", p)
		}
	}
	calls = 0
	if err := client.send(context.Background(), http.MethodPost, "/x", nil, map[string]int{}, nil); err == nil || calls != 1 {
		t.Errorf("a write that carries no id: want one try, got %d, %v", calls, err)
	}
}

func TestRefusalsBecomeALineAMendAndACode(t *testing.T) {
	for name, tc := range map[string]struct {
		answer     func(w http.ResponseWriter, r *http.Request)
		code       int
		line, mend string
	}{
		"a field of the query": {func(w http.ResponseWriter, r *http.Request) {
			problem.Write(w, r, problem.New(problem.InvalidField, "%q is not a date", "x").WithField("query.from").WithMend("write 2025-01-31"))
		}, exitUsage, `--from: "x" is not a date`, "write 2025-01-31"},
		"unknown project": {func(w http.ResponseWriter, r *http.Request) {
			problem.Write(w, r, problem.New(problem.UnknownProject, "there is no project"))
		}, exitNotFound, "there is no project", ""},
		"no token": {func(w http.ResponseWriter, r *http.Request) {
			problem.Write(w, r, problem.New(problem.Unauthenticated, "who are you?"))
		}, exitDenied, "who are you?", "set FAWKES_TOKEN"},
		"not allowed": {func(w http.ResponseWriter, r *http.Request) {
			problem.Write(w, r, problem.New(problem.Forbidden, "needs dora:write"))
		}, exitDenied, "needs dora:write", ""},
		"a proxy's page": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, "<html>bad gateway</html>")
		}, exitUnreachable, "GET /x answered 502 Bad Gateway", ""},
		"not a platform": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<html>hello</html>")
		}, exitFailure, "not the expected JSON", "FAWKES_API"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := dialTo(t, tc.answer)
			var into struct{}
			err := client.get(context.Background(), "/x", nil, &into)
			if err == nil {
				t.Fatal("want an error")
			}
			line, mend := explain(err)
			if exitCode(err) != tc.code || !strings.Contains(line, tc.line) || !strings.Contains(mend, tc.mend) {
				t.Errorf("want exit %d, %q, %q; got %d, %q, %q", tc.code, tc.line, tc.mend, exitCode(err), line, mend)
			}
			if strings.Contains(line+mend, "secret") {
				t.Errorf("the token is in the error: %s", line)
			}
		})
	}
}

func TestConnectPrefersTheEnvironmentToTheRunFile(t *testing.T) {
	state := t.TempDir()
	held, err := takeLock(context.Background(), state)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeRunFile(state, running{PID: 1, API: "http://127.0.0.1:4", Token: "local"}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(state, runFileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("run file: want mode 0600, got %v, %v", info.Mode(), err)
	}
	env := map[string]string{}
	g := &globals{state: state, IO: IO{Env: func(k string) string { return env[k] }}}
	check := func(base, token string) {
		t.Helper()
		a, err := g.connect()
		if err != nil || a.base != base || a.token != token {
			t.Errorf("want %s with %s, got %+v, %v", base, token, a, err)
		}
	}
	check("http://127.0.0.1:4", "local")
	env["FAWKES_TOKEN"] = "mine"
	check("http://127.0.0.1:4", "mine")
	env["FAWKES_API"], env["FAWKES_TOKEN"] = "https://fawkes.example/", ""
	check("https://fawkes.example", "") // the local token goes nowhere else
	env = map[string]string{}
	if err := held.release(); err != nil {
		t.Fatal(err)
	}
	if _, err := g.connect(); exitCode(err) != exitUnreachable {
		t.Errorf("after its end: want exit %d, got %v", exitUnreachable, err)
	}
}

func TestALockIsHeldByOne(t *testing.T) {
	state := t.TempDir()
	first, err := takeLock(context.Background(), state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := takeLock(context.Background(), state); !errors.Is(err, errLocked) {
		t.Errorf("a second: want %v, got %v", errLocked, err)
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	second, err := takeLock(context.Background(), state)
	if err != nil {
		t.Fatalf("after its release: %v", err)
	}
	if err := second.release(); err != nil {
		t.Fatal(err)
	}
}
