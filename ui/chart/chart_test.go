package chart_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/ui/chart"
)

func num(v float64) *float64 { return &v }

func months(values ...*float64) []chart.Period {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	out := make([]chart.Period, len(values))
	for i, v := range values {
		out[i] = chart.Period{From: start.AddDate(0, i, 0), To: start.AddDate(0, i+1, 0), Value: v}
	}
	return out
}

func TestAnEmptyPeriodBreaksTheLineAndATrueZeroDoesNot(t *testing.T) {
	gap := chart.NewTrend(months(num(1), num(2), nil, num(3), num(4)), "per_day", "month", nil, false)
	if got := strings.Count(gap.Line, "M"); got != 2 {
		t.Errorf("with a gap the line has %d stretches, want 2: %s", got, gap.Line)
	}
	if gap.Gaps() != 1 || gap.Marks[2].Known {
		t.Errorf("the empty month is drawn: %+v", gap.Marks[2])
	}
	zero := chart.NewTrend(months(num(1), num(2), num(0), num(3), num(4)), "per_day", "month", nil, false)
	if got := strings.Count(zero.Line, "M"); got != 1 {
		t.Errorf("with a true zero the line has %d stretches, want 1: %s", got, zero.Line)
	}
	if y := zero.Marks[2].Y; y != 100 {
		t.Errorf("a true zero stands at %v %% from the top, want 100", y)
	}
}

func TestTicksAreRoundAndCoverTheValues(t *testing.T) {
	for _, row := range []struct {
		top  float64
		unit string
		step float64
	}{
		{3.2, "per_day", 1}, {0.37, "ratio", 0.1}, {90000, "seconds", 6 * 3600 * 2}, {250, "seconds", 120}, {9.8, "seconds", 5},
		{86400 * 23, "seconds", 7 * 86400}, {0.9, "ratio", 0.25},
	} {
		s := chart.NewScale(row.top, row.unit)
		if s.Max < row.top {
			t.Errorf("scale for %v %s ends at %v", row.top, row.unit, s.Max)
		}
		if len(s.Ticks) < 2 || len(s.Ticks) > 6 {
			t.Errorf("scale for %v %s has %d ticks", row.top, row.unit, len(s.Ticks))
			continue
		}
		if got := s.Ticks[1].Value - s.Ticks[0].Value; math.Abs(got-row.step) > 1e-9 {
			t.Errorf("scale for %v %s steps by %v, want %v", row.top, row.unit, got, row.step)
		}
	}
	if s := chart.NewScale(1, "ratio"); s.Max != 1 {
		t.Errorf("a ratio's axis ends at %v, want 1", s.Max)
	}
	if s := chart.NewScale(0, "ratio"); s.Max <= 0 || len(s.Ticks) < 2 {
		t.Errorf("an axis without values has no ticks: %+v", s)
	}
}

func TestAWideIntervalDoesNotFlattenTheLine(t *testing.T) {
	p := months(num(1), num(2))
	p[0].Lo, p[0].Hi = num(0.5), num(100)
	tr := chart.NewTrend(p, "per_day", "month", nil, false)
	if tr.Scale.Max > 5 || !tr.Clipped {
		t.Errorf("axis ends at %v (clipped %v), want about 4 and clipped", tr.Scale.Max, tr.Clipped)
	}
	if y := tr.Marks[0].YHi; y != 0 {
		t.Errorf("the interval's end stands at %v, want the top", y)
	}
}

func TestBarsAreScaledByTheirValuesAlone(t *testing.T) {
	p := months(num(1), num(2))
	p[0].Lo, p[0].Hi = num(0.5), num(100)
	if tr := chart.NewTrend(p, "per_day", "month", nil, true); tr.Scale.Max != 2 || tr.Clipped {
		t.Errorf("bars up to 2 have an axis up to %v (clipped %v), want 2", tr.Scale.Max, tr.Clipped)
	}
}

func TestTheBandStopsWhereTheIntervalIsUnknown(t *testing.T) {
	p := months(num(1), num(2), num(3), num(4))
	for _, i := range []int{0, 1, 3} {
		p[i].Lo, p[i].Hi = num(0.5), num(5)
	}
	tr := chart.NewTrend(p, "seconds", "month", nil, false)
	if got := strings.Count(tr.Band, "M"); got != 2 {
		t.Errorf("the band has %d pieces, want 2 around the period without an interval: %s", got, tr.Band)
	}
	if got := strings.Count(tr.Line, "M"); got != 1 {
		t.Errorf("the line has %d pieces, want 1", got)
	}
}

func TestTimelineKeepsFailuresOnTopAndGathersTheRest(t *testing.T) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	to := from.AddDate(0, 0, 10)
	at := func(day int, lane, shape string) chart.Moment {
		return chart.Moment{At: from.AddDate(0, 0, day), Lane: lane, Shape: shape}
	}
	tl := chart.NewTimeline([]chart.Moment{at(1, "api", "failed"), at(5, "api", "forward"), at(5, "web", "forward"), at(6, "web", "forward"), at(2, "job", "forward"), at(30, "api", "forward")}, from, to, 2)
	if want := []string{"api", "others"}; len(tl.Lanes) != 2 || tl.Lanes[0] != want[0] || tl.Lanes[1] != want[1] {
		// api and web have two each inside or outside the span; by count then name api (3) leads.
		t.Errorf("lanes %v, want %v", tl.Lanes, want)
	}
	if len(tl.Dots) != 5 {
		t.Errorf("%d dots, want the 5 inside the window", len(tl.Dots))
	}
	if last := tl.Dots[len(tl.Dots)-1]; last.Shape != "failed" || last.X != 10 {
		t.Errorf("the last drawn dot is %+v, want the failure at 10 %%", last)
	}
}

func TestUnknownPartsTakeAFixedWidthAndKnownOnesAreToScale(t *testing.T) {
	seg := chart.NewBreakdown([]chart.Part{{"coding", num(3000), ""}, {"pickup", nil, "no pull request"}, {"review", nil, "no review"}, {"deploy", num(1000), ""}})
	if seg[1].Known || seg[1].Width != seg[2].Width || seg[1].Width == 0 {
		t.Errorf("unknown parts %+v %+v, want equal fixed widths", seg[1], seg[2])
	}
	if got := seg[0].Width / seg[3].Width; math.Abs(got-3) > 1e-9 {
		t.Errorf("coding is %v times as wide as deploy, want 3", got)
	}
	if end := seg[3].X + seg[3].Width; math.Abs(end-100) > 1e-9 {
		t.Errorf("the bar ends at %v, want 100", end)
	}
	all := chart.NewBreakdown([]chart.Part{{"coding", nil, "x"}, {"pickup", nil, "x"}})
	if all[0].Width != 50 || all[1].Width != 50 {
		t.Errorf("a bar of unknown parts %+v, want halves", all)
	}
	zero := chart.NewBreakdown([]chart.Part{{"coding", num(0), ""}, {"pickup", num(10), ""}})
	if zero[0].Width != 0 || zero[1].Width != 100 {
		t.Errorf("a part of zero seconds %+v, want no width", zero)
	}
}

func TestLabelsStayInsideThePlot(t *testing.T) {
	var starts []time.Time
	for i := range 90 {
		starts = append(starts, time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC))
	}
	labels := chart.PeriodLabels(starts, "day")
	if len(labels) != 6 || labels[0].Anchor != "start" || labels[0].Text != "1 Jan" {
		t.Errorf("labels %+v", labels)
	}
	tl := chart.TimeLabels(starts[0], starts[89])
	if last := tl[len(tl)-1]; last.Anchor != "end" {
		t.Errorf("the last label is anchored at its %s", last.Anchor)
	}
}
