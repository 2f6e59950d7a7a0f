package dora

import (
	"context"
	"errors"
	"slices"
	"sort"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

// The shapes of other systems may ask for several projects, or several
// environments, as one number. A part is one of them; pooled numbers are those of
// all their rows together, never a mean of means.

// part is one scope of a pooled question.
type part struct {
	a answer
	q metrics.Query
}

// pooled is one number over one window.
type pooled struct {
	value *float64 // null when it is unknown
	n     int
	level *string
	seen  bool // there was a deployment at or before the end of the window
	count int  // successful deployments
	days  int  // distinct days with one; over several parts those of the busiest
	weeks float64
}

// mostProjects is how many projects one pooled question may take.
const mostProjects = 200

// visible lists the projects that the caller may read, with their history; it
// gives up beyond mostProjects.
func (s *Service) visible(ctx context.Context, want func(name string) bool) ([]answer, error) {
	behind, err := s.reader.catchUp(ctx, "")
	if err != nil {
		return nil, err
	}
	heads, err := s.store.Heads(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.store.Projects(ctx)
	if err != nil {
		return nil, err
	}
	var out []answer
	for _, h := range heads {
		if touch(ctx, h.Project) != nil || !want(h.Project) {
			continue
		}
		if len(out) == mostProjects {
			return nil, errManyProjects
		}
		d := undeclared(h.Project)
		if i := slices.IndexFunc(all, func(d Declared) bool { return d.Spec.Project == h.Project }); i >= 0 {
			d = all[i]
		}
		a, err := s.reader.at(ctx, h, d)
		if errors.Is(err, ErrNotFound) {
			continue // withdrawn meanwhile
		}
		if err != nil {
			return nil, err
		}
		a.lag = behind
		out = append(out, a)
	}
	return out, nil
}

var errManyProjects = errors.New("more projects than one question may take")

// location is where the days of a pooled question begin: the project's place, or
// UTC where several disagree.
func location(parts []part) *time.Location {
	if len(parts) == 0 {
		return time.UTC
	}
	loc := parts[0].a.View.Location()
	for _, p := range parts[1:] {
		if p.a.View.Location().String() != loc.String() {
			return time.UTC
		}
	}
	return loc
}

// pool measures one metric over all parts in one window.
func pool(parts []part, p metrics.Profile, name string, from, to time.Time) (pooled, error) {
	var out pooled
	var weighted float64
	var spans []float64
	for _, part := range parts {
		q := part.q
		q.From, q.To = from, to
		r, err := metrics.Compute(part.a.View, q, p)
		if err != nil {
			return pooled{}, err
		}
		f, m := r.Metric(metrics.DeploymentFrequency), r.Metric(name)
		out.seen = out.seen || f.Value != nil
		if f.Parts.Deployments != nil {
			out.count += *f.Parts.Deployments
		}
		if f.Parts.DistinctDays != nil {
			out.days = max(out.days, *f.Parts.DistinctDays)
		}
		if f.Parts.Days != nil {
			out.weeks = max(out.weeks, *f.Parts.Days/7)
		}
		out.n += m.N
		if len(parts) == 1 {
			out.value, out.level = m.Value, m.Level
			return out, nil
		}
		switch {
		case m.Value == nil:
		case m.Unit == metrics.UnitPerDay:
			weighted += *m.Value
		case m.Unit == metrics.UnitRatio:
			weighted += *m.Value * float64(m.N)
		default:
			if spans, err = appendSpans(spans, part.a.View, q, p, name); err != nil {
				return pooled{}, err
			}
		}
	}
	switch {
	case len(spans) > 0:
		out.value = new(median(spans, metrics.Percentile(p.Choices.Percentile)))
	case name == metrics.DeploymentFrequency && out.seen:
		out.value = &weighted
	case (name == metrics.ChangeFailRate || name == metrics.ReworkRate) && out.n > 0:
		weighted /= float64(out.n)
		out.value = &weighted
	}
	return out, nil
}

// appendSpans adds the durations behind a median.
func appendSpans(spans []float64, v *metrics.View, q metrics.Query, p metrics.Profile, name string) ([]float64, error) {
	rows, err := metrics.Evidence(v, q, p, name, metrics.List{})
	if err != nil {
		return nil, err
	}
	for r := range rows {
		if r.Value != nil {
			spans = append(spans, *r.Value)
		}
	}
	return spans, nil
}

// median is that of the profile's kind.
func median(all []float64, kind metrics.Percentile) float64 {
	sort.Float64s(all)
	low := all[(len(all)-1)/2]
	if kind == metrics.Lower {
		return low
	}
	return (low + all[len(all)/2]) / 2
}
