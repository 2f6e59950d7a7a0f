//go:build linux

package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// inside is the group of the node's own programs, below the node's. The kubelet makes those of pods beside it; in the
// unified hierarchy a group that has groups below it must hold no process itself.
const inside = "system"

// Cgroup is one group in every hierarchy of the machine.
type Cgroup struct {
	Hierarchies []string // the folders of the hierarchies' roots
	Name        string   // relative to each
}

// Hierarchies are the roots of the machine's cgroups: the unified one; or those of version 1, and beside them the one
// without controllers that systemd keeps at /sys/fs/cgroup/unified, where runc makes groups too.
func Hierarchies() []string {
	const root = "/sys/fs/cgroup"
	if unified(root) {
		return []string{root}
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return separate(string(text), root)
}

func unified(root string) bool {
	_, err := os.Stat(filepath.Join(root, "cgroup.controllers"))
	return err == nil
}

// separate finds the hierarchies that are mounted below root in the text of /proc/self/mountinfo, each once.
func separate(mountinfo, root string) []string {
	var out []string
	seen := map[string]bool{}
	lines := bufio.NewScanner(strings.NewReader(mountinfo))
	for lines.Scan() {
		head, tail, ok := strings.Cut(lines.Text(), " - ")
		fields, kind := strings.Fields(head), strings.Fields(tail)
		if !ok || len(fields) < 5 || len(kind) == 0 || kind[0] != "cgroup" && kind[0] != "cgroup2" {
			continue
		}
		if at := fields[4]; strings.HasPrefix(at, root+"/") && !seen[at] {
			seen[at] = true
			out = append(out, at)
		}
	}
	return out
}

// Create makes the group, ready to hold processes.
func (c Cgroup) Create() error {
	if len(c.Hierarchies) == 0 {
		return errors.New("this machine has no cgroups at /sys/fs/cgroup")
	}
	for _, root := range c.Hierarchies {
		dir := filepath.Join(root, c.Name)
		if err := os.MkdirAll(filepath.Join(dir, inside), 0o755); err != nil {
			return fmt.Errorf("make the cgroup %s: %w", dir, err)
		}
		if unified(root) && len(c.Hierarchies) == 1 {
			for _, above := range []string{root, dir} {
				if err := enable(above); err != nil {
					return err
				}
			}
		}
		// A new cpuset of version 1 is empty, and an empty one takes no process.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			for _, below := range []string{dir, filepath.Join(dir, inside)} {
				if err := inherit(root, below, file); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// enable lets the groups below dir have every controller that dir has.
func enable(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("read the controllers of %s: %w", dir, err)
	}
	for _, controller := range strings.Fields(string(text)) {
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
		if err != nil && !errors.Is(err, unix.EINVAL) { // a threaded controller is not for domains
			return fmt.Errorf("enable %s below %s: %w", controller, dir, err)
		}
	}
	return nil
}

func inherit(root, dir, file string) error {
	if unified(root) {
		return nil
	}
	value, err := os.ReadFile(filepath.Join(root, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the machine's %s: %w", file, err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), value, 0o644); err != nil {
		return fmt.Errorf("set up the cgroup %s: %w", dir, err)
	}
	return nil
}

// Join moves this process into the group, and with it every program that it becomes or starts.
func (c Cgroup) Join() error {
	for _, root := range c.Hierarchies {
		dir := filepath.Join(root, c.Name, inside)
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return fmt.Errorf("join the cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// Remove kills what is in the group and removes it. A process that was killed is still in its group until it is gone, so
// this tries until ctx ends.
func (c Cgroup) Remove(ctx context.Context) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		left, err := c.attempt()
		if err == nil && len(left) == 0 {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("remove the cgroup %s: left are %v: %w", c.Name, left, errors.Join(err, ctx.Err()))
		}
	}
}

// attempt kills and removes what it can, and returns what is still there.
func (c Cgroup) attempt() (left []string, err error) {
	for _, root := range c.Hierarchies {
		var groups []string
		walk := filepath.WalkDir(filepath.Join(root, c.Name), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && d.IsDir() {
				groups = append(groups, path)
			}
			return err
		})
		err = errors.Join(err, walk)
		for i := len(groups) - 1; i >= 0; i-- { // what is below comes later in the walk
			err = errors.Join(err, kill(groups[i]))
			if rm := os.Remove(groups[i]); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
				left = append(left, groups[i])
			}
		}
	}
	return left, err
}

// kill ends the processes that a group holds at this moment.
func kill(group string) error {
	text, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the processes of %s: %w", group, err)
	}
	for _, field := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return fmt.Errorf("read the processes of %s: %w", group, err)
		}
		if pid <= 0 { // a process of a namespace that is not seen from here
			continue
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("end process %d of %s: %w", pid, group, err)
		}
	}
	return nil
}
