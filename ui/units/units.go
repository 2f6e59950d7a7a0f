// Package units writes quantities the way a person reads them: 2d 4h, 12.5 %, 3.2 /day.
//
// Every function is total and pure. A quantity that is not known has no number; the callers show Unknown
// for it, together with the reason, and never a zero.
package units

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Unknown stands where a number would stand when there is none.
const Unknown = "–"

// nbsp keeps a number and its unit on one line.
const nbsp = "\u00a0"

const (
	minute = 60.0
	hour   = 60 * minute
	day    = 24 * hour
)

// Value writes a metric's value in the unit its API names: per_day, seconds or ratio.
// A unit it does not know is written after the plain number, so that nothing is hidden.
func Value(v float64, unit string) string {
	switch unit {
	case "per_day":
		return Rate(v)
	case "seconds":
		return Duration(v)
	case "ratio":
		return Percent(v)
	case "":
		return Number(v)
	}
	return Number(v) + nbsp + unit
}

// Optional writes a value that may be missing.
func Optional(v *float64, unit string) string {
	if v == nil {
		return Unknown
	}
	return Value(*v, unit)
}

// Duration writes seconds with at most two neighbouring units: 9.8s, 4m 10s, 3h 12m, 2d 4h, 23d.
// From 100 days on only days are written.
func Duration(seconds float64) string {
	if math.IsNaN(seconds) || math.IsInf(seconds, 0) {
		return Unknown
	}
	sign := ""
	if seconds < 0 {
		sign, seconds = "−", -seconds
	}
	switch {
	case seconds < 0.0005:
		return sign + "0s"
	case seconds < 1:
		return sign + strconv.Itoa(int(math.Round(seconds*1000))) + "ms"
	case seconds < 9.95:
		return sign + trimZero(strconv.FormatFloat(seconds, 'f', 1, 64)) + "s"
	case seconds < 59.5:
		return sign + strconv.Itoa(int(math.Round(seconds))) + "s"
	case math.Round(seconds) < hour:
		return sign + pair(math.Round(seconds), minute, "m", 1, "s")
	case math.Round(seconds/minute)*minute < day:
		return sign + pair(math.Round(seconds/minute)*minute, hour, "h", minute, "m")
	case math.Round(seconds/hour)*hour < 100*day:
		return sign + pair(math.Round(seconds/hour)*hour, day, "d", hour, "h")
	}
	return sign + Count(int(math.Round(seconds/day))) + "d"
}

func pair(seconds, big float64, bigName string, small float64, smallName string) string {
	b := math.Floor(seconds / big)
	s := math.Round((seconds - b*big) / small)
	out := strconv.Itoa(int(b)) + bigName
	if s > 0 {
		out += nbsp + strconv.Itoa(int(s)) + smallName
	}
	return out
}

// Percent writes a ratio as a percentage with one decimal, none when it is whole: 12.5 %, 8 %.
func Percent(ratio float64) string {
	return trimZero(strconv.FormatFloat(ratio*100, 'f', 1, 64)) + nbsp + "%"
}

// Rate writes a number per day in the longest usual period in which at least one falls: 3.2 /day, 1.4 /week, 2 /month.
// A month is a twelfth of 365.25 days.
func Rate(perDay float64) string {
	n, per := RatePer(perDay)
	return Number(n*perDay) + nbsp + "/" + per
}

// RatePer gives the number of days in, and the name of, the period in which Rate would write a rate.
func RatePer(perDay float64) (days float64, name string) {
	const month, year = 365.25 / 12, 365.25
	switch a := math.Abs(perDay); {
	case a == 0 || a >= 0.95:
		return 1, "day"
	case a*7 >= 0.95:
		return 7, "week"
	case a*month >= 0.95:
		return month, "month"
	}
	return year, "year"
}

// Number writes a plain number with at most three significant digits below 100, and grouped thousands above.
func Number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return Unknown
	case a == 0:
		return "0"
	case a < 0.1:
		return trimZero(strconv.FormatFloat(v, 'f', 2, 64))
	case a < 99.95:
		return trimZero(strconv.FormatFloat(v, 'f', 1, 64))
	}
	return Count(int(math.Round(v)))
}

// Count writes a whole number with thin spaces between thousands: 1 204.
func Count(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	if len(s) <= 4 {
		return sign + s
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteString("\u202f")
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Plural writes a count with its noun: 1 change, 3 changes.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1" + nbsp + one
	}
	return Count(n) + nbsp + many
}

// Interval writes the two ends of an interval: 1d 2h – 3d 4h. Rates are written in the period of the greater end.
func Interval(lo, hi float64, unit string) string {
	if unit == "per_day" {
		days, per := RatePer(hi)
		return Number(lo*days) + " – " + Number(hi*days) + nbsp + "/" + per
	}
	if unit == "ratio" {
		return strings.TrimSuffix(Percent(lo), nbsp+"%") + " – " + Percent(hi)
	}
	return Value(lo, unit) + " – " + Value(hi, unit)
}

// Ago writes how long before now a moment was, in one unit: just now, 5 min ago, 3 h ago, 12 days ago.
// A moment in the future is written as its date.
func Ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < -time.Minute:
		return Date(t)
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + nbsp + "min ago"
	case d < 24*time.Hour:
		return strconv.Itoa(int(d.Hours())) + nbsp + "h ago"
	case d < 60*24*time.Hour:
		return Plural(int(d.Hours()/24), "day", "days") + " ago"
	case d < 730*24*time.Hour:
		return strconv.Itoa(int(d.Hours()/24/30.44)) + nbsp + "months ago"
	}
	return strconv.Itoa(int(d.Hours()/24/365.25)) + nbsp + "years ago"
}

// Date writes a day: 23 Nov 2026.
func Date(t time.Time) string { return t.Format("2 Jan 2006") }

// Moment writes a day and a time of day: 23 Nov 2026, 17:31.
func Moment(t time.Time) string { return t.Format("2 Jan 2006, 15:04") }

// Short writes the first ten characters of a commit's SHA, or of a digest after its algorithm.
func Short(sha string) string {
	if i := strings.IndexByte(sha, ':'); i >= 0 {
		sha = sha[i+1:]
	}
	if len(sha) > 10 {
		return sha[:10]
	}
	return sha
}

func trimZero(s string) string {
	if strings.ContainsRune(s, '.') {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return strings.Replace(s, "-", "−", 1)
}
