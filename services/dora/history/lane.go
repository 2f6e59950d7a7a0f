package history

import (
	"cmp"
	"slices"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

type laneKey struct{ service, environment string }

func compareLanes(a, b laneKey) int {
	return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.environment, b.environment))
}

// lane is a [Lane] while it is being derived.
type lane struct {
	laneKey
	production bool
	reports    []*row // all that was reported, as it took effect
	rows       []*row // the deployments that count, likewise
	uncounted  []*row // reports that are no deployment of their own and not known as another's
	repos      map[string]*laneRepo
	from       []*repository // that any of its deployments names
	blocks     shelf         // of deployments, by month of their end
	aside      shelf         // of what does not count, likewise

	arrived []*row // to be sorted in
	dirty   bool   // something about its deployments changed
	links   []link // incidents that its deployments caused
}

// row is a deployment while it is being derived.
type row struct {
	Deployment
	key        string
	repository *repository
	node       int32   // commit, none when unknown or not reported
	nodes      []int32 // commits that first arrived with it
	label      int32   // its place among the lane's successful deployments from the repository, none for no place
	reached    bool    // an earlier deployment of the lane contains the commit
	gone       bool    // it left the lane
	stale      bool    // its changes must be written again
	incidents  []*Incident
	rollback   *row // the deployment that rolled it back

	into   *row // the row of the deployment that this is a report of
	merged *row // of a deployment that others report, too: what all of them say
	aside  bool // it does not count
}

// effective orders rows as they took effect; unfinished ones stand last.
func effective(a, b *row) int {
	return cmp.Or(
		compareUnknownLast(a.FinishedAt, b.FinishedAt),
		compareUnknownLast(a.StartedAt, b.StartedAt),
		cmp.Compare(a.key, b.key))
}

func compareUnknownLast(a, b Time) int {
	switch {
	case a == b:
		return 0
	case a == 0:
		return 1
	case b == 0:
		return -1
	}
	return cmp.Compare(a, b)
}

// succeeded reports whether a deployment took effect.
func (r *row) succeeded() bool { return r.Outcome == event.OutcomeSuccess && r.FinishedAt != 0 }

// started is when it started; when that is unknown, when it had finished.
func (r *row) started() Time {
	if r.StartedAt != 0 {
		return r.StartedAt
	}
	return r.FinishedAt
}

// version names what was deployed.
func (r *row) version() string {
	if r.SHA != "" {
		return r.SHA
	}
	return r.Digest
}

// resolve makes the rows of deployments whose facts changed, or whose commit
// may be known by now, and sorts them into their lanes.
func (l *Ledger) resolve(graphs bool) {
	s := &l.state
	l.lookAgain()
	if graphs {
		for d := range s.unresolved {
			if _, reported := s.stale[d]; !reported {
				s.stale[d] = false // look at it, though its facts may be the same
			}
		}
	}
	for d, reported := range s.stale {
		r, firm := l.resolveDeployment(d)
		if firm {
			delete(s.unresolved, d)
		} else {
			s.unresolved[d] = struct{}{}
		}
		if old := d.row; old != nil {
			if !reported && old.node == r.node && old.repository == r.repository && old.SHA == r.SHA && old.Service == r.Service {
				continue
			}
			old.gone = true
			s.lanes[laneKey{old.Service, old.Environment}].dirty = true
		}
		d.row = r
		k := laneKey{r.Service, r.Environment}
		ln := s.lanes[k]
		if ln == nil {
			ln = &lane{laneKey: k, production: r.Production, repos: map[string]*laneRepo{},
				blocks: newShelf("d", k.service, k.environment), aside: newShelf("u", k.service, k.environment)}
			s.lanes[k] = ln
		}
		ln.arrived = append(ln.arrived, r)
		ln.dirty = true
	}
	clear(s.stale)
	for k, ln := range s.lanes {
		if !ln.dirty {
			continue
		}
		ln.reports = slices.DeleteFunc(ln.reports, func(r *row) bool { return r.gone })
		ln.reports = append(ln.reports, slices.DeleteFunc(ln.arrived, func(r *row) bool { return r.gone })...)
		ln.arrived = nil
		slices.SortFunc(ln.reports, effective)
		ln.from = ln.from[:0]
		for _, r := range ln.reports {
			if r.repository != nil && !slices.Contains(ln.from, r.repository) {
				ln.from = append(ln.from, r.repository)
			}
		}
		if len(ln.reports) == 0 {
			delete(s.lanes, k)
			s.vanished = append(s.vanished, ln)
			continue
		}
		l.reconcile(ln)
	}
}

// resolveDeployment makes a deployment's row. What it leaves open is filled
// from what the project knows: the service from its repository, the source
// commit from its image digest. firm says that no commit which is still to come
// can change the result.
func (l *Ledger) resolveDeployment(d *deploymentFacts) (r *row, firm bool) {
	r = &row{node: none, label: none, stale: true, key: Key(d.source, d.id)}
	r.Source, r.ID = d.source, d.id
	r.Digest, r.Outcome, r.Title, r.URL = d.digest.v, d.outcome.v, d.title.v, d.url.v
	r.StartedAt, r.FinishedAt, r.Unplanned = d.startedAt.v, d.finishedAt.v, d.unplanned.v
	service, environment := l.spec.Named(d.source, d.service.v, d.environment.v)
	r.Environment = environment
	if r.Environment == "" {
		r.Environment = project.KindProduction
	}
	r.Production = l.spec.EnvironmentKind(r.Environment) == project.KindProduction
	var repo string
	repo, r.SHA, r.ResolvedBy = l.sourceOf(d)
	r.Service = service
	if r.Service == "" {
		r.Service = l.serviceOf(cmp.Or(repo, d.repo.v))
	}
	if repo == "" {
		if v, ok := l.spec.Service(r.Service); ok {
			repo = v.Repo
		}
	}
	guessed := repo == "" && r.SHA != ""
	if guessed {
		repo = l.repoWith(r.SHA, d.manifests.v)
	}
	if repo != "" {
		r.repository = l.repo(repo)
		r.Repo = r.repository.url
	}
	switch {
	case r.SHA == "":
		r.Reason = ReasonSHAUnknown
		return r, true
	case r.ResolvedBy == "sha" && (r.repository == nil || r.repository.dag.lookup(r.SHA) == none) && l.ofManifests(d, r.SHA):
		r.SHA, r.ResolvedBy, r.Reason = "", "", ReasonSHAUnknown // the manifests' commit
		return r, false
	case r.repository == nil:
		r.Reason = ReasonCommitsMissing
		return r, false
	}
	g := r.repository.dag
	if r.node = g.lookup(r.SHA); r.node == none {
		r.Reason = ReasonCommitsMissing
		return r, false
	}
	exact := len(g.text(r.node)) == len(r.SHA)
	r.SHA = g.text(r.node)
	return r, exact && !guessed
}

// serviceOf names the service of a deployment that names only a repository:
// the one declared for it, or the repository's own name.
func (l *Ledger) serviceOf(repo string) string {
	found := ""
	for _, s := range l.spec.Services {
		if s.Repo != "" && event.RepoKey(s.Repo) == event.RepoKey(repo) {
			if found != "" {
				return event.RepoName(repo)
			}
			found = s.Name
		}
	}
	if found != "" {
		return found
	}
	return event.RepoName(repo)
}

// repoWith finds the repository, the first by key and none of those, that has
// the commit.
func (l *Ledger) repoWith(sha string, but []string) string {
	var found *repository
	for _, r := range l.repos {
		if slices.Contains(but, r.key) {
			continue
		}
		if (found == nil || r.key < found.key) && r.dag.lookup(sha) != none {
			found = r
		}
	}
	if found == nil {
		return ""
	}
	return found.url
}

// ofManifests reports whether a commit is known as one of the repositories that
// hold a deployment's manifests.
func (l *Ledger) ofManifests(d *deploymentFacts, sha string) bool {
	for _, key := range d.manifests.v {
		if r := l.repos[key]; r != nil && r.dag.lookup(sha) != none {
			return true
		}
	}
	return false
}
