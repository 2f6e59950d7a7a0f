package browser

import (
	"context"
	"os"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/cli"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// TestMain lets this binary be the program that the platform under test starts: the keeper of a sandbox, and the
// pipeline of a run.
func TestMain(m *testing.M) {
	sandbox.Init()
	if len(os.Args) > 1 && os.Args[1] == "ci" {
		os.Exit(cli.Run(context.Background(), "test", cli.System(), os.Args[1:]))
	}
	os.Exit(m.Run())
}
