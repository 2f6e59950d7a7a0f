package dora

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

const profilesPath = "/api/dora/v1/profiles"

func TestProfilesAreWrittenUsedAndDeleted(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.post(`{"type":"deployment","id":"1","service":"api","environment":"production","repo":"https://git.example/r.git","sha":"` + strings.Repeat("a", 40) + `","outcome":"success","started_at":"2026-03-02T09:00:00Z","finished_at":"2026-03-02T10:00:00Z","unplanned":true,"project":"shop"}`)
		rate := func(profile string) string {
			status, text := s.call(http.MethodGet, "/api/dora/v1/metrics?project=shop&profile="+profile, "")
			if status != 200 {
				t.Fatalf("%d %s", status, text)
			}
			_, rest, _ := strings.Cut(text, `"metric":"change_fail_rate"`)
			_, rest, _ = strings.Cut(rest, `"value":`)
			value, _, _ := strings.Cut(rest, ",")
			return value
		}
		file := "name: hot\nrules:\n  failures: [unplanned]\n  recovery_of: linked_incidents\n  recovery_end: incident_resolved\n"
		s.want(200, http.MethodPut, profilesPath+"/hot", file, nil)
		if got := rate("hot"); got != "1" {
			t.Errorf("under hot the rate is %s, want 1", got)
		}
		if got := rate("dora-2025"); got != "0" {
			t.Errorf("under dora-2025 the rate is %s, want 0", got)
		}
		// Written again, nothing differs; changed, it holds at once, and the first version stays.
		s.want(200, http.MethodPut, profilesPath+"/hot", file, nil)
		s.want(200, http.MethodPut, profilesPath+"/hot", "name: hot\n", nil)
		if got := rate("hot"); got != "0" {
			t.Errorf("after the change the rate is %s, want 0", got)
		}
		now := get[profileBody](s, profilesPath+"/hot")
		first := get[profileBody](s, profilesPath+"/hot?version=1")
		if now.Version != 2 || now.Source == nil || *now.Source != "name: hot\n" || *first.Source != file || first.VersionLast != 2 || *now.Base != "dora-2025" {
			t.Errorf("now %+v\nfirst %+v", now, first)
		}
		var names []string
		for _, p := range get[struct{ Profiles []profileBody }](s, profilesPath).Profiles {
			names = append(names, p.Name)
			if len(p.Rules) != len(p.Choices) || len(p.Rules) == 0 {
				t.Errorf("%s has %d rules, %d choices", p.Name, len(p.Rules), len(p.Choices))
			}
		}
		if strings.Join(names, " ") != "dora-2025 devlake-2023 fourkeys gitlab hot" {
			t.Errorf("profiles %v", names)
		}
		s.want(204, http.MethodDelete, profilesPath+"/hot", "", nil)
		if p := get[profileBody](s, profilesPath+"/hot"); p.DeletedAt == nil || p.Version != 2 {
			t.Errorf("deleted: %+v", p)
		}
		_, text := s.call(http.MethodGet, "/api/dora/v1/metrics?project=shop&profile=hot", "")
		if !strings.Contains(text, "it was deleted") || !strings.Contains(text, "query.profile") {
			t.Errorf("a question under it: %s", text)
		}
		s.want(404, http.MethodDelete, profilesPath+"/hot", "", nil)
		s.want(404, http.MethodGet, profilesPath+"/hot?version=3", "", nil)
		s.want(404, http.MethodGet, profilesPath+"/nothing", "", nil)
		if got := s.audited("?target=hot"); len(got) != 4 || got[0] != "operator profile.deleted /hot" {
			t.Errorf("audited %v", got)
		}
	})
}

func TestFaultsOfAProfileAreRefused(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		for name, file := range map[string]string{
			"x body.rules.unit":                     "name: x\nrules:\n  unit: deploy\n",
			"x body.name":                           "name: y\n",
			"gitlab path.name":                      "name: gitlab\n",
			"x body.rules.lead_time":                "name: x\nrules:\n  lead_time: stages\n",
			"x2 body.what":                          "name: x2\nwhat: 1\n",
			"Mine body.name":                        "name: Mine\n",
			"x3 body.levels.change_fail_rate.elite": "name: x3\nlevels:\n  change_fail_rate: {elite: 150%}\n",
		} {
			name, field, _ := strings.Cut(name, " ")
			status, text := s.call(http.MethodPut, profilesPath+"/"+name, file)
			if status != 422 || !strings.Contains(text, `"`+field+`"`) {
				t.Errorf("%q: %d %s", file, status, text)
			}
		}
		s.want(422, http.MethodDelete, profilesPath+"/gitlab", "", nil)
		s.want(403, http.MethodPut, profilesPath+"/x", "name: x\n", as(s.token(auth.ScopeDoraWrite)))
		s.want(403, http.MethodPut, profilesPath+"/x", "name: x\n", as(s.token(auth.ScopeDoraAdmin, "shop")))
		if _, err := s.store.UserProfile(context.Background(), "x", 0); !errors.Is(err, ErrNotFound) {
			t.Errorf("what was refused is stored: %v", err)
		}
	})
}

func TestProfilesAreCompared(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.post(strings.ReplaceAll(deploymentLine("1", "a", "2026-03-02T10:00:00Z"), `"success"`, `"failure"`), deploymentLine("2", "b", "2026-03-03T10:00:00Z"))
		s.want(200, http.MethodPut, profilesPath+"/hot", "name: hot\nrules:\n  rated_outcomes: [success]\n", nil)
		c := get[comparisonBody](s, "/api/dora/v1/compare?project=shop&profiles=dora-2025,hot")
		if len(c.Profiles) != 2 || c.Profiles[1].Version != 1 || len(c.Same) == 0 {
			t.Fatalf("%+v", c)
		}
		for _, d := range c.Differences {
			if d.Rule != "rated_outcomes" || d.From != "success,failure" || d.To != "success" {
				t.Errorf("%+v", d)
			}
			if d.Metric == "change_fail_rate" && (*d.Before != 0.5 || *d.After != 0 || *d.Effect != -0.5 || d.NRows != 1 || d.OnlyBefore != 1 || !strings.HasSuffix(d.Examples[0].Key, "/1") || *d.Examples[0].After.Reason != "failure") {
				t.Errorf("change fail rate: %+v", d)
			}
		}
		if c.Profiles[0].Metrics[0].Evidence == nil || !strings.Contains(*c.Profiles[1].Metrics[0].Evidence, "profile=hot") {
			t.Error("the numbers lead to no rows")
		}
		for query, field := range map[string]string{"profiles=gitlab": "query.profiles", "profiles=gitlab,gitlab": "query.profiles", "profiles=gitlab,x": "query.profile", "profile=gitlab": "query.profile",
			"profiles=dora-2025,gitlab&service=x": "query.service", "profiles=a,b,c,d,e,f,g": "query.profile"} {
			s.want(422, http.MethodGet, "/api/dora/v1/compare?project=shop&"+query, "", nil, field)
		}
		if c := get[comparisonBody](s, "/api/dora/v1/compare?project=shop"); len(c.Profiles) != 4 {
			t.Errorf("%d profiles, want the built-in ones", len(c.Profiles))
		}
	})
}
