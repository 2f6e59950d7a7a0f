package dora

import (
	"testing"
	"time"
)

// TestABacklogIsDerivedOnce says when it is worthwhile to settle while the log
// still holds more: for whoever waits for no more than has been taken in, and
// otherwise only when the numbers have become old.
func TestABacklogIsDerivedOnce(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		wants    []int64
		since    time.Duration // it has been catching up
		lastDone time.Duration // ago
		cost     time.Duration
		want     bool
	}{
		"nobody waits":                             {since: time.Second, lastDone: time.Hour},
		"somebody waits for the end":               {wants: []int64{900}, since: time.Second, lastDone: time.Hour},
		"somebody waits for what has been taken":   {wants: []int64{900, 500}, since: time.Second, lastDone: time.Hour, want: true},
		"but it was derived a moment ago":          {wants: []int64{500}, since: time.Second, lastDone: time.Second, cost: time.Second},
		"what is wanted is there":                  {wants: []int64{100}, since: time.Second, lastDone: time.Hour},
		"the numbers are old":                      {since: mostCatching, lastDone: time.Hour, want: true},
		"the numbers are old, the end is wanted":   {wants: []int64{900}, since: mostCatching, lastDone: mostCatching, want: true},
		"they are old for no fault of the backlog": {since: time.Second, lastDone: time.Hour},
		"it has just begun":                        {since: -1, lastDone: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProjector(nil, fixedClock(now), nil)
			p.seq, p.done.seq, p.cost = 600, 100, c.cost
			p.lastDone = now.Add(-c.lastDone)
			if c.since >= 0 {
				p.catching = now.Add(-c.since)
			}
			for _, w := range c.wants {
				p.wants[w]++
			}
			if got := p.worthwhile(); got != c.want {
				t.Errorf("worthwhile = %v, want %v", got, c.want)
			}
		})
	}
}

type fixedClock time.Time

func (c fixedClock) Now() time.Time { return time.Time(c) }
