package history_test

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// The reference derives history as the definitions say it, with sets and
// without any thought of speed. This file merges the reports; the rules stand
// in reference_rules_test.go.

// field is all that was reported about one field of an entity.
type field []told

type told struct {
	at    event.Time
	known bool
	order string // values compare as this
	value any
}

func say[T any](f *field, at event.Time, o event.Opt[T], order func(T) string) {
	if o.Present {
		t := told{at: at, known: o.Known, value: o.V}
		if o.Known {
			t.order = order(o.V)
		}
		*f = append(*f, t)
	}
}

// last is what holds in the end: told last; at one time a value before a null.
func (f field) last() (told, bool) {
	if len(f) == 0 {
		return told{}, false
	}
	t := slices.MaxFunc(f, func(a, b told) int {
		known := func(t told) int {
			if t.known {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(known(a), known(b)), cmp.Compare(a.order, b.order))
	})
	return t, t.known
}

func (f field) text() string {
	if t, ok := f.last(); ok {
		return t.value.(string)
	}
	return ""
}

func (f field) flag() bool {
	if t, ok := f.last(); ok {
		return t.value.(bool)
	}
	return false
}

func (f field) time() event.Time {
	if t, ok := f.last(); ok {
		return t.value.(event.Time)
	}
	return 0
}

func (f field) list() []string {
	if t, ok := f.last(); ok {
		return t.value.([]string)
	}
	return nil
}

func plain(s string) string         { return s }
func clockwise(t event.Time) string { return fmt.Sprintf("%020d", t) }
func byHash(s string) string        { return history.ParseSHA(strings.ToLower(s)).String() }

func byHashes(list []string) string {
	out := ""
	for _, s := range list {
		out += byHash(s)
	}
	return out
}

// entity is a pull request, deployment, incident or artifact by field name.
type entity struct {
	source, id string
	f          map[string]*field
}

func (e *entity) field(name string) *field {
	if e.f[name] == nil {
		e.f[name] = &field{}
	}
	return e.f[name]
}

// refCommit is a commit of the reference.
type refCommit struct {
	sha                 string
	parents             []string
	hasParents          bool
	held                []string // ancestors told without the way to them
	authored, committed event.Time
	paths               map[string]bool
	hasPaths            bool
}

type refRepo struct {
	key, url string
	commits  map[string]*refCommit // reported ones
	pulls    map[string]*entity
	reviews  map[string][]*event.Review
	reached  map[string]map[string]bool
}

// reference is a project's facts.
type reference struct {
	spec        project.Spec
	aside       []*refRow
	rows        []*refRow
	repos       map[string]*refRepo
	deployments map[string]*entity
	incidents   map[string]*entity
	artifacts   map[string]*entity
}

func refer(spec project.Spec, events []event.Event) *reference {
	m := &reference{spec: spec, repos: map[string]*refRepo{}, deployments: map[string]*entity{}, incidents: map[string]*entity{}, artifacts: map[string]*entity{}}
	for _, s := range spec.Services {
		m.repo(s.Repo)
	}
	for _, e := range events {
		m.hear(e)
	}
	return m
}

func (m *reference) repo(url string) *refRepo {
	key := event.RepoKey(url)
	r := m.repos[key]
	if r == nil {
		r = &refRepo{key: key, url: url, commits: map[string]*refCommit{}, pulls: map[string]*entity{}, reviews: map[string][]*event.Review{},
			reached: map[string]map[string]bool{}}
		m.repos[key] = r
	}
	r.url = min(r.url, url)
	return r
}

func known(of map[string]*entity, key, source, id string) *entity {
	if of[key] == nil {
		of[key] = &entity{source: source, id: id, f: map[string]*field{}}
	}
	return of[key]
}

func (m *reference) hear(e event.Event) {
	switch b := e.Body.(type) {
	case *event.Commit:
		m.repo(b.Repo).hear(b)
	case *event.Review:
		r := m.repo(b.Repo)
		known(r.pulls, b.Number, "", b.Number)
		r.reviews[b.Number] = append(r.reviews[b.Number], b)
	case *event.PullRequest:
		p := known(m.repo(b.Repo).pulls, b.Number, "", b.Number)
		say(p.field("author"), e.At, b.Author, plain)
		say(p.field("created"), e.At, b.CreatedAt, clockwise)
		say(p.field("merged"), e.At, b.MergedAt, clockwise)
		say(p.field("closed"), e.At, b.ClosedAt, clockwise)
		say(p.field("merge"), e.At, b.MergeSHA, byHash)
		say(p.field("head"), e.At, b.HeadSHA, byHash)
		say(p.field("title"), e.At, b.Title, plain)
		say(p.field("commits"), e.At, b.Commits, byHashes)
	case *event.Artifact:
		m.repo(b.Repo)
		a := known(m.artifacts, b.Digest, "", b.Digest)
		say(a.field("repo"), e.At, event.Some(b.Repo), plain)
		say(a.field("sha"), e.At, event.Some(b.SHA), plain)
	case *event.Deployment:
		if b.Repo.V != "" {
			m.repo(b.Repo.V)
		}
		d := known(m.deployments, history.Key(e.Source, b.ID), e.Source, b.ID)
		say(d.field("service"), e.At, b.Service, plain)
		say(d.field("environment"), e.At, b.Environment, plain)
		say(d.field("repo"), e.At, b.Repo, plain)
		say(d.field("sha"), e.At, b.SHA, plain)
		say(d.field("digest"), e.At, b.Digest, plain)
		say(d.field("outcome"), e.At, b.Outcome, plain)
		say(d.field("started"), e.At, b.StartedAt, clockwise)
		say(d.field("finished"), e.At, b.FinishedAt, clockwise)
		say(d.field("title"), e.At, b.Title, plain)
		say(d.field("url"), e.At, b.URL, plain)
		say(d.field("unplanned"), e.At, b.Unplanned, func(v bool) string { return fmt.Sprint(v) })
	case *event.Incident:
		i := known(m.incidents, history.Key(e.Source, b.ID), e.Source, b.ID)
		say(i.field("service"), e.At, b.Service, plain)
		say(i.field("environment"), e.At, b.Environment, plain)
		say(i.field("opened"), e.At, b.OpenedAt, clockwise)
		say(i.field("resolved"), e.At, b.ResolvedAt, clockwise)
		say(i.field("cause"), e.At, b.CausedByDeployment, plain)
		say(i.field("digest"), e.At, b.Digest, plain)
		say(i.field("sha"), e.At, b.SHA, plain)
	}
}

func (r *refRepo) hear(b *event.Commit) {
	c := r.commits[b.SHA]
	if c == nil {
		c = &refCommit{sha: b.SHA, paths: map[string]bool{}}
		r.commits[b.SHA] = c
	}
	if b.AuthoredAt.Known && (c.authored == 0 || b.AuthoredAt.V < c.authored) {
		c.authored = b.AuthoredAt.V
	}
	c.committed = max(c.committed, b.CommittedAt.V)
	c.held = append(c.held, b.Ancestors.V...)
	if b.Parents.Known {
		if !c.hasParents || len(b.Parents.V) > len(c.parents) {
			c.parents = b.Parents.V
		}
		c.hasParents = true
	}
	for _, p := range b.Paths.V {
		c.paths[p] = true
	}
	c.hasPaths = c.hasPaths || b.Paths.Known
}

// reach is a commit with all its ancestors, as far as they are known.
func (r *refRepo) reach(sha string) map[string]bool {
	if set, ok := r.reached[sha]; ok {
		return set
	}
	set := map[string]bool{sha: true}
	for todo := []string{sha}; len(todo) > 0; {
		c := r.commits[todo[0]]
		todo = todo[1:]
		if c == nil {
			continue
		}
		for _, p := range slices.Concat(c.parents, c.held) {
			if !set[p] {
				set[p] = true
				todo = append(todo, p)
			}
		}
	}
	r.reached[sha] = set
	return set
}

// find is the reported commit of that hash, or the only one that it abbreviates.
func (r *refRepo) find(text string) string {
	if r.commits[text] != nil {
		return text
	}
	var all []string
	for sha := range r.commits {
		if text != "" && strings.HasPrefix(sha, text) && len(text) != 40 {
			all = append(all, sha)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return ""
}

// touches reports whether a commit is a change of the service: yes, no, or
// that nobody knows.
func (m *reference) touches(service string, r *refRepo, c *refCommit) string {
	v, ok := m.spec.Service(service)
	if !ok || len(v.Paths) == 0 || event.RepoKey(v.Repo) != r.key {
		return "yes"
	}
	for p := range c.paths {
		for _, pattern := range v.Paths {
			dir := strings.TrimSuffix(strings.TrimSuffix(pattern, "/**"), "/")
			if ok, _ := path.Match(pattern, p); ok || p == dir || strings.HasPrefix(p, dir+"/") {
				return "yes"
			}
		}
	}
	if c.hasPaths || len(c.parents) > 1 {
		return "no"
	}
	return "unknown"
}
