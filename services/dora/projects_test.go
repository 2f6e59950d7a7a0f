package dora

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const projectsPath = "/api/dora/v1/projects"

func TestAProjectIsDeclaredChangedAndWithdrawn(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, name := range []string{"shop", "team/shop"} {
			path := projectsPath + "/" + strings.ReplaceAll(name, "/", "%2F")
			s.want(404, http.MethodGet, path, "", nil, "unknown_project")
			s.want(200, http.MethodPut, path, fmt.Sprintf(`{"project":%q,"time_zone":"Europe/Berlin"}`, name), nil, `"time_zone":"Europe/Berlin"`, `"declared":true`)
			first := get[projectBody](s, path)
			if !first.Declared || first.Version == 0 || first.Entities == nil || first.Repositories == nil || first.FirstEventAt != nil {
				t.Errorf("declared without events: %+v", first)
			}
			s.want(200, http.MethodPut, path, fmt.Sprintf(`{"project":%q,"incident_window":"2h"}`, name), nil, `"incident_window":"2h0m0s"`)
			second := get[projectBody](s, path)
			if second.Version <= first.Version || second.TimeZone != "UTC" || second.IncidentWindow != "2h0m0s" {
				t.Errorf("a declaration replaces the one before: %+v", second)
			}
			s.want(204, http.MethodDelete, path, "", nil)
			s.want(404, http.MethodGet, path, "", nil, "unknown_project")
			s.want(404, http.MethodDelete, path, "", nil, "unknown_project")
			s.want(200, http.MethodPut, path, fmt.Sprintf(`{"project":%q}`, name), nil)
			if third := get[projectBody](s, path); third.Version <= second.Version || third.IncidentWindow != "24h0m0s" {
				t.Errorf("declared again: %+v", third)
			}
		}
		list := get[struct{ Items []projectBody }](s, projectsPath).Items
		if len(list) != 2 || list[0].Project != "shop" || list[1].Project != "team/shop" {
			t.Errorf("the list is %+v", list)
		}
	})
}

func TestADeclarationAtFaultNamesItsField(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		for body, field := range map[string]string{
			`{"project":"other"}`:                                                "body.project",
			`{"time_zone":"Mars/Olympus"}`:                                       "body.time_zone",
			`{"calendar":{"workdays":["mon","someday"]}}`:                        "body.calendar.workdays[1]",
			`{"calendar":{"holidays":["25.12."]}}`:                               "body.calendar.holidays[0]",
			`{"calendar":{"week_start":"x"}}`:                                    "body.calendar.week_start",
			`{"incident_window":"soon"}`:                                         "body.incident_window",
			`{"incident_window":"-1h"}`:                                          "body.incident_window",
			`{"first_deployment":"maybe"}`:                                       "body.first_deployment",
			`{"merge_commits":"maybe"}`:                                          "body.merge_commits",
			`{"authority":[{"service":"api"}]}`:                                  "source",
			`{"authority":[{"source":""}]}`:                                      "body.authority[0].source",
			`{"authority":[{"source":"a"},{"source":"b"}]}`:                      "body.authority[1].source",
			`{"teams":[{"name":""}]}`:                                            "body.teams[0].name",
			`{"teams":[{"name":"a"},{"name":"a"}]}`:                              "body.teams[1].name",
			`{"services":[{"name":"api","team":"none"}]}`:                        "body.services[0].team",
			`{"services":[{"name":"api"},{"name":"api"}]}`:                       "body.services[1].name",
			`{"services":[{"name":"api","paths":["a/"]}]}`:                       "body.services[0].repo",
			`{"services":[{"name":"api","repo":"https://x/r","paths":["[a/"]}]}`: "body.services[0].paths[0]",
			`{"environments":[{"name":"prod","kind":"moon"}]}`:                   "body.environments[0].kind",
			`{"colour":"red"}`:                                                   "colour",
			`{"teams":[{"name":"a","colour":"red"}]}`:                            "colour",
			`{"teams":"a"}`:                                                      "body.teams",
		} {
			if !strings.HasPrefix(body, `{"project"`) {
				body = `{"project":"shop",` + body[1:]
			}
			s.want(422, http.MethodPut, projectsPath+"/shop", body, nil, field)
		}
		s.want(400, http.MethodPut, projectsPath+"/shop", `{`, nil)
		s.want(422, http.MethodPut, projectsPath+"/a%20b", `{"project":"a b"}`, nil, "body.project")
		s.want(404, http.MethodGet, projectsPath+"/shop", "", nil)
	})
}

// TestATimeZoneMovesTheBordersOfDaysAtOnce deploys at 23:30 UTC, which is the
// next day in Berlin.
func TestATimeZoneMovesTheBordersOfDaysAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.post(deploymentLine("1", "a", "2026-03-02T10:00:00Z"), deploymentLine("2", "b", "2026-03-03T23:30:00Z"))
		days := func() string {
			r := get[struct {
				TimeZone string `json:"time_zone"`
				Series   []struct {
					From    time.Time
					Metrics []metric
				}
			}](s, "/api/dora/v1/metrics?project=shop&interval=day&from=2026-03-02&to=2026-03-05")
			var out []string
			for _, b := range r.Series {
				for _, m := range b.Metrics {
					if m.Metric == "deployment_frequency" {
						out = append(out, fmt.Sprint(b.From.UTC().Format("02T15"), "=", m.N))
					}
				}
			}
			return r.TimeZone + " " + strings.Join(out, " ")
		}
		for _, c := range []struct{ zone, want string }{
			{"UTC", "UTC 02T00=1 03T00=1 04T00=0"},
			{"Europe/Berlin", "Europe/Berlin 01T23=1 02T23=0 03T23=1"},
			{"America/New_York", "America/New_York 02T05=1 03T05=1 04T05=0"},
		} {
			s.want(200, http.MethodPut, projectsPath+"/shop", fmt.Sprintf(`{"project":"shop","time_zone":%q}`, c.zone), nil)
			if got := days(); got != c.want {
				t.Errorf("in %s the days are %s, want %s", c.zone, got, c.want)
			}
		}
		s.want(204, http.MethodDelete, projectsPath+"/shop", "", nil)
		if got := days(); got != "UTC 02T00=1 03T00=1 04T00=0" {
			t.Errorf("once the declaration is withdrawn the days are %s", got)
		}
	})
}

func TestTeamsAndMonorepoPaths(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.want(200, http.MethodPut, projectsPath+"/mono", fmt.Sprintf(`{"project":"mono","first_deployment":"attribute","teams":[{"name":"core"},{"name":"web"}],
			"services":[{"name":"api","team":"core","repo":%q,"paths":["svc/api/"]},{"name":"site","team":"web","repo":%q,"paths":["svc/site/**"]}]}`, testRepo, testRepo), nil)
		commit := func(name, at, path string, parents ...string) string {
			hashes := []string{}
			for _, p := range parents {
				hashes = append(hashes, hash(p))
			}
			return line(object{"type": "commit", "repo": testRepo, "sha": hash(name), "parents": hashes, "author": "ada", "authored_at": at, "committed_at": at, "paths": []string{path}})
		}
		deploy := func(id, service, at string) string {
			return line(object{"type": "deployment", "id": id, "service": service, "environment": "production", "repo": testRepo, "sha": hash("c"), "outcome": "success", "started_at": at, "finished_at": at})
		}
		s.post(commit("a", "2026-03-02T08:00:00Z", "svc/api/x.go"), commit("b", "2026-03-02T09:00:00Z", "svc/site/y.go", "a"), commit("c", "2026-03-02T09:30:00Z", "README.md", "b"),
			deploy("1", "api", "2026-03-02T10:00:00Z"), deploy("2", "site", "2026-03-02T12:00:00Z"))
		for query, want := range map[string]float64{"service=api": 2 * 3600, "team=core": 2 * 3600, "service=site": 3 * 3600, "team=web": 3 * 3600} {
			s.wantValue(s.five("project=mono&"+query), "change_lead_time", want, 1)
		}
		s.wantValue(s.five("project=mono"), "change_lead_time", 2.5*3600, 2)
		p := get[projectBody](s, projectsPath+"/mono")
		if len(p.Services) != 2 || p.Services[0].Team != "core" || len(p.Services[0].Paths) != 1 || p.Services[0].Environments[0] != "production" {
			t.Errorf("services %+v", p.Services)
		}
		s.want(422, http.MethodGet, "/api/dora/v1/metrics?project=mono&team=none", "", nil, "query.team")
		s.want(422, http.MethodGet, "/api/dora/v1/metrics?project=mono&service=none", "", nil, "query.service")
		s.want(422, http.MethodGet, "/api/dora/v1/metrics?project=mono&environment=none", "", nil, "query.environment")
	})
}

// TestAClaimMovesEarlierEvents has a repository that is a project by itself
// until another declares its service, and again once that is withdrawn.
func TestAClaimMovesEarlierEvents(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.post(commitLine("a", "2026-03-02T08:00:00Z"),
			line(object{"type": "deployment", "id": "1", "service": "api", "environment": "production", "repo": testRepo, "sha": hash("a"), "outcome": "success", "started_at": "2026-03-02T10:00:00Z", "finished_at": "2026-03-02T10:00:00Z"}),
			line(object{"type": "incident", "id": "I", "service": "api", "opened_at": "2026-03-02T11:00:00Z"}))
		holds := func(project string, commits, deployments, incidents int) {
			t.Helper()
			code, text := s.call(http.MethodGet, projectsPath+"/"+project, "")
			var p projectBody
			if code == 200 {
				if err := json.Unmarshal([]byte(text), &p); err != nil {
					t.Fatal(err)
				}
			}
			if p.Entities["commit"] != commits || p.Entities["deployment"] != deployments || p.Entities["incident"] != incidents || commits == 0 && code != 404 {
				t.Errorf("%s: %d %v, want %d commits, %d deployments, %d incidents", project, code, p.Entities, commits, deployments, incidents)
			}
		}
		holds("shop", 1, 1, 1)
		s.want(200, http.MethodPut, projectsPath+"/platform", fmt.Sprintf(`{"project":"platform","services":[{"name":"api","repo":%q}]}`, testRepo), nil)
		holds("shop", 0, 0, 0)
		holds("platform", 1, 1, 1)
		s.want(204, http.MethodDelete, projectsPath+"/platform", "", nil)
		holds("platform", 0, 0, 0)
		holds("shop", 1, 1, 1)
	})
}

// TestProjectsDeclaredAtTheSameTime never share a version, so that the last
// declaration is the one that holds.
func TestProjectsDeclaredAtTheSameTime(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		const writers, each = 6, 5
		var wg sync.WaitGroup
		var mu sync.Mutex
		versions := map[int64]bool{}
		for w := range writers {
			wg.Go(func() {
				for n := range each {
					code, text := s.call(http.MethodPut, projectsPath+"/shop", fmt.Sprintf(`{"project":"shop","incident_window":"%dm"}`, w*each+n+1))
					var p projectBody
					if err := json.Unmarshal([]byte(text), &p); code != 200 || err != nil {
						t.Errorf("%d %s %v", code, text, err)
						return
					}
					d, err := s.store.Project(t.Context(), "shop")
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					versions[d.Version] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		d, err := s.store.Project(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		if d.Version != writers*each {
			t.Errorf("after %d declarations the version is %d: some had the same", writers*each, d.Version)
		}
		p := get[projectBody](s, projectsPath+"/shop")
		h, err := s.store.Head(t.Context(), "shop")
		if err != nil || h.SpecVersion != d.Version || p.IncidentWindow != d.Spec.Window().String() {
			t.Errorf("the projection is of version %d %v and says %s, want %d and %s", h.SpecVersion, err, p.IncidentWindow, d.Version, d.Spec.Window())
		}
	})
}
