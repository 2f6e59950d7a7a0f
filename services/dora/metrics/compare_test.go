package metrics

import (
	"math"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// The differences of the history of TestOneHistoryUnderFourProfiles, worked on
// paper from dora-2025 to each of the others, a rule after the other.
//
// fourkeys, lead time (dora-2025: c6 4.5 h, c4 6 h, c2 24 h, c3 30 h, c5 48 h; median 24 h):
//
//	lead_start committed      c3 20 s, c2 59:30, c6 4:20 h, c4 5 h, c5 24 h          median 4:20 h   all 5 change
//	lead_rounding minutes     c3 0, c2 59 min, the others the same                   median 4:20 h   2 change
//	lead_floor positive       c3 is left out: 59 min, 4:20, 5, 24 h                  median 4:40 h   1 lost
//
// fourkeys, change fail rate (3/6: d2, d4, d6):
//
//	rated_outcomes success    d4 is not rated: d2, d6 of 5                           2/5
//	known_commit required     d5 is not rated                                        2/4
//	incident_link named       d2 has none by name: d6                                1/4
//	failures incident         none: d6 has nothing else                              (no step)
//	fail_rate linked          d6 counts three                                        3/4
//
// devlake-2023, change fail rate:
//
//	rated_outcomes success    2/5
//	incident_link latest      d2 by i1 and d6 by i2 to i5, as before                 2/5  (no row moves)
//
// gitlab, recovery time (d2 2:30:30, d4 24 h, d6 243 h):
//
//	rated_outcomes success    d4 is not rated: 2:30:30 and 243 h                     median 122:45:15
//	recovery_of incidents     i1 2:30:30, i2 5 h, i3 243 h, i5 4:10 h from their deployment, i4 1 h from its opening;
//	                          the window still goes by the deployment                median 4:10 h
//	recovery_start opened     i1 1:30:30, i2 3 h, i3 240 h, i5 0:10, i4 1 h           median 1:30:30
//	recovery_window end       i3 ended after it: 0:10, 1 h, 1:30:30, 3 h             median 1:15:15
//	aggregation daily medians 1:30:30, 1:35, 1 h                                     median 1:30:30
//
// gitlab, change fail rate: rated_outcomes 2/5, then fail_rate incidents 5/5.
func TestDifferencesAreDerivedFromTheRules(t *testing.T) {
	b := oneHistory(t)
	v := b.view("2026-03-31 00:00")
	c, err := Compare(v, b.window("2026-03-02", "2026-03-16"), Profiles())
	if err != nil {
		t.Fatal(err)
	}
	const m, h = 60.0, 3600.0
	type step struct {
		rule          string
		before, after float64
		rows          int
	}
	for _, row := range []struct {
		to, metric string
		steps      []step
	}{
		{ProfileFourKeys, DeploymentFrequency, []step{{RuleKnownCommit, 5.0 / 14, 4.0 / 14, 1}}},
		{ProfileFourKeys, ChangeLeadTime, []step{
			{RuleLeadStart, 24 * h, 260 * m, 5}, {RuleLeadRounding, 260 * m, 260 * m, 2}, {RuleLeadFloor, 260 * m, 280 * m, 1}}},
		{ProfileFourKeys, ChangeFailRate, []step{
			{RuleRatedOutcomes, 3.0 / 6, 2.0 / 5, 1}, {RuleKnownCommit, 2.0 / 5, 2.0 / 4, 1}, {RuleIncidentLink, 2.0 / 4, 1.0 / 4, 1}, {RuleFailRate, 1.0 / 4, 3.0 / 4, 1}}},
		{ProfileDevLake2023, ChangeFailRate, []step{{RuleRatedOutcomes, 3.0 / 6, 2.0 / 5, 1}}},
		{ProfileGitLab, ChangeFailRate, []step{{RuleRatedOutcomes, 3.0 / 6, 2.0 / 5, 1}, {RuleFailRate, 2.0 / 5, 1, 7}}}, // d2 and d6 now give 0, and 5 incidents 1
		{ProfileGitLab, RecoveryTime, []step{
			{RuleRatedOutcomes, 24 * h, 122*h + 45*m + 15, 1},
			{RuleRecoveryOf, 122*h + 45*m + 15, 4*h + 10*m, 7}, // 2 deployments less, 5 incidents more
			{RuleRecoveryStart, 4*h + 10*m, 90.5 * m, 4},
			{RuleRecoveryWindow, 90.5 * m, 75.25 * m, 1},
			{RuleAggregation, 75.25 * m, 90.5 * m, 0}}},
		{ProfileGitLab, ReworkRate, []step{{RuleRatedOutcomes, 1.0 / 6, 1.0 / 5, 1}}},
	} {
		var got []RuleDifference
		for _, d := range c.Differences {
			if d.ToProfile == row.to && d.Metric == row.metric && (d.NRows > 0 || *d.Effect != 0) {
				got = append(got, d)
			}
		}
		if len(got) != len(row.steps) {
			t.Errorf("%s %s: %d differences, want %d: %+v", row.to, row.metric, len(got), len(row.steps), got)
			continue
		}
		for i, want := range row.steps {
			what := row.to + " " + row.metric + " " + want.rule
			if got[i].Rule != want.rule || got[i].NRows != want.rows || got[i].From == got[i].To || got[i].FromText == "" || got[i].ToText == "" {
				t.Errorf("%s: got %s with %d rows, want %d", what, got[i].Rule, got[i].NRows, want.rows)
			}
			wantValue(t, what+" before", got[i].Before, want.before)
			wantValue(t, what+" after", got[i].After, want.after)
			wantValue(t, what+" effect", got[i].Effect, want.after-want.before)
			if len(got[i].Examples) != min(want.rows, MostExamples) {
				t.Errorf("%s: %d examples of %d rows", what, len(got[i].Examples), want.rows)
			}
		}
	}
}

func TestADifferenceShowsTheRowsThatOneSideAloneCounts(t *testing.T) {
	b := oneHistory(t)
	c, err := Compare(b.view("2026-03-31 00:00"), b.window("2026-03-02", "2026-03-16"), []Profile{DORA2025(), FourKeys()})
	if err != nil {
		t.Fatal(err)
	}
	find := func(metric, rule string) RuleDifference {
		for _, d := range c.Differences {
			if d.Metric == metric && d.Rule == rule {
				return d
			}
		}
		t.Fatalf("no difference of %s by %s", metric, rule)
		return RuleDifference{}
	}
	e := find(DeploymentFrequency, RuleKnownCommit).Examples[0]
	if e.Key != "ci/d5" || e.Kind != "deployment" || !e.Before.Counted || e.After.Counted || show(e.After.Reason) != history.ReasonSHAUnknown {
		t.Errorf("example %+v", e)
	}
	floor := find(ChangeLeadTime, RuleLeadFloor)
	if e := floor.Examples[0]; e.Kind != "change" || show(e.Ref) != "ci/d2" || show(e.Before.Value) != "0" || show(e.After.Reason) != ReasonNotPositive {
		t.Errorf("example %+v", e)
	}
	wantValue(t, "positive alone, where nothing is zero", floor.Alone, 0)
	for _, p := range c.Pairs {
		if p.Metric == ChangeLeadTime && (p.OnlyBefore != 1 || p.Changed != 4 || p.OnlyAfter != 0 || !p.Differs || len(p.Rules) != 3) {
			t.Errorf("pair %+v", p)
		}
	}
	_, err = Compare(b.view("2026-03-31 00:00"), Query{}, []Profile{DORA2025()})
	wantField(t, err, "profiles")
}

// Whatever the history, the effects add up, and the last step is the profile
// that one asked for.
func TestEffectsAddUp(t *testing.T) {
	for seed := range uint64(12) {
		v := NewView(project.Spec{Project: "p", TimeZone: "Europe/Berlin"}, generate(seed, small), epoch.Add(80*24*time.Hour))
		q := Query{From: epoch.Add(10 * 24 * time.Hour), To: epoch.Add(70 * 24 * time.Hour)}
		all := Profiles()
		for i := range all {
			all[0], all[i] = all[i], all[0]
			c, err := Compare(v, q, all)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range c.Pairs {
				at := p.Before
				known := at != nil
				for _, d := range c.Differences {
					if d.Metric != p.Metric || d.ToProfile != p.ToProfile {
						continue
					}
					if !equal(at, d.Before) {
						t.Fatalf("%s to %s: a step begins at %s, the one before ended at %s", p.Metric, p.ToProfile, show(d.Before), show(at))
					}
					at = d.After
					known = known && at != nil
				}
				if !equal(at, p.After) {
					t.Errorf("%s to %s: the steps end at %s, not at %s", p.Metric, p.ToProfile, show(at), show(p.After))
				}
				if known && math.Abs(*p.Difference-(*at-*p.Before)) > 1e-9 {
					t.Errorf("%s: %v", p.Metric, *p.Difference)
				}
			}
		}
	}
}
