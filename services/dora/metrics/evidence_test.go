package metrics

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// line is an evidence row in one line.
func line(r EvidenceRow) string {
	what := ""
	switch {
	case r.Incident != nil:
		what = r.Incident.ID
	case r.Change != nil:
		what = show(r.Change.DeploymentID) + " " + show(r.Change.Number)
	case r.Deployment != nil:
		what = r.Deployment.ID
	}
	return fmt.Sprintf("%s %s: %s %s, rule %s %s, reason %s", r.Kind, what, show(r.Value), r.Unit, show(r.Rule), show(r.Ref), show(r.Reason))
}

func evidence(t *testing.T, v *View, q Query, p Profile, metric string, l List) []string {
	t.Helper()
	var out []string
	for _, r := range rows[EvidenceRow](t)(Evidence(v, q, p, metric, l)) {
		if r.Metric != metric {
			t.Errorf("row of %s, want %s", r.Metric, metric)
		}
		out = append(out, line(r))
	}
	return out
}

func TestEvidenceOfTheWorkedExample(t *testing.T) {
	b := fortnight(t)
	v, q := b.view("2026-03-14 12:00"), b.window("2026-03-02", "2026-03-16")
	for metric, want := range map[string][]string{
		ChangeFailRate: {
			"deployment d1: 0 count, rule finished_production_deployment null, reason null",
			"deployment d2: 0 count, rule finished_production_deployment null, reason null",
			"deployment d3: 0 count, rule finished_production_deployment null, reason null",
			"deployment d4: 1 count, rule outcome null, reason null",
			"deployment d5: 0 count, rule finished_production_deployment null, reason null",
			"deployment d6: null count, rule null null, reason aborted",
			"deployment d7: 1 count, rule incident pager/i1, reason null",
			"deployment d8: 1 count, rule rolled_back ci/d9, reason null",
		},
		RecoveryTime: {
			"deployment d4: 5400 seconds, rule next_good_deployment ci/d5, reason null",
			"deployment d7: 14400 seconds, rule incident_resolved pager/i1, reason null",
			"deployment d8: null seconds, rule null null, reason open",
		},
		ChangeLeadTime: {
			"change d1 null: null seconds, rule commit_graph ci/d1, reason first_deployment",
			"change d1 null: null seconds, rule commit_graph ci/d1, reason first_deployment",
			"change d2 1: 86400 seconds, rule commit_graph ci/d2, reason null",
			"change d2 null: 7200 seconds, rule commit_graph ci/d2, reason null",
			"change d3 1: 3600 seconds, rule commit_graph ci/d3, reason null",
			"change d5 null: 86400 seconds, rule commit_graph ci/d5, reason null",
			"change d5 null: null seconds, rule commit_graph ci/d5, reason clock_skew",
			"change d7 null: 604800 seconds, rule commit_graph ci/d7, reason null",
		},
	} {
		if d := cmp.Diff(want, evidence(t, v, q, DORA2025(), metric, List{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", metric, d)
		}
	}
	d := b.devlakeEvidence(t)
	want := []string{
		"incident i1: 2700 seconds, rule incident_resolved pager/i1, reason null",
		"incident i2: 82800 seconds, rule incident_resolved pager/i2, reason null",
		"incident i3: null seconds, rule incident_resolved pager/i3, reason resolved_outside_window",
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("devlake-2023 recovery (-want +got):\n%s", diff)
	}
	_, err := Evidence(v, q, DORA2025(), "mttr", List{})
	wantField(t, err, "metric")
}

func (*build) devlakeEvidence(t *testing.T) []string {
	b := devlakeWeek(t)
	return evidence(t, b.view("2026-03-31 00:00"), b.window("2026-03-02", "2026-03-16"), DevLake2023(), RecoveryTime, List{})
}

// What the rows contributed gives the number again, by both profiles and for
// every metric.
func TestEvidenceAddsUpToTheNumber(t *testing.T) {
	for _, b := range []*build{fortnight(t), devlakeWeek(t)} {
		for _, p := range Profiles() {
			v, q := b.view("2026-03-31 00:00"), b.window("2026-03-02", "2026-03-16")
			r := compute(t, v, q, p)
			for i := range r.Metrics {
				m := &r.Metrics[i]
				var spans []Span
				sum, n, reasons := 0.0, 0, map[string]int{}
				byDay := map[string][]Span{}
				for _, row := range rows[EvidenceRow](t)(Evidence(v, q, p, m.Metric, List{})) {
					if (row.Value == nil) == (row.Reason == nil) {
						t.Errorf("%s: both or neither of value and reason: %s", m.Metric, line(row))
					}
					if row.Value == nil {
						reasons[*row.Reason]++
						continue
					}
					if row.Kind != "incident" || m.Metric != ChangeFailRate { // incidents per deployment: n is that of the deployments
						n++
					}
					sum += *row.Value
					byDay[dayOf(row)] = append(byDay[dayOf(row)], Span(*row.Value*1e6))
					spans = append(spans, Span(*row.Value*1e6))
				}
				if d := cmp.Diff(m.Completeness.Reasons, reasons); d != "" || n != m.N {
					t.Errorf("%s %s: %d rows count, n = %d; reasons (-report +evidence):\n%s", p.Name, m.Metric, n, m.N, d)
				}
				if m.Value == nil {
					continue
				}
				switch m.Unit {
				case UnitPerDay:
					wantValue(t, m.Metric, m.Value, sum / *m.Parts.Days)
				case UnitRatio:
					wantValue(t, m.Metric, m.Value, sum/float64(n))
				case UnitSeconds:
					var s selector
					if p.Choices.Aggregation == DailyMedians {
						spans = nil
						for _, day := range byDay {
							spans = append(spans, Span(s.summarize([]set{{values: day}}, Percentile(p.Choices.Percentile), true).p50*1e6))
						}
					}
					wantValue(t, m.Metric, m.Value, s.summarize([]set{{values: spans}}, Percentile(p.Choices.Percentile), false).p50)
				}
			}
		}
	}
}

// Every list can be read from any row on, in both orders.
func TestListsAreReadFromAnyRowOn(t *testing.T) {
	b := fortnight(t)
	b.deploy("web", "w1", "2026-03-04 10:00", event.OutcomeSuccess)
	b.deploy("web", "running", "", "").StartedAt = at(t, "2026-03-13 10:00")
	for _, n := range []string{"x", "y"} {
		var sha history.SHA
		copy(sha[:], n)
		b.p.Pending = append(b.p.Pending, &history.Pending{Service: "api", Environment: "production", Production: true, Repo: "r", Changes: []history.Change{
			{SHA: sha, FirstAt: at(t, "2026-03-12 10:00"), CommittedAt: at(t, "2026-03-12 10:00"), PR: -1, Reason: 1},
		}})
	}
	b.request("1", "2026-03-10 10:00")
	b.request("2", "2026-03-11 10:00")
	v := b.view("2026-03-14 12:00")
	ids := func(kind string, l List) []string {
		var out []string
		switch kind {
		case "deployments":
			for _, d := range rows[Deployment](t)(Deployments(v, Query{}, DORA2025(), l)) {
				out = append(out, d.ID)
			}
		case "incidents":
			for _, d := range rows[Incident](t)(Incidents(v, Query{}, DORA2025(), l)) {
				out = append(out, d.ID)
			}
		case "commits":
			for _, d := range rows[Change](t)(Changes(v, Query{}, DORA2025(), l)) {
				out = append(out, d.SHA+show(d.DeploymentID))
			}
		case "requests":
			for _, d := range rows[Change](t)(Changes(v, Query{}, DevLake2023(), l)) {
				out = append(out, *d.Number)
			}
		default:
			out = evidence(t, v, Query{}, DORA2025(), kind, l)
		}
		return out
	}
	for kind, n := range map[string]int{
		"deployments": 10, "incidents": 3, "commits": 10, "requests": 2,
		DeploymentFrequency: 9, ChangeLeadTime: 8, RecoveryTime: 3,
	} {
		for _, newest := range []bool{false, true} {
			all := ids(kind, List{Newest: newest})
			if len(all) != n {
				t.Errorf("%s: %d rows, want %d", kind, len(all), n)
			}
			for i := range len(all) + 2 {
				if got := ids(kind, List{Offset: i, Newest: newest}); !slices.Equal(got, all[min(i, len(all)):]) {
					t.Errorf("%s from %d (newest first: %v): %q, want %q", kind, i, newest, got, all[min(i, len(all)):])
				}
			}
		}
	}
	if got := ids("deployments", List{Newest: true}); got[0] != "running" || got[1] != "d8" {
		t.Errorf("newest first begins with %q", got[:2])
	}
	if got := ids("deployments", List{Failed: true}); !slices.Equal(got, []string{"d4", "d7", "d8"}) {
		t.Errorf("failed: %q", got)
	}
	if got := ids("deployments", List{Kind: history.KindFirst}); !slices.Equal(got, []string{"d1"}) {
		t.Errorf("first: %q", got)
	}
	if got := ids("commits", List{Deployment: "ci/d2"}); len(got) != 2 {
		t.Errorf("changes of d2: %q", got)
	}
	if d, ok := DeploymentByKey(v, DORA2025(), "ci/d7"); !ok || show(d.RestoredBy) != history.RestoredIncident {
		t.Errorf("d7: %v, restored by %s", ok, show(d.RestoredBy))
	}
	if _, ok := DeploymentByKey(v, DORA2025(), "ci/none"); ok {
		t.Error("a deployment that is none was found")
	}
	window := rows[Deployment](t)(Deployments(v, b.window("2026-03-03", "2026-03-05"), DORA2025(), List{}))
	if len(window) != 3 {
		t.Errorf("%d deployments on the 3rd and 4th, want 3", len(window))
	}
}

func TestPendingChangesSayWhyTheyWait(t *testing.T) {
	b := fortnight(t)
	b.p.Pending = []*history.Pending{
		{Service: "api", Environment: "production", Production: true, Repo: "r", PullRequests: []history.PullRequestRef{{Number: "9", CreatedAt: 5}}, Changes: []history.Change{
			{FirstAt: at(t, "2026-03-12 10:00"), CommittedAt: at(t, "2026-03-12 10:00"), PR: 0, Reason: 1},
			{CommittedAt: at(t, "2026-03-20 10:00"), PR: -1, Reason: 4},
		}},
		{Service: "web", Environment: "production", Production: true, Repo: "r", Changes: make([]history.Change, 3)},
		{Service: "api", Environment: "staging", Repo: "r", Changes: make([]history.Change, 5)},
	}
	v := b.view("2026-03-14 12:00")
	wantInt(t, "pending", compute(t, v, Query{Service: "api"}, DORA2025()).Metrics[1].Parts.Pending, 2)
	all := rows[Change](t)(Changes(v, Query{Service: "api"}, DORA2025(), List{}))
	if len(all) != 10 {
		t.Fatalf("%d changes, want 8 and 2 that wait", len(all))
	}
	wantText(t, "reason", all[8].Reason, history.ReasonNotDeployed)
	wantText(t, "number", all[8].Number, "9")
	wantText(t, "reason", all[9].Reason, history.ReasonReplaced)
	q := b.window("2026-03-12", "2026-03-16")
	q.Service = "api"
	if got := rows[Change](t)(Changes(v, q, DORA2025(), List{})); len(got) != 1 {
		t.Errorf("%d changes deployed or waiting from the window, want 1", len(got))
	}
}

// dayOf names the place and UTC day whose median a row is part of: a change's
// deployment, or the end of an incident.
func dayOf(r EvidenceRow) string {
	switch {
	case r.Change != nil && r.Change.DeployedAt != nil:
		return *r.Change.Service + *r.Change.Environment + r.Change.DeployedAt.UTC().Format(time.DateOnly)
	case r.Incident != nil && r.Incident.ResolvedAt != nil:
		return show(r.Incident.Service) + r.Incident.ResolvedAt.UTC().Format(time.DateOnly)
	}
	return ""
}
