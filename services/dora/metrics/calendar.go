package metrics

import (
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// maxBuckets bounds a series: ten years of days.
const maxBuckets = 3660

// calendar counts days, weeks and months where the project lives. A day there
// has 23, 24 or 25 hours and is one day all the same.
type calendar struct {
	loc       *time.Location
	weekStart time.Weekday
	workday   [7]bool
	holidays  map[int32]bool
}

func newCalendar(s project.Spec) calendar {
	c := calendar{loc: s.Location(), weekStart: s.WeekStart(), holidays: map[int32]bool{}}
	plain := project.Spec{Calendar: project.Calendar{Workdays: s.Calendar.Workdays}}
	for i := range 7 {
		// 2023-01-01 was a Sunday.
		c.workday[i] = plain.Workday(time.Date(2023, 1, 1+i, 0, 0, 0, 0, time.UTC))
	}
	for _, h := range s.Calendar.Holidays {
		if t, err := time.Parse(time.DateOnly, h); err == nil {
			c.holidays[civil(t.Date())] = true
		}
	}
	return c
}

// under is the calendar by which a profile counts days and weeks.
func (c calendar) under(s project.Spec, p *Choices) calendar {
	if p.Days == ByProject && p.WeekStart == ByProject {
		return c
	}
	if p.Days == UTC {
		s.TimeZone = ""
	}
	if p.WeekStart != ByProject {
		s.Calendar.WeekStart = p.WeekStart
	}
	return newCalendar(s)
}

// civil numbers the days of the calendar: 0 is 1970-01-01.
func civil(y int, m time.Month, d int) int32 {
	return int32(floorDiv(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix(), 86400))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// startOfDay is the first instant of a calendar day. Where clocks skip midnight
// it is the moment after the skip; where midnight comes twice, the first.
func startOfDay(y int, m time.Month, d int, loc *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, loc)
	if want := civil(y, m, d); civil(t.Date()) < want {
		if _, end := t.ZoneBounds(); !end.IsZero() {
			return end.In(loc)
		}
	}
	if start, _ := t.ZoneBounds(); !start.IsZero() {
		_, after := t.Zone()
		_, before := start.Add(-1).In(loc).Zone()
		if e := t.Add(-time.Duration(before-after) * time.Second); before > after && e.Before(start) {
			return e
		}
	}
	return t
}

// day is the number of the calendar day that holds t.
func (c *calendar) day(t event.Time) int32 {
	return civil(t.Std().In(c.loc).Date())
}

// start is the first instant of a numbered day.
func (c *calendar) start(day int32) time.Time {
	y, m, d := time.Unix(int64(day)*86400, 0).UTC().Date()
	return startOfDay(y, m, d, c.loc)
}

// position is where t stands on the calendar: its day's number and how much of
// that day had passed, as a fraction of the day's own length.
func (c *calendar) position(t time.Time) float64 {
	day := civil(t.In(c.loc).Date())
	begin, end := c.start(day), c.start(day+1)
	return float64(day) + float64(t.Sub(begin))/float64(end.Sub(begin))
}

// days is how many calendar days lie between two instants.
func (c *calendar) days(from, to time.Time) float64 { return c.position(to) - c.position(from) }

// months is how many calendar months lie between two instants; an unfinished
// month counts by its share of days.
func (c *calendar) months(from, to time.Time) float64 {
	at := func(t time.Time) float64 {
		l := t.In(c.loc)
		y, m, _ := l.Date()
		first, next := civil(y, m, 1), civil(y, m+1, 1)
		return float64(y*12+int(m)) + (c.position(t)-float64(first))/float64(next-first)
	}
	return at(to) - at(from)
}

// works reports whether a numbered day is a working day of the project.
func (c *calendar) works(day int32) bool {
	return c.workday[(int64(day)%7+11)%7] && !c.holidays[day] // day 0 was a Thursday
}

// workdays is how much of the working days lies between two instants.
func (c *calendar) workdays(from, to time.Time) float64 {
	a, b := c.position(from), c.position(to)
	n := 0.0
	for day := int32(a); float64(day) < b; day++ {
		if c.works(day) {
			n += min(b, float64(day)+1) - max(a, float64(day))
		}
	}
	return n
}

// week is the number of the first day of the week that holds a numbered day.
func (c *calendar) week(day int32) int32 {
	weekday := (int64(day)%7 + 11) % 7
	return day - int32((weekday-int64(c.weekStart)+7)%7)
}

// month is the number of the first day of the month that holds a numbered day.
func (c *calendar) month(day int32) int32 {
	y, m, _ := time.Unix(int64(day)*86400, 0).UTC().Date()
	return civil(y, m, 1)
}

// window is [from, to) and the numbers of its days.
type window struct {
	from, to time.Time
}

func (w window) micros() (from, to event.Time) {
	return event.Time(w.from.UnixMicro()), event.Time(w.to.UnixMicro())
}

// buckets cuts a window at the borders of its calendar units.
func (c *calendar) buckets(w window, interval string) ([]window, error) {
	if interval == "" || interval == IntervalAll {
		return nil, nil
	}
	var next func(day int32) int32
	switch interval {
	case IntervalDay:
		next = func(day int32) int32 { return day + 1 }
	case IntervalWeek:
		next = func(day int32) int32 { return c.week(day) + 7 }
	case IntervalMonth:
		next = func(day int32) int32 { return c.month(c.month(day) + 31) }
	default:
		return nil, event.Fault("interval", "%q is not one of all, day, week, month", interval)
	}
	var out []window
	for at := w.from; at.Before(w.to); {
		if len(out) == maxBuckets {
			return nil, event.Fault("interval", "the window holds more than %d units of a %s; ask for a longer interval or a shorter window", maxBuckets, interval)
		}
		end := c.start(next(civil(at.In(c.loc).Date())))
		if end.After(w.to) {
			end = w.to
		}
		out = append(out, window{at, end})
		at = end
	}
	return out, nil
}
