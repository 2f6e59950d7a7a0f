package dora

import (
	"testing"
	"time"
)

func TestACrowdIsToldByItsRate(t *testing.T) {
	var c crowd
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i, step := range []struct {
		after   time.Duration
		arrived int64
		want    bool
	}{
		{0, 5_000_000, false}, // what came before is no rate
		{10 * time.Millisecond, 5_000_500, false},
		{50 * time.Millisecond, 5_000_600, true},  // 600 in 60 ms
		{20 * time.Millisecond, 5_000_600, true},  // too soon to say
		{40 * time.Millisecond, 5_000_610, false}, // 10 in 60 ms
	} {
		at = at.Add(step.after)
		if got := c.now(step.arrived, at); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
}
