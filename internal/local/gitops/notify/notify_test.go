package notify

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"github.com/expr-lang/expr"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

// application is the Application as Argo CD would hold it.
func (a Application) application() map[string]any {
	texts := func(m map[string]string) map[string]any {
		out := map[string]any{}
		for k, v := range m {
			out[k] = v
		}
		return out
	}
	list := func(s []string) []any {
		out := []any{}
		for _, v := range s {
			out = append(out, v)
		}
		return out
	}
	status := object{"reconciledAt": stamp(a.At), "health": a.Health.fields(), "summary": object{"images": list(a.Images)}}
	if o := a.Operation; o != nil {
		results := []any{}
		for _, r := range o.Resources {
			f := object{"group": "apps", "version": "v1", "kind": r.Kind, "namespace": r.Namespace, "name": r.Name, "status": r.Status, "message": r.Message, "hookPhase": "Running"}
			if len(r.Images) > 0 {
				f["images"] = list(r.Images)
			}
			results = append(results, f)
		}
		state := object{
			"phase": o.Phase, "message": o.Message, "startedAt": stamp(o.Started),
			"operation":  object{"initiatedBy": initiated(o.Automated, o.By), "sync": object{"revision": o.Revision, "dryRun": o.DryRun, "autoHealAttemptsCount": o.SelfHeal}},
			"syncResult": object{"revision": o.Revision, "source": a.source(), "resources": results},
		}
		if !o.Finished.IsZero() {
			state["finishedAt"] = stamp(o.Finished)
		}
		status["operationState"] = state
	}
	if a.History != nil {
		older := (&History{ID: 1, Revision: "older", Started: a.At, Deployed: a.At}).fields()
		status["history"] = []any{older, a.History.fields()}
	}
	var resources []any
	for _, r := range a.Resources {
		resources = append(resources, object{"kind": r.Kind, "namespace": r.Namespace, "name": r.Name, "health": object{"status": r.Status}})
	}
	resources = append(resources, object{"kind": "ConfigMap", "namespace": "x", "name": "y"})
	status["resources"] = resources
	return object{
		"metadata": object{"name": a.Name, "namespace": a.Namespace, "uid": a.UID, "labels": texts(a.Labels), "annotations": texts(a.Annotations)},
		"spec":     object{"project": a.Project, "source": a.source(), "destination": a.destination()},
		"status":   status,
	}
}

// shipped is the ConfigMap that the platform ships.
func shipped(t *testing.T) map[string]string {
	t.Helper()
	var m struct{ Data map[string]string }
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "platform", "argocd", "notifications", "argocd-notifications-cm.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m.Data
}

func rendered(t *testing.T, a Application, site string) string {
	t.Helper()
	var note struct {
		Webhook map[string]struct{ Body string }
	}
	if err := yaml.Unmarshal([]byte(shipped(t)["template.fawkes-deployment"]), &note); err != nil {
		t.Fatal(err)
	}
	tpl, err := template.New("fawkes").Funcs(sprig.TxtFuncMap()).Parse(note.Webhook["fawkes"].Body)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := tpl.Execute(&out, map[string]any{"app": a.application(), "context": map[string]string{"argocdUrl": site}}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func samples() map[string]Application {
	began := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	base := Application{
		Name: "hello-production", Namespace: "fawkes", UID: "5c2f7c1e-6a40-4f9e-9a5e-1f2d3c4b5a69", Project: "hello",
		Labels:      map[string]string{"fawkes.dev/deployments": "true"},
		Annotations: map[string]string{"fawkes.dev/service": "hello", "fawkes.dev/environment": "production", "fawkes.dev/revision": strings.Repeat("a", 40), "other": "not told"},
		Repository:  "http://127.0.0.1:8080/git/fawkes/environments.git", Path: "apps/hello/production", Branch: "main", Destination: "production",
		Health: Health{Healthy, began.Add(30 * time.Second)}, At: began.Add(31 * time.Second),
		Images:    []string{"127.0.0.1:8080/hello@sha256:" + strings.Repeat("a2", 32)},
		Resources: []ResourceHealth{{"Deployment", "production", "hello", Healthy}},
		Operation: &Operation{Phase: Succeeded, Message: "successfully synced \"all\" <tasks> & more", Started: began, Finished: began.Add(30 * time.Second), Revision: strings.Repeat("b", 40), Automated: true,
			Resources: []Resource{
				{"Deployment", "production", "hello", "Synced", "deployment.apps/hello configured", []string{"127.0.0.1:8080/hello@sha256:" + strings.Repeat("a2", 32)}},
				{"Service", "production", "hello", "Synced", "service/hello unchanged", nil},
			}},
		History: &History{ID: 12, Revision: strings.Repeat("b", 40), Started: began, Deployed: began.Add(30 * time.Second), Automated: true},
	}
	with := func(change func(*Application, *Operation)) Application {
		a, o := base, *base.Operation
		a.Operation = &o
		change(&a, &o)
		return a
	}
	return map[string]Application{
		"succeeded": base,
		"running": with(func(a *Application, o *Operation) {
			o.Phase, o.Finished, o.Resources, a.History, a.Health = Running, time.Time{}, nil, nil, Health{Status: Progressing}
		}),
		"failed":       with(func(_ *Application, o *Operation) { o.Phase, o.Message = Failed, "not healthy within 60 s" }),
		"error":        with(func(a *Application, o *Operation) { o.Phase = Error; a.Resources = nil }),
		"by hand":      with(func(_ *Application, o *Operation) { o.Automated, o.By = false, "per-owner" }),
		"self-heal":    with(func(_ *Application, o *Operation) { o.SelfHeal = 1 }),
		"dry run":      with(func(_ *Application, o *Operation) { o.DryRun = true }),
		"degraded":     with(func(a *Application, _ *Operation) { a.Health = Health{Degraded, began.Add(time.Minute)} }),
		"since when":   with(func(a *Application, _ *Operation) { a.Health = Health{Status: Degraded} }),
		"never synced": with(func(a *Application, _ *Operation) { a.Operation, a.History, a.Images = nil, nil, nil }),
	}
}

func TestTheBodyIsWhatTheShippedTemplateWrites(t *testing.T) {
	for name, a := range samples() {
		for _, site := range []string{"", "http://127.0.0.1:8080"} {
			body, err := a.Body(site)
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			text := rendered(t, a, site)
			if err := json.Unmarshal([]byte(text), &want); err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: the body differs from the template's (-want +got):\n%s", name, d)
			}
		}
	}
}

func TestTheOccasionsAreTheShippedTriggers(t *testing.T) {
	var conditions []struct {
		When, Description string
		OncePer           string `yaml:"oncePer"`
	}
	if err := yaml.Unmarshal([]byte(shipped(t)["trigger.on-fawkes-deployment"]), &conditions); err != nil {
		t.Fatal(err)
	}
	words := map[string]string{
		"an operation is running": "running", "an operation has succeeded": "succeeded", "an operation has failed": "failed",
		"an operation could not be carried out": "error", "what was deployed is healthy": "healthy", "what was deployed is degraded": "degraded",
	}
	for name, a := range samples() {
		var want []string
		for _, c := range conditions {
			env := map[string]any{"app": a.application()}
			yes, err := expr.Eval(c.When, env)
			if err != nil {
				t.Fatal(err)
			}
			if yes != true {
				continue
			}
			once, err := expr.Eval(c.OncePer, env)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, words[c.Description]+" "+once.(string))
		}
		if d := cmp.Diff(want, a.Occasions()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
