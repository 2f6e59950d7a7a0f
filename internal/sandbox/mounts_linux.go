package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// enterNamespaces makes the namespaces usable in which the keeper was started.
func (k *keeper) enterNamespaces() error {
	n := k.order.Namespaces
	if n.PID {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return &unusableError{"keep mounts to oneself: " + err.Error()}
		}
		if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return &unusableError{"mount /proc: " + err.Error()}
		}
		if k.order.Confined {
			if err := unix.Mount("shm", "/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
				k.note("a /dev/shm of its own: " + err.Error())
			}
		}
	}
	if n.Network {
		if err := loopbackUp(); err != nil {
			return &unusableError{"bring the loopback up: " + err.Error()}
		}
	}
	k.report.PIDNamespace, k.report.UserNamespace, k.report.NetworkNamespace = n.PID, n.User, n.Network
	if !n.Network && !k.order.Network {
		k.note("no network namespace: the program reaches the network")
	}
	if !n.PID {
		k.note("no PID namespace: the program sees the names of other processes")
	}
	return nil
}

// loopbackUp switches the loopback device of the namespace on, so that tests can serve on 127.0.0.1.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer closeFD(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

// deviceNames are the devices that a program finds in the /dev of its root.
var deviceNames = [...]string{"null", "zero", "full", "random", "urandom"}

// enterRoot makes Spec.Root the root of the calling thread, with a /proc and a /dev in it where mounts can be made.
func (k *keeper) enterRoot() error {
	root := k.order.Root
	if root == "" {
		return nil
	}
	if k.report.PIDNamespace {
		if err := k.furnish(root); err != nil {
			return err
		}
	} else {
		k.note("no mount namespace: the root folder has no /proc and no /dev")
	}
	// The root of a thread is shared with the process's other threads until it is told apart.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("have a root of its own: %w", err)
	}
	if err := unix.Chroot(root); err != nil {
		return fmt.Errorf("make %s the root: %w (it needs root's rights or a user namespace)", root, err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("enter the root %s: %w", root, err)
	}
	k.report.Chroot = true
	return nil
}

// furnish mounts what programs expect below the root. Nothing of the image is followed out of it.
func (k *keeper) furnish(root string) error {
	in, err := os.OpenRoot(root)
	if err != nil {
		return fmt.Errorf("open the root: %w", err)
	}
	defer func() { _ = in.Close() }()
	for _, name := range []string{"proc", "dev"} {
		if err := in.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make /%s below %s: %w", name, root, err)
		}
		st, err := in.Lstat(name)
		if err != nil {
			return fmt.Errorf("look at /%s below %s: %w", name, root, err)
		}
		if !st.IsDir() {
			return fmt.Errorf("/%s below %s is no folder", name, root)
		}
	}
	proc, dev := filepath.Join(root, "proc"), filepath.Join(root, "dev")
	if err := unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount %s: %w", proc, err)
	}
	if err := unix.Mount("dev", dev, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=1m"); err != nil {
		return fmt.Errorf("mount %s: %w", dev, err)
	}
	for _, name := range deviceNames {
		at := filepath.Join(dev, name)
		if err := os.WriteFile(at, nil, 0o666); err != nil {
			return fmt.Errorf("make %s: %w", at, err)
		}
		if err := unix.Mount("/dev/"+name, at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", at, err)
		}
	}
	for name, to := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(to, filepath.Join(dev, name)); err != nil {
			return fmt.Errorf("make %s: %w", filepath.Join(dev, name), err)
		}
	}
	shm := filepath.Join(dev, "shm")
	if err := os.Mkdir(shm, 0o1777); err != nil {
		return fmt.Errorf("make %s: %w", shm, err)
	}
	if err := unix.Mount("shm", shm, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777"); err != nil {
		return fmt.Errorf("mount %s: %w", shm, err)
	}
	return nil
}
