package git

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzName(f *testing.F) {
	for _, s := range []string{"a/b", "shop/api.go", "../x", "a/..", "A/b", "a/b/c", "-a/b", "a\x00/b", "a/b.git"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !ValidName(s) {
			return
		}
		if strings.Count(s, "/") != 1 || strings.Contains(s, "..") || strings.HasPrefix(s, ".") || strings.HasPrefix(s, "-") || strings.Contains(s, "/.") || strings.Contains(s, "/-") ||
			strings.ToLower(s) != s || strings.ContainsAny(s, "\\\x00\n :*?\"<>|") {
			t.Fatalf("%q is taken for a name", s)
		}
	})
}

// Commits are written by git, and their text by strangers.
func FuzzCommits(f *testing.F) {
	sha := strings.Repeat("a", 40)
	f.Add(strings.Join([]string{sha, sha, "", "Ada", "a@x", "1700000000 +0100", "Bob", "b@x", "1700000001 -0530", "Subject\n\nBody\n"}, "\x00") + "\x00")
	f.Add(sha + "\x00" + sha + "\x00")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseCommits(text)
		if err != nil {
			return
		}
		for _, c := range list {
			info, err := json.Marshal(toCommitInfo(c))
			if err != nil || !utf8.Valid(info) {
				t.Fatalf("the commit %+v cannot be told: %v", c, err)
			}
			h, err := json.Marshal(toHookCommit(c, paths{}, "http://h/git/a/b", true))
			if err != nil || !utf8.Valid(h) {
				t.Fatalf("the commit %+v cannot be told to hooks: %v", c, err)
			}
		}
	})
}

func FuzzDiff(f *testing.F) {
	f.Add(":100644 100644 "+strings.Repeat("a", 40)+" "+strings.Repeat("b", 40)+" R090\x00old\x00new\x001\t2\t\x00old\x00new\x00", "diff --git a/old b/new\n--- a/old\n+++ b/new\n")
	f.Add(":000000 100644 0 1 A\x00x\x00-\t-\tx\x00", "diff --git a/x b/x\nBinary files differ\ndiff --git a/y b/y\n")
	f.Fuzz(func(t *testing.T, numbers, patches string) {
		files, err := parseNumbers(numbers)
		if err == nil {
			for _, d := range files {
				if !utf8.ValidString(d.Path) || !utf8.ValidString(d.OldPath) {
					t.Fatalf("the path %q cannot be told", d.Path)
				}
			}
		}
		if parts := splitPatches(patches); !strings.HasPrefix(patches, strings.Join(parts, "")) {
			t.Fatalf("%q was cut into %q", patches, parts)
		}
	})
}

func FuzzChanged(f *testing.F) {
	f.Add(strings.Repeat("a", 40) + "\x00A\x00x\x00M\x00y z\x00" + strings.Repeat("b", 40) + "\x00D\x00q\x00")
	f.Add(strings.Repeat("a", 40) + "\x00A\x00")
	f.Fuzz(func(t *testing.T, text string) {
		for sha, p := range parseChanged(text) {
			for _, path := range append(append(p.Added, p.Removed...), p.Modified...) {
				if !utf8.ValidString(path) {
					t.Fatalf("the path %q of %s cannot be told", path, sha)
				}
			}
		}
	})
}

// The header of the program's answer is read to its end and not a byte further.
func FuzzAnswer(f *testing.F) {
	f.Add("Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nbody")
	f.Add("Content-Type: x\n\n")
	f.Add("Status: 999\r\n\r\n")
	f.Add("no colon\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		w := httptest.NewRecorder()
		began, err := answer(w, http.NewResponseController(w), strings.NewReader(text))
		if began && err == nil && !strings.HasSuffix(text, w.Body.String()) {
			t.Fatalf("of %q came %q", text, w.Body)
		}
		if !began && w.Body.Len() > 0 {
			t.Fatalf("an answer that did not begin has the body %q", w.Body)
		}
	})
}

func TestTheHeaderOfAnAnswerIsBounded(t *testing.T) {
	w := httptest.NewRecorder()
	began, err := answer(w, http.NewResponseController(w), bufio.NewReader(io.MultiReader(strings.NewReader("X: "), strings.NewReader(strings.Repeat("y", 1<<20)))))
	if began || err == nil {
		t.Fatalf("an endless header began an answer: %t, %v", began, err)
	}
}

func TestDatesThatNoCalendarHas(t *testing.T) {
	for text, want := range map[string]string{
		"1700000000 +0100":           "2023-11-14T23:13:20+01:00",
		"1700000000 -0530":           "2023-11-14T16:43:20-05:30",
		"1700000000 +0000":           "2023-11-14T22:13:20Z",
		"1700000000 +9999":           "2023-11-14T22:13:20Z",
		"1700000000":                 "2023-11-14T22:13:20Z",
		"-5 +0000":                   "1970-01-01T00:00:00Z",
		"99999999999999999 +0000":    "9999-12-31T23:59:59Z",
		"99999999999999999999 +0100": "1970-01-01T01:00:00+01:00",
		"253402300799 +0100":         "9999-12-31T23:59:59Z",
		"":                           "1970-01-01T00:00:00Z",
	} {
		if got := rawDate(text).Format(time.RFC3339); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}
