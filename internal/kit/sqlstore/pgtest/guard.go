package pgtest

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// guardScript waits until its input ends, which happens when the test binary
// lets go or dies, and then ends the server of the folder and removes it. The
// server writes its process id into the first line of postmaster.pid.
const guardScript = `
cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -QUIT "$pid" 2>/dev/null
  n=0
  while kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
fi
rm -rf "$1"
`

// guard outlives the test binary and cleans up behind it, even after a kill -9.
type guard struct {
	cmd   *exec.Cmd
	input io.WriteCloser
}

func newGuard(dir string) (*guard, error) {
	// It has no output: a process that keeps the test's output open would make
	// "go test" wait for it. Its own group keeps Ctrl-C away from it.
	cmd := exec.Command("/bin/sh", "-c", guardScript, "guard", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	return &guard{cmd, input}, nil
}

// release lets the guard do its work now, and waits for it.
func (g *guard) release() error {
	if err := g.input.Close(); err != nil {
		return fmt.Errorf("end the guard: %w", err)
	}
	if err := g.cmd.Wait(); err != nil {
		return fmt.Errorf("end the guard: %w", err)
	}
	return nil
}
