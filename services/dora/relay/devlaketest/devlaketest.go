// Package devlaketest is a server in the shape of Apache DevLake, for tests: the
// routes, checks, answers and row keys of its webhook plugin, its projects and
// its blueprints, kept in memory. DevLake itself needs MySQL and containers.
//
// It can be told to fail as networks and servers do: see Server.Fail.
package devlaketest

import (
	"crypto/md5" //nolint:gosec // the row keys of DevLake are made with it
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// Key is the API key that the server takes.
const Key = "a-devlake-api-key-for-tests"

// Fault is what befalls a request.
type Fault struct {
	Status     int           // answered instead of 200
	RetryAfter string        // header beside Status
	Before     bool          // with a Status, or with Cut: before the request took effect; else after
	Cut        bool          // the connection is cut instead of an answer
	Delay      time.Duration // before the request takes effect, whether or not the caller still waits
	Message    string
}

// Server is a DevLake in memory.
type Server struct {
	URL string
	// Fail is asked about every request with a good key; nil for no faults.
	Fail func(r *http.Request) *Fault

	http *httptest.Server
	wg   sync.WaitGroup

	mu          sync.Mutex
	connections []connection
	projects    map[string]*Project
	blueprints  uint64
	deployments map[string]map[string]any
	commits     map[string]map[string]any
	issues      map[string]map[string]any
	pulls       map[string]map[string]any
	requests    map[string]int
	paths       []string
}

type connection struct {
	ID        uint64    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
}

// Project is a project with its blueprint.
type Project struct {
	Name        string           `json:"name"`
	Description string           `json:"description"`
	Metrics     []map[string]any `json:"metrics"`
	Blueprint   map[string]any   `json:"blueprint"`
}

// New starts a server below a prefix: "" as DevLake itself answers (/rest/…),
// "/api" as behind the proxy of its user interface (/api/rest/…).
func New(t testing.TB, prefix string) *Server {
	t.Helper()
	s := &Server{projects: map[string]*Project{}, requests: map[string]int{}, deployments: map[string]map[string]any{},
		commits: map[string]map[string]any{}, issues: map[string]map[string]any{}, pulls: map[string]map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc(prefix+"/rest/", func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, strings.TrimPrefix(r.URL.Path, prefix+"/rest"))
	})
	if prefix != "" { // the user interface answers every other path with its page
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!doctype html><title>DevLake</title>")
		})
	}
	s.http = httptest.NewServer(mux)
	s.URL = s.http.URL
	t.Cleanup(func() {
		s.http.CloseClientConnections()
		s.http.Close()
		s.wg.Wait()
	})
	return s
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, path string) {
	header := r.Header.Get("Authorization")
	key := strings.TrimPrefix(header, "Bearer ")
	switch {
	case header == "":
		answer(w, http.StatusUnauthorized, "token is missing")
		return
	case key == header || key == "":
		answer(w, http.StatusUnauthorized, "token is not present or malformed")
		return
	case key != Key:
		answer(w, http.StatusForbidden, "api key is invalid")
		return
	}
	var body map[string]any
	if r.Body != nil {
		dec := json.NewDecoder(r.Body)
		if err := dec.Decode(&body); err != nil && err.Error() != "EOF" {
			answer(w, http.StatusInternalServerError, err.Error())
			return
		}
	}
	s.mu.Lock()
	fail := s.Fail
	s.paths = append(s.paths, r.Method+" "+path)
	s.mu.Unlock()
	var f *Fault
	if fail != nil {
		f = fail(r)
	}
	if f == nil && r.URL.RawPath != "" {
		// DevLake takes /rest off the path alone, and routes by the escaped one.
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	if f == nil {
		status, out := s.handle(r.Method, path, r.URL.Query(), body)
		write(w, status, out)
		return
	}
	s.wg.Add(1)
	done := make(chan struct{})
	var status int
	var out any
	go func() { // as DevLake does, whether or not the caller still waits
		defer s.wg.Done()
		defer close(done)
		if f.Delay > 0 {
			t := time.NewTimer(f.Delay)
			<-t.C
		}
		if !f.Before {
			status, out = s.handle(r.Method, path, r.URL.Query(), body)
		}
	}()
	select {
	case <-done:
	case <-r.Context().Done():
		return
	}
	switch {
	case f.Cut:
		cutOff(w)
	case f.Status != 0:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		answer(w, f.Status, f.Message)
	default:
		write(w, status, out)
	}
}

// cutOff ends the connection without an answer.
func cutOff(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if c, _, err := h.Hijack(); err == nil {
			_ = c.Close() // that is the point
		}
	}
}

func write(w http.ResponseWriter, status int, out any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out) // the caller may have gone
}

func answer(w http.ResponseWriter, status int, message string) { write(w, status, said(message)) }

func said(message string) map[string]any {
	return map[string]any{"code": 0, "success": false, "message": message, "causes": nil, "data": nil}
}

func (s *Server) handle(method, path string, query url.Values, body map[string]any) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := strings.Split(strings.Trim(path, "/"), "/")
	s.requests[method+" "+strings.Join(parts[:min(len(parts), 3)], "/")]++
	switch {
	case len(parts) >= 3 && parts[0] == "plugins" && parts[1] == "webhook" && parts[2] == "connections":
		return s.webhook(method, parts[3:], body)
	case parts[0] == "projects":
		return s.project(method, parts[1:], query, body)
	case parts[0] == "blueprints":
		return s.blueprint(method, parts[1:], body)
	}
	return http.StatusNotFound, said("404 page not found")
}

func success() map[string]any { return map[string]any{"success": true, "message": "success"} }

func (s *Server) webhook(method string, rest []string, body map[string]any) (int, any) {
	if len(rest) == 0 {
		if method == http.MethodGet {
			return http.StatusOK, slices.DeleteFunc(append([]connection{}, s.connections...), func(c connection) bool { return c.Name == "" })
		}
		name := text(body, "name")
		if name == "" {
			return http.StatusBadRequest, said("Key: 'WebhookConnection.BaseConnection.Name' Error:Field validation for 'Name' failed on the 'required' tag (400)")
		}
		for _, c := range s.connections {
			if c.Name == name {
				return http.StatusBadRequest, said("A webhook with name " + name + " already exists. (400)")
			}
		}
		c := connection{ID: uint64(len(s.connections)) + 1, Name: name, CreatedAt: time.Now()} //nolint:forbidigo // as a server of its own
		s.connections = append(s.connections, c)
		return http.StatusOK, c
	}
	id, err := strconv.ParseUint(rest[0], 10, 64)
	if err != nil || id < 1 {
		return http.StatusBadRequest, said("invalid connectionId (400)")
	}
	if id > uint64(len(s.connections)) || s.connections[id-1].Name == "" {
		return http.StatusNotFound, said("record not found (404)")
	}
	switch strings.Join(rest[1:], "/") {
	case "":
		return http.StatusOK, s.connections[id-1]
	case "deployments":
		return s.deployment(id, body)
	case "issues":
		return s.issue(id, body)
	case "pull_requests":
		return s.pull(id, body)
	}
	return http.StatusNotFound, said("404 page not found")
}

func text(body map[string]any, name string) string {
	v, _ := body[name].(string)
	return v
}

// lacks names the first field that is required and missing, or is no time.
func lacks(body map[string]any, fields ...string) string {
	for _, f := range fields {
		v := text(body, f)
		if n, ok := body[f].(float64); ok && n != 0 {
			continue
		}
		if v == "" {
			return f
		}
		if strings.HasSuffix(f, "Date") {
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				return f
			}
		}
	}
	return ""
}

// tooLong names a column whose value has more characters than it takes.
func tooLong(columns map[string]string, most int) string {
	for name, v := range columns {
		if utf8.RuneCountInString(v) > most {
			return name
		}
	}
	return ""
}

func invalid(field string) (int, any) {
	return http.StatusBadRequest, said("input json error (400): Field validation for '" + field + "' failed")
}

func (s *Server) deployment(connection uint64, body map[string]any) (int, any) {
	if f := lacks(body, "id", "startedDate", "finishedDate"); f != "" {
		return invalid(f)
	}
	switch text(body, "environment") {
	case "", "PRODUCTION", "STAGING", "TESTING", "DEVELOPMENT":
	default:
		return invalid("Environment")
	}
	list, _ := body["deploymentCommits"].([]any)
	if len(list) == 0 {
		return http.StatusBadRequest, said("deployment_commits is empty (400)")
	}
	for _, v := range list {
		c, _ := v.(map[string]any)
		if f := lacks(c, "repoUrl", "commitSha", "startedDate", "finishedDate"); f != "" {
			return invalid(f)
		}
	}
	for _, v := range list {
		c, _ := v.(map[string]any)
		sum := fmt.Sprintf("%x", md5.Sum([]byte(text(c, "repoUrl"))))[:16] //nolint:gosec // as DevLake does
		key := fmt.Sprintf("webhook:%d:%s:%s:%s", connection, text(body, "id"), sum, text(c, "commitSha"))
		if len(key) > 255 {
			return http.StatusInternalServerError, said("Data too long for column 'id'")
		}
		row := maps.Clone(c)
		row["cicdDeploymentId"] = body["id"]
		s.commits[key] = row
	}
	row := maps.Clone(body)
	row["scope"] = fmt.Sprintf("webhook:%d", connection)
	s.deployments[text(body, "id")] = row
	return http.StatusOK, success()
}

func (s *Server) issue(connection uint64, body map[string]any) (int, any) {
	if f := lacks(body, "issueKey", "title", "originalStatus", "createdDate"); f != "" {
		return http.StatusBadRequest, "Field validation for '" + f + "' failed"
	}
	switch text(body, "status") {
	case "TODO", "DONE", "IN_PROGRESS":
	default:
		return http.StatusBadRequest, "Field validation for 'Status' failed on the 'oneof' tag"
	}
	key := fmt.Sprintf("webhook:%d:%s", connection, text(body, "issueKey"))
	if column := tooLong(map[string]string{"id": key, "url": text(body, "url")}, 255); column != "" {
		return http.StatusInternalServerError, said("Data too long for column '" + column + "'")
	}
	s.issues[key] = maps.Clone(body)
	return http.StatusOK, success()
}

func (s *Server) pull(connection uint64, body map[string]any) (int, any) {
	if f := lacks(body, "id", "displayTitle", "pullRequestKey", "createdDate"); f != "" {
		return invalid(f)
	}
	if column := tooLong(map[string]string{"merge_commit_sha": text(body, "mergeCommitSha"), "head_commit_sha": text(body, "headCommitSha")}, 40); column != "" {
		return http.StatusInternalServerError, said("Data too long for column '" + column + "'")
	}
	if column := tooLong(map[string]string{"url": text(body, "url")}, 255); column != "" {
		return http.StatusInternalServerError, said("Data too long for column '" + column + "'")
	}
	row := maps.Clone(body)
	row["baseRepoId"] = fmt.Sprintf("webhook:%d", connection)
	s.pulls[fmt.Sprintf("webhook:%d:%v", connection, body["pullRequestKey"])] = row
	return http.StatusOK, success()
}
