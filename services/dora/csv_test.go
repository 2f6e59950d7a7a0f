package dora

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

// table reads a CSV answer: its header and its rows by column.
func (s *server) table(path string, header ...string) (columns []string, rows []map[string]string) {
	s.t.Helper()
	text := s.want(200, http.MethodGet, path, "", header)
	if !strings.Contains(text, "\r\n") || strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\n") && !strings.Contains(text, `"`) {
		s.t.Errorf("%s: lines end in CRLF: %.200q", path, text)
	}
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, c := range cells {
			row[all[0][i]] = c
		}
		rows = append(rows, row)
	}
	return all[0], rows
}

func TestAListIsToldAsCSVWithAllItsRows(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		var lines []string
		for n := range 2100 { // more than two pages
			lines = append(lines, numbered(n))
		}
		s.post(lines...)
		const path = "/api/dora/v1/deployments?project=shop"
		columns, rows := s.table(path, "Accept", "text/html, text/csv;q=0.9, */*;q=0.1")
		if len(rows) != 2100 || strings.Join(columns[:4], ",") != "id,source,key,service" {
			t.Fatalf("%d rows, columns %v", len(rows), columns)
		}
		seen := map[string]bool{}
		for _, r := range rows {
			seen[r["id"]] = true
		}
		if len(seen) != 2100 {
			t.Errorf("%d different deployments", len(seen))
		}
		if _, rows := s.table(path + "&format=csv&limit=1500"); len(rows) != 1500 {
			t.Errorf("limited to 1500: %d rows", len(rows))
		}
		if _, rows := s.table("/api/dora/v1/events?format=csv&type=deployment"); len(rows) != 2100 || rows[0]["event.type"] != "deployment" || !strings.HasPrefix(rows[0]["event"], "{") {
			t.Errorf("the log: %d rows, the first %v", len(rows), rows[0])
		}
		if text := s.want(200, http.MethodGet, path+"&format=json&limit=1", "", []string{"Accept", "text/csv"}); !strings.HasPrefix(text, "{") {
			t.Errorf("format decides: %.80s", text)
		}
	})
}

func TestEveryListAndTheReportAreToldAsCSV(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.foreignHistory("shop")
		s.addSource("github", "hook", "shop")
		paths := map[string]string{
			"get-metrics": "/metrics?project=shop&interval=month&from=2026-02-01", "list-deployments": "/deployments?project=shop", "list-changes": "/changes?project=shop",
			"list-incidents": "/incidents?project=shop", "get-evidence": "/evidence?project=shop&metric=change_fail_rate", "list-projects": "/projects?", "list-events": "/events?",
			"list-sources": "/sources?", "list-quarantine": "/quarantine?", "list-imports": "/imports?project=shop", "list-audit": "/audit?",
		}
		filled := map[string]string{"get-metrics": "metric", "list-deployments": "finished_at", "list-changes": "sha", "get-evidence": "deployment.key", "list-projects": "time_zone",
			"list-events": "event.type", "list-sources": "path", "list-audit": "action"}
		for id, want := range csvColumns() {
			columns, rows := s.table(base + paths[id] + "&format=csv")
			if strings.Join(columns, ",") != strings.Join(want, ",") {
				t.Errorf("%s: columns %v", id, columns)
			}
			if f := filled[id]; f != "" && (len(rows) == 0 || rows[0][f] == "") {
				t.Errorf("%s: no %s in %v", id, f, rows)
			}
		}
		_, rows := s.table(base + paths["get-metrics"] + "&format=csv")
		if len(rows) != 5*3 || rows[0]["metric"] != "deployment_frequency" || rows[0]["interval_low"] == "" || rows[5]["to"] != "2026-03-01T00:00:00Z" || rows[5]["value"] != "" || rows[5]["reason"] == "" {
			t.Errorf("five of the whole, then of each month: %v", rows)
		}
	})
}

func TestCSVIsSafeInSpreadsheetsAndKeepsTheRules(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		for n, title := range []string{`=HYPERLINK("http://evil","x")`, "+1", "-1", "@x", `a "quoted", text`, "fine"} {
			s.post(deploymentLine(fmt.Sprint(n), "a", "2026-03-02T10:00:00Z", "title", title))
		}
		_, rows := s.table("/api/dora/v1/deployments?project=shop&format=csv")
		var got []string
		for _, r := range rows {
			got = append(got, r["title"])
			if r["changes"] != "0" && r["changes"] != "1" {
				t.Errorf("a number is left alone: %q", r["changes"])
			}
		}
		for _, g := range got {
			if g != "" && strings.ContainsRune("=+-@\t\r", rune(g[0])) {
				t.Errorf("a spreadsheet would run %q", g)
			}
		}
		for value, want := range map[string]string{"\tx": "'\tx", "\rx": "'\rx", "x=1": "x=1", "": ""} {
			if got := cell(map[string]any{"a": value}, "a"); got != want {
				t.Errorf("%q becomes %q, want %q", value, got, want)
			}
		}
		if got := cell(map[string]any{"a": json.Number("-1.5")}, "a"); got != "-1.5" {
			t.Errorf("a negative number becomes %q", got)
		}
		const path = "/api/dora/v1/deployments?project=shop"
		for query, field := range map[string]string{"&format=xml": "query.format", "&format=csv&kind=x": "query.kind", "&format=csv&limit=x": "query.limit", "&format=csv&profile=x": "query.profile"} {
			s.want(422, http.MethodGet, path+query, "", nil, field)
		}
		s.want(400, http.MethodGet, path+"&format=csv&cursor=x", "", nil, "invalid_cursor")
		s.want(401, http.MethodGet, path+"&format=csv", "", as(""))
		s.want(403, http.MethodGet, path+"&format=csv", "", as(s.token(auth.ScopeDoraWrite)))
		s.want(403, http.MethodGet, path+"&format=csv", "", as(s.token(auth.ScopeDoraRead, "mine")))
		s.want(404, http.MethodGet, "/api/dora/v1/deployments?project=nothing&format=csv", "", nil, "unknown_project")
		s.want(422, http.MethodGet, "/api/dora/v1/profiles?format=csv", "", nil)

		r := httptest.NewRequest(http.MethodGet, path+"&format=csv", nil)
		r.Header.Set("Authorization", "Bearer "+operatorToken)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		h := w.Header()
		if h.Get("Content-Type") != "text/csv; charset=utf-8; header=present" || h.Get("Content-Disposition") != `attachment; filename="shop-deployments-2026-03-31.csv"` || h.Get("Cache-Control") != "no-store" {
			t.Errorf("header %v", h)
		}
	})
}
