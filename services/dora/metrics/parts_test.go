package metrics

import (
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// A squashed pull request of which no commit is reported has no coding part, and
// neither a row nor the metric blames a clock for it; where lead time begins
// elsewhere it has one all the same.
func TestAPullRequestWithoutCommitsSaysSo(t *testing.T) {
	for _, row := range []struct {
		profile        Profile
		lead           float64 // seconds, below 0 for none
		reason, coding string
	}{
		{DevLake2023(), 3 * 3600, history.ReasonNoCommitsReported, history.ReasonNoCommitsReported},
		{GitLab(), 2 * 3600, history.ReasonNoCommitsReported, history.ReasonNoCommitsReported},
	} {
		b := newBuild(t)
		b.deploy("api", "1", "2026-03-02 08:00", event.OutcomeSuccess)
		d := b.deploy("api", "2", "2026-03-03 12:00", event.OutcomeSuccess)
		pr := b.request("7", "2026-03-03 10:00", d)
		pr.FirstCommitAt, pr.FirstCommentAt = 0, pr.CreatedAt+hourMicros/2
		v, q := b.view("2026-03-31 00:00"), b.window("2026-03-02", "2026-03-16")
		lead := compute(t, v, q, row.profile).Metric(ChangeLeadTime)
		wantValue(t, row.profile.Name, lead.Value, row.lead)
		if p := lead.Parts.Coding; p.Value != nil || p.N != 0 {
			t.Errorf("%s: coding %+v", row.profile.Name, p)
		}
		wantText(t, row.profile.Name+": coding", lead.Parts.Coding.Reason, row.coding)
		rows, err := Evidence(v, q, row.profile, ChangeLeadTime, List{})
		if err != nil {
			t.Fatal(err)
		}
		for r := range rows {
			if r.Change.FirstCommitAt != nil || r.Change.CodingSeconds != nil || r.Reason != nil {
				t.Errorf("%s: row %+v, %+v", row.profile.Name, r, r.Change)
			}
			wantText(t, row.profile.Name+": row", r.Change.Reason, row.reason)
		}
	}
}

// Under commits that begin at the merge, what lies before it is not asked for;
// and commits without a pull request have none.
func TestAPartThatNoCommitHasSaysWhy(t *testing.T) {
	for _, row := range []struct {
		start    string
		requests bool
		coding   string // null for a value
		pickup   string
	}{
		{LeadAuthored, true, "null", history.ReasonNoReview},
		{LeadCreated, true, ReasonBeforeStart, history.ReasonNoReview},
		{LeadMerged, true, ReasonBeforeStart, ReasonBeforeStart},
		{LeadAuthored, false, history.ReasonNoPullRequest, history.ReasonNoPullRequest},
	} {
		b := newBuild(t)
		b.deploy("api", "1", "2026-03-02 08:00", event.OutcomeSuccess)
		d := b.deploy("api", "2", "2026-03-03 12:00", event.OutcomeSuccess)
		c := b.change(d, "2026-03-03 08:00")
		if c.PR = -1; row.requests {
			d.PullRequests = []history.PullRequestRef{{Number: "7", CreatedAt: at(t, "2026-03-03 09:00"), MergedAt: at(t, "2026-03-03 10:00")}}
			c.PR = 0
		}
		p := DORA2025()
		p.Choices.LeadStart = row.start
		lead := compute(t, b.view("2026-03-31 00:00"), b.window("2026-03-02", "2026-03-16"), p).Metric(ChangeLeadTime)
		if (lead.Parts.Coding.Value != nil) != (row.coding == "null") {
			t.Errorf("%s: coding %+v", row.start, lead.Parts.Coding)
		}
		wantText(t, row.start+": coding", lead.Parts.Coding.Reason, row.coding)
		wantText(t, row.start+": pickup", lead.Parts.Pickup.Reason, row.pickup)
	}
}
