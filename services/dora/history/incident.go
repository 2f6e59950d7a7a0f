package history

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// link is an incident at a deployment of a lane, as far as failure depends on it.
type link struct {
	deployment, incident string
	opened, resolved     Time
}

// linkIncidents derives every incident's row and the deployment that caused
// it: the one that it names; else the one that brought the version that it
// names; else the latest successful deployment of the same service within the
// time window before it. A stronger claim that cannot be resolved is not
// replaced by a weaker guess. Lanes whose links changed become dirty.
func (l *Ledger) linkIncidents() {
	s := &l.state
	production := s.productionByFinish()
	facts := make(map[*Incident]*incidentFacts, len(l.incidents))
	s.incidents = make([]*Incident, 0, len(l.incidents))
	only := s.onlyService()
	for _, f := range l.incidents {
		if f.openedAt.v == 0 {
			continue // withdrawn, or so far only its end was reported
		}
		service, environment := l.spec.Named(f.source, f.service.v, f.environment.v)
		i := &Incident{
			Source: f.source, ID: f.id, Service: cmp.Or(service, l.onlyServiceOf(f.repo.v), only), Environment: environment,
			Severity: f.severity.v, Title: f.title.v, URL: f.url.v,
			OpenedAt: f.openedAt.v, ResolvedAt: f.resolvedAt.v, LinkedBy: LinkNone,
		}
		facts[i] = f
		s.incidents = append(s.incidents, i)
	}
	slices.SortFunc(s.incidents, func(a, b *Incident) int {
		return cmp.Or(cmp.Compare(a.OpenedAt, b.OpenedAt), cmp.Compare(a.Key(), b.Key()))
	})
	for _, ln := range s.lanes {
		if len(ln.links) > 0 || ln.dirty {
			for _, r := range ln.rows {
				r.incidents = nil
			}
		}
	}
	links := map[laneKey][]link{}
	for _, i := range s.incidents {
		if cause := l.cause(facts[i], i); cause != nil {
			i.Deployment, i.DeploymentID = cause.key, cause.ID
			cause.incidents = append(cause.incidents, i)
			k := laneKey{cause.Service, cause.Environment}
			links[k] = append(links[k], link{cause.key, i.Key(), i.OpenedAt, i.ResolvedAt})
		}
		if k := sort.Search(len(production), func(k int) bool { return production[k].FinishedAt >= i.OpenedAt }); k > 0 {
			i.LatestDeployment = production[k-1].key
		}
	}
	for k, ln := range s.lanes {
		if !slices.Equal(ln.links, links[k]) {
			ln.links, ln.dirty = links[k], true
		}
	}
}

func (l *Ledger) cause(f *incidentFacts, i *Incident) *row {
	s := &l.state
	switch {
	case f.causedBy.v != "":
		switch r := l.named(f.causedBy.v, f.source, i.Service); {
		case r == nil:
			i.Reason = ReasonNotSeen
		case r.aside:
			i.Reason = ReasonNotAuthoritative
		default:
			i.LinkedBy = LinkExplicit
			return r.counted()
		}
		return nil
	case f.digest.v != "" || f.sha.v != "":
		made, _ := l.madeFrom(f.digest.v) // the source commit of the image that it names
		if r := s.latest(i, func(r *row) bool {
			return f.digest.v != "" && r.Digest == f.digest.v || sameVersion(r.SHA, made.sha) || sameVersion(r.SHA, f.sha.v)
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
	last := s.latest(i, func(*row) bool { return true })
	if last == nil {
		i.Reason = ReasonNoDeployment
		return nil
	}
	if last.FinishedAt < i.OpenedAt-Time(l.spec.Window().Microseconds()) {
		i.Reason = ReasonOutsideWindow
		return nil
	}
	i.LinkedBy = LinkTime
	return last
}

// sameVersion compares hashes, of which either may be abbreviated.
func sameVersion(a, b string) bool {
	return a != "" && b != "" && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a))
}

// named finds the deployment that an incident names, by key or by the source's
// own id: of the same source before another, of the same service before
// another, one that counts before one that does not, then the least key.
func (l *Ledger) named(name, source, service string) *row {
	if d := l.deployments[name]; d != nil {
		return d.row
	}
	var best *row
	rank := func(r *row) int {
		n := 0
		if r.Source == source {
			n += 4
		}
		if r.Service == service {
			n += 2
		}
		if !r.aside {
			n++
		}
		return n
	}
	for _, d := range l.byID[name] {
		if r := d.row; best == nil || rank(r) > rank(best) || rank(r) == rank(best) && r.key < best.key {
			best = r
		}
	}
	return best
}

// latest finds the last successful deployment that was finished when the
// incident opened: in its service (in any for an incident that names none), and
// in its environment, or in production when it names none.
func (s *derived) latest(i *Incident, want func(*row) bool) *row {
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
		for n--; n >= 0; n-- {
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
// project as they took effect. It keeps the list, and merges in what changed.
func (s *derived) productionByFinish() []*row {
	var fresh []*row
	for _, ln := range s.lanes {
		if ln.production && ln.dirty {
			for _, r := range ln.rows {
				if r.succeeded() {
					fresh = append(fresh, r)
				}
			}
		}
	}
	slices.SortFunc(fresh, effective)
	s.production = slices.DeleteFunc(s.production, func(r *row) bool {
		ln := s.lanes[laneKey{r.Service, r.Environment}]
		return r.gone || ln == nil || ln.dirty
	})
	s.production = mergeSorted(s.production, fresh, effective)
	return s.production
}

// onlyServiceOf is the service that is declared for a repository or deployed
// from it, when there is exactly one.
func (l *Ledger) onlyServiceOf(repo string) string {
	if repo == "" {
		return ""
	}
	key, found := event.RepoKey(repo), map[string]bool{}
	for _, v := range l.spec.Services {
		if v.Repo != "" && event.RepoKey(v.Repo) == key {
			found[v.Name] = true
		}
	}
	for k, ln := range l.state.lanes {
		if ln.repos[key] != nil {
			found[k.service] = true
		}
	}
	if len(found) != 1 {
		return ""
	}
	return sorted(found)[0]
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
