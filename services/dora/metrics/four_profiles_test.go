package metrics

import (
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// oneHistory is two weeks of one service, worked on paper under each of the four
// built-in profiles. All times are March 2026, UTC; the window is [02, 16).
//
//	deployment  finished  outcome  brings (authored, committed; pull request: created, merged)
//	d1 first    02 10:00  success  c1 (01 10:00, 01 12:00; #1: 01 20:00, 02 09:00)
//	d2          03 10:00  success  c2 (02 10:00, 03 09:00:30; #2: 02 22:00, 03 04:00), c3 (02 04:00, 03 09:59:40; none)
//	d3 unpl.    03 18:00  success  c4 (03 12:00, 03 13:00; #3: 03 12:30, 03 13:00), c6 (03 13:30, 03 13:40; #5: 03 13:35, 03 14:00)
//	d4          04 10:00  failure
//	d5          05 10:00  success  nobody reported which commit
//	d6          06 10:00  success  c5 (04 10:00, 05 10:00; #4: 04 12:00, 06 08:00)
//	d7          10 23:30  aborted
//
//	incident  opened    resolved     linked              project's latest
//	i1        03 11:00  03 12:30:30  d2 by time          d2
//	i2        06 12:00  06 15:00     d6, named           d6
//	i3        06 13:00  16 13:00     d6, named           d6
//	i4        08 09:00  08 10:00     none                d6
//	i5        06 14:00  06 14:10     d6, named           d6
//
// d2 was restored when i1 was resolved, d4 by d5, d6 when i3 was resolved.
//
//	deployment frequency: d1 d2 d3 d5 d6 = 5 in 14 days; fourkeys without d5: 4.
//
//	lead time
//	  dora-2025     c6 4.5 h, c4 6 h, c2 24 h, c3 30 h, c5 48 h            median 24 h
//	  devlake-2023  #5 4.5 h, #3 6 h, #2 24 h, #4 48 h; #1 is baseline     lower median 6 h
//	  fourkeys      c2 59 min (and 30 s), c6 260, c4 300, c5 1440 min; c3 is 0 min and left out
//	                                                                       median (260+300)/2 = 280 min
//	  gitlab        #1 1 h on 02; #2 6 h, #3 5 h, #5 4 h on 03; #4 2 h on 06
//	                daily medians 1 h, 5 h, 2 h                            median 2 h (over all rows it would be 4 h)
//
//	change fail rate
//	  dora-2025     d2 (i1), d4 (outcome), d6 (incidents) of d1..d6        3/6
//	  devlake-2023  d2 (i1), d6 (i2 i3 i4 i5) of the 5 successful          2/5
//	  fourkeys      i2 i3 i5, each by itself, of d1 d2 d3 d6               3/4
//	  gitlab        i1 .. i5 of the 5 successful                           5/5
//
//	recovery
//	  dora-2025     d2 2:30:30, d4 24 h, d6 243 h                          median 24 h
//	  devlake-2023  from the deployment's end, both ends in the window:
//	                i1 150 min, i5 250, i2 300, i4 2880; i3 ends after it  lower median 250 min
//	  fourkeys      from the deployment or, unlinked, the opening, in hours:
//	                i1 1 (unlinked: only by time), i4 1, i5 4, i2 5, i3 243    median 4 h
//	  gitlab        from the opening, by the day it was closed: i1 90.5 min on 03; i2 180 and i5 10 min on 06;
//	                i4 60 min on 08: daily medians 90.5, 95, 60            median 90.5 min
//
//	rework: d3 of 6, of 5, of 4, of 5.
func oneHistory(t testing.TB) *build {
	b := newBuild(t)
	ok := event.OutcomeSuccess
	day := func(s string) string {
		if s == "" {
			return ""
		}
		return "2026-03-" + s
	}
	d1 := b.deploy("api", "d1", day("02 10:00"), ok)
	d2 := b.deploy("api", "d2", day("03 10:00"), ok)
	d3 := b.deploy("api", "d3", day("03 18:00"), ok)
	d4 := b.deploy("api", "d4", day("04 10:00"), event.OutcomeFailure)
	d5 := b.deploy("api", "d5", day("05 10:00"), ok)
	d6 := b.deploy("api", "d6", day("06 10:00"), ok)
	b.deploy("api", "d7", day("10 23:30"), event.OutcomeAborted)
	d1.Kind, d1.Reason = history.KindFirst, history.ReasonBaseline
	d3.Unplanned = true
	d5.Reason = history.ReasonSHAUnknown

	commit := func(d *history.Deployment, authored, committed, number, created, merged string) {
		c := b.change(d, day(authored))
		c.CommittedAt = at(t, day(committed))
		if d == d1 {
			c.Reason = 2
		}
		if number == "" {
			return
		}
		b.inRequest(d, c, day(created), "", day(merged))
		d.PullRequests[len(d.PullRequests)-1].Number = number
		pr := b.request(number, day(merged), d)
		pr.SHA, pr.CreatedAt, pr.FirstCommitAt = c.SHA.String(), at(t, day(created)), c.FirstAt
		if d == d1 {
			pr.Deliveries, pr.Reason = nil, history.ReasonBaseline
		}
	}
	commit(d1, "01 10:00", "01 12:00", "1", "01 20:00", "02 09:00")
	commit(d2, "02 10:00", "03 09:00:30", "2", "02 22:00", "03 04:00")
	commit(d2, "02 04:00", "03 09:59:40", "", "", "")
	commit(d3, "03 12:00", "03 13:00", "3", "03 12:30", "03 13:00")
	commit(d3, "03 13:30", "03 13:40", "5", "03 13:35", "03 14:00")
	commit(d6, "04 10:00", "05 10:00", "4", "04 12:00", "06 08:00")

	hit := func(id, opened, resolved string, d *history.Deployment, by string, latest *history.Deployment) {
		i := b.incident(id, "api", day(opened), day(resolved))
		i.LatestDeployment = latest.Key()
		if d != nil {
			i.Deployment, i.DeploymentID, i.LinkedBy = d.Key(), d.ID, by
			d.Failed = true
			d.Failures = append(d.Failures, history.Failure{Rule: history.FailedIncident, Ref: i.Key()})
		} else {
			i.Reason = history.ReasonOutsideWindow
		}
	}
	hit("i1", "03 11:00", "03 12:30:30", d2, history.LinkTime, d2)
	hit("i2", "06 12:00", "06 15:00", d6, history.LinkExplicit, d6)
	hit("i3", "06 13:00", "16 13:00", d6, history.LinkArtifact, d6)
	hit("i5", "06 14:00", "06 14:10", d6, history.LinkExplicit, d6)
	hit("i4", "08 09:00", "08 10:00", nil, "", d6)
	d4.Failed, d4.Failures = true, []history.Failure{{Rule: history.FailedOutcome}}
	d2.RestoredAt, d2.RestoredBy, d2.RestoredRef = at(t, day("03 12:30:30")), history.RestoredIncident, "pager/i1"
	d4.RestoredAt, d4.RestoredBy, d4.RestoredRef = d5.FinishedAt, history.RestoredDeployment, d5.Key()
	d6.RestoredAt, d6.RestoredBy, d6.RestoredRef = at(t, day("16 13:00")), history.RestoredIncident, "pager/i3"
	return b
}

func TestOneHistoryUnderFourProfiles(t *testing.T) {
	b := oneHistory(t)
	v := b.view("2026-03-31 00:00")
	const m, h = 60.0, 3600.0
	for _, row := range []struct {
		profile Profile
		metric  string
		value   float64
		n       int
	}{
		{DORA2025(), DeploymentFrequency, 5.0 / 14, 5}, {DevLake2023(), DeploymentFrequency, 5.0 / 14, 5},
		{FourKeys(), DeploymentFrequency, 4.0 / 14, 4}, {GitLab(), DeploymentFrequency, 5.0 / 14, 5},
		{DORA2025(), ChangeLeadTime, 24 * h, 5}, {DevLake2023(), ChangeLeadTime, 6 * h, 4},
		{FourKeys(), ChangeLeadTime, 280 * m, 4}, {GitLab(), ChangeLeadTime, 2 * h, 5},
		{DORA2025(), ChangeFailRate, 3.0 / 6, 6}, {DevLake2023(), ChangeFailRate, 2.0 / 5, 5},
		{FourKeys(), ChangeFailRate, 3.0 / 4, 4}, {GitLab(), ChangeFailRate, 1, 5},
		{DORA2025(), RecoveryTime, 24 * h, 3}, {DevLake2023(), RecoveryTime, 250 * m, 4},
		{FourKeys(), RecoveryTime, 4 * h, 5}, {GitLab(), RecoveryTime, 90.5 * m, 4},
		{DORA2025(), ReworkRate, 1.0 / 6, 6}, {DevLake2023(), ReworkRate, 1.0 / 5, 5},
		{FourKeys(), ReworkRate, 1.0 / 4, 4}, {GitLab(), ReworkRate, 1.0 / 5, 5},
	} {
		got := compute(t, v, b.window("2026-03-02", "2026-03-16"), row.profile).Metric(row.metric)
		wantValue(t, row.profile.Name+" "+row.metric, got.Value, row.value)
		if got.N != row.n {
			t.Errorf("%s %s: n = %d, want %d", row.profile.Name, row.metric, got.N, row.n)
		}
	}
	lead := compute(t, v, b.window("2026-03-02", "2026-03-16"), GitLab()).Metric(ChangeLeadTime)
	wantInt(t, "daily medians", lead.Parts.DailyMedians, 3)
	wantValue(t, "p75 of the daily medians 1, 2 and 5 h", lead.P75, 3.5*h)
}

// The level of Four Keys: the weeks begin on Sunday in UTC. From Monday 02 to
// Sunday 29 the window touches the weeks of 01, 08, 15, 22 and, with one day,
// none beyond: 29 is excluded.
func TestFourKeysFrequencyLevelIsOfTheMedianWeek(t *testing.T) {
	for _, row := range []struct {
		name string
		days []string
		want string
	}{
		{"three days in most weeks: 3 3 3 0, the median is 3", []string{"02", "03", "04", "09", "10", "11", "16", "17", "18"}, Elite},
		{"one day in three weeks of four", []string{"02", "09", "16", "17", "18"}, High},
		{"2 2 0 0: the median week has one day, but half a deployment; two such weeks a month", []string{"02", "03", "09", "10", "11"}, Medium},
		{"Saturday late and Sunday early are two weeks: 1 4 0 0", []string{"07", "08", "09", "10", "11"}, Medium},
	} {
		b := newBuild(t)
		for _, d := range row.days {
			b.deploy("api", "d"+d, "2026-03-"+d+" 23:00", event.OutcomeSuccess)
		}
		r := compute(t, b.view("2026-04-30 00:00"), b.window("2026-03-02", "2026-03-29"), FourKeys())
		wantText(t, row.name, r.Metric(DeploymentFrequency).Level, row.want)
	}
}

// GitLab divides by every day of the range, today as a whole, and gives null
// here where it would show 0 for neither deployments nor incidents.
func TestGitLabDividesByWholeDaysAndByNoLessThanOneDeployment(t *testing.T) {
	b := newBuild(t)
	b.deploy("api", "d1", "2026-03-02 10:00", event.OutcomeSuccess)
	b.incident("i1", "api", "2026-03-03 11:00", "")
	b.incident("i2", "api", "2026-03-03 12:00", "")
	v := b.view("2026-03-04 12:00")
	r := compute(t, v, b.window("2026-03-02", "2026-03-09"), GitLab())
	wantValue(t, "frequency", r.Metric(DeploymentFrequency).Value, 1.0/3) // 02, 03 and today, which is half over
	r = compute(t, v, b.window("2026-03-03", "2026-03-04"), GitLab())
	wantValue(t, "two incidents, no deployment", r.Metric(ChangeFailRate).Value, 2)
	r = compute(t, v, b.window("2026-03-04", "2026-03-05"), GitLab())
	wantNull(t, r.Metric(ChangeFailRate), ReasonNoDeploymentInWindow)
}
