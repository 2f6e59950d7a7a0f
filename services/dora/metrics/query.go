package metrics

import (
	"iter"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Intervals of a series.
const (
	IntervalAll   = "all" // no series
	IntervalDay   = "day"
	IntervalWeek  = "week"
	IntervalMonth = "month"
)

// Query says which part of a project's history is asked for. The zero Query is
// all of it in production.
type Query struct {
	// From and To bound the window [From, To). A zero From is the beginning of
	// the day of the first deployment, a zero To the View's AsOf.
	From, To time.Time
	// Service and Team narrow to one service, or to the services of one team.
	Service, Team string
	// Environment narrows to one environment; empty means all of kind production.
	Environment string
	// Interval asks for a series: one of the Interval constants, "" is all.
	Interval string
}

// List narrows and orders a list of rows.
type List struct {
	// Offset is how many rows to leave out at the beginning. Skipping is cheap.
	Offset int
	// Newest lists the latest first.
	Newest bool
	// Failed lists only deployments that failed.
	Failed bool
	// Kind lists only deployments of that kind.
	Kind string
	// Deployment lists only what belongs to the deployment of that key.
	Deployment string
}

// Day is the beginning of a calendar day ("2026-03-29") in loc. Its field names
// the parameter in the error, which is a *event.FieldError.
func Day(field, date string, loc *time.Location) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return time.Time{}, event.Fault(field, "%q is not a date such as \"2026-03-29\"", date)
	}
	return startOfDay(t.Year(), t.Month(), t.Day(), loc), nil
}

// Rows is a list of rows that is made as it is read.
type Rows[T any] = iter.Seq[T]
