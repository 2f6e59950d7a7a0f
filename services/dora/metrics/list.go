package metrics

import (
	"iter"
	"slices"
	"sort"

	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// DeploymentByKey is the row of one deployment, found by its own key or by that
// of another source's report of it. One that does not count is found, too.
func DeploymentByKey(v *View, p Profile, key string) (Deployment, bool) {
	x := v.index(p)
	if at, ok := v.keys()[key]; ok {
		return x.deployment(v.at(at)), true
	}
	for _, d := range v.history.Uncounted {
		if d.Key() == key {
			return x.deployment(d), true
		}
	}
	return Deployment{}, false
}

// Deployments lists the deployments that finished in the window, by (finished,
// started, key); those that run stand at the end, for as long as they started
// in it. A list without From or To is open on that side.
func Deployments(v *View, q Query, p Profile, l List) (Rows[Deployment], error) {
	s, err := v.listScope(q)
	if err != nil {
		return nil, err
	}
	x := v.index(p)
	return func(yield func(Deployment) bool) {
		skip := l.Offset
		for d := range v.inScope(s, l) {
			if l.Kind != "" && d.Kind != l.Kind || l.Failed && len(p.Choices.failures(d, x.linked(d))) == 0 {
				continue
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

// Incidents lists the incidents that were opened in the window, by (opened,
// key).
func Incidents(v *View, q Query, p Profile, l List) (Rows[Incident], error) {
	s, err := v.listScope(q)
	if err != nil {
		return nil, err
	}
	return func(yield func(Incident) bool) {
		skip := l.Offset
		for i := range inOrder(v.opened(s.window), l.Newest) {
			key, _ := p.Choices.link(i)
			if !v.hits(s, i) || l.Deployment != "" && key != l.Deployment {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			if !yield(v.incidentRow(p, i)) {
				return
			}
		}
	}, nil
}

// Changes lists changes in the profile's unit. Commits come by deployment, in
// the order of [Deployments], then those that wait for one (committed in the
// window, where one is given). Pull requests come by (repository, created,
// number): those that are merged and were delivered in the window or, being
// delivered nowhere, were merged in it.
func Changes(v *View, q Query, p Profile, l List) (Rows[Change], error) {
	s, err := v.listScope(q)
	if err != nil {
		return nil, err
	}
	x := v.index(p)
	if p.Unit() == UnitPullRequest {
		return x.listRequests(v, s, l), nil
	}
	return func(yield func(Change) bool) {
		skip := l.Offset
		for d := range v.inScope(s, l) {
			if skip >= len(d.Changes) {
				skip -= len(d.Changes)
				continue
			}
			for c := range skipping(d.Changes, &skip, l.Newest) {
				if row, _ := x.deployed(d, c); !yield(row) {
					return
				}
			}
		}
		if l.Deployment == "" {
			v.listPending(s, l, skip, yield)
		}
	}, nil
}

func (v *View) listPending(s *scope, l List, skip int, yield func(Change) bool) {
	from, to := s.window.micros()
	for _, p := range v.history.Pending {
		if !s.waits(p) {
			continue
		}
		if !s.fromGiven && !s.toGiven && skip >= len(p.Changes) {
			skip -= len(p.Changes)
			continue
		}
		for i := range p.Changes {
			if l.Newest {
				i = len(p.Changes) - 1 - i
			}
			c := &p.Changes[i]
			at := c.CommittedAt
			if at == 0 {
				at = c.FirstAt
			}
			if at != 0 && (s.fromGiven && at < from || s.toGiven && at >= to) {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			if !yield(pending(p, c)) {
				return
			}
		}
	}
}

func (x *index) listRequests(v *View, s *scope, l List) Rows[Change] {
	from, to := s.window.micros()
	all := v.history.PullRequests
	return func(yield func(Change) bool) {
		skip := l.Offset
		for n := range all {
			if l.Newest {
				n = len(all) - 1 - n
			}
			pr := all[n]
			if pr.MergedAt == 0 {
				continue
			}
			heads := x.requests.inScope(n, s.in, x.profile.Choices.Delivery)
			if len(heads) == 0 && !x.requests.concerns(pr, s.services) {
				continue
			}
			give := func(d *history.Delivery, at history.Time) bool {
				if s.fromGiven && at < from || s.toGiven && at >= to || l.Deployment != "" && (d == nil || d.Deployment != l.Deployment) {
					return true
				}
				if skip > 0 {
					skip--
					return true
				}
				row, _ := x.request(pr, d)
				return yield(row)
			}
			if len(heads) == 0 {
				if !give(nil, pr.MergedAt) {
					return
				}
				continue
			}
			for h := range inOrder(heads, l.Newest) {
				head := &x.requests.heads[h]
				if !give(x.requests.delivery(pr, head), head.finished) {
					return
				}
			}
		}
	}
}

// listScope resolves a query whose open ends mean no bound.
func (v *View) listScope(q Query) (*scope, error) {
	const begin, end = 0, 1<<63 - 1
	open := q
	if q.From.IsZero() {
		open.From = history.Time(begin + 1).Std()
	}
	if q.To.IsZero() {
		open.To = history.Time(end).Std()
	}
	s, err := v.resolve(open)
	if err != nil {
		return nil, err
	}
	s.fromGiven, s.toGiven = !q.From.IsZero(), !q.To.IsZero()
	return s, nil
}

// inScope are the deployments of a list.
func (v *View) inScope(s *scope, l List) iter.Seq[*history.Deployment] {
	from, to := s.window.micros()
	order := v.order()
	const last = history.Time(1<<63 - 1)
	finished := func(i int) history.Time {
		if t := v.at(order[i]).FinishedAt; t != 0 {
			return t
		}
		return last
	}
	a := sort.Search(len(order), func(i int) bool { return finished(i) >= from })
	b := a + sort.Search(len(order)-a, func(i int) bool { return finished(a+i) >= min(to, last) })
	running := sort.Search(len(order), func(i int) bool { return finished(i) == last })
	return func(yield func(*history.Deployment) bool) {
		give := func(ps []place, check bool) bool {
			for p := range inOrder(ps, l.Newest) {
				d := v.at(p)
				if !s.in[p.lane] || l.Deployment != "" && d.Key() != l.Deployment ||
					check && (s.fromGiven && d.StartedAt < from || s.toGiven && d.StartedAt >= to) {
					continue
				}
				if !yield(d) {
					return false
				}
			}
			return true
		}
		if l.Newest {
			if give(order[running:], true) {
				give(order[a:b], false)
			}
			return
		}
		if give(order[a:b], false) {
			give(order[running:], true)
		}
	}
}

// inOrder is a slice's elements from the front or from the back.
func inOrder[T any](s []T, backward bool) iter.Seq[T] {
	if !backward {
		return slices.Values(s)
	}
	return func(yield func(T) bool) {
		for i := len(s) - 1; i >= 0; i-- {
			if !yield(s[i]) {
				return
			}
		}
	}
}

// skipping are pointers to a slice's elements less the first *skip, which is 0
// afterwards.
func skipping[T any](s []T, skip *int, backward bool) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		from := *skip
		*skip = 0
		for i := from; i < len(s); i++ {
			j := i
			if backward {
				j = len(s) - 1 - i
			}
			if !yield(&s[j]) {
				return
			}
		}
	}
}
