package sandbox_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

func TestAMemoryHogIsKilledAndReported(t *testing.T) {
	s := sandbox.Spec{Network: true, Limits: sandbox.Limits{Memory: 128 << 20}}
	// Two processes that are each below the limit: the tree is what counts.
	out, exit, _ := run(t, s, `hog() { head -c 100m /dev/zero | tail -c 100m >/dev/null; sleep 60; }; x=$(head -c 90000000 /dev/zero | tr '\0' x); (y=$(head -c 90000000 /dev/zero | tr '\0' y); sleep 60) & wait; sleep 60`)
	if !exit.OutOfMemory || exit.Signal != "SIGKILL" || exit.Usage.PeakMemory < 128<<20 {
		t.Fatalf("%q %+v", out, exit)
	}
}

// A bomb of forks would have at most 1,023 processes if nothing held it: a test may not take the machine with it.
func TestAForkBombIsBounded(t *testing.T) {
	s := sandbox.Spec{Network: true, Limits: sandbox.Limits{Processes: 50}}
	_, exit, r := run(t, s, `f() { [ $1 -gt 0 ] && { f $(($1-1)) & f $(($1-1)) & sleep 20; }; }; f 9`)
	if !exit.TooManyProcesses || exit.Signal != "SIGKILL" {
		t.Fatalf("%+v %+v", exit, r)
	}
}

// Behind the keeper's watch stands a bound that the kernel holds, so that a bomb that outruns it stays small.
func TestTheKernelBoundsProcessesToo(t *testing.T) {
	whole, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		t.Fatal(err)
	}
	s := sandbox.Spec{Network: true, Limits: sandbox.Limits{Processes: 100}}
	out, exit, r := run(t, s, `awk '/Max processes/ {print $3}' /proc/self/limits; cat /proc/sys/kernel/pid_max`)
	users, pids, _ := strings.Cut(out, "\n")
	switch {
	case !exit.Success():
		t.Fatalf("%q %+v", out, exit)
	case world() == noNamespaces && !strings.Contains(strings.Join(r.Notes, ";"), "by watching alone"):
		t.Fatalf("%q %+v", out, r)
	case world() == ordinaryUser && users != "928":
		t.Fatalf("%q %+v", out, r)
	case world() == "" && os.Geteuid() == 0 && pids != "1229":
		t.Fatalf("%q %+v (before 6.14 a kernel has no pid_max of a namespace)", out, r)
	}
	now, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil || !bytes.Equal(now, whole) {
		t.Fatalf("the machine's pid_max was %s and is %s (%v)", whole, now, err)
	}
}

func TestProcessorTimeIsBounded(t *testing.T) {
	s := sandbox.Spec{Network: true, Limits: sandbox.Limits{CPUTime: 300 * time.Millisecond}}
	_, exit, _ := run(t, s, `(while :; do :; done) & while :; do :; done`)
	if !exit.TimedOut || exit.Usage.CPU < 300*time.Millisecond || exit.Usage.CPU > 5*time.Second {
		t.Fatalf("%+v", exit)
	}
}

func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	s := sandbox.Spec{Network: true, Dir: dir, Limits: sandbox.Limits{FileSize: 1 << 20, OpenFiles: 32}}
	out, exit, _ := run(t, s, `ulimit -n; head -c 3000000 /dev/zero > big; stat -c %s big`)
	if out != "32\n1048576" && !strings.HasSuffix(out, "1048576") {
		t.Fatalf("%q %+v", out, exit)
	}
}

func TestOutputLargerThanAPipe(t *testing.T) {
	var out, errs bytes.Buffer
	p, err := sandbox.Start(t.Context(), sandbox.Spec{
		Path: "/bin/sh", Args: []string{"-c", "head -c 20000000 /dev/zero; cat; head -c 10000000 /dev/zero >&2"},
		Env: []string{"PATH=/usr/bin:/bin"}, Network: true,
		Stdin: io.LimitReader(zeros{}, 5_000_000), Stdout: &out, Stderr: &errs,
	})
	if err != nil {
		t.Fatal(err)
	}
	exit, err := p.Wait()
	if err != nil || !exit.Success() || out.Len() != 25_000_000 || errs.Len() != 10_000_000 {
		t.Fatalf("%v %+v %d %d", err, exit, out.Len(), errs.Len())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestStopLetsTheProgramDrain(t *testing.T) {
	for _, c := range []struct {
		name, script string
		grace        time.Duration
		want         sandbox.Exit
		says         string
	}{
		{"it drains", `trap 'echo drained; exit 3' TERM; echo up; while :; do sleep 0.05; done`, time.Minute, sandbox.Exit{Code: 3}, "drained"},
		{"it does not listen", `trap '' TERM; (trap '' TERM; sleep 100) & echo up; while :; do sleep 1; done`, 50 * time.Millisecond, sandbox.Exit{Code: -1, Signal: "SIGKILL"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			p, err := sandbox.Start(t.Context(), sandbox.Spec{
				Path: "/bin/sh", Args: []string{"-c", c.script}, Env: []string{"PATH=/usr/bin:/bin"}, Network: true, Stdout: w, Grace: c.grace,
			})
			_ = w.Close()
			if err != nil {
				t.Fatal(err)
			}
			up := make([]byte, 3)
			if _, err := io.ReadFull(r, up); err != nil {
				t.Fatal(err)
			}
			if err := p.Stop(context.Background()); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(r)
			exit, err := p.Wait()
			if err != nil || exit.Code != c.want.Code || exit.Signal != c.want.Signal || !exit.Stopped || exit.TimedOut {
				t.Fatalf("%v %+v", err, exit)
			}
			if strings.TrimSpace(string(rest)) != c.says {
				t.Fatalf("it said %q", rest)
			}
		})
	}
}

func TestTheContextEndsAProgram(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	p, err := sandbox.Start(ctx, sandbox.Spec{Path: "/bin/sleep", Args: []string{"100"}, Network: true})
	if err != nil {
		t.Fatal(err)
	}
	exit, err := p.Wait()
	if err != nil || !exit.TimedOut || exit.Signal != "SIGTERM" {
		t.Fatalf("%v %+v", err, exit)
	}
}

func TestAStartThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		name string
		spec sandbox.Spec
		says string
	}{
		{"no such program", sandbox.Spec{Path: "/nowhere", Network: true}, "no such file"},
		{"a name only", sandbox.Spec{Path: "sh"}, "not absolute"},
		{"no such folder", sandbox.Spec{Path: "/bin/true", Dir: "/nowhere", Network: true}, "/nowhere"},
		{"a folder to write that is not there", sandbox.Spec{Path: "/bin/true", Write: []string{"/nowhere"}}, "/nowhere"},
		{"no such root", sandbox.Spec{Path: "/bin/true", Root: "/nowhere"}, "/nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := sandbox.Start(t.Context(), c.spec)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want it to say %q", err, c.says)
			}
		})
	}
}

// TestAProgramThatWasJustWritten has its file open for writing while it is started, as a child that was forked
// meanwhile would.
func TestAProgramThatWasJustWritten(t *testing.T) {
	text, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "true")
	f, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
	closed := time.AfterFunc(100*time.Millisecond, func() { _ = f.Close() })
	defer closed.Stop()
	p, err := sandbox.Start(t.Context(), sandbox.Spec{Path: program, Network: true})
	if err != nil {
		t.Fatal(err)
	}
	if exit, err := p.Wait(); err != nil || exit.Code != 0 {
		t.Fatalf("%v %+v", err, exit)
	}
}

func TestSweepKillsWhatAPlatformLeft(t *testing.T) {
	marker := t.TempDir()
	var all []*sandbox.Process
	for _, owner := range []string{"|runner|1", "|runner|2", "|runtime|1"} {
		p, err := sandbox.Start(t.Context(), sandbox.Spec{
			Path: "/bin/sh", Args: []string{"-c", "(setsid sleep 100 &) ; exec sleep 100"}, Env: []string{"PATH=/usr/bin:/bin"},
			Network: true, Marker: marker + owner,
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	killed, err := sandbox.Sweep(marker + "|runner|")
	if err != nil || killed < 2 {
		t.Fatalf("killed %d, %v", killed, err)
	}
	for _, p := range all[:2] {
		if exit, err := p.Wait(); err != nil || exit.Signal != "SIGKILL" {
			t.Fatalf("%v %+v", err, exit)
		}
	}
	select {
	case <-all[2].Done():
		t.Fatal("the sweep killed another owner's program")
	default:
	}
	all[2].Kill()
	if exit, err := all[2].Wait(); err != nil || exit.Signal != "SIGKILL" || !exit.Stopped {
		t.Fatalf("%v %+v", err, exit)
	}
	until(t, "no process is left", func() bool { return len(marked(marker)) == 0 })
}
