package dora

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reports are what CI, GitOps and the git host say of two deployments, and one
// that CI alone speaks of.
func (s *server) reports() {
	s.t.Helper()
	s.post(
		commitLine("a", "2026-03-02T08:00:00Z"),
		commitLine("b", "2026-03-02T09:00:00Z", "a"),
		commitLine("c", "2026-03-03T09:00:00Z", "b"),
		deploymentLine("1", "a", "2026-03-02T10:00:00Z", "source", "jenkins"),
		deploymentLine("sync-1", "a", "2026-03-02T10:05:00Z", "source", "argocd"),
		deploymentLine("900", "a", "2026-03-02T10:06:00Z", "source", "github"),
		deploymentLine("2", "b", "2026-03-03T10:00:00Z", "source", "jenkins", "title", "Release 2", "unplanned", true),
		deploymentLine("sync-2", "b", "2026-03-03T10:05:00Z", "source", "argocd"),
		deploymentLine("3", "c", "2026-03-04T10:00:00Z", "source", "jenkins"),
		line(object{"type": "incident", "id": "I1", "project": "shop", "service": "api", "opened_at": "2026-03-03T11:00:00Z", "caused_by_deployment": "jenkins/2"}),
	)
}

type reportedRow struct {
	Key, Reason string
	Title       string
	Unplanned   bool
	Reports     []string
}

func (s *server) rows(query string) []reportedRow {
	s.t.Helper()
	return get[struct{ Items []reportedRow }](s, "/api/dora/v1/deployments?project=shop"+query).Items
}

func TestOneDeploymentOfSeveralSourcesCountsOnce(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.reports()
		want := []reportedRow{
			{Key: "argocd/sync-1", Reports: []string{"jenkins/1", "github/900"}, Reason: "first_deployment"},
			{Key: "argocd/sync-2", Reports: []string{"jenkins/2"}, Title: "Release 2", Unplanned: true},
		}
		if d := cmp.Diff(want, s.rows("")); d != "" {
			t.Errorf("deployments (-want +got)\n%s", d)
		}
		if d := cmp.Diff([]reportedRow{{Key: "jenkins/3", Reason: "not_authoritative", Reports: []string{}}}, s.rows("&uncounted=true")); d != "" {
			t.Errorf("uncounted (-want +got)\n%s", d)
		}
		five := s.five("project=shop&from=2026-03-02&to=2026-03-12")
		s.wantValue(five, "deployment_frequency", 0.2, 2)
		s.wantValue(five, "deployment_rework_rate", 0.5, 2)
		s.wantValue(five, "change_fail_rate", 0.5, 2)

		e := get[struct {
			Deployment reportedRow
			Events     []struct{ Source string }
			Incidents  []struct{ ID string }
			Notes      []struct{ Rule, Detail string }
		}](s, "/api/dora/v1/deployments/jenkins%2F2/evidence?project=shop")
		if e.Deployment.Key != "argocd/sync-2" || len(e.Events) != 2 || len(e.Incidents) != 1 {
			t.Errorf("evidence of a merged report: %+v", e)
		}
		e.Notes = nil
		e = get[struct {
			Deployment reportedRow
			Events     []struct{ Source string }
			Incidents  []struct{ ID string }
			Notes      []struct{ Rule, Detail string }
		}](s, "/api/dora/v1/deployments/jenkins%2F3/evidence?project=shop")
		if e.Deployment.Reason != "not_authoritative" || len(e.Events) != 1 || len(e.Notes) == 0 || !strings.Contains(e.Notes[0].Detail+e.Notes[len(e.Notes)-1].Detail, "does not count") {
			t.Errorf("evidence of a report that does not count: %+v", e)
		}
		list := get[struct {
			Value struct {
				Completeness struct {
					Linked, Total int
					Reasons       map[string]int
				}
			}
			Items []struct{ Reason *string }
		}](s, "/api/dora/v1/evidence?project=shop&metric=deployment_frequency&from=2026-03-02&to=2026-03-12")
		if c := list.Value.Completeness; c.Linked != 2 || c.Total != 3 || c.Reasons["not_authoritative"] != 1 || len(list.Items) != 3 || list.Items[2].Reason == nil {
			t.Errorf("evidence %+v", list)
		}
	})
}

func TestADeclaredAuthorityIsBelievedAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.reports()
		s.want(200, http.MethodPut, "/api/dora/v1/projects/shop", `{"project":"shop","authority":[{"environment":"production","source":"jenkins"}]}`, nil,
			`"authority":[{"environment":"production","source":"jenkins"}]`)
		want := []reportedRow{
			{Key: "jenkins/1", Reports: []string{"argocd/sync-1", "github/900"}, Reason: "first_deployment"},
			{Key: "jenkins/2", Reports: []string{"argocd/sync-2"}, Title: "Release 2", Unplanned: true},
			{Key: "jenkins/3", Reports: []string{}},
		}
		if d := cmp.Diff(want, s.rows("")); d != "" {
			t.Errorf("deployments (-want +got)\n%s", d)
		}
		if rows := s.rows("&uncounted=true"); len(rows) != 0 {
			t.Errorf("uncounted %+v", rows)
		}
		s.want(200, http.MethodPut, "/api/dora/v1/projects/shop", `{"project":"shop"}`, nil)
		if rows := s.rows(""); len(rows) != 2 {
			t.Errorf("without the declaration: %+v", rows)
		}
	})
}
