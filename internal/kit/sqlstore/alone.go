package sqlstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
)

// presence is a lock that a process holds while it has a SQLite file open. The
// system lets go of it when the process ends, however it ends.
type presence struct {
	file  *os.File
	alone atomic.Bool
	first bool // alone as it was at first
}

// attend takes a share of the lock beside a SQLite file, and finds out whether
// any other process has one.
func attend(path string) (*presence, error) {
	f, err := os.OpenFile(path+"-lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	p := &presence{file: f}
	switch err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); {
	case err == nil:
		p.alone.Store(true)
		p.first = true
	case !errors.Is(err, syscall.EWOULDBLOCK):
		return nil, errors.Join(fmt.Errorf("lock the database: %w", err), f.Close())
	}
	if err := flock(f, syscall.LOCK_SH); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the database: %w", err), f.Close())
	}
	return p, nil
}

// leave gives the share back and closes a descriptor of the database file. To
// close any descriptor of a file ends all locks that the process has on it, also
// those of SQLite: it stays open when anybody else, who may be of this process,
// has the file open.
func (p *presence) leave(file int) error {
	var err error
	if flock(p.file, syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		err = syscall.Close(file)
	}
	return errors.Join(err, p.file.Close())
}

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// OpenedAlone tells, once, that no other process had the SQLite file open when
// this one opened it: whatever the file says of running processes is of ones that
// have ended. On PostgreSQL nobody can know.
func (db *DB) OpenedAlone() bool {
	return db.presence != nil && db.presence.alone.CompareAndSwap(true, false)
}

// FoundAlone is what OpenedAlone told or would tell the first time, however often
// it is asked.
func (db *DB) FoundAlone() bool { return db.presence != nil && db.presence.first }

// InUse tells whether any process has the SQLite file open.
func InUse(path string) (used bool, err error) {
	f, err := os.OpenFile(path+"-lock", os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the lock of the database: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
