package devlaketest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func (s *Server) project(method string, rest []string, query url.Values, body map[string]any) (int, any) {
	switch {
	case method == http.MethodPost && len(rest) == 0:
		return s.makeProject(body)
	case method == http.MethodGet && len(rest) == 0:
		return http.StatusOK, s.search(query)
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

// search lists a page of the projects whose names hold a keyword, the youngest
// first. DevLake's pages are of 50 unless it is told otherwise.
func (s *Server) search(query url.Values) map[string]any {
	var names []string
	for name := range s.projects {
		if strings.Contains(strings.ToLower(name), strings.ToLower(query.Get("keyword"))) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	size, page := 50, 1
	if n, err := strconv.Atoi(query.Get("pageSize")); err == nil && n > 0 {
		size = n
	}
	if n, err := strconv.Atoi(query.Get("page")); err == nil && n > 0 {
		page = n
	}
	shown := []*Project{}
	for i := (page - 1) * size; i < min(page*size, len(names)); i++ {
		shown = append(shown, s.copied(s.projects[names[i]]))
	}
	return map[string]any{"projects": shown, "count": len(names)}
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

// copied is a project that nobody else changes, as DevLake shows it: the secrets
// in its blueprint's plan are masked.
func (s *Server) copied(p *Project) *Project {
	text, err := json.Marshal(p)
	if err != nil {
		return nil
	}
	var out Project
	if json.Unmarshal(text, &out) != nil {
		return nil
	}
	if out.Blueprint["plan"] != nil {
		out.Blueprint["plan"] = "masked"
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
			if s.dangling(next) {
				return http.StatusBadRequest, said("error patching the blueprint: cannot find webhook connection: record not found (400)")
			}
			next["id"] = p.Blueprint["id"]
			p.Blueprint = next
		}
		return http.StatusOK, s.copied(p).Blueprint
	}
	return http.StatusNotFound, said("error getting blueprint: record not found (404)")
}

// dangling says that a blueprint names a webhook connection that is not there:
// DevLake stores no such blueprint.
func (s *Server) dangling(blueprint map[string]any) bool {
	if len(s.connections) == 0 {
		return false // the webhook plugin is another server's matter
	}
	list, _ := blueprint["connections"].([]any)
	return slices.ContainsFunc(list, func(v any) bool {
		m, _ := v.(map[string]any)
		id, err := strconv.Atoi(fmt.Sprint(m["connectionId"]))
		return m["pluginName"] == "webhook" && (err != nil || id < 1 || id > len(s.connections) || s.connections[id-1].Name == "")
	})
}

// Plan is the plan of a project's blueprint as it is stored.
func (s *Server) Plan(name string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.projects[name] == nil {
		return nil
	}
	return s.projects[name].Blueprint["plan"]
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
