package dora

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 100_000) // longer than the reader's buffer
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"one without an end", "a", []string{"a"}},
		{"ends of Windows", "a\r\nb\r\n", []string{"a", "b"}},
		{"empty lines and space", "\n  \n a \n", []string{"", "", "a"}},
		{"a mark of the byte order", "\xef\xbb\xbfa\n\xef\xbb\xbfb", []string{"a", "\xef\xbb\xbfb"}},
		{"a line over the buffer", long + "\nb\n", []string{long, "b"}},
		{"a line that is too long", "a\n" + long + long + "\nb", []string{"a", "too long", "b"}},
		{"too long at the end", "a\n" + long + long, []string{"a", "too long"}},
		{"just fits", strings.Repeat("y", 150_000) + "\n", []string{strings.Repeat("y", 150_000)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLines(iotest.OneByteReader(strings.NewReader(c.in)), 150_001)
			var got []string
			for {
				text, err := l.next()
				if errors.Is(err, errLongLine) {
					text, err = []byte("too long"), nil
				}
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(text))
				if l.n != len(got) {
					t.Fatalf("line %d has the number %d", len(got), l.n)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) || len(got) != len(c.want) {
				t.Errorf("got %.100q, want %.100q", got, c.want)
			}
		})
	}
}

func TestALineThatBreaksOffIsNotGiven(t *testing.T) {
	broken := errors.New("the connection is gone")
	l := newLines(io.MultiReader(strings.NewReader("a\n{\"half\":"), iotest.ErrReader(broken)), 1000)
	if text, err := l.next(); err != nil || string(text) != "a" {
		t.Fatalf("%q %v", text, err)
	}
	if text, err := l.next(); !errors.Is(err, broken) {
		t.Errorf("%q %v, want the reader's error", text, err)
	}
}
