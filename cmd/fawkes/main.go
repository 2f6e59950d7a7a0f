// Command fawkes brings the delivery platform up on this machine and talks to it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/fawkes-idp/fawkes/internal/cli"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// version is set by the build: -ldflags "-X main.version=…".
var version = "dev"

func main() {
	sandbox.Init() // this binary is also the keeper of the programs that it starts
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(cli.Run(ctx, version, cli.System(), os.Args[1:]))
}
