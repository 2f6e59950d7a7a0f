package view

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/ui/chart"
	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/scope"
	"github.com/fawkes-idp/fawkes/ui/units"
)

// Measure is how the console speaks of one of the five metrics.
type Measure struct {
	Name   string // in the API
	Label  string
	Asks   string // the metric in one plain sentence
	Sample string // what n counts
	one    string
	// Better is +1 when more is better and -1 when less is.
	Better int
	Bars   bool
}

// Measures lists the five metrics in the order in which they are shown.
func Measures() []Measure {
	return []Measure{
		{"deployment_frequency", "Deployment frequency", "How often a successful deployment reaches production.", "deployments", "deployment", +1, true},
		{"change_lead_time", "Change lead time", "How long a change takes from its first commit to running in production (median).", "changes", "change", -1, false},
		{"change_fail_rate", "Change fail rate", "Which share of deployments failed, was rolled back or caused an incident.", "deployments", "deployment", -1, false},
		{"failed_deployment_recovery_time", "Failed deployment recovery time", "How long it takes from a failed deployment until the service is restored (median).", "recoveries", "recovery", -1, false},
		{"deployment_rework_rate", "Deployment rework rate", "Which share of deployments was unplanned, to fix a bug that users met.", "deployments", "deployment", -1, false},
	}
}

// MeasureOf finds a metric by its name in the API.
func MeasureOf(name string) (Measure, bool) {
	for _, m := range Measures() {
		if m.Name == name {
			return m, true
		}
	}
	return Measure{}, false
}

// Short is the label where room is scarce.
func (m Measure) Short() string {
	switch m.Name {
	case "deployment_frequency":
		return "Frequency"
	case "change_lead_time":
		return "Lead time"
	case "change_fail_rate":
		return "Fail rate"
	case "failed_deployment_recovery_time":
		return "Recovery"
	case "deployment_rework_rate":
		return "Rework"
	}
	return m.Label
}

// N writes a sample size with what it counts.
func (m Measure) N(n int) string {
	if m.one == "recovery" {
		return units.Plural(n, "recovery", "recoveries")
	}
	return units.Plural(n, m.one, m.Sample)
}

// delta is the change of a value against the window before.
type delta struct {
	Known  bool
	Arrow  string
	Text   string
	Class  string // good, bad or flat
	Spoken string
	Reason string
}

// Change against the previous window is a comparison of two values that the service gave, not a metric.
func compare(m Measure, now delivery.Metric, before *delivery.Metric) delta {
	switch {
	case before == nil:
		return delta{Reason: "all time has no window before it"}
	case now.Value == nil:
		return delta{}
	case before.Value == nil:
		return delta{Reason: "no value in the window before"}
	}
	diff := *now.Value - *before.Value
	var text string
	switch {
	case now.Unit == "ratio":
		text = strings.TrimSuffix(units.Percent(math.Abs(diff)), "\u00a0%") + "\u00a0pp"
	case *before.Value == 0:
		text = units.Value(math.Abs(diff), now.Unit)
	default:
		text = units.Percent(math.Round(math.Abs(diff) / *before.Value * 100) / 100)
		if math.Abs(diff) / *before.Value >= 9.995 {
			text = fmt.Sprintf("×%.0f", *now.Value / *before.Value)
		}
	}
	d := delta{Known: true, Arrow: "↑", Text: text, Spoken: "more than in the window before"}
	if diff < 0 {
		d.Arrow, d.Spoken = "↓", "less than in the window before"
	}
	switch {
	case diff == 0 || text == "0\u00a0%" || text == "0\u00a0pp":
		return delta{Known: true, Arrow: "→", Text: "same", Class: "flat", Spoken: "as in the window before"}
	case (diff > 0) == (m.Better > 0):
		d.Class, d.Spoken = "good", d.Spoken+", which is better"
	default:
		d.Class, d.Spoken = "bad", d.Spoken+", which is worse"
	}
	return d
}

func levelLabel(level string) string {
	if level == "" {
		return "No level"
	}
	return strings.ToUpper(level[:1]) + level[1:]
}

func editionLabel(edition string) string {
	if edition == "" {
		return ""
	}
	return edition + " edition"
}

func completenessLabel(c *delivery.Completeness) string {
	if c == nil {
		return units.Unknown
	}
	if c.Total == 0 {
		return "nothing to link"
	}
	return units.Percent(math.Floor(float64(c.Linked)/float64(c.Total)*1000)/1000) + " linked"
}

func scoreLabel(score *float64) string {
	if score == nil {
		return units.Unknown
	}
	return units.Number(*score) + " / 10"
}

// periods turns a report's series into the periods of one metric's chart.
func periods(r delivery.Report, name string) (out []chart.Period, unit string) {
	for _, step := range r.Series {
		p := chart.Period{From: step.From, To: step.To}
		for _, m := range step.Metrics {
			if m.Name == name {
				p.Value, p.Lo, p.Hi, p.N = m.Value, m.Low, m.High, m.N
				unit = m.Unit
			}
		}
		out = append(out, p)
	}
	return out, unit
}

// Trend is one metric's chart with all that its drawing and its table need.
type Trend struct {
	Measure  Measure
	Unit     string
	Interval string
	Chart    chart.Trend
	Metric   delivery.Metric
	Changes  []delivery.ChangePoint // of this metric
	Notes    []delivery.Annotation
	Frame    Frame
	Tall     bool
	ID       string
}

// NewTrend prepares the chart of one metric of a report.
func NewTrend(f Frame, m Measure, r delivery.Report, tall bool) Trend {
	whole, _ := r.Metric(m.Name)
	ps, unit := periods(r, m.Name)
	if unit == "" {
		unit = whole.Unit
	}
	for i := range ps {
		ps[i].From, ps[i].To = ps[i].From.In(f.zone()), ps[i].To.In(f.zone())
	}
	overall := whole.Value
	interval := f.Scope.IntervalKey()
	return Trend{Measure: m, Unit: unit, Interval: interval, Chart: chart.NewTrend(ps, unit, interval, overall, m.Bars), Metric: whole,
		Changes: changesOf(r, m.Name), Notes: r.Annotations, Frame: f, Tall: tall, ID: "trend-" + m.Name}
}

// Desc says in words what the chart shows.
func (t Trend) Desc() string {
	if t.Chart.Empty() {
		return "No period of the window has a value."
	}
	lo, hi, last := math.Inf(1), math.Inf(-1), ""
	for _, m := range t.Chart.Marks {
		if m.Known {
			lo, hi = math.Min(lo, *m.Value), math.Max(hi, *m.Value)
			last = units.Value(*m.Value, t.Unit)
		}
	}
	s := fmt.Sprintf("%s by %s, from %s to %s, the latest %s.", t.Measure.Label, t.Interval, units.Value(lo, t.Unit), units.Value(hi, t.Unit), last)
	if g := t.Chart.Gaps(); g > 0 {
		s += fmt.Sprintf(" %s without a value.", units.Plural(g, "period", "periods"))
	}
	if t.Chart.Clipped {
		s += " The 95 % interval goes beyond the top of the chart."
	}
	return s
}

func (t Trend) periodName(m chart.Mark) string { return periodName(m.From, m.To, t.Interval) }

func periodName(from, to time.Time, interval string) string {
	switch interval {
	case "month":
		return from.Format("January 2006")
	case "week":
		return from.Format("2 Jan") + " – " + to.Add(-time.Second).Format("2 Jan 2006")
	}
	return from.Format("Mon 2 Jan 2006")
}

// evidence is the address of the rows behind one period's number.
func (t Trend) evidence(m chart.Mark) string {
	return EvidencePath(t.Frame.Scope.WithDays(m.From, m.To), t.Measure.Name)
}

// EvidencePath is the page that opens a metric's number.
func EvidencePath(s scope.Scope, metric string) string { return s.Path("metrics", metric) }

// height is that of the plot in pixels, without its labels.
func (t Trend) height() string {
	if t.Tall {
		return "210"
	}
	return "158"
}

func intervalText(m delivery.Metric) string {
	if m.Low == nil || m.High == nil {
		return units.Unknown
	}
	return units.Interval(*m.Low, *m.High, m.Unit)
}

func markInterval(m chart.Mark, unit string) string {
	if m.Lo == nil || m.Hi == nil {
		return units.Unknown
	}
	return units.Interval(*m.Lo, *m.Hi, unit)
}
