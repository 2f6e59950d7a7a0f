package history

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// A projection is stored in blocks: a block holds what one lane, repository or
// project did in one month, so that one more event rewrites a few small blocks
// however long the history is. Equal facts give equal blocks, byte for byte.
//
// Keys: "d/<service>/<environment>/<month>" deployments with their changes,
// "p/<service>/<environment>/<repo>/<month>" changes that wait,
// "r/<repo>/<month>" pull requests, "i/<month>" incidents, "m" the summary.

// Delta is what a settling changed.
type Delta struct {
	Changed map[string][]byte
	Deleted []string
}

// Summary says what has been seen of a project at all.
type Summary struct {
	Repositories []RepositorySummary `json:"repositories"`
	Services     []ServiceSummary    `json:"services"`
	Entities     map[event.Type]int  `json:"entities"` // distinct ones, by type
	FirstAt      Time                `json:"first_at"`
	LastAt       Time                `json:"last_at"`
}

// RepositorySummary describes one repository.
type RepositorySummary struct {
	URL          string   `json:"url"`
	Commits      int      `json:"commits"`
	PullRequests int      `json:"pull_requests"`
	Builds       int      `json:"builds"`
	Services     []string `json:"services"` // deployed from it, or declared for it
}

// ServiceSummary describes one service as it was seen or declared.
type ServiceSummary struct {
	Name         string   `json:"name"`
	Team         string   `json:"team,omitempty"`
	Repositories []string `json:"repositories"`
	Environments []string `json:"environments"`
}

type blockSum struct {
	heads uint64   // of the rows without their changes
	sum   [16]byte // of the whole block
}

type encoder struct {
	s     *derived
	out   Delta
	group map[string]blockSum
	last  map[string]blockSum
}

// encode writes the blocks of what may have changed; nil means that nothing
// but the counts did.
func (l *Ledger) encode(changed map[string]bool) Delta {
	e := &encoder{s: &l.state, out: Delta{Changed: map[string][]byte{}}}
	if changed != nil {
		groups := map[string]bool{"i": true}
		for _, ln := range l.state.lanes {
			groups[e.lane(ln)] = true
			for key, p := range ln.pending {
				groups[e.pending(p, key, changed[key])] = true
			}
		}
		for id, p := range l.state.never {
			_, key, _ := strings.Cut(id, "\x00")
			groups[e.pending(p, key, changed[key])] = true
		}
		for key, prs := range l.state.prs {
			groups[e.pullRequests(key, prs, changed[key])] = true
		}
		e.incidents(l.state.incidents)
		for name, blocks := range l.state.groups {
			if !groups[name] && name != "m" {
				e.out.Deleted = append(e.out.Deleted, slices.Collect(maps.Keys(blocks))...)
				delete(l.state.groups, name)
			}
		}
	}
	e.summary(l)
	slices.Sort(e.out.Deleted)
	return e.out
}

func (e *encoder) open(name string) {
	e.last = e.s.groups[name]
	e.group = make(map[string]blockSum, len(e.last))
}

func (e *encoder) close(name string) string {
	for key := range e.last {
		if _, ok := e.group[key]; !ok {
			e.out.Deleted = append(e.out.Deleted, key)
		}
	}
	e.s.groups[name] = e.group
	return name
}

func (e *encoder) put(key string, heads uint64, block []byte) {
	full := sha256.Sum256(block)
	sum := blockSum{heads: heads, sum: [16]byte(full[:16])}
	if old, ok := e.last[key]; !ok || old.sum != sum.sum {
		e.out.Changed[key] = block
	}
	e.group[key] = sum
}

func month(t Time) string {
	if t == 0 {
		return "open"
	}
	return t.Std().Format("2006-01")
}

// runs cuts rows, which are in order of time, into those of each month.
func runs[R any](rows []R, at func(R) Time, f func(month string, rows []R)) {
	for len(rows) > 0 {
		m := month(at(rows[0]))
		n := slices.IndexFunc(rows, func(r R) bool { return month(at(r)) != m })
		if n < 0 {
			n = len(rows)
		}
		f(m, rows[:n])
		rows = rows[n:]
	}
}

func blockKey(parts ...string) string {
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

func (e *encoder) lane(ln *lane) string {
	name := blockKey("d", ln.service, ln.environment)
	e.open(name)
	runs(ln.rows, func(r *row) Time { return r.FinishedAt }, func(m string, rows []*row) {
		key := name + "/" + m
		same := true
		w := newWriter()
		for _, r := range rows {
			same = same && (r.same || len(r.Changes) == 0)
			w.head(&r.Deployment)
			w.uint(uint64(len(r.Changes)))
		}
		heads := maphash.Bytes(e.s.seed, w.b)
		if old, ok := e.last[key]; ok && same && old.heads == heads {
			e.group[key] = old
			return
		}
		w = newWriter()
		w.text(ln.service)
		w.text(ln.environment)
		w.uint(uint64(len(rows)))
		for _, r := range rows {
			w.head(&r.Deployment)
			w.changes(r.PullRequests, r.Changes, r.LongSHAs)
		}
		e.put(key, heads, w.b)
	})
	return e.close(name)
}

func (e *encoder) pending(p *Pending, repo string, changed bool) string {
	name := blockKey("p", p.Service, p.Environment, repo)
	if old, ok := e.s.groups[name]; ok && !changed {
		e.s.groups[name] = old
		return name
	}
	e.open(name)
	runs(p.Changes, func(c Change) Time { return c.CommittedAt }, func(m string, changes []Change) {
		part := Pending{LongSHAs: p.LongSHAs, Changes: slices.Clone(changes)}
		local := map[int32]int32{}
		for i := range part.Changes {
			c := &part.Changes[i]
			if c.PR == none {
				continue
			}
			k, ok := local[c.PR]
			if !ok {
				k = int32(len(part.PullRequests))
				local[c.PR] = k
				part.PullRequests = append(part.PullRequests, p.PullRequests[c.PR])
			}
			c.PR = k
		}
		w := newWriter()
		w.flags(p.Production, len(p.LongSHAs) > 0)
		w.text(p.Service)
		w.text(p.Environment)
		w.text(p.Repo)
		w.changes(part.PullRequests, part.Changes, part.LongSHAs)
		e.put(name+"/"+m, 0, w.b)
	})
	return e.close(name)
}

func (e *encoder) pullRequests(repo string, prs []*PullRequest, changed bool) string {
	name := blockKey("r", repo)
	if !changed && e.s.groups[name] != nil {
		return name
	}
	e.open(name)
	runs(prs, func(p *PullRequest) Time { return p.CreatedAt }, func(m string, rows []*PullRequest) {
		w := newWriter()
		w.text(rows[0].Repo)
		w.uint(uint64(len(rows)))
		for _, p := range rows {
			w.pullRequest(p)
		}
		e.put(name+"/"+m, 0, w.b)
	})
	return e.close(name)
}

func (e *encoder) incidents(incidents []*Incident) {
	e.open("i")
	runs(incidents, func(i *Incident) Time { return i.OpenedAt }, func(m string, rows []*Incident) {
		w := newWriter()
		w.uint(uint64(len(rows)))
		for _, i := range rows {
			w.incident(i)
		}
		e.put("i/"+m, 0, w.b)
	})
	e.close("i")
}

func (e *encoder) summary(l *Ledger) {
	b, err := json.Marshal(l.Summary())
	if err != nil {
		panic(fmt.Sprintf("history: marshal summary: %v", err)) // plain data: cannot happen
	}
	e.open("m")
	e.put("m", 0, b)
	e.close("m")
}

// Summary says what has been seen of the project at all.
func (l *Ledger) Summary() Summary {
	s := Summary{FirstAt: l.firstAt, LastAt: l.lastAt, Repositories: []RepositorySummary{}, Services: []ServiceSummary{}}
	s.Entities = map[event.Type]int{
		event.TypeDeployment: len(l.deployments), event.TypeIncident: len(l.incidents), event.TypeArtifact: len(l.artifacts),
	}
	type seen struct{ repos, environments map[string]bool }
	services := map[string]*seen{}
	service := func(name string) *seen {
		v := services[name]
		if v == nil {
			v = &seen{map[string]bool{}, map[string]bool{}}
			services[name] = v
		}
		return v
	}
	byRepo := map[string]map[string]bool{}
	use := func(name string, r *repository) {
		service(name).repos[r.url] = true
		if byRepo[r.key] == nil {
			byRepo[r.key] = map[string]bool{}
		}
		byRepo[r.key][name] = true
	}
	for _, v := range l.spec.Services {
		service(v.Name)
		if v.Repo != "" {
			use(v.Name, l.repos[event.RepoKey(v.Repo)])
		}
	}
	for _, ln := range l.state.lanes {
		service(ln.service).environments[ln.environment] = true
		for _, r := range ln.rows {
			if r.repository != nil {
				use(ln.service, r.repository)
			}
		}
	}
	for _, r := range l.repositories() {
		commits := 0
		for _, f := range r.dag.flags {
			if f&present != 0 {
				commits++
			}
		}
		s.Repositories = append(s.Repositories, RepositorySummary{
			URL: r.url, Commits: commits, PullRequests: len(r.prs), Builds: len(r.builds), Services: sorted(byRepo[r.key]),
		})
		s.Entities[event.TypeCommit] += commits
		s.Entities[event.TypePullRequest] += len(r.prs)
		s.Entities[event.TypeBuild] += len(r.builds)
		for _, p := range r.prs {
			s.Entities[event.TypeReview] += len(p.reviews)
		}
	}
	for _, name := range sorted(services) {
		v := services[name]
		declared, _ := l.spec.Service(name)
		s.Services = append(s.Services, ServiceSummary{Name: name, Team: declared.Team, Repositories: sorted(v.repos), Environments: sorted(v.environments)})
	}
	return s
}

func sorted[V any](set map[string]V) []string {
	out := slices.Sorted(maps.Keys(set))
	if out == nil {
		out = []string{}
	}
	return out
}
