package history

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// linkIncidents derives every incident's row and the deployment that caused
// it: the one that it names; else the one that brought the version that it
// names; else the latest successful deployment of the same service within the
// time window before it. A stronger claim that cannot be resolved is not
// replaced by a weaker guess.
func (l *Ledger) linkIncidents() {
	s := &l.state
	production := s.productionByFinish()
	facts := make(map[*Incident]*incidentFacts, len(l.incidents))
	s.incidents = make([]*Incident, 0, len(l.incidents))
	for _, f := range l.incidents {
		i := &Incident{
			Source: f.source, ID: f.id, Service: f.service.v, Environment: f.environment.v,
			Severity: f.severity.v, Title: f.title.v, URL: f.url.v,
			OpenedAt: f.openedAt.v, ResolvedAt: f.resolvedAt.v, LinkedBy: LinkNone,
		}
		if i.Service == "" {
			i.Service = s.onlyService()
		}
		facts[i] = f
		s.incidents = append(s.incidents, i)
	}
	slices.SortFunc(s.incidents, func(a, b *Incident) int {
		return cmp.Or(cmp.Compare(a.OpenedAt, b.OpenedAt), cmp.Compare(a.Key(), b.Key()))
	})
	for _, i := range s.incidents {
		if cause := l.cause(facts[i], i); cause != nil {
			i.Deployment, i.DeploymentID = cause.key, cause.ID
			cause.incidents = append(cause.incidents, i)
		}
		if k := sort.Search(len(production), func(k int) bool { return production[k].FinishedAt > i.OpenedAt }); k > 0 && i.OpenedAt != 0 {
			i.LatestDeployment = production[k-1].key
		}
	}
}

func (l *Ledger) cause(f *incidentFacts, i *Incident) *row {
	s := &l.state
	switch {
	case f.causedBy.v != "":
		if r := s.named(f.causedBy.v, f.source, i.Service); r != nil {
			i.LinkedBy = LinkExplicit
			return r
		}
		i.Reason = ReasonNotSeen
		return nil
	case f.digest.v != "" || f.sha.v != "":
		if r := s.latest(i, 0, func(r *row) bool {
			return f.digest.v != "" && r.Digest == f.digest.v ||
				f.sha.v != "" && r.SHA != "" && (strings.HasPrefix(r.SHA, f.sha.v) || strings.HasPrefix(f.sha.v, r.SHA))
		}); r != nil {
			i.LinkedBy = LinkArtifact
			return r
		}
		i.Reason = ReasonNotSeen
		return nil
	case i.Service == "":
		i.Reason = ReasonNoService
		return nil
	}
	any := s.latest(i, 0, func(*row) bool { return true })
	if any == nil {
		i.Reason = ReasonNoDeployment
		return nil
	}
	if any.FinishedAt < i.OpenedAt-Time(l.spec.Window().Microseconds()) {
		i.Reason = ReasonOutsideWindow
		return nil
	}
	i.LinkedBy = LinkTime
	return any
}

// named finds the deployment that an incident names, by key or by the source's
// own id: of the same source before another, of the same service before
// another, then the least key.
func (s *derived) named(name, source, service string) *row {
	if r := s.byKey[name]; r != nil {
		return r
	}
	var best *row
	rank := func(r *row) int {
		n := 0
		if r.Source == source {
			n += 2
		}
		if r.Service == service {
			n++
		}
		return n
	}
	for _, r := range s.byID[name] {
		if best == nil || rank(r) > rank(best) || rank(r) == rank(best) && r.key < best.key {
			best = r
		}
	}
	return best
}

// latest finds the last successful deployment that was finished when the
// incident opened: in its service (in any for an incident that names none), and
// in its environment, or in production when it names none.
func (s *derived) latest(i *Incident, after Time, want func(*row) bool) *row {
	var best *row
	for k, ln := range s.lanes {
		if i.Service != "" && k.service != i.Service {
			continue
		}
		if i.Environment != "" && k.environment != i.Environment || i.Environment == "" && !ln.production {
			continue
		}
		n := sort.Search(len(ln.rows), func(n int) bool {
			return ln.rows[n].FinishedAt == 0 || ln.rows[n].FinishedAt > i.OpenedAt
		})
		for n--; n >= 0 && ln.rows[n].FinishedAt >= after; n-- {
			if r := ln.rows[n]; r.succeeded() && want(r) {
				if best == nil || effective(best, r) < 0 {
					best = r
				}
				break
			}
		}
	}
	return best
}

// productionByFinish lists the successful production deployments of the
// project as they took effect.
func (s *derived) productionByFinish() []*row {
	var out []*row
	for _, ln := range s.lanes {
		if !ln.production {
			continue
		}
		for _, r := range ln.rows {
			if r.succeeded() {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, effective)
	return out
}

// onlyService is the service's name when the project has exactly one.
func (s *derived) onlyService() string {
	only := ""
	for k := range s.lanes {
		if only != "" && only != k.service {
			return ""
		}
		only = k.service
	}
	return only
}

// fail derives which deployments failed and when service was restored.
func (ln *lane) fail() {
	for _, r := range ln.rows {
		r.Failed, r.Failures = false, nil
		r.RestoredAt, r.RestoredBy, r.RestoredRef = 0, "", ""
		if r.FinishedAt == 0 || r.Outcome == event.OutcomeAborted {
			continue
		}
		if r.Outcome == event.OutcomeFailure {
			r.Failures = append(r.Failures, Failure{Rule: FailedOutcome})
		}
		if r.rollback != nil {
			r.Failures = append(r.Failures, Failure{Rule: FailedRolledBack, Ref: r.rollback.key})
		}
		for _, i := range r.incidents {
			r.Failures = append(r.Failures, Failure{Rule: FailedIncident, Ref: i.Key()})
		}
		r.Failed = len(r.Failures) > 0
	}
	for n, r := range ln.rows {
		if r.Failed {
			ln.restore(n, r)
		}
	}
}

// restore finds what ended the failure of row n first: the next deployment
// that succeeded and did not fail itself, the rollback, or the resolution of
// its incidents. A failure that only incidents tell of began with the first.
func (ln *lane) restore(n int, r *row) {
	end := func(at Time, by, ref string) {
		if at >= r.FinishedAt && (r.RestoredAt == 0 || at < r.RestoredAt) {
			r.RestoredAt, r.RestoredBy, r.RestoredRef = at, by, ref
		}
	}
	began := r.FinishedAt
	if r.Outcome != event.OutcomeFailure && r.rollback == nil {
		began = r.incidents[0].OpenedAt
	}
	var resolved Time
	ref := ""
	for _, i := range r.incidents {
		if i.ResolvedAt == 0 {
			resolved, ref = 0, ""
			break
		}
		if i.ResolvedAt > resolved {
			resolved, ref = i.ResolvedAt, i.Key()
		}
	}
	if r.rollback != nil {
		end(r.rollback.FinishedAt, RestoredRollback, r.rollback.key)
	}
	if resolved != 0 {
		end(resolved, RestoredIncident, ref)
	}
	for _, next := range ln.rows[n+1:] {
		if next.succeeded() && !next.Failed && next.FinishedAt >= began {
			end(next.FinishedAt, RestoredDeployment, next.key)
			break
		}
	}
}
