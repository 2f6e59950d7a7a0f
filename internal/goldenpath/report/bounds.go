package report

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Limits of what is read. A document beyond one of them is refused, except for output, which is cut.
const (
	MaxBytes    = 64 << 20 // of one document
	MaxCases    = 200_000  // test cases, findings or components of one document
	MaxDepth    = 32       // suites inside suites
	MaxOutput   = 64 << 10 // bytes of output kept with one test case
	maxLine     = 1 << 20  // bytes of one line of a stream; the rest of a longer line is dropped
	maxWord     = 4 << 10  // bytes of a name or message
	cutFromText = "[cut: the beginning is not kept]\n"
)

// ErrTooLarge is the reason for which a document beyond the limits is refused.
var ErrTooLarge = errors.New("too large")

// readAll reads r to its end, at most MaxBytes of it.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: more than %d MiB", ErrTooLarge, MaxBytes>>20)
	}
	return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), nil
}

// eachLine calls do with every line of r, without its line end and cut at maxLine.
func eachLine(r io.Reader, do func(line []byte) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if room := maxLine - len(line); len(part) > room {
			line = append(line, part[:max(room, 0)]...)
		} else {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if len(line) > 0 || err == nil {
			if failed := do(bytes.TrimRight(line, "\r\n")); failed != nil {
				return failed
			}
		}
		line = line[:0]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// color is the sequences by which programs color a terminal.
var color = regexp.MustCompile("\x1b\\[[0-9;:?]*[A-Za-z]")

// printable is text as valid UTF-8, without colors, in which of the control characters only tab and line end
// are left, so that it can be put into XML, JSON, a terminal and a page.
func printable(text string) string {
	clean := true
	for _, r := range text {
		if !allowed(r) {
			clean = false
			break
		}
	}
	if clean {
		return text
	}
	text = color.ReplaceAllString(text, "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return -1
		case !allowed(r):
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

func allowed(r rune) bool {
	return r == '\t' || r == '\n' || r >= 0x20 && r != 0x7f && r != utf8.RuneError && r != 0xFFFE && r != 0xFFFF && (r < 0x80 || r > 0x9f)
}

// word is a name or a message: printable, and cut when it is absurdly long.
func word(text string) string {
	text = printable(strings.TrimSpace(text))
	if len(text) <= maxWord {
		return text
	}
	return strings.ToValidUTF8(text[:maxWord], "") + "…"
}

// tail keeps the end of a text that is longer than MaxOutput: a failure stands at the end of its output.
func tail(text string) string {
	if len(text) <= MaxOutput {
		return text
	}
	text = text[len(text)-MaxOutput:]
	if _, rest, ok := strings.Cut(text, "\n"); ok && rest != "" {
		text = rest
	}
	return cutFromText + strings.ToValidUTF8(text, "\uFFFD")
}
