package devlaketest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

func (s *Server) project(method string, rest []string, body map[string]any) (int, any) {
	if method == http.MethodPost && len(rest) == 0 {
		return s.makeProject(body)
	}
	if len(rest) != 1 {
		return http.StatusNotFound, said("404 page not found")
	}
	p := s.projects[rest[0]]
	if p == nil {
		return http.StatusNotFound, said("error getting project: could not find project [" + rest[0] + "] in DB (404)")
	}
	if method == http.MethodPatch {
		p.Description = text(body, "description")
		if m, ok := metrics(body); ok { // all of them are replaced
			p.Metrics = m
		}
		return http.StatusCreated, s.copied(p)
	}
	return http.StatusOK, s.copied(p)
}

func metrics(body map[string]any) ([]map[string]any, bool) {
	list, ok := body["metrics"].([]any)
	var out []map[string]any
	for _, v := range list {
		m, _ := v.(map[string]any)
		out = append(out, maps.Clone(m))
	}
	return out, ok && len(list) > 0
}

func (s *Server) makeProject(body map[string]any) (int, any) {
	name := text(body, "name")
	if name == "" || len(name) > 100 {
		return http.StatusBadRequest, said("Project name is too long. (400)")
	}
	if s.projects[name] != nil {
		return http.StatusBadRequest, said("error creating project: A project with name [" + name + "] already exists (400)")
	}
	p := &Project{Name: name, Description: text(body, "description")}
	p.Metrics, _ = metrics(body)
	s.blueprints++
	p.Blueprint = map[string]any{"id": s.blueprints, "name": name + "-Blueprint", "projectName": name, "mode": "NORMAL", "enable": true,
		"cronConfig": "0 0 * * *", "isManual": false, "skipOnFail": false, "connections": []any{}}
	s.projects[name] = p
	return http.StatusCreated, s.copied(p)
}

// copied is a project that nobody else changes.
func (s *Server) copied(p *Project) *Project {
	text, err := json.Marshal(p)
	if err != nil {
		return nil
	}
	var out Project
	if json.Unmarshal(text, &out) != nil {
		return nil
	}
	return &out
}

func (s *Server) blueprint(method string, rest []string, body map[string]any) (int, any) {
	if method == http.MethodPost && len(rest) == 0 {
		p := s.projects[text(body, "projectName")]
		if p == nil || text(body, "mode") == "" {
			return http.StatusBadRequest, said("error creating blueprint (400)")
		}
		s.blueprints++
		p.Blueprint = maps.Clone(body)
		p.Blueprint["id"] = s.blueprints
		return http.StatusCreated, p.Blueprint
	}
	for _, p := range s.projects {
		if len(rest) != 1 || p.Blueprint == nil || fmt.Sprint(p.Blueprint["id"]) != rest[0] {
			continue
		}
		if method == http.MethodPatch {
			if body["mode"] != nil && body["mode"] != p.Blueprint["mode"] {
				return http.StatusInternalServerError, said("mode is not updatable")
			}
			next := maps.Clone(p.Blueprint)
			maps.Copy(next, body)
			next["id"] = p.Blueprint["id"]
			p.Blueprint = next
		}
		return http.StatusOK, s.copied(p).Blueprint
	}
	return http.StatusNotFound, said("error getting blueprint: record not found (404)")
}

// SetFail changes Fail while the server runs.
func (s *Server) SetFail(f func(r *http.Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Fail = f
}

// Add puts a project there, as somebody made it by hand.
func (s *Server) Add(p Project) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Blueprint != nil {
		s.blueprints++
		p.Blueprint["id"] = s.blueprints
	}
	s.projects[p.Name] = &p
}

// RemoveConnection takes a webhook connection away; its id is not used again.
func (s *Server) RemoveConnection(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.connections {
		if s.connections[i].Name == name {
			s.connections[i].Name = ""
		}
	}
}

// Project is a project as it is now; nil when there is none.
func (s *Server) Project(name string) *Project {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.projects[name] == nil {
		return nil
	}
	return s.copied(s.projects[name])
}

// Attached lists the names of the webhook connections of a project's blueprint.
func (s *Server) Attached(name string) []string {
	p := s.Project(name)
	if p == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list, _ := p.Blueprint["connections"].([]any)
	var out []string
	for _, v := range list {
		m, _ := v.(map[string]any)
		id, err := strconv.Atoi(fmt.Sprint(m["connectionId"]))
		if m["pluginName"] == "webhook" && err == nil && id <= len(s.connections) {
			out = append(out, s.connections[id-1].Name)
		}
	}
	slices.Sort(out)
	return out
}

// Connections lists the names of the webhook connections.
func (s *Server) Connections() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, c := range s.connections {
		out = append(out, c.Name)
	}
	slices.Sort(out)
	return out
}

// Deployments are the rows of cicd_deployments by id.
func (s *Server) Deployments() map[string]map[string]any { return s.rows(s.deployments) }

// Commits are the rows of cicd_deployment_commits by id.
func (s *Server) Commits() map[string]map[string]any { return s.rows(s.commits) }

// Issues are the rows of issues by id.
func (s *Server) Issues() map[string]map[string]any { return s.rows(s.issues) }

// PullRequests are the rows of pull_requests by id.
func (s *Server) PullRequests() map[string]map[string]any { return s.rows(s.pulls) }

func (s *Server) rows(m map[string]map[string]any) map[string]map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(m)
}

// Requests counts what took effect, by method and the first parts of the path.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// Paths lists all requests with a good key in their order, those that failed included.
func (s *Server) Paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.paths)
}
