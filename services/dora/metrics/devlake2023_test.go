package metrics

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// Each row is one rule that DevLake's change_lead_time_calculator.go applies.
func TestDevLakeLeadRules(t *testing.T) {
	const m = minute
	u := Unknown
	type pr struct{ commit, created, comment, merged, finished string }
	for _, row := range []struct {
		name string
		pr   pr
		want Lead
	}{
		{"all parts, whole minutes", pr{"10:00", "10:30", "10:40", "11:00", "11:15"},
			Lead{75 * m, 30 * m, 10 * m, 20 * m, 15 * m, "", ""}},
		{"each part is rounded up", pr{"10:00:01", "10:30:02", "10:40:03", "11:00:04", "11:15:05"},
			Lead{(31 + 31 + 16) * m, 31 * m, 11 * m, 21 * m, 16 * m, "", ""}},
		{"the cycle takes merged - created, not pickup + review", pr{"10:00", "10:00", "10:00:30", "10:01", "10:01"},
			Lead{1 * m, 0, 1 * m, 1 * m, 0, "", ""}},
		{"no comment: pickup and review are null, the cycle is not", pr{"10:00", "10:30", "", "11:00", "11:15"},
			Lead{75 * m, 30 * m, u, u, 15 * m, "", "no_review"}},
		{"commits unknown: coding counts as 0", pr{"", "10:30", "10:40", "11:00", "11:15"},
			Lead{45 * m, u, 10 * m, 20 * m, 15 * m, "", "no_commits_reported"}},
		{"commits unknown and no comment: the first part's reason", pr{"", "10:30", "", "11:00", "11:15"},
			Lead{45 * m, u, u, u, 15 * m, "", "no_commits_reported"}},
		{"opened at an unknown time: that, and no clock, is to blame", pr{"10:00", "", "10:40", "11:00", "11:15"},
			Lead{15 * m, u, u, 20 * m, 15 * m, "", "pull_request_created_unknown"}},
		{"a negative span is null and counts as 0", pr{"10:45", "10:30", "10:40", "11:00", "11:15"},
			Lead{45 * m, u, 10 * m, 20 * m, 15 * m, "", "clock_skew"}},
		{"less than a minute backwards rounds up to 0", pr{"10:30:30", "10:30", "10:40", "11:00", "11:15"},
			Lead{45 * m, 0, 10 * m, 20 * m, 15 * m, "", ""}},
		{"deployed before it was merged: deploy is null", pr{"10:00", "10:30", "10:40", "11:00", "10:50"},
			Lead{60 * m, 30 * m, 10 * m, 20 * m, u, "", "clock_skew"}},
		{"not deployed: no lead time", pr{"10:00", "10:30", "10:40", "11:00", ""},
			Lead{u, 30 * m, 10 * m, 20 * m, u, "not_deployed", ""}},
	} {
		t.Run(row.name, func(t *testing.T) {
			clock := func(s string) history.Time {
				if s == "" {
					return 0
				}
				return at(t, "2026-03-10 "+s)
			}
			p := &history.PullRequest{FirstCommitAt: clock(row.pr.commit), CreatedAt: clock(row.pr.created), FirstCommentAt: clock(row.pr.comment), MergedAt: clock(row.pr.merged)}
			var to *history.Delivery
			if row.pr.finished != "" {
				to = &history.Delivery{FinishedAt: clock(row.pr.finished)}
			}
			if diff := cmp.Diff(row.want, choicesOf(DevLake2023()).pullRequestLead(p, to)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// request adds a merged pull request of the api with one hour of coding and one
// between creation and merge.
func (b *build) request(number, merged string, to ...*history.Deployment) *history.PullRequest {
	b.t.Helper()
	p := &history.PullRequest{Repo: "https://git.example/api.git", Number: number, SHA: "m" + number, MergedAt: at(b.t, merged)}
	p.CreatedAt = p.MergedAt - hourMicros
	p.FirstCommitAt = p.CreatedAt - hourMicros
	for _, d := range to {
		p.Deliveries = append(p.Deliveries, history.Delivery{
			Service: d.Service, Environment: d.Environment, Production: d.Production, Deployment: d.Key(), DeploymentID: d.ID,
			StartedAt: d.StartedAt, FinishedAt: d.FinishedAt,
		})
	}
	if len(to) == 0 {
		p.Reason = history.ReasonNotDeployed
	}
	b.p.PullRequests = append(b.p.PullRequests, p)
	return p
}

// week is a worked example under DevLake's rules.
//
//	02 10:00 first success; 03 10:00 d2 success; 04 10:00 d3 failure; 05 10:00 d4 success; 12 10:00 d5 success
//	pull requests: 1 in the first deployment, 2 merged 2 h and 3 merged 1 h before d2, 4 merged 10 h before d4,
//	5 in the web's d4w, started before the api's d4, and 6 not deployed
//	incidents: two after d2 (resolved 03 10:45:59 and 04 09:00), one after d4 (resolved on the 20th), one before all
func devlakeWeek(t testing.TB) *build {
	b := newBuild(t)
	ok := event.OutcomeSuccess
	b.deploy("api", "d1", "2026-03-02 10:00", ok)
	d2 := b.deploy("api", "d2", "2026-03-03 10:00", ok)
	b.deploy("api", "d3", "2026-03-04 10:00", event.OutcomeFailure)
	d4 := b.deploy("api", "d4", "2026-03-05 10:00", ok)
	b.deploy("api", "d5", "2026-03-12 10:00", ok)
	staging := b.deployTo("api", "staging", "s1", "2026-03-03 09:00", ok)
	d4w := b.deploy("web", "d4w", "2026-03-05 12:00", ok)
	d4w.StartedAt = d4.StartedAt - 60e6 // started first, finished last
	b.request("1", "2026-03-02 09:00").Reason = history.ReasonBaseline
	b.request("2", "2026-03-03 08:00", staging, d2)
	b.request("3", "2026-03-03 09:00", d2)
	b.request("4", "2026-03-05 00:00", d4)
	b.request("5", "2026-03-05 09:00", d4, d4w)
	b.request("6", "2026-03-05 11:00")
	for _, i := range []struct{ id, opened, resolved, latest string }{
		{"i0", "2026-03-01 10:00", "2026-03-01 11:00", ""},
		{"i1", "2026-03-03 10:30", "2026-03-03 10:45:59", "ci/d2"},
		{"i2", "2026-03-03 12:00", "2026-03-04 09:00", "ci/d2"},
		{"i3", "2026-03-05 11:00", "2026-03-20 09:00", "ci/d4"},
	} {
		in := b.incident(i.id, "web", i.opened, i.resolved)
		in.LatestDeployment = i.latest
	}
	return b
}

func devlakeReport(t testing.TB) Report {
	b := devlakeWeek(t)
	return compute(t, b.view("2026-03-31 00:00"), b.window("2026-03-02", "2026-03-16"), DevLake2023())
}

func TestDevLakeLeadTimeOfTheWorkedExample(t *testing.T) {
	r := devlakeReport(t)
	m := r.Metric(ChangeLeadTime)
	// 2: 1+1+2 h, 3: 1+1+1 h, 4: 1+1+10 h, 5: 1+1+3 h (the web's deployment started first).
	// Sorted 3, 4, 5, 12: the lower median is 4 h; rank floor(3*0.75) = 2 is 5 h, floor(3*0.9) = 2 too.
	wantValue(t, "lower median", m.Value, 4*3600)
	wantValue(t, "p75", m.P75, 5*3600)
	wantValue(t, "p90", m.P90, 5*3600)
	wantValue(t, "deploy", m.Parts.Deploy.Value, 2*3600) // 1, 2, 3, 10
	if d := cmp.Diff(Completeness{4, 6, map[string]int{history.ReasonBaseline: 1, history.ReasonNotDeployed: 1}}, m.Completeness); d != "" || m.N != 4 {
		t.Errorf("n = %d, completeness (-want +got):\n%s", m.N, d)
	}
	wantText(t, "pickup's reason", m.Parts.Pickup.Reason, history.ReasonNoReview)
}

func TestDevLakeChangeFailRateIsDeploymentsWithAnIncidentOverSuccessfulOnes(t *testing.T) {
	r := devlakeReport(t)
	m := r.Metric(ChangeFailRate)
	wantValue(t, "change fail rate", m.Value, 2.0/5) // d2 (two incidents, once) and d4 of d1, d2, d4, d4w, d5
	if m.N != 5 {
		t.Errorf("n = %d, want 5: the failed d3 is not in the denominator", m.N)
	}
}

func TestDevLakeRecoveryIsPerIncidentInWholeMinutesBothEndsInTheWindow(t *testing.T) {
	r := devlakeReport(t)
	m := r.Metric(RecoveryTime)
	// i1: 45 min 59 s is 45 min; i2: 23 h; i3 was resolved after the window. The lower median of two is the first.
	wantValue(t, "recovery", m.Value, 45*60)
	if d := cmp.Diff(Completeness{2, 3, map[string]int{ReasonResolvedElsewhen: 1}}, m.Completeness); d != "" || m.N != 2 {
		t.Errorf("n = %d, completeness (-want +got):\n%s", m.N, d)
	}
}

func TestDevLakeFrequencyLevelIsTheMedianWeek(t *testing.T) {
	for _, row := range []struct {
		name  string
		days  []string
		want  string
		week  float64
		month float64
	}{
		// 2026-03-02 is a Monday; the window has four weeks and touches one month.
		{"five days in most weeks", []string{"02", "03", "04", "05", "06", "09", "10", "11", "12", "13", "16", "17", "18", "19", "20"}, Elite, 5, 15},
		{"one day in half of the weeks: the lower median is none", []string{"02", "03", "04", "09", "10"}, Medium, 0, 5},
		{"one day in three weeks of four", []string{"02", "03", "09", "10", "16"}, High, 1, 5},
	} {
		b := newBuild(t)
		for _, d := range row.days {
			b.deploy("api", "d"+d, "2026-03-"+d+" 10:00", event.OutcomeSuccess)
		}
		r := compute(t, b.view("2026-04-30 00:00"), b.window("2026-03-02", "2026-03-30"), DevLake2023())
		m := r.Metric(DeploymentFrequency)
		wantText(t, row.name+": level", m.Level, row.want)
		wantValue(t, row.name+": median week", m.Parts.MedianDaysPerWeek, row.week)
		wantValue(t, row.name+": median month", m.Parts.MedianDaysPerMonth, row.month)
	}
}

func TestDevLakeChangesAreMergedPullRequests(t *testing.T) {
	b := devlakeWeek(t)
	v := b.view("2026-03-31 00:00")
	got := rows[Change](t)(Changes(v, Query{}, DevLake2023(), List{}))
	if len(got) != 6 {
		t.Fatalf("%d changes, want 6", len(got))
	}
	wantText(t, "first deployment", got[0].Reason, history.ReasonBaseline)
	wantValue(t, "lead time of 2", got[1].LeadTimeSeconds, 4*3600)
	wantText(t, "deployment of 5", got[4].DeploymentID, "d4w")
	wantText(t, "reason of 6", got[5].Reason, history.ReasonNotDeployed)
	for _, c := range got {
		if c.LeadTimeSeconds == nil && c.Reason == nil {
			t.Errorf("%s: a null without a reason", show(c.Number))
		}
	}
	staging := rows[Change](t)(Changes(v, Query{Environment: "staging"}, DevLake2023(), List{}))
	wantText(t, "deployment to staging", staging[1].DeploymentID, "s1")
}
