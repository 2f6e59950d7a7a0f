package devlake

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var secrets = map[string]string{"GITHUB": "token-1", "JENKINS_USER": "fawkes", "JENKINS": "password-1", "SONAR": "sonar-1"}

// run runs the set-up with some variables, and says what it wrote.
func run(t *testing.T, s *standIn, plan string, env map[string]string) (int, []string, error) {
	t.Helper()
	p, err := ReadPlan([]byte(plan))
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.writes = nil
	s.mu.Unlock()
	changes, err := Setup(t.Context(), p, func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
	return changes, s.writes, err
}

func TestASecondRunChangesNothing(t *testing.T) {
	s := newStandIn(t)
	s.version, s.secret = 1, map[string]any{"other": "stays"}
	plan := s.plan(t)
	changes, writes, err := run(t, s, plan, secrets)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"POST /plugins/github/connections", "POST /plugins/jenkins/connections", "POST /plugins/sonarqube/connections",
		"PUT /plugins/github/connections/1/scopes", "PUT /plugins/jenkins/connections/1/scopes", "PUT /plugins/sonarqube/connections/1/scopes",
		"POST /projects", "PATCH /blueprints/1", "POST /projects", "POST /api-keys", "POST /v1/secret/data/fawkes/devlake",
	}
	if diff := cmp.Diff(want, writes); diff != "" || changes != 10 {
		t.Errorf("%d changes (-want +got):\n%s", changes, diff)
	}
	attached := s.projects["shop"]["blueprint"].(map[string]any)["connections"]
	scope := func(id string) []any { return []any{map[string]any{"scopeId": id}} }
	if diff := cmp.Diff([]any{
		map[string]any{"pluginName": "github", "connectionId": 1.0, "scopes": scope("1015")},
		map[string]any{"pluginName": "jenkins", "connectionId": 1.0, "scopes": scope("fawkes-idp/shop/main")},
		map[string]any{"pluginName": "sonarqube", "connectionId": 1.0, "scopes": scope("shop")},
	}, attached); diff != "" {
		t.Errorf("the blueprint of shop (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"other": "stays", "api-key": "key-1"}, s.secret); diff != "" {
		t.Errorf("the secret (-want +got):\n%s", diff)
	}
	for range 2 {
		if changes, writes, err := run(t, s, plan, secrets); err != nil || changes != 0 || len(writes) != 0 {
			t.Errorf("again: %d changes, %v, %v", changes, writes, err)
		}
	}
}

func TestWhatPeopleAddedStays(t *testing.T) {
	s := newStandIn(t)
	plan := s.plan(t)
	webhook := map[string]any{"pluginName": "webhook", "connectionId": 5.0, "scopes": []any{}}
	s.projects["shop"] = map[string]any{
		"name": "shop", "description": "by hand", "metrics": []any{map[string]any{"pluginName": "linker", "pluginOption": map[string]any{"a": "b"}, "enable": true}},
		"blueprint": map[string]any{"id": 9, "connections": []any{webhook}},
	}
	if _, _, err := run(t, s, plan, secrets); err != nil {
		t.Fatal(err)
	}
	there := s.projects["shop"]
	connections := there["blueprint"].(map[string]any)["connections"].([]any)
	if diff := cmp.Diff(webhook, connections[0]); diff != "" || len(connections) != 4 {
		t.Errorf("%d connections; the one by hand (-want +got):\n%s", len(connections), diff)
	}
	if metrics := there["metrics"].([]any); len(metrics) != 2 || metrics[0].(map[string]any)["pluginName"] != "linker" || there["description"] != "by hand" {
		t.Errorf("the project is %v", there)
	}
}

func TestAChangedSecretAndAMovedToolAreGivenAgain(t *testing.T) {
	s := newStandIn(t)
	plan := s.plan(t)
	if _, _, err := run(t, s, plan, secrets); err != nil {
		t.Fatal(err)
	}
	s.accepted[pluginGitHub], s.accepted[pluginJenkins] = "token-2", "password-2" // they were rotated at the tools
	rotated := map[string]string{"GITHUB": "token-2", "JENKINS_USER": "fawkes", "JENKINS": "password-2", "SONAR": "sonar-1"}
	moved := strings.Replace(plan, "http://sonarqube:9000/api/", "http://other:9000/api/", 1)
	want := []string{"PATCH /plugins/github/connections/1", "PATCH /plugins/jenkins/connections/1", "PATCH /plugins/sonarqube/connections/1"}
	if _, writes, err := run(t, s, moved, rotated); err != nil || !cmp.Equal(writes, want) {
		t.Errorf("wrote %v, %v", writes, err)
	}
	if changes, writes, err := run(t, s, moved, rotated); err != nil || changes != 0 {
		t.Errorf("again: %v, %v", writes, err)
	}
}

func TestAKeyThatIsLostOrRevokedIsMadeAnew(t *testing.T) {
	s := newStandIn(t)
	plan := s.plan(t)
	s.refuses["POST /v1/secret/data/fawkes/devlake"] = 503 // Vault is sealed after the key was made
	if _, _, err := run(t, s, plan, secrets); err == nil || !strings.Contains(err.Error(), "write the secret fawkes/devlake") {
		t.Fatalf("got %v", err)
	}
	delete(s.refuses, "POST /v1/secret/data/fawkes/devlake")
	renewed := []string{"PUT /api-keys/7", "POST /v1/secret/data/fawkes/devlake"}
	if _, writes, err := run(t, s, plan, secrets); err != nil || !cmp.Equal(writes, renewed) || s.secret["api-key"] != "key-2" {
		t.Errorf("wrote %v, kept %v, %v", writes, s.secret, err)
	}
	s.key = "another" // somebody renewed it by hand
	if _, writes, err := run(t, s, plan, secrets); err != nil || !cmp.Equal(writes, renewed) || s.secret["api-key"] != "key-3" {
		t.Errorf("wrote %v, kept %v, %v", writes, s.secret, err)
	}
	s.refuses["GET /rest/plugins/webhook/connections"] = 500 // which says nothing about the key
	if _, writes, err := run(t, s, plan, secrets); err == nil || len(writes) != 0 {
		t.Errorf("wrote %v, %v", writes, err)
	}
}

func TestAMigrationIsBegunAndWaitedFor(t *testing.T) {
	s := newStandIn(t)
	s.migrate = true
	plan := s.plan(t)
	if _, writes, err := run(t, s, plan, secrets); !errors.Is(err, ErrMigrating) || len(writes) != 0 {
		t.Errorf("wrote %v, %v", writes, err)
	}
	if changes, _, err := run(t, s, plan, secrets); err != nil || changes == 0 {
		t.Errorf("%d changes, %v", changes, err)
	}
}

func TestAPlanThatCannotBeMeantIsRefused(t *testing.T) {
	s := newStandIn(t)
	plan := s.plan(t)
	for _, c := range []struct{ old, new, want string }{
		{"plugin: github", "plugin: gitlab", `there is no "gitlab" here`},
		{"name: jenkins,", "name: github,", "the connection github is there twice"},
		{"https://api.github.com/", "https://api.github.com", "a slash at the end"},
		{"http://jenkins:8080/", "jenkins/", `"jenkins/" is no address`},
		{"user: JENKINS_USER, ", "", "jenkins has a user"},
		{"name: fawkes-idp/shop}", "name: shop}", "github's are OWNER/NAME"},
		{"connection: sonarqube, name", "connection: sonar, name", `there is no connection "sonar"`},
		{"name: empty", "name: a/b", `"a/b" is there twice, or not of letters`},
		{"role: devlake-setup, ", "", "api_key.vault.role is missing"},
		{"api_key:", "apikey:", "field apikey not found"},
	} {
		if _, err := ReadPlan([]byte(strings.Replace(plan, c.old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.new, err, c.want)
		}
	}
	p, err := ReadPlan([]byte(plan))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Setup(t.Context(), p, func(string) string { return "" }, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "the variable GITHUB is empty") {
		t.Errorf("got %v", err)
	}
}
