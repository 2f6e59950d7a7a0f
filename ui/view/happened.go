package view

import (
	"fmt"
	"strings"

	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/units"
)

// mostHappened bounds what is listed under a chart.
const mostHappened = 12

// shift is a change of level in its place on a chart.
type shift struct {
	X    float64
	When string
	Text string // 1.2 /day → 2.5 /day
	Sure string
}

// shifts are the changes of level of the chart's metric.
func (t Trend) shifts() []shift {
	var out []shift
	for _, c := range t.Changes {
		if x, ok := t.Chart.At(c.At.In(t.Frame.zone())); ok {
			out = append(out, shift{X: x, When: t.Frame.Day(c.At), Text: units.Value(c.Before, c.Unit) + " → " + units.Value(c.After, c.Unit), Sure: sureText(c.PValue)})
		}
	}
	return out
}

// sureText writes how unlikely it is that nothing changed.
func sureText(p float64) string {
	if p < 0.001 {
		return "p < 0.001"
	}
	return "p ≤ " + strings.TrimRight(fmt.Sprintf("%.3f", p), "0")
}

// flag is an annotation in its place on a chart.
type flag struct {
	X                float64
	When, Text, Href string
	Automatic        bool
}

// flags are the annotations of the chart's window, the latest first among too many.
func (t Trend) flags() []flag {
	var out []flag
	for _, a := range t.Notes {
		x, ok := t.Chart.At(a.At.In(t.Frame.zone()))
		if !ok {
			continue
		}
		text := a.Text
		if a.Service != "" && !strings.Contains(text, a.Service) {
			text = a.Service + ": " + text
		}
		out = append(out, flag{X: x, When: t.Frame.Day(a.At), Text: text, Href: annotationHref(t.Frame, a), Automatic: a.Automatic})
	}
	if len(out) > mostHappened {
		out = out[len(out)-mostHappened:]
	}
	return out
}

// annotationHref is the page of what an annotation is about, empty where there is none.
func annotationHref(f Frame, a delivery.Annotation) string {
	switch {
	case a.Ref == "" || !a.Automatic:
		return ""
	case strings.HasPrefix(a.Text, "incident "): // of a failure the reference is either's
		return f.Scope.Path("incidents", a.Ref)
	}
	return f.Scope.Path("deployments", a.Ref)
}

// changesOf are the change points of one metric.
func changesOf(r delivery.Report, metric string) []delivery.ChangePoint {
	var out []delivery.ChangePoint
	for _, c := range r.ChangePoints {
		if c.Metric == metric {
			out = append(out, c)
		}
	}
	return out
}
