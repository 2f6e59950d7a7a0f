package metrics

import (
	"cmp"
	"iter"
	"slices"
	"sort"

	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// Uncounted lists the reports of deployments that do not count, because the
// source to believe in their service and environment has not reported them, in
// the window and the order of [Deployments].
func Uncounted(v *View, q Query, p Profile, l List) (Rows[Deployment], error) {
	s, err := v.listScope(q)
	if err != nil {
		return nil, err
	}
	x := v.index(p)
	return func(yield func(Deployment) bool) {
		skip := l.Offset
		for d := range v.aside(s, l.Newest) {
			if l.Kind != "" && d.Kind != l.Kind || l.Failed {
				continue // nothing was derived about them
			}
			if skip > 0 {
				skip--
				continue
			}
			if !yield(x.deployment(d)) {
				return
			}
		}
	}, nil
}

const afterAll = history.Time(1<<63 - 1)

// setAside lists what does not count by (finished, started, key), what runs
// last.
func setAside(all []*history.Deployment) []*history.Deployment {
	out := slices.Clone(all)
	slices.SortFunc(out, func(a, b *history.Deployment) int {
		return cmp.Or(cmp.Compare(ended(a), ended(b)), cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.Key(), b.Key()))
	})
	return out
}

func ended(d *history.Deployment) history.Time {
	if d.FinishedAt == 0 {
		return afterAll
	}
	return d.FinishedAt
}

// aside are those of a list that do not count; one that runs is in the window
// in which it started.
func (v *View) aside(s *scope, newest bool) iter.Seq[*history.Deployment] {
	from, to := s.window.micros()
	all := v.setAside()
	low := sort.Search(len(all), func(i int) bool { return ended(all[i]) >= from })
	return func(yield func(*history.Deployment) bool) {
		for d := range inOrder(all[low:], newest) {
			at := d.FinishedAt
			if at == 0 {
				at = d.StartedAt
			}
			if at >= from && at < to && s.selects(v, d) && !yield(d) {
				return
			}
		}
	}
}

// selects reports whether a deployment that stands in no lane is in the scope.
func (s *scope) selects(v *View, d *history.Deployment) bool {
	switch {
	case s.services != nil && !s.services[d.Service]:
		return false
	case s.env != "":
		return d.Environment == s.env
	}
	return v.spec.EnvironmentKind(d.Environment) == project.KindProduction
}

// setAsideIn counts those that finished in a window and do not count.
func (e *engine) setAsideIn(w window) int {
	from, to := w.micros()
	all := e.v.setAside()
	n := 0
	for i := sort.Search(len(all), func(i int) bool { return ended(all[i]) >= from }); i < len(all) && ended(all[i]) < to; i++ {
		if e.s.selects(e.v, all[i]) {
			n++
		}
	}
	return n
}

// asideEvidence is a row for each deployment that does not count.
func (x *index) asideEvidence(v *View, s *scope, newest bool, skip *int, give func(EvidenceRow) bool) bool {
	for d := range v.aside(s, newest) {
		if d.FinishedAt == 0 {
			continue
		}
		if *skip > 0 {
			*skip--
			continue
		}
		if !give(EvidenceRow{Kind: "deployment", Unit: "count", Reason: text(d.Reason), Deployment: ptr(x.deployment(d))}) {
			return false
		}
	}
	return true
}
