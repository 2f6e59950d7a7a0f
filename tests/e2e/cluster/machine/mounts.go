//go:build linux

package machine

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// tunables are settings of the whole kernel that the kubelet insists on, with the values that it wants to see. A node
// has files in their place, so that it finds what it wants and the machine keeps what it has.
func tunables() map[string]string {
	return map[string]string{
		"/proc/sys/vm/overcommit_memory":      "1",
		"/proc/sys/vm/panic_on_oom":           "0",
		"/proc/sys/kernel/panic":              "10",
		"/proc/sys/kernel/panic_on_oops":      "1",
		"/proc/sys/kernel/keys/root_maxkeys":  "1000000",
		"/proc/sys/kernel/keys/root_maxbytes": "25000000",
	}
}

// mounts gives the node its own /proc, /run, /tmp and /var. Nothing of it is seen outside.
func mounts(spec Spec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("part the node's mounts from the machine's: %w", err)
	}
	// What becomes visible elsewhere is opened first: /run, /tmp or /var may be where it is.
	sources := []struct {
		from, to string
		flags    uintptr
		file     *os.File
	}{
		{from: spec.Cluster, to: ClusterDir},
		{from: spec.Programs, to: ProgramsDir, flags: unix.MS_RDONLY},
		{from: spec.Self, to: SelfDir, flags: unix.MS_RDONLY},
		{from: spec.Disk, to: "/var"},
	}
	defer func() {
		for _, s := range sources {
			if s.file != nil {
				s.file.Close()
			}
		}
	}()
	for i, s := range sources {
		file, err := os.OpenFile(s.from, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return fmt.Errorf("open what becomes %s: %w", s.to, err)
		}
		sources[i].file = file
	}
	for _, m := range []struct{ kind, at, options string }{
		{"proc", "/proc", ""},
		{"tmpfs", "/run", "mode=755"},
		{"tmpfs", "/tmp", "mode=1777"},
	} {
		if err := unix.Mount(m.kind, m.at, m.kind, unix.MS_NOSUID|unix.MS_NODEV, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	for _, s := range sources {
		if err := os.MkdirAll(s.to, 0o755); err != nil {
			return err
		}
		if err := bind(fmt.Sprintf("/proc/self/fd/%d", s.file.Fd()), s.to, s.flags); err != nil {
			return err
		}
	}
	if err := stand(tunables()); err != nil {
		return err
	}
	// The kubelet's mounts must reach the containers and the other way around.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share the mounts inside of the node: %w", err)
	}
	return nil
}

func bind(from, to string, flags uintptr) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", to, err)
	}
	if flags == 0 {
		return nil
	}
	if err := unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|flags, ""); err != nil {
		return fmt.Errorf("mount %s read-only: %w", to, err)
	}
	return nil
}

// stand puts files in the place of the kernel's settings.
func stand(settings map[string]string) error {
	for setting, value := range settings {
		file := "/run/fawkes/settings" + setting
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := bind(file, setting, 0); err != nil {
			return err
		}
	}
	return nil
}
