package metrics

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// fortnight is a worked example: every number that is asked of it below was
// computed by hand.
//
//	Mon 02 10:00  d1 success   first: two changes that only mark the start
//	Tue 03 10:00  d2 success   24 h (coding, pickup, review, deploy 6 h each), 2 h without a pull request
//	Tue 03 15:00  d3 success   unplanned; 1 h: coding 10 min, no review so review = 30 min, deploy 20 min
//	Thu 05 09:00  d4 failure   restored by d5 after 90 min
//	Thu 05 10:30  d5 success   24 h; and one authored after it was deployed
//	Mon 09 10:00  d6 aborted
//	Tue 10 10:00  d7 success   168 h; caused incident i1, resolved after 4 h
//	Thu 12 10:00  d8 success   rolled back and caused i2, still open
//	Fri 13 12:00  i3           of the service, linked to nothing
func fortnight(t testing.TB) *build {
	b := newBuild(t)
	b.spec.Calendar.Holidays = []string{"2026-03-06"}
	ok := event.OutcomeSuccess
	d1 := b.deploy("api", "d1", "2026-03-02 10:00", ok)
	d1.Kind, d1.Reason = history.KindFirst, history.ReasonBaseline
	for range 2 {
		b.change(d1, "2026-03-01 10:00").Reason = 2 // first_deployment
	}
	d2 := b.deploy("api", "d2", "2026-03-03 10:00", ok)
	b.inRequest(d2, b.change(d2, "2026-03-02 10:00"), "2026-03-02 16:00", "2026-03-02 22:00", "2026-03-03 04:00")
	b.change(d2, "2026-03-03 08:00")
	d3 := b.deploy("api", "d3", "2026-03-03 15:00", ok)
	d3.Unplanned = true
	b.inRequest(d3, b.change(d3, "2026-03-03 14:00"), "2026-03-03 14:10", "", "2026-03-03 14:40")
	d4 := b.deploy("api", "d4", "2026-03-05 09:00", event.OutcomeFailure)
	d4.Failed, d4.Failures = true, []history.Failure{{Rule: history.FailedOutcome}}
	d4.RestoredAt, d4.RestoredBy, d4.RestoredRef = at(t, "2026-03-05 10:30"), history.RestoredDeployment, "ci/d5"
	d5 := b.deploy("api", "d5", "2026-03-05 10:30", ok)
	b.change(d5, "2026-03-04 10:30")
	b.change(d5, "2026-03-05 11:00")
	b.deploy("api", "d6", "2026-03-09 10:00", event.OutcomeAborted)
	d7 := b.deploy("api", "d7", "2026-03-10 10:00", ok)
	b.change(d7, "2026-03-03 10:00")
	d7.Failed, d7.Failures = true, []history.Failure{{Rule: history.FailedIncident, Ref: "pager/i1"}}
	d7.RestoredAt, d7.RestoredBy, d7.RestoredRef = at(t, "2026-03-10 14:00"), history.RestoredIncident, "pager/i1"
	d8 := b.deploy("api", "d8", "2026-03-12 10:00", ok)
	d8.Failed, d8.Failures = true, []history.Failure{{Rule: history.FailedRolledBack, Ref: "ci/d9"}, {Rule: history.FailedIncident, Ref: "pager/i2"}}
	i1 := b.incident("i1", "api", "2026-03-10 11:00", "2026-03-10 14:00")
	i1.Deployment, i1.DeploymentID, i1.LinkedBy = "ci/d7", "d7", history.LinkTime
	i2 := b.incident("i2", "api", "2026-03-12 11:00", "")
	i2.Deployment, i2.DeploymentID, i2.LinkedBy = "ci/d8", "d8", history.LinkExplicit
	b.incident("i3", "api", "2026-03-13 12:00", "").Reason = history.ReasonOutsideWindow
	return b
}

func fortnightReport(t testing.TB) Report {
	b := fortnight(t)
	return compute(t, b.view("2026-03-14 12:00"), b.window("2026-03-02", "2026-03-16"), DORA2025())
}

func TestDeploymentFrequencyOfTheWorkedExample(t *testing.T) {
	r := fortnightReport(t)
	m := r.Metric(DeploymentFrequency)
	wantValue(t, "value", m.Value, 6/12.5) // the window is cut at the report's time
	wantInt(t, "deployments", m.Parts.Deployments, 6)
	wantValue(t, "days", m.Parts.Days, 12.5)
	wantInt(t, "distinct days", m.Parts.DistinctDays, 5)
	wantValue(t, "distinct days per week", m.Parts.DistinctDaysPerWeek, 2.8)
	wantValue(t, "workdays", m.Parts.Workdays, 9) // ten less a holiday; Saturday's half day is none
	wantValue(t, "per workday", m.Parts.PerWorkday, 6.0/9)
	wantText(t, "level", m.Level, High)
	wantText(t, "edition", m.LevelEdition, "2023")
	wantValue(t, "score", m.Score, 6)
	// Garwood's interval for 6 events is 2.201894 to 13.059474.
	if lo, hi := m.Interval[0], m.Interval[1]; math.Abs(lo*12.5-2.201894) > 1e-6 || math.Abs(hi*12.5-13.059474) > 1e-6 {
		t.Errorf("interval [%v, %v] per day", lo, hi)
	}
	want := Completeness{Linked: 6, Total: 8, Reasons: map[string]int{ReasonFailureOutcome: 1, ReasonAborted: 1}}
	if d := cmp.Diff(want, m.Completeness); d != "" || m.N != 6 || m.Unit != UnitPerDay {
		t.Errorf("n %d, unit %s, completeness (-want +got):\n%s", m.N, m.Unit, d)
	}
}

func TestLeadTimeOfTheWorkedExample(t *testing.T) {
	r := fortnightReport(t)
	m := r.Metric(ChangeLeadTime)
	// 1 h, 2 h, 24 h, 24 h, 168 h
	wantValue(t, "median", m.Value, 86400)
	wantValue(t, "p75", m.P75, 86400)
	wantValue(t, "p90", m.P90, (24+0.6*144)*3600)
	wantText(t, "level", m.Level, High) // exactly one day is not less than one day
	wantValue(t, "score", m.Score, 6)
	if m.N != 5 || m.Interval != nil {
		t.Errorf("n = %d, interval %s; want 5 and none for fewer than 6", m.N, show(m.Interval))
	}
	want := Completeness{Linked: 5, Total: 8, Reasons: map[string]int{history.ReasonBaseline: 2, history.ReasonClockSkew: 1}}
	if d := cmp.Diff(want, m.Completeness); d != "" {
		t.Errorf("completeness (-want +got):\n%s", d)
	}
	for _, part := range []struct {
		name  string
		got   *Part
		value float64
		n     int
	}{
		{"coding", m.Parts.Coding, (360 + 10) * 60 / 2, 2},
		{"pickup", m.Parts.Pickup, 6 * 3600, 1},
		{"review", m.Parts.Review, (360 + 30) * 60 / 2, 2},
		{"deploy", m.Parts.Deploy, (360 + 20) * 60 / 2, 2},
	} {
		wantValue(t, part.name, part.got.Value, part.value)
		if part.got.N != part.n || part.got.Reason != nil {
			t.Errorf("%s: n = %d, reason %s; want %d", part.name, part.got.N, show(part.got.Reason), part.n)
		}
	}
}

func TestRatesAndRecoveryOfTheWorkedExample(t *testing.T) {
	r := fortnightReport(t)
	m := r.Metric(ChangeFailRate)
	wantValue(t, "change fail rate", m.Value, 3.0/7) // the aborted one is neither above nor below
	if lo, hi := m.Interval[0], m.Interval[1]; math.Abs(lo-0.158219) > 1e-5 || math.Abs(hi-0.749541) > 1e-5 {
		t.Errorf("Wilson interval [%v, %v]", lo, hi)
	}
	wantText(t, "level", m.Level, Low)
	if d := cmp.Diff(map[string]int{"outcome": 1, "incident": 2, "rolled_back": 1}, m.Parts.FailedBy); d != "" {
		t.Errorf("failed by (-want +got):\n%s", d)
	}
	wantInt(t, "incidents", m.Parts.Incidents, 3)
	if d := cmp.Diff(map[string]int{history.ReasonOutsideWindow: 1}, m.Parts.IncidentsUnlinked); d != "" {
		t.Errorf("unlinked incidents (-want +got):\n%s", d)
	}
	if d := cmp.Diff(Completeness{7, 8, map[string]int{ReasonAborted: 1}}, m.Completeness); d != "" {
		t.Errorf("completeness (-want +got):\n%s", d)
	}

	m = r.Metric(RecoveryTime)
	wantValue(t, "recovery", m.Value, (5400+14400)/2)
	wantValue(t, "p90", m.P90, 5400+0.9*9000)
	wantInt(t, "failed", m.Parts.Failed, 3)
	wantInt(t, "open", m.Parts.Open, 1)
	if d := cmp.Diff([]string{"ci/d8"}, m.Parts.OpenDeployments); d != "" {
		t.Errorf("open (-want +got):\n%s", d)
	}
	wantText(t, "level", m.Level, "null")
	wantText(t, "level reason", m.LevelReason, "n = 2; a level needs at least 5")

	m = r.Metric(ReworkRate)
	wantValue(t, "rework", m.Value, 1.0/7)
	wantText(t, "level", m.Level, "null")
	wantText(t, "level reason", m.LevelReason, "no bounds are published for the rework rate")

	wantValue(t, "score", r.Score, (6+6+10*4.0/7+8+10*6.0/7)/5)
}

// Each row is one rule of the lead time and its parts.
func TestCommitLeadRules(t *testing.T) {
	const h = Span(3600 * 1e6)
	d := &history.Deployment{FinishedAt: at(t, "2026-03-10 20:00"), Outcome: event.OutcomeSuccess}
	authored := "2026-03-10 10:00"
	request := func(created, reviewed, merged string) *history.PullRequestRef {
		return &history.PullRequestRef{CreatedAt: at(t, created), FirstReviewAt: at(t, reviewed), MergedAt: at(t, merged)}
	}
	u := Unknown
	for _, row := range []struct {
		name     string
		authored string
		reason   history.ReasonCode
		pr       *history.PullRequestRef
		want     Lead
	}{
		{"all milestones", authored, 0, request("2026-03-10 11:00", "2026-03-10 13:00", "2026-03-10 16:00"), Lead{10 * h, h, 2 * h, 3 * h, 4 * h, "", ""}},
		{"no review: review runs from the pull request", authored, 0, request("2026-03-10 11:00", "", "2026-03-10 16:00"), Lead{10 * h, h, u, 5 * h, 4 * h, "", "no_review"}},
		{"no pull request", authored, 0, nil, Lead{10 * h, u, u, u, u, "", "no_pull_request"}},
		{"pull request not merged", authored, 0, request("2026-03-10 11:00", "", ""), Lead{10 * h, u, u, u, u, "", "not_merged"}},
		{"pull request opened before the commit was authored", authored, 0, request("2026-03-10 09:00", "2026-03-10 13:00", "2026-03-10 16:00"), Lead{10 * h, 0, 3 * h, 3 * h, 4 * h, "", ""}},
		{"reviewed before it was opened", authored, 0, request("2026-03-10 12:00", "2026-03-10 11:00", "2026-03-10 16:00"), Lead{10 * h, 2 * h, 0, 4 * h, 4 * h, "", ""}},
		{"reviewed after the merge", authored, 0, request("2026-03-10 12:00", "2026-03-10 17:00", "2026-03-10 16:00"), Lead{10 * h, 2 * h, 4 * h, 0, 4 * h, "", ""}},
		{"merged after it was deployed", authored, 0, request("2026-03-10 12:00", "2026-03-10 13:00", "2026-03-10 22:00"), Lead{10 * h, 2 * h, h, 7 * h, 0, "", ""}},
		{"deployed at the very moment", "2026-03-10 20:00", 0, nil, Lead{0, u, u, u, u, "", "no_pull_request"}},
		{"authored after it was deployed", "2026-03-10 20:01", 0, nil, noLead("clock_skew")},
		{"authored time unknown", "", 0, nil, noLead("authored_at_unknown")},
		{"part of the first deployment", authored, 2, nil, noLead("first_deployment")},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &history.Change{FirstAt: at(t, row.authored), Reason: row.reason, PR: -1}
			if diff := cmp.Diff(row.want, choicesOf(DORA2025()).commitLead(d, c, row.pr)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestQueriesNarrow(t *testing.T) {
	b := newBuild(t)
	b.spec = projectWithTeams()
	for i, service := range []string{"api", "web", "pay"} {
		for n := range i + 1 {
			b.deploy(service, "d", "2026-03-0"+string(rune('2'+n))+" 10:00", event.OutcomeSuccess)
		}
	}
	b.deployTo("api", "staging", "s1", "2026-03-02 09:00", event.OutcomeSuccess)
	b.deployTo("api", "eu-prod", "e1", "2026-03-02 09:00", event.OutcomeSuccess)
	v := b.view("2026-03-09 00:00")
	for _, row := range []struct {
		name string
		q    Query
		want int
	}{
		{"all production environments", Query{}, 7},
		{"a service", Query{Service: "web"}, 2},
		{"a team", Query{Team: "shop"}, 5},
		{"a service of a team", Query{Team: "shop", Service: "pay"}, 3},
		{"a service of another team", Query{Team: "shop", Service: "api"}, 0},
		{"an environment", Query{Environment: "staging"}, 1},
		{"an environment and a service", Query{Environment: "production", Service: "api"}, 1},
	} {
		r := compute(t, v, row.q, DORA2025())
		if got := r.Metric(DeploymentFrequency).N; got != row.want {
			t.Errorf("%s: %d deployments, want %d", row.name, got, row.want)
		}
	}
	for field, q := range map[string]Query{
		"service":     {Service: "nope"},
		"team":        {Team: "nope"},
		"environment": {Environment: "nope"},
		"interval":    {Interval: "year"},
		"to":          {From: clockTime(t, "2026-03-05"), To: clockTime(t, "2026-03-05")},
		"from":        {From: clockTime(t, "2026-04-05")},
	} {
		_, err := Compute(v, q, DORA2025())
		wantField(t, err, field)
	}
}
