package runner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode/utf8"
)

// logs are the files of one run's stages, one each, which only grow and never beyond a bound.
type logs struct {
	dir  string
	most int64

	mu    sync.Mutex
	files map[string]*logFile
}

type logFile struct {
	file *os.File
	size int64
	full bool
}

// openLogs makes the folder; what is in it already is gone on with.
func openLogs(dir string, most int64) (*logs, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of logs: %w", err)
	}
	return &logs{dir: dir, most: most, files: map[string]*logFile{}}, nil
}

// add appends text, ended by a line break, to a stage's log.
func (l *logs) add(stage, text string) error {
	if text == "" {
		return nil
	}
	if text[len(text)-1] != '\n' {
		text += "\n"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.files[stage]
	if f == nil {
		file, err := os.OpenFile(logPath(l.dir, stage), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("open the log of %s: %w", stage, err)
		}
		st, err := file.Stat()
		if err != nil {
			_ = file.Close()
			return fmt.Errorf("open the log of %s: %w", stage, err)
		}
		f = &logFile{file: file, size: st.Size()}
		l.files[stage] = f
	}
	if f.full {
		return nil
	}
	if room := l.most - f.size; int64(len(text)) > room {
		cut := max(int(room), 0)
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + fmt.Sprintf("\n[the log is cut here, at %d bytes]\n", l.most)
		f.full = true
	}
	n, err := f.file.WriteString(text)
	f.size += int64(n)
	if err != nil {
		return fmt.Errorf("write the log of %s: %w", stage, err)
	}
	return nil
}

func (l *logs) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.files {
		_ = f.file.Close()
	}
	clear(l.files)
}

func logPath(dir, stage string) string { return filepath.Join(dir, stage+".log") }

// readLog reads at most limit bytes of a stage's log from the byte after. What it gives ends at a whole character.
func readLog(dir, stage string, after int64, limit int) (text string, next int64, err error) {
	f, err := os.Open(logPath(dir, stage))
	if errors.Is(err, fs.ErrNotExist) {
		return "", after, nil // nothing was written yet
	}
	if err != nil {
		return "", after, fmt.Errorf("read the log of %s: %w", stage, err)
	}
	defer f.Close()
	buf := make([]byte, limit)
	n, err := f.ReadAt(buf, after)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", after, fmt.Errorf("read the log of %s: %w", stage, err)
	}
	buf = buf[:n]
	if n == limit {
		// A character that continues in the next part is left to it.
		for back := 1; back < utf8.UTFMax && back < n; back++ {
			if c := buf[n-back]; utf8.RuneStart(c) {
				if !utf8.FullRune(buf[n-back:]) {
					buf = buf[:n-back]
				}
				break
			}
		}
	}
	return strings.ToValidUTF8(string(buf), "\uFFFD"), after + int64(len(buf)), nil
}

// readAllLogs reads the logs of the stages in their order as if they were one.
func readAllLogs(dir string, stages []Stage, after int64, limit int) (text string, next int64, err error) {
	var out strings.Builder
	next = after
	begin := int64(0) // of the stage at hand, in the whole
	for _, s := range stages {
		st, err := os.Stat(logPath(dir, s.Name))
		if err != nil {
			continue
		}
		if end := begin + st.Size(); next < end && out.Len() < limit {
			part, at, err := readLog(dir, s.Name, next-begin, limit-out.Len())
			if err != nil {
				return "", after, err
			}
			out.WriteString(part)
			if next = begin + at; next < end {
				break
			}
		}
		begin += st.Size()
	}
	return out.String(), next, nil
}
