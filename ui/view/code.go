package view

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/ui/patch"
	"github.com/fawkes-idp/fawkes/ui/terminal"
)

// Lines of code, of logs and of diffs are written here by hand: white space counts in them, there are thousands on
// a page, and every piece of text goes through html.EscapeString.

// LogLines are lines of a log, also as the piece that a page which follows it appends.
func LogLines(lines []LogLine) templ.Component {
	return written(func(b *bytes.Buffer) {
		for _, l := range lines {
			class := ""
			if l.Fails {
				class = ` class="fails"`
			}
			n := strconv.Itoa(l.Number)
			fmt.Fprintf(b, `<li id="L%s"%s><a class="line-number" href="#L%s" tabindex="-1" aria-label="Line %s">%s</a><code>`, n, class, n, n, n)
			for _, s := range l.Spans {
				if s.Class == "" {
					b.WriteString(html.EscapeString(s.Text))
				} else {
					fmt.Fprintf(b, `<span class="%s">%s</span>`, html.EscapeString(s.Class), html.EscapeString(s.Text))
				}
			}
			b.WriteString("</code></li>")
		}
	})
}

// sourceLines are the lines of a file with their numbers.
func sourceLines(text string) templ.Component {
	return written(func(b *bytes.Buffer) {
		n := 0
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
			n++
			fmt.Fprintf(b, `<li id="L%d"><a class="line-number" href="#L%d" tabindex="-1" aria-label="Line %d">%d</a><code>%s</code></li>`, n, n, n, n, html.EscapeString(terminal.Plain(line)))
		}
	})
}

// diffLines are the lines of a diff with their numbers on either side.
func diffLines(p patch.Patch) templ.Component {
	return written(func(b *bytes.Buffer) {
		for i, h := range p.Hunks {
			if i > 0 || h.Head != "" {
				fmt.Fprintf(b, `<tr class="hunk"><td colspan="3"><code>%s</code></td></tr>`, html.EscapeString(terminal.Plain("⋯ "+h.Head)))
			}
			for _, l := range h.Lines {
				class, sign, said := "same", " ", ""
				switch l.Kind {
				case patch.Added:
					class, sign, said = "added", "+", `<span class="sr-only">added </span>`
				case patch.Removed:
					class, sign, said = "removed", "−", `<span class="sr-only">removed </span>`
				case patch.Note:
					class, sign = "hunk", ""
				}
				fmt.Fprintf(b, `<tr class="%s"><td class="diff-number">%s</td><td class="diff-number">%s</td><td><code>%s<span class="sign" aria-hidden="true">%s</span>%s</code></td></tr>`,
					class, numbered(l.Old), numbered(l.New), said, sign, html.EscapeString(terminal.Plain(l.Text)))
			}
		}
	})
}

func numbered(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func written(f func(b *bytes.Buffer)) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b bytes.Buffer
		f(&b)
		_, err := w.Write(b.Bytes())
		return err
	})
}
