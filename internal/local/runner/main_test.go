package runner_test

import (
	"os"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Init()
	if os.Getenv(childVariable) != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}
