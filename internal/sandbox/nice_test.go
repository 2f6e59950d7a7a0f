package sandbox_test

import (
	"os"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

func TestAProgramGivesWay(t *testing.T) {
	out, exit, _ := run(t, sandbox.Spec{Network: true, Nice: 7}, `nice`)
	if out != "7" || exit.Code != 0 {
		t.Fatalf("nice says %q, %+v; want 7", out, exit)
	}
}

// The session is lowered right after the start, which the program waits for here.
func TestAProgramsSessionGivesWay(t *testing.T) {
	if _, err := os.Stat("/proc/self/autogroup"); err != nil {
		t.Log("the kernel does not group by session: there is nothing to lower")
		return
	}
	out, exit, _ := run(t, sandbox.Spec{Nice: 7, Read: []string{"/usr", "/bin", "/lib", "/lib64", "/proc", "/dev"}, Write: []string{t.TempDir()}}, `n=0; until grep -q "nice 7" /proc/self/autogroup; do n=$((n+1)); [ $n -lt 500 ] || exit 1; sleep 0.01; done; echo lowered`)
	if out != "lowered" || exit.Code != 0 {
		t.Fatalf("it says %q, %+v", out, exit)
	}
}
