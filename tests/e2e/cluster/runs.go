//go:build linux

package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster/machine"
)

// lockFile is held by who uses a cluster's folder: the test, and what clears up after it.
const lockFile = "lock"

// cacheFolder is where the programs are kept between runs, as scripts/cluster.sh has it.
func cacheFolder() string {
	dir, err := os.UserCacheDir()
	if err != nil { // neither XDG_CACHE_HOME nor HOME: then nothing is kept for long
		dir = os.TempDir()
	}
	return filepath.Join(dir, "fawkes", "e2e")
}

// RunsFolder holds a folder for each cluster that is up. It is on a disk, because overlayfs is not laid over memory.
func RunsFolder() string { return filepath.Join(cacheFolder(), "run") }

// claim makes the folder of this cluster, and the lock that says that it is in use.
func (c *Cluster) claim() (*os.File, error) {
	dir, err := os.MkdirTemp(RunsFolder(), "c")
	if err != nil {
		return nil, fmt.Errorf("make the folder of the cluster: %w", err)
	}
	c.dir = dir
	lock, err := os.OpenFile(c.file(lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return nil, errors.Join(fmt.Errorf("claim the folder of the cluster: %w", err), os.RemoveAll(dir))
	}
	return lock, nil
}

// sweepStale clears up after clusters whose test and whose sweeper were both killed: nobody holds their lock.
func sweepStale(runs string) error {
	entries, err := os.ReadDir(runs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for clusters of the past: %w", err)
	}
	for _, e := range entries {
		dir := filepath.Join(runs, e.Name())
		lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
		if err != nil { // made at this moment, or removed
			continue
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			err = machine.Clear(dir)
		}
		lock.Close()
		if err != nil {
			return fmt.Errorf("clear up after an earlier cluster: %w", err)
		}
	}
	return nil
}

// ownSession keeps the signals of a terminal away from a program, so that it ends in order and not with the test.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
