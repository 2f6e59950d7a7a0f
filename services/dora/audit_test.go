package dora

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/audit"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

const auditPath = "/api/dora/v1/audit"

func (s *server) audited(query string) []string {
	s.t.Helper()
	var out []string
	for _, e := range get[struct{ Items []auditBody }](s, auditPath+query).Items {
		out = append(out, e.Actor+" "+e.Action+" "+e.Project+"/"+e.Target)
	}
	return out
}

func TestEveryChangeIsInTheAuditLog(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.want(200, http.MethodPut, projectsPath+"/shop", `{"project":"shop"}`, nil)
		_, source := s.addSource("github", "hook", "shop")
		admin := as(s.token(auth.ScopeDoraAdmin))
		s.want(200, http.MethodPost, devlakeBase+"/connections", `{"name":"lake"}`, admin)
		s.want(200, http.MethodPut, "/api/dora/v1/imports/k?project=shop", `{"repo":"https://git.example/r","tips":[]}`, nil)
		s.want(204, http.MethodDelete, "/api/dora/v1/sources/"+source, "", nil)
		s.want(204, http.MethodDelete, projectsPath+"/shop", "", nil)
		// What is refused leaves no trace.
		s.want(404, http.MethodDelete, projectsPath+"/shop", "", nil)
		s.want(422, http.MethodPut, projectsPath+"/shop", `{"time_zone":"Mars"}`, nil)

		all := s.audited("")
		want := []string{"operator project.withdrawn shop/shop", "operator source.removed shop/" + source, "operator import.recorded shop/k"}
		if len(all) != 6 || strings.Join(all[:3], "\n") != strings.Join(want, "\n") || !strings.HasPrefix(all[3], "someone source.added lake/") ||
			all[5] != "operator project.declared shop/shop" {
			t.Errorf("the audit log is\n%s", strings.Join(all, "\n"))
		}
		for query, n := range map[string]int{"?project=shop": 5, "?actor=someone": 1, "?action=source.removed": 1, "?target=" + source: 2, "?action=nothing": 0} {
			if got := s.audited(query); len(got) != n {
				t.Errorf("%s gives %d entries, want %d: %v", query, len(got), n, got)
			}
		}
		if _, text := s.call(http.MethodGet, auditPath, ""); strings.Contains(text, githubSecret) || strings.Contains(text, operatorToken) {
			t.Errorf("the log holds a secret: %s", text)
		}
	})
}

func TestTheAuditLogHasPages(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		for n := range 7 {
			e := audit.Entry{At: s.clock.Now(), Actor: "a", Action: "test.done", Target: fmt.Sprint(n)}
			if err := s.store.Record(context.Background(), e); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		query := "?limit=3"
		for pages := 0; query != "" && pages < 9; pages++ {
			p := get[struct {
				Items      []auditBody
				NextCursor *string `json:"next_cursor"`
			}](s, auditPath+query)
			query = ""
			for _, e := range p.Items {
				got = append(got, e.Target)
			}
			if p.NextCursor != nil {
				query = "?limit=3&cursor=" + *p.NextCursor
			}
		}
		if strings.Join(got, " ") != "6 5 4 3 2 1 0" {
			t.Errorf("the pages hold %v", got)
		}
		s.want(400, http.MethodGet, auditPath+"?cursor=nonsense", "", nil, "invalid_cursor")
	})
}

func TestTheDatabaseKeepsTheAuditLogAsItIs(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		long := audit.Entry{At: s.clock.Now(), Actor: "a\x00b", Action: "x", Detail: strings.Repeat("ä", 2000)}
		if err := s.store.Record(ctx, long); err != nil {
			t.Fatal(err)
		}
		for _, q := range []string{`UPDATE audit_log SET actor = 'nobody'`, `DELETE FROM audit_log`} {
			if _, err := s.db.Write.ExecContext(ctx, q); err == nil || !strings.Contains(err.Error(), "append only") {
				t.Errorf("%s: %v, want that the log is append only", q, err)
			}
		}
		rows, err := s.store.Audit(ctx, audit.Query{Limit: 10})
		if err != nil || len(rows) != 1 || rows[0].Actor != "a�b" || len(rows[0].Detail) > 1000 || !strings.HasSuffix(rows[0].Detail, "ä…") {
			t.Errorf("%d entries, %v: %+v", len(rows), err, rows)
		}
	})
}
