package dora

import (
	"net/http"
	"slices"
	"testing"
)

// TestASourcesOwnNamesLeadToTheService has PagerDuty and Jenkins call a service by
// names of their own, before and after the project says whose they are.
func TestASourcesOwnNamesLeadToTheService(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		incident := func(id, project, source, service string) string {
			return line(object{"type": "incident", "id": id, "project": project, "source": source, "service": service, "opened_at": "2026-03-02T11:00:00Z"})
		}
		s.post(
			commitLine("a", "2026-03-02T08:00:00Z"),
			deploymentLine("1", "a", "2026-03-02T10:00:00Z", "source", "jenkins", "service", "shop/deploy-api"),
			deploymentLine("2", "a", "2026-03-02T10:10:00Z", "source", "jenkins", "service", "web"),
			incident("P1", "shop", "pagerduty", "Shop API (prod)"),
			incident("P2", "shop", "grafana", "Shop API (prod)"),
			incident("P3", "", "pagerduty", "Storefront"), // of a source that serves several projects
		)
		shown := func() (out []string) {
			for _, r := range get[struct {
				Items []struct{ ID, Service string }
			}](s, "/api/dora/v1/deployments?project=shop").Items {
				out = append(out, r.ID+" "+r.Service)
			}
			for _, i := range get[struct {
				Items []struct {
					ID, Service, Environment string
					DeploymentID             string `json:"deployment_id"`
				}
			}](s, "/api/dora/v1/incidents?project=shop").Items {
				out = append(out, i.ID+" "+i.Service+" "+i.Environment+" by "+i.DeploymentID)
			}
			slices.Sort(out)
			return out
		}
		if got, want := shown(), []string{"1 shop/deploy-api", "2 web", "P1 Shop API (prod)  by ", "P2 Shop API (prod)  by "}; !slices.Equal(got, want) {
			t.Errorf("before: %q, want %q", got, want)
		}
		const spec = `{"project":"shop","aliases":[{"source":"pagerduty","name":"Shop API (prod)","service":"api","environment":"production"},{"name":"shop/deploy-api","service":"api"},{"source":"pagerduty","name":"Storefront","service":"web","environment":"production"}]}`
		s.want(200, http.MethodPut, "/api/dora/v1/projects/shop", spec, nil)
		if got, want := shown(), []string{"1 api", "2 web", "P1 api production by 1", "P2 Shop API (prod)  by ", "P3 web production by 2"}; !slices.Equal(got, want) {
			t.Errorf("after: %q, want %q", got, want)
		}
		s.sameAnew()
		for body, field := range map[string]string{
			`{"project":"shop","aliases":[{"name":" ","service":"api"}]}`:                            "aliases[0].name",
			`{"project":"shop","aliases":[{"name":"x","service":""}]}`:                               "aliases[0].service",
			`{"project":"shop","aliases":[{"name":"x","service":"api","source":"a b"}]}`:             "aliases[0].source",
			`{"project":"shop","aliases":[{"name":"x","service":"api"},{"name":"x","service":"b"}]}`: "aliases[1].name",
			`{"project":"shop","aliases":[{"name":"x","service":"api","environment":"\u0001"}]}`:     "aliases[0].environment",
			`{"project":"shop","aliases":[{"name":"x","service":"api","job":"y"}]}`:                  "aliases[0].job",
			`{"project":"shop","aliases":{"x":"api"}}`:                                               "aliases",
		} {
			s.want(422, http.MethodPut, "/api/dora/v1/projects/shop", body, nil, field)
		}
	})
}
