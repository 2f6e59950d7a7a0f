package goldenpath

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestALogIsBoundedCleanAndMasked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "logs", "x.log")
	var told strings.Builder
	l, err := newStageLog(file, newMask([]string{"FAWKES_REGISTRY_TOKEN=hush-hush", "X_PASSWORD=tiny", "PATH=/usr/bin", "A_SECRET=line one\nline two"}), func(s string) {
		if !utf8.ValidString(s) || len(s) > mostTold+mostLine+100 {
			t.Errorf("told %d bytes", len(s))
		}
		told.WriteString(s)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"plain\n", "in two ", "parts\n", "hush-", "hush\n", "tiny /usr/bin line two\n", "\x1b[31mred\x1b[0m\x07\n", "10%\r20%\r100%\r\n", "bad \xff bytes\n", strings.Repeat("x", 3*mostLine) + "\n", "no end"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	l.close()
	kept, err := os.ReadFile(file)
	if err != nil || string(kept) != told.String() {
		t.Errorf("what is kept is not what is told: %v", err)
	}
	want := "plain\nin two parts\n***\ntiny /usr/bin ***\nred\n100%\nbad \uFFFD bytes\n" + strings.Repeat("x", mostLine) + " … [cut]\nno end\n"
	if got := told.String(); got != want {
		t.Errorf("got %.200q", got)
	}
	if l.last() != "no end" {
		t.Errorf("the last line is %q", l.last())
	}
}

func TestAnEndlessLogIsCutAndSaysSo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.log")
	l, err := newStageLog(file, newMask(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	block := []byte(strings.Repeat(strings.Repeat("y", 1023)+"\n", 1024))
	for range 20 {
		if _, err := l.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	l.close()
	info, err := os.Stat(file)
	if err != nil || info.Size() > mostLog+200 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	if !strings.Contains(l.last(), "the rest is dropped") {
		t.Errorf("the last line is %q", l.last())
	}
}

func TestNamesAndVersions(t *testing.T) {
	for in, want := range map[string]string{"shop/Api_v2": "api-v2", "x": "x", "": "service", "a/---": "service", "a/9lives": "lives", "a/" + strings.Repeat("b", 80): strings.Repeat("b", 52)} {
		if got := serviceOf(in); got != want {
			t.Errorf("service of %q: %q, want %q", in, got, want)
		}
	}
	for _, c := range []struct {
		have, want string
		older      bool
	}{{"go1.26.8", "1.26", false}, {"go1.26.8", "1.26.9", true}, {"go1.25", "1.26", true}, {"go1.27rc1", "1.27", false}, {"go2.0", "1.99", false}} {
		if got := (golang{version: c.have}).olderThan(c.want); got != c.older {
			t.Errorf("%s older than %s: %t", c.have, c.want, got)
		}
	}
	if got := plain("a|b <script> `x`\n[l](u) ![i](u)"); strings.ContainsAny(got, "<\n`") || !strings.Contains(got, `\|`) {
		t.Errorf("plain: %q", got)
	}
	if holds("/a", "/ab") || !holds("/a", "/a/b") || !holds("/", "/x") {
		t.Error("holds")
	}
}
