package dora

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// FuzzLines wants of every text the lines that splitting it at once gives,
// however it arrives in pieces, and of every longer line that it is stepped over.
func FuzzLines(f *testing.F) {
	for _, text := range []string{"", "\n", "a\nb", "\xef\xbb\xbf{}\r\n\r\n{}", strings.Repeat("x", 40) + "\ny", " \t{} \n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 32
		want := bytes.Split(data, []byte("\n"))
		if len(want[len(want)-1]) == 0 {
			want = want[:len(want)-1] // what follows the last end is no line
		}
		for name, in := range map[string]io.Reader{"at once": bytes.NewReader(data), "byte by byte": iotest.OneByteReader(bytes.NewReader(data))} {
			l := newLines(in, most)
			for n, line := range want {
				got, err := l.next()
				if l.n != n+1 {
					t.Fatalf("%s: %q: line %d is numbered %d", name, data, n+1, l.n)
				}
				whole := len(line)
				if n < len(want)-1 || bytes.HasSuffix(data, []byte("\n")) {
					whole++ // its end counts
				}
				if whole > most {
					if !errors.Is(err, errLongLine) {
						t.Fatalf("%s: %q: line %d of %d bytes gave %q, %v", name, data, n+1, whole, got, err)
					}
					continue
				}
				if n == 0 {
					line = bytes.TrimPrefix(line, byteOrderMark)
				}
				if err != nil || !bytes.Equal(got, bytes.TrimSpace(line)) {
					t.Fatalf("%s: %q: line %d is %q, %v; want %q", name, data, n+1, got, err, line)
				}
			}
			if got, err := l.next(); !errors.Is(err, io.EOF) {
				t.Fatalf("%s: %q: after the last line: %q, %v", name, data, got, err)
			}
		}
	})
}

// FuzzUnpacked wants of every body that is called gzip a bounded text or a
// problem of the client's.
func FuzzUnpacked(f *testing.F) {
	pack := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil || z.Close() != nil {
			f.Fatal(err)
		}
		return b.Bytes()
	}
	whole := pack(`{"type":"commit"}`)
	f.Add(whole, "gzip")
	f.Add(whole[:len(whole)-5], "gzip")
	f.Add(append(bytes.Clone(whole), whole...), "gzip")
	f.Add(pack(strings.Repeat("x", 5000)), "gzip")
	f.Add([]byte("{}"), "identity")
	f.Add([]byte{}, "gzip")
	f.Add([]byte("{}"), "br")
	f.Fuzz(func(t *testing.T, data []byte, encoding string) {
		const most = 4096
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(data))
		r.Header.Set("Content-Encoding", encoding)
		in, err := unpacked(r, most)
		if err == nil {
			var out []byte
			if out, err = io.ReadAll(in); err == nil {
				if encoding == "gzip" && len(out) > most {
					t.Fatalf("%d bytes came out, want at most %d", len(out), most)
				}
				return
			}
			err = unreadable(err)
		}
		if p := problem.From(err); p.Status < 400 || p.Status >= 500 || p.Detail == "" {
			t.Fatalf("%q as %q: %d %q", data, encoding, p.Status, p.Detail)
		}
	})
}

// FuzzCursor wants of every cursor an offset that is written as a cursor which is
// read as the same, or a problem that names the field.
func FuzzCursor(f *testing.F) {
	for _, c := range []string{"", *cursorAt(0), *cursorAt(100), *cursorAt(1 << 60), "bzk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "by0x", "o1", "%", "bw"} {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		n, err := PageInput{Cursor: cursor}.offset()
		if err != nil {
			if p := problem.From(err); p.Code != problem.InvalidCursor || p.Field != "query.cursor" {
				t.Fatalf("%q: %v", cursor, err)
			}
			return
		}
		if n < 0 {
			t.Fatalf("%q is the offset %d", cursor, n)
		}
		if again, err := (PageInput{Cursor: *cursorAt(n)}).offset(); err != nil || again != n {
			t.Fatalf("%q is %d, whose cursor is %d, %v", cursor, n, again, err)
		}
	})
}

// FuzzParameters wants of every query the known parameters and no other, or a
// problem that names one.
func FuzzParameters(f *testing.F) {
	for _, q := range []string{"", "project=p", "project=p&strict=true", "zzz=1", "project=%00", "project=%ff", "a;b", "project=a&project=b", "%"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.URL.RawQuery = query
		got, err := parameters(r, "project", "strict")
		if err != nil {
			if p := problem.From(err); p.Status < 400 || p.Status >= 500 || !strings.HasPrefix(p.Field, "query.") {
				t.Fatalf("%q: %v", query, err)
			}
			return
		}
		for name := range got {
			if name != "project" && name != "strict" {
				t.Fatalf("%q has the parameter %q", query, name)
			}
		}
	})
}
