package githubexport

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Source is the source of every event: that of GitHub's webhooks.
const Source = "github"

// line is an event of the bulk format: its fields in order.
type line []pair

type pair struct {
	name  string
	value any
}

// start begins an event, reported at a time.
func start(typ, at string) line {
	return line{{"type", typ}, {"source", Source}}.put("at", at)
}

// put adds a text; one that is empty says nothing.
func (l line) put(name, value string) line {
	if value == "" {
		return l
	}
	return append(l, pair{name, value})
}

// must adds a text, be it empty.
func (l line) must(name, value string) line { return append(l, pair{name, value}) }

// text writes the event.
func (l line) text() []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for i, p := range l {
		out.WriteByte("{,"[min(i, 1)])
		// Texts, lists of them, numbers and flags: they always can be written.
		_ = enc.Encode(p.name)
		out.Truncate(out.Len() - 1)
		out.WriteByte(':')
		_ = enc.Encode(p.value)
		out.Truncate(out.Len() - 1)
	}
	out.WriteByte('}')
	return out.Bytes()
}

// clean makes a text of people fit to send: the bulk format takes no control
// characters, and titles of at most so many bytes.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r <= 0x9f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	const most = 500
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}
