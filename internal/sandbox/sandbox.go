// Package sandbox runs programs that must not outlive the platform, and programs that must not be trusted.
//
// Every program started here has a keeper: this binary, started again, that stands between the platform and the
// program. The keeper holds one end of a pipe whose other end dies with the platform; when the platform is gone, by
// kill -9 too, the keeper ends every process of the program's tree, including those that detached themselves. Where
// the kernel gives a PID namespace, the keeper is its first process and the kernel does the killing.
//
// A program is confined when [Spec.Read] or [Spec.Write] is given: Landlock then refuses every file outside of them,
// capabilities are dropped, and namespaces hide other processes and, unless [Spec.Network], the network. What a
// machine cannot do is not hidden: [Report] says for each program what was applied, and why something was not.
//
// A program that uses the package calls [Init] as the first statement of main, and of TestMain in tests.
package sandbox

import (
	"io"
	"os"
	"time"
)

// KeptVariable is the environment variable that marks every kept process with its [Spec.Marker].
const KeptVariable = "FAWKES_KEPT"

// Spec says what to run and within which bounds.
type Spec struct {
	// Path is the program: absolute, in terms of Root when that is set. Args are its arguments without its name.
	Path string
	Args []string
	// Dir is the working folder, in terms of Root when that is set; empty means / or Root.
	Dir string
	// Env is the complete environment; nothing is inherited. The marker is added to it.
	Env []string

	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Root is the folder that the program sees as /. It needs root's rights or user and mount namespaces; where
	// neither can be had, Start fails and says so. Empty means the host's files.
	Root string
	// Read are files and folders of the host that may be read and executed, Write those that may also be changed.
	// Both nil means not confined. What every program needs (/dev/null, its own /proc and such) is added.
	Read, Write []string

	Limits Limits
	// Network leaves the host's network. Without it the program has a loopback of its own where that can be had,
	// and the report says so where not.
	Network bool
	// Marker is "<state folder>|<owner>|<id>"; Sweep finds what a killed platform left behind by its beginning.
	Marker string
	// Grace is the time between SIGTERM and SIGKILL when the program is stopped; 0 means 10 seconds.
	Grace time.Duration
	// Nice is how much the program gives way to others that want the processor, 0 to 19.
	Nice int
	// Listener is an open file that the program gets as file descriptor 3.
	Listener *os.File

	probe bool // everything but the program
}

// Limits bound what a program's whole tree uses; 0 is no bound.
type Limits struct {
	// Memory is the tree's resident memory in bytes; files that are mapped do not count. It is watched, not
	// enforced by the kernel: a tree can be above it for some tens of milliseconds.
	Memory int64
	// CPUTime is the processor time of the tree, of all its processes together.
	CPUTime time.Duration
	// Processes is how many processes the tree may have at once.
	Processes int
	// OpenFiles is how many files each process may have open.
	OpenFiles int
	// FileSize is the size in bytes of the largest file that may be written.
	FileSize int64
}

// Usage is what a tree has used so far.
type Usage struct {
	// CPU is the processor time, user and system, of all processes.
	CPU time.Duration
	// PeakMemory is the largest resident memory in bytes seen at once.
	PeakMemory int64
	// Processes is how many processes there were at the last look.
	Processes int
}

// Exit is how a program ended.
type Exit struct {
	// Code is the exit status; -1 when a signal ended the program.
	Code int
	// Signal names the signal that ended the program, as in "SIGKILL"; empty when it exited.
	Signal string
	// OutOfMemory says that the tree was killed for using more than Limits.Memory.
	OutOfMemory bool
	// TimedOut says that the context's deadline or Limits.CPUTime ended the program.
	TimedOut bool
	// TooManyProcesses says that the tree was killed for having more than Limits.Processes.
	TooManyProcesses bool
	// Stopped says that Stop, Kill or the context's end was what ended it.
	Stopped bool
	Usage   Usage
}

// Success says that the program ended by itself with status 0.
func (e Exit) Success() bool { return e.Code == 0 && e.Signal == "" }

// Report says what is really applied to a program, or what this machine can apply.
type Report struct {
	Landlock         bool `json:"landlock"`
	PIDNamespace     bool `json:"pid_namespace"`
	UserNamespace    bool `json:"user_namespace"`
	NetworkNamespace bool `json:"network_namespace"`
	Chroot           bool `json:"chroot"`
	// Notes say what could not be had and why, one sentence each.
	Notes []string `json:"notes"`
}
