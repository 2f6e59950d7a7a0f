package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// IsInt is a Key.Check for whole numbers from least to most.
func IsInt(least, most int) func(string) error {
	return func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not a whole number from %d to %d", v, least, most)
		}
		return nil
	}
}

// IsBool is a Key.Check for true and false.
func IsBool() func(string) error {
	return func(v string) error {
		if _, err := strconv.ParseBool(v); err != nil {
			return fmt.Errorf("%q is neither true nor false", v)
		}
		return nil
	}
}

// IsDuration is a Key.Check for durations from least to most, written as in 90s,
// 15m or 24h.
func IsDuration(least, most time.Duration) func(string) error {
	return func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil {
			return fmt.Errorf("%q is not a duration; write it as 90s, 15m or 24h", v)
		}
		if d < least || d > most {
			return fmt.Errorf("%s is not between %s and %s", v, least, most)
		}
		return nil
	}
}

// IsOneOf is a Key.Check for a word out of a list.
func IsOneOf(words ...string) func(string) error {
	return func(v string) error {
		if !slices.Contains(words, v) {
			return fmt.Errorf("%q is not one of %s", v, strings.Join(words, ", "))
		}
		return nil
	}
}
