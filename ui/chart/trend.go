package chart

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Period is one step of a series. Value is nil where there is nothing to say; Lo and Hi bound the interval.
type Period struct {
	From, To time.Time
	Value    *float64
	Lo, Hi   *float64
	N        int
}

// Mark is a period's place in a trend. Known is false for a gap. Slot and Width bound the column that belongs to it.
type Mark struct {
	Period
	Known       bool
	X, Y        float64
	YLo, YHi    float64
	HasInterval bool
	Slot, Width float64
}

// Trend is a series in place: the marks, the line broken at each gap, and the interval's band.
type Trend struct {
	Scale  Scale
	Marks  []Mark
	Labels []Label
	// Line and Band are SVG path data in a square of side 1000 that the plot stretches.
	Line, Band string
	// Clipped says that part of the band lies above the axis.
	Clipped bool
	// Overall is the place of the whole window's value.
	Overall    float64
	HasOverall bool
}

// Side is the side of the square in which path data are written.
const Side = 1000

// NewTrend places a series, as bars or as a line with its band. The axis is chosen so that the values fill it: bars
// have no band, and an interval more than twice as high as the highest value is cut off at the top, which Clipped
// says.
func NewTrend(periods []Period, unit, interval string, overall *float64, bars bool) Trend {
	top, bandTop := 0.0, 0.0
	starts := make([]time.Time, len(periods))
	for i, p := range periods {
		starts[i] = p.From
		if p.Value != nil {
			top = math.Max(top, *p.Value)
			if p.Hi != nil && !bars {
				bandTop = math.Max(bandTop, *p.Hi)
			}
		}
	}
	if overall != nil {
		top = math.Max(top, *overall)
	}
	limit := math.Max(top, bandTop)
	if top > 0 && bandTop > 2*top {
		limit = 2 * top
	}
	t := Trend{Scale: NewScale(limit, unit), Labels: PeriodLabels(starts, interval)}
	t.Clipped = bandTop > t.Scale.Max*(1+1e-9)
	if overall != nil {
		t.Overall, t.HasOverall = t.Scale.Y(*overall), true
	}
	n := float64(len(periods))
	for i, p := range periods {
		m := Mark{Period: p, Slot: float64(i) / n * 100, Width: 100 / n, X: (float64(i) + 0.5) / n * 100}
		if p.Value != nil {
			m.Known, m.Y = true, t.Scale.Y(*p.Value)
			m.YLo, m.YHi = m.Y, m.Y
			if p.Lo != nil && p.Hi != nil {
				m.HasInterval, m.YLo, m.YHi = true, t.Scale.Y(*p.Lo), t.Scale.Y(*p.Hi)
			}
		}
		t.Marks = append(t.Marks, m)
	}
	t.Line, t.Band = paths(t.Marks)
	return t
}

// Gaps counts the periods without a value.
func (t Trend) Gaps() int {
	n := 0
	for _, m := range t.Marks {
		if !m.Known {
			n++
		}
	}
	return n
}

// Empty says that no period has a value.
func (t Trend) Empty() bool { return t.Gaps() == len(t.Marks) }

// runs cuts the marks into stretches of those that has is true of.
func runs(marks []Mark, has func(Mark) bool) [][]Mark {
	var out [][]Mark
	start := -1
	for i, m := range marks {
		switch {
		case has(m) && start < 0:
			start = i
		case !has(m) && start >= 0:
			out, start = append(out, marks[start:i]), -1
		}
	}
	if start >= 0 {
		out = append(out, marks[start:])
	}
	return out
}

func paths(marks []Mark) (line, band string) {
	var l, b strings.Builder
	for _, run := range runs(marks, func(m Mark) bool { return m.Known }) {
		for i, m := range run {
			fmt.Fprintf(&l, "%s%s %s", verb(i), at(m.X), at(m.Y))
		}
	}
	for _, run := range runs(marks, func(m Mark) bool { return m.HasInterval }) {
		if len(run) == 1 { // a lone period keeps its interval as a narrow column
			m := run[0]
			w := math.Min(m.Width/4, 0.8)
			fmt.Fprintf(&b, "M%s %sL%s %sL%s %sL%s %sZ", at(m.X-w), at(m.YHi), at(m.X+w), at(m.YHi), at(m.X+w), at(m.YLo), at(m.X-w), at(m.YLo))
			continue
		}
		for i, m := range run {
			fmt.Fprintf(&b, "%s%s %s", verb(i), at(m.X), at(m.YHi))
		}
		for i := len(run) - 1; i >= 0; i-- {
			fmt.Fprintf(&b, "L%s %s", at(run[i].X), at(run[i].YLo))
		}
		b.WriteString("Z")
	}
	return l.String(), b.String()
}

func verb(i int) string {
	if i == 0 {
		return "M"
	}
	return "L"
}

// at writes a percentage as a coordinate of the square.
func at(percent float64) string {
	s := fmt.Sprintf("%.1f", percent/100*Side)
	return strings.TrimSuffix(s, ".0")
}

// Pc writes a place as SVG wants it: 12.5%.
func Pc(percent float64) string {
	s := fmt.Sprintf("%.3f", percent)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	return s + "%"
}
