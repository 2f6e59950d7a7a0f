//go:build linux

// Command machined is the first process of a node of the test cluster, and what clears up after a cluster.
//
//	machined init SPEC             makes a node; file 3 is the lifeline
//	machined run CGROUP PROGRAM…   is a program of a node
//	machined sweep FOLDER          clears up when file 3 ends
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster/machine"
)

func main() {
	// Ctrl-C reaches every process of a terminal. What ends these is the lifeline alone.
	if len(os.Args) > 1 && os.Args[1] != "run" {
		signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "machined:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: machined init SPEC | run CGROUP PROGRAM… | sweep FOLDER")
	}
	lifeline := os.NewFile(3, "lifeline")
	switch verb := args[0]; {
	case verb == "init" && len(args) == 2:
		spec, err := machine.Decode(args[1])
		if err != nil {
			return err
		}
		return machine.Init(spec, lifeline, os.Stdout)
	case verb == "run" && len(args) > 2:
		return machine.Run(args[1], args[2:])
	case verb == "sweep" && len(args) == 2:
		return machine.Sweep(args[1], lifeline)
	default:
		return fmt.Errorf("machined does not know %q", args)
	}
}
