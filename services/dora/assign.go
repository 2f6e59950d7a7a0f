package dora

import (
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// assign says to which project each origin belongs. An origin that names a
// project belongs to it. One that does not belongs to the project that its
// repository, or else its service, belongs to: as declared; else as other
// events say; else a repository that nobody claims is a project by itself,
// under its own name. An origin whose project cannot be told has none, and
// waits.
//
// The result depends on the set of origins and declarations, not on their
// order: a claim that arrives later moves earlier events.
func assign(origins []Origin, specs []Declared) map[int64]string {
	c := claims{repos: map[string]string{}, services: map[string]string{}, aliases: map[[2]string]string{}, repoOf: map[string]string{}}
	for _, d := range specs {
		for _, v := range d.Spec.Services {
			if v.Repo != "" {
				least(c.repos, event.RepoKey(v.Repo), d.Spec.Project)
			}
			least(c.services, v.Name, d.Spec.Project)
		}
		for _, a := range d.Spec.Aliases {
			k := [2]string{a.Source, a.Name}
			if old, ok := c.aliases[k]; !ok || d.Spec.Project < old {
				c.aliases[k] = d.Spec.Project
			}
		}
	}
	seen := claims{repos: map[string]string{}, services: map[string]string{}}
	for _, o := range origins {
		repo := event.RepoKey(o.Repo)
		switch {
		case o.Project != "":
			least(seen.repos, repo, o.Project)
			least(seen.services, o.Service, o.Project)
		case o.Service != "" && repo != "":
			least(c.repoOf, o.Service, repo)
		}
	}
	for repo, p := range seen.repos {
		if _, declared := c.repos[repo]; !declared {
			c.repos[repo] = p
		}
	}
	for service, p := range seen.services {
		if _, declared := c.services[service]; !declared {
			c.services[service] = p
		}
	}
	out := make(map[int64]string, len(origins))
	for _, o := range origins {
		out[o.ID] = c.project(o)
	}
	return out
}

// claims maps repositories (by key) and services to projects.
type claims struct {
	repos, services map[string]string
	aliases         map[[2]string]string // source and name
	repoOf          map[string]string    // service -> repository, from events that name no project
}

// least keeps the smallest value of a key, so that order does not show.
func least(m map[string]string, key, value string) {
	if key == "" {
		return
	}
	if old, ok := m[key]; !ok || value < old {
		m[key] = value
	}
}

func (c claims) project(o Origin) string {
	if o.Project != "" {
		return o.Project
	}
	if repo := event.RepoKey(o.Repo); repo != "" {
		return c.ofRepo(repo)
	}
	if o.Service == "" {
		return ""
	}
	source, _, _ := strings.Cut(o.Source, ":")
	for _, by := range []string{source, ""} {
		if p, ok := c.aliases[[2]string{by, o.Service}]; ok {
			return p
		}
	}
	if p, ok := c.services[o.Service]; ok {
		return p
	}
	if repo, ok := c.repoOf[o.Service]; ok {
		return c.ofRepo(repo)
	}
	return ""
}

func (c claims) ofRepo(repo string) string {
	if p, ok := c.repos[repo]; ok {
		return p
	}
	return nameFor(repo)
}

// nameFor makes a project's name of a repository's.
func nameFor(repo string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, event.RepoName(repo))
	name = strings.TrimLeft(name, "._-")
	if len(name) > 128 {
		name = name[:128]
	}
	if !project.ValidName(name) {
		return "unnamed"
	}
	return name
}
