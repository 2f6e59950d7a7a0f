package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Check says which values a key takes.
type Check interface {
	// Refuse is nil for a good value, and otherwise an error that says what a good one is.
	Refuse(value string) error
	// Shape is what can be said of good values without trying one.
	Shape() Shape
}

// The kinds of values, as those who write them down think of them.
const (
	KindText     = "text"
	KindInt      = "int"
	KindBool     = "bool"
	KindDuration = "duration"
)

// Shape describes values to those who make schemas and forms of them. What it allows may still be refused.
type Shape struct {
	Kind        string
	Least, Most int      // of KindInt
	Words       []string // of KindText: the only ones; nil is any
}

// CheckFunc is a Check of a text of which no more can be said beforehand.
type CheckFunc func(value string) error

// Refuse calls the function.
func (f CheckFunc) Refuse(value string) error { return f(value) }

// Shape is that of any text.
func (f CheckFunc) Shape() Shape { return Shape{Kind: KindText} }

// check is a function with the shape of what it lets pass.
type check struct {
	CheckFunc
	shape Shape
}

func (c check) Shape() Shape { return c.shape }

// IsInt is a Key.Check for whole numbers from least to most.
func IsInt(least, most int) Check {
	return check{shape: Shape{Kind: KindInt, Least: least, Most: most}, CheckFunc: func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not a whole number from %d to %d", v, least, most)
		}
		return nil
	}}
}

// IsBool is a Key.Check for true and false.
func IsBool() Check {
	return check{shape: Shape{Kind: KindBool}, CheckFunc: func(v string) error {
		if _, err := strconv.ParseBool(v); err != nil {
			return fmt.Errorf("%q is neither true nor false", v)
		}
		return nil
	}}
}

// IsDuration is a Key.Check for durations from least to most, written as in 90s,
// 15m or 24h.
func IsDuration(least, most time.Duration) Check {
	return check{shape: Shape{Kind: KindDuration}, CheckFunc: func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil {
			return fmt.Errorf("%q is not a duration; write it as 90s, 15m or 24h", v)
		}
		if d < least || d > most {
			return fmt.Errorf("%s is not between %s and %s", v, least, most)
		}
		return nil
	}}
}

// IsOneOf is a Key.Check for a word out of a list.
func IsOneOf(words ...string) Check {
	return check{shape: Shape{Kind: KindText, Words: slices.Clone(words)}, CheckFunc: func(v string) error {
		if !slices.Contains(words, v) {
			return fmt.Errorf("%q is not one of %s", v, strings.Join(words, ", "))
		}
		return nil
	}}
}
