package devlake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// standIn answers as DevLake 1.0.2 and as Vault do, as far as the set-up asks them: routes, statuses and fields are
// those of DevLake's source. It keeps what it is told in memory, and every request that changes something.
type standIn struct {
	*httptest.Server
	mu          sync.Mutex
	migrate     bool // the database waits for somebody's word
	refuses     map[string]int
	connections map[string][]map[string]any // by plugin
	stored      map[string]string           // secrets, by plugin/name
	accepted    map[string]string           // what the tools take, by plugin
	scopes      map[string][]map[string]any // by plugin/id
	projects    map[string]map[string]any
	keys        []map[string]any
	key         string // the API key that is taken
	made        int    // of API keys
	version     int    // of the secret in Vault
	secret      map[string]any
	writes      []string
}

func newStandIn(t *testing.T) *standIn {
	s := &standIn{
		refuses: map[string]int{}, connections: map[string][]map[string]any{}, stored: map[string]string{}, scopes: map[string][]map[string]any{}, projects: map[string]map[string]any{},
		accepted: map[string]string{pluginGitHub: "token-1", pluginJenkins: "password-1", pluginSonarQube: "sonar-1"},
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		var body map[string]any
		if r.Body != nil && r.ContentLength > 0 {
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Errorf("%s %s: %v", r.Method, r.URL, err)
			}
		}
		status, out := s.answer(r, body)
		if r.Method != http.MethodGet && status < 300 && !strings.HasSuffix(r.URL.Path, "/test") && !strings.HasSuffix(r.URL.Path, "/login") {
			s.writes = append(s.writes, r.Method+" "+r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(out); err != nil {
			t.Errorf("answer: %v", err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func no(status int, text string) (int, any) {
	return status, map[string]any{"success": false, "message": text}
}

func (s *standIn) answer(r *http.Request, body map[string]any) (int, any) {
	way := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if status := s.refuses[r.Method+" "+r.URL.Path]; status != 0 {
		return no(status, "refused")
	}
	if way[0] == "v1" {
		return s.vault(r, way[1:], body)
	}
	switch {
	case way[0] == "proceed-db-migration":
		s.migrate = false
		return http.StatusOK, nil
	case s.migrate:
		return no(http.StatusPreconditionRequired, "New migration scripts detected")
	case way[0] == "rest":
		if r.Header.Get("Authorization") != "Bearer "+s.key || s.key == "" {
			return no(http.StatusForbidden, "api key is invalid")
		}
		return http.StatusOK, []any{}
	case way[0] == "plugins":
		return s.plugin(r, way[1], way[3:], body)
	case way[0] == "api-keys":
		return s.apiKeys(r.Method, way[1:], body)
	case way[0] == "blueprints":
		for _, p := range s.projects {
			if b := p["blueprint"].(map[string]any); fmt.Sprint(b["id"]) == way[1] {
				b["connections"] = body["connections"]
				return http.StatusOK, b
			}
		}
	case way[0] == "projects" && r.Method == http.MethodPost:
		name := body["name"].(string)
		body["blueprint"] = map[string]any{"id": len(s.projects) + 1, "mode": "NORMAL", "connections": []any{}}
		s.projects[name] = body
		return http.StatusCreated, body
	case way[0] == "projects" && len(way) == 1:
		return http.StatusOK, map[string]any{"count": len(s.projects), "projects": []any{}}
	case way[0] == "projects" && s.projects[way[1]] != nil:
		if r.Method == http.MethodPatch {
			s.projects[way[1]]["metrics"] = body["metrics"]
		}
		return http.StatusOK, s.projects[way[1]]
	}
	return no(http.StatusNotFound, "not found")
}

// plugin answers below /plugins/NAME/connections.
func (s *standIn) plugin(r *http.Request, name string, way []string, body map[string]any) (int, any) {
	secret := "token"
	if name == pluginJenkins {
		secret = "password"
	}
	keep := func(to map[string]any) {
		for k, v := range body {
			to[k] = v
		}
		given, _ := body[secret].(string)
		s.stored[name] = given
		to["token"], to["password"] = shown(given), ""
	}
	if len(way) == 0 {
		if r.Method == http.MethodGet {
			return http.StatusOK, s.connections[name]
		}
		made := map[string]any{"id": len(s.connections[name]) + 1}
		keep(made)
		s.connections[name] = append(s.connections[name], made)
		return http.StatusCreated, made
	}
	id, err := strconv.Atoi(way[0])
	if err != nil || id < 1 || id > len(s.connections[name]) {
		return no(http.StatusNotFound, "no such connection")
	}
	there := s.connections[name][id-1]
	switch {
	case len(way) == 1:
		keep(there)
		return http.StatusOK, there
	case way[1] == "test": // a token as it is shown, or none, stands for the stored one
		tried, _ := body[secret].(string)
		if tried == "" || tried == shown(s.stored[name]) {
			tried = s.stored[name]
		}
		if tried != s.accepted[name] {
			return no(http.StatusBadRequest, "StatusUnauthorized error when testing connection")
		}
		return http.StatusOK, map[string]any{"success": name != pluginGitHub} // as of fine-grained tokens
	case way[1] == "proxy":
		repo := strings.Join(way[len(way)-2:], "/")
		return http.StatusOK, map[string]any{"id": 1000 + len(repo), "name": way[len(way)-1], "full_name": repo, "html_url": "https://github.com/" + repo, "clone_url": "https://github.com/" + repo + ".git"}
	}
	at := name + "/" + way[0]
	if r.Method == http.MethodPut {
		rows := body["data"].([]any)
		for _, row := range rows {
			s.scopes[at] = append(s.scopes[at], map[string]any{"scope": row})
		}
		return http.StatusOK, rows
	}
	return http.StatusOK, map[string]any{"count": len(s.scopes[at]), "scopes": s.scopes[at]}
}

func shown(secret string) string { return secret[:min(len(secret), 2)] + "***" }

func (s *standIn) apiKeys(method string, way []string, body map[string]any) (int, any) {
	status := http.StatusCreated
	switch method {
	case http.MethodGet:
		return http.StatusOK, map[string]any{"apikeys": s.keys, "count": len(s.keys)}
	case http.MethodPost:
		if slices.ContainsFunc(s.keys, func(k map[string]any) bool { return k["name"] == body["name"] }) {
			return no(http.StatusBadRequest, "An api key with name has already exists")
		}
		s.keys = append(s.keys, map[string]any{"id": 7 + len(s.keys), "name": body["name"], "allowedPath": body["allowedPath"]})
	case http.MethodPut:
		if !slices.ContainsFunc(s.keys, func(k map[string]any) bool { return fmt.Sprint(k["id"]) == way[0] }) {
			return no(http.StatusNotFound, "no such key")
		}
		status = http.StatusOK
	}
	s.made++
	s.key = fmt.Sprintf("key-%d", s.made)
	return status, map[string]any{"apiKey": s.key}
}

func (s *standIn) vault(r *http.Request, way []string, body map[string]any) (int, any) {
	switch {
	case strings.Join(way, "/") == "auth/kubernetes/login":
		if body["role"] != "devlake-setup" || body["jwt"] != "service-account" {
			return http.StatusForbidden, map[string]any{"errors": []string{"permission denied"}}
		}
		return http.StatusOK, map[string]any{"auth": map[string]any{"client_token": "vault-token"}}
	case r.Header.Get("X-Vault-Token") != "vault-token" || strings.Join(way, "/") != "secret/data/fawkes/devlake":
		return http.StatusForbidden, map[string]any{"errors": []string{"permission denied"}}
	case r.Method == http.MethodGet && s.version == 0:
		return http.StatusNotFound, map[string]any{"errors": []string{}}
	case r.Method == http.MethodGet:
		return http.StatusOK, map[string]any{"data": map[string]any{"data": s.secret, "metadata": map[string]any{"version": s.version}}}
	}
	if cas := body["options"].(map[string]any)["cas"].(float64); int(cas) != s.version {
		return http.StatusBadRequest, map[string]any{"errors": []string{"check-and-set parameter did not match the current version"}}
	}
	s.version++
	s.secret = body["data"].(map[string]any)
	return http.StatusOK, map[string]any{"data": map[string]any{"version": s.version}}
}

// plan is a plan for the stand-in, in its words.
func (s *standIn) plan(t *testing.T) string {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("service-account\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("URL", s.URL, "TOKEN", token).Replace(`
devlake: URL
api_key:
  name: fawkes
  vault: {url: URL, role: devlake-setup, mount: secret, path: fawkes/devlake, field: api-key, token_file: TOKEN}
connections:
  - {plugin: github, name: github, endpoint: "https://api.github.com/", secret: GITHUB}
  - {plugin: jenkins, name: jenkins, endpoint: "http://jenkins:8080/", user: JENKINS_USER, secret: JENKINS}
  - {plugin: sonarqube, name: sonarqube, endpoint: "http://sonarqube:9000/api/", secret: SONAR}
projects:
  - name: shop
    scopes:
      - {connection: github, name: fawkes-idp/shop}
      - {connection: jenkins, name: fawkes-idp/shop/main}
      - {connection: sonarqube, name: shop}
  - {name: empty}
`)
}
