package clock_test

import (
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

func TestManualMovesOnlyWhenTold(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	m := clock.NewManual(start)
	if got := m.Now(); !got.Equal(start) || got.Location() != time.UTC {
		t.Fatalf("Now() = %v, want %v in UTC", got, start.UTC())
	}
	m.Advance(90 * time.Minute)
	if got, want := m.Now(), start.Add(90*time.Minute); !got.Equal(want) {
		t.Fatalf("after Advance: Now() = %v, want %v", got, want)
	}
	m.Set(start)
	if got := m.Now(); !got.Equal(start) {
		t.Fatalf("after Set: Now() = %v, want %v", got, start)
	}
}

func TestSystemIsUTC(t *testing.T) {
	if loc := clock.System().Now().Location(); loc != time.UTC {
		t.Fatalf("System().Now() is in %v, want UTC", loc)
	}
}
