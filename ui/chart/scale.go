// Package chart works out where the marks of a chart stand. It draws nothing: the templates of ui/view turn its
// results into SVG that needs no script.
//
// Horizontal places are percentages of the plot's width and vertical ones too, so that the same chart fits a
// telephone and a wide screen while its text keeps its size. What is unknown has no mark: a missing value breaks a
// line and leaves its slot empty, and only a true zero stands on the axis.
package chart

import (
	"math"
	"time"
)

// Tick is one labelled line of the vertical axis; Y is a percentage from the top.
type Tick struct {
	Value float64
	Y     float64
}

// Scale maps values from zero upwards to percentages from the top of the plot.
type Scale struct {
	Max   float64
	Ticks []Tick
}

// durationSteps are the spacings that read well on an axis of seconds.
func durationSteps() []float64 {
	const m, h, d = 60.0, 3600.0, 86400.0
	return []float64{1, 2, 5, 10, 20, 30, m, 2 * m, 5 * m, 10 * m, 15 * m, 30 * m, h, 2 * h, 4 * h, 6 * h, 12 * h,
		d, 2 * d, 4 * d, 7 * d, 14 * d, 28 * d, 56 * d, 100 * d, 200 * d, 400 * d, 1000 * d, 2000 * d, 4000 * d}
}

// NewScale gives a scale from zero to at least top with two to five ticks at round values of the unit.
// A ratio never goes above one.
func NewScale(top float64, unit string) Scale {
	const wanted = 4
	if math.IsNaN(top) || math.IsInf(top, 0) || top <= 0 {
		top = map[string]float64{"ratio": 0.1, "seconds": 3600}[unit]
		if top == 0 {
			top = 1
		}
	}
	var step float64
	if unit == "seconds" && top >= 1 {
		for _, s := range durationSteps() {
			step = s
			if top/s <= wanted {
				break
			}
		}
	} else {
		step = roundStep(top / wanted)
	}
	n := math.Ceil(top/step - 1e-9)
	limit := n * step
	if unit == "ratio" && limit > 1 {
		limit = 1
	}
	s := Scale{Max: limit}
	for i := 0.0; i <= n; i++ {
		if v := i * step; v <= limit*(1+1e-9) {
			s.Ticks = append(s.Ticks, Tick{v, s.Y(v)})
		}
	}
	return s
}

func roundStep(raw float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if raw <= m*p*(1+1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// Y is the place of a value, as a percentage from the top; a value above the scale stands at its top.
func (s Scale) Y(v float64) float64 {
	if s.Max <= 0 {
		return 100
	}
	return 100 * (1 - math.Max(0, math.Min(1, v/s.Max)))
}

// Label is one label under the horizontal axis. Minor labels are left out on narrow screens.
type Label struct {
	X      float64
	Text   string
	Anchor string // start, middle or end
	Minor  bool
}

// PeriodLabels names about six of the periods. Starts are in the zone in which days are meant.
func PeriodLabels(starts []time.Time, interval string) []Label {
	if len(starts) == 0 {
		return nil
	}
	step := (len(starts) + 5) / 6
	var out []Label
	for i := 0; i < len(starts); i += step {
		x := (float64(i) + 0.5) / float64(len(starts)) * 100
		out = append(out, Label{X: x, Text: periodText(starts, i, interval), Anchor: anchor(x), Minor: (i/step)%2 == 1})
	}
	return out
}

func periodText(starts []time.Time, i int, interval string) string {
	t := starts[i]
	if interval == "month" {
		if starts[0].Year() != starts[len(starts)-1].Year() {
			return t.Format("Jan 06")
		}
		return t.Format("Jan")
	}
	if starts[0].Year() != starts[len(starts)-1].Year() && i == 0 {
		return t.Format("2 Jan 06")
	}
	return t.Format("2 Jan")
}

// TimeLabels names about six moments of a span of time.
func TimeLabels(from, to time.Time) []Label {
	span := to.Sub(from)
	if span <= 0 {
		return nil
	}
	const n = 6
	layout := "2 Jan"
	switch {
	case span <= 48*time.Hour:
		layout = "2 Jan 15:04"
	case span > 400*24*time.Hour:
		layout = "Jan 06"
	}
	var out []Label
	for i := 0; i <= n; i++ {
		x := float64(i) / n * 100
		t := from.Add(time.Duration(float64(span) * float64(i) / n))
		out = append(out, Label{X: x, Text: t.Format(layout), Anchor: anchor(x), Minor: i%3 != 0})
	}
	return out
}

func anchor(x float64) string {
	switch {
	case x < 6:
		return "start"
	case x > 94:
		return "end"
	}
	return "middle"
}
