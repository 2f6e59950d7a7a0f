package runner_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// childVariable makes this test binary a platform of its own, on the folder that it names.
const childVariable = "RUNNER_TEST_CHILD"

// child is that platform: it says its address and goes on until it is killed.
func child() int {
	t := &testing.B{}
	p, err := open(t, setup{folder: os.Getenv(childVariable), program: strings.Split(os.Getenv(childVariable+"_PROGRAM"), " ")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(p.server.URL)
	select {}
}

// killable starts a platform in a process of its own.
func killable(t *testing.T, folder string, program []string) (p *platform, kill func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childVariable+"="+folder, childVariable+"_PROGRAM="+strings.Join(program, " "))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return &platform{t: t, folder: folder, git: filepath.Join(folder, "git"), server: server(strings.TrimSpace(line))}, kill
}

// processes lists what carries the folder's marker.
func processes(folder string) []string {
	var out []string
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range all {
		if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte("FAWKES_KEPT="+folder)) {
			name, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
			out = append(out, strings.ReplaceAll(string(name), "\x00", " "))
		}
	}
	return out
}

// A pipeline that waits in each stage until the test lets it go on, leaves a daemon behind, and notes what it did.
const waiting = `
note() { echo "$1 $FAWKES_RUN_ID $FAWKES_RUN_ATTEMPT" >> $FAWKES_CACHE/notes; }
note began
(setsid sh -c 'trap "" TERM; while :; do sleep 3971; done' </dev/null >/dev/null 2>&1 &)
stage checkout passed
for s in build unit-test push promote; do
	stage $s running
	note $s
	while [ ! -e $FAWKES_CACHE/go-$s ]; do sleep 0.02; done
	stage $s passed
done
note done
result succeeded "" 0
`

func TestAKilledPlatformNeitherLosesNorDoublesARun(t *testing.T) {
	for _, point := range []string{"queued", "checkout", "build", "unit-test", "push", "promote", "over"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			folder, program := t.TempDir(), script(t)
			cache := filepath.Join(folder, "runner", "cache", "fawkes", "hello")
			pass := func(stages ...string) {
				if err := os.MkdirAll(cache, 0o755); err != nil {
					t.Fatal(err)
				}
				for _, s := range stages {
					if err := os.WriteFile(filepath.Join(cache, "go-"+s), nil, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			all := []string{"build", "unit-test", "push", "promote"}
			p, kill := killable(t, folder, program)
			sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": waiting})
			for i, s := range all {
				if s == point {
					pass(all[:i]...)
				}
			}
			if point == "over" {
				pass(all...)
			}
			id := p.pushed("d-1", "fawkes/hello", "main", sha)
			second := p.pushed("d-2", "fawkes/other", "main", sha) // its repository is not there: it fails by itself
			switch point {
			case "queued":
			case "checkout":
				p.wait(id, "begins", func(r run) bool { return r.Status != "queued" })
			case "over":
				p.ended(id)
			default:
				p.wait(id, "reaches "+point, func(r run) bool { return r.stage(point).Status == "running" })
			}
			kill()
			// A platform that is killed at once again finds the same.
			_, kill = killable(t, folder, program)
			kill()
			pass(all...)
			p = start(t, setup{folder: folder, program: program})
			until(t, "all runs are over", func() bool {
				for _, r := range p.runs() {
					if !r.over() {
						return false
					}
				}
				return true
			})
			succeeded, interrupted := 0, 0
			for _, r := range p.runs() {
				if r.SHA != sha {
					t.Errorf("a strange run %+v", r)
				}
				if r.ID == second || r.RetryOf != nil && *r.RetryOf == second {
					continue
				}
				switch r.Status {
				case "succeeded":
					succeeded++
				case "interrupted":
					interrupted++
				default:
					t.Errorf("a run is %s: %v", r.Status, *r.Reason)
				}
				for _, s := range r.Stages {
					if s.Status == "running" || s.Status == "pending" {
						t.Errorf("the run %s is over, and its stage %s %s", r.Status, s.Name, s.Status)
					}
				}
			}
			// The second kill may have come while the recovered run ran, which then is not repeated again.
			if succeeded != 1 && !(succeeded == 0 && interrupted == 2) || interrupted > 2 {
				t.Errorf("%d succeeded, %d were interrupted", succeeded, interrupted)
			}
			if status, text := p.deliver("d-1", "push", push("fawkes/hello", "refs/heads/main", sha)); status != 202 || !strings.Contains(text, "duplicate") {
				t.Errorf("the delivery came again: %d %s", status, text)
			}
			notes, _ := os.ReadFile(filepath.Join(cache, "notes"))
			began := map[string]int{}
			for _, line := range strings.Split(strings.TrimSpace(string(notes)), "\n") {
				began[line]++
				if began[line] > 1 {
					t.Errorf("it happened twice: %s", line)
				}
			}
			until(t, "no process is left", func() bool { return len(processes(filepath.Join(folder, "runner"))) == 0 })
		})
	}
}

// An orderly stop is no different for the runs: they come again.
func TestAnOrderlyStopIsRecoveredFrom(t *testing.T) {
	folder, program := t.TempDir(), script(t)
	p := start(t, setup{folder: folder, program: program})
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": waiting})
	id := p.pushed("d-1", "fawkes/hello", "main", sha)
	p.wait(id, "builds", func(r run) bool { return r.stage("build").Status == "running" })
	p.stop()
	until(t, "no process is left", func() bool { return len(processes(filepath.Join(folder, "runner"))) == 0 })
	for _, s := range []string{"build", "unit-test", "push", "promote"} {
		if err := os.WriteFile(filepath.Join(folder, "runner", "cache", "fawkes", "hello", "go-"+s), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p = start(t, setup{folder: folder, program: program})
	until(t, "both runs are over", func() bool { all := p.runs(); return len(all) == 2 && all[0].over() && all[1].over() })
	all := p.runs()
	if all[0].Status != "interrupted" || all[1].Status != "succeeded" || all[1].Trigger != "recovered" || all[1].Attempt != 2 || *all[1].RetryOf != id {
		t.Fatalf("%+v", all)
	}
}
