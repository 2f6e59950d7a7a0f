package history

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// pullRequestFacts is what was reported of a pull request. Commits are node
// numbers of the repository's graph.
type pullRequestFacts struct {
	number                        string
	author, base, title, url      register[string]
	createdAt, mergedAt, closedAt register[Time]
	mergeSHA, headSHA             register[int32]
	commits                       register[[]int32]
	reviews                       []review // in order, each once

	claim
	month month // under which it was last written
}

// review is one act of review.
type review struct {
	at           Time
	author, kind string
}

func compareReviews(a, b review) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.author, b.author), cmp.Compare(a.kind, b.kind))
}

type deploymentFacts struct {
	source, id                      string
	service, environment, repo, sha register[string]
	digest, outcome, title, url     register[string]
	startedAt, finishedAt           register[Time]
	unplanned                       register[bool]

	row *row // as of the last settling
}

type incidentFacts struct {
	source, id                     string
	service, environment, severity register[string]
	causedBy, digest, sha          register[string]
	title, url                     register[string]
	openedAt, resolvedAt           register[Time]
}

type artifactFacts struct {
	repo, sha register[string]
}

// pullRequest returns the slot of a pull request: a number that stays, and
// that nothing derived may depend on.
func (r *repository) pullRequest(number string) int32 {
	slot, ok := r.slots[number]
	if !ok {
		slot = int32(len(r.pulls))
		r.slots[number] = slot
		r.pulls = append(r.pulls, &pullRequestFacts{number: number, claim: noClaim, month: never})
		r.changed(slot)
	}
	return slot
}

// changed notes that a pull request must be derived again.
func (r *repository) changed(slot int32) { r.dirty[slot] = struct{}{} }

func (l *Ledger) applyPullRequest(at Time, b *event.PullRequest) {
	r := l.repo(b.Repo)
	slot := r.pullRequest(b.Number)
	p, g := r.pulls[slot], r.dag
	b.Author.V, b.Base.V = l.shared(b.Author.V), l.shared(b.Base.V)
	byHash := func(x, y int32) int { return g.compareRefs(x, y) }
	if anyOf(
		put(&p.author, at, b.Author), put(&p.createdAt, at, b.CreatedAt), put(&p.mergedAt, at, b.MergedAt),
		put(&p.closedAt, at, b.ClosedAt), put(&p.base, at, b.Base), put(&p.title, at, b.Title), put(&p.url, at, b.URL),
		merge(&p.mergeSHA, at, g.referTo(b.MergeSHA), byHash), merge(&p.headSHA, at, g.referTo(b.HeadSHA), byHash),
		merge(&p.commits, at, g.referToAll(b.Commits), func(x, y []int32) int { return slices.CompareFunc(x, y, byHash) })) {
		r.changed(slot)
	}
}

// referTo is the node of an optional hash.
func (g *dag) referTo(o event.Opt[string]) event.Opt[int32] {
	return event.Opt[int32]{V: g.refer(strings.ToLower(o.V)), Present: o.Present, Known: o.Known && o.V != ""}
}

func (g *dag) referToAll(o event.Opt[[]string]) event.Opt[[]int32] {
	out := event.Opt[[]int32]{Present: o.Present, Known: o.Known}
	for _, text := range o.V {
		if out.V == nil {
			out.V = make([]int32, 0, len(o.V))
		}
		out.V = append(out.V, g.refer(strings.ToLower(text)))
	}
	return out
}

// compareRefs orders nodes by their hashes, none first.
func (g *dag) compareRefs(x, y int32) int {
	if x == none || y == none {
		return cmp.Compare(x, y)
	}
	return compareSHA(g.nodes[x].sha, g.nodes[y].sha)
}

func (l *Ledger) applyReview(b *event.Review) {
	r := l.repo(b.Repo)
	slot := r.pullRequest(b.Number)
	p := r.pulls[slot]
	v := review{at: b.SubmittedAt.V, author: l.shared(b.Author), kind: l.shared(b.Kind)}
	if i, ok := slices.BinarySearchFunc(p.reviews, v, compareReviews); !ok {
		p.reviews = slices.Insert(p.reviews, i, v)
		r.reviews++
		r.changed(slot)
	}
}

func (l *Ledger) applyArtifact(at Time, b *event.Artifact) {
	l.repo(b.Repo)
	a, ok := l.artifacts[b.Digest]
	if !ok {
		a = &artifactFacts{}
		l.artifacts[b.Digest] = a
	}
	if anyOf(put(&a.repo, at, event.Some(b.Repo)), put(&a.sha, at, event.Some(strings.ToLower(b.SHA)))) {
		l.state.incidentsChanged = true // they may name the digest
		for _, d := range l.byDigest[b.Digest] {
			l.state.stale[d] = true
		}
	}
}

func (l *Ledger) applyDeployment(source string, at Time, b *event.Deployment) {
	k := Key(source, b.ID)
	d, ok := l.deployments[k]
	if !ok {
		d = &deploymentFacts{source: source, id: b.ID}
		l.deployments[k] = d
		l.byID[b.ID] = append(l.byID[b.ID], d)
	}
	if b.Repo.V != "" {
		l.repo(b.Repo.V)
	}
	if put(&d.digest, at, b.Digest) {
		if d.digest.v != "" {
			l.byDigest[d.digest.v] = append(l.byDigest[d.digest.v], d)
		}
		l.state.stale[d] = true
	}
	if anyOf(!ok, put(&d.service, at, b.Service), put(&d.environment, at, b.Environment), put(&d.repo, at, b.Repo),
		put(&d.sha, at, lower(b.SHA)), put(&d.outcome, at, b.Outcome), put(&d.startedAt, at, b.StartedAt),
		put(&d.finishedAt, at, b.FinishedAt), putFlag(&d.unplanned, at, b.Unplanned),
		put(&d.title, at, b.Title), put(&d.url, at, b.URL)) {
		l.state.stale[d] = true
	}
}

func (l *Ledger) applyIncident(source string, at Time, b *event.Incident) {
	k := Key(source, b.ID)
	i, ok := l.incidents[k]
	if !ok {
		i = &incidentFacts{source: source, id: b.ID}
		l.incidents[k] = i
	}
	if anyOf(!ok, put(&i.service, at, b.Service), put(&i.environment, at, b.Environment), put(&i.severity, at, b.Severity),
		put(&i.causedBy, at, b.CausedByDeployment), put(&i.digest, at, b.Digest), put(&i.sha, at, lower(b.SHA)),
		put(&i.title, at, b.Title), put(&i.url, at, b.URL), put(&i.openedAt, at, b.OpenedAt), put(&i.resolvedAt, at, b.ResolvedAt)) {
		l.state.incidentsChanged = true
	}
}

// anyOf is "or" that evaluates every operand.
func anyOf(changed ...bool) bool { return slices.Contains(changed, true) }

func lower(o event.Opt[string]) event.Opt[string] {
	o.V = strings.ToLower(o.V)
	return o
}
