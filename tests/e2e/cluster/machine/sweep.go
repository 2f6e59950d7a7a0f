//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// sweepFor is how long a sweep tries to remove what the kernel still holds.
const sweepFor = 30 * time.Second

// Sweep waits for the end of lifeline and takes away what is left of the cluster in dir: its processes, its cgroups and
// its files. The nodes of a cluster have cgroups named CgroupOf(dir, node).
func Sweep(dir string, lifeline io.Reader) error {
	_, err := io.Copy(io.Discard, lifeline)
	return errors.Join(err, Clear(dir))
}

// Clear is a sweep at once.
func Clear(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), sweepFor)
	defer cancel()
	var failed error
	hierarchies := Hierarchies()
	for _, name := range groupsOf(hierarchies, dir) {
		failed = errors.Join(failed, Cgroup{Hierarchies: hierarchies, Name: name}.Remove(ctx))
	}
	if failed != nil {
		return failed // its files are kept as long as something may use them
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the files of the cluster: %w", err)
	}
	return nil
}

// CgroupOf names the cgroup of a node of the cluster in dir.
func CgroupOf(dir, node string) string { return prefix(dir) + node }

func prefix(dir string) string { return "fawkes-e2e-" + filepath.Base(dir) + "-" }

// groupsOf finds the names of the cluster's cgroups that are there.
func groupsOf(hierarchies []string, dir string) []string {
	var out []string
	seen := map[string]bool{}
	for _, root := range hierarchies {
		// The pattern is of our own making; it cannot be malformed.
		found, _ := filepath.Glob(filepath.Join(root, prefix(dir)+"*"))
		for _, f := range found {
			if name := filepath.Base(f); !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	return out
}
