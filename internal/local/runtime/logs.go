package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// logHalf is when a log is turned over, in bytes: an instance keeps between one and two of these.
const logHalf = 1 << 20

// logFile is what one instance writes. It goes on over restarts of the instance and of the platform.
type logFile struct {
	path string

	mu    sync.Mutex
	file  *os.File
	size  int64
	total int64 // written since it was opened; followers compare it
	more  chan struct{}
}

func openLog(path string) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open log: %w", err)
	}
	return &logFile{path: path, file: f, size: info.Size(), more: make(chan struct{})}, nil
}

// Write takes what the program writes. A full disk costs the log, never the program: it always succeeds.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return len(p), nil
	}
	if l.size >= logHalf {
		l.turn()
	}
	if l.file != nil {
		n, _ := l.file.Write(p) // what does not fit on the disk is lost, and the program goes on
		l.size += int64(n)
		l.total += int64(n)
	}
	close(l.more)
	l.more = make(chan struct{})
	return len(p), nil
}

// note writes a line of the platform's own.
func (l *logFile) note(format string, args ...any) {
	fmt.Fprintf(l, "[fawkes] "+format+"\n", args...)
}

func (l *logFile) turn() {
	l.file.Close()
	l.file = nil
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		return
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	l.file, l.size = f, 0
}

// Close ends the log and whoever follows it.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	close(l.more)
	l.more = make(chan struct{})
	return err
}

// follow hands on the last lines and what is written from then on, until the log is closed or ctx ends. What is
// written faster than emit takes it is left out beyond the log's own length.
func (l *logFile) follow(ctx context.Context, tail int, emit func([]byte) error) error {
	l.mu.Lock()
	seen := l.total
	text, err := lastLines(l.path, tail)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if len(text) > 0 {
		if err := emit(text); err != nil {
			return err
		}
	}
	for {
		l.mu.Lock()
		closed, more, behind := l.file == nil, l.more, l.total-seen
		seen = l.total
		l.mu.Unlock()
		if behind > 0 {
			l.mu.Lock() // what was written meanwhile belongs to this part
			behind += l.total - seen
			seen = l.total
			text, err := lastBytes(l.path, behind)
			l.mu.Unlock()
			if err != nil {
				return err
			}
			if err := emit(text); err != nil {
				return err
			}
		}
		if closed {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil
		}
	}
}

// lastBytes reads the end of a log, from the file before it too.
func lastBytes(path string, n int64) ([]byte, error) {
	n = min(n, 2*logHalf)
	text, err := tailOf(path, n)
	if err != nil || int64(len(text)) >= n {
		return text, err
	}
	before, err := tailOf(path+".1", n-int64(len(text)))
	return append(before, text...), err
}

func tailOf(path string, n int64) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	if _, err := f.Seek(max(0, info.Size()-n), io.SeekStart); err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, n))
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	return text, nil
}

// lastLines are the last lines of a log; a number below 1 means all that is kept.
func lastLines(path string, lines int) ([]byte, error) {
	text, err := lastBytes(path, 2*logHalf)
	if err != nil || lines < 1 {
		return text, err
	}
	end := len(bytes.TrimRight(text, "\n"))
	for range lines {
		i := bytes.LastIndexByte(text[:end], '\n')
		if i < 0 {
			return text, nil
		}
		end = i
	}
	return text[end+1:], nil
}
