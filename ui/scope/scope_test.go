package scope_test

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/ui/scope"
)

func parse(t *testing.T, raw string) scope.Scope {
	t.Helper()
	q, err := url.ParseQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scope.Parse("shop", q)
	if err != nil {
		t.Fatalf("Parse(%q): %v", raw, err)
	}
	return s
}

func TestDefaultsAreLeftOutOfTheURL(t *testing.T) {
	if got := parse(t, "range=90d&profile=dora-2025").Path(); got != "/p/shop" {
		t.Errorf("the default scope's address is %q, want /p/shop", got)
	}
}

func TestEveryFieldIsKeptInEveryLink(t *testing.T) {
	raw := "environment=production&from=2026-01-01&interval=day&profile=devlake-2023&range=custom&service=api&team=core&to=2026-02-01"
	s := parse(t, raw)
	if got, want := s.Path("deployments", "a/b c"), "/p/shop/deployments/a%2Fb%20c?"+raw; got != want {
		t.Errorf("address\n got %s\nwant %s", got, want)
	}
	if again := parse(t, raw); again != s {
		t.Errorf("reading the address again gives %+v, want %+v", again, s)
	}
}

func TestChoosingARangeDropsTheChosenDays(t *testing.T) {
	s := parse(t, "from=2026-01-01&to=2026-02-01").With("range", "30d")
	if got := s.Path(); got != "/p/shop?range=30d" {
		t.Errorf("got %s", got)
	}
}

func TestAFaultyParameterIsNamedWithItsMend(t *testing.T) {
	for raw, field := range map[string]string{
		"range=5w": "range", "interval=hour": "interval", "range=custom&from=x&to=2026-01-01": "from",
		"range=custom&from=2026-01-01": "to", "from=2026-02-01&to=2026-01-01": "to",
	} {
		q, _ := url.ParseQuery(raw)
		_, err := scope.Parse("shop", q)
		var fe *scope.FieldError
		if !errors.As(err, &fe) || fe.Field != field || fe.Detail == "" {
			t.Errorf("Parse(%q) = %v, want an error of the field %q", raw, err, field)
		}
	}
}

func TestWindowIsInTheProjectsDaysAndHoldsToday(t *testing.T) {
	auckland, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC) // already the 24th in Auckland
	w := parse(t, "range=7d").Window(now, auckland)
	from, to := w.Params()
	if from != "2026-11-18" || to != "2026-11-25" || w.Days() != 7 {
		t.Errorf("window %s to %s of %d days, want 2026-11-18 to 2026-11-25 of 7", from, to, w.Days())
	}
	from, to = w.Previous().Params()
	if from != "2026-11-11" || to != "2026-11-18" {
		t.Errorf("previous window %s to %s, want 2026-11-11 to 2026-11-18", from, to)
	}
}

func TestCustomRangeHoldsItsLastDay(t *testing.T) {
	from, to := parse(t, "from=2026-01-01&to=2026-01-31").Window(time.Time{}, time.UTC).Params()
	if from != "2026-01-01" || to != "2026-02-01" {
		t.Errorf("window %s to %s, want 2026-01-01 to 2026-02-01", from, to)
	}
	s := parse(t, "").WithDays(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	if s.From != "2026-01-01" || s.To != "2026-01-31" {
		t.Errorf("days %s to %s, want 2026-01-01 to 2026-01-31", s.From, s.To)
	}
}

func TestAllTimeHasNoBoundsAndNoPrevious(t *testing.T) {
	w := parse(t, "range=all").Window(time.Now(), time.UTC)
	if from, to := w.Params(); from != "" || to != "" || w.Previous().Bounded {
		t.Errorf("all time is bounded: %q to %q", from, to)
	}
}

func TestIntervalFitsTheWindowUnlessChosen(t *testing.T) {
	for raw, want := range map[string]string{
		"": "week", "range=7d": "day", "range=30d": "day", "range=6m": "week", "range=1y": "month", "range=all": "month",
		"from=2026-01-01&to=2026-01-20": "day", "from=2026-01-01&to=2026-04-20": "week", "from=2025-01-01&to=2026-04-20": "month",
		"range=1y&interval=week": "week",
	} {
		if got := parse(t, raw).IntervalKey(); got != want {
			t.Errorf("interval of %q is %q, want %q", raw, got, want)
		}
	}
}
