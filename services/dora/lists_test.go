package dora

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// tell stores a story of ten deployments, one a day from the 2nd of March on, of
// which the third fails and the fifth is rolled back, and two incidents.
func (s *server) tell() {
	s.t.Helper()
	lines := []string{commitLine("c0", "2026-03-01T08:00:00Z")}
	for n := 1; n <= 10; n++ {
		day := fmt.Sprintf("2026-03-%02dT", n+1)
		lines = append(lines, commitLine(fmt.Sprintf("c%d", n), day+"08:00:00Z", fmt.Sprintf("c%d", n-1)))
		of, outcome := fmt.Sprintf("c%d", n), "success"
		switch n {
		case 3:
			outcome = "failure"
		case 6:
			of = "c4"
		}
		lines = append(lines, deploymentLine(fmt.Sprint(n), of, day+"10:00:00Z", "outcome", outcome))
	}
	lines = append(lines,
		deploymentLine("s1", "c2", "2026-03-03T09:00:00Z", "environment", "staging"),
		line(object{"type": "incident", "id": "I1", "project": "shop", "service": "api", "opened_at": "2026-03-08T11:00:00Z", "resolved_at": "2026-03-08T12:30:00Z"}),
		line(object{"type": "incident", "id": "I2", "project": "shop", "service": "api", "opened_at": "2026-03-20T11:00:00Z", "caused_by_deployment": "gone"}))
	s.post(lines...)
}

// walk asks for all pages of a list and gives a field of every row.
func (s *server) walk(path, field string, limit int) (out []string, pages int) {
	s.t.Helper()
	cursor := ""
	for {
		p := path + fmt.Sprintf("&limit=%d", limit)
		if cursor != "" {
			p += "&cursor=" + url.QueryEscape(cursor)
		}
		list := get[struct {
			Items      []object
			NextCursor *string `json:"next_cursor"`
		}](s, p)
		pages++
		for _, row := range list.Items {
			out = append(out, fmt.Sprint(row[field]))
		}
		if list.NextCursor == nil {
			return out, pages
		}
		cursor = *list.NextCursor
		if pages > 1000 {
			s.t.Fatal("the list does not end")
		}
	}
}

func TestListsArePagedAndFiltered(t *testing.T) {
	const at = "/api/dora/v1"
	each(t, func(t *testing.T, s *server) {
		s.tell()
		for _, c := range []struct{ path, field, want string }{
			{"/deployments?project=shop", "id", "1 2 3 4 5 6 7 8 9 10"},
			{"/deployments?project=shop&environment=production", "id", "1 2 3 4 5 6 7 8 9 10"},
			{"/deployments?project=shop&environment=staging", "id", "s1"},
			{"/deployments?project=shop&newest=true&environment=production", "id", "10 9 8 7 6 5 4 3 2 1"},
			{"/deployments?project=shop&failed=true", "id", "3 5 7"},
			{"/deployments?project=shop&kind=rollback", "id", "6"},
			{"/deployments?project=shop&kind=first", "id", "1"},
			{"/deployments?project=shop&from=2026-03-04&to=2026-03-06", "id", "3 4"},
			{"/deployments?project=shop&from=2026-03-04T10:00:00Z&to=2026-03-05T10:00:00Z", "id", "3"},
			{"/deployments?project=shop&from=2026-03-04T11:00:00%2B01:00&to=2026-03-05T11:00:00%2B01:00", "id", "3"},
			{"/deployments?project=shop&from=2026-03-04T11:00:00+01:00&to=2026-03-05T11:00:00+01:00", "id", "3"},
			{"/deployments?project=shop&from=2026-03-20", "id", ""},
			{"/incidents?project=shop", "id", "I1 I2"},
			{"/incidents?project=shop&newest=true", "id", "I2 I1"},
			{"/incidents?project=shop&to=2026-03-09", "id", "I1"},
			{"/incidents?project=shop&deployment=events%2F7", "id", "I1"},
			{"/changes?project=shop&environment=production&deployment=events%2F4", "sha", hash("c3") + " " + hash("c4")},
		} {
			want := strings.Fields(c.want)
			for _, limit := range []int{1, 3, 1000} {
				got, pages := s.walk(at+c.path, c.field, limit)
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s by %d: %v, want %v", c.path, limit, got, want)
				}
				if n := max(1, (len(want)+limit-1)/limit); pages != n {
					t.Errorf("%s by %d: %d pages, want %d", c.path, limit, pages, n)
				}
			}
		}
		for path, field := range map[string]string{
			"/deployments?project=shop&cursor=nonsense": "query.cursor",
			"/deployments?project=shop&cursor=bzUtMQ":   "query.cursor",
			"/deployments?project=shop&limit=0":         "query.limit",
			"/deployments?project=shop&limit=1001":      "query.limit",
			"/deployments?project=shop&limit=x":         "query.limit",
			"/deployments?project=shop&kind=odd":        "query.kind",
			"/deployments?project=shop&failed=perhaps":  "query.failed",
			"/deployments?project=shop&surroundings=x":  "query.surroundings",
			"/deployments":                                        "query.project",
			"/metrics?project=shop&from=yesterday":                "query.from",
			"/metrics?project=shop&to=2026-13-01":                 "query.to",
			"/metrics?project=shop&from=2026-03-05&to=2026-03-05": "query.to",
			"/metrics?project=shop&interval=year":                 "query.interval",
			"/metrics?project=shop&profile=best":                  "query.profile",
			"/evidence?project=shop&metric=happiness":             "query.metric",
			"/changes?project=shop&service=none":                  "query.service",
			"/events?after=-1":                                    "query.after",
		} {
			code, text := s.call(http.MethodGet, at+path, "")
			if code < 400 || code >= 500 || !strings.Contains(text, field) {
				t.Errorf("GET %s: %d %s, want a fault of %s", path, code, text, field)
			}
		}
		// A cursor beyond the end gives the end.
		far := get[struct{ Items []object }](s, at+"/deployments?project=shop&cursor="+*cursorAt(1000))
		if far.Items == nil || len(far.Items) != 0 {
			t.Errorf("beyond the end: %v", far.Items)
		}
	})
}

func TestAnEmptyWindowHasReasonsAndNoZeros(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.want(200, http.MethodPut, projectsPath+"/new", `{"project":"new"}`, nil)
		s.tell()
		for query, reasons := range map[string]int{"project=new": 5, "project=shop&from=2026-03-25&to=2026-03-26": 4} {
			unknown := 0
			for name, m := range s.five(query) {
				if m.Value == nil {
					unknown++
					if m.Reason == nil || *m.Reason == "" {
						t.Errorf("%s of %s is null without a reason", name, query)
					}
				} else if name != "deployment_frequency" {
					t.Errorf("%s of %s is %v, want null", name, query, *m.Value)
				}
			}
			if unknown != reasons {
				t.Errorf("%s: %d unknown, want %d", query, unknown, reasons)
			}
		}
	})
}

// TestEveryNumberLeadsToItsRows follows the address that each metric carries, in
// both profiles, and finds the same number with as many rows as it counts.
func TestEveryNumberLeadsToItsRows(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.tell()
		for _, query := range []string{"project=shop", "project=shop&profile=devlake-2023", "project=shop&from=2026-03-03&to=2026-03-09&service=api", "project=shop&interval=week"} {
			type body struct {
				Metrics []struct {
					metric
					Evidence string
				}
			}
			r := get[struct {
				body
				Series []body
			}](s, "/api/dora/v1/metrics?"+query)
			followed := 0
			for _, b := range append(r.Series, r.body) {
				for _, m := range b.Metrics {
					e := get[struct {
						Metric string
						Value  metric
						Items  []struct {
							Value  *float64
							Reason *string
						}
						Rules []string
					}](s, m.Evidence+"&limit=1000")
					followed++
					if e.Metric != m.Metric || len(e.Rules) == 0 || (e.Value.Value == nil) != (m.Value == nil) || m.Value != nil && *e.Value.Value != *m.Value || e.Value.N != m.N {
						t.Errorf("%s of %s: %+v behind %+v", m.Metric, query, e.Value, m.metric)
					}
					counted := 0
					for _, row := range e.Items {
						if row.Value != nil {
							counted++
						} else if row.Reason == nil {
							t.Errorf("%s of %s: a row that does not count has no reason", m.Metric, query)
						}
					}
					if m.Metric != "deployment_frequency" && counted != m.N {
						t.Errorf("%s of %s: %d rows count, n is %d", m.Metric, query, counted, m.N)
					}
				}
			}
			if followed < 5 {
				t.Errorf("%s: %d numbers were followed", query, followed)
			}
		}
	})
}

func TestEvidenceOfOneThing(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.tell()
		s.post(deploymentLine("4", "c4", "2026-03-05T10:00:00Z", "title", "once more"))
		const at = "/api/dora/v1"
		d := get[deploymentEvidence](s, at+"/deployments/events%2F4/evidence?project=shop")
		if len(d.Events) != 2 || d.Events[0].Seq >= d.Events[1].Seq || len(d.Changes) != 2 || d.Previous == nil || d.Previous.ID != "2" {
			t.Errorf("deployment 4: %d events, %d changes, before it %+v", len(d.Events), len(d.Changes), d.Previous)
		}
		failed := get[deploymentEvidence](s, at+"/deployments/events%2F5/evidence?project=shop")
		if !failed.Deployment.Failed || failed.RestoredBy == nil || failed.RestoredBy.ID != "6" {
			t.Errorf("deployment 5: %+v, restored by %+v", failed.Deployment, failed.RestoredBy)
		}
		for id, want := range map[string]string{"I1": "time", "I2": "none"} {
			i := get[incidentEvidence](s, at+"/incidents/events%2F"+id+"/evidence?project=shop")
			if i.Incident.LinkedBy != want || len(i.Events) != 1 || len(i.Notes) != 1 || i.Notes[0].Detail == "" || (i.Deployment != nil) != (want == "time") {
				t.Errorf("incident %s: %+v", id, i)
			}
		}
		// A commit by its hash: in production and in staging, and one that waits for
		// production.
		s.post(commitLine("waits", "2026-03-30T08:00:00Z", "c10"))
		for name, places := range map[string]int{"c2": 2, "c4": 1, "waits": 1} {
			for _, sha := range []string{hash(name), strings.ToUpper(hash(name))} {
				c := get[changeEvidence](s, at+"/changes/"+sha+"/evidence?project=shop")
				if len(c.Changes) != places || len(c.Notes) != places {
					t.Errorf("the change %s is in %d places: %+v", name, len(c.Changes), c.Changes)
				}
				for _, row := range c.Changes {
					if row.SHA != hash(name) {
						t.Errorf("asked for %s, got %s", hash(name), row.SHA)
					}
				}
			}
		}
		all := get[changeEvidence](s, at+"/changes/0000/evidence?project=shop")
		if len(all.Changes) < 12 {
			t.Errorf("what all hashes begin with finds %d changes", len(all.Changes))
		}
		for _, path := range []string{"/deployments/events%2Fnone/evidence?project=shop", "/incidents/events%2Fnone/evidence?project=shop", "/changes/ffffffff/evidence?project=shop", "/changes/zzzz/evidence?project=shop", "/changes/ffff/evidence?project=shop&profile=devlake-2023"} {
			s.want(404, http.MethodGet, at+path, "", nil, "not_found")
		}
		s.post(line(object{"type": "pull_request", "repo": testRepo, "number": "12", "author": "ada", "created_at": "2026-03-05T07:00:00Z", "merged_at": "2026-03-05T09:00:00Z", "merge_sha": hash("c4")}))
		r := get[changeEvidence](s, at+"/changes/"+hash("c4")[:39]+"/evidence?project=shop&profile=devlake-2023")
		if len(r.Changes) == 0 || r.Changes[0].Number == nil || *r.Changes[0].Number != "12" || len(r.Deployments) == 0 {
			t.Errorf("the request with that merge commit: %+v", r)
		}
	})
}

// TestTheFeedIsTheLogInOrder follows the feed by small pages.
func TestTheFeedIsTheLogInOrder(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.tell()
		s.post(deploymentLine("other", "x", "2026-03-02T10:00:00Z", "project", "other", "repo", "https://git.example/other"))
		read := func(query string) (out []feedItem) {
			after := int64(0)
			for {
				b := get[feedBody](s, fmt.Sprintf("/api/dora/v1/events?limit=7&after=%d%s", after, query))
				out = append(out, b.Items...)
				if b.Next == after {
					return out
				}
				after = b.Next
			}
		}
		all := read("")
		if events, _ := s.kept(); len(all) != events {
			t.Fatalf("the feed gives %d events, the log holds %d", len(all), events)
		}
		var lines []string
		for i, item := range all {
			if i > 0 && item.Seq <= all[i-1].Seq || item.Project == "" || item.ReceivedAt == nil {
				t.Errorf("item %d: %+v", i, item)
			}
			lines = append(lines, string(item.Event))
		}
		if res := s.post(lines...); res.Duplicates != len(all) {
			t.Errorf("what the feed gives, sent again: %+v, want %d duplicates", res, len(all))
		}
		if mine := read("&project=other"); len(mine) != 1 || mine[0].Project != "other" {
			t.Errorf("the feed of one project: %+v", mine)
		}
	})
}

func TestImportersRememberWhereTheyWere(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		const at = "/api/dora/v1/imports"
		for n := range 2 {
			s.want(200, http.MethodPut, at+"/k%2F1?project=shop", fmt.Sprintf(`{"repo":%q,"tips":[%q],"deployments":%d}`, testRepo, hash("a"), n), nil, `"updated_at"`)
		}
		s.want(200, http.MethodPut, at+"/k%2F1?project=web", `{"repo":"r","tips":[]}`, nil)
		got := get[struct{ Items []importState }](s, at+"?project=shop&repo="+url.QueryEscape(testRepo)).Items
		if len(got) != 1 || got[0].Key != "k/1" || got[0].Deployments != 1 || len(got[0].Tips) != 1 || !got[0].UpdatedAt.Equal(s.clock.Now().Truncate(time.Microsecond)) {
			t.Errorf("imports %+v", got)
		}
		if none := get[struct{ Items []importState }](s, at+"?project=shop&repo=other").Items; none == nil || len(none) != 0 {
			t.Errorf("imports of another repository: %+v", none)
		}
		s.want(422, http.MethodGet, at, "", nil, "query.project")
		s.want(422, http.MethodPut, at+"/k?project=shop", `{"tips":["a"],"deployments":-1}`, nil, "body.deployments")
	})
}

func TestTheQuarantineIsPaged(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for n := range 7 {
			s.want(422, http.MethodPost, fmt.Sprintf("/api/dora/v1/events?project=p%d", n%2), fmt.Sprintf(`{"type":"commit","x%d":1}`, n), nil)
		}
		all, pages := s.walk("/api/dora/v1/quarantine?project=", "field", 3)
		if fmt.Sprint(all) != "[x6 x5 x4 x3 x2 x1 x0]" || pages != 3 {
			t.Errorf("%v on %d pages", all, pages)
		}
		if one, _ := s.walk("/api/dora/v1/quarantine?project=p1", "field", 2); fmt.Sprint(one) != "[x5 x3 x1]" {
			t.Errorf("of one project: %v", one)
		}
		s.want(404, http.MethodGet, "/api/dora/v1/quarantine/999", "", nil)
		s.want(422, http.MethodGet, "/api/dora/v1/quarantine/x", "", nil)
	})
}
