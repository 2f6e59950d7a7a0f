package dora

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	shopRepo        = "https://git.example/shop"
	environmentRepo = "https://git.example/shop-environments"
	servicesOfShop  = "api=registry.example/shop/api,web=registry.example/shop/web,worker=registry.example/shop/worker"
)

func digestOf(name string) string { return fmt.Sprintf("sha256:%064x", name) }

func purlOf(name string) string { return fmt.Sprintf("pkg:oci/shop@sha256%%3A%064x", name) }

// cdevent is a CDEvent in a structured CloudEvent.
func cdevent(id, typ, subject, at string, content object) string {
	subjectType, _, _ := strings.Cut(typ, ".")
	text, err := json.Marshal(object{
		"specversion": "1.0", "id": id, "source": "/ci", "type": "dev.cdevents." + typ, "time": at, "datacontenttype": "application/json",
		"data": object{
			"context": object{"version": "0.4.1", "id": id, "source": "/ci", "type": "dev.cdevents." + typ, "timestamp": at},
			"subject": object{"id": subject, "source": "/ci", "type": subjectType, "content": content},
		},
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// argoBody is a report of Argo CD. images are the services whose manifests the
// sync changed, each with its image's name.
func argoBody(app, phase, started, finished string, images map[string]string, more ...any) string {
	b := object{
		"fawkes":      "argocd/v1",
		"app":         object{"name": app, "namespace": "argocd", "uid": "5c2f7c1e-6a40", "annotations": object{"fawkes.dev/environment": "production"}},
		"destination": object{"namespace": "shop"},
		"operation": object{"phase": phase, "startedAt": started, "finishedAt": finished,
			"revision": hash("environment " + started), "initiatedBy": object{"automated": true}},
		"sources": []object{{"repoURL": environmentRepo, "path": "overlays/production", "targetRevision": "main"}},
		"history": object{"id": 1, "revision": hash("environment " + started)},
		"health":  object{"status": "Healthy", "lastTransitionTime": ""}, "resources": nil,
	}
	if images != nil {
		b["app"].(object)["annotations"].(object)["fawkes.dev/services"] = servicesOfShop
		var resources []object
		for _, service := range []string{"api", "web", "worker"} {
			if image := images[service]; image != "" {
				name, unchanged := strings.CutPrefix(image, "=")
				message := "deployment.apps/" + service + " configured"
				if unchanged {
					message = "deployment.apps/" + service + " unchanged"
				}
				resources = append(resources, object{"kind": "Deployment", "name": service, "status": "Synced", "message": message,
					"images": []string{"registry.example/shop/" + service + "@" + digestOf(name)}})
			}
		}
		b["resources"] = resources
	}
	for i := 0; i+1 < len(more); i += 2 {
		b[more[i].(string)] = more[i+1]
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// monorepo is a project of three services in one repository.
func (s *server) monorepo(project string) {
	s.t.Helper()
	spec := object{"project": project, "first_deployment": "attribute", "services": []object{
		{"name": "api", "repo": shopRepo, "paths": []string{"services/api/"}},
		{"name": "web", "repo": shopRepo, "paths": []string{"web/"}},
		{"name": "worker", "repo": shopRepo, "paths": []string{"worker/"}},
	}}
	text, err := json.Marshal(spec)
	if err != nil {
		s.t.Fatal(err)
	}
	if code, answer := s.call(http.MethodPut, "/api/dora/v1/projects/"+project, string(text)); code >= 300 {
		s.t.Fatalf("PUT %s: %d %s", project, code, answer)
	}
}

// builtCommit is a commit to the application's repository, and the images that the
// pipeline made of it.
type builtCommit struct {
	commit, at string
	parent     string
	paths      []string
	images     []string
}

// synced is an operation of Argo CD: what was to be deployed ("=" before what it
// left unchanged), and how it ended.
type synced struct {
	started  string
	images   map[string]string
	phase    string
	degraded bool
}

func madeInMarch() []builtCommit {
	return []builtCommit{
		{"c1", "2026-03-02T08:00:00Z", "", []string{"services/api/main.go", "web/index.html", "worker/main.go"}, []string{"a1", "w1", "k1"}},
		{"c2", "2026-03-03T08:00:00Z", "c1", []string{"services/api/main.go"}, []string{"a2"}},
		{"c3", "2026-03-03T09:00:00Z", "c2", []string{"web/index.html"}, []string{"w2"}},
		{"c4", "2026-03-04T08:00:00Z", "c3", []string{"README.md"}, nil},
		{"c5", "2026-03-04T09:00:00Z", "c4", []string{"services/api/a.go", "worker/w.go"}, []string{"a3", "k2"}},
		{"c6", "2026-03-05T08:00:00Z", "c5", []string{"services/api/b.go"}, []string{"a4"}},
		{"c7", "2026-03-06T08:00:00Z", "c6", []string{"services/api/b.go", "web/index.html"}, []string{"a5", "w3"}},
	}
}

func syncedInMarch() []synced {
	return []synced{
		{"2026-03-02T12:00:00Z", map[string]string{"api": "a1", "web": "w1", "worker": "k1"}, "Succeeded", false},
		{"2026-03-03T12:00:00Z", map[string]string{"api": "a2", "web": "=w1", "worker": "=k1"}, "Succeeded", false},
		{"2026-03-03T14:00:00Z", map[string]string{"api": "=a2", "web": "w2", "worker": "=k1"}, "Succeeded", false},
		{"2026-03-04T12:00:00Z", map[string]string{"api": "a3", "web": "=w2", "worker": "k2"}, "Failed", false},
		{"2026-03-04T13:00:00Z", map[string]string{"api": "a3", "web": "=w2", "worker": "k2"}, "Succeeded", false},
		{"2026-03-04T15:00:00Z", map[string]string{"api": "a2", "web": "=w2", "worker": "=k2"}, "Succeeded", false}, // rolled back
		{"2026-03-05T12:00:00Z", map[string]string{"api": "a4", "web": "=w2", "worker": "=k2"}, "Succeeded", true},
		{"2026-03-06T12:00:00Z", map[string]string{"api": "a5", "web": "w3", "worker": "=k2"}, "Succeeded", false},
		{"2026-03-06T16:00:00Z", map[string]string{"api": "a5", "web": "=w3", "worker": "=k2"}, "Succeeded", false}, // the same again
	}
}

func after(at string, d time.Duration) string {
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	return t.Add(d).Format(time.RFC3339)
}

// reports are all that Argo CD sends of an operation, duplicates among it.
func (o synced) reports() []string {
	finished := after(o.started, 40*time.Second)
	first := argoBody("shop", "Running", o.started, "", map[string]string{})
	last := argoBody("shop", o.phase, o.started, finished, o.images, "reconciledAt", after(finished, time.Second))
	again := argoBody("shop", o.phase, o.started, finished, o.images, "reconciledAt", after(finished, time.Minute), "history", object{"id": 99})
	out := []string{first, last, last, again}
	if o.degraded {
		out = append(out, argoBody("shop", o.phase, o.started, finished, o.images,
			"health", object{"status": "Degraded", "lastTransitionTime": after(finished, 10*time.Minute)}))
	}
	return append(out, argoBody("shop", "Succeeded", o.started, finished, o.images, "operation", // a self-heal meanwhile
		object{"phase": "Succeeded", "startedAt": after(o.started, 20*time.Minute), "finishedAt": after(o.started, 21*time.Minute), "selfHeal": 1}))
}

// lines are the same operation in the bulk format.
func (o synced) lines(project string, of map[string]string) []string {
	var out []string
	for service, image := range o.images {
		if strings.HasPrefix(image, "=") {
			continue
		}
		outcome := "success"
		if o.phase != "Succeeded" || o.degraded {
			outcome = "failure"
		}
		out = append(out, line(object{"type": "deployment", "project": project, "id": o.started + service, "service": service, "environment": "production",
			"repo": shopRepo, "sha": hash(of[image]), "outcome": outcome, "started_at": o.started, "finished_at": after(o.started, 40*time.Second)}))
	}
	return out
}

// TestGitOpsOfAMonorepo has three services of one repository be deployed by Argo
// CD from a repository of manifests: commits come in bulk, what images are made of
// by CDEvents, and Argo CD's reports doubled and in any order. The numbers are
// those of the same history told in bulk.
func TestGitOpsOfAMonorepo(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				s.monorepo("gitops")
				s.monorepo("twin")
				argo, _ := s.addSource("argocd", "argo", "gitops")
				ci, _ := s.addSource("cdevents", "ci", "gitops")
				random := rand.New(rand.NewPCG(seed, 7))
				source := map[string]string{} // image -> commit
				var send []func()
				both := func(o object) {
					for _, project := range []string{"gitops", "twin"} {
						o["project"] = project
						text := line(maps.Clone(o))
						send = append(send, func() { s.post(text) })
					}
				}
				for _, m := range madeInMarch() {
					parents := []string{}
					if m.parent != "" {
						parents = append(parents, hash(m.parent))
					}
					both(object{"type": "commit", "repo": shopRepo, "sha": hash(m.commit), "parents": parents, "author": "ada", "authored_at": m.at, "committed_at": m.at, "paths": m.paths})
					for _, image := range m.images {
						source[image] = m.commit
						text := cdevent("packaged-"+image, "artifact.packaged.0.2.0", purlOf(image), after(m.at, 10*time.Minute),
							object{"change": object{"id": hash(m.commit), "source": "git.example/shop"}})
						send = append(send, func() {
							s.taken("/webhooks/dora/cloudevents", ci, text, "Content-Type", "application/cloudevents+json")
						})
					}
				}
				for _, o := range syncedInMarch() {
					both(object{"type": "commit", "repo": environmentRepo, "sha": hash("environment " + o.started), "parents": []string{}, "author": "bot",
						"authored_at": after(o.started, -time.Minute), "committed_at": after(o.started, -time.Minute), "paths": []string{"overlays/production/kustomization.yaml", "web/x", "services/api/x"}})
					for _, body := range o.reports() {
						send = append(send, func() { s.taken("/webhooks/dora/argocd", argo, body) })
					}
				}
				if seed > 0 {
					random.Shuffle(len(send), func(i, j int) { send[i], send[j] = send[j], send[i] })
				}
				for _, f := range send {
					f()
				}
				for _, o := range syncedInMarch() {
					s.post(o.lines("twin", source)...)
				}
				s.wantGitOps(source)
				s.sameNumbers("gitops", "twin", "api", "web", "worker")
			})
		})
	}
}

// wantGitOps checks each deployment by hand.
func (s *server) wantGitOps(source map[string]string) {
	s.t.Helper()
	type row struct {
		Service, SHA, Kind, Outcome, Repo string
		StartedAt                         string `json:"started_at"`
		Failed                            bool
		Changes                           int
	}
	rows := get[struct{ Items []row }](s, "/api/dora/v1/deployments?project=gitops&limit=1000").Items
	got := []string{}
	for _, r := range rows {
		name := "?"
		for _, m := range madeInMarch() {
			if r.SHA == hash(m.commit) {
				name = m.commit
			}
		}
		if r.Repo != shopRepo {
			s.t.Errorf("%s at %s is of %s", r.Service, r.StartedAt, r.Repo)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s %s %d failed=%v", r.StartedAt[5:16], r.Service, name, r.Kind, r.Outcome, r.Changes, r.Failed))
	}
	slices.Sort(got)
	want := []string{
		"03-02T12:00 api c1 first success 1 failed=false",
		"03-02T12:00 web c1 first success 1 failed=false",
		"03-02T12:00 worker c1 first success 1 failed=false",
		"03-03T12:00 api c2 forward success 1 failed=false", // c2 alone, though c3 is on the branch
		"03-03T14:00 web c3 forward success 1 failed=false", // c3 alone, though c2 lies before it
		"03-04T12:00 api c5 forward failure 0 failed=true",
		"03-04T12:00 worker c5 forward failure 0 failed=true",
		"03-04T13:00 api c5 forward success 1 failed=true", // rolled back
		"03-04T13:00 worker c5 forward success 1 failed=false",
		"03-04T15:00 api c2 rollback success 0 failed=false",
		"03-05T12:00 api c6 forward failure 0 failed=true", // degraded
		"03-06T12:00 api c7 forward success 2 failed=false",
		"03-06T12:00 web c7 forward success 1 failed=false",
		"03-06T16:00 api c7 redeploy success 0 failed=false",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.t.Errorf("deployments are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
