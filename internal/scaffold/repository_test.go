package scaffold_test

import (
	"errors"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/scaffold"
)

// nobody is an environment in which git knows no author and reads no one's configuration.
func nobody(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "EMAIL=",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=user.useConfigOnly", "GIT_CONFIG_VALUE_0=true", "GIT_DIR=/nowhere",
	}, more...)
}

func output(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir, cmd.Env = dir, append(nobody(t)[:4:4], "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func newRepository(t *testing.T, environ []string) (dir, sha string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sha, err := scaffold.Begin(t.Context(), dir, "Begin", environ)
	if err != nil {
		t.Fatal(err)
	}
	return dir, sha
}

func TestARepositoryBeginsWithOneCommitOfEverything(t *testing.T) {
	dir, sha := newRepository(t, nobody(t))
	if got := output(t, dir, "log", "--format=%H %an <%ae> %s", "main"); got != sha+" Fawkes <fawkes@localhost> Begin" {
		t.Errorf("log: %s", got)
	}
	if got := output(t, dir, "status", "--porcelain"); got != "" {
		t.Errorf("not committed: %s", got)
	}
	dir, _ = newRepository(t, nobody(t, "GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com"))
	if got := output(t, dir, "log", "--format=%an %cn", "main"); got != "Ada Fawkes" {
		t.Errorf("author and committer: %s", got)
	}
}

// server serves bare repositories over smart HTTP to who has the password "secret".
func server(t *testing.T) (string, string) {
	t.Helper()
	root := t.TempDir()
	output(t, root, "init", "--quiet", "--bare", "--initial-branch=main", "shop.git")
	output(t, filepath.Join(root, "shop.git"), "config", "http.receivepack", "true")
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: program, Args: []string{"http-backend"}, Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"}, InheritEnv: []string{"PATH"}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, ok := r.BasicAuth(); !ok || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/shop.git", filepath.Join(root, "shop.git")
}

func TestAPushSignsInWithTheTokenAndKeepsItNowhere(t *testing.T) {
	dir, sha := newRepository(t, nobody(t))
	url, bare := server(t)
	if err := scaffold.Push(t.Context(), dir, url, "secret", nobody(t)); err != nil {
		t.Fatal(err)
	}
	if got := output(t, bare, "rev-parse", "main"); got != sha {
		t.Errorf("pushed %s, want %s", got, sha)
	}
	config, err := os.ReadFile(filepath.Join(dir, ".git", "config"))
	if err != nil || strings.Contains(string(config), "secret") || strings.Contains(string(config), "Basic") || !strings.Contains(string(config), url) {
		t.Errorf("%v: the configuration is\n%s", err, config)
	}
	if err := scaffold.Push(t.Context(), dir, url, "secret", nobody(t)); err != nil {
		t.Errorf("the same push again: %v", err)
	}

	other, _ := newRepository(t, nobody(t, "GIT_AUTHOR_DATE=2020-01-01T00:00:00Z"))
	for want, err := range map[string]error{
		"git:write":       scaffold.Push(t.Context(), other, url, "wrong", nobody(t)),
		"push to another": scaffold.Push(t.Context(), other, url, "secret", nobody(t)),
		"fawkes status":   scaffold.Push(t.Context(), other, "http://127.0.0.1:1/shop.git", "secret", nobody(t)),
		"a URL such as":   scaffold.Push(t.Context(), other, "--upload-pack=x", "secret", nobody(t)),
	} {
		var fault *scaffold.GitError
		if !errors.As(err, &fault) || !strings.Contains(fault.Mend, want) {
			t.Errorf("%v, want a mend with %q", err, want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the token: %v", err)
		}
	}
}
