// Package terminal turns what programs write for terminals into text for pages: colors become classes, everything
// else that moves a cursor is dropped, and characters that would hide or reorder text are shown by their numbers.
//
// Nothing here is HTML. The pages escape every piece like any other text, so a log can put no markup into them.
package terminal

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lineLimit is the longest line that is kept, in bytes; the rest is in the file.
const lineLimit = 4000

// Span is a piece of a line in one style. Class is a list of CSS classes, empty for plain text.
type Span struct{ Class, Text string }

// Style is the color and weight that the next character has. The zero value is plain.
type Style struct {
	color             int // 1 to 8 for the eight colors, 0 for none
	bold, dim, italic bool
}

func (s Style) class() string {
	var out []string
	if s.color > 0 {
		out = append(out, "t-"+strconv.Itoa(s.color-1))
	}
	for _, on := range []struct {
		on   bool
		name string
	}{{s.bold, "t-b"}, {s.dim, "t-d"}, {s.italic, "t-i"}} {
		if on.on {
			out = append(out, on.name)
		}
	}
	return strings.Join(out, " ")
}

// Line reads one line, without its end, that begins in a style, and gives its pieces and the style in which the next
// line begins. What was written over after a carriage return is dropped, as a terminal would.
func Line(text string, style Style) ([]Span, Style) {
	text = strings.TrimRight(text, "\r\n")
	if i := strings.LastIndexByte(text, '\r'); i >= 0 {
		text = text[i+1:]
	}
	cut := false
	if len(text) > lineLimit {
		text, cut = strings.ToValidUTF8(text[:lineLimit], ""), true
	}
	var out []Span
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, Span{style.class(), b.String()})
			b.Reset()
		}
	}
	for len(text) > 0 {
		if text[0] == 0x1b {
			next, rest := escape(text, style)
			if next != style {
				flush()
				style = next
			}
			text = rest
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		b.WriteString(visible(r, n))
		text = text[n:]
	}
	flush()
	if cut {
		out = append(out, Span{"t-d", " … the rest of this line is in the file"})
	}
	return out, style
}

// escape reads one escape sequence at the beginning of text.
func escape(text string, style Style) (Style, string) {
	if len(text) < 2 {
		return style, ""
	}
	switch text[1] {
	case '[': // parameters, intermediates, one final byte
		end := 2
		for end < len(text) && text[end] >= 0x20 && text[end] <= 0x3f {
			end++
		}
		if end == len(text) {
			return style, ""
		}
		if text[end] < 0x40 || text[end] > 0x7e {
			return style, text[end:] // broken off: the byte begins something else
		}
		if text[end] == 'm' {
			style = style.with(text[2:end])
		}
		return style, text[end+1:]
	case ']', 'P', '_', '^', 'X': // a string, ended by BEL or ESC \
		for i := 2; i < len(text); i++ {
			if text[i] == 0x07 {
				return style, text[i+1:]
			}
			if text[i] == 0x1b && i+1 < len(text) && text[i+1] == '\\' {
				return style, text[i+2:]
			}
		}
		return style, ""
	}
	_, n := utf8.DecodeRuneInString(text[1:])
	return style, text[1+n:]
}

// with applies the numbers of an SGR sequence.
func (s Style) with(params string) Style {
	codes := strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ':' })
	if len(codes) == 0 {
		return Style{}
	}
	for i := 0; i < len(codes); i++ {
		n, err := strconv.Atoi(codes[i])
		if err != nil {
			return s
		}
		switch {
		case n == 0:
			s = Style{}
		case n == 1:
			s.bold = true
		case n == 2:
			s.dim = true
		case n == 3:
			s.italic = true
		case n == 22:
			s.bold, s.dim = false, false
		case n == 23:
			s.italic = false
		case n >= 30 && n <= 37:
			s.color = n - 29
		case n >= 90 && n <= 97:
			s.color = n - 89
		case n == 39:
			s.color = 0
		case n == 38 || n == 48: // 256 colors and true color have no class; their numbers are stepped over
			if i+1 < len(codes) && codes[i+1] == "5" {
				i += 2
			} else if i+1 < len(codes) && codes[i+1] == "2" {
				i += 4
			}
		}
	}
	return s
}

// visible is how a character is shown. A tab stays; controls and characters that reorder or hide text are written
// by their number.
func visible(r rune, n int) string {
	switch {
	case r == utf8.RuneError && n <= 1:
		return "\ufffd"
	case r == '\t':
		return "\t"
	case r == 0x07 || r == 0x08:
		return ""
	case r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0, hidden(r):
		return fmt.Sprintf("⟦U+%04X⟧", r)
	}
	return string(r)
}

// hidden says whether a character has no width of its own or changes the direction of its neighbors.
func hidden(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0x200b || r == 0x200e || r == 0x200f || r == 0xfeff || r == 0x061c || unicode.Is(unicode.Co, r)
}

// Plain writes a line of a file: no style is read, hidden characters are shown by their number.
func Plain(text string) string {
	text = strings.TrimRight(text, "\r\n")
	clean := true
	for _, r := range text {
		if r == utf8.RuneError || r < 0x20 && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 || hidden(r) {
			clean = false
			break
		}
	}
	if clean {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if r == 0x1b || r == 0x07 || r == 0x08 {
			fmt.Fprintf(&b, "⟦U+%04X⟧", r)
		} else {
			b.WriteString(visible(r, n))
		}
		text = text[n:]
	}
	return b.String()
}
