package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Bounds on what is kept of texts that people wrote.
const (
	MostText  = 512  // names
	MostTitle = 2048 // titles and descriptions
	mostURL   = 2048
	mostRaw   = 8 << 10 // of a delivery that is not interpreted
)

// Decode reads a body of one JSON value into v. The error is a *event.FieldError
// that names the field, or "body" when it is no JSON.
func Decode(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	var fault *event.FieldError
	if err = event.JSONFault(err); errors.As(err, &fault) && fault.Field == "" {
		return event.Fault("body", "%s", fault.Detail)
	}
	return err
}

// When reads a time that may be missing, or Go's zero time, by which many
// programs write "not yet".
func When(field, s string) (event.Opt[event.Time], error) {
	if s == "" || strings.HasPrefix(s, "0001-01-01") {
		return event.Opt[event.Time]{}, nil
	}
	t, err := event.ParseTime(s)
	if err != nil {
		return event.Opt[event.Time]{}, event.Fault(field, "%s", err)
	}
	return event.Some(t), nil
}

// MustWhen is [When] for a field that has to be there.
func MustWhen(field, s string) (event.Opt[event.Time], error) {
	t, err := When(field, s)
	if err == nil && !t.Known {
		err = event.Fault(field, "is required: a time such as \"2026-01-31T09:30:00Z\"")
	}
	return t, err
}

// Clean makes free text of people fit to store: no control characters, and at
// most so many bytes. It must not be applied to what identifies something.
func Clean(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r <= 0x9f {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = s[:most]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return s
}

// Link keeps a URL that fits, and drops any other: it is a convenience.
func Link(s string) event.Opt[string] {
	if len(s) > mostURL || Clean(s, mostURL) != s {
		return event.Opt[string]{}
	}
	return event.NonZero(s)
}

// Rename gives a fault the name that the field has at the source; names
// translates the fields of the vocabulary.
func Rename(err error, names map[string]string) error {
	var fault *event.FieldError
	if !errors.As(err, &fault) {
		return event.Fault("body", "%s", err)
	}
	field, rest := fault.Field, ""
	if i := strings.IndexByte(field, '['); i >= 0 {
		field, rest = field[:i], field[i:]
	}
	if n, ok := names[field]; ok {
		return event.Fault(n+rest, "%s", fault.Detail)
	}
	return fault
}

// Other keeps what is not interpreted as it came, so that it is counted. With no
// id the content is its own.
func Other(source, kind, id, repo string, body []byte) event.Event {
	if strings.TrimSpace(id) == "" || len(id) > MostText || Clean(id, MostText) != id {
		sum := sha256.Sum256(append([]byte(id+"\n"), body...))
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	if kind = Clean(kind, 128); strings.TrimSpace(kind) == "" {
		kind = "unknown"
	}
	return event.New(source, "", &event.Other{ID: id, Kind: kind, Repo: repo, Raw: raw(body)})
}

// raw is as much of a body as is kept.
func raw(body []byte) string {
	if len(body) > mostRaw {
		body = body[:mostRaw]
		for len(body) > 0 && !utf8.RuneStart(body[len(body)-1]) {
			body = body[:len(body)-1]
		}
		body = body[:len(body)-1]
	}
	return strings.ToValidUTF8(string(body), "\uFFFD")
}
