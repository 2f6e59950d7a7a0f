package dora

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

// Deployments on 2026-03-02 (Monday), 03-03, and 03-17; the one of 03-03 is
// rolled back three hours later.
func (s *server) foreignHistory(project string) {
	s.t.Helper()
	line := func(id, sha, at, outcome string) string {
		finished, err := time.Parse(time.RFC3339, at)
		if err != nil {
			s.t.Fatal(err)
		}
		return fmt.Sprintf(`{"type":"deployment","project":%q,"id":%q,"service":"web","environment":"production","repo":"https://git.example/web","sha":%q,"outcome":%q,"started_at":%q,"finished_at":%q}`,
			project, id, hash(sha), outcome, finished.Add(-time.Minute).Format(time.RFC3339), at)
	}
	var lines []string
	for _, c := range []string{"a", "b", "c", "d"} {
		parents := ""
		if c > "a" {
			parents = fmt.Sprintf("%q", hash(string(c[0]-1)))
		}
		lines = append(lines, fmt.Sprintf(`{"type":"commit","project":%q,"repo":"https://git.example/web","sha":%q,"parents":[%s],"author":"x","authored_at":"2026-03-01T08:00:00Z","committed_at":"2026-03-01T08:00:00Z"}`, project, hash(c), parents))
	}
	lines = append(lines, line("1", "a", "2026-03-02T08:00:00Z", "success"), line("2", "b", "2026-03-03T08:00:00Z", "failure"),
		line("3", "c", "2026-03-03T11:00:00Z", "success"), line("4", "d", "2026-03-17T08:00:00Z", "success"))
	s.want(200, http.MethodPost, batchPath, strings.Join(lines, "\n"), nil, `"rejected":0`)
}

func TestOpenDoraAnswersItsPlugin(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.foreignHistory("shop")
		window := "&from=2026-02-28T00:00:00Z&to=2026-03-20T00:00:00Z"
		unix := fmt.Sprintf("&from=%d&to=%d", time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC).Unix())
		for query, want := range map[string]string{
			// 2026-02-22 is the Sunday of week 8.
			"type=df_count&project=shop" + window:                        `{"aggregation":"weekly","dataPoints":[{"key":"202608","value":0},{"key":"202609","value":2},{"key":"202610","value":0},{"key":"202611","value":1}]}`,
			"type=df_count&project=SHOP" + unix:                          `{"aggregation":"weekly","dataPoints":[{"key":"202608","value":0},{"key":"202609","value":2},{"key":"202610","value":0},{"key":"202611","value":1}]}`,
			"type=df_count&project=web" + window:                         `{"aggregation":"weekly","dataPoints":[{"key":"202608","value":0},{"key":"202609","value":2},{"key":"202610","value":0},{"key":"202611","value":1}]}`,
			"type=df_average&aggregation=weekly&project=shop" + window:   `{"aggregation":"weekly","dataPoints":[{"key":"202608","value":0},{"key":"202609","value":1},{"key":"202610","value":0.6666666666666666},{"key":"202611","value":0.75}]}`,
			"type=mltc&aggregation=monthly&project=shop" + window:        `{"aggregation":"monthly","dataPoints":[{"key":"26/02","value":null},{"key":"26/03","value":51}]}`,
			"type=mttr&aggregation=quarterly&project=shop" + window:      `{"aggregation":"quarterly","dataPoints":[{"key":"2026-01-01","value":3}]}`,
			"type=cfr&aggregation=weekly&project=shop&team=any" + window: `{"aggregation":"weekly","dataPoints":[{"key":"202608","value":null},{"key":"202609","value":0.3333333333333333},{"key":"202610","value":null},{"key":"202611","value":0}]}`,
		} {
			if got := s.want(200, http.MethodGet, "/dora/api/metric?"+query, "", nil); strings.TrimSpace(got) != want {
				t.Errorf("%s\ngives %s\nwant  %s", query, got, want)
			}
		}
		s.want(200, http.MethodGet, "/dora/api/benchmark?type=mltc&project=shop", "", nil, `{"key":"na-deployments-pullrequests","value":""}`)
		for query, want := range map[string]string{
			"":                                        "type should be provided as one of the following: df_count, df_average, mltc, cfr, mttr",
			"type=df":                                 "type should be provided as one of the following: df_count, df_average, mltc, cfr, mttr",
			"type=df_count&type=cfr":                  "type should be provided as one of the following: df_count, df_average, mltc, cfr, mttr",
			"type=cfr&aggregation=daily":              "aggregation should be provided as either weekly, monthly or quarterly",
			"type=cfr&project=":                       "project should be provided as a non-empty string or omitted",
			"type=cfr&from=yesterday&to=today":        "should be provided as a RFC3339 formatted date string or omitted",
			"type=cfr&to=2026-01-01T00:00:00Z":        "both to and from should be provided or both should be omitted",
			"type=cfr&from=0&to=99999999999":          "to should not be a date in the future",
			"type=cfr&from=1767225600&to=1767225599":  "from should be a date before to",
			"type=cfr&from=0&to=1767225600":           "from and to hold more than 1000 buckets",
			"type=cfr&from=-1&to=9223372036854775808": "should be provided as a RFC3339 formatted date string or omitted",
		} {
			if got := s.want(400, http.MethodGet, "/dora/api/metric?"+query, "", nil); !strings.HasSuffix(strings.TrimSuffix(got, "\n"), want) {
				t.Errorf("%q gives %q, want %q", query, got, want)
			}
		}
		s.want(404, http.MethodGet, "/dora/api/metric?type=cfr&project=nothing", "", nil, `"nothing"`)
	})
}

func TestSeveralProjectsAreOneNumber(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.foreignHistory("team/one")
		s.foreignHistory("team/two")
		s.want(200, http.MethodGet, "/dora/api/metric?type=df_count&aggregation=monthly&from=2026-03-01T00:00:00Z&to=2026-03-20T00:00:00Z", "", nil, `[{"key":"26/03","value":6}]`)
		const query = "/dora/metrics?interval=all&start_date=2026-03-01&end_date=2026-03-20&metric="
		s.want(200, http.MethodGet, "/groups/team"+query+"deployment_frequency", "", nil, `[{"date":null,"value":6}]`)
		for n, project := range []string{"team/one", "team/two"} { // open for one and for two hours
			s.post(fmt.Sprintf(`{"type":"incident","project":%q,"id":"i","service":"web","environment":"production","opened_at":"2026-03-17T09:00:00Z","resolved_at":"2026-03-17T%d:00:00Z","severity":"critical"}`, project, 10+n))
		}
		s.want(200, http.MethodGet, "/groups/team"+query+"time_to_restore_service", "", nil, `[{"date":null,"value":5400}]`)
		s.want(200, http.MethodGet, "/groups/team"+query+"change_failure_rate", "", nil, `[{"date":null,"value":0.3333333333333333}]`) // two incidents, six deployments
		s.want(404, http.MethodGet, "/groups/other"+query+"deployment_frequency", "", nil, `{"message":"404 Group Not Found"}`)
		// Someone bound to one of them is told of that one.
		s.want(200, http.MethodGet, "/groups/team"+query+"deployment_frequency", "", as(s.token(auth.ScopeDoraRead, "team/one")), `"value":3`)
		s.want(200, http.MethodGet, "/dora/api/metric?type=df_count&aggregation=monthly&from=2026-03-01T00:00:00Z&to=2026-03-20T00:00:00Z", "", as(s.token(auth.ScopeDoraRead, "team/one")), `"value":3`)
	})
}

func TestGitLabsShape(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.foreignHistory("team/shop")
		const at = "/api/v4/projects/team%2Fshop/dora/metrics?start_date=2026-03-01&end_date=2026-03-04&metric="
		if got := s.want(200, http.MethodGet, at+"deployment_frequency", "", nil); strings.TrimSpace(got) !=
			`[{"date":"2026-03-01","value":null},{"date":"2026-03-02","value":1},{"date":"2026-03-03","value":1},{"date":"2026-03-04","value":0}]` {
			t.Errorf("daily: %s", got)
		}
		short := strings.Replace(at, "/api/v4", "", 1)
		s.want(200, http.MethodGet, short+"deployment_frequency&interval=monthly", "", nil, `[{"date":"2026-03-01","value":2}]`)
		s.want(200, http.MethodGet, short+"time_to_restore_service&interval=all", "", nil, `[{"date":null,"value":`)
		s.want(200, http.MethodGet, short+"lead_time_for_changes&interval=all&environment_tiers[]=staging", "", nil, `[{"date":null,"value":null}]`)
		s.want(200, http.MethodGet, short+"deployment_frequency&interval=all&environment_tiers=production,staging", "", nil, `"value":2`)

		var rows []struct{ Date string }
		text := s.want(200, http.MethodGet, "/projects/team%2Fshop/dora/metrics?metric=deployment_frequency", "", nil)
		if err := json.Unmarshal([]byte(text), &rows); err != nil || len(rows) != 91 || rows[0].Date != "2025-12-31" || rows[90].Date != "2026-03-31" {
			t.Errorf("three months up to today: %v %d rows %s", err, len(rows), text)
		}
		for query, want := range map[string]string{
			"":                                      `{"error":"metric is missing, metric does not have a valid value"}`,
			"metric=speed":                          `{"error":"metric does not have a valid value"}`,
			"metric=" + ok + "&interval=weekly":     `{"error":"interval does not have a valid value"}`,
			"metric=" + ok + "&start_date=first":    `{"error":"start_date is invalid"}`,
			"metric=" + ok + "&end_date=2026-02-30": `{"error":"end_date is invalid"}`,
			"metric=" + ok + "&environment_tiers[]=live":                  `{"error":"environment_tiers does not have a valid value"}`,
			"metric=" + ok + "&start_date=2026-03-02&end_date=2026-03-01": `{"message":"The start date must be earlier than the end date"}`,
			"metric=" + ok + "&start_date=0001-01-01&end_date=2026-03-01": `{"message":"The date range is too long for the interval"}`,
		} {
			if got := s.want(400, http.MethodGet, "/projects/team%2Fshop/dora/metrics?"+query, "", nil); strings.TrimSpace(got) != want {
				t.Errorf("%q gives %s, want %s", query, got, want)
			}
		}
		s.want(404, http.MethodGet, "/projects/7/dora/metrics?metric="+ok, "", nil, `{"message":"404 Project Not Found"}`)
	})
}

const ok = "deployment_frequency"

func TestForeignShapesBelieveTokensOnly(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.foreignHistory("theirs")
		gitlab := "/api/v4/projects/theirs/dora/metrics?metric=" + ok
		private := func(token string) []string { return []string{"Authorization", "", "PRIVATE-TOKEN", token} }
		for _, path := range []string{gitlab, "/dora/api/metric?type=cfr&project=theirs"} {
			s.want(401, http.MethodGet, path, "", as(""))
			s.want(401, http.MethodGet, path, "", []string{"Authorization", "", "Cookie", auth.CookieName + "=" + s.token(auth.ScopeDoraRead)})
			s.want(401, http.MethodGet, path, "", as("nonsense"))
			s.want(403, http.MethodGet, path, "", as(s.token(auth.ScopeDoraWrite)))
			s.want(404, http.MethodGet, path, "", as(s.token(auth.ScopeDoraRead, "mine")))
			s.want(200, http.MethodGet, path, "", as(s.token(auth.ScopeDoraRead, "theirs")))
		}
		s.want(200, http.MethodGet, gitlab, "", private(s.token(auth.ScopeDoraRead)))
		s.want(401, http.MethodGet, gitlab, "", private("nonsense"), `{"message":"401 Unauthorized"}`)
		s.want(403, http.MethodGet, gitlab, "", private(s.token(auth.ScopeDoraWrite)), `{"message":"403 Forbidden"}`)
		s.want(204, http.MethodOptions, "/dora/api/metric", "", as(""))
	})
}
