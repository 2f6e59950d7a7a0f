package history

import (
	"cmp"
	"maps"
	"slices"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

type laneKey struct{ service, environment string }

// lane is a [Lane] while it is being derived.
type lane struct {
	laneKey
	production bool
	rows       []*row
	repos      map[string]*laneRepo // by repository key
	pending    map[string]*Pending  // by repository key
}

// laneRepo is the attribution of one repository's commits in one lane.
type laneRepo struct {
	repo    *repository
	filter  int // bit of the service's paths, -1 when every commit counts
	labels  []int32
	order   []*row // its successful deployments with a known commit
	applied []applied
	moved   bool   // the last settling changed the order or its reach
	version uint64 // of the repository's view that the rows were made from
	shape   uint64 // of the graph's structure that the labels were made from
}

// applied is what labelling took from a deployment.
type applied struct {
	key               string
	node              int32
	started, finished Time
}

// row is a deployment while it is being derived.
type row struct {
	Deployment
	key        string
	repository *repository
	node       int32 // commit, -1 when unknown or not reported
	nodes      []int32
	same       bool // Changes are those of the last settling
	reached    bool // an earlier deployment of the lane contains the commit
	incidents  []*Incident
	rollback   *row // the deployment that rolled it back
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

// resolve makes the rows of all deployments and sorts them into lanes. What a
// deployment leaves open is filled from what the project knows: the service
// from its repository, the source commit from its image digest.
// Repositories that a vanished lane had deployed from are marked as changed.
func (l *Ledger) resolve(changed map[string]bool) {
	s := &l.state
	lanes := map[laneKey]*lane{}
	for _, d := range l.deployments {
		r := l.resolveDeployment(d)
		k := laneKey{r.Service, r.Environment}
		ln := lanes[k]
		if ln == nil {
			ln = &lane{laneKey: k, production: r.Production, repos: map[string]*laneRepo{}, pending: map[string]*Pending{}}
			if old := s.lanes[k]; old != nil {
				ln.repos, ln.pending = old.repos, old.pending
			}
			lanes[k] = ln
		}
		ln.rows = append(ln.rows, r)
	}
	for _, ln := range lanes {
		slices.SortFunc(ln.rows, effective)
	}
	for k, old := range s.lanes {
		if lanes[k] == nil {
			for key := range old.repos {
				changed[key] = true
			}
		}
	}
	s.lanes = lanes
	s.byKey = make(map[string]*row, len(l.deployments))
	s.byID = make(map[string][]*row, len(l.deployments))
	for _, k := range slices.SortedFunc(maps.Keys(lanes), compareLanes) {
		for _, r := range lanes[k].rows {
			s.byKey[r.key] = r
			s.byID[r.ID] = append(s.byID[r.ID], r)
		}
	}
}

func compareLanes(a, b laneKey) int {
	return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.environment, b.environment))
}

func (l *Ledger) resolveDeployment(d *deploymentFacts) *row {
	r := &row{node: none, key: Key(d.source, d.id)}
	r.Source, r.ID = d.source, d.id
	r.Digest, r.Outcome, r.Title, r.URL = d.digest.v, d.outcome.v, d.title.v, d.url.v
	r.StartedAt, r.FinishedAt, r.Unplanned = d.startedAt.v, d.finishedAt.v, d.unplanned.v
	r.Environment = d.environment.v
	if r.Environment == "" {
		r.Environment = project.KindProduction
	}
	r.Production = l.spec.EnvironmentKind(r.Environment) == project.KindProduction

	repo, sha := d.repo.v, d.sha.v
	if sha != "" {
		r.ResolvedBy = "sha"
	}
	// The artifact says from which source its image was made; a revision that
	// came beside the digest may be another repository's (GitOps).
	if a := l.artifacts[d.digest.v]; d.digest.v != "" && a != nil {
		repo, sha, r.ResolvedBy = a.repo.v, a.sha.v, "digest"
	}
	r.Service = d.service.v
	if r.Service == "" {
		r.Service = l.serviceOf(d.repo.v)
	}
	if repo == "" {
		if v, ok := l.spec.Service(r.Service); ok {
			repo = v.Repo
		}
	}
	if repo == "" && sha != "" {
		repo = l.repoWith(sha)
	}
	r.SHA = sha
	if repo != "" {
		r.repository = l.repo(repo)
		r.Repo = r.repository.url
	}
	switch {
	case sha == "":
		r.Reason = ReasonSHAUnknown
	case r.repository == nil:
		r.Reason = ReasonCommitsMissing
	default:
		if r.node = r.repository.dag.lookup(sha); r.node == none {
			r.Reason = ReasonCommitsMissing
		} else if full := r.repository.dag.sha[r.node].Text(r.repository.dag.long); len(sha) < len(full) {
			r.SHA = full
		}
	}
	return r
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

// repoWith finds the repository, the first by key, that has the commit.
func (l *Ledger) repoWith(sha string) string {
	found := ""
	for key, r := range l.repos {
		if (found == "" || key < event.RepoKey(found)) && r.dag.lookup(sha) != none {
			found = r.url
		}
	}
	return found
}

// succeeded reports whether a deployment took effect.
func (r *row) succeeded() bool { return r.Outcome == event.OutcomeSuccess && r.FinishedAt != 0 }

// attributeLane labels the commits of each repository of a lane with the first
// successful deployment that contains them. When the order of deployments only
// grew at its end and the graph only at its edge, earlier labels stand.
func (l *Ledger) attributeLane(ln *lane, changed map[string]bool) {
	byRepo := map[string][]*row{}
	before := make([]int32, len(ln.rows)) // successful deployments of the repository before each row
	for i, r := range ln.rows {
		if r.node == none {
			continue
		}
		before[i] = int32(len(byRepo[r.repository.key]))
		if r.succeeded() {
			byRepo[r.repository.key] = append(byRepo[r.repository.key], r)
		}
	}
	for key := range ln.repos {
		if len(byRepo[key]) == 0 {
			delete(ln.repos, key)
			changed[key] = true
		}
	}
	for key, rows := range byRepo {
		lr := ln.repos[key]
		repo := rows[0].repository
		if lr == nil {
			lr = &laneRepo{repo: repo, filter: filterBit(repo, ln.service)}
			ln.repos[key] = lr
		}
		lr.attribute(rows, l.spec.FirstDeployment == project.FirstAttribute, l.spec.MergeCommits == project.MergeSkip)
	}
	for i, r := range ln.rows {
		if r.node == none {
			continue
		}
		if lr := ln.repos[r.repository.key]; lr != nil {
			label := lr.labels[r.node]
			r.reached = label != none && label < before[i]
		}
	}
}

func appliedOf(r *row) applied { return applied{r.key, r.node, r.StartedAt, r.FinishedAt} }

func filterBit(r *repository, service string) int {
	return slices.IndexFunc(r.services, func(s project.Service) bool { return s.Name == service })
}

func (lr *laneRepo) attribute(rows []*row, attributeFirst, skipMerges bool) {
	g := lr.repo.dag
	keep := 0
	if lr.shape == g.structure {
		for keep < len(lr.applied) && keep < len(rows) && lr.applied[keep] == appliedOf(rows[keep]) {
			keep++
		}
	}
	lr.moved = keep != len(lr.applied) || keep != len(rows)
	if keep < len(lr.applied) || lr.shape != g.structure || lr.labels == nil {
		keep = 0
		lr.labels, lr.applied = g.unlabelled(), nil
	}
	old := lr.order
	lr.order, lr.shape = rows, g.structure
	lr.labels = growLabels(lr.labels, len(g.sha))
	sameView := lr.version == lr.repo.view.version
	lr.version = lr.repo.view.version
	for i, r := range rows {
		if i < keep {
			r.nodes = old[i].nodes
			if sameView {
				r.Changes, r.PullRequests, r.LongSHAs, r.same = old[i].Changes, old[i].PullRequests, old[i].LongSHAs, true
			}
		} else {
			r.nodes = g.label(lr.labels, r.node, int32(i))
			lr.applied = append(lr.applied, appliedOf(r))
		}
		reason := ReasonCode(0)
		if i == 0 && !attributeFirst {
			reason = reasonCode(ReasonBaseline)
			r.Reason = ReasonBaseline
		}
		if !r.same {
			c := lr.changes(r.nodes, reason, skipMerges)
			r.Changes, r.PullRequests, r.LongSHAs = c.Changes, c.PullRequests, c.LongSHAs
		}
	}
}

// changes makes the change rows of nodes, in order of (CommittedAt, SHA).
func (lr *laneRepo) changes(nodes []int32, reason ReasonCode, skipMerges bool) Pending {
	g, v := lr.repo.dag, &lr.repo.view
	out := Pending{Changes: make([]Change, 0, len(nodes))}
	for _, n := range nodes {
		f := g.flags[n]
		if f&present == 0 || (skipMerges && f&isMerge != 0) {
			continue
		}
		why := reason
		if lr.filter >= 0 && g.touches[n]&(1<<lr.filter) == 0 {
			if f&(pathsKnown|isMerge) != 0 {
				continue // another service's change
			}
			if why == 0 {
				why = reasonCode(ReasonPathsUnknown)
			}
		}
		c := Change{SHA: g.sha[n], Author: g.author[n], FirstAt: g.authored[n], CommittedAt: g.committed[n], PR: v.prOf[n], Reason: why}
		if t, ok := v.firstAt[n]; ok {
			c.FirstAt = t
		}
		out.Changes = append(out.Changes, c)
	}
	out.finish(g, v)
	return out
}

// finish sorts the changes and gathers beside them what they refer to.
func (p *Pending) finish(g *dag, v *repositoryView) {
	slices.SortFunc(p.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.CommittedAt, b.CommittedAt), compareSHA(a.SHA, b.SHA))
	})
	local := map[int32]int32{}
	for i := range p.Changes {
		c := &p.Changes[i]
		if len(g.long) > 0 {
			if t, ok := g.long[c.SHA]; ok {
				if p.LongSHAs == nil {
					p.LongSHAs = map[SHA]string{}
				}
				p.LongSHAs[c.SHA] = t
			}
		}
		if c.PR == none {
			continue
		}
		k, ok := local[c.PR]
		if !ok {
			k = int32(len(p.PullRequests))
			local[c.PR] = k
			p.PullRequests = append(p.PullRequests, v.refs[c.PR])
		}
		c.PR = k
	}
}

// kinds derives, along a lane, what each deployment replaced and of which kind
// it is, and which was rolled back.
func (ln *lane) kinds() {
	var live *row
	appeared := map[string]int{} // version -> order of its first appearance
	for i, r := range ln.rows {
		r.Previous, r.PreviousID, r.rollback = "", "", nil
		if r.FinishedAt == 0 {
			r.Kind = kindUnknown(live)
			continue
		}
		r.Kind = r.kindAfter(live, appeared)
		if live != nil {
			r.Previous, r.PreviousID = live.key, live.ID
		}
		if !r.succeeded() {
			continue
		}
		if r.Kind == KindRollback {
			live.rollback = r
		}
		if v := r.version(); v != "" {
			if _, ok := appeared[v]; !ok {
				appeared[v] = i
			}
		}
		live = r
	}
}

func kindUnknown(live *row) string {
	if live == nil {
		return KindFirst
	}
	return KindForward
}

// version names what was deployed.
func (r *row) version() string {
	if r.SHA != "" {
		return r.SHA
	}
	return r.Digest
}

func (r *row) kindAfter(live *row, appeared map[string]int) string {
	switch {
	case live == nil:
		return KindFirst
	case r.version() != "" && r.version() == live.version():
		return KindRedeploy
	}
	at, before := appeared[r.version()]
	known := r.node != none && live.node != none && r.repository == live.repository
	if known {
		if !r.reached {
			return KindForward // nothing deployed so far contains it
		}
		g := r.repository.dag
		switch {
		case g.contains(live.node, r.node):
			return KindRollback
		case g.contains(r.node, live.node):
			return KindForward
		}
	}
	if before && at < appeared[live.version()] {
		return KindRollback
	}
	return KindForward
}
