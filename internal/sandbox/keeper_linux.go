package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Init becomes the keeper when this process was started as one, and then never returns. It is the first statement
// of main, and of TestMain in packages whose tests start programs.
func Init() {
	if len(os.Args) == 1 && os.Args[0] == keeperName {
		// At once: nothing in a keeper is left to be done at exit, and what the race detector does then takes a second.
		syscall.Exit(keep())
	}
}

// keeper is the process between the platform and a program.
type keeper struct {
	order   order
	answers *answers
	report  Report
	tree    tree

	program  atomic.Int64 // process id as the keeper sees it; 0 until it runs
	stopping atomic.Bool
	verdict  atomic.Pointer[Exit] // why the keeper itself ended the tree, when it did
	ended    chan struct{}        // closed when the program has ended
}

// keep is the keeper's whole life; its result is the exit status.
func keep() int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	for _, fd := range []int{orderFile, answerFile, listenerFile} {
		unix.CloseOnExec(fd)
	}
	orders := os.NewFile(orderFile, "orders")
	out := newAnswers(os.NewFile(answerFile, "answers"))
	o, commands, err := readOrder(orders)
	if err != nil {
		return 1 // the platform died before it said anything
	}
	k := &keeper{order: o, answers: out, ended: make(chan struct{})}
	k.report.Notes = append([]string{}, o.Notes...)
	k.tree = tree{self: os.Getpid(), all: o.Namespaces.PID}

	// Whatever happens now, the end of the platform is the end of this process and of all below it.
	started := make(chan error, 1)
	exited := make(chan Exit, 1)
	go k.obey(commands, signals)
	go k.run(started, exited)
	if err := <-started; err != nil {
		var weak *unusableError
		if errors.As(err, &weak) {
			out.send(answer{Unusable: weak.reason})
		} else {
			out.send(answer{Failed: err.Error()})
		}
		return 1
	}
	out.send(answer{Started: &k.report})
	go k.watch()
	exit := <-exited
	out.send(answer{Exit: &exit})
	return 0
}

// obey carries out commands; the end of the commands, or the parent-death signal, is the platform's death.
func (k *keeper) obey(commands io.Reader, signals <-chan os.Signal) {
	bytes := make(chan byte)
	go func() {
		defer close(bytes)
		one := make([]byte, 1)
		for {
			n, err := commands.Read(one)
			if n == 1 && (one[0] == commandStop || one[0] == commandKill) {
				bytes <- one[0]
			}
			if err != nil {
				return
			}
		}
	}()
	for {
		select {
		case c, ok := <-bytes:
			switch {
			case !ok:
				k.die()
			case c == commandStop:
				k.stop()
			case c == commandKill:
				k.kill(Exit{Stopped: true})
			}
		case s := <-signals:
			if s == syscall.SIGUSR1 {
				k.die()
			}
			k.stop()
		}
	}
}

// die ends everything at once, without a report: nobody is left to read one.
func (k *keeper) die() {
	k.tree.kill()
	syscall.Exit(1)
}

// stop asks the program to end, and kills what is left after the grace.
func (k *keeper) stop() {
	program := int(k.program.Load())
	if program == 0 || k.stopping.Swap(true) {
		return
	}
	_ = syscall.Kill(-program, syscall.SIGTERM)
	_ = syscall.Kill(-program, syscall.SIGCONT)
	go func() {
		grace := time.NewTimer(k.order.Grace)
		defer grace.Stop()
		select {
		case <-grace.C:
			k.kill(Exit{Stopped: true})
		case <-k.ended:
		}
	}()
}

// kill ends the tree for the reason that the verdict says.
func (k *keeper) kill(verdict Exit) {
	k.verdict.CompareAndSwap(nil, &verdict)
	k.tree.kill()
}

// run starts the program on a thread of its own, which alone takes on the program's confinement, and waits for it.
func (k *keeper) run(started chan<- error, exited chan<- Exit) {
	runtime.LockOSThread() // for ever: the thread is confined and serves nothing else
	if err := k.prepare(); err != nil {
		started <- err
		return
	}
	if k.order.Probe {
		started <- nil
		close(k.ended)
		exited <- Exit{}
		return
	}
	if k.order.Nice > 0 {
		// Of this thread alone, from which the program has it.
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, min(k.order.Nice, 19)); err != nil {
			started <- fmt.Errorf("give way to others by %d: %w", k.order.Nice, err)
			return
		}
	}
	files := []uintptr{0, 1, 2}
	if k.order.HasListener {
		files = append(files, listenerFile)
	}
	dir := k.order.Dir
	if dir == "" {
		dir = "/"
	}
	argv := append([]string{k.order.Path}, k.order.Args...)
	pid, err := forkExec(k.order.Path, argv, &syscall.ProcAttr{
		Dir: dir, Env: k.order.Env, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		started <- fmt.Errorf("execute %s in %s: %w", k.order.Path, dir, err)
		return
	}
	k.program.Store(int64(pid))
	if k.order.Nice > 0 {
		go giveWay(pid, k.order.Nice) // on another thread: this one is confined
	}
	letGo()
	started <- nil
	exited <- k.wait()
}

// forkExec tries again while the program is busy. A program that the platform has just written stays busy for as long
// as a child that the platform forked meanwhile has the file open, which ends when that child executes.
func forkExec(path string, argv []string, attr *syscall.ProcAttr) (int, error) {
	const tries, pause = 100, 10 * time.Millisecond
	for i := 1; ; i++ {
		pid, err := syscall.ForkExec(path, argv, attr)
		if !errors.Is(err, syscall.ETXTBSY) || i == tries {
			return pid, err
		}
		time.Sleep(pause) //nolint:forbidigo // nothing tells when the file is closed
	}
}

// giveWay lowers the session of a process. Where the kernel groups processes by session to share out the processors
// (autogroup), a process's own nice value counts within its session only, and the program has one to itself. A kernel
// that does not group has no such file, or does not heed it.
func giveWay(pid, nice int) {
	const tries, pause = 20, 50 * time.Millisecond // without root's rights the kernel takes one in 100 ms
	for range tries {
		err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/autogroup", []byte(strconv.Itoa(min(nice, 19))), 0)
		if !errors.Is(err, syscall.EAGAIN) {
			return
		}
		time.Sleep(pause) //nolint:forbidigo // nothing tells when the kernel would take it
	}
}

// wait reaps every process of the tree until the program has ended and nothing of the tree is left.
func (k *keeper) wait() Exit {
	var exit Exit
	for {
		var status syscall.WaitStatus
		var used syscall.Rusage
		pid, err := syscall.Wait4(-1, &status, 0, &used)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			break // no child is left
		}
		k.tree.reaped(used)
		if int64(pid) != k.program.Load() || (!status.Exited() && !status.Signaled()) {
			continue
		}
		exit.Code = status.ExitStatus()
		if status.Signaled() {
			exit.Code, exit.Signal = -1, unix.SignalName(status.Signal())
		}
		close(k.ended)
		k.tree.settle()
		go k.tree.kill()
	}
	if why := k.verdict.Load(); why != nil {
		exit.OutOfMemory, exit.TooManyProcesses = why.OutOfMemory, why.TooManyProcesses
		exit.TimedOut, exit.Stopped = why.TimedOut, why.Stopped
	}
	exit.Stopped = exit.Stopped || k.stopping.Load()
	exit.Usage = k.tree.usage()
	return exit
}

// letGo closes the program's standard files in the keeper, so that its pipes end when the program ends.
func letGo() {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	for fd := range 3 {
		_ = unix.Dup3(null, fd, 0)
	}
}
