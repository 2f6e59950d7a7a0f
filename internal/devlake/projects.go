package devlake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// metric is a plugin that computes for a project.
type metric struct {
	Plugin string `json:"pluginName"`
	Option any    `json:"pluginOption"`
	Enable bool   `json:"enable"`
}

type project struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Metrics     []metric `json:"metrics"`
	Blueprint   struct {
		ID          uint64       `json:"id"`
		Connections []attachment `json:"connections"`
	} `json:"blueprint"`
}

// attachment is a connection of a blueprint, with the scopes that it collects.
type attachment struct {
	Plugin     string    `json:"pluginName"`
	Connection uint64    `json:"connectionId"`
	Scopes     []scopeID `json:"scopes"`
}

type scopeID struct {
	ID string `json:"scopeId"`
}

func (s *setup) projects(ctx context.Context) error {
	for _, p := range s.plan.Projects {
		if err := s.project(ctx, p); err != nil {
			return fmt.Errorf("the project %s: %w", p.Name, err)
		}
	}
	return nil
}

func (s *setup) project(ctx context.Context, p Project) error {
	var there project
	path := "/projects/" + url.PathEscape(p.Name)
	err := s.api.do(ctx, http.MethodGet, path, nil, &there)
	if refused(err, http.StatusNotFound) {
		body := map[string]any{"name": p.Name, "description": "", "metrics": []metric{{"dora", map[string]any{}, true}}}
		if err := s.api.do(ctx, http.MethodPost, "/projects", body, nil); err != nil {
			return err
		}
		s.changed("project made", p.Name)
		err = s.api.do(ctx, http.MethodGet, path, nil, &there)
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(there.Metrics, func(m metric) bool { return m.Plugin == "dora" && m.Enable }) {
		metrics := slices.DeleteFunc(slices.Clone(there.Metrics), func(m metric) bool { return m.Plugin == "dora" })
		body := map[string]any{"name": p.Name, "description": there.Description, "metrics": append(metrics, metric{"dora", map[string]any{}, true})}
		if err := s.api.do(ctx, http.MethodPatch, path, body, nil); err != nil {
			return err
		}
		s.changed("DORA metrics enabled", p.Name)
	}
	return s.attach(ctx, p, there)
}

// attach adds to the project's blueprint what the plan collects for it. What is there beside stays.
func (s *setup) attach(ctx context.Context, p Project, there project) error {
	if there.Blueprint.ID == 0 {
		return errors.New("it has no blueprint; DevLake makes one with each project")
	}
	wanted := map[string][]string{}
	for _, scope := range p.Scopes {
		wanted[scope.Connection] = append(wanted[scope.Connection], s.scopes[scope.Connection][scope.Name])
	}
	connections, missing := there.Blueprint.Connections, false
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		plugin := s.plan.Connections[slices.IndexFunc(s.plan.Connections, func(c Connection) bool { return c.Name == name })].Plugin
		i := slices.IndexFunc(connections, func(a attachment) bool { return a.Plugin == plugin && a.Connection == s.ids[name] })
		if i < 0 {
			connections = append(connections, attachment{Plugin: plugin, Connection: s.ids[name]})
			i, missing = len(connections)-1, true
		}
		for _, id := range wanted[name] {
			if !slices.Contains(connections[i].Scopes, scopeID{id}) {
				connections[i].Scopes = append(connections[i].Scopes, scopeID{id})
				missing = true
			}
		}
	}
	if !missing {
		return nil
	}
	for i := range connections {
		if connections[i].Scopes == nil {
			connections[i].Scopes = []scopeID{}
		}
	}
	if err := s.api.do(ctx, http.MethodPatch, fmt.Sprintf("/blueprints/%d", there.Blueprint.ID), map[string]any{"connections": connections}, nil); err != nil {
		return fmt.Errorf("change its blueprint: %w", err)
	}
	s.changed("blueprint changed", p.Name)
	return nil
}
