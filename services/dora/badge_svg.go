package dora

import (
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

// Styles of badges.
const (
	badgeFlat    = "flat"
	badgeSquare  = "flat-square"
	badgePlastic = "plastic"
)

// badge is what a badge shows.
type badge struct {
	label, value string
	title        string // the whole of it, for those who do not see it
	color        string
	style        string
}

// levelColor is the color of a level: dark enough that white text on it has a
// contrast of 4.5 at least. No level is grey.
func levelColor(level string) string {
	switch level {
	case metrics.Elite:
		return "#1a7f37"
	case metrics.High:
		return "#0969da"
	case metrics.Medium:
		return "#9a6700"
	case metrics.Low:
		return "#cf222e"
	}
	return "#57606a"
}

// badgeOf shows a metric.
func badgeOf(m metrics.Metric, label, style string, days int) badge {
	if label == "" {
		label = strings.ReplaceAll(m.Metric, "_", " ")
	}
	b := badge{label: label, value: "unknown", color: levelColor(""), style: style}
	window := fmt.Sprintf("over %d days", days)
	if m.Value == nil {
		why := "nothing is known yet"
		if m.Detail != nil {
			why = *m.Detail
		} else if m.Reason != nil {
			why = strings.ReplaceAll(*m.Reason, "_", " ")
		}
		b.title = fmt.Sprintf("%s: unknown %s: %s", label, window, why)
		return b
	}
	b.value = badgeValue(*m.Value, m.Unit)
	b.title = fmt.Sprintf("%s: %s %s, n = %d", label, b.value, window, m.N)
	if m.Level != nil {
		b.color = levelColor(*m.Level)
		b.title += ", level " + *m.Level
	} else if m.LevelReason != nil {
		b.title += ", no level: " + *m.LevelReason
	}
	return b
}

// badgeValue writes a value in few characters.
func badgeValue(v float64, unit string) string {
	short := func(v float64) string {
		if v >= 10 {
			return strconv.FormatFloat(math.Round(v), 'f', -1, 64)
		}
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	switch unit {
	case metrics.UnitRatio:
		return strings.TrimSuffix(strconv.FormatFloat(v*100, 'f', 1, 64), ".0") + " %"
	case metrics.UnitPerDay:
		switch {
		case v == 0:
			return "none"
		case v >= 0.95:
			return short(v) + " a day"
		case v*7 >= 0.95:
			return short(v*7) + " a week"
		}
		return short(v*30.4375) + " a month"
	}
	for _, u := range []struct {
		size float64
		name string
	}{{86400, "d"}, {3600, "h"}, {60, "min"}} {
		if v >= 0.95*u.size {
			return short(v/u.size) + " " + u.name
		}
	}
	return short(v) + " s"
}

// widths are those of Verdana, of ASCII from the space on, in 1/2048 of its size.
func widths() [95]uint16 {
	return [95]uint16{
		720, 806, 940, 1676, 1302, 2204, 1488, 550, 930, 930, 1302, 1676, 745, 930, 745, 930,
		1302, 1302, 1302, 1302, 1302, 1302, 1302, 1302, 1302, 1302, 930, 930, 1676, 1676, 1676, 1117,
		2048, 1400, 1404, 1430, 1578, 1295, 1177, 1588, 1539, 862, 931, 1419, 1140, 1726, 1532, 1612,
		1235, 1612, 1424, 1400, 1262, 1499, 1400, 2025, 1403, 1260, 1403, 930, 930, 930, 1676, 1302,
		1302, 1230, 1276, 1067, 1276, 1220, 720, 1276, 1296, 562, 705, 1212, 562, 1992, 1296, 1243,
		1276, 1276, 874, 1067, 807, 1296, 1212, 1676, 1212, 1212, 1076, 1300, 930, 1300, 1676,
	}
}

// badgeFont is the size of the text.
const badgeFont = 11

// textWidth measures a text in pixels. Letters beyond ASCII are taken as wide as
// a digit up to Cyrillic, and as wide as they are high beyond.
func textWidth(s string) float64 {
	table, sum := widths(), 0
	for _, r := range s {
		switch {
		case r >= ' ' && r <= '~':
			sum += int(table[r-' '])
		case r < 0x530:
			sum += 1302
		default:
			sum += 2048
		}
	}
	return float64(sum) * badgeFont / 2048
}

// svg draws the badge. All that it holds are presentation attributes: it needs no
// script and no style, so that every policy lets it be shown.
func (b badge) svg() []byte {
	const pad = 5
	height, radius := 20, 3
	shine, depth := "#bbb", ".1"
	switch b.style {
	case badgeSquare:
		radius = 0
	case badgePlastic:
		height, radius, shine, depth = 18, 4, "#fff", ".4"
	}
	left, right := textWidth(b.label), textWidth(b.value)
	split := int(math.Ceil(left)) + 2*pad
	width := split + int(math.Ceil(right)) + 2*pad
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s"><title>%s</title>`,
		width, height, width, height, escape(b.title), escape(b.title))
	if b.style != badgeSquare {
		fmt.Fprintf(&out, `<linearGradient id="s" x2="0" y2="100%%"><stop offset="0" stop-color="%s" stop-opacity="%s"/><stop offset="1" stop-opacity=".1"/></linearGradient>`, shine, depth)
	}
	fmt.Fprintf(&out, `<clipPath id="r"><rect width="%d" height="%d" rx="%d" fill="#fff"/></clipPath><g clip-path="url(#r)">`, width, height, radius)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#444c56"/><rect x="%d" width="%d" height="%d" fill="%s"/>`, split, height, split, width-split, height, b.color)
	if b.style != badgeSquare {
		fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="url(#s)"/>`, width, height)
	}
	fmt.Fprintf(&out, `</g><g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="%d" aria-hidden="true">`, badgeFont)
	text := func(center, length float64, s string) {
		fmt.Fprintf(&out, `<text x="%.1f" y="%d" textLength="%.1f">%s</text>`, center, height-6, length, escape(s))
	}
	text(float64(split)/2, left, b.label)
	text(float64(split+width)/2, right, b.value)
	out.WriteString("</g></svg>\n")
	return []byte(out.String())
}

// escape makes a text of any origin part of an XML document.
func escape(s string) string {
	var out strings.Builder
	if err := xml.EscapeText(&out, []byte(s)); err != nil {
		return "" // a strings.Builder takes everything
	}
	return out.String()
}
