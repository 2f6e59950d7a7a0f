package devlake

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// object is one JSON object of a body. Its readers are as lenient as
// DevLake's own decoding; the first fault is kept in the shared err.
type object struct {
	path   string // "deploymentCommits[0]." or ""
	fields map[string]any
	err    *error
}

// parse reads the one JSON object of a body.
func parse(body []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return object{}, bodyFault(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return object{}, event.Fault("body", "holds more than one JSON value")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return object{}, event.Fault("body", "want a JSON object, got %s", kindOf(v))
	}
	return object{fields: m, err: new(error)}, nil
}

func bodyFault(err error) error {
	var fault *event.FieldError
	if errors.As(event.JSONFault(err), &fault) && fault.Field != "" {
		return fault
	}
	return event.Fault("body", "%s", fault.Detail)
}

// get finds a field by its exact name, else in any case of letters: of several
// the first in order, so that equal bodies read equal. Null is as good as absent.
func (o object) get(name string) any {
	if v, ok := o.fields[name]; ok {
		return v
	}
	best := ""
	for k := range o.fields {
		if strings.EqualFold(k, name) && (best == "" || k < best) {
			best = k
		}
	}
	return o.fields[best]
}

func (o object) fault(name, format string, args ...any) {
	if *o.err == nil {
		*o.err = event.Fault(o.path+name, format, args...)
	}
}

// text reads a string; a number is taken for its digits.
func (o object) text(name string) string {
	switch v := o.get(name).(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		o.fault(name, "want a string, got %s", kindOf(v))
		return ""
	}
}

func (o object) need(name, what string) string {
	s := o.text(name)
	if strings.TrimSpace(s) == "" {
		o.fault(name, "is required: %s", what)
	}
	return s
}

// whole reads a whole number; a string is taken for the number it writes.
func (o object) whole(name string) int64 {
	s := o.text(name)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		o.fault(name, "want a whole number, got %s", clean(s, 60))
	}
	return n
}

func (o object) when(name string) event.Opt[event.Time] {
	switch v := o.get(name).(type) {
	case nil:
		return event.Opt[event.Time]{}
	case string:
		t, err := parseTime(v)
		if err != nil {
			o.fault(name, "%s", err)
		}
		return event.Opt[event.Time]{V: t, Present: err == nil, Known: err == nil}
	default:
		o.fault(name, "want a time such as \"2026-01-31T09:30:00Z\", got %s", kindOf(v))
		return event.Opt[event.Time]{}
	}
}

func (o object) needWhen(name string) event.Opt[event.Time] {
	t := o.when(name)
	if !t.Known {
		o.fault(name, "is required: a time such as \"2026-01-31T09:30:00Z\"")
	}
	return t
}

// oneOf reads a word of a list, in any case of letters, and returns it as the
// list writes it.
func (o object) oneOf(name string, words ...string) string {
	s := o.text(name)
	if s == "" {
		return ""
	}
	for _, w := range words {
		if strings.EqualFold(w, s) {
			return w
		}
	}
	o.fault(name, "%q is not one of %s", clean(s, 60), strings.Join(words, ", "))
	return ""
}

// list reads a list of objects; one object alone is a list of one.
func (o object) list(name string) []object {
	v := o.get(name)
	if v == nil {
		return nil
	}
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	out := make([]object, 0, len(items))
	for i, item := range items {
		at := name + "[" + strconv.Itoa(i) + "]"
		m, ok := item.(map[string]any)
		if !ok {
			o.fault(at, "want an object, got %s", kindOf(item))
			return nil
		}
		out = append(out, object{path: o.path + at + ".", fields: m, err: o.err})
	}
	return out
}

// layouts are the times that DevLake reads beside RFC 3339.
var layouts = []string{"2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

func parseTime(s string) (event.Time, error) {
	for _, l := range layouts {
		if t, err := time.Parse(l, s); err == nil {
			return event.ParseTime(t.Format(time.RFC3339Nano))
		}
	}
	return event.ParseTime(s)
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}

// clean makes free text of people fit to store: no control characters, and at
// most so many bytes. It is never applied to what identifies something.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r <= 0x9f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > most {
		s = s[:most]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return s
}

// link keeps a URL that fits, and drops any other: it is a convenience.
func link(s string) event.Opt[string] {
	if len(s) > 2048 || clean(s, 2048) != s {
		return event.Opt[string]{}
	}
	return event.NonZero(s)
}

// rename gives a fault the name that the field has in DevLake's body.
func rename(err error, path string, names map[string]string) error {
	var fault *event.FieldError
	if !errors.As(err, &fault) {
		return event.Fault("body", "%s", err)
	}
	if n, ok := names[fault.Field]; ok {
		return event.Fault(path+n, "%s", fault.Detail)
	}
	return fault
}
