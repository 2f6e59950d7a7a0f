package terminal_test

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fawkes-idp/fawkes/ui/terminal"
)

func TestColorsBecomeClassesAndTheRestIsDropped(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []terminal.Span
	}{
		"plain":            {"ok  \tpkg\t0.1s", []terminal.Span{{Class: "", Text: "ok  \tpkg\t0.1s"}}},
		"colors":           {"\x1b[31mred\x1b[0m and \x1b[1;92mgreen\x1b[m.", []terminal.Span{{Class: "t-1", Text: "red"}, {Class: "", Text: " and "}, {Class: "t-2 t-b", Text: "green"}, {Class: "", Text: "."}}},
		"256 colors":       {"\x1b[38;5;196mx\x1b[38;2;1;2;3my\x1b[39mz", []terminal.Span{{Class: "", Text: "xyz"}}},
		"cursor":           {"a\x1b[2K\x1b[1Gb\x1b[?25lc", []terminal.Span{{Class: "", Text: "abc"}}},
		"link":             {"\x1b]8;;http://evil.example\x07text\x1b]8;;\x1b\\!", []terminal.Span{{Class: "", Text: "text!"}}},
		"progress":         {"10%\r50%\r100%", []terminal.Span{{Class: "", Text: "100%"}}},
		"cut off":          {"x\x1b[31", []terminal.Span{{Class: "", Text: "x"}}},
		"lone escape":      {"x\x1b", []terminal.Span{{Class: "", Text: "x"}}},
		"control":          {"a\x00b", []terminal.Span{{Class: "", Text: "a⟦U+0000⟧b"}}},
		"reordered":        {"if a\u202e(b)", []terminal.Span{{Class: "", Text: "if a⟦U+202E⟧(b)"}}},
		"markup stays":     {"<script>alert(1)</script>", []terminal.Span{{Class: "", Text: "<script>alert(1)</script>"}}},
		"bytes not UTF-8":  {"a\xffb", []terminal.Span{{Class: "", Text: "a\ufffdb"}}},
		"broken sequences": {"\x1b[31;xm!\x1b[\x1b[32mg", []terminal.Span{{Class: "", Text: "m!"}, {Class: "t-2", Text: "g"}}},
	} {
		if got, _ := terminal.Line(c.in, terminal.Style{}); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q became %q, want %q", name, c.in, got, c.want)
		}
	}
}

func TestAStyleGoesOnInTheNextLine(t *testing.T) {
	_, style := terminal.Line("\x1b[33mfirst", terminal.Style{})
	got, _ := terminal.Line("second", style)
	if len(got) != 1 || got[0].Class != "t-3" {
		t.Errorf("the second line is %q, want yellow", got)
	}
}

func TestALongLineIsCutAndSaysSo(t *testing.T) {
	got, _ := terminal.Line(strings.Repeat("ä", 9000), terminal.Style{})
	if len(got) != 2 || len(got[0].Text) > 4000 || !utf8.ValidString(got[0].Text) || !strings.Contains(got[1].Text, "the rest") {
		t.Errorf("%d pieces, the first of %d bytes", len(got), len(got[0].Text))
	}
}

func TestTheTextOfAFileShowsWhatItHides(t *testing.T) {
	if got := terminal.Plain("a\u202eb\x1b[31m\t<b>\r\n"); got != "a⟦U+202E⟧b⟦U+001B⟧[31m\t<b>" {
		t.Errorf("got %q", got)
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "x\x1b[1;31mred\x1b[0m", "\x1b]0;t\x07", "\x1b[38;5", "\x1bP\x1b\\", "\u202e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		spans, _ := terminal.Line(s, terminal.Style{})
		n := 0
		for _, p := range spans {
			n += len(p.Text)
			if strings.ContainsAny(p.Text, "\x1b\x07\x00\u202e") || !utf8.ValidString(p.Text) {
				t.Fatalf("%q became %q", s, p.Text)
			}
			if strings.ContainsAny(p.Class, `"<>&`) {
				t.Fatalf("%q has the class %q", s, p.Class)
			}
		}
		if plain := terminal.Plain(s); strings.ContainsAny(plain, "\x1b\x07\x00\u202e") {
			t.Fatalf("%q stays %q", s, plain)
		}
	})
}
