// Package charts runs the tests of the charts. They are in the module helm below, because Helm's library is heavy and
// only they need it.
package charts

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestTheCharts runs `go test` in the module. What that reads is read here too: the go command then knows that a
// result that it remembers holds no longer once a chart has changed.
func TestTheCharts(t *testing.T) {
	files := 0
	for _, root := range []string{"../../charts", "helm"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files++
			_, err = os.ReadFile(name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files == 0 {
		t.Fatal("there are no charts")
	}
	cmd := exec.CommandContext(t.Context(), "go", "-C", "helm", "test", "-count=1", "./...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the charts' tests: %v\n%s", err, out)
	}
}
