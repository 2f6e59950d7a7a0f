package sandbox_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// parentVariable makes this test binary a platform that starts the script which it holds, and then waits.
const parentVariable = "SANDBOX_TEST_PARENT"

// parent is a small platform: it starts one program and waits for it.
func parent(script string) int {
	p, err := sandbox.Start(bg(), sandbox.Spec{
		Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Network: true,
		Marker: os.Getenv(parentVariable + "_MARKER"), Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, _ = p.Wait()
	return 0
}

// marked lists the processes whose environment holds the marker.
func marked(marker string) []string {
	var out []string
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range all {
		if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte(marker)) {
			name, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
			out = append(out, strings.TrimPrefix(filepath.Dir(f), "/proc/")+" "+strings.ReplaceAll(string(name), "\x00", " "))
		}
	}
	return out
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
		<-tick.C
	}
}

// A daemon that leaves its session, its parent and its standard files behind: what a kept program may not outlive.
const daemons = `
(setsid sh -c 'sleep 3001 & sleep 3002' </dev/null >/dev/null 2>&1 &)
(setsid setsid sh -c 'trap "" TERM HUP INT; (sleep 3003 &) ; while :; do sleep 3004; done' </dev/null >/dev/null 2>&1 &)
echo up; sleep 3005; true`

func TestAKilledPlatformLeavesNoProcess(t *testing.T) {
	marker := t.TempDir() + "|test|1"
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), parentVariable+"="+daemons, parentVariable+"_MARKER="+marker)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	sleeping := func() int {
		count := 0
		for _, p := range marked(marker) {
			if f := strings.Fields(p); len(f) == 3 && f[1] == "sleep" {
				count++
			}
		}
		return count
	}
	until(t, "five sleeping processes", func() bool { return sleeping() == 5 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	_ = out.Close()
	until(t, "no process of the program", func() bool {
		left := marked(marker)
		// The parent itself carried the marker in its own environment, and is gone.
		return len(left) == 0
	})
}
