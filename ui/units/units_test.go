package units_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/ui/units"
)

func plain(s string) string {
	return strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(s)
}

func TestDurationHasAtMostTwoUnits(t *testing.T) {
	for _, row := range []struct {
		seconds float64
		want    string
	}{
		{0, "0s"}, {0.25, "250ms"}, {9.8, "9.8s"}, {42.4, "42s"}, {59.6, "1m"}, {250, "4m 10s"},
		{3599.7, "1h"}, {3600, "1h"}, {11520, "3h 12m"}, {86399, "1d"}, {187200, "2d 4h"}, {86400 * 23, "23d"},
		{86400 * 130, "130d"}, {86400 * 12345, "12 345d"}, {-90, "−1m 30s"},
	} {
		if got := plain(units.Duration(row.seconds)); got != row.want {
			t.Errorf("Duration(%v) = %q, want %q", row.seconds, got, row.want)
		}
	}
}

func TestValueUsesTheUnitOfTheAPI(t *testing.T) {
	for _, row := range []struct {
		v    float64
		unit string
		want string
	}{
		{3.2, "per_day", "3.2 /day"}, {0.2, "per_day", "1.4 /week"}, {1.0 / 30.4375, "per_day", "1 /month"},
		{2 / 365.25, "per_day", "2 /year"}, {0, "per_day", "0 /day"},
		{0.125, "ratio", "12.5 %"}, {0.08, "ratio", "8 %"}, {0, "ratio", "0 %"}, {1, "ratio", "100 %"},
		{187200, "seconds", "2d 4h"}, {5, "points", "5 points"}, {1234.4, "", "1234"},
	} {
		if got := plain(units.Value(row.v, row.unit)); got != row.want {
			t.Errorf("Value(%v, %q) = %q, want %q", row.v, row.unit, got, row.want)
		}
	}
}

func TestAMissingValueIsADashAndNotZero(t *testing.T) {
	if got := units.Optional(nil, "ratio"); got != "–" {
		t.Errorf("a missing ratio is written %q, want a dash", got)
	}
	zero := 0.0
	if got := plain(units.Optional(&zero, "ratio")); got != "0 %" {
		t.Errorf("a true zero is written %q, want 0 %%", got)
	}
}

func TestIntervalSharesOneUnit(t *testing.T) {
	for _, row := range []struct {
		lo, hi float64
		unit   string
		want   string
	}{
		{0.01, 0.3, "per_day", "0.07 – 2.1 /week"},
		{0.02, 0.125, "ratio", "2 – 12.5 %"},
		{3600, 187200, "seconds", "1h – 2d 4h"},
	} {
		if got := plain(units.Interval(row.lo, row.hi, row.unit)); got != row.want {
			t.Errorf("Interval(%v, %v, %q) = %q, want %q", row.lo, row.hi, row.unit, got, row.want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		before time.Duration
		want   string
	}{
		{10 * time.Second, "just now"}, {5 * time.Minute, "5 min ago"}, {3 * time.Hour, "3 h ago"},
		{36 * time.Hour, "1 day ago"}, {12 * 24 * time.Hour, "12 days ago"}, {100 * 24 * time.Hour, "3 months ago"},
		{-48 * time.Hour, "25 Nov 2026"},
	} {
		if got := plain(units.Ago(now.Add(-row.before), now)); got != row.want {
			t.Errorf("Ago(%v before) = %q, want %q", row.before, got, row.want)
		}
	}
}

func TestCountGroupsThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1204: "1204", 12040: "12 040", 1234567: "1 234 567", -54321: "−54 321"} {
		if got := plain(units.Count(n)); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestShortCutsHashes(t *testing.T) {
	if got := units.Short("sha256:9c1185a5c5e9fc54612808977ee8f548b2258d31"); got != "9c1185a5c5" {
		t.Errorf("Short(digest) = %q", got)
	}
	if got := units.Short("abc"); got != "abc" {
		t.Errorf("Short(abc) = %q", got)
	}
}
