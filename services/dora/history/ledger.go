package history

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// Ledger holds what has been reported about one project, merged entity by
// entity, and the history derived from it. It is not safe for concurrent use.
type Ledger struct {
	spec project.Spec
	salt []byte

	repos       map[string]*repository // by event.RepoKey
	deployments map[string]*deploymentFacts
	incidents   map[string]*incidentFacts
	artifacts   map[string]*artifactFacts
	authors     map[string]AuthorRef

	firstAt   Time
	lastAt    Time
	lastEntry event.PackedCommit // scratch

	state derived
}

type repository struct {
	key, url string
	dag      *dag
	services []project.Service // declared with paths, in the order of their bits
	prs      map[string]*pullRequestFacts
	builds   map[string]struct{}

	prsChanged bool
	renamed    bool // another spelling of its URL is shown
	view       repositoryView
}

type pullRequestFacts struct {
	number                        string
	author, mergeSHA, headSHA     register[string]
	base, title, url              register[string]
	createdAt, mergedAt, closedAt register[Time]
	commits                       register[[]string]
	reviews                       map[reviewKey]Time
}

type reviewKey struct {
	author, kind string
	at           Time
}

type deploymentFacts struct {
	source, id                      string
	service, environment, repo, sha register[string]
	digest, outcome, title, url     register[string]
	startedAt, finishedAt           register[Time]
	unplanned                       register[bool]
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

// NewLedger makes an empty ledger. salt makes author references pseudonyms
// that only this installation can compare.
func NewLedger(spec project.Spec, salt []byte) *Ledger {
	l := &Ledger{
		spec: spec, salt: salt,
		repos:       map[string]*repository{},
		deployments: map[string]*deploymentFacts{},
		incidents:   map[string]*incidentFacts{},
		artifacts:   map[string]*artifactFacts{},
		authors:     map[string]AuthorRef{},
	}
	l.state.init()
	for _, s := range spec.Services {
		if s.Repo != "" {
			l.repo(s.Repo)
		}
	}
	return l
}

// repo returns the repository of that URL. Of several spellings of one
// repository the least is shown.
func (l *Ledger) repo(url string) *repository {
	key := event.RepoKey(url)
	r, ok := l.repos[key]
	if !ok {
		r = &repository{key: key, url: url, dag: newDAG(), prs: map[string]*pullRequestFacts{}, builds: map[string]struct{}{}}
		for _, s := range l.spec.Services {
			if event.RepoKey(s.Repo) == key && len(s.Paths) > 0 {
				r.services = append(r.services, s)
			}
		}
		if len(r.services) > 0 {
			r.dag.touches = []uint64{}
		}
		l.repos[key] = r
		l.state.reposChanged = true
	}
	if url < r.url {
		r.url, r.renamed = url, true
		l.state.reposChanged = true
	}
	return r
}

func (l *Ledger) saw(at Time) {
	if at > 0 && (l.firstAt == 0 || at < l.firstAt) {
		l.firstAt = at
	}
	l.lastAt = max(l.lastAt, at)
}

// ApplyPacked merges a report as it stands in the log.
func (l *Ledger) ApplyPacked(t event.Type, source string, at Time, packed []byte) error {
	if t == event.TypeCommit {
		if err := l.lastEntry.Unpack(packed); err != nil {
			return err
		}
		l.applyCommit(&l.lastEntry)
		l.saw(at)
		return nil
	}
	body, err := event.Unpack(t, packed)
	if err != nil {
		return err
	}
	l.apply(source, at, body)
	return nil
}

// Apply merges a report. Applying it again, or in another order, changes
// nothing.
func (l *Ledger) Apply(e event.Event) error {
	packed, err := event.Pack(e.Body)
	if err != nil {
		return err
	}
	return l.ApplyPacked(e.Body.Type(), e.Source, e.At, packed)
}

func (l *Ledger) apply(source string, at Time, body event.Body) {
	l.saw(at)
	switch b := body.(type) {
	case *event.PullRequest:
		l.applyPullRequest(at, b)
	case *event.Review:
		r := l.repo(b.Repo)
		p := r.pullRequest(b.Number)
		k := reviewKey{author: b.Author, kind: b.Kind, at: b.SubmittedAt.V}
		if _, ok := p.reviews[k]; !ok {
			p.reviews[k] = b.SubmittedAt.V
			r.prsChanged = true
		}
	case *event.Build:
		l.repo(b.Repo).builds[Key(source, b.Entity())] = struct{}{}
	case *event.Artifact:
		l.applyArtifact(at, b)
	case *event.Deployment:
		l.applyDeployment(source, at, b)
	case *event.Incident:
		l.applyIncident(source, at, b)
	}
}

func (l *Ledger) applyCommit(c *event.PackedCommit) {
	r := l.repo(string(c.Repo))
	var touched uint64
	for i, s := range r.services {
		for _, p := range c.Paths {
			if s.Touches(string(p)) {
				touched |= 1 << i
				break
			}
		}
	}
	r.dag.add(c, l.author(c.Author), touched)
}

// author gives the pseudonym of an author: a keyed hash of the folded name.
func (l *Ledger) author(name []byte) AuthorRef {
	if len(name) == 0 {
		return 0
	}
	if a, ok := l.authors[string(name)]; ok {
		return a
	}
	m := hmac.New(sha256.New, l.salt)
	m.Write([]byte(strings.ToLower(strings.TrimSpace(string(name)))))
	a := AuthorRef(binary.BigEndian.Uint64(m.Sum(nil)) | 1)
	l.authors[string(name)] = a
	return a
}

func (r *repository) pullRequest(number string) *pullRequestFacts {
	p, ok := r.prs[number]
	if !ok {
		p = &pullRequestFacts{number: number, reviews: map[reviewKey]Time{}}
		r.prs[number] = p
		r.prsChanged = true
	}
	return p
}

func (l *Ledger) applyPullRequest(at Time, b *event.PullRequest) {
	r := l.repo(b.Repo)
	p := r.pullRequest(b.Number)
	changed := anyOf(
		put(&p.author, at, b.Author), put(&p.createdAt, at, b.CreatedAt), put(&p.mergedAt, at, b.MergedAt),
		put(&p.closedAt, at, b.ClosedAt), put(&p.mergeSHA, at, lower(b.MergeSHA)), put(&p.headSHA, at, lower(b.HeadSHA)),
		put(&p.base, at, b.Base), put(&p.title, at, b.Title), put(&p.url, at, b.URL),
		putList(&p.commits, at, lowerAll(b.Commits)))
	if changed {
		r.prsChanged = true
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
		l.state.deploymentsChanged = true
	}
}

func (l *Ledger) applyDeployment(source string, at Time, b *event.Deployment) {
	k := Key(source, b.ID)
	d, ok := l.deployments[k]
	if !ok {
		d = &deploymentFacts{source: source, id: b.ID}
		l.deployments[k] = d
	}
	if b.Repo.V != "" {
		l.repo(b.Repo.V)
	}
	if anyOf(!ok, put(&d.service, at, b.Service), put(&d.environment, at, b.Environment), put(&d.repo, at, b.Repo),
		put(&d.sha, at, lower(b.SHA)), put(&d.digest, at, b.Digest), put(&d.outcome, at, b.Outcome),
		put(&d.startedAt, at, b.StartedAt), put(&d.finishedAt, at, b.FinishedAt), putFlag(&d.unplanned, at, b.Unplanned),
		put(&d.title, at, b.Title), put(&d.url, at, b.URL)) {
		l.state.deploymentsChanged = true
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

func lowerAll(o event.Opt[[]string]) event.Opt[[]string] {
	out := make([]string, len(o.V))
	for i, s := range o.V {
		out[i] = strings.ToLower(s)
	}
	o.V = out
	return o
}

// repositories lists the repositories by key.
func (l *Ledger) repositories() []*repository {
	return slices.SortedFunc(maps.Values(l.repos), func(a, b *repository) int { return cmp.Compare(a.key, b.key) })
}
