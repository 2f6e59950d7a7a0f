package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// gitPlatform is a platform of which only the git module answers: it makes a bare repository where one is put,
// and serves it by the git program.
func gitPlatform(t *testing.T, token string) (api, root string) {
	t.Helper()
	root = t.TempDir()
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: program, Args: []string{"http-backend"}, Root: "/git", Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=fawkes"}, InheritEnv: []string{"PATH"}}
	mux := http.NewServeMux()
	var srv *httptest.Server
	mux.HandleFunc("PUT /api/git/v1/repositories/{owner}/{name}", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		var body struct {
			DefaultBranch string `json:"default_branch"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.DefaultBranch != "main" {
			t.Errorf("put: %v, default branch %q", err, body.DefaultBranch)
		}
		full := r.PathValue("owner") + "/" + r.PathValue("name")
		if out, err := exec.CommandContext(r.Context(), program, "init", "--quiet", "--bare", "--initial-branch=main", filepath.Join(root, full+".git")).CombinedOutput(); err != nil {
			t.Errorf("git init: %v %s", err, out)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"name":"`+full+`","clone_url":"`+srv.URL+`/git/`+full+`.git"}`)
	})
	mux.HandleFunc("/git/", func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	})
	srv = httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL, root
}

func TestANewServiceIsPushedToThePlatform(t *testing.T) {
	address, root := gitPlatform(t, "secret")
	begin := func(token, name string, more ...string) (int, string, string) {
		env := map[string]string{"FAWKES_API": address, "FAWKES_TOKEN": token, "PATH": os.Getenv("PATH"), "HOME": t.TempDir(), "GIT_CONFIG_NOSYSTEM": "1"}
		var environ []string
		for k, v := range env {
			environ = append(environ, k+"="+v)
		}
		var out, errs bytes.Buffer
		io := IO{In: strings.NewReader(""), Out: &out, Err: &errs, Env: func(k string) string { return env[k] }, Environ: environ, Clock: clock.System()}
		dir := filepath.Join(t.TempDir(), name)
		code := Run(t.Context(), "test", io, append([]string{"new", "service", name, "--template", "go", "--dir", dir, "--push"}, more...))
		return code, out.String(), errs.String()
	}
	code, out, errs := begin("secret", "shop-cart", "-o", "json")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	var made startedService
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.CloneURL == nil || *made.CloneURL != address+"/git/fawkes/shop-cart.git" {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := exec.CommandContext(t.Context(), "git", "-C", filepath.Join(root, "fawkes", "shop-cart.git"), "rev-parse", "main").Output()
	if err != nil || strings.TrimSpace(string(got)) != made.Commit {
		t.Errorf("the platform has %s, want %s (%v)", got, made.Commit, err)
	}
	helper, err := exec.CommandContext(t.Context(), "git", "-C", made.Dir, "config", "--local", "credential."+address+".helper").Output()
	if err != nil || !strings.HasPrefix(string(helper), "!'") || !strings.HasSuffix(string(helper), "' git credential\n") {
		t.Errorf("the next push asks for a password: the helper is %q (%v)", helper, err)
	}
	if strings.Contains(out+errs, "secret") {
		t.Errorf("the token is told:\n%s%s", out, errs)
	}

	code, _, errs = begin("wrong", "shop-other", "--repository", "shop/other")
	if code != exitDenied || !strings.Contains(errs, "not on the platform") || !strings.Contains(errs, "FAWKES_TOKEN") {
		t.Errorf("with a wrong token: exit code %d\n%s", code, errs)
	}
}
