package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How long a keeper may take to start its program, its output may take to be read after its end, and a keeper that
// was told to kill may take to do it.
const (
	startWithin = 30 * time.Second
	readWithin  = 10 * time.Second
	killWithin  = 5 * time.Second
)

// defaultGrace is the time a program has between SIGTERM and SIGKILL when its Spec does not say.
const defaultGrace = 10 * time.Second

// Process is a program that runs under a keeper. Its methods are safe for concurrent use.
type Process struct {
	keeper  *exec.Cmd
	orders  *os.File
	started answer
	pid     int
	ended   chan struct{} // closed when exit is final

	mu       sync.Mutex
	usage    Usage
	exit     Exit
	err      error
	told     bool // the keeper said how the program ended
	stopped  bool
	timedOut bool
}

// Start runs the program. It returns when the program has been executed, or with the reason why it could not be.
// When ctx ends the program is stopped as by Stop.
func Start(ctx context.Context, s Spec) (*Process, error) {
	if len(os.Args) > 0 && os.Args[0] == keeperName {
		return nil, errors.New("start a program: this process is a keeper whose main does not call sandbox.Init first")
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Path, err)
	}
	if s.Path == "" || s.Path[0] != '/' {
		return nil, fmt.Errorf("start %q: the program's path is not absolute", s.Path)
	}
	var notes []string
	for _, way := range ways(s.Network) {
		why := notes
		if way.PID && (way.Network || s.Network) {
			why = nil // another way was not open, and nothing is lost by it
		}
		p, err := startIn(ctx, s, way, why)
		if err == nil {
			return p, nil
		}
		var weak *unusableError
		if !errors.As(err, &weak) {
			return nil, fmt.Errorf("start %s: %w", s.Path, err)
		}
		if note := way.String() + ": " + weak.reason; !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	return nil, fmt.Errorf("start %s: %s", s.Path, strings.Join(notes, "; ")) // the last way cannot be unusable
}

// unusableError says that a way of confinement cannot be had on this machine.
type unusableError struct{ reason string }

func (e *unusableError) Error() string { return e.reason }

// ways lists the namespaces to try, the strongest first; the last one always works.
func ways(network bool) []namespaces {
	if network {
		return []namespaces{{PID: true}, {User: true, PID: true}, {}}
	}
	return []namespaces{
		{PID: true, Network: true}, {User: true, PID: true, Network: true},
		{PID: true}, {User: true, PID: true}, {},
	}
}

func (n namespaces) String() string {
	var parts []string
	if n.User {
		parts = append(parts, "user")
	}
	if n.PID {
		parts = append(parts, "PID and mount")
	}
	if n.Network {
		parts = append(parts, "network")
	}
	if parts == nil {
		return "no namespaces"
	}
	return strings.Join(parts, ", ") + " namespaces"
}

func startIn(ctx context.Context, s Spec, way namespaces, notes []string) (*Process, error) {
	orderR, orderW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	answerR, answerW, err := os.Pipe()
	if err != nil {
		_ = orderR.Close()
		_ = orderW.Close()
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{keeperName}, Dir: "/",
		Env:   []string{KeptVariable + "=" + s.Marker},
		Stdin: s.Stdin, Stdout: s.Stdout, Stderr: s.Stderr,
		ExtraFiles:  []*os.File{orderR, answerW},
		SysProcAttr: way.attributes(),
		WaitDelay:   readWithin,
	}
	if s.Listener != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, s.Listener)
	}
	p := &Process{keeper: cmd, orders: orderW, ended: make(chan struct{})}
	waited := make(chan error, 1)
	launched := make(chan error)
	go func() {
		// The kernel's parent-death signal follows the thread that forked, so that thread stays until the end.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		launched <- err
		if err == nil {
			waited <- cmd.Wait()
		}
	}()
	err = <-launched
	_ = orderR.Close()
	_ = answerW.Close()
	if err != nil {
		_ = orderW.Close()
		_ = answerR.Close()
		if way.PID {
			return nil, &unusableError{errnoText(err)}
		}
		return nil, err
	}
	first := make(chan answer, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer answerR.Close()
		p.listen(json.NewDecoder(answerR), first)
	}()
	o := order{
		Path: s.Path, Args: s.Args, Dir: s.Dir, Env: append(slices.Clone(s.Env), KeptVariable+"="+s.Marker),
		Root: s.Root, Read: s.Read, Write: s.Write, Confined: s.Read != nil || s.Write != nil,
		Limits: s.Limits, Network: s.Network, Grace: s.Grace, Nice: s.Nice, HasListener: s.Listener != nil,
		Namespaces: way, Notes: notes, Probe: s.probe,
	}
	if o.Grace <= 0 {
		o.Grace = defaultGrace
	}
	err = p.handshake(ctx, o, first)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = <-waited // it was killed
		<-read
		_ = orderW.Close()
		return nil, err
	}
	p.pid = p.hostPID()
	stop := context.AfterFunc(ctx, func() {
		p.mark(errors.Is(ctx.Err(), context.DeadlineExceeded))
		p.command(commandStop)
	})
	go func() {
		err := <-waited
		<-read
		stop()
		_ = orderW.Close()
		p.finish(err)
	}()
	return p, nil
}

// attributes are those with which the keeper is started.
func (n namespaces) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGUSR1}
	if n.PID {
		a.Cloneflags |= unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWIPC
	}
	if n.Network {
		a.Cloneflags |= unix.CLONE_NEWNET
	}
	if n.User {
		uid, gid := os.Geteuid(), os.Getegid()
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		if uid != 0 {
			a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SYS_CHROOT, unix.CAP_SETPCAP}
		}
	}
	return a
}

// handshake gives the keeper its order and waits until the program runs.
func (p *Process) handshake(ctx context.Context, o order, first <-chan answer) error {
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("write the keeper's order: %w", err)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := p.orders.Write(text)
		wrote <- err
	}()
	limit := time.NewTimer(startWithin)
	defer limit.Stop()
	select {
	case a, ok := <-first:
		switch {
		case !ok:
			return errors.New("the keeper ended without a word: main has to call sandbox.Init first")
		case a.Unusable != "":
			return &unusableError{a.Unusable}
		case a.Failed != "":
			return errors.New(a.Failed)
		case a.Started == nil:
			return errors.New("the keeper's answer is not one: main has to call sandbox.Init first")
		}
		p.started = a
		return <-wrote
	case <-limit.C:
		return fmt.Errorf("the keeper did not start the program within %s", startWithin)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// listen takes the keeper's answers until there are no more.
func (p *Process) listen(from *json.Decoder, first chan<- answer) {
	defer close(first)
	begun := false
	for {
		var a answer
		if from.Decode(&a) != nil {
			return
		}
		if !begun {
			begun = true
			first <- a
		}
		p.mu.Lock()
		if a.Usage != nil {
			p.usage = *a.Usage
		}
		if a.Exit != nil {
			p.told, p.exit, p.usage = true, *a.Exit, a.Exit.Usage
			p.exit.Stopped = p.exit.Stopped || p.stopped
			p.exit.TimedOut = p.exit.TimedOut || p.timedOut
		}
		ended := a.Exit != nil
		p.mu.Unlock()
		if ended {
			return
		}
	}
}

// finish makes the exit final once the keeper is gone and all output is read.
func (p *Process) finish(err error) {
	p.mu.Lock()
	var status *exec.ExitError
	switch {
	case !p.told: // the keeper itself was killed and took the program with it
		p.exit = Exit{Code: -1, Signal: "SIGKILL", Stopped: p.stopped, TimedOut: p.timedOut, Usage: p.usage}
	case err != nil && !errors.As(err, &status) && !errors.Is(err, exec.ErrWaitDelay):
		p.err = fmt.Errorf("wait for %s: %w", p.keeper.Path, err)
	}
	p.mu.Unlock()
	close(p.ended)
}

// PID is the program's process id on this machine; the keeper's where the program's cannot be told.
func (p *Process) PID() int { return p.pid }

// Report says what was applied to the program.
func (p *Process) Report() Report { return *p.started.Started }

// Usage is what the tree has used, at most a second old.
func (p *Process) Usage() Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.usage
}

// Done is closed when the program and its whole tree are gone.
func (p *Process) Done() <-chan struct{} { return p.ended }

// Wait returns when the program and its whole tree are gone and its output is written. A program that fails is no
// error; the Exit says so.
func (p *Process) Wait() (Exit, error) {
	<-p.ended
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit, p.err
}

// Stop asks the program to end (SIGTERM to its process group), kills what is left of the tree after the grace, and
// returns when all are gone. When ctx ends first the tree is killed at once.
func (p *Process) Stop(ctx context.Context) error {
	p.mark(false)
	p.command(commandStop)
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		p.Kill()
		<-p.ended
		return ctx.Err()
	}
}

// Kill ends the whole tree at once. It does not wait.
func (p *Process) Kill() {
	p.mark(false)
	p.command(commandKill)
	last := time.AfterFunc(killWithin, func() { _ = p.keeper.Process.Kill() })
	go func() {
		<-p.ended
		last.Stop()
	}()
}

func (p *Process) mark(timedOut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	p.timedOut = p.timedOut || timedOut
}

func (p *Process) command(c byte) {
	_, _ = p.orders.Write([]byte{c}) // a keeper that is gone needs no command
}

// errnoText is what the kernel said, without Go's name of the call.
func errnoText(err error) string {
	var no syscall.Errno
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return "switched off, or too many (sysctl user.max_user_namespaces)"
	case errors.As(err, &no):
		return no.Error()
	}
	return err.Error()
}
