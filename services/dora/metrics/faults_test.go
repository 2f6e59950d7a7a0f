package metrics

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// Peers draw a month without data as 0 and read 0 as elite.
func TestFaultEmptyMonthsDrawnAsZeroAndReadAsElite(t *testing.T) {
	b := newBuild(t)
	for i := range 6 {
		d := b.deploy("api", fmt.Sprint("d", i), fmt.Sprintf("2026-02-%02d 10:00", 10+i), event.OutcomeSuccess)
		b.change(d, "2026-02-09 10:00")
	}
	q := b.window("2026-01-01", "2026-05-01")
	q.Interval = IntervalMonth
	for _, p := range Profiles() {
		r := compute(t, b.view("2026-04-01 00:00"), q, p)
		if len(r.Series) != 4 {
			t.Fatalf("%d months, want 4", len(r.Series))
		}
		for i, reason := range map[int]string{0: ReasonNoDeploymentYet, 3: ReasonNotElapsed} {
			for _, name := range Names() {
				wantNull(t, r.Series[i].Metric(name), reason)
			}
		}
		// March is empty after the first deployment: a true 0, and still no level.
		march := &r.Series[2]
		f := march.Metric(DeploymentFrequency)
		wantValue(t, "deployments a day in March", f.Value, 0)
		wantText(t, "level in March", f.Level, "null")
		if f.Interval == nil || f.Interval[0] != 0 || f.Interval[1] <= 0 {
			t.Errorf("interval of no deployment: %s", show(f.Interval))
		}
		for _, name := range []string{ChangeLeadTime, ChangeFailRate, RecoveryTime, ReworkRate} {
			wantNull(t, march.Metric(name), ReasonNoDeploymentInWindow)
		}
	}
}

func TestAProjectWithoutDeploymentsKnowsNothingAndSaysWhy(t *testing.T) {
	b := newBuild(t)
	r := compute(t, b.view("2026-04-01 00:00"), Query{}, DORA2025())
	for _, name := range Names() {
		wantNull(t, r.Metric(name), ReasonNoDeploymentYet)
	}
	if r.Score != nil || r.ScoreReason == nil || !strings.Contains(*r.ScoreReason, RecoveryTime) {
		t.Errorf("score %s, reason %s", show(r.Score), show(r.ScoreReason))
	}
}

// Peers divide incidents by deployments.
func TestFaultChangeFailRateAboveOne(t *testing.T) {
	b := newBuild(t)
	d := b.deploy("api", "d1", "2026-03-03 10:00", event.OutcomeSuccess)
	d.Failed = true
	for i := range 7 {
		in := b.incident(fmt.Sprint("i", i), "api", "2026-03-03 11:00", "2026-03-03 12:00")
		in.Deployment, in.LatestDeployment, in.LinkedBy = d.Key(), d.Key(), history.LinkTime
		d.Failures = append(d.Failures, history.Failure{Rule: history.FailedIncident, Ref: in.Key()})
	}
	for _, p := range Profiles() {
		if p.Choices.FailRate != RateOfDeployments {
			continue // incidents per deployment can exceed 1, as in the original
		}
		m := compute(t, b.view("2026-04-01 00:00"), Query{}, p)
		wantValue(t, p.Name, m.Metric(ChangeFailRate).Value, 1)
		if got := m.Metric(ChangeFailRate).Parts.FailedBy[history.FailedIncident]; got != 1 {
			t.Errorf("%s: %d failed deployments by incident, want 1", p.Name, got)
		}
	}
}

// Peers cut days at midnight UTC. In Auckland (UTC+13) Monday's deployments at
// 08:00 and Tuesday's at 08:00 are Sunday and Monday in UTC.
func TestFaultDayBordersInUTCForATeamThatIsNot(t *testing.T) {
	b := newBuild(t)
	b.spec.TimeZone = "Pacific/Auckland"
	b.deploy("api", "mon early", "2026-03-01 19:00", event.OutcomeSuccess) // Mon 08:00
	b.deploy("api", "mon late", "2026-03-02 10:00", event.OutcomeSuccess)  // Mon 23:00
	b.deploy("api", "tue", "2026-03-02 19:00", event.OutcomeSuccess)       // Tue 08:00
	q := b.window("2026-03-02", "2026-03-04")
	q.Interval = IntervalDay
	r := compute(t, b.view("2026-04-01 00:00"), q, DORA2025())
	for i, want := range []int{2, 1} {
		if got := r.Series[i].Metric(DeploymentFrequency).N; got != want {
			t.Errorf("day %d has %d deployments, want %d", i, got, want)
		}
	}
	wantInt(t, "distinct days of Monday", r.Series[0].Metric(DeploymentFrequency).Parts.DistinctDays, 1)
	wantInt(t, "distinct days", r.Metric(DeploymentFrequency).Parts.DistinctDays, 2)
	if want := "2026-03-01T11:00:00Z"; r.From.Format(time.RFC3339) != want {
		t.Errorf("from %s, want %s", r.From.Format(time.RFC3339), want)
	}
}

// Peers let a skewed clock give a negative lead time, or a 0.
func TestFaultClockSkewGivesNegativeSpans(t *testing.T) {
	b := newBuild(t)
	d := b.deploy("api", "d1", "2026-03-03 10:00", event.OutcomeFailure)
	b.change(d, "2026-03-03 12:00")
	d.Failed, d.Failures = true, []history.Failure{{Rule: history.FailedOutcome}}
	d.RestoredAt, d.RestoredBy = at(t, "2026-03-03 09:00"), history.RestoredIncident
	v := b.view("2026-04-01 00:00")
	r := compute(t, v, Query{}, DORA2025())
	wantNull(t, r.Metric(ChangeLeadTime), ReasonNoAttributedChange)
	wantNull(t, r.Metric(RecoveryTime), ReasonNotRecovered)
	for _, name := range []string{ChangeLeadTime, RecoveryTime} {
		if got := r.Metric(name).Completeness.Reasons[history.ReasonClockSkew]; got != 1 {
			t.Errorf("%s: clock_skew counted %d times, want 1", name, got)
		}
	}
	c := rows[Change](t)(Changes(v, Query{}, DORA2025(), List{}))
	wantText(t, "the change's reason", c[0].Reason, history.ReasonClockSkew)
	if c[0].LeadTimeSeconds != nil || c[0].CodingSeconds != nil {
		t.Errorf("a skewed change has spans: %+v", c[0])
	}
}

func TestASourceWhoseClockIsAheadIsNamed(t *testing.T) {
	b := newBuild(t)
	b.deploy("api", "d1", "2026-03-03 10:00", event.OutcomeSuccess)
	b.deploy("api", "d2", "2026-03-05 10:00", event.OutcomeSuccess)
	m := compute(t, b.view("2026-03-04 00:00"), b.window("2026-03-01", "2026-04-01"), DORA2025())
	f := m.Metric(DeploymentFrequency)
	if f.N != 1 || f.Completeness.Reasons[ReasonAfterAsOf] != 1 || f.Completeness.Total != 2 {
		t.Errorf("n = %d, completeness %+v", f.N, f.Completeness)
	}
	wantValue(t, "days", f.Parts.Days, 3)
}

// A rate is not extrapolated from the minutes since the first deployment.
func TestTheFirstMinutesAreNotExtrapolated(t *testing.T) {
	b := newBuild(t)
	b.deploy("api", "d1", "2026-03-03 00:10", event.OutcomeSuccess)
	r := compute(t, b.view("2026-03-03 00:20"), Query{}, DORA2025())
	m := r.Metric(DeploymentFrequency)
	wantValue(t, "deployments a day", m.Value, 1)
	wantText(t, "level", m.Level, "null")
	wantText(t, "level reason", m.LevelReason, "n = 1; a level needs at least 5")
}

func TestADeploymentWhoseChangesAreUnknownIsMissedInTheLeadTime(t *testing.T) {
	b := newBuild(t)
	d := b.deploy("api", "d1", "2026-03-03 10:00", event.OutcomeSuccess)
	d.Reason = history.ReasonSHAUnknown
	m := compute(t, b.view("2026-04-01 00:00"), Query{}, DORA2025())
	c := m.Metric(ChangeLeadTime).Completeness
	if c.Linked != 0 || c.Total != 1 || c.Reasons[history.ReasonSHAUnknown] != 1 {
		t.Errorf("completeness %+v", c)
	}
}

func TestOnlyAbortedDeploymentsGiveNoRate(t *testing.T) {
	b := newBuild(t)
	b.deploy("api", "d1", "2026-03-03 10:00", event.OutcomeAborted)
	r := compute(t, b.view("2026-03-05 00:00"), Query{}, DORA2025())
	wantNull(t, r.Metric(ChangeFailRate), ReasonNoDeploymentInWindow)
	wantNull(t, r.Metric(ReworkRate), ReasonNoDeploymentInWindow)
	wantValue(t, "frequency", r.Metric(DeploymentFrequency).Value, 0)
}

func TestAbortedDeploymentsAreInNoRate(t *testing.T) {
	b := newBuild(t)
	b.deploy("api", "d1", "2026-03-03 10:00", event.OutcomeSuccess)
	d := b.deploy("api", "d2", "2026-03-03 11:00", event.OutcomeAborted)
	d.Unplanned, d.Failed, d.Failures = true, true, []history.Failure{{Rule: history.FailedIncident, Ref: "pager/i1"}}
	r := compute(t, b.view("2026-03-05 00:00"), Query{}, DORA2025())
	wantValue(t, "change fail rate", r.Metric(ChangeFailRate).Value, 0)
	wantValue(t, "rework rate", r.Metric(ReworkRate).Value, 0)
	wantNull(t, r.Metric(RecoveryTime), ReasonNoFailedDeployment)
}

// Peers count an incident for every service of the project.
func TestFaultIncidentOfAnotherService(t *testing.T) {
	b := newBuild(t)
	for _, s := range []string{"api", "web"} {
		b.deploy(s, "d-"+s, "2026-03-03 10:00", event.OutcomeSuccess)
	}
	b.incident("i1", "web", "2026-03-03 12:00", "").Reason = history.ReasonOutsideWindow
	b.incident("i2", "api", "2026-03-03 12:00", "").Environment = "staging"
	v := b.view("2026-03-05 00:00")
	for service, want := range map[string]int{"api": 0, "web": 1} {
		wantInt(t, "incidents of "+service, compute(t, v, Query{Service: service}, DORA2025()).Metric(ChangeFailRate).Parts.Incidents, want)
		if got := rows[Incident](t)(Incidents(v, Query{Service: service}, DORA2025(), List{})); len(got) != want {
			t.Errorf("%d incidents of %s, want %d", len(got), service, want)
		}
	}
}

func TestServiceIsNotRestoredWhileOneFailureIsOpen(t *testing.T) {
	b := newBuild(t)
	d := b.deploy("api", "d1", "2026-03-03 10:00", event.OutcomeSuccess)
	for id, resolved := range map[string]string{"i1": "2026-03-03 12:00", "i2": ""} {
		b.incident(id, "api", "2026-03-03 11:00", resolved).LatestDeployment = d.Key()
	}
	row, _ := DeploymentByKey(b.view("2026-03-05 00:00"), DevLake2023(), d.Key())
	if !row.Failed || row.RestoredAt != nil || len(row.Failures) != 2 || len(row.FailureReasons) != 1 {
		t.Errorf("failed %v by %v, restored at %s; want it open", row.Failed, row.FailureReasons, show(row.RestoredAt))
	}
}

// Unknown is an explicit null on the wire, with its reason, and never absent.
func TestNullsAreExplicitOnTheWire(t *testing.T) {
	b := newBuild(t)
	d := b.deploy("api", "d1", "2026-03-03 10:00", event.OutcomeSuccess)
	b.change(d, "2026-03-02 10:00")
	v := b.view("2026-03-05 00:00")
	fields := func(v any) map[string]any {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	need := func(what string, m map[string]any, names string) {
		t.Helper()
		for _, n := range strings.Fields(names) {
			if _, ok := m[n]; !ok {
				t.Errorf("%s has no field %q: %v", what, n, m)
			}
		}
	}
	r := compute(t, v, Query{}, DORA2025())
	report := fields(r)
	need("report", report, "project profile from to metrics as_of score")
	if _, ok := report["series"]; ok {
		t.Error("a report without an interval has a series")
	}
	for i, m := range r.Metrics {
		need(m.Metric, fields(m), "metric value unit p75 p90 n interval level score reason parts completeness level_reason")
		if m.Metric != Names()[i] {
			t.Errorf("metric %d is %s, want %s", i, m.Metric, Names()[i])
		}
	}
	change := rows[Change](t)(Changes(v, Query{}, DORA2025(), List{}))[0]
	need("change", fields(change), `repo number sha author_ref first_commit_at created_at first_review_at merged_at deployed_at
		deployment_id coding_seconds pickup_seconds review_seconds deploy_seconds lead_time_seconds reason`)
	need("deployment", fields(rows[Deployment](t)(Deployments(v, Query{}, DORA2025(), List{}))[0]), `id service environment repo sha
		digest kind outcome started_at finished_at previous_id changes failed failure_reasons restored_at`)
	b.incident("i1", "api", "2026-03-03 11:00", "")
	v = b.view("2026-03-05 00:00")
	in := rows[Incident](t)(Incidents(v, Query{}, DORA2025(), List{}))[0]
	need("incident", fields(in), "id service opened_at resolved_at deployment_id linked_by")
	if in.LinkedBy != history.LinkNone || in.Reason == nil {
		t.Errorf("linked by %s, reason %s", in.LinkedBy, show(in.Reason))
	}
}
