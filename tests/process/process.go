// Package process runs the project's own programs as a person or a cluster
// does: built from source, as processes of their own, killed when a test wants
// to see what survives.
package process

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Token is the operator token that Service gives to a service alone.
const Token = "an-operator-token-for-tests-of-whole-processes"

// Build builds the command cmd/<name>, without cgo as it is shipped, and
// returns the program's path.
func Build(t testing.TB, name string) string {
	t.Helper()
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatalf("find the module: %v", err)
	}
	out := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", "build", "-o", out, "./cmd/"+name)
	cmd.Dir = filepath.Dir(strings.TrimSpace(string(mod)))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build cmd/%s: %v\n%s", name, err, text)
	}
	return out
}

// Process is a program that runs.
type Process struct {
	// URL is where it answers, without a slash at the end.
	URL string
	// Token is an API token for it.
	Token string
	// ReadyAfter is the time from its start until it said that it is ready.
	ReadyAfter time.Duration

	t    testing.TB
	cmd  *exec.Cmd
	log  tail
	once sync.Once
	done chan struct{}
}

// Service starts `fawkes-service <module>` on a port of the system's choice.
func Service(t testing.TB, program, module string, env ...string) *Process {
	t.Helper()
	cmd := exec.Command(program, module, "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), append([]string{"FAWKES_AUTH_STATIC_TOKEN=" + Token}, env...)...)
	return start(t, cmd, cmd.StderrPipe, func(line []byte) (url, token string) {
		var l struct{ Msg, Address string }
		if json.Unmarshal(line, &l) == nil && l.Msg == "ready" {
			return "http://" + l.Address, Token
		}
		return "", ""
	})
}

// Up starts `fawkes up` with the state in a folder.
func Up(t testing.TB, program, state string, env ...string) *Process {
	t.Helper()
	cmd := exec.Command(program, "up", "--state", state, "--no-sample", "--listen", "127.0.0.1:0", "-o", "json")
	cmd.Env = append(os.Environ(), env...)
	return start(t, cmd, cmd.StdoutPipe, func(line []byte) (url, token string) {
		var l struct{ Event, API, Token string }
		if json.Unmarshal(line, &l) == nil && l.Event == "ready" {
			return l.API, l.Token
		}
		return "", ""
	})
}

func start(t testing.TB, cmd *exec.Cmd, pipe func() (io.ReadCloser, error), ready func([]byte) (url, token string)) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd, done: make(chan struct{})}
	watched, err := pipe()
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.log
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.log
	}
	// Should the test's process end, this one must not stay.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(p.Kill)
	said := make(chan struct{})
	go func() {
		defer close(p.done)
		scan := bufio.NewScanner(watched)
		scan.Buffer(nil, 1<<20)
		for waiting := true; scan.Scan(); {
			if waiting {
				if url, token := ready(scan.Bytes()); url != "" {
					p.URL, p.Token, p.ReadyAfter, waiting = url, token, time.Since(begin), false
					close(said)
				}
			}
			p.log.add(append(scan.Bytes(), '\n'))
		}
	}()
	select {
	case <-said:
	case <-p.done:
		t.Fatalf("%s ended before it was ready:\n%s", cmd.Path, p.Log())
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s was not ready within two minutes:\n%s", cmd.Path, p.Log())
	}
	return p
}

// Kill ends the process as a power failure would, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.end(syscall.SIGKILL) // that it was killed is no news
}

// Stop asks the process to end, waits, and fails the test when it did not end
// well.
func (p *Process) Stop() {
	p.t.Helper()
	if err := p.end(syscall.SIGTERM); err != nil {
		p.t.Errorf("the process did not stop well: %v\n%s", err, p.Log())
	}
}

func (p *Process) end(sig syscall.Signal) (err error) {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(sig) // it may have ended by itself; Wait tells
		<-p.done
		err = p.cmd.Wait()
	})
	return err
}

// Log is the end of what the process said.
func (p *Process) Log() string { return p.log.String() }

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.add(b)
	return len(b), nil
}

func (t *tail) add(b []byte) {
	const most = 64 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if len(t.b) > most {
		t.b = t.b[len(t.b)-most:]
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
