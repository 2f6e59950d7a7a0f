package ui

import (
	"context"
	"crypto/sha1"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/delivery"
)

// fixtureNow is the moment at which the fixture's pages are looked at.
var fixtureNow = time.Date(2026, 11, 23, 17, 31, 0, 0, time.UTC)

// gateFake lets a given principal in, or refuses with a given error.
type gateFake struct {
	who auth.Principal
	err error
}

func (g gateFake) Authenticate(*http.Request) (auth.Principal, error) { return g.who, g.err }

func (g gateFake) Require(string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return next }
}

// lead is someone who may use the console.
func lead() gateFake {
	return gateFake{who: auth.Principal{Subject: "p1", Name: "Ada Lovelace", Kind: auth.KindPerson, Roles: []string{"admin"}, Scopes: []string{auth.ScopeAll}}}
}

// readerFake answers from values held in memory, and remembers what it was asked.
type readerFake struct {
	projects    []delivery.Project
	report      func(q delivery.Query) (delivery.Report, error)
	deployments []delivery.Deployment
	changes     []delivery.Change
	incidents   []delivery.Incident
	quarantine  []delivery.Quarantined
	happenings  []delivery.Happening
	relay       delivery.Relay
	dead        []delivery.DeadLetter
	settledDead []string
	evidence    map[string]delivery.Evidence
	err         error

	mu    sync.Mutex // a page asks several things at once
	asked []delivery.Query
	pages []delivery.Page
}

// note remembers a question.
func (f *readerFake) note(q delivery.Query, page ...delivery.Page) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked, f.pages = append(f.asked, q), append(f.pages, page...)
}

func (f *readerFake) Projects(context.Context) ([]delivery.Project, error) { return f.projects, f.err }

func (f *readerFake) Project(_ context.Context, name string) (delivery.Project, error) {
	for _, p := range f.projects {
		if p.Name == name {
			return p, nil
		}
	}
	return delivery.Project{}, problem.New(problem.UnknownProject, "there is no project named %q", name)
}

func (f *readerFake) Report(_ context.Context, q delivery.Query) (delivery.Report, error) {
	f.note(q)
	if f.err != nil {
		return delivery.Report{}, f.err
	}
	return f.report(q)
}

func (f *readerFake) Deployments(_ context.Context, q delivery.Query, page delivery.Page) (delivery.List[delivery.Deployment], error) {
	f.note(q, page)
	var out []delivery.Deployment
	for _, d := range f.deployments {
		at, _ := d.At()
		if (q.Service == "" || d.Service == q.Service) && within(at, q) && (!page.Failed || d.Failed) && (page.Kind == "" || page.Kind == d.Kind) {
			out = append(out, d)
		}
	}
	return delivery.List[delivery.Deployment]{Items: out}, f.err
}

func within(at time.Time, q delivery.Query) bool {
	day := at.Format("2006-01-02")
	return (q.From == "" || day >= q.From) && (q.To == "" || day < q.To)
}

func (f *readerFake) Changes(_ context.Context, q delivery.Query, page delivery.Page) (delivery.List[delivery.Change], error) {
	f.note(q, page)
	return delivery.List[delivery.Change]{Items: f.changes, NextCursor: "c2"}, f.err
}

func (f *readerFake) Incidents(context.Context, delivery.Query, delivery.Page) (delivery.List[delivery.Incident], error) {
	return delivery.List[delivery.Incident]{Items: f.incidents}, f.err
}

func (f *readerFake) Evidence(_ context.Context, metric string, q delivery.Query, _ delivery.Page) (delivery.Evidence, error) {
	f.note(q)
	return f.evidence[metric], f.err
}

func (f *readerFake) DeploymentEvidence(_ context.Context, _ delivery.Query, key string) (delivery.DeploymentEvidence, error) {
	for i, d := range f.deployments {
		if d.Key == key {
			e := delivery.DeploymentEvidence{Deployment: d, Changes: f.changes}
			if i+1 < len(f.deployments) {
				e.Previous = &f.deployments[i+1]
			}
			if d.Failed {
				e.Incidents = f.incidents
			}
			return e, nil
		}
	}
	return delivery.DeploymentEvidence{}, problem.New(problem.NotFound, "there is no deployment %q", key)
}

func (f *readerFake) ChangeEvidence(_ context.Context, _ delivery.Query, sha string) (delivery.ChangeEvidence, error) {
	for _, c := range f.changes {
		if c.SHA == sha {
			return delivery.ChangeEvidence{Change: c, Deliveries: []delivery.Change{c}}, nil
		}
	}
	return delivery.ChangeEvidence{}, problem.New(problem.NotFound, "there is no change %q", sha)
}

func (f *readerFake) IncidentEvidence(_ context.Context, _ delivery.Query, key string) (delivery.IncidentEvidence, error) {
	for _, i := range f.incidents {
		if i.Key == key {
			return delivery.IncidentEvidence{Incident: i}, nil
		}
	}
	return delivery.IncidentEvidence{}, problem.New(problem.NotFound, "there is no incident %q", key)
}

func (f *readerFake) Profiles(context.Context) ([]delivery.Profile, error) {
	return []delivery.Profile{{Name: "dora-2025", BuiltIn: true}, {Name: "devlake-2023", BuiltIn: true}, {Name: "ours", Summary: "A <profile> of our own."}}, f.err
}

// Compare gives every profile the same report but for the fail rate, which one rule moves.
func (f *readerFake) Compare(_ context.Context, q delivery.Query, profiles []string) (delivery.Comparison, error) {
	var out delivery.Comparison
	for i, name := range profiles {
		q.Profile = name
		r, err := f.report(q)
		if err != nil {
			return out, err
		}
		out.Reports = append(out.Reports, r)
		if i == 0 {
			continue
		}
		out.Pairs = append(out.Pairs, delivery.Pair{Metric: "change_fail_rate", From: profiles[0], To: name, Differs: true, OnlyAfter: 3})
		out.Differences = append(out.Differences, delivery.Difference{
			Metric: "change_fail_rate", Unit: "ratio", From: profiles[0], To: name, Rule: "failure_rules", FromText: "A failed outcome counts.", ToText: "Only incidents count.",
			Before: num(0.083), After: num(0.06), Effect: num(-0.023), NBefore: 290, NAfter: 280, Rows: 3,
			Examples: []delivery.Example{{Kind: "deployment", Key: "argocd/895", CountedBefore: true, ValueBefore: num(1), ReasonNow: "not_failed"}},
		})
	}
	return out, f.err
}

func (f *readerFake) Relay(context.Context) (delivery.Relay, error) { return f.relay, f.err }

func (f *readerFake) DeadLetters(context.Context, delivery.Page) (delivery.List[delivery.DeadLetter], error) {
	return delivery.List[delivery.DeadLetter]{Items: f.dead}, f.err
}

func (f *readerFake) SettleDeadLetters(_ context.Context, id string, discard bool) error {
	f.settledDead = append(f.settledDead, fmt.Sprint(id, " ", discard))
	return f.err
}

func (f *readerFake) Recent(context.Context, string, int) ([]delivery.Happening, error) {
	return f.happenings, f.err
}

func (f *readerFake) Quarantine(_ context.Context, which delivery.QuarantineFilter, _ delivery.Page) (delivery.Quarantine, error) {
	out := delivery.Quarantine{Counts: map[string]int{}}
	for _, q := range f.quarantine {
		if which.Source != "" && which.Source != q.Source {
			continue
		}
		out.Counts[q.Status]++
		if which.Status == "" || which.Status == q.Status {
			out.Items = append(out.Items, q)
		}
	}
	return out, f.err
}

// Replay understands a body that says "right".
func (f *readerFake) Replay(_ context.Context, id string, corrected *string) (delivery.Settled, error) {
	for i, q := range f.quarantine {
		if q.ID != id {
			continue
		}
		f.quarantine[i].Attempts++
		if corrected == nil || !strings.Contains(*corrected, "right") {
			return delivery.Settled{}, problem.New(problem.InvalidField, "the deployment still names no commit").WithField("deployment.sha")
		}
		f.quarantine[i].Status = delivery.QuarantineReplayed
		return delivery.Settled{Replayed: 1, Stored: 2}, f.err
	}
	return delivery.Settled{}, problem.New(problem.NotFound, "there is no delivery %q", id)
}

func (f *readerFake) Discard(_ context.Context, id string) error {
	for i, q := range f.quarantine {
		if q.ID == id {
			f.quarantine[i].Status = delivery.QuarantineDiscarded
			return f.err
		}
	}
	return problem.New(problem.NotFound, "there is no delivery %q", id)
}

func (f *readerFake) SettleAll(_ context.Context, which delivery.QuarantineFilter, discard bool) (delivery.Settled, error) {
	var out delivery.Settled
	for i, q := range f.quarantine {
		switch {
		case q.Status != delivery.QuarantineOpen || which.Source != "" && which.Source != q.Source:
		case discard:
			f.quarantine[i].Status = delivery.QuarantineDiscarded
			out.Discarded++
		default:
			out.Failed++
		}
	}
	return out, f.err
}

func (f *readerFake) QuarantineEntry(_ context.Context, id string) (delivery.Quarantined, error) {
	for _, q := range f.quarantine {
		if q.ID == id {
			return q, nil
		}
	}
	return delivery.Quarantined{}, problem.New(problem.NotFound, "there is no delivery %q", id)
}

func num(v float64) *float64 { return &v }

func ptr[T any](v T) *T { return &v }

// shopReport is a project in good order, its numbers chosen so that every part of a page is drawn.
func shopReport(q delivery.Query) (delivery.Report, error) {
	r := delivery.Report{Project: q.Project, Profile: "dora-2025", AsOf: fixtureNow, LevelsEdition: "2023", Score: num(7.4)}
	if q.Profile != "" {
		r.Profile = q.Profile
	}
	if q.Project == "legacy" {
		for _, name := range []string{"deployment_frequency", "change_lead_time", "change_fail_rate", "failed_deployment_recovery_time", "deployment_rework_rate"} {
			r.Metrics = append(r.Metrics, delivery.Metric{Name: name, Unit: unitOf(name), Reason: "no_deployment_in_window"})
		}
		r.Score = nil
		return r, nil
	}
	scale := 1.0
	if q.Interval == "" {
		scale = 1.18 // the window before
	}
	r.Metrics = []delivery.Metric{
		{Name: "deployment_frequency", Value: num(3.2 / scale), Unit: "per_day", N: 288, Low: num(2.84), High: num(3.59), Level: "elite", Edition: "2023", Score: num(8), Completeness: &delivery.Completeness{Linked: 288, Total: 288}},
		{Name: "change_lead_time", Value: num(187200 * scale), Unit: "seconds", N: 1204, P75: num(340000), P90: num(610000), Low: num(151200), High: num(223200), Level: "high", Edition: "2023", Score: num(6),
			Completeness: &delivery.Completeness{Linked: 1204, Total: 1262, Reasons: map[string]int{"first_deployment": 41, "clock_skew": 3, "not_deployed": 14}},
			Parts:        []delivery.Part{{Name: "coding", Seconds: num(52000), N: 1100}, {Name: "pickup", N: 0, Reason: "no_review"}, {Name: "review", Seconds: num(30000), N: 890}, {Name: "deploy", Seconds: num(70000), N: 1204}}},
		{Name: "change_fail_rate", Value: num(0.083 * scale), Unit: "ratio", N: 301, Low: num(0.0568), High: num(0.1196), Level: "high", Edition: "2023", Score: num(9.2), Completeness: &delivery.Completeness{Linked: 301, Total: 306, Reasons: map[string]int{"aborted": 5}}},
		{Name: "failed_deployment_recovery_time", Value: num(11520), Unit: "seconds", N: 22, P90: num(86000), Low: num(5400), High: num(21600), Level: "high", Edition: "2023", Score: num(7), Completeness: &delivery.Completeness{Linked: 22, Total: 25, Reasons: map[string]int{"open": 3}}},
		{Name: "deployment_rework_rate", Unit: "ratio", N: 0, Reason: "metric_missing"},
	}
	if q.Project == "billing" {
		r.Metrics[1].N, r.Metrics[1].Level = 4, ""
		r.Metrics[3] = delivery.Metric{Name: "failed_deployment_recovery_time", Unit: "seconds", Reason: "no_failed_deployment"}
	}
	if q.Interval == "" {
		return r, nil
	}
	start := time.Date(2026, 8, 30, 22, 0, 0, 0, time.UTC) // the beginning of a Monday in Berlin
	for i := range 13 {
		from := start.AddDate(0, 0, 7*i)
		s := delivery.Step{From: from, To: from.AddDate(0, 0, 7)}
		wave := math.Sin(float64(i) * 1.1)
		freq := delivery.Metric{Name: "deployment_frequency", Unit: "per_day", Value: num(3.1 + wave + float64(i)*0.07), N: 22, Low: num(2.1 + wave), High: num(4.4 + wave)}
		if i == 4 {
			freq.Value, freq.N, freq.Low, freq.High = num(0), 0, num(0), num(0.5)
		}
		leadT := delivery.Metric{Name: "change_lead_time", Unit: "seconds", Value: num(230000 - float64(i)*7000 + 50000*wave), N: 90, Low: num(150000 - float64(i)*5000 + 50000*wave), High: num(320000 - float64(i)*7000 + 50000*wave)}
		rate := delivery.Metric{Name: "change_fail_rate", Unit: "ratio", Value: num(0.085 + 0.05*wave), N: 22, Low: num(0.03 + 0.02*wave), High: num(0.21 + 0.05*wave)}
		if i == 4 || i == 9 {
			leadT = delivery.Metric{Name: "change_lead_time", Unit: "seconds", Reason: "no_attributed_change"}
			rate = delivery.Metric{Name: "change_fail_rate", Unit: "ratio", Reason: "no_deployment_in_window"}
		}
		rec := delivery.Metric{Name: "failed_deployment_recovery_time", Unit: "seconds", Reason: "no_failed_deployment"}
		if i%3 != 1 {
			rec = delivery.Metric{Name: "failed_deployment_recovery_time", Unit: "seconds", Value: num(9000 + 5000*wave), N: 2}
		}
		s.Metrics = []delivery.Metric{freq, leadT, rate, rec, {Name: "deployment_rework_rate", Unit: "ratio", Reason: "metric_missing"}}
		r.Series = append(r.Series, s)
	}
	return r, nil
}

func unitOf(name string) string {
	switch name {
	case "deployment_frequency":
		return "per_day"
	case "change_fail_rate", "deployment_rework_rate":
		return "ratio"
	}
	return "seconds"
}

func sha(n int) string { return fmt.Sprintf("%x", sha1.Sum([]byte(strconv.Itoa(n)))) }

// shop is a console's whole world: one busy project, one small, one that has been quiet for long.
func shop() *readerFake {
	f := &readerFake{report: shopReport, evidence: map[string]delivery.Evidence{}}
	f.projects = []delivery.Project{
		{Name: "shop", TimeZone: "Europe/Berlin", Declared: true, Teams: []string{"checkout", "platform"}, Environments: []string{"production", "staging"},
			Services: []delivery.Service{{Name: "api", Team: "checkout", Repo: "https://git.example/shop/api.git", Environments: []string{"production", "staging"}}, {Name: "web", Team: "checkout", Repo: "https://git.example/shop/web.git", Environments: []string{"production"}}, {Name: "worker", Team: "platform", Repo: "https://git.example/shop/api.git", Paths: []string{"worker/"}, Environments: []string{"production"}}},
			Repos:    []string{"https://git.example/shop/api.git", "https://git.example/shop/web.git"}, Entities: map[string]int{"commit": 41200, "deployment": 3120, "pull_request": 3890},
			FirstEventAt: ptr(fixtureNow.AddDate(-2, 0, 0)), LastEventAt: ptr(fixtureNow.Add(-3 * time.Minute)), LastDeploymentAt: ptr(fixtureNow.Add(-52 * time.Minute)),
			YAML: "project: shop\ntime_zone: Europe/Berlin\nteams:\n  - name: checkout\n  - name: platform\nservices:\n  - name: api\n    team: checkout\n    repo: https://git.example/shop/api.git\n"},
		{Name: "billing", TimeZone: "UTC", Services: []delivery.Service{{Name: "billing"}}, Repos: []string{"https://git.example/billing.git"}, Environments: []string{"production"}, LastDeploymentAt: ptr(fixtureNow.Add(-76 * time.Hour))},
		{Name: "legacy", TimeZone: "America/New_York", Services: []delivery.Service{{Name: "mainframe"}}, Repos: []string{"https://git.example/legacy.git"}, Environments: []string{"production"}, LastDeploymentAt: ptr(fixtureNow.AddDate(-2, -3, 0))},
	}
	services := []string{"api", "web", "worker"}
	for i := range 120 {
		at := fixtureNow.Add(-time.Duration(i*17+i*i%11) * time.Hour)
		d := delivery.Deployment{Key: "argocd/" + strconv.Itoa(900-i), ID: strconv.Itoa(900 - i), Source: "argocd", Service: services[(i*7+i/5)%3], Environment: "production", Repo: "https://git.example/shop/api.git",
			SHA: sha(i), Kind: "forward", Outcome: "success", StartedAt: ptr(at.Add(-4 * time.Minute)), FinishedAt: ptr(at), Changes: 1 + i%6, PreviousKey: "argocd/" + strconv.Itoa(899-i), PreviousID: strconv.Itoa(899 - i)}
		switch {
		case i%17 == 5:
			d.Failed, d.FailureReasons, d.RestoredAt, d.RestoredBy = true, []string{"rolled_back", "incident"}, ptr(at.Add(3*time.Hour)), "rollback"
		case i%17 == 4:
			d.Kind, d.Changes = "rollback", 0
		case i%13 == 7:
			d.Kind, d.Changes = "redeploy", 0
		case i%19 == 9:
			d.Unplanned = true
		case i == 119:
			d.Kind, d.Changes, d.PreviousKey = "first", 0, ""
		}
		f.deployments = append(f.deployments, d)
	}
	for i := range 12 {
		at := fixtureNow.Add(-time.Duration(i*9) * time.Hour)
		c := delivery.Change{Repo: "https://git.example/shop/api.git", Number: strconv.Itoa(412 - i), SHA: sha(i), Service: "api", Environment: "production",
			FirstCommitAt: ptr(at.Add(-90 * time.Hour)), CreatedAt: ptr(at.Add(-40 * time.Hour)), FirstReviewAt: ptr(at.Add(-30 * time.Hour)), MergedAt: ptr(at.Add(-8 * time.Hour)), DeployedAt: ptr(at),
			DeploymentKey: "argocd/900", DeploymentID: "900", Coding: num(180000), Pickup: num(36000), Review: num(79200), Deploy: num(28800), LeadTime: num(324000)}
		if i%4 == 2 {
			c.Number, c.CreatedAt, c.FirstReviewAt, c.MergedAt, c.Coding, c.Pickup, c.Review, c.Deploy, c.Reason = "", nil, nil, nil, nil, nil, nil, nil, "no_pull_request"
		}
		f.changes = append(f.changes, c)
	}
	f.incidents = []delivery.Incident{
		{Key: "alertmanager/7c1", ID: "7c1", Source: "alertmanager", Title: "Checkout answers 5xx", Severity: "critical", Service: "api", Environment: "production", OpenedAt: ptr(fixtureNow.Add(-86 * time.Hour)), ResolvedAt: ptr(fixtureNow.Add(-83 * time.Hour)), DeploymentKey: "argocd/895", DeploymentID: "895", LinkedBy: "time"},
		{Key: "alertmanager/7c2", ID: "7c2", Source: "alertmanager", Title: "Queue grows", Severity: "warning", Service: "worker", Environment: "production", OpenedAt: ptr(fixtureNow.Add(-20 * time.Hour)), LinkedBy: "none", Reason: "outside_time_window"},
	}
	f.relay = delivery.Relay{Configured: true, URL: "https://devlake.example", Reachable: ptr(false), Pending: 3, Sent: 1200, Waiting: 4, Dead: 2, Lag: num(95), LastError: "DevLake answers 502",
		Projects: []delivery.RelayProject{{Name: "shop", Sent: 1200, Pending: 3, Waiting: 4, Missing: map[string]int{"source_sha_unknown": 3, "not_finished": 1}, Dead: 2}}}
	f.dead = []delivery.DeadLetter{
		{ID: "4", Project: "shop", Kind: "deployment", Entity: "argocd/895", Error: "400 Bad Request: repoUrl <missing>", Status: 400, Attempts: 1, Body: "{}"},
		{ID: "5", Project: "shop", Kind: "incident", Entity: "alertmanager/7c1", Error: "no answer in time", Attempts: 9, Body: "{}"},
	}
	f.happenings = []delivery.Happening{
		{Seq: 9, Type: "deployment", Source: "argocd", ReceivedAt: ptr(fixtureNow), ID: "895", Service: "api", Environment: "production", Outcome: "success", SHA: sha(2)},
		{Seq: 8, Type: "incident", Source: "alertmanager", ReceivedAt: ptr(fixtureNow), ID: "7c1", Title: "Checkout <slow>", Service: "api"},
		{Seq: 7, Type: "pull_request", Source: "github", Number: "12", Title: "Faster search", Merged: true},
		{Seq: 6, Type: "commit", Source: "git", Repo: "https://git.example/shop.git", SHA: sha(1)},
	}
	f.quarantine = []delivery.Quarantined{{ID: "q1", Source: "github", Field: "deployment.sha", Detail: "the deployment names no commit", Status: delivery.QuarantineOpen, ReceivedAt: ptr(fixtureNow.Add(-time.Hour)), Body: `{"deployment":{"sha":""}}`}}
	for _, m := range []string{"deployment_frequency", "change_fail_rate", "deployment_rework_rate", "failed_deployment_recovery_time"} {
		var e delivery.Evidence
		for i := range f.deployments[:20] {
			d := &f.deployments[i]
			row := delivery.Row{Deployment: d, Counted: d.Outcome == "success", Rule: "successful and in production", Value: num(1), Unit: "count"}
			if m == "change_fail_rate" && !d.Failed {
				row.Value, row.Rule = num(0), "no failure is known"
			}
			e.Rows = append(e.Rows, row)
		}
		f.evidence[m] = e
	}
	lt := delivery.Evidence{}
	for i := range f.changes {
		c := &f.changes[i]
		lt.Rows = append(lt.Rows, delivery.Row{Change: c, Counted: true, Value: c.LeadTime, Unit: "seconds", Rule: "commit_graph"})
	}
	lt.Rules = []string{"A change is a commit; its lead time is authored to deployed.", "Medians are continuous."}
	f.evidence["change_lead_time"] = lt
	return f
}
