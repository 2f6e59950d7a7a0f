package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Time is an instant in microseconds since 1970-01-01 UTC; 0 is "unknown".
// On the wire it is RFC 3339.
type Time int64

// The range of accepted times. What lies outside is a fault of the source's
// clock or of its encoder, and refused by name rather than drawn on a chart.
var (
	earliest = Micros(time.Date(1970, 1, 1, 0, 0, 0, 1000, time.UTC))
	farthest = Micros(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC))
)

// Micros converts a time.Time. The zero time gives 0.
func Micros(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMicro())
}

// Std converts to a time.Time in UTC. 0 gives the zero time.
func (t Time) Std() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t)).UTC()
}

// MarshalJSON writes RFC 3339 in UTC, or null for 0.
func (t Time) MarshalJSON() ([]byte, error) {
	return t.append(make([]byte, 0, 32)), nil
}

func (t Time) append(out []byte) []byte {
	if t == 0 {
		return append(out, "null"...)
	}
	return append(t.Std().AppendFormat(append(out, '"'), time.RFC3339Nano), '"')
}

// UnmarshalJSON reads RFC 3339 and refuses times before 1970 or after 2200; null
// is 0, as MarshalJSON writes it.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*t = 0
		return nil
	}
	if len(b) < 2 || b[0] != '"' {
		return fmt.Errorf("want a time such as \"2026-01-31T09:30:00Z\", got %s", clip(b))
	}
	v, err := ParseTime(string(b[1 : len(b)-1]))
	if err != nil {
		return err
	}
	*t = v
	return nil
}

// ParseTime reads RFC 3339 and refuses times before 1970 or after 2200.
func ParseTime(s string) (Time, error) {
	p, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, fmt.Errorf("want a time such as \"2026-01-31T09:30:00Z\", got %s", clip([]byte(s)))
	}
	v := Micros(p)
	if p.IsZero() || v < earliest || v > farthest {
		return 0, fmt.Errorf("time %s is outside 1970 to 2200", s)
	}
	return v, nil
}

// Opt is a field of a report: absent, null, or a value. Only what is present
// takes part in merging, and a present null means "the source says: none".
type Opt[T any] struct {
	V       T
	Present bool // the report carried the field
	Known   bool // and it was not null
}

// Some is a present value.
func Some[T any](v T) Opt[T] { return Opt[T]{V: v, Present: true, Known: true} }

// Null is a field that was reported as null.
func Null[T any]() Opt[T] { return Opt[T]{Present: true} }

// NonZero is Some(v), or absent when v is the zero value: for sources whose
// encoding cannot tell the two apart.
func NonZero[T comparable](v T) Opt[T] {
	var zero T
	if v == zero {
		return Opt[T]{}
	}
	return Some(v)
}

// IsZero reports whether the field is absent, for `omitzero`.
func (o Opt[T]) IsZero() bool { return !o.Present }

// MarshalJSON writes the value, or null.
func (o Opt[T]) MarshalJSON() ([]byte, error) {
	if !o.Known {
		return []byte("null"), nil
	}
	return json.Marshal(o.V)
}

// UnmarshalJSON reads a value or null.
func (o *Opt[T]) UnmarshalJSON(b []byte) error {
	o.Present = true
	if bytes.Equal(b, []byte("null")) {
		o.Known = false
		return nil
	}
	o.Known = true
	return json.Unmarshal(b, &o.V)
}

// FieldError says which field of a report is at fault, and why.
type FieldError struct {
	Field  string // path in the source's own spelling, "deploymentCommits[0].commitSha"
	Detail string
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Detail }

// Fault makes a *FieldError.
func Fault(field, format string, args ...any) *FieldError {
	return &FieldError{Field: field, Detail: fmt.Sprintf(format, args...)}
}

func clip(b []byte) string {
	const most = 60
	if len(b) > most {
		return string(b[:most]) + "…"
	}
	return string(b)
}
