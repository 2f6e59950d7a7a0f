package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// running is what a running local platform leaves in its state folder for the other commands. The
// file is readable by its owner only: the token is in it.
type running struct {
	PID     int       `json:"pid"`
	API     string    `json:"api"`
	Token   string    `json:"token"`
	Version string    `json:"version"`
	Started time.Time `json:"started_at"`
}

const (
	runFileName  = "run.json"
	lockFileName = "lock"
)

// writeRunFile puts the file in place at once, so that no reader sees half of it.
func writeRunFile(state string, r running) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", runFileName, err)
	}
	temporary := filepath.Join(state, fmt.Sprintf(".%s.%d", runFileName, r.PID))
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", runFileName, err)
	}
	if err := os.Rename(temporary, filepath.Join(state, runFileName)); err != nil {
		return fmt.Errorf("write %s: %w", runFileName, err)
	}
	return nil
}

// readRunFile gives what the file says and whether that platform still runs: a platform that was
// killed leaves its file behind, but not its lock.
func readRunFile(state string) (r running, alive bool, err error) {
	text, err := os.ReadFile(filepath.Join(state, runFileName))
	if errors.Is(err, fs.ErrNotExist) {
		return running{}, false, nil
	}
	if err != nil {
		return running{}, false, fmt.Errorf("read %s: %w", runFileName, err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return running{}, false, fmt.Errorf("read %s: %w", filepath.Join(state, runFileName), err)
	}
	held, err := lockHeld(state)
	if err != nil {
		return running{}, false, err
	}
	return r, held, nil
}

func removeRunFile(state string) error {
	if err := os.Remove(filepath.Join(state, runFileName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", runFileName, err)
	}
	return nil
}

// lock is a platform's claim to its state folder. The kernel lets go of it when the process ends,
// however it ends.
type lock struct{ file *os.File }

var errLocked = errors.New("the state folder is in use")

func takeLock(ctx context.Context, state string) (*lock, error) {
	f, err := os.OpenFile(filepath.Join(state, lockFileName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state folder: %w", err)
	}
	// Another command may be looking at the lock just now, which holds it for a moment.
	for range 10 {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		if waitErr := wait(ctx, 10*time.Millisecond); waitErr != nil {
			break
		}
	}
	if err != nil {
		closeErr := f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(errLocked, closeErr)
		}
		return nil, fmt.Errorf("lock state folder: %w", errors.Join(err, closeErr))
	}
	return &lock{file: f}, nil
}

func (l *lock) release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("unlock state folder: %w", err)
	}
	return nil
}

// lockHeld looks whether a process holds the lock, by asking for a shared one and giving it back.
func lockHeld(state string) (bool, error) {
	f, err := os.Open(filepath.Join(state, lockFileName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the lock: %w", err)
	}
	defer func() { _ = f.Close() }() // only looked at
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the lock: %w", err)
	}
	return false, nil
}
