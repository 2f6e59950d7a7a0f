package rollouts

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/local/gitops"
)

// platform is identity, dora and gitops in one process, with a repository of
// environments in a folder.
type platform struct {
	t      *testing.T
	app    *app.App
	token  string
	remote string
	work   string
}

func start(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, token: auth.NewToken()}
	folder := t.TempDir()
	p.remote, p.work = filepath.Join(folder, "environments.git"), filepath.Join(folder, "work")
	p.git("", "init", "-q", "--bare", "-b", "main", p.remote)
	p.git("", "init", "-q", "-b", "main", p.work)
	p.git(p.work, "remote", "add", "origin", p.remote)
	c := newCluster()
	on := gitops.On(func(module.Deps, func() gitops.Connections) (gitops.Cluster, error) { return c, nil })
	var err error
	p.app, err = app.New(app.Options{
		Modules: append(app.Modules(), on), StateDir: filepath.Join(folder, "state"), Listen: "127.0.0.1:0",
		Settings: map[string]string{"identity.bootstrap_token": p.token, "gitops.poll": "1h"}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.app.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := p.app.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return p
}

func (p *platform) git(dir string, args ...string) string {
	p.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.com"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// call makes a request and decodes the answer.
func (p *platform) call(method, path string, body, into any, header ...string) {
	p.t.Helper()
	var text []byte
	switch b := body.(type) {
	case string:
		text = []byte(b)
	case nil:
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			p.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.app.URL()+path, bytes.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		p.t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, answer, err)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			p.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
}

// push commits what is in the clone, pushes it and delivers the signed webhook.
func (p *platform) push(subject string) string {
	p.t.Helper()
	p.git(p.work, "add", "-A")
	p.git(p.work, "commit", "-q", "-m", subject)
	p.git(p.work, "push", "-q", "origin", "HEAD:main")
	body := `{"ref":"refs/heads/main"}`
	mac := hmac.New(sha256.New, []byte("the hook's secret"))
	mac.Write([]byte(body))
	p.call(http.MethodPost, "/webhooks/gitops/github", body, nil, "X-GitHub-Event", "push", "X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	return p.git(p.work, "rev-parse", "HEAD")
}

// until waits for a condition.
func (p *platform) until(what string, ok func() (bool, string)) {
	p.t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, last := ok()
		if yes {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: %s", what, last)
		}
		<-tick.C
	}
}

func sha(name string) string    { return fmt.Sprintf("%x", sha256.Sum256([]byte(name)))[:40] }
func digest(name string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name))) }

const appRepo = "http://git.local/fawkes/hello.git"

// release writes an application's folder; only the digest leads to the commit.
func (p *platform) release(image string) {
	p.t.Helper()
	dir := filepath.Join(p.work, "apps", "hello", "production")
	for name, text := range map[string]string{
		"../../../environments.yaml": "environments: [{name: production, kind: production}]\n",
		"kustomization.yaml": "namespace: production\nresources: [base/deployment.yaml]\nimages: [{name: hello, newName: registry.local/" + image + ", digest: " + digest(image) + "}]\n" +
			"commonAnnotations: {fawkes.dev/service: hello}\n",
		"base/deployment.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: hello}\nspec: {template: {spec: {containers: [{name: hello, image: hello}]}}}\n",
	} {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

type deployment struct {
	SHA, Kind, Outcome, Digest string
	Failed                     bool
	Changes                    int
	StartedAt                  time.Time  `json:"started_at"`
	FinishedAt                 time.Time  `json:"finished_at"`
	RestoredAt                 *time.Time `json:"restored_at"`
}

// TestRollOutsBecomeDeliveryMetrics has three commits be built, the second of which
// does not get healthy, and looks at what dora makes of what gitops reports. Going
// back from what never arrived is a redeploy in its words; going back from what did,
// a rollback.
func TestRollOutsBecomeDeliveryMetrics(t *testing.T) {
	p := start(t)
	p.call(http.MethodPut, "/api/dora/v1/projects/hello", map[string]any{"project": "hello", "first_deployment": "attribute",
		"services": []any{map[string]any{"name": "hello", "repo": appRepo}}}, nil)
	var source struct{ Secret string }
	p.call(http.MethodPost, "/api/dora/v1/sources", map[string]any{"kind": "argocd", "name": "gitops", "project": "hello"}, &source)
	p.call(http.MethodPut, "/api/gitops/v1/connections", map[string]any{
		"repository":     map[string]any{"url": "file://" + p.remote, "branch": "main"},
		"events":         map[string]any{"url": p.app.URL() + "/webhooks/dora/argocd", "token": source.Secret},
		"webhook_secret": "the hook's secret",
	}, nil)
	images := []string{"v1/hello", "bad2/hello", "v3/hello"}
	parent := ""
	for i, image := range images {
		at := time.Now().UTC().Add(-time.Hour + time.Duration(i)*time.Minute).Format(time.RFC3339)
		parents := []string{}
		if parent != "" {
			parents = append(parents, parent)
		}
		parent = sha(image)
		for _, line := range []map[string]any{
			{"type": "commit", "project": "hello", "repo": appRepo, "sha": sha(image), "parents": parents, "author": "ada", "authored_at": at, "committed_at": at},
			{"type": "artifact", "project": "hello", "digest": digest(image), "repo": appRepo, "sha": sha(image), "made_at": at},
		} {
			p.call(http.MethodPost, "/api/dora/v1/events", line, nil)
		}
	}
	wants := [][]string{
		{"first success failed=false"},
		{"first success failed=false", "forward failure failed=true", "redeploy success failed=false"},
		{"first success failed=false", "forward failure failed=true", "redeploy success failed=false", "forward success failed=false"},
	}
	var rows []deployment
	deployments := func(after string, want ...string) {
		t.Helper()
		p.until("after "+after, func() (bool, string) {
			var list struct{ Items []deployment }
			p.call(http.MethodGet, "/api/dora/v1/deployments?project=hello&limit=100", nil, &list)
			rows = list.Items
			var got []string
			for _, d := range rows {
				got = append(got, fmt.Sprintf("%s %s failed=%v", d.Kind, d.Outcome, d.Failed))
			}
			return strings.Join(got, ", ") == strings.Join(want, ", "), fmt.Sprintf("deployments are %q, want %q", got, want)
		})
	}
	for i, image := range images {
		if i > 0 {
			p.git(p.work, "pull", "-q", "--ff-only", "origin", "main")
		}
		p.release(image)
		p.push("promote(hello): production " + sha(image)[:7])
		deployments(image, wants[i]...)
	}
	for i, image := range []string{"v1/hello", "bad2/hello", "v1/hello", "v3/hello"} {
		if d := rows[i]; d.SHA != sha(image) || d.Digest != digest(image) {
			t.Errorf("deployment %d is of %s %s, want %s, which the digest leads to", i, d.SHA, d.Digest, sha(image))
		}
	}
	if r := rows[1].RestoredAt; r == nil || !r.Equal(rows[2].FinishedAt) {
		t.Errorf("the failure was restored at %v, want the end of the rollback %v", r, rows[2].FinishedAt)
	}
	if rows[0].Changes != 1 || rows[1].Changes != 0 || rows[2].Changes != 0 || rows[3].Changes != 2 {
		t.Errorf("changes %+v", rows)
	}
	if r := rows[1].RestoredAt; r == nil || r.Sub(rows[1].FinishedAt) > 40*time.Second {
		t.Errorf("the failure of %v was restored at %v", rows[1].FinishedAt, r)
	}
	var history struct {
		Items []struct {
			ID         int64
			Kind       string
			FinishedAt time.Time `json:"finished_at"`
		}
	}
	p.call(http.MethodGet, "/api/gitops/v1/applications/hello-production/history", nil, &history)
	if len(history.Items) != 4 || history.Items[1].Kind != "rollback" || !history.Items[0].FinishedAt.Truncate(time.Second).Equal(rows[3].FinishedAt) {
		t.Errorf("history %+v", history)
	}
	// Somebody rolls back what was good: that is the failure of what it undoes.
	p.call(http.MethodPost, "/api/gitops/v1/applications/hello-production/rollback", map[string]any{"id": history.Items[3].ID}, nil)
	deployments("the rollback", append(wants[2][:3:3], "forward success failed=true", "rollback success failed=false")...)
	if rows[4].SHA != sha("v1/hello") {
		t.Errorf("rolled back to %s", rows[4].SHA)
	}
	var report struct {
		Metrics []struct {
			Metric string
			Value  *float64
			N      int
		}
	}
	from := time.Now().UTC().Add(-24 * time.Hour).Format(time.RFC3339)
	to := time.Now().UTC().Add(24 * time.Hour).Format(time.RFC3339)
	p.call(http.MethodGet, "/api/dora/v1/metrics?project=hello&from="+from+"&to="+to, nil, &report)
	seen := map[string]bool{}
	for _, m := range report.Metrics {
		seen[m.Metric] = true
		switch {
		case m.Metric == "change_fail_rate" && (m.Value == nil || *m.Value <= 0.3):
			t.Errorf("change fail rate %+v", m)
		case m.Metric == "failed_deployment_recovery_time" && (m.Value == nil || m.N != 2 || *m.Value < 0 || *m.Value > 40):
			t.Errorf("recovery time %v of %d", m.Value, m.N)
		}
	}
	if !seen["change_fail_rate"] || !seen["failed_deployment_recovery_time"] {
		t.Errorf("metrics %v", seen)
	}
}
