package sandbox_test

import (
	"context"
	"os"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Init()
	if script := os.Getenv(parentVariable); script != "" {
		os.Exit(parent(script))
	}
	os.Exit(m.Run())
}

func bg() context.Context { return context.Background() }
