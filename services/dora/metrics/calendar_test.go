package metrics

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

func calendarOf(zone string, c project.Calendar) calendar {
	return newCalendar(project.Spec{TimeZone: zone, Calendar: c})
}

func TestDaysAreCalendarDaysWhateverTheirHours(t *testing.T) {
	berlin := calendarOf("Europe/Berlin", project.Calendar{})
	in := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, berlin.loc)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, row := range []struct {
		name, from, to string
		want           float64
	}{
		{"the day of 23 hours is one", "2026-03-29 00:00", "2026-03-30 00:00", 1},
		{"the day of 25 hours is one", "2026-10-25 00:00", "2026-10-26 00:00", 1},
		{"a month with the change of clocks", "2026-03-01 00:00", "2026-04-01 00:00", 31},
		{"half a day", "2026-03-10 00:00", "2026-03-10 12:00", 0.5},
		{"noon of the 23 hour day: 11 of its hours have passed", "2026-03-29 00:00", "2026-03-29 12:00", 11.0 / 23},
		{"across noon", "2026-03-09 12:00", "2026-03-11 18:00", 2.25},
	} {
		if got := berlin.days(in(row.from), in(row.to)); !near(got, row.want) {
			t.Errorf("%s: %v days, want %v", row.name, got, row.want)
		}
	}
	if got := berlin.months(in("2026-02-01 00:00"), in("2026-03-16 12:00")); !near(got, 1.5) {
		t.Errorf("%v months, want 1.5", got)
	}
	if got := berlin.workdays(in("2026-03-05 12:00"), in("2026-03-09 12:00")); !near(got, 2) {
		t.Errorf("Thursday noon to Monday noon: %v working days, want 2", got)
	}
}

func TestADayBeginsAtItsFirstInstant(t *testing.T) {
	for _, row := range []struct{ zone, date, want string }{
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"},
		{"Africa/Cairo", "2023-04-28", "2023-04-27T22:00:00Z"},      // midnight is skipped: the day begins at 01:00
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"}, // likewise
		{"America/Havana", "2025-11-02", "2025-11-02T04:00:00Z"},    // midnight comes twice: the first
		{"Asia/Amman", "2021-10-29", "2021-10-28T21:00:00Z"},        // likewise, east of Greenwich
		{"Asia/Kathmandu", "2026-01-01", "2025-12-31T18:15:00Z"},
	} {
		loc, err := time.LoadLocation(row.zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Day("from", row.date, loc)
		if err != nil || got.UTC().Format(time.RFC3339) != row.want {
			t.Errorf("%s begins in %s at %s, %v; want %s", row.date, row.zone, got.UTC().Format(time.RFC3339), err, row.want)
		}
	}
	_, err := Day("from", "2026-3-1", time.UTC)
	wantField(t, err, "from")
}

func TestSeriesAreCutAtCalendarUnits(t *testing.T) {
	for _, row := range []struct {
		name, interval, from, to string
		calendar                 project.Calendar
		want                     []string
	}{
		{"days over the change of clocks", "day", "2026-03-28", "2026-03-31", project.Calendar{}, []string{"2026-03-28 00:00", "2026-03-29 00:00", "2026-03-30 00:00"}},
		{"weeks begin on Monday", "week", "2026-03-04", "2026-03-18", project.Calendar{}, []string{"2026-03-04 00:00", "2026-03-09 00:00", "2026-03-16 00:00"}},
		{"weeks begin on the project's day", "week", "2026-03-04", "2026-03-18", project.Calendar{WeekStart: "sun"}, []string{"2026-03-04 00:00", "2026-03-08 00:00", "2026-03-15 00:00"}},
		{"months", "month", "2025-12-15", "2026-03-01", project.Calendar{}, []string{"2025-12-15 00:00", "2026-01-01 00:00", "2026-02-01 00:00"}},
	} {
		c := calendarOf("Europe/Berlin", row.calendar)
		from, _ := Day("from", row.from, c.loc)
		to, _ := Day("to", row.to, c.loc)
		got, err := c.buckets(window{from, to}, row.interval)
		if err != nil {
			t.Fatal(err)
		}
		var begins []string
		for i, w := range got {
			begins = append(begins, w.from.In(c.loc).Format("2006-01-02 15:04"))
			if i > 0 && !got[i-1].to.Equal(w.from) {
				t.Errorf("%s: %v does not follow %v", row.name, w, got[i-1])
			}
		}
		if d := cmp.Diff(row.want, begins); d != "" || !got[len(got)-1].to.Equal(to) {
			t.Errorf("%s, ends %v (-want +got):\n%s", row.name, got[len(got)-1].to, d)
		}
	}
	c := calendarOf("", project.Calendar{})
	_, err := c.buckets(window{time.Unix(0, 0), time.Unix(1<<31, 0)}, IntervalDay)
	wantField(t, err, "interval")
}

func TestHolidaysAreNoWorkingDays(t *testing.T) {
	c := calendarOf("", project.Calendar{Workdays: []string{"sun", "mon"}, Holidays: []string{"2026-03-02"}})
	for date, want := range map[string]bool{"2026-03-01": true, "2026-03-02": false, "2026-03-03": false, "2026-03-09": true} {
		d, _ := time.Parse(time.DateOnly, date)
		if got := c.works(c.day(event.Micros(d.Add(time.Hour)))); got != want {
			t.Errorf("%s works: %v, want %v", date, got, want)
		}
	}
}
