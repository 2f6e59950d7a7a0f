package argocd

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"github.com/expr-lang/expr"
	"gopkg.in/yaml.v3"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// shipped is the ConfigMap that the platform ships.
func shipped(t testing.TB) map[string]string {
	t.Helper()
	var m struct {
		Kind     string
		Metadata struct{ Name string }
		Data     map[string]string
	}
	readYAML(t, filepath.Join("..", "..", "..", "platform", "argocd", "notifications", "argocd-notifications-cm.yaml"), &m)
	if m.Kind != "ConfigMap" || m.Metadata.Name != "argocd-notifications-cm" {
		t.Fatalf("it is a %s %s", m.Kind, m.Metadata.Name)
	}
	return m.Data
}

func readYAML(t testing.TB, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// render makes the body as the notifications engine does: the template's text,
// with the functions of sprig but those that read the environment.
func render(t testing.TB, app map[string]any) string {
	t.Helper()
	var note struct {
		Webhook map[string]struct{ Method, Path, Body string }
	}
	if err := yaml.Unmarshal([]byte(shipped(t)["template.fawkes-deployment"]), &note); err != nil {
		t.Fatal(err)
	}
	hook := note.Webhook["fawkes"]
	if hook.Method != "POST" || hook.Path != "" {
		t.Fatalf("the template sends %q to %q", hook.Method, hook.Path)
	}
	functions := sprig.TxtFuncMap()
	delete(functions, "env")
	delete(functions, "expandenv")
	tpl, err := template.New("fawkes").Funcs(functions).Parse(hook.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	vars := map[string]any{"app": app, "context": map[string]string{"argocdUrl": "https://argocd.example"}, "serviceType": "fawkes", "recipient": "", "secrets": map[string][]byte{}}
	if err := tpl.Execute(&out, vars); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// sample is the sample Application, with some of its values put in their place: a path
// ("status.health.status") and a value each, nil to take it away.
func sample(t testing.TB, changes ...any) map[string]any {
	t.Helper()
	var app map[string]any
	readYAML(t, filepath.Join("testdata", "application.yaml"), &app)
	for i := 0; i+1 < len(changes); i += 2 {
		put(t, app, strings.Split(changes[i].(string), "."), changes[i+1])
	}
	return app
}

func put(t testing.TB, at map[string]any, path []string, v any) {
	t.Helper()
	for len(path) > 1 {
		next, ok := at[path[0]].(map[string]any)
		if !ok {
			t.Fatalf("%v leads nowhere", path)
		}
		at, path = next, path[1:]
	}
	if v == nil {
		delete(at, path[0])
	} else {
		at[path[0]] = v
	}
}

// deployments reads a body and gives the deployments that it tells of.
func deployments(t testing.TB, body string) []*event.Deployment {
	t.Helper()
	res, err := read(intake.Request{Body: []byte(body)})
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	var out []*event.Deployment
	for _, e := range res.Events {
		d, ok := e.Body.(*event.Deployment)
		if !ok {
			t.Fatalf("%T in %s", e.Body, body)
		}
		out = append(out, d)
	}
	return out
}

func TestTheShippedTemplateIsReadAsItIsMeant(t *testing.T) {
	body := render(t, sample(t))
	if strings.Contains(body, "must not leave") || strings.Contains(body, "notified.notifications") {
		t.Errorf("the body carries what is nobody's business: %s", body)
	}
	got := deployments(t, body)
	if len(got) != 2 {
		t.Fatalf("%d deployments, want those of api and worker: web was left unchanged", len(got))
	}
	for i, want := range []struct{ service, digest, title string }{
		{"api", "sha256:" + strings.Repeat("a2", 32), "shop-production: history 12, registry.example:5000/shop/api"},
		{"worker", "sha256:" + strings.Repeat("c2", 32), "shop-production: history 12, registry.example:5000/shop/worker:v2"},
	} {
		d := got[i]
		if d.ID != "argocd/shop-production~5c2f7c1e@2026-03-03T10:00:00Z#"+want.service || d.Service.V != want.service || d.Environment.V != "production" ||
			d.Digest.V != want.digest || d.Outcome.V != event.OutcomeSuccess || d.Title.V != want.title || d.URL.V != "https://argocd.example/applications/argocd/shop-production" {
			t.Errorf("deployment %+v, want %+v", d, want)
		}
		if d.SHA.Present || d.Repo.Present {
			t.Errorf("the revision of the manifests was taken for the application's: %+v", d)
		}
		if d.StartedAt.V.Std() != time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC) || d.FinishedAt.V.Std() != time.Date(2026, 3, 3, 10, 0, 30, 0, time.UTC) {
			t.Errorf("from %s to %s", d.StartedAt.V.Std(), d.FinishedAt.V.Std())
		}
	}
}

func TestTheShippedTemplateWritesJSONWhateverTheTexts(t *testing.T) {
	for _, evil := range []string{`"`, `\`, "a\nb\t\r", `{{ .app }}`, `</script>`, "\u2028", "quote\" and \\ and é", `$fawkes-token`} {
		app := sample(t, "status.operationState.message", evil, "metadata.labels", map[string]any{"x": evil}, "spec.project", evil)
		body := render(t, app)
		var back struct {
			App       struct{ Labels map[string]string }
			Operation struct{ Message string }
		}
		if err := json.Unmarshal([]byte(body), &back); err != nil {
			t.Errorf("%q: %v in %s", evil, err, body)
		} else if back.Operation.Message != evil || back.App.Labels["x"] != evil {
			t.Errorf("%q came through as %+v", evil, back)
		}
	}
}

// TestTheShippedTemplateHoldsOfWhatIsMissing has Applications of which Argo CD
// knows little.
func TestTheShippedTemplateHoldsOfWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		name    string
		changes []any
		events  int
	}{
		{"nothing was ever synced", []any{"status", map[string]any{}}, 0},
		{"no status", []any{"status", nil}, 0},
		{"several sources", []any{"spec.source", nil, "spec.sources", []any{map[string]any{"repoURL": "https://charts.example", "chart": "shop", "targetRevision": "1.2.3"}}}, 2},
		{"no labels and no annotations", []any{"metadata.labels", nil, "metadata.annotations", nil}, 1},
		{"no result", []any{"status.operationState.syncResult", nil, "status.operationState.phase", "Error"}, 3},
		{"no operation beside the state", []any{"status.operationState.operation", nil}, 2},
		{"no history", []any{"status.history", nil}, 2},
		{"no health", []any{"status.health", nil}, 2},
		{"no images", []any{"status.summary", nil}, 2},
		{"no health of the resources", []any{"status.resources", nil}, 2},
	} {
		if got := len(deployments(t, render(t, sample(t, c.changes...)))); got != c.events {
			t.Errorf("%s: %d deployments, want %d", c.name, got, c.events)
		}
	}
}

// TestAWholeApplicationSaysTheSame compares the template's body with the
// Application itself, which some would rather send.
func TestAWholeApplicationSaysTheSame(t *testing.T) {
	app := sample(t)
	whole, err := json.Marshal(app)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := json.Marshal(map[string]any{"app": app})
	if err != nil {
		t.Fatal(err)
	}
	want := deployments(t, render(t, app))
	for _, body := range []string{string(whole), string(wrapped)} {
		got := deployments(t, body)
		if len(got) != len(want) {
			t.Fatalf("%d deployments, want %d", len(got), len(want))
		}
		for i := range got {
			got[i].URL = want[i].URL // Argo CD's address stands in no Application
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("%+v, want %+v", got[i], want[i])
			}
		}
	}
}

// TestTheShippedTriggersFireOnceForEachState runs the triggers' conditions as
// the notifications engine does.
func TestTheShippedTriggersFireOnceForEachState(t *testing.T) {
	data := shipped(t)
	var conditions []struct {
		When, Description string
		OncePer           string `yaml:"oncePer"`
		Send              []string
	}
	if err := yaml.Unmarshal([]byte(data["trigger.on-fawkes-deployment"]), &conditions); err != nil {
		t.Fatal(err)
	}
	fired := func(app map[string]any) []string {
		var out []string
		for _, c := range conditions {
			if len(c.Send) != 1 || data["template."+c.Send[0]] == "" {
				t.Fatalf("%s sends %v, which is no template", c.Description, c.Send)
			}
			yes, err := expr.Eval(c.When, map[string]any{"app": app})
			if err != nil {
				t.Fatalf("%s: %v", c.When, err)
			}
			if yes != true {
				continue
			}
			once, err := expr.Eval(c.OncePer, map[string]any{"app": app})
			if err != nil {
				t.Fatalf("%s: %v", c.OncePer, err)
			}
			out = append(out, c.Description+" "+once.(string))
		}
		return out
	}
	began, ended := "2026-03-03T10:00:00Z", "2026-03-03T10:00:30Z"
	for _, c := range []struct {
		changes []any
		want    []string
	}{
		{[]any{"status", map[string]any{}}, nil},
		{[]any{"status", nil}, nil},
		{[]any{"status.operationState.phase", "Running"}, []string{"an operation is running " + began}},
		{[]any{"status.operationState.phase", "Failed"}, []string{"an operation has failed " + ended}},
		{[]any{"status.operationState.phase", "Error", "status.health", nil}, []string{"an operation could not be carried out " + ended}},
		{nil, []string{"an operation has succeeded " + ended, "what was deployed is healthy " + ended}},
		{[]any{"status.health.status", "Progressing"}, []string{"an operation has succeeded " + ended}},
		{[]any{"status.health.status", "Degraded"}, []string{"an operation has succeeded " + ended, "what was deployed is degraded " + began + " 2026-03-03T10:01:31Z"}},
	} {
		if got := fired(sample(t, c.changes...)); strings.Join(got, "; ") != strings.Join(c.want, "; ") {
			t.Errorf("%v: %q, want %q", c.changes, got, c.want)
		}
	}
	var service struct {
		URL     string
		Headers []struct{ Name, Value string }
	}
	if err := yaml.Unmarshal([]byte(data["service.webhook.fawkes"]), &service); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(service.URL, Kind().Path) || service.Headers[0].Value != "Bearer $fawkes-token" {
		t.Errorf("the service is %+v", service)
	}
	if len(data) != 3 {
		t.Errorf("the ConfigMap holds %v", maps.Keys(data))
	}
}
