package chart

import (
	"math"
	"testing"
	"time"
)

func TestAMomentStandsWithinItsPeriod(t *testing.T) {
	day := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	trend := NewTrend([]Period{{From: day, To: day.AddDate(0, 0, 1)}, {From: day.AddDate(0, 0, 1), To: day.AddDate(0, 0, 2)}}, "seconds", "day", nil, false)
	for _, c := range []struct {
		at   time.Time
		want float64
		ok   bool
	}{
		{day, 0, true}, {day.Add(12 * time.Hour), 25, true}, {day.Add(36 * time.Hour), 75, true},
		{day.Add(-time.Second), 0, false}, {day.AddDate(0, 0, 2), 0, false},
	} {
		if x, ok := trend.At(c.at); ok != c.ok || math.Abs(x-c.want) > 1e-9 {
			t.Errorf("%s stands at %g (%v), want %g (%v)", c.at, x, ok, c.want, c.ok)
		}
	}
}
