package delivery_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/delivery"
)

// service answers each path with a text and remembers what was asked.
type service struct {
	*httptest.Server
	answers map[string]string
	asked   []*http.Request
	status  int
	kind    string
}

func newService(t *testing.T, answers map[string]string) *service {
	t.Helper()
	s := &service{answers: answers, status: http.StatusOK, kind: "application/json"}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked = append(s.asked, r)
		body, ok := s.answers[r.URL.EscapedPath()]
		if !ok {
			t.Errorf("asked for %s, which no answer is for", r.URL.EscapedPath())
		}
		w.Header().Set("Content-Type", s.kind)
		w.WriteHeader(s.status)
		if _, err := w.Write([]byte(body)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// Client makes the service a peer network of one.
func (s *service) Client(string) (string, *http.Client) { return s.URL, s.Server.Client() }

func (s *service) reader(t *testing.T) *delivery.HTTP {
	t.Helper()
	h, err := delivery.NewHTTP(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (s *service) last(t *testing.T) url.Values {
	t.Helper()
	if len(s.asked) == 0 {
		t.Fatal("nothing was asked")
	}
	return s.asked[len(s.asked)-1].URL.Query()
}

func ref[T any](v T) *T { return &v }

const reportAnswer = `{"project":"shop","profile":"dora-2025","time_zone":"UTC","interval":"week","from":"2026-08-26T00:00:00Z","to":"2026-11-24T00:00:00Z",
"as_of":"2026-11-23T17:00:00Z","score":null,"score_reason":"metric_missing","stale":true,"pending_events":12,
"metrics":[{"metric":"change_lead_time","value":187200,"unit":"seconds","p75":200000,"p90":300000,"n":59,"interval":[100,200],"level":"high","level_edition":"2023","level_reason":null,"score":6,"reason":null,"detail":null,
"parts":{"coding":{"value":10,"n":40,"reason":null},"pickup":{"value":null,"n":0,"reason":"no_review"},"review":null,"pending":3},"completeness":{"linked":59,"total":60,"reasons":{"first_deployment":1}}},
{"metric":"change_fail_rate","value":null,"unit":"ratio","p75":null,"p90":null,"n":0,"interval":null,"level":null,"level_edition":null,"level_reason":null,"score":null,"reason":"no_deployment_in_window","detail":"there was none","parts":{},"completeness":{"linked":0,"total":0,"reasons":{}}}],
"series":[{"from":"2026-08-26T00:00:00Z","to":"2026-08-31T00:00:00Z","metrics":[{"metric":"change_lead_time","value":null,"unit":"seconds","n":0,"reason":"no_attributed_change","parts":{},"completeness":{"linked":0,"total":0,"reasons":{}}}]}]}`

func TestAReportIsTakenUpWholeAndUnknownStaysUnknown(t *testing.T) {
	s := newService(t, map[string]string{"/api/dora/v1/metrics": reportAnswer})
	r, err := s.reader(t).Report(t.Context(), delivery.Query{Project: "shop", Service: "api", Team: "core", Environment: "staging", From: "2026-08-26", To: "2026-11-24", Interval: "week", Profile: "devlake-2023"})
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"project": {"shop"}, "service": {"api"}, "team": {"core"}, "environment": {"staging"}, "from": {"2026-08-26"}, "to": {"2026-11-24"}, "interval": {"week"}, "profile": {"devlake-2023"}}
	if d := cmp.Diff(want, s.last(t)); d != "" {
		t.Errorf("asked otherwise (-want +got):\n%s", d)
	}
	if !r.Stale || r.ProjectionPending != 12 || r.LevelsEdition != "2023" || r.Score != nil {
		t.Errorf("report %+v", r)
	}
	m, ok := r.Metric("change_lead_time")
	wanted := delivery.Metric{
		Name: "change_lead_time", Value: ref(187200.0), Unit: "seconds", P75: ref(200000.0), P90: ref(300000.0), N: 59, Low: ref(100.0), High: ref(200.0),
		Level: "high", Edition: "2023", Score: ref(6.0), Completeness: &delivery.Completeness{Linked: 59, Total: 60, Reasons: map[string]int{"first_deployment": 1}},
		Parts: []delivery.Part{{Name: "coding", Seconds: ref(10.0), N: 40}, {Name: "pickup", Reason: "no_review"}}, Extra: []delivery.Extra{{Name: "Not deployed yet", Value: 3}},
	}
	if d := cmp.Diff(wanted, m); !ok || d != "" {
		t.Errorf("lead time (-want +got):\n%s", d)
	}
	if m, _ := r.Metric("change_fail_rate"); m.Value != nil || m.Low != nil || m.Reason != "there was none" {
		t.Errorf("an unknown rate became %+v", m)
	}
	if len(r.Series) != 1 || r.Series[0].Metrics[0].Value != nil || r.Series[0].Metrics[0].Reason != "no_attributed_change" {
		t.Errorf("series %+v", r.Series)
	}
}

func TestListsAskForTheLatestFirstAndFollowTheCursor(t *testing.T) {
	row := `{"id":"7","source":"ci","key":"ci/7","service":"api","environment":"production","production":true,"sha":"abc","kind":"rollback","outcome":"success","unplanned":true,"changes":2,
		"failed":true,"failure_reasons":["incident"],"finished_at":"2026-01-01T10:00:00Z","restored_at":"2026-01-01T11:00:00Z","restored_by":"rollback","previous":"ci/6","previous_id":"6"}`
	s := newService(t, map[string]string{"/api/dora/v1/deployments": `{"items":[` + row + `],"next_cursor":"n2"}`})
	l, err := s.reader(t).Deployments(t.Context(), delivery.Query{Project: "shop"}, delivery.Page{Limit: 50, Cursor: "n1", Kind: "rollback", Failed: true})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(url.Values{"project": {"shop"}, "limit": {"50"}, "cursor": {"n1"}, "kind": {"rollback"}, "failed": {"true"}, "newest": {"true"}}, s.last(t)); d != "" {
		t.Errorf("asked otherwise (-want +got):\n%s", d)
	}
	if l.NextCursor != "n2" || len(l.Items) != 1 {
		t.Fatalf("list %+v", l)
	}
	d := l.Items[0]
	if lasted, ok := d.Recovery(); d.Key != "ci/7" || d.SHA != "abc" || !d.Unplanned || d.PreviousKey != "ci/6" || !ok || lasted != 3600 {
		t.Errorf("deployment %+v", d)
	}
}

func TestEvidenceSaysWhatCountsAndWhatDoesNot(t *testing.T) {
	s := newService(t, map[string]string{"/api/dora/v1/evidence": `{"metric":"change_lead_time","profile":"dora-2025","rules":["A change is a commit."],"next_cursor":null,"items":[
		{"metric":"change_lead_time","kind":"change","value":60,"unit":"seconds","rule":"commit_graph","ref":"ci/7","change":{"repo":"r","sha":"abc","lead_time_seconds":60}},
		{"metric":"change_lead_time","kind":"change","value":null,"unit":"seconds","reason":"first_deployment","change":{"repo":"r","sha":"def","reason":"first_deployment"}}]}`})
	e, err := s.reader(t).Evidence(t.Context(), "change_lead_time", delivery.Query{Project: "shop"}, delivery.Page{Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	if s.last(t).Get("metric") != "change_lead_time" || len(e.Rows) != 2 || len(e.Rules) != 1 {
		t.Fatalf("evidence %+v", e)
	}
	if a, b := e.Rows[0], e.Rows[1]; !a.Counted || a.Rule != "commit_graph" || a.Change.SHA != "abc" || b.Counted || b.Reason != "first_deployment" {
		t.Errorf("rows %+v and %+v", a, b)
	}
}

func TestAKeyWithASlashStaysOneSegment(t *testing.T) {
	s := newService(t, map[string]string{"/api/dora/v1/deployments/ci%2F7/evidence": `{"deployment":{"key":"ci/7","id":"7"},"previous_deployment":null,"restored_by_deployment":null,"changes":[],"incidents":null,"notes":[{"rule":"kind","detail":"x"}],"events":[]}`})
	e, err := s.reader(t).DeploymentEvidence(t.Context(), delivery.Query{Project: "shop"}, "ci/7")
	if err != nil {
		t.Fatal(err)
	}
	if e.Deployment.Key != "ci/7" || e.Previous != nil || e.RestoredBy != nil || len(e.Notes) != 1 {
		t.Errorf("evidence %+v", e)
	}
}

func TestAChangeIsShownByItsFirstArrival(t *testing.T) {
	s := newService(t, map[string]string{"/api/dora/v1/changes/abc/evidence": `{"changes":[{"sha":"abc","service":"waits"},{"sha":"abc","service":"late","deployed_at":"2026-02-02T00:00:00Z"},{"sha":"abc","service":"early","deployed_at":"2026-02-01T00:00:00Z"}],"deployments":[],"notes":[]}`})
	e, err := s.reader(t).ChangeEvidence(t.Context(), delivery.Query{Project: "shop"}, "abc")
	if err != nil || e.Change.Service != "early" || len(e.Deliveries) != 3 {
		t.Errorf("change %+v, %v", e.Change, err)
	}
}

func TestAProjectsDeclarationIsAFileInItsOwnOrder(t *testing.T) {
	s := newService(t, map[string]string{"/api/dora/v1/projects/shop": `{"project":"shop","time_zone":"Europe/Berlin","services":[{"name":"api","team":"core","paths":["a/"]}],"teams":[{"name":"core"},{"name":"web"}],"entities":{"commit":3,"deployment":2},
		"spec":{"project":"shop","time_zone":"Europe/Berlin","services":[{"name":"api","team":"core","paths":["a/"]}],"incident_window":"24h"}}`})
	p, err := s.reader(t).Project(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	want := "project: shop\ntime_zone: Europe/Berlin\nservices:\n  - name: api\n    team: core\n    paths:\n      - a/\nincident_window: 24h\n"
	if p.YAML != want {
		t.Errorf("file\n%s\nwant\n%s", p.YAML, want)
	}
	if d := cmp.Diff([]string{"core", "web"}, p.Teams); d != "" || p.Entities["commit"] != 3 {
		t.Errorf("teams %v, entities %v", p.Teams, p.Entities)
	}
}

func TestProjectsAreReadToTheLastPage(t *testing.T) {
	pages := []string{`{"items":[{"project":"a"}],"next_cursor":"two"}`, `{"items":[{"project":"b"}],"next_cursor":null}`}
	s := newService(t, map[string]string{"/api/dora/v1/projects": pages[0]})
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked = append(s.asked, r)
		body := pages[0]
		if r.URL.Query().Get("cursor") == "two" {
			body = pages[1]
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Error(err)
		}
	})
	got, err := s.reader(t).Projects(t.Context())
	if err != nil || len(got) != 2 || got[1].Name != "b" || len(s.asked) != 2 {
		t.Errorf("projects %+v after %d questions, %v", got, len(s.asked), err)
	}
}

func TestAProblemIsHandedOnAsTheServiceSaidIt(t *testing.T) {
	s := newService(t, map[string]string{"/api/dora/v1/metrics": `{"type":"about:blank","title":"A value is not valid","status":422,"code":"invalid_field","field":"query.from","detail":"not a day","mend":"write 2026-01-31"}`})
	s.status, s.kind = http.StatusUnprocessableEntity, problem.ContentType
	_, err := s.reader(t).Report(t.Context(), delivery.Query{Project: "shop"})
	var p *problem.Problem
	if !errors.As(err, &p) || p.Status != 422 || p.Field != "from" || p.Mend != "write 2026-01-31" {
		t.Errorf("error %#v", err)
	}
}

func TestWhatIsNoAnswerIsAnError(t *testing.T) {
	for name, set := range map[string]func(*service){
		"a page of a proxy": func(s *service) { s.status, s.kind = http.StatusBadGateway, "text/html" },
		"broken JSON":       func(s *service) { s.answers["/api/dora/v1/metrics"] = `{"metrics":` },
		"a lying problem":   func(s *service) { s.status, s.kind = http.StatusTeapot, problem.ContentType },
	} {
		s := newService(t, map[string]string{"/api/dora/v1/metrics": `{"status":200}`})
		set(s)
		if _, err := s.reader(t).Report(t.Context(), delivery.Query{Project: "shop"}); err == nil {
			t.Errorf("%s is taken for an answer", name)
		}
	}
}

func TestAServiceThatIsDownIsNamed(t *testing.T) {
	s := newService(t, nil)
	h := s.reader(t)
	s.Close()
	_, err := h.Report(t.Context(), delivery.Query{Project: "shop"})
	if p := problem.From(err); p.Status != http.StatusServiceUnavailable || !strings.Contains(p.Detail, "delivery metrics service") || p.Mend == "" {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Report(ctx, delivery.Query{Project: "shop"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a question given up is %v, want context.Canceled", err)
	}
}

func TestTheRequestIdAndTheCallersCredentialGoAlong(t *testing.T) {
	s := newService(t, map[string]string{"/api/dora/v1/metrics": `{}`})
	verifier, err := auth.NewVerifier(auth.Options{Audience: "console", StaticToken: strings.Repeat("s", auth.MinStaticToken)})
	if err != nil {
		t.Fatal(err)
	}
	h := s.reader(t)
	page := verifier.Require(auth.ScopeConsole)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := h.Report(problem.WithRequest(r.Context(), "req-1", nil), delivery.Query{Project: "shop"}); err != nil {
			t.Error(err)
		}
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+strings.Repeat("s", auth.MinStaticToken))
	page.ServeHTTP(httptest.NewRecorder(), r)
	if len(s.asked) != 1 {
		t.Fatal("nothing was asked")
	}
	if got := s.asked[0].Header; got.Get("X-Request-Id") != "req-1" || got.Get("Authorization") != r.Header.Get("Authorization") {
		t.Errorf("headers %v", got)
	}
}
