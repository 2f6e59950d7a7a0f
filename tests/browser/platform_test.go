package browser

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/app/allinone"
	"github.com/fawkes-idp/fawkes/internal/cli"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// platform is the whole of Fawkes in this process, at a port of its own.
type platform struct {
	url, token string
	state      string // the state folder
}

// start brings the platform up on an empty state folder.
func start(t *testing.T) *platform { return startWith(t, nil) }

// startWith brings the platform up with settings beside its defaults.
func startWith(t *testing.T, settings map[string]string) *platform {
	t.Helper()
	p := &platform{token: auth.NewToken(), state: t.TempDir()}
	all := map[string]string{"identity.bootstrap_token": p.token}
	maps.Copy(all, settings)
	var log bytes.Buffer
	a, err := app.New(app.Options{
		Modules: allinone.Modules(), StateDir: p.state, Listen: "127.0.0.1:0", Version: "test",
		Settings: all,
		Log:      slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatalf("start the platform: %v\n%s", err, log.String())
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Errorf("stop the platform: %v", err)
		}
		if log.Len() > 0 {
			t.Errorf("the platform logged errors:\n%s", log.String())
		}
	})
	p.url = a.URL()
	return p
}

// link makes a one-time sign-in link, as `fawkes open` does.
func (p *platform) link(t *testing.T) string {
	t.Helper()
	body := p.post(t, "/api/identity/v1/signin-links", "application/json", []byte("{}"))
	var answer struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.URL == "" {
		t.Fatalf("no sign-in link in %s (%v)", body, err)
	}
	return answer.URL
}

func (p *platform) post(t *testing.T, path, kind string, body []byte) []byte {
	t.Helper()
	return p.ask(t, http.MethodPost, path, kind, body)
}

func (p *platform) ask(t *testing.T, method, path, kind string, body []byte) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	r.Header.Set("Content-Type", kind)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s\n%s", method, path, answer.Status, got)
	}
	return got
}

// fawkes runs a command of the program against the platform, as a person would in a terminal.
func (p *platform) fawkes(t *testing.T, args ...string) string {
	t.Helper()
	env := map[string]string{"FAWKES_API": p.url, "FAWKES_TOKEN": p.token, "HOME": t.TempDir(), "PATH": os.Getenv("PATH")}
	environ := make([]string, 0, len(env))
	for k, v := range env {
		environ = append(environ, k+"="+v)
	}
	var out, errs bytes.Buffer
	code := cli.Run(t.Context(), "test", cli.IO{In: strings.NewReader(""), Out: &out, Err: &errs, Env: func(k string) string { return env[k] }, Environ: environ, Clock: clock.System()}, args)
	if code != 0 {
		t.Fatalf("fawkes %s ended with %d\n%s%s", strings.Join(args, " "), code, out.String(), errs.String())
	}
	return out.String()
}

// repository makes a git repository with a commit every three days until today and a tag after every third.
func repository(t *testing.T) (dir string, commits []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "demo")
	at := time.Now().UTC().Add(-85 * 24 * time.Hour).Truncate(time.Hour)
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		stamp := at.Format(time.RFC3339)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_DATE="+stamp, "GIT_COMMITTER_DATE="+stamp,
			"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	git("init", "-q", "-b", "main")
	for i := range 28 {
		if err := os.WriteFile(filepath.Join(dir, "main.txt"), []byte(fmt.Sprint(i)), 0o600); err != nil {
			t.Fatal(err)
		}
		git("add", "main.txt")
		git("commit", "-q", "-m", fmt.Sprintf("change %d", i))
		commits = append(commits, git("rev-parse", "HEAD"))
		at = at.Add(6 * time.Hour)
		if i%3 == 2 {
			git("tag", "-a", "-m", "release", fmt.Sprintf("v1.%d.0", i/3))
		}
		at = at.Add(66 * time.Hour)
	}
	return dir, commits
}

// shop reports a team's life of eighty days: three services, pull requests with reviews, failures, rollbacks, a
// redeploy, an unplanned fix and incidents.
func shop(t *testing.T, p *platform) {
	t.Helper()
	var b bytes.Buffer
	emit := func(v map[string]any) {
		line, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	now := time.Now().UTC().Truncate(time.Minute)
	sha := func(service string, n int) string { return fmt.Sprintf("%x", sha1.Sum([]byte(fmt.Sprint(service, n)))) } //nolint:gosec // git's own hash
	for si, service := range []string{"api", "web", "worker"} {
		repo := "https://git.example/shop/" + service + ".git"
		count := []int{60, 38, 20}[si]
		gap := 82 * 24 * time.Hour / time.Duration(count)
		for i := range count {
			deployed := now.Add(-82 * 24 * time.Hour).Add(time.Duration(i+1) * gap).Add(-time.Duration(i*i%7) * time.Hour)
			authored := deployed.Add(-time.Duration(14+(i*13)%60) * time.Hour)
			commit := map[string]any{"type": "commit", "repo": repo, "sha": sha(service, i), "author": "dev" + fmt.Sprint(i%4), "authored_at": authored, "committed_at": authored.Add(5 * time.Minute), "parents": []string{}}
			if i > 0 {
				commit["parents"] = []string{sha(service, i-1)}
			}
			emit(commit)
			if i%5 != 4 {
				number := fmt.Sprint(i + 1)
				opened, merged := authored.Add(2*time.Hour), deployed.Add(-3*time.Hour)
				emit(map[string]any{"type": "pull_request", "repo": repo, "number": number, "author": "dev" + fmt.Sprint(i%4), "created_at": opened, "merged_at": merged, "closed_at": merged,
					"merge_sha": sha(service, i), "head_sha": sha(service, i), "base": "main", "title": fmt.Sprintf("Improve %s, part %d", service, i), "commits": []string{sha(service, i)}})
				if i%3 != 1 {
					emit(map[string]any{"type": "review", "repo": repo, "number": number, "author": "dev9", "kind": "approval", "submitted_at": opened.Add(3 * time.Hour)})
				}
			}
			deploy := func(id string, n int, outcome string, at time.Time, unplanned bool) {
				emit(map[string]any{"type": "deployment", "id": id, "service": service, "environment": "production", "repo": repo, "sha": sha(service, n), "outcome": outcome,
					"started_at": at.Add(-4 * time.Minute), "finished_at": at, "unplanned": unplanned})
			}
			id := fmt.Sprintf("%s-%d", service, i)
			switch {
			case i > 2 && i%17 == 6:
				deploy(id, i, "success", deployed, false)
				deploy(id+"-back", i-1, "success", deployed.Add(50*time.Minute), false)
			case i%19 == 12:
				deploy(id, i, "failure", deployed, false)
				deploy(id+"-again", i, "success", deployed.Add(2*time.Hour), true)
			case i%13 == 5:
				deploy(id, i, "success", deployed, false)
				deploy(id+"-re", i, "success", deployed.Add(30*time.Minute), false)
			default:
				deploy(id, i, "success", deployed, false)
			}
			if i%23 == 15 {
				emit(map[string]any{"type": "incident", "id": "inc-" + id, "service": service, "environment": "production", "opened_at": deployed.Add(40 * time.Minute), "resolved_at": deployed.Add(190 * time.Minute), "severity": "critical", "caused_by_deployment": nil})
			}
		}
	}
	answer := p.post(t, "/api/dora/v1/events:batch?project=shop", "application/x-ndjson", b.Bytes())
	var got struct {
		Stored, Rejected int
		Errors           []json.RawMessage
	}
	if err := json.Unmarshal(answer, &got); err != nil || got.Rejected != 0 || got.Stored == 0 {
		t.Fatalf("events were not taken: %s", answer)
	}
}
