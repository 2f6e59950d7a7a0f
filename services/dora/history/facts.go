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

	authorRef AuthorRef

	claim
	month month // under which it was last written
	dirty bool  // to be derived again
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
	manifests                       register[[]string] // keys of their repositories

	row *row // as of the last settling
}

type incidentFacts struct {
	source, id                     string
	service, environment, severity register[string]
	causedBy, digest, sha, repo    register[string]
	title, url                     register[string]
	openedAt, resolvedAt           register[Time]
}

type artifactFacts struct {
	repo, sha register[string]
}

// pullRequest returns the slot of a pull request: a number that stays, and
// that nothing derived may depend on.
func (r *repository) pullRequest(number []byte) int32 {
	if slot, ok := r.slots[string(number)]; ok {
		return slot
	}
	slot := int32(len(r.pulls))
	text := string(number)
	r.slots[text] = slot
	if len(r.room) == 0 {
		r.room = make([]pullRequestFacts, min(8+len(r.pulls)/2, 256))
	}
	p := &r.room[0]
	r.room = r.room[1:]
	p.number, p.claim, p.month = text, noClaim, never
	r.pulls = append(r.pulls, p)
	r.changed(slot)
	return slot
}

// changed notes that a pull request must be derived again.
func (r *repository) changed(slot int32) {
	if p := r.pulls[slot]; !p.dirty {
		p.dirty = true
		r.dirty = append(r.dirty, slot)
	}
}

// pullRequestReport is one report of a pull request, its hashes as nodes.
type pullRequestReport struct {
	number                        []byte
	author, base, title, url      event.Opt[string]
	createdAt, mergedAt, closedAt event.Opt[Time]
	mergeSHA, headSHA             event.Opt[int32]
	commits                       event.Opt[[]int32]
	commitList                    []int32 // scratch
}

func (l *Ledger) applyPullRequest(at Time, b *event.PullRequest) {
	r := l.repo(b.Repo)
	g := r.dag
	b.Author.V, b.Base.V = l.shared(b.Author.V), l.shared(b.Base.V)
	l.mergePullRequest(at, r, &pullRequestReport{
		number: []byte(b.Number), author: b.Author, base: b.Base, title: b.Title, url: b.URL,
		createdAt: b.CreatedAt, mergedAt: b.MergedAt, closedAt: b.ClosedAt,
		mergeSHA: g.referTo(b.MergeSHA), headSHA: g.referTo(b.HeadSHA), commits: g.referToAll(b.Commits),
	})
}

// mergePullRequest merges a report; it keeps none of its lists.
func (l *Ledger) mergePullRequest(at Time, r *repository, b *pullRequestReport) {
	slot := r.pullRequest(b.number)
	p, g := r.pulls[slot], r.dag
	if slices.Equal(p.commits.v, b.commits.V) {
		b.commits.V = p.commits.v
	} else {
		b.commits.V = slices.Clone(b.commits.V)
	}
	if anyOf(
		put(&p.author, at, b.author), put(&p.createdAt, at, b.createdAt), put(&p.mergedAt, at, b.mergedAt),
		put(&p.closedAt, at, b.closedAt), put(&p.base, at, b.base), put(&p.title, at, b.title), put(&p.url, at, b.url),
		merge(&p.mergeSHA, at, b.mergeSHA, g.compareRefs), merge(&p.headSHA, at, b.headSHA, g.compareRefs),
		merge(&p.commits, at, b.commits, func(x, y []int32) int { return slices.CompareFunc(x, y, g.compareRefs) })) {
		p.authorRef = l.author([]byte(p.author.v))
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
		out.V = append(out.V, g.refer(strings.ToLower(text)))
	}
	return out
}

// compareRefs orders nodes by their hashes, none first.
func (g *dag) compareRefs(x, y int32) int {
	if x == y || x == none || y == none {
		return cmp.Compare(x, y)
	}
	return compareSHA(g.at(x).sha, g.at(y).sha)
}

func (l *Ledger) applyReview(b *event.Review) {
	r := l.repo(b.Repo)
	r.mergeReview(r.pullRequest([]byte(b.Number)), review{at: b.SubmittedAt.V, author: l.shared(b.Author), kind: l.shared(b.Kind)})
}

func (r *repository) mergeReview(slot int32, v review) {
	p := r.pulls[slot]
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
		l.explained(b.Digest)
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
	was := d.digest.v
	if put(&d.digest, at, b.Digest) {
		if d.digest.v != "" {
			l.byDigest[d.digest.v] = append(l.byDigest[d.digest.v], d)
		}
		l.explained(was)
		l.explained(d.digest.v)
		l.state.stale[d] = true
	}
	if anyOf(put(&d.service, at, b.Service), put(&d.repo, at, b.Repo), put(&d.sha, at, lower(b.SHA)), merge(&d.manifests, at, keysOf(b.ManifestRepos), slices.Compare)) {
		l.explained(d.digest.v)
		l.state.stale[d] = true
	}
	if anyOf(!ok, put(&d.environment, at, b.Environment), put(&d.outcome, at, b.Outcome), put(&d.startedAt, at, b.StartedAt),
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
		put(&i.repo, at, b.Repo), put(&i.causedBy, at, b.CausedByDeployment), put(&i.digest, at, b.Digest), put(&i.sha, at, lower(b.SHA)),
		put(&i.title, at, b.Title), put(&i.url, at, b.URL), put(&i.openedAt, at, b.OpenedAt), put(&i.resolvedAt, at, b.ResolvedAt)) {
		l.state.incidentsChanged = true
	}
}

// anyOf is "or" that evaluates every operand.
func anyOf(changed ...bool) bool { return slices.Contains(changed, true) }

// keysOf are the keys of some repositories, in order.
func keysOf(o event.Opt[[]string]) event.Opt[[]string] {
	keys := make([]string, 0, len(o.V))
	for _, v := range o.V {
		keys = append(keys, event.RepoKey(v))
	}
	slices.Sort(keys)
	o.V = slices.Compact(keys)
	return o
}

func lower(o event.Opt[string]) event.Opt[string] {
	o.V = strings.ToLower(o.V)
	return o
}
