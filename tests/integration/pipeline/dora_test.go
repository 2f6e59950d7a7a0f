package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/tests/process"
)

// told is an event of the delivery log, of what this test looks at.
type told struct {
	Event struct {
		Type, Repo, SHA, Branch, Outcome, Digest string
		Attempt                                  int
	}
}

// TestDoraUnderstandsWhatTheGoldenPathTells runs a commit that fails and one that is good, and reads what the
// delivery metrics made of it: one build each, and the image of the good one.
func TestDoraUnderstandsWhatTheGoldenPathTells(t *testing.T) {
	program := process.Build(t, "fawkes")
	platform := process.Up(t, program, filepath.Join(t.TempDir(), "state"))
	var source struct{ Secret, Path string }
	call(t, platform, http.MethodPut, "/api/dora/v1/projects/shop", map[string]any{"project": "shop", "services": []any{map[string]any{"name": "small", "repo": "https://git.example/shop/small.git"}}}, nil)
	call(t, platform, http.MethodPost, "/api/dora/v1/sources", map[string]any{"kind": "cdevents", "name": "golden-path", "project": "shop"}, &source)

	dir, tools, artifacts := t.TempDir(), t.TempDir(), t.TempDir()
	script := func(name, text string) {
		if err := os.WriteFile(filepath.Join(tools, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script("gitleaks", `printf '{"version":"2.1.0","runs":[]}'`)
	script("gosec", `printf '{"Issues":[],"Stats":{"files":1}}'`)
	script("staticcheck", "exit 0")
	write := func(factor int) string {
		for name, text := range map[string]string{
			"go.mod":       "module example.org/small\n\ngo 1.24\n",
			"main.go":      fmt.Sprintf("package main\n\nfunc twice(n int) int { return %d * n }\n\nfunc main() { println(twice(21)) }\n", factor),
			"main_test.go": "package main\n\nimport \"testing\"\n\nfunc TestTwice(t *testing.T) {\n\tif twice(2) != 4 {\n\t\tt.Error(\"twice 2 is not 4\")\n\t}\n}\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		git(t, dir, "add", "--all")
		git(t, dir, "commit", "--quiet", "-m", fmt.Sprint(factor))
		return git(t, dir, "rev-parse", "HEAD")
	}
	git(t, dir, "init", "--quiet", "--initial-branch=main")
	bad := write(3)
	run := func(sha, build string, exit int) {
		t.Helper()
		cmd := exec.Command(program, "ci", "run", "--dir", dir, "--artifacts", artifacts)
		cmd.Env = append(os.Environ(), "FAWKES_TOOLS="+tools, "FAWKES_CACHE="+t.TempDir(), "FAWKES_EVENTS_URL="+platform.URL+source.Path, "FAWKES_EVENTS_TOKEN="+source.Secret,
			"JENKINS_URL=https://ci.example/", "BUILD_TAG=jenkins-small-"+build, "BUILD_URL=https://ci.example/job/small/"+build+"/", "GIT_URL=https://git.example/shop/small.git", "GIT_BRANCH=origin/main", "GIT_COMMIT="+sha)
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != exit {
			t.Fatalf("exit %d (%v), want %d\n%s", code, err, exit, out)
		}
	}
	run(bad, "1", 1)
	good := write(2)
	run(good, "2", 0)
	// What is sent again is not told twice.
	send := exec.Command(program, "ci", "events", "send", filepath.Join(artifacts, "events.jsonl"))
	send.Env = append(os.Environ(), "FAWKES_EVENTS_URL="+platform.URL+source.Path, "FAWKES_EVENTS_TOKEN="+source.Secret)
	if out, err := send.CombinedOutput(); err != nil || !strings.Contains(string(out), "sent 3 events") {
		t.Fatalf("%v: %s", err, out)
	}

	outcomes, digests := map[string]string{}, map[string]string{}
	var n int
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.NewTicker(100 * time.Millisecond); ; <-tick.C {
		var page struct {
			Items []told
		}
		call(t, platform, http.MethodGet, "/api/dora/v1/events?project=shop&limit=100", nil, &page)
		n = len(page.Items)
		for _, i := range page.Items {
			switch e := i.Event; e.Type {
			case "build":
				if e.Repo != "https://git.example/shop/small.git" || e.Branch != "main" || e.Attempt != 1 {
					t.Fatalf("build %+v", e)
				}
				if e.Outcome != "" {
					outcomes[e.SHA] = e.Outcome
				}
			case "artifact":
				digests[e.SHA] = e.Digest
			}
		}
		if len(outcomes) == 2 && len(digests) == 1 || time.Now().After(deadline) {
			tick.Stop()
			break
		}
	}
	if outcomes[bad] != "failure" || outcomes[good] != "success" || !strings.HasPrefix(digests[good], "sha256:") || digests[bad] != "" || n != 5 {
		t.Errorf("%d events; outcomes %v, digests %v; the bad commit is %s, the good one %s", n, outcomes, digests, bad, good)
	}
	var quarantine struct{ Items []any }
	call(t, platform, http.MethodGet, "/api/dora/v1/quarantine?project=shop", nil, &quarantine)
	if len(quarantine.Items) > 0 {
		t.Errorf("in quarantine: %v", quarantine.Items)
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@d")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// call asks the platform and wants success.
func call(t *testing.T, p *process.Process, method, path string, body, into any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, p.URL+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s %v\n%s", method, path, resp.Status, err, answer)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			t.Fatalf("%s: %v in %s", path, err, answer)
		}
	}
}
