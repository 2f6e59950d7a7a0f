package metrics

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// Kinds of marks that history itself tells of.
const (
	MarkFirstDeployment = "first_deployment"
	MarkLongFailure     = "long_failure"
)

// LongFailure is how long service must be failing to be marked.
const LongFailure = 24 * time.Hour

// mostMarks bounds the marks of one kind.
const mostMarks = 100

// Mark is something beside a trend that history itself tells of.
type Mark struct {
	At      time.Time
	Kind    string
	Service string
	Text    string
	Ref     string // key of the deployment or incident
}

// Marks lists what history tells of in the window of a question, by time: the
// first deployment of a service to an environment, and failures under the
// profile's rules that lasted longer than [LongFailure]. Of either kind it lists
// the latest hundred. Its errors are *event.FieldError.
func Marks(v *View, q Query, p Profile) ([]Mark, error) {
	s, err := v.resolve(q)
	if err != nil {
		return nil, err
	}
	if v.AsOf.Before(s.window.to) {
		s.window.to = v.AsOf
	}
	from, to := s.window.micros()
	var firsts, failures []Mark
	for _, i := range s.lanes {
		l := v.history.Lanes[i]
		for _, d := range l.Deployments[:v.finished[i]] {
			if d.Outcome != event.OutcomeSuccess {
				continue
			}
			if d.FinishedAt >= from && d.FinishedAt < to {
				firsts = append(firsts, Mark{d.FinishedAt.Std(), MarkFirstDeployment, d.Service, "first deployment of " + d.Service + " to " + d.Environment, d.Key()})
			}
			break // the first successful one
		}
	}
	for _, r := range v.recoveriesBetween(v.index(p), s, from, to) {
		var service, ref, what string
		if i := r.Incident; i != nil { // it may belong to no deployment
			service, ref = i.Service, i.Key()
			what = "incident " + ref
		} else {
			service, ref = r.deployment.Service, r.deployment.Key()
			what = "deployment " + ref
		}
		switch {
		case r.Reason == history.ReasonOpen && v.AsOf.Sub(r.anchor.Std()) > LongFailure:
			failures = append(failures, Mark{r.anchor.Std(), MarkLongFailure, service, what + " failed service and is not restored yet", ref})
		case r.Span != Unknown && r.Span > Span(LongFailure.Microseconds()):
			hours := float64(r.Span) / float64(60*minute)
			failures = append(failures, Mark{r.anchor.Std(), MarkLongFailure, service, fmt.Sprintf("%s failed service for %.0f hours", what, hours), ref})
		}
	}
	out := append(latest(firsts), latest(failures)...)
	sortMarks(out)
	return out, nil
}

func sortMarks(m []Mark) {
	slices.SortStableFunc(m, func(a, b Mark) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Ref, b.Ref)) })
}

func latest(m []Mark) []Mark {
	sortMarks(m)
	return m[max(0, len(m)-mostMarks):]
}
