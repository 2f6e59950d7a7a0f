package sandbox_test

import (
	"testing"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

func TestAProgramGivesWay(t *testing.T) {
	out, exit, _ := run(t, sandbox.Spec{Network: true, Nice: 7}, `nice`)
	if out != "7" || exit.Code != 0 {
		t.Fatalf("nice says %q, %+v; want 7", out, exit)
	}
}
