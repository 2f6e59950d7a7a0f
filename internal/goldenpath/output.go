package goldenpath

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// The bounds of what is kept and shown of a stage's output.
const (
	mostLine = 8 << 10  // bytes of a line; the rest of it is cut
	mostLog  = 16 << 20 // bytes of a stage's log; what follows is dropped, and the log says so
	mostTold = 16 << 10 // bytes told at once
)

// mask takes secrets out of text: the values of variables that are named as such.
type mask struct{ replace *strings.Replacer }

var secretName = regexp.MustCompile(`(TOKEN|PASSWORD|PASSWD|SECRET|PRIVATE_KEY|API_KEY|CREDENTIALS)$`)

// shortestSecret is the shortest value that is taken for a secret: a shorter one would blacken half of the text.
const shortestSecret = 6

func newMask(environ []string) mask {
	var secrets []string
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if !secretName.MatchString(name) {
			continue
		}
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); len(line) >= shortestSecret {
				secrets = append(secrets, line)
			}
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // the longest first
	var pairs []string
	for _, s := range secrets {
		pairs = append(pairs, s, "***")
	}
	return mask{strings.NewReplacer(pairs...)}
}

func (m mask) text(s string) string { return m.replace.Replace(s) }

// stageLog takes the output of a stage: it goes to the stage's file and to whoever looks, line by line,
// bounded, as UTF-8, without terminal control and without secrets. It is safe for concurrent use.
type stageLog struct {
	mu    sync.Mutex
	mask  mask
	file  *os.File
	tell  func(text string)
	line  []byte
	long  bool // the rest of this line is dropped
	size  int
	full  bool
	tail  []string // the last lines, for the reason of a failure
	ready bytes.Buffer
}

const tailLines = 12

func newStageLog(path string, m mask, tell func(string)) (*stageLog, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("keep the log: %w", err)
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("keep the log: %w", err)
	}
	return &stageLog{mask: m, file: file, tell: tell}, nil
}

// Write takes output in pieces of any size.
func (l *stageLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := p; len(rest) > 0; {
		part, more, ended := bytes.Cut(rest, []byte("\n"))
		rest = more
		if room := mostLine - len(l.line); len(part) > room {
			l.line, l.long = append(l.line, part[:max(room, 0)]...), true
		} else if !l.long {
			l.line = append(l.line, part...)
		}
		if ended {
			l.endLine()
		}
	}
	l.flush()
	return len(p), nil
}

// say writes a line of our own.
func (l *stageLog) say(format string, args ...any) {
	_, _ = l.Write([]byte(fmt.Sprintf(format, args...) + "\n"))
}

func (l *stageLog) endLine() {
	text := clean(string(l.line))
	if l.long {
		text += " … [cut]"
	}
	l.line, l.long = l.line[:0], false
	if l.full {
		return
	}
	text = l.mask.text(text)
	if l.size += len(text) + 1; l.size > mostLog {
		l.full = true
		text = fmt.Sprintf("[the log is longer than %d MiB; the rest is dropped]", mostLog>>20)
	}
	if strings.TrimSpace(text) != "" {
		l.tail = append(l.tail, text)
		if len(l.tail) > tailLines {
			l.tail = l.tail[1:]
		}
	}
	l.ready.WriteString(text + "\n")
	if l.ready.Len() > mostTold {
		l.flush()
	}
}

func (l *stageLog) flush() {
	if l.ready.Len() == 0 {
		return
	}
	if l.file != nil {
		_, _ = l.file.Write(l.ready.Bytes())
	}
	if l.tell != nil {
		l.tell(l.ready.String())
	}
	l.ready.Reset()
}

func (l *stageLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.line) > 0 {
		l.endLine()
	}
	l.flush()
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

// last is the last line that says something.
func (l *stageLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tail) == 0 {
		return ""
	}
	return l.tail[len(l.tail)-1]
}

var terminalCode = regexp.MustCompile("\x1b(\\[[0-9;?]*[ !\"#$%&'()*+,./-]*[@A-Z\\[\\\\\\]^_`a-z{|}~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[@A-Z\\\\\\]^_])")

// clean makes a line of output safe to show: UTF-8, without what moves a cursor.
func clean(s string) string {
	if i := strings.LastIndexByte(strings.TrimRight(s, "\r"), '\r'); i >= 0 {
		s = s[i+1:] // a progress bar: what stands at the end
	}
	s = strings.TrimRight(s, "\r")
	if strings.ContainsRune(s, '\x1b') {
		s = terminalCode.ReplaceAllString(s, "")
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' || c >= 0x7f && c < 0xa0 {
			return -1
		}
		return c
	}, s)
}

// writeFile replaces a file as a whole, so that nobody reads half of one.
func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
