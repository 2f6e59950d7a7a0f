package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// humanSeconds writes a span with its two greatest units: 2d 4h, 3h 5m, 42s, 0.3s.
func humanSeconds(s float64) string {
	sign := ""
	if s < 0 {
		sign, s = "-", -s
	}
	switch {
	case s < 9.95:
		return sign + strings.TrimSuffix(fmt.Sprintf("%.1f", s), ".0") + "s"
	case s < 59.5:
		return fmt.Sprintf("%s%.0fs", sign, s)
	}
	units := []struct {
		name string
		size int64
	}{{"y", 365 * 86400}, {"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}
	total := int64(math.Round(s))
	for i, u := range units {
		if total < u.size {
			continue
		}
		whole := total / u.size
		if i+1 == len(units) {
			return fmt.Sprintf("%s%d%s", sign, whole, u.name)
		}
		small := units[i+1]
		rest := int64(math.Round(float64(total%u.size) / float64(small.size)))
		if rest*small.size >= u.size {
			whole, rest = whole+1, 0
		}
		if i > 0 && whole*u.size >= units[i-1].size { // rounded up into the unit above
			return sign + humanSeconds(float64(whole*u.size))
		}
		if rest == 0 {
			return fmt.Sprintf("%s%d%s", sign, whole, u.name)
		}
		return fmt.Sprintf("%s%d%s %d%s", sign, whole, u.name, rest, small.name)
	}
	return sign + "0s"
}

// humanValue writes a metric's value in its unit.
func humanValue(v float64, unit string) string {
	switch unit {
	case "seconds":
		return humanSeconds(v)
	case "ratio":
		return trimZeros(fmt.Sprintf("%.1f", v*100)) + " %"
	case "per_day":
		if v != 0 && v < 0.1 {
			return trimZeros(fmt.Sprintf("%.3f", v)) + " / day"
		}
		return trimZeros(fmt.Sprintf("%.2f", v)) + " / day"
	}
	return trimZeros(fmt.Sprintf("%.2f", v))
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// humanTime writes a time of the wire to the minute, in UTC.
func humanTime(s string) string {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return orDash(s)
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// shortSHA writes a commit's name as git abbreviates it.
func shortSHA(s string) string {
	if len(s) > 10 {
		s = s[:10]
	}
	return orDash(s)
}

// humanCount writes 1234567 as 1,234,567.
func humanCount[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// number reads a number of a decoded answer.
func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// timeField and secondsField and shaField are columns of the usual kinds.
func timeField(title, key string) column {
	return column{title, func(r record) string { return humanTime(r.text(key)) }}
}

func secondsField(title, key string) column {
	return column{title, func(r record) string {
		if n, ok := number(r[key]); ok {
			return humanSeconds(n)
		}
		return "–"
	}}
}

func shaField(title, key string) column {
	return column{title, func(r record) string { return shortSHA(r.text(key)) }}
}

// plural writes "1 commit", "2 commits".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanCount(n) + " " + one + "s"
}
