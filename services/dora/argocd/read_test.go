package argocd

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

type object = map[string]any

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	hash40  = "3f2ab1c0000000000000000000000000000000aa"
)

// body is a report of one Application, with some parts put in their place.
func body(changes ...object) string {
	b := object{
		"fawkes":      Format,
		"app":         object{"name": "api", "namespace": "argocd", "uid": "11111111-2222", "project": "shop", "labels": nil, "annotations": object{}},
		"destination": object{"server": "https://k8s.example", "namespace": "shop-production"},
		"operation":   object{"phase": "Succeeded", "startedAt": "2026-03-03T10:00:00Z", "finishedAt": "2026-03-03T10:00:30Z", "revision": strings.Repeat("e", 40)},
		"resources":   []object{manifest("api", "deployment.apps/api configured", "registry.example/shop/api@"+digestA)},
		"history":     object{"id": 7, "revision": strings.Repeat("e", 40)},
		"health":      object{"status": "Healthy", "lastTransitionTime": "2026-03-03T10:00:40Z"},
	}
	for _, c := range changes {
		maps.Copy(b, c)
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func manifest(name, message string, images ...string) object {
	return object{"kind": "Deployment", "name": name, "status": "Synced", "message": message, "images": images}
}

func annotated(pairs ...string) object {
	a := object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		a[pairs[i]] = pairs[i+1]
	}
	return object{"app": object{"name": "api", "namespace": "argocd", "uid": "11111111-2222", "annotations": a}}
}

func operated(pairs ...any) object {
	o := object{"phase": "Succeeded", "startedAt": "2026-03-03T10:00:00Z", "finishedAt": "2026-03-03T10:00:30Z"}
	for i := 0; i+1 < len(pairs); i += 2 {
		o[pairs[i].(string)] = pairs[i+1]
	}
	return object{"operation": o}
}

func healthy(status, since string) object {
	return object{"health": object{"status": status, "lastTransitionTime": since}}
}

// inWords is what a deployment says, without what all of them share.
func inWords(d *event.Deployment) string {
	words := []string{d.Service.V, d.Environment.V}
	if d.Outcome.Known {
		words = append(words, d.Outcome.V)
	} else {
		words = append(words, "running")
	}
	for _, v := range []event.Opt[string]{d.Digest, d.SHA, d.Repo} {
		if v.Known {
			words = append(words, v.V)
		}
	}
	return strings.Join(words, " ")
}

func TestWhatAnOperationBecomes(t *testing.T) {
	three := annotated(AnnotationServices, "api=registry.example/shop/api, web=shop/web;worker", AnnotationEnvironment, "production")
	for _, c := range []struct {
		name string
		body string
		want []string
	}{
		{"succeeded", body(), []string{"api production success " + digestA}},
		{"running", body(operated("phase", "Running", "finishedAt", "")), []string{"api production running " + digestA}},
		{"running again after a failure", body(operated("phase", "Running")), []string{"api production running " + digestA}},
		{"being ended", body(operated("phase", "Terminating")), []string{"api production running " + digestA}},
		{"failed", body(operated("phase", "Failed")), []string{"api production failure " + digestA}},
		{"an error", body(operated("phase", "Error"), object{"resources": nil}), []string{"api production failure"}},
		{"ended by somebody", body(operated("phase", "Failed", "message", "Operation terminated")), []string{"api production aborted " + digestA}},
		{"ended by its timeout", body(operated("phase", "Failed", "message", "Operation terminated, triggered by controller sync timeout")), []string{"api production failure " + digestA}},
		{"degraded soon after", body(healthy("Degraded", "2026-03-03T10:10:00Z")), []string{"api production failure " + digestA}},
		{"degraded before it began", body(healthy("Degraded", "2026-03-03T09:00:00Z")), []string{"api production success " + digestA}},
		{"degraded long after", body(healthy("Degraded", "2026-03-03T11:00:31Z")), []string{"api production success " + digestA}},
		{"degraded, and nobody knows since when", body(healthy("Degraded", "")), []string{"api production success " + digestA}},
		{"a tag only", body(object{"resources": []object{manifest("api", "", "registry.example/shop/api:v1.2.3")}}), []string{"api production success"}},
		{"a tag that is a commit", body(object{"resources": []object{manifest("api", "", "registry.example:5000/shop/api:"+hash40)}}), []string{"api production success " + hash40}},
		{"a tag that names a commit", body(object{"resources": []object{manifest("api", "", "shop/api:sha-3f2ab1c")}}), []string{"api production success 3f2ab1c"}},
		{"a tag that only looks like one", body(object{"resources": []object{manifest("api", "", "shop/api:3f2ab1c")}}), []string{"api production success"}},
		{"a commit stated", body(annotated(AnnotationRevision, hash40, AnnotationRepository, "https://git.example/shop.git")),
			[]string{"api production success " + digestA + " " + hash40 + " https://git.example/shop.git"}},
		{"a commit stated as an image states it", body(annotated("org.opencontainers.image.revision", hash40)), []string{"api production success " + digestA + " " + hash40}},
		{"a side-car beside the image", body(object{"resources": []object{manifest("api", "", "istio/proxy@"+digestB, "registry.example/shop/api@"+digestA)}}), []string{"api production success " + digestA}},
		{"two digests of one image", body(object{"resources": []object{manifest("api", "", "shop/api@"+digestA), manifest("job", "", "shop/api@"+digestB)}}), []string{"api production success"}},
		{"images of nothing like it", body(object{"resources": []object{manifest("api", "", "shop/a@"+digestA, "shop/b@"+digestB)}}), []string{"api production success"}},
		{"no image at all", body(object{"resources": nil}), []string{"api production success"}},
		{"what runs, where the sync does not tell", body(object{"resources": nil, "images": []string{"shop/api@" + digestA}, "reconciledAt": "2026-03-03T10:01:00Z"}),
			[]string{"api production success", "api production running " + digestA}},
		{"what runs while it fails is the former", body(object{"resources": nil, "images": []string{"shop/api@" + digestA}}, operated("phase", "Failed")), []string{"api production failure"}},
		{"a dry run", body(operated("dryRun", true)), nil},
		{"a self-heal", body(operated("selfHeal", 1)), nil},
		{"never synced", body(object{"operation": nil}), nil},
		{"three services, of which one changed", body(three, object{"resources": []object{
			manifest("api", "deployment.apps/api configured", "registry.example/shop/api@"+digestA),
			manifest("web", "deployment.apps/web unchanged", "registry.example/shop/web@"+digestB),
		}}), []string{"api production success " + digestA}},
		{"three services, applied on the server, which tells no difference", body(three, object{"resources": []object{
			manifest("api", "deployment.apps/api serverside-applied", "registry.example/shop/api@"+digestA),
			manifest("web", "deployment.apps/web serverside-applied", "registry.example/shop/web@"+digestB),
		}}), []string{"api production success " + digestA, "web production success " + digestB}},
		{"three services, running", body(three, operated("phase", "Running")), nil},
		{"three services, none changed", body(three, object{"resources": []object{manifest("api", "deployment.apps/api unchanged", "registry.example/shop/api@"+digestA)}}), nil},
		{"three services, failed at one", body(three, operated("phase", "Failed"), object{"resources": []object{
			manifest("api", "deployment.apps/api unchanged", "registry.example/shop/api@"+digestA),
			{"kind": "Deployment", "name": "web", "status": "SyncFailed", "message": "field is immutable", "images": []string{"shop/web@" + digestB}},
		}}), []string{"web production failure " + digestB}},
		{"three services, failed before anything", body(three, operated("phase", "Error"), object{"resources": nil}),
			[]string{"api production failure", "web production failure", "worker production failure"}},
		{"three services, failed at what is none's", body(three, operated("phase", "Failed"), object{"resources": []object{manifest("migrate", "job failed", "tools/flyway:10")}}),
			[]string{"api production failure", "web production failure", "worker production failure"}},
		{"three services, one degraded", body(three, healthy("Degraded", "2026-03-03T10:05:00Z"), object{"resources": []object{
			{"name": "api", "health": "Degraded", "images": []string{"registry.example/shop/api@" + digestA}},
			{"name": "web", "health": "Healthy", "images": []string{"registry.example/shop/web@" + digestB}},
		}}), []string{"api production failure " + digestA}},
		{"three services, degraded without a word on which", body(three, healthy("Degraded", "2026-03-03T10:05:00Z"), object{"resources": []object{
			{"name": "api", "images": []string{"registry.example/shop/api@" + digestA}},
			{"name": "web", "images": []string{"registry.example/shop/web@" + digestB}},
		}}), []string{"api production failure " + digestA, "web production failure " + digestB}},
		{"three services, by what runs", body(three, object{"resources": nil, "images": []string{"registry.example/shop/web@" + digestB}}),
			[]string{"api production success", "web production success", "web production running " + digestB, "worker production success"}},
	} {
		var got []string
		for _, d := range deployments(t, c.body) {
			got = append(got, inWords(d))
		}
		if strings.Join(got, "; ") != strings.Join(c.want, "; ") {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestServiceAndEnvironmentAreFound(t *testing.T) {
	for _, c := range []struct {
		app, namespace, cluster, project, path string
		annotations                            []string
		want                                   string
	}{
		{"api", "shop-production", "", "", "", nil, "api production"},
		{"api", "prod", "", "", "", nil, "api prod"},
		{"api", "staging-shop", "", "", "", nil, "api staging"},
		{"api-production", "shop", "", "", "", nil, "api production"},
		{"dev-api", "shop-production", "", "", "", nil, "api dev"},
		{"api", "shop", "eu-live", "", "", nil, "api live"},
		{"api", "shop", "in-cluster", "shop-test", "", nil, "api test"},
		{"api", "shop", "", "default", "apps/api/overlays/staging", nil, "api staging"},
		{"api", "shop", "", "", "", nil, "api "}, // nothing tells
		{"api-production", "", "", "", "", []string{AnnotationEnvironment, "eu", AnnotationService, "basket"}, "basket eu"},
		{"production", "", "", "", "", nil, "production "},
	} {
		b := body(annotated(c.annotations...), object{"destination": object{"namespace": c.namespace, "name": c.cluster}, "sources": []object{{"path": c.path}}})
		var v object
		if err := json.Unmarshal([]byte(b), &v); err != nil {
			t.Fatal(err)
		}
		app := v["app"].(object)
		app["name"], app["project"] = c.app, c.project
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		d := deployments(t, string(text))[0]
		if got := d.Service.V + " " + d.Environment.V; got != c.want {
			t.Errorf("%+v: %q, want %q", c, got, c.want)
		}
	}
}

// TestOneOperationIsOneDeployment has the reports of an operation carry one id,
// and those of a rollback, of another Application and of its namesake on
// another Argo CD others.
func TestOneOperationIsOneDeployment(t *testing.T) {
	id := func(b string) string { return deployments(t, b)[0].ID }
	first := id(body())
	for _, same := range []string{body(operated("phase", "Running", "finishedAt", "")), body(healthy("Degraded", "2026-03-03T10:10:00Z")), body(object{"history": object{"id": 8}})} {
		if got := id(same); got != first {
			t.Errorf("%s is %q, want %q", same, got, first)
		}
	}
	others := map[string]bool{first: true}
	for _, other := range []string{
		body(operated("startedAt", "2026-03-03T10:00:01Z")),
		strings.Replace(body(), `"namespace":"argocd"`, `"namespace":"team"`, 1),
		strings.Replace(body(), `11111111-2222`, `99999999-2222`, 1),
		strings.Replace(body(), `"name":"api","namespace"`, `"name":"web","namespace"`, 1),
	} {
		if got := id(other); others[got] {
			t.Errorf("%q stands for two operations", got)
		} else {
			others[got] = true
		}
	}
}

// TestALaterReportOfTheSameOperationWins checks the times that decide where two
// reports disagree, whatever their order.
func TestALaterReportOfTheSameOperationWins(t *testing.T) {
	at := func(b string) event.Time {
		res, err := read(intake.Request{Body: []byte(b)})
		if err != nil {
			t.Fatal(err)
		}
		return res.Events[len(res.Events)-1].At
	}
	running, done := at(body(operated("phase", "Running"))), at(body())
	degraded := at(body(healthy("Degraded", "2026-03-03T10:00:30Z")))
	looked := at(body(object{"resources": nil, "images": []string{"shop/api@" + digestA}, "reconciledAt": "2026-03-03T10:05:00Z"}))
	if running >= done || done >= degraded || degraded >= looked {
		t.Errorf("running %d, done %d, degraded %d, looked %d: want them in this order", running, done, degraded, looked)
	}
}

func TestFaultsAreNamedAsTheTemplateSpellsThem(t *testing.T) {
	for _, c := range []struct{ body, field string }{
		{`{"app":`, "body"},
		{`[]`, ""},
		{`{}`, "app.name"},
		{`{"app":{"name":"api"},"operation":{}}`, "operation.phase"},
		{body(object{"fawkes": "argocd/v9"}), "fawkes"},
		{body(object{"app": object{"name": 1}}), "app.name"},
		{body(object{"operation": "x"}), "operation"},
		{body(operated("startedAt", "")), "operation.startedAt"},
		{body(operated("startedAt", "soon")), "operation.startedAt"},
		{body(operated("finishedAt", "")), "operation.finishedAt"},
		{body(operated("finishedAt", "2026-03-03T09:00:00Z")), "operation.finishedAt"},
		{body(operated("finishedAt", "1969-03-03T09:00:00Z")), "operation.finishedAt"},
		{body(healthy("Degraded", "then")), "health.lastTransitionTime"},
		{body(object{"resources": nil, "images": []string{"a/api@" + digestA}, "reconciledAt": "x"}), "reconciledAt"},
		{body(object{"resources": object{}}), "resources"},
		{body(operated("phase", "Odd")), "operation.phase"},
		{body(operated("phase", "succeeded")), "operation.phase"},
		{body(operated("phase", 1)), "operation.phase"},
		{body(operated("phase", nil)), "operation.phase"},
		{body(operated("startedAt", 1772532000)), "operation.startedAt"},
		{body(operated("startedAt", "2999-03-03T09:00:00Z")), "operation.startedAt"},
		{body(operated("phase", "Running", "finishedAt", "soon")), "operation.finishedAt"},
		{body(operated("finishedAt", nil)), "operation.finishedAt"},
		{body(operated("revision", 7)), "operation.revision"},
		{body(operated("revisions", "main")), "operation.revisions"},
		{body(operated("dryRun", "no")), "operation.dryRun"},
		{body(operated("selfHeal", -1)), "operation.selfHeal"},
		{body(object{"operation": []int{1}}), "operation"},
		{body(object{"health": "Healthy"}), "health"},
		{body(object{"health": object{"status": "Odd"}}), "health.status"},
		{body(object{"app": nil}), "app.name"},
		{body(object{"app": []int{}}), "app"},
		{body(object{"app": object{"name": "api", "annotations": []int{}}}), "app.annotations"},
		{body(object{"history": []int{}}), "history"},
		{body(object{"sources": "x"}), "sources"},
		{body(object{"sources": []object{{"repoURL": 7}}}), "sources.repoURL"},
		{body(object{"images": "x"}), "images"},
		{body(object{"images": []string{"shop/api@sha256:short"}}), "images[0]"},
		{body(object{"resources": []object{manifest("api", "", "shop/web:1", "shop/api@latest")}}), "resources[0].images[1]"},
		{body(object{"resources": []object{{"images": "shop/api"}}}), "resources.images"},
		{body(annotated(AnnotationRevision, "main")), "app.annotations[" + AnnotationRevision + "]"},
		{body(annotated(AnnotationRepository, "https:///")), "app.annotations[" + AnnotationRepository + "]"},
		{body(annotated(AnnotationServices, "=shop/api")), "app.annotations[" + AnnotationServices + "]"},
		{body(annotated(AnnotationServices, "api=")), "app.annotations[" + AnnotationServices + "]"},
		{body(annotated(AnnotationEnvironment, "a\x01b")), "app.annotations[" + AnnotationEnvironment + "]"},
		{body(annotated(AnnotationService, strings.Repeat("x", 600))), "app.annotations[" + AnnotationService + "]"},
		{body(annotated(AnnotationServices, manyServices())), "app.annotations[" + AnnotationServices + "]"},
	} {
		_, err := read(intake.Request{Body: []byte(c.body)})
		var fault *event.FieldError
		if !errors.As(err, &fault) || fault.Field != c.field && c.field != "" {
			t.Errorf("%.200s: %v, want a fault of %q", c.body, err, c.field)
		}
	}
}

func manyServices() string {
	var out []string
	for i := range mostServices + 1 {
		out = append(out, fmt.Sprint("s", i))
	}
	return strings.Join(out, ",")
}

// TestTheManifestsCommitIsNeverTheApplications has images whose tag, and an
// annotation whose value, is a revision that Argo CD synced.
func TestTheManifestsCommitIsNeverTheApplications(t *testing.T) {
	synced := strings.Repeat("e", 40)
	former := strings.Repeat("d", 40)
	tagged := func(tag string) object {
		return object{"resources": []object{manifest("api", "", "shop/api:"+tag)}}
	}
	history := object{"history": object{"id": 7, "revision": former}}
	sources := object{"history": object{"id": 7, "revisions": []string{"1.2.3", former}}}
	several := operated("revisions", []string{"4.5.6", synced})
	for _, c := range []struct {
		name, body, want string
	}{
		{"the whole revision", body(tagged(synced)), ""},
		{"an abbreviated one", body(tagged("sha-eeeeeee")), ""},
		{"one of several sources", body(tagged(synced), several), ""},
		{"that of the history", body(tagged(former), history), ""},
		{"one of the history's sources", body(tagged(former), sources), ""},
		{"stated in an annotation", body(annotated(AnnotationRevision, synced)), ""},
		{"of the running pods", body(object{"resources": nil, "images": []string{"shop/api:" + synced}}), ""},
		{"another commit", body(tagged(former)), former},
		{"another commit stated", body(tagged(synced), annotated(AnnotationRevision, hash40)), hash40},
	} {
		for _, d := range deployments(t, c.body) {
			if d.SHA.V != c.want {
				t.Errorf("%s: the commit is %q, want %q", c.name, d.SHA.V, c.want)
			}
		}
	}
	app := sample(t, "metadata.annotations", nil, "status.history", []any{map[string]any{"id": 1, "revision": former}, map[string]any{"id": 2, "revision": synced}},
		"status.operationState.syncResult", map[string]any{"revision": synced, "resources": []any{map[string]any{"kind": "Deployment", "name": "api", "images": []any{"shop/api:" + former}}}})
	whole, err := json.Marshal(app)
	if err != nil {
		t.Fatal(err)
	}
	d := deployments(t, string(whole))[0]
	if d.SHA.Present || len(d.ManifestRepos.V) == 0 {
		t.Errorf("an older entry of the history: %+v", d)
	}
}

// TestAWholeApplicationsFaultsHaveItsOwnNames posts an Application itself.
func TestAWholeApplicationsFaultsHaveItsOwnNames(t *testing.T) {
	for _, c := range []struct {
		changes []any
		field   string
	}{
		{[]any{"status.operationState.phase", "Odd"}, "status.operationState.phase"},
		{[]any{"status.operationState.startedAt", "soon"}, "status.operationState.startedAt"},
		{[]any{"status.operationState.finishedAt", "1999-01-01T00:00:00Z"}, "status.operationState.finishedAt"},
		{[]any{"status.health", map[string]any{"status": "Odd"}}, "status.health.status"},
		{[]any{"metadata.name", ""}, "metadata.name"},
		{[]any{"metadata.name", 7}, "metadata.name"},
		{[]any{"status.operationState.syncResult", []any{}}, "status.operationState.syncResult"},
		{[]any{"metadata.annotations", map[string]any{AnnotationRevision: "main"}}, "metadata.annotations[" + AnnotationRevision + "]"},
		{[]any{"status.reconciledAt", "x"}, "status.reconciledAt"},
	} {
		whole, err := json.Marshal(sample(t, c.changes...))
		if err != nil {
			t.Fatal(err)
		}
		for prefix, text := range map[string]string{"": string(whole), "app.": `{"app":` + string(whole) + `}`} {
			_, err := read(intake.Request{Body: []byte(text)})
			var fault *event.FieldError
			if !errors.As(err, &fault) || fault.Field != prefix+c.field {
				t.Errorf("%v: %v, want a fault of %s", c.changes, err, prefix+c.field)
			}
		}
	}
}

// FuzzRead wants of every body either a *event.FieldError with a field or valid
// events of this source.
func FuzzRead(f *testing.F) {
	f.Add([]byte(body()))
	f.Add([]byte(body(operated("phase", "Running"))))
	f.Add([]byte(body(annotated(AnnotationServices, "api=shop/api,web"), healthy("Degraded", "2026-03-03T10:10:00Z"))))
	f.Add([]byte(body(object{"resources": nil, "images": []string{"shop/api:sha-3f2ab1c@" + digestA}})))
	f.Add([]byte(render(f, sample(f))))
	f.Add([]byte(`{"metadata":{"name":"a"},"status":{"operationState":{"phase":"Succeeded","startedAt":"2026-03-03T10:00:00Z","finishedAt":"2026-03-03T10:00:00Z"}}}`))
	f.Add([]byte(`{"app":{"metadata":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		res, err := read(intake.Request{Body: data})
		if err != nil {
			var fault *event.FieldError
			if !errors.As(err, &fault) || fault.Detail == "" {
				t.Fatalf("%q: %T %v, want a *event.FieldError", data, err, err)
			}
			return
		}
		if len(res.Events) == 0 && res.Ignored == "" {
			t.Fatalf("%q: nothing, and no reason", data)
		}
		for _, e := range res.Events {
			if err := e.Validate(); err != nil || e.Source != Source {
				t.Fatalf("%q: %+v: %v", data, e, err)
			}
			if _, err := event.Pack(e.Body); err != nil {
				t.Fatalf("%q: %v", data, err)
			}
		}
	})
}
