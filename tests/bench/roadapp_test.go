package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/templates"
	"github.com/fawkes-idp/fawkes/tests/process"
)

// roadProgram builds fawkes, with the scanners of the golden path beside it.
func roadProgram(b *testing.B) string {
	b.Helper()
	built := process.Build(b, "fawkes")
	root, err := filepath.Abs("../..")
	if err != nil {
		b.Fatal(err)
	}
	run(b, root, nil, filepath.Join(root, "scripts", "scanners.sh"))
	if err := os.Symlink(filepath.Join(root, "bin", "tools"), filepath.Join(filepath.Dir(built), "tools")); err != nil {
		b.Fatal(err)
	}
	return built
}

// run runs a program to its end and gives what it said.
func run(b *testing.B, dir string, env []string, argv ...string) string {
	b.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s in %s: %v\n%s%s", strings.Join(argv, " "), dir, err, out.String(), complaint.String())
	}
	return strings.TrimSpace(out.String())
}

// app is a service of the template go, in a clone.
type app struct {
	b       *testing.B
	name    string
	dir     string
	remote  string // empty: it is not on a platform
	edition int
	token   string
}

// newApp writes a service and makes a repository of it. With a platform it is there, too.
func newApp(b *testing.B, p *process.Process, name string) *app {
	b.Helper()
	a := &app{b: b, name: name, dir: filepath.Join(b.TempDir(), name)}
	if err := templates.Write(a.dir, "go", templates.Params{Service: name, Promote: []string{"production"}}); err != nil {
		b.Fatal(err)
	}
	manifest := filepath.Join(a.dir, "deploy", "deployment.yaml")
	text, err := os.ReadFile(manifest)
	if err != nil {
		b.Fatal(err)
	}
	// One copy, so that what is killed is missed.
	if err := os.WriteFile(manifest, bytes.Replace(text, []byte("replicas: 2"), []byte("replicas: 1"), 1), 0o600); err != nil {
		b.Fatal(err)
	}
	a.git("init", "-q", "-b", "main")
	if p != nil {
		var made struct {
			CloneURL string `json:"clone_url"`
		}
		send(b, p, http.MethodPut, "/api/git/v1/repositories/fawkes/"+name, `{"default_branch":"main"}`, &made)
		a.remote, a.token = made.CloneURL, p.Token
	}
	a.commit()
	return a
}

func (a *app) git(args ...string) string {
	a.b.Helper()
	env := []string{
		"GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull,
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org",
	}
	if a.token != "" {
		env = append(env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.extraHeader",
			"GIT_CONFIG_VALUE_0=Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("fawkes:"+a.token)))
	}
	return run(a.b, a.dir, env, append([]string{"git"}, args...)...)
}

// commit changes the page and commits it.
func (a *app) commit() string {
	a.b.Helper()
	file := filepath.Join(a.dir, "service.go")
	text, err := os.ReadFile(file)
	if err != nil {
		a.b.Fatal(err)
	}
	old := "<h1>" + a.name
	if a.edition > 0 {
		old = fmt.Sprintf("<h1>%s edition %d", a.name, a.edition)
	}
	a.edition++
	changed := strings.Replace(string(text), old, fmt.Sprintf("<h1>%s edition %d", a.name, a.edition), 1)
	if changed == string(text) {
		a.b.Fatalf("%s does not hold %q", file, old)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		a.b.Fatal(err)
	}
	a.git("add", "-A")
	a.git("commit", "-q", "-m", fmt.Sprintf("edition %d", a.edition))
	return a.git("rev-parse", "HEAD")
}

func (a *app) push() { a.git("push", "-q", a.remote, "HEAD:main") }

// bare builds and tests what is committed, as a person does.
func (a *app) bare() time.Duration {
	a.b.Helper()
	begin := time.Now()
	env := []string{"CGO_ENABLED=0"}
	run(a.b, a.dir, env, "go", "build", "-o", filepath.Join(a.b.TempDir(), "program"), ".")
	run(a.b, a.dir, env, "go", "test", "./...")
	return time.Since(begin)
}

// deployed is what is read of an application.
type deployed struct {
	Health    struct{ Status string }
	Operation struct{ Phase string }
	Source    struct{ Revision string }
	URL       string
}

// healthy waits until a commit runs in production.
func (a *app) healthy(p *process.Process, sha string) deployed {
	a.b.Helper()
	var d deployed
	until(a.b, a.name+" to be healthy at "+sha, 10*time.Minute, 50*time.Millisecond, func() bool {
		d = deployed{}
		return try(p, "/api/gitops/v1/applications/"+a.name+"-production", &d) == nil &&
			d.Source.Revision == sha && d.Health.Status == "Healthy" && d.Operation.Phase == "Succeeded"
	})
	return d
}

// worked is how long the runner worked on a commit, and each stage of it.
func (a *app) worked(p *process.Process, sha string) (whole time.Duration, stages map[string]time.Duration) {
	a.b.Helper()
	var runs struct {
		Items []struct {
			Status     string
			StartedAt  time.Time  `json:"started_at"`
			FinishedAt *time.Time `json:"finished_at"`
			Stages     []struct {
				Name       string
				StartedAt  *time.Time `json:"started_at"`
				FinishedAt *time.Time `json:"finished_at"`
			}
		}
	}
	until(a.b, "the run of "+sha+" to end", time.Minute, 20*time.Millisecond, func() bool {
		err := try(p, "/api/runner/v1/runs?"+url.Values{"repository": {"fawkes/" + a.name}, "sha": {sha}}.Encode(), &runs)
		return err == nil && len(runs.Items) == 1 && runs.Items[0].FinishedAt != nil
	})
	r := runs.Items[0]
	stages = map[string]time.Duration{}
	for _, s := range r.Stages {
		if s.StartedAt != nil && s.FinishedAt != nil {
			stages[s.Name] = s.FinishedAt.Sub(*s.StartedAt)
		}
	}
	return r.FinishedAt.Sub(r.StartedAt), stages
}

// until waits until a condition holds.
func until(b *testing.B, what string, limit, every time.Duration, holds func() bool) {
	b.Helper()
	tick := time.NewTicker(every)
	defer tick.Stop()
	deadline := time.After(limit)
	for !holds() {
		select {
		case <-deadline:
			b.Fatalf("did not happen within %s: %s", limit, what)
		case <-tick.C:
		}
	}
}

// try asks the API; what is not there yet is an error.
func try(p *process.Process, path string, into any) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.URL+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+p.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// send writes by the API.
func send(b *testing.B, p *process.Process, method, path, body string, into any) {
	b.Helper()
	req, err := http.NewRequest(method, p.URL+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	text := do(b, p, req)
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			b.Fatalf("%s %s: %v", method, path, err)
		}
	}
}
