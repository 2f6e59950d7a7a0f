package config

import (
	"strconv"
	"time"
)

// Key is one setting that a service understands.
type Key struct {
	// Name is "<service>.<key>", for example "dora.incident_window"; the environment
	// variable is FAWKES_DORA_INCIDENT_WINDOW.
	Name string
	// Default is used when nothing sets the key.
	Default string
	// Doc says in one line what it does and in which unit.
	Doc string
	// Secret values are masked wherever settings are shown.
	Secret bool
	// Check says which values it takes; nil takes every text.
	Check Check
}

// Section is the settings of one service, without the service's name.
type Section struct {
	config  *Config
	service string
}

// Section returns the settings of a service.
func (c *Config) Section(service string) *Section { return &Section{c, service} }

// String is the value of the key; asking for a key that was not declared is a
// fault of the program and panics.
func (s *Section) String(key string) string { return s.config.String(s.service + "." + key) }

// Int is the value as a whole number. Declare the key with IsInt.
func (s *Section) Int(key string) int { return s.config.Int(s.service + "." + key) }

// Bool is the value as true or false. Declare the key with IsBool.
func (s *Section) Bool(key string) bool { return s.config.Bool(s.service + "." + key) }

// Duration is the value as a duration. Declare the key with IsDuration.
func (s *Section) Duration(key string) time.Duration {
	return s.config.Duration(s.service + "." + key)
}

// Source tells where the value came from: default, file, environment or flag.
func (s *Section) Source(key string) string { return s.config.Source(s.service + "." + key) }

// Int is the value as a whole number; Load has checked it when the key was
// declared with IsInt, else what is not a number is 0.
func (c *Config) Int(key string) int {
	n, err := strconv.Atoi(c.String(key))
	if err != nil {
		return 0
	}
	return n
}

// Bool is the value as true or false; what is neither is false.
func (c *Config) Bool(key string) bool {
	b, err := strconv.ParseBool(c.String(key))
	return err == nil && b
}

// Duration is the value as a duration; what is none is 0.
func (c *Config) Duration(key string) time.Duration {
	d, err := time.ParseDuration(c.String(key))
	if err != nil {
		return 0
	}
	return d
}
