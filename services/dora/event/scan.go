package event

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// scanner reads the one flat JSON object of a line without reflection: lines
// come by the million. It is stricter than encoding/json: names match exactly,
// none may stand twice, and text must be UTF-8.
type scanner struct {
	data []byte
	pos  int
}

// line is what a line is read into: a body that can name its fields.
type line interface {
	Body
	// slot returns where the field of that name is kept, or nil: a *string,
	// *Opt[string], *Opt[Time], *Opt[[]string], *Opt[bool] or *Opt[int].
	slot(name []byte) any
}

// UnknownField is the detail of the fault of a field that its type does not
// have.
const UnknownField = "is not a field of this type"

// maxFields is more than any type has.
const maxFields = 32

// object reads the line into the header and the body.
func (s *scanner) object(h *Header, body line) error {
	if err := s.open(); err != nil {
		return err
	}
	var seen [maxFields]any
	n := 0
	for first := true; ; first = false {
		done, err := s.next(first)
		if err != nil {
			return err
		}
		if done {
			break
		}
		name, err := s.key()
		if err != nil {
			return err
		}
		slot := h.slot(name)
		if slot == nil {
			slot = body.slot(name)
		}
		if slot == nil {
			return Fault(clip(name), UnknownField)
		}
		for _, other := range seen[:n] {
			if other == slot {
				return Fault(string(name), "stands twice on the line")
			}
		}
		seen[n] = slot
		n++
		if err := s.value(string(name), slot); err != nil {
			return err
		}
	}
	s.space()
	if s.pos < len(s.data) {
		return Fault("", "more than one JSON value on the line")
	}
	return nil
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek is the next byte after white space, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) open() error {
	switch c := s.peek(); {
	case c == '{':
		s.pos++
		return nil
	case s.pos >= len(s.data):
		return s.bad("")
	default:
		return Fault("", "want one JSON object, got %s", clip(s.data))
	}
}

// next steps to the next name, and reports true at the object's end.
func (s *scanner) next(first bool) (bool, error) {
	c := s.peek()
	switch {
	case c == '}':
		s.pos++
		return true, nil
	case first:
		return false, nil
	case c != ',':
		return false, s.bad("a comma or }")
	}
	s.pos++
	return false, nil
}

func (s *scanner) key() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.bad("a field's name in quotes")
	}
	raw, plain, err := s.quoted("")
	if err != nil {
		return nil, err
	}
	name := raw[1 : len(raw)-1]
	if !plain {
		text, err := s.unquote("", raw)
		if err != nil {
			return nil, err
		}
		name = []byte(text)
	}
	if s.peek() != ':' {
		return nil, s.bad("a colon")
	}
	s.pos++
	return name, nil
}

// bad is a fault of the JSON itself.
func (s *scanner) bad(want string) error {
	if s.pos >= len(s.data) {
		return Fault("", "not JSON: it ends too early")
	}
	r, _ := utf8.DecodeRune(s.data[s.pos:])
	return Fault("", "not JSON: want %s, got %q at byte %d", want, r, s.pos+1)
}

// quoted steps over a string and returns it with its quotes. plain says that
// the text between them is ASCII without escapes, and so means itself.
func (s *scanner) quoted(field string) (raw []byte, plain bool, err error) {
	start := s.pos
	plain = true
	for i := start + 1; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.pos = i + 1
			return s.data[start:s.pos], plain, nil
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			return nil, false, Fault(field, "holds a control character at byte %d of the line", i+1)
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	s.pos = len(s.data)
	return nil, false, s.bad("")
}

func (s *scanner) unquote(field string, raw []byte) (string, error) {
	if !utf8.Valid(raw) {
		return "", Fault(field, "is not valid UTF-8")
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", Fault(field, "not JSON: %s is not a string: %s", clip(raw), err)
	}
	return text, nil
}

func (s *scanner) text(field string) (string, error) {
	if s.peek() != '"' {
		return "", s.unwanted(field, "a string")
	}
	raw, plain, err := s.quoted(field)
	if err != nil {
		return "", err
	}
	if plain {
		return string(raw[1 : len(raw)-1]), nil
	}
	return s.unquote(field, raw)
}

// null steps over a null, if there is one.
func (s *scanner) null() bool { return s.peek() == 'n' && s.literal("null") }

func (s *scanner) literal(word string) bool {
	end := s.pos + len(word)
	if end > len(s.data) || string(s.data[s.pos:end]) != word {
		return false
	}
	s.pos = end
	return true
}

// unwanted names what stands where something else was wanted.
func (s *scanner) unwanted(field, want string) error {
	c := s.peek()
	var got string
	switch {
	case c == '"':
		got = "a string"
	case c == '{':
		got = "an object"
	case c == '[':
		got = "a list"
	case c == '-' || c >= '0' && c <= '9':
		got = "a number"
	case s.literal("true"), s.literal("false"):
		got = "true or false"
	case s.null():
		got = "null"
	default:
		return s.bad(want)
	}
	return Fault(field, "want %s, got %s", want, got)
}

func (s *scanner) time(field string) (Time, error) {
	if s.peek() != '"' {
		return 0, s.unwanted(field, "a time such as \"2026-01-31T09:30:00Z\"")
	}
	text, err := s.text(field)
	if err != nil {
		return 0, err
	}
	t, err := ParseTime(text)
	if err != nil {
		return 0, Fault(field, "%s", err)
	}
	return t, nil
}

func (s *scanner) texts(field string) ([]string, error) {
	if s.peek() != '[' {
		return nil, s.unwanted(field, "a list of strings")
	}
	s.pos++
	list := []string{}
	if s.peek() == ']' {
		s.pos++
		return list, nil
	}
	for {
		if s.peek() != '"' {
			return nil, s.unwanted(index(field, len(list)), "a string")
		}
		v, err := s.text(field)
		if err != nil {
			var fault *FieldError
			if errors.As(err, &fault) && fault.Field == field {
				return nil, Fault(index(field, len(list)), "%s", fault.Detail)
			}
			return nil, err
		}
		list = append(list, v)
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return list, nil
		default:
			return nil, s.bad("a comma or ]")
		}
	}
}

func (s *scanner) whole(field string) (int, error) {
	const want = "a whole number"
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		return 0, s.unwanted(field, want)
	}
	start := s.pos
	for s.pos < len(s.data) && strings.IndexByte("+-.0123456789eE", s.data[s.pos]) >= 0 {
		s.pos++
	}
	word := string(s.data[start:s.pos])
	n, err := strconv.Atoi(word)
	if digits := strings.TrimPrefix(word, "-"); err != nil || digits[0] == '0' && len(digits) > 1 {
		return 0, Fault(field, "want %s, got %s", want, clip([]byte(word)))
	}
	return n, nil
}

func (s *scanner) truth(field string) (bool, error) {
	s.space()
	if s.literal("true") {
		return true, nil
	}
	if s.literal("false") {
		return false, nil
	}
	return false, s.unwanted(field, "true or false")
}

// value reads a field's value into its slot. A null is kept apart from an
// absent field where that makes a difference, and is one elsewhere.
func (s *scanner) value(field string, slot any) (err error) {
	switch v := slot.(type) {
	case *string:
		if !s.null() {
			*v, err = s.text(field)
		}
	case *Type:
		_, err = s.text(field)
	case *Time:
		if !s.null() {
			*v, err = s.time(field)
		}
	case *Opt[string]:
		err = option(s, v, field, (*scanner).text)
	case *Opt[Time]:
		err = option(s, v, field, (*scanner).time)
	case *Opt[[]string]:
		err = option(s, v, field, (*scanner).texts)
	case *Opt[bool]:
		err = option(s, v, field, (*scanner).truth)
	case *Opt[int]:
		err = option(s, v, field, (*scanner).whole)
	default:
		err = Fault(field, "cannot be read into %T", slot)
	}
	return err
}

func option[T any](s *scanner, to *Opt[T], field string, read func(*scanner, string) (T, error)) error {
	to.Present = true
	if s.null() {
		return nil
	}
	v, err := read(s, field)
	if err != nil {
		return err
	}
	to.V, to.Known = v, true
	return nil
}
