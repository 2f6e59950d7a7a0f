package browser

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fawkes-idp/fawkes/internal/bringup/road"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// delivery is how long a commit may take from the push to the running application. A first build is cold.
const delivery = 4 * time.Minute

// Get and Send are the platform as the road's bring-up asks it.
type roadAPI struct{ p *platform }

func (a roadAPI) Get(ctx context.Context, path string, query url.Values, into any) error {
	return a.Send(ctx, http.MethodGet, path, query, nil, into)
}

func (a roadAPI) Send(ctx context.Context, method, path string, query url.Values, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, a.p.url+path+"?"+query.Encode(), bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+a.p.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		var p problem.Problem
		if err := json.Unmarshal(got, &p); err != nil {
			return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, got)
		}
		return &p
	}
	if into == nil || len(got) == 0 {
		return nil
	}
	return json.Unmarshal(got, into)
}

// scanners writes stand-ins of the golden path's scanners: they find what a test plants, and need no minutes to build.
func scanners(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"gitleaks": `printf '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"gitleaks"}},"results":[]}]}'`,
		"gosec": `r=$(grep -rn --include='*.go' 'crypto/md5' . | head -1); i=
if [ -n "$r" ]; then f=${r%%:*}; l=${r#*:}; l=${l%%:*}
i=$(printf '{"severity":"HIGH","confidence":"HIGH","rule_id":"G501","details":"Blocklisted import crypto/md5","file":"%s/%s","line":"%s"}' "$PWD" "${f#./}" "$l"); fi
printf '{"Golang errors":{},"Issues":[%s],"Stats":{"files":1}}' "$i"`,
		"staticcheck": "exit 0",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	return dir
}

// startRoad brings the platform up with its delivery road.
func startRoad(t *testing.T) (*platform, *road.Road) {
	t.Helper()
	p := startWith(t, map[string]string{"runner.tools": scanners(t)})
	return p, pave(t, p)
}

// pave joins the parts of the delivery road, as `fawkes up` does.
func pave(t *testing.T, p *platform) *road.Road {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &road.Road{API: roadAPI{p}, Clock: clock.System(), Base: p.url, Public: p.url, State: p.state, Program: program, Environ: os.Environ()}
	if _, err := r.Connect(t.Context(), func(string) {}); err != nil {
		t.Fatalf("join the road: %v", err)
	}
	if _, err := r.Environments(t.Context(), func(string) {}); err != nil {
		t.Fatalf("make the environments: %v", err)
	}
	return r
}

// git runs git in a folder with the owner's credential for the platform.
func (p *platform) git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	secret := base64.StdEncoding.EncodeToString([]byte("ada:" + p.token))
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http."+p.url+"/.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: Basic "+secret,
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// edit replaces text in a file of a work tree.
func edit(t *testing.T, dir, name, from, to string) {
	t.Helper()
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("%s has no %q:\n%s", name, from, text)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), from, to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// write puts a file into a work tree.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// commitAndPush commits all of a work tree and pushes it to a branch; it gives the commit's SHA.
func (p *platform) commitAndPush(t *testing.T, dir, message string) string {
	t.Helper()
	p.git(t, dir, "add", "-A")
	p.git(t, dir, "commit", "-q", "-m", message)
	p.git(t, dir, "push", "-q", "origin", "HEAD:main")
	return p.git(t, dir, "rev-parse", "HEAD")
}

// within waits longer than until does; for what a pipeline has to do first.
func (b *tab) within(limit time.Duration, what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	for {
		short, stop := context.WithTimeout(ctx, patience)
		_, err := chromedp.Run(short, chromedp.Poll[bool](expression))
		stop()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			b.fail("%s does not come about within %s at %s:\n%s", what, limit, eval[string](b, "location.href"), eval[string](b, "document.querySelector('main').innerText.slice(0, 3000)"))
		}
	}
}

// samePage marks the page, so that it can be told whether it was loaded again.
func (b *tab) samePage() { eval[bool](b, `(window.__samePage = true)`) }

func (b *tab) stillSamePage(what string) {
	b.t.Helper()
	if !eval[bool](b, `window.__samePage === true`) {
		b.t.Errorf("%s: the page was loaded again", what)
	}
}

// follows waits until the page follows its streams.
func (b *tab) follows() {
	b.t.Helper()
	b.until("the stream", `document.querySelector("[data-live]").dataset.state === "on"`)
}
