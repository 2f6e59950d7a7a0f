package app_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/devlake"
)

const committedPlan = "../../platform/components/devlake/plan.yaml"

// setUp runs "fawkes-service devlake".
func setUp(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out safeBuffer
	code := app.Service{Modules: app.Modules(), Args: append([]string{"devlake"}, args...), Env: []string{"GITHUB_TOKEN=x"}, Stdout: &out, Stderr: &out, Version: "v1"}.Run(t.Context())
	return code, out.String()
}

func TestDevLakeIsSetUpFromAPlan(t *testing.T) {
	asked := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	text, err := os.ReadFile(committedPlan)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	plan, wrong := filepath.Join(folder, "plan.yaml"), filepath.Join(folder, "wrong.yaml")
	good := strings.Replace(string(text), "http://devlake-lake.fawkes-cicd.svc.cluster.local:8080", server.URL, 1)
	for file, text := range map[string]string{plan: good, wrong: strings.Replace(good, "plugin: github", "plugin: gitlab", 1)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		code int
		said string
	}{
		{nil, app.ExitUsage, "name the file of the plan"},
		{[]string{plan, "more"}, app.ExitUsage, "one argument too many"},
		{[]string{filepath.Join(folder, "none")}, app.ExitUsage, "no such file"},
		{[]string{wrong}, app.ExitUsage, `there is no "gitlab" here`},
		{[]string{plan}, app.ExitFailed, "DevLake is not ready: 503"},
	} {
		if code, out := setUp(t, c.args...); code != c.code || !strings.Contains(out, c.said) {
			t.Errorf("%v: code %d, said %q; want %d, %q", c.args, code, out, c.code, c.said)
		}
	}
	if got := <-asked; got != "/projects" {
		t.Errorf("it asked for %s", got)
	}
}

// TestTheJobGivesThePlanItsVariables: each credential that the committed plan names is a variable of the job.
func TestTheJobGivesThePlanItsVariables(t *testing.T) {
	text, err := os.ReadFile(committedPlan)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := devlake.ReadPlan(text)
	if err != nil {
		t.Fatal(err)
	}
	job, err := os.ReadFile("../../platform/components/devlake/setup.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range plan.Connections {
		names = append(names, c.Secret)
		if c.User != "" {
			names = append(names, c.User)
		}
	}
	for _, name := range names {
		if !strings.Contains(string(job), "{name: "+name+", valueFrom: {secretKeyRef:") {
			t.Errorf("the job does not set %s", name)
		}
	}
	if got := strings.Count(string(job), "secretKeyRef:"); got != len(names) {
		t.Errorf("the job sets %d variables, the plan uses %v", got, names)
	}
	if !strings.Contains(string(job), "mountPath: "+filepath.Dir(plan.APIKey.Vault.TokenFile)+",") {
		t.Errorf("nothing is mounted for %s", plan.APIKey.Vault.TokenFile)
	}
}
