package pushes

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/local/git"
)

// platform is identity, dora and git in one process.
type platform struct {
	t     *testing.T
	url   string
	token string
}

func start(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, token: auth.NewToken()}
	a, err := app.New(app.Options{
		Modules: append(app.Modules(), git.Module()), StateDir: t.TempDir(), Listen: "127.0.0.1:0", Version: "test", Log: slog.New(slog.DiscardHandler),
		Settings: map[string]string{"identity.bootstrap_token": p.token},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	p.url = a.URL()
	return p
}

// call sends a JSON request and decodes the answer, which must be a success.
func (p *platform) call(method, path string, body, into any) {
	p.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(string(text)))
	if err != nil {
		p.t.Fatal(err)
	}
	if body == nil {
		req.Body = http.NoBody
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode > 299 {
		p.t.Fatalf("%s %s: %d %s (%v)", method, path, resp.StatusCode, answer, err)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(answer, into); err != nil {
		p.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
	}
}

// git runs the program as Ada, at the author's and the committer's time.
func (p *platform) git(dir, authored, committed string, args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=Bob", "GIT_COMMITTER_EMAIL=bob@example.org",
		"GIT_AUTHOR_DATE=" + authored, "GIT_COMMITTER_DATE=" + committed,
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// What is pushed to the platform's git server reaches the delivery log by the webhook, with the author's own time to the
// second, under the repository's identity, and a push brings its whole chain.
func TestAPushReachesTheDeliveryLog(t *testing.T) {
	p := start(t)
	var source struct{ URL, Secret string }
	p.call("POST", "/api/dora/v1/sources", map[string]any{"kind": "github", "project": "shop"}, &source)
	p.call("PUT", "/api/git/v1/hooks/dora", map[string]any{"url": source.URL, "secret": source.Secret}, nil)
	p.call("PUT", "/api/git/v1/repositories/shop/api", map[string]any{}, nil)

	dir := t.TempDir()
	p.git(dir, "", "", "init", "--quiet", "--initial-branch=main", ".")
	type made struct{ sha, authored, committed string }
	var want []made
	for i, at := range [][2]string{
		{"2026-03-01T23:59:59+0100", "2026-03-02T08:00:00+0100"},
		{"2026-03-02T09:00:01-0530", "2026-03-02T16:00:00Z"},
		{"2026-03-03T10:11:12Z", "2026-03-03T10:11:13Z"},
	} {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte{byte(i)}, 0o600); err != nil {
			t.Fatal(err)
		}
		p.git(dir, at[0], at[1], "add", "--all")
		p.git(dir, at[0], at[1], "commit", "--quiet", "-m", fmt.Sprint("Change ", i))
		want = append(want, made{p.git(dir, "", "", "rev-parse", "HEAD"), at[0], at[1]})
	}
	p.git(dir, "", "", "push", "--quiet", strings.Replace(p.url, "://", "://any:"+p.token+"@", 1)+"/git/shop/api.git", "main")

	type commit struct {
		Type, SHA, Repo, Author string
		Authored                time.Time `json:"authored_at"`
		Committed               time.Time `json:"committed_at"`
		Ancestors, Paths        []string
	}
	var got []commit
	deadline, tick := time.NewTimer(20*time.Second), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for len(got) < len(want) {
		select {
		case <-deadline.C:
			var deliveries any
			p.call("GET", "/api/git/v1/deliveries", nil, &deliveries)
			t.Fatalf("%d commits arrived, want %d; deliveries: %v", len(got), len(want), deliveries)
		case <-tick.C:
		}
		var feed struct {
			Items []struct{ Event json.RawMessage }
		}
		p.call("GET", "/api/dora/v1/events?project=shop&type=commit", nil, &feed)
		got = nil
		for _, item := range feed.Items {
			var c commit
			if err := json.Unmarshal(item.Event, &c); err != nil {
				t.Fatal(err)
			}
			got = append(got, c)
		}
	}
	for i, c := range got {
		authored, err := time.Parse("2006-01-02T15:04:05Z0700", want[i].authored)
		if err != nil {
			t.Fatal(err)
		}
		committed, err := time.Parse("2006-01-02T15:04:05Z0700", want[i].committed)
		if err != nil {
			t.Fatal(err)
		}
		if c.SHA != want[i].sha || !c.Authored.Equal(authored) || !c.Committed.Equal(committed) || c.Author != "ada@example.org" || len(c.Paths) != 1 {
			t.Errorf("commit %d arrived as %+v, want %+v", i, c, want[i])
		}
		if !strings.HasSuffix(c.Repo, "/git/shop/api") {
			t.Errorf("commit %d is of the repository %q", i, c.Repo)
		}
	}
	if head := got[2]; len(head.Ancestors) != 2 {
		t.Errorf("the head contains %v, want both others", head.Ancestors)
	}
}
