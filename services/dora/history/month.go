package history

import "math"

// month is a calendar month in UTC, counted from year 0; never is that of an
// unknown time.
type month int32

const never = month(math.MaxInt32)

func monthOf(t Time) month {
	if t == 0 {
		return never
	}
	y, m, _ := t.Std().Date()
	return month(y*12 + int(m) - 1)
}

// String is "2026-01", or "open" for an unknown time.
func (m month) String() string {
	if m == never {
		return "open"
	}
	b := []byte("0000-00")
	for i, v := 3, int(m)/12; i >= 0; i, v = i-1, v/10 {
		b[i] += byte(v % 10)
	}
	n := int(m)%12 + 1
	b[5] += byte(n / 10)
	b[6] += byte(n % 10)
	return string(b)
}

// runs cuts rows, which are in order of time, into those of each month.
func runs[R any](rows []R, at func(R) Time, f func(m month, rows []R)) {
	const day = Time(24 * 3600 * 1e6)
	for len(rows) > 0 {
		first := at(rows[0])
		m := monthOf(first)
		n := 1
		for same := first; n < len(rows); n++ {
			// Most neighbours share a day, and days do not straddle months.
			if t := at(rows[n]); t == 0 || same == 0 || t/day != same/day {
				if monthOf(t) != m {
					break
				}
				same = t
			}
		}
		f(m, rows[:n])
		rows = rows[n:]
	}
}
