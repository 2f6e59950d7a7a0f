package dora

import (
	"net/http"
	"strings"
	"testing"
)

// TestACommitOfTheManifestsIsNoApplicationsCommit has images whose tags are
// commits of the environment's repository, of the application's, and of none
// that is known, and the commits become known before and after.
func TestACommitOfTheManifestsIsNoApplicationsCommit(t *testing.T) {
	const began, ended = "2026-03-02T12:00:00Z", "2026-03-02T12:00:30Z"
	commit := func(repo, name string) string {
		return line(object{"type": "commit", "project": "shop", "repo": repo, "sha": hash(name), "parents": []string{}, "author": "ada",
			"authored_at": "2026-03-02T08:00:00Z", "committed_at": "2026-03-02T08:00:00Z"})
	}
	report := func(app, tag, message string) string {
		return argoBody(app, "Succeeded", began, ended, nil, "resources",
			[]object{{"kind": "Deployment", "name": app, "status": "Synced", "message": message, "images": []string{"registry.example/shop/" + app + ":" + tag}}})
	}
	each(t, func(t *testing.T, s *server) {
		argo, _ := s.addSource("argocd", "argo", "shop")
		take := func(app, tag string) { s.taken("/webhooks/dora/argocd", argo, report(app, tag, "configured")) }
		shown := func() string {
			var out []string
			for _, r := range get[struct {
				Items []struct {
					Service, SHA, Repo, Reason string
				}
			}](s, "/api/dora/v1/deployments?project=shop&limit=1000").Items {
				name := r.SHA
				for _, n := range []string{"env one", "env two", "app", "unknown"} {
					if r.SHA == hash(n) {
						name = n
					}
				}
				out = append(out, r.Service+"="+name)
			}
			return strings.Join(out, " ")
		}
		s.post(commit(environmentRepo, "env one"), commit(shopRepo, "app"))
		take("a", hash("env one"))
		take("b", hash("env two"))
		take("c", hash("app"))
		take("d", hash("unknown"))
		take("e", hash("environment "+began)) // what was synced
		s.post(commit(environmentRepo, "env two"))
		got := shown()
		for _, want := range []string{"a=", "b=", "c=app", "d=unknown", "e="} {
			if !strings.Contains(" "+got+" ", " "+want+" ") {
				t.Errorf("the deployments are %q, want %s among them", got, want)
			}
		}
		s.sameAnew()
	})
}

// TestAnOperationOfAnUnknownPhaseWaitsToBeRead posts one of a phase that nobody
// knows, and replays it as it should have been.
func TestAnOperationOfAnUnknownPhaseWaitsToBeRead(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		argo, _ := s.addSource("argocd", "argo", "shop")
		right := argoBody("shop", "Succeeded", "2026-03-02T10:00:00Z", "2026-03-02T10:00:30Z", nil)
		odd := strings.Replace(right, `"Succeeded"`, `"Odd"`, 1)
		if code, answer := s.sendTo("/webhooks/dora/argocd", argo, odd); code != http.StatusUnprocessableEntity || !strings.Contains(answer, `"operation.phase"`) {
			t.Fatalf("%d %s, want the phase at fault", code, answer)
		}
		if events, _ := s.kept(); events != 0 {
			t.Errorf("%d events of it", events)
		}
		q := s.inQuarantine("status=open").Items[0]
		if q.Field != "operation.phase" || q.Kind != "sync.Odd" {
			t.Errorf("%+v", q)
		}
		s.replay(422, q.ID, "", "operation.phase")
		if got := s.replay(200, q.ID, right); got.Stored != 1 || got.Kind != "sync.Succeeded" {
			t.Errorf("%+v", got)
		}
		if rows := get[struct{ Items []struct{ Outcome string } }](s, "/api/dora/v1/deployments?project=shop").Items; len(rows) != 1 || rows[0].Outcome != "success" {
			t.Errorf("%+v, want one good deployment", rows)
		}
	})
}
