//go:build !linux

package sandbox

import (
	"context"
	"errors"
)

// errNotLinux is what every start answers where the kernel is not Linux.
var errNotLinux = errors.New("programs are kept and confined on Linux only")

// Init does nothing here: there are no keepers.
func Init() {}

// Process is a program that runs under a keeper; there is none here.
type Process struct{}

// Start refuses: without a keeper a program could outlive the platform.
func Start(context.Context, Spec) (*Process, error) { return nil, errNotLinux }

// PID is the program's process id.
func (*Process) PID() int { return 0 }

// Report says what was applied to the program.
func (*Process) Report() Report { return Report{} }

// Usage is what the tree has used.
func (*Process) Usage() Usage { return Usage{} }

// Done is closed when the program and its whole tree are gone.
func (*Process) Done() <-chan struct{} { return nil }

// Wait returns when the program and its whole tree are gone.
func (*Process) Wait() (Exit, error) { return Exit{}, errNotLinux }

// Stop asks the program to end.
func (*Process) Stop(context.Context) error { return errNotLinux }

// Kill ends the whole tree at once.
func (*Process) Kill() {}

// Probe says what this machine can do.
func Probe() Report { return Report{Notes: []string{errNotLinux.Error()}} }

// Sweep kills what a killed platform left behind.
func Sweep(string) (int, error) { return 0, nil }
