// Command fawkes-service runs one service of Fawkes by its name, as a container
// of a cluster does. It holds every service and none of the servers that stand in
// for a cluster's components on a laptop.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the image of this program has no time zones of its own

	"github.com/fawkes-idp/fawkes/internal/app"
)

// version is set when a release is linked.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := app.Service{
		Modules: app.Modules(), Args: os.Args[1:], Env: os.Environ(),
		Stdout: os.Stdout, Stderr: os.Stderr, Version: version,
	}.Run(ctx)
	stop()
	os.Exit(code)
}
