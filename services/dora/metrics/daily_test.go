package metrics

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// The median of daily medians, found the long way: every row of evidence under
// its day and place, each day's median, their median. For commits and pull
// requests, whole windows and parts of days.
func TestDailyMediansAgreeWithTheRowsBehindThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, spec, asOf, q, profile := anyQuestion(t)
		profile.Choices.Aggregation = DailyMedians
		v := NewView(spec, p, asOf)
		r, err := Compute(v, q, profile)
		if err != nil {
			t.Fatal(err)
		}
		check := func(from, to time.Time, m *Metric) {
			part := q
			part.Interval, part.From, part.To = "", from, to
			rows, err := Evidence(v, part, profile, ChangeLeadTime, List{})
			if err != nil {
				t.Fatal(err)
			}
			x := v.index(profile)
			type group struct {
				day   int32
				place string
			}
			days := map[group][]Span{}
			for row := range rows {
				if row.Value != nil {
					g := group{x.cal.day(history.Time(row.Change.DeployedAt.UnixMicro())), *row.Change.Service + "/" + *row.Change.Environment}
					days[g] = append(days[g], Span(*row.Value*1e6+0.5))
				}
			}
			middle := func(all []Span) Span {
				slices.Sort(all)
				if profile.Choices.Percentile == string(Lower) || len(all)%2 == 1 {
					return all[(len(all)-1)/2]
				}
				a, b := all[len(all)/2-1], all[len(all)/2]
				return a + (b-a)/2
			}
			var medians []Span
			for _, all := range days {
				medians = append(medians, middle(all))
			}
			if !from.Before(asOf) { // not begun: nothing is counted, so there is no count
				for row := range rows {
					t.Fatalf("%v to %v as of %v: evidence %+v", from, to, asOf, row)
				}
				if m.Parts.DailyMedians != nil || m.Value != nil || m.Reason == nil {
					t.Fatalf("%v to %v as of %v: %+v", from, to, asOf, m)
				}
				return
			}
			if len(medians) != *m.Parts.DailyMedians {
				t.Fatalf("%v to %v: %d daily medians, want %d", from, to, *m.Parts.DailyMedians, len(medians))
			}
			if len(medians) == 0 {
				return
			}
			if want := float64(middle(medians)) / 1e6; m.Value == nil || *m.Value < want-2e-6 || *m.Value > want+2e-6 {
				t.Fatalf("%v to %v: %s, want %v", from, to, show(m.Value), want)
			}
		}
		check(r.From, r.To, r.Metric(ChangeLeadTime))
		for i := range r.Series {
			if b := &r.Series[i]; b.From.Before(asOf) && i < 10 {
				check(b.From, b.To, b.Metric(ChangeLeadTime))
			}
		}
	})
}
