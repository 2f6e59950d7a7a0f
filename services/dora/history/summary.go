package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Summary says what has been seen of a project at all.
type Summary struct {
	Repositories []RepositorySummary `json:"repositories"`
	Services     []ServiceSummary    `json:"services"`
	Entities     map[event.Type]int  `json:"entities"` // distinct ones, by type
	FirstAt      Time                `json:"first_at,omitzero"`
	LastAt       Time                `json:"last_at,omitzero"`
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

func (l *Ledger) encodeSummary(e *encoder) {
	b, err := json.Marshal(l.Summary())
	if err != nil {
		//nolint:forbidigo // a fault of the program, not of its input
		panic(fmt.Sprintf("history: marshal summary: %v", err)) // plain data: cannot happen
	}
	if s := &l.state; !s.settled || !bytes.Equal(b, s.summary) {
		e.give("m", b)
		s.summary, s.settled = b, true
	}
}

// Summary says what has been seen of the project at all, as of the last
// settling.
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
		for _, r := range ln.from {
			use(ln.service, r)
		}
	}
	for _, r := range l.repositories() {
		s.Repositories = append(s.Repositories, RepositorySummary{
			URL: r.url, Commits: r.dag.commits, PullRequests: len(r.pulls), Builds: len(r.builds), Services: sorted(byRepo[r.key]),
		})
		s.Entities[event.TypeCommit] += r.dag.commits
		s.Entities[event.TypePullRequest] += len(r.pulls)
		s.Entities[event.TypeBuild] += len(r.builds)
		s.Entities[event.TypeReview] += r.reviews
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
