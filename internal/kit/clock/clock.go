// Package clock is the only source of the current time.
//
// Code that needs "now" takes a Clock. A program passes System; a test passes a
// Manual clock and moves it by hand, so that no test waits for time to pass and
// a result never depends on the hour it was computed at.
package clock

import (
	"sync"
	"time"
)

// Clock tells the current time. Implementations are safe for concurrent use.
type Clock interface {
	// Now is the current time in UTC.
	Now() time.Time
}

type system struct{}

func (system) Now() time.Time { return time.Now().UTC() }

// System is the machine's clock, in UTC.
func System() Clock { return system{} }

// Manual is a clock that stands still until it is told to move.
type Manual struct {
	mu  sync.Mutex
	now time.Time
}

// NewManual makes a clock that shows t.
func NewManual(t time.Time) *Manual { return &Manual{now: t.UTC()} }

// Now is the time the clock shows.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Set makes the clock show t; it may go backwards, as real clocks do.
func (m *Manual) Set(t time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = t.UTC()
}

// Advance moves the clock by d.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}
