package goldenpath

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// surroundings are the variables that each system sets for the first commit of a world.
func surroundings(w *world) map[string]map[string]string {
	sha, temp := w.git("rev-parse", "HEAD"), filepath.Dir(w.dir)
	return map[string]map[string]string{
		"shell": {},
		"jenkins": {
			"JENKINS_URL": "https://ci.example/", "BUILD_NUMBER": "12", "BUILD_TAG": "jenkins-small-12", "BUILD_URL": "https://ci.example/job/small/12/", "JOB_NAME": "small",
			"GIT_COMMIT": sha, "GIT_URL": "https://git.example/shop/small.git", "GIT_BRANCH": "origin/main", "WORKSPACE": w.dir,
		},
		"github": {
			"GITHUB_ACTIONS": "true", "GITHUB_SHA": sha, "GITHUB_REF": "refs/heads/main", "GITHUB_REPOSITORY": "shop/small", "GITHUB_SERVER_URL": "https://git.example", "GITHUB_RUN_ID": "77", "GITHUB_RUN_ATTEMPT": "1",
			"GITHUB_OUTPUT": filepath.Join(temp, "output"), "GITHUB_STEP_SUMMARY": filepath.Join(temp, "summary.md"), "RUNNER_TEMP": temp,
		},
		"gitlab": {
			"GITLAB_CI": "true", "CI_PIPELINE_ID": "5", "CI_PROJECT_PATH": "shop/small", "CI_PROJECT_URL": "https://git.example/shop/small", "CI_COMMIT_SHA": sha, "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main",
		},
		"fawkes": {
			"FAWKES_RUN_ID": "r-9", "FAWKES_RUN_ATTEMPT": "1", "FAWKES_RUN_URL": "http://127.0.0.1:8080/runs/r-9", "FAWKES_REPOSITORY": "https://git.example/shop/small.git", "FAWKES_REPOSITORY_NAME": "shop/small",
			"FAWKES_BRANCH": "main", "FAWKES_SHA": sha,
		},
	}
}

// TestEverySystemGivesTheSameResultAndEvents runs one commit in each, all at once and stage by stage.
func TestEverySystemGivesTheSameResultAndEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService()).delivered()
	host := w.env["FAWKES_REGISTRY"]
	base := map[string]string{}
	for k, v := range w.env {
		base[k] = v
	}
	type outcome struct {
		Statuses, Digest, Gate string
		Artifacts, Events      []string
	}
	var want *outcome
	compare := func(name string, stages bool) {
		t.Helper()
		w.artifacts = filepath.Join(filepath.Dir(w.dir), "artifacts-"+name)
		if stages {
			for _, stage := range Stages() {
				w.wants(ExitOK, RunStage(t.Context(), w.options(), stage))
			}
		} else {
			w.run(ExitOK)
		}
		s := w.state()
		got := outcome{Statuses: w.statuses(), Digest: s.Image.Digest, Gate: w.kept(FileGate), Events: normalized(t, w.kept(FileEvents), s)}
		files, err := os.ReadDir(w.artifacts)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			got.Artifacts = append(got.Artifacts, f.Name())
		}
		if !strings.HasPrefix(s.Image.Repository, host+"/shop/small") {
			t.Errorf("%s: image %s", name, s.Image.Repository)
		}
		if want == nil {
			want = &got
			return
		}
		if diff := cmp.Diff(*want, got); diff != "" {
			t.Errorf("%s (-first +this):\n%s", name, diff)
		}
	}
	all := surroundings(w)
	for _, name := range []string{"shell", "jenkins", "github", "gitlab", "fawkes"} {
		w.env = map[string]string{}
		for _, vars := range []map[string]string{base, all[name]} {
			for k, v := range vars {
				w.env[k] = v
			}
		}
		compare(name, false)
		if name != "gitlab" {
			compare(name+"-stages", true)
		}
	}
	if n := bareCommits(t, w.bare); n != "1" {
		t.Errorf("%s commits in the environment repository, want 1", n)
	}
	summary, err := os.ReadFile(all["github"]["GITHUB_STEP_SUMMARY"])
	if err != nil || strings.Count(string(summary), "## small passed") != 2 {
		t.Errorf("the page of GitHub: %v\n%s", err, summary)
	}
	if out, err := os.ReadFile(all["github"]["GITHUB_OUTPUT"]); err != nil || !strings.Contains(string(out), "digest="+want.Digest) {
		t.Errorf("the outputs of GitHub: %v\n%s", err, out)
	}
}

// normalized are events without what is the run's own: ids, times, addresses.
func normalized(t *testing.T, lines string, s *State) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(lines) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		var strip func(v any) any
		strip = func(v any) any {
			switch v := v.(type) {
			case map[string]any:
				for _, key := range []string{"id", "time", "timestamp", "started_at", "uri"} {
					if text, ok := v[key].(string); ok && !strings.HasPrefix(text, "pkg:") && text != s.SHA {
						v[key] = "–"
					}
				}
				for key := range v {
					v[key] = strip(v[key])
				}
			case string:
				return strings.ReplaceAll(v, s.run().ID, "RUN")
			}
			return v
		}
		text, err := json.Marshal(strip(e))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return out
}

func TestAStageAloneWantsThoseBeforeIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService()).delivered()
	if r := w.wants(ExitUsage, RunStage(t.Context(), w.options(), "unit-test")); !strings.Contains(r.Reason, "the stage build has not passed in this run") {
		t.Errorf("got %+v", r)
	}
	// A stage that failed and is started again goes on; both ends are told.
	w.env["BUILD_TAG"], w.env["JOB_NAME"] = "jenkins-small-1", "small"
	w.env["GIT_BRANCH"] = "origin/main"
	for _, stage := range []string{"checkout", "build"} {
		w.wants(ExitOK, RunStage(t.Context(), w.options(), stage))
	}
	tools := w.env["FAWKES_TOOLS"]
	w.script("gitleaks", "exit 7")
	w.wants(ExitFailed, RunStage(t.Context(), w.options(), "secrets"))
	if w.receiver.outcome() != "failure" || w.env["FAWKES_TOOLS"] != tools {
		t.Errorf("outcome %q", w.receiver.outcome())
	}
	w.script("gitleaks", `printf '{"version":"2.1.0","runs":[]}'`)
	for _, stage := range Stages()[2:] {
		w.wants(ExitOK, RunStage(t.Context(), w.options(), stage))
	}
	if w.receiver.outcome() != "success" {
		t.Errorf("events: %s, %s", w.receiver.kinds(), w.receiver.outcome())
	}
}

func TestOnlyTheDefaultBranchIsPromoted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"a branch":          {map[string]string{"FAWKES_BRANCH": "fix"}, "the branch is fix"},
		"a proposed change": {map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/pull/4/merge", "GITHUB_RUN_ID": "1", "GITHUB_REPOSITORY": "shop/small", "GITHUB_HEAD_REF": "main"}, "change 4 is proposed"},
		"a tag":             {map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/tags/v1", "GITHUB_RUN_ID": "1", "GITHUB_REPOSITORY": "shop/small"}, "this is the tag v1"},
		"another default":   {map[string]string{"FAWKES_DEFAULT_BRANCH": "trunk"}, "only trunk is promoted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, smallService()).delivered()
			for k, v := range c.env {
				w.env[k] = v
			}
			w.run(ExitOK)
			if st := w.state().Stages["promote"]; st.Status != StatusSkipped || !strings.Contains(st.Reason, c.want) || bareCommits(t, w.bare) != "0" {
				t.Errorf("promote: %+v", st)
			}
		})
	}
}

// TestASignalAbortsEveryStage stops a run, in a process of its own, in the middle of each stage.
func TestASignalAbortsEveryStage(t *testing.T) {
	t.Parallel()
	slow := func(stage string) string {
		return "stages:\n  " + stage + ": {command: [sleep, \"300\"]}\n"
	}
	const sleeping = "sleep 300"
	for stage, prepare := range map[string]func(*world){
		"build":           func(w *world) { w.write(map[string]string{"fawkes.yaml": slow("build")}) },
		"unit-test":       func(w *world) { w.write(map[string]string{"fawkes.yaml": slow("unit-test")}) },
		"behavior-test":   func(w *world) { w.write(map[string]string{"fawkes.yaml": "behavior: {command: [sleep, \"300\"]}\n"}) },
		"secrets":         func(w *world) { w.script("gitleaks", sleeping) },
		"static-analysis": func(w *world) { w.script("gosec", sleeping) },
		"image-scan":      func(w *world) { w.script("trivy", sleeping) },
		"sign":            func(w *world) { w.env["FAWKES_REGISTRY"] = hanging(w.t) },
		"push":            func(w *world) { w.env["FAWKES_REGISTRY"] = hanging(w.t); delete(w.env, "FAWKES_SIGNING_KEY") },
		"promote":         func(w *world) { w.env["FAWKES_ENVIRONMENTS_URL"] = "http://" + hanging(w.t) + "/x.git" },
	} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, smallService()).delivered()
			prepare(w)
			w.commit("slow")
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self)
			for k, v := range w.env {
				cmd.Env = append(cmd.Env, k+"="+v)
			}
			marker := "marker-" + strings.ReplaceAll(t.Name(), "/", "-")
			cmd.Env = append(cmd.Env, "RUN_PIPELINE_IN="+w.dir, "RUN_ARTIFACTS="+w.artifacts, "FAWKES_KEPT="+marker)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			limit := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
			defer limit.Stop()
			var told []Event
			lines := bufio.NewScanner(out)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				var e Event
				if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
					t.Fatalf("%s: %v", lines.Text(), err)
				}
				told = append(told, e)
				if e.Event == "stage" && e.Stage == stage && e.Status == StatusRunning {
					if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
						t.Fatal(err)
					}
				}
			}
			err = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != ExitAborted {
				t.Fatalf("exit %d, %v\n%+v\n%s", code, err, told[max(0, len(told)-3):], w.logs())
			}
			last := told[len(told)-1]
			if last.Event != "result" || last.Status != Aborted || w.state().Stages[stage].Reason != errAborted.Error() {
				t.Errorf("the last word: %+v; the stage: %+v", last, w.state().Stages[stage])
			}
			if w.receiver.outcome() != "cancel" || !strings.Contains(w.kept(FileSummary), "was aborted") {
				t.Errorf("outcome %q", w.receiver.outcome())
			}
			if left := processes(marker); len(left) > 0 {
				t.Errorf("left running: %v", left)
			}
		})
	}
}

// hanging is a server that never answers.
func hanging(t *testing.T) string {
	end := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-end:
		}
	}))
	t.Cleanup(func() { close(end); s.Close() })
	return strings.TrimPrefix(s.URL, "http://")
}

// processes are those that carry the marker of a run in their environment.
func processes(marker string) []string {
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return []string{err.Error()}
	}
	return slices.DeleteFunc(all, func(file string) bool {
		text, err := os.ReadFile(file)
		return err != nil || !strings.Contains(string(text), fmt.Sprintf("FAWKES_KEPT=%s\x00", marker))
	})
}
