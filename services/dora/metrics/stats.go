package metrics

import (
	"math"
	"math/bits"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// confidence of every interval.
const confidence = 0.95

// wilson is the score interval of k successes out of n (Wilson 1927).
func wilson(k, n int) [2]float64 {
	z := distuv.UnitNormal.Quantile(1 - (1-confidence)/2)
	p, m := float64(k)/float64(n), float64(n)
	center := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	lo, hi := max(0, center-half), min(1, center+half)
	if k == 0 {
		lo = 0
	}
	if k == n {
		hi = 1
	}
	return [2]float64{lo, hi}
}

// garwood is the exact interval of a Poisson rate: k events in the exposure
// (Garwood 1936).
func garwood(k int, exposure float64) [2]float64 {
	tail := (1 - confidence) / 2
	lo := 0.0
	if k > 0 {
		lo = distuv.ChiSquared{K: 2 * float64(k)}.Quantile(tail) / 2
	}
	hi := distuv.ChiSquared{K: 2 * float64(k+1)}.Quantile(1-tail) / 2
	return [2]float64{lo / exposure, hi / exposure}
}

// intervals keeps what intervals of small counts come to: the parts of a series
// have the same counts again and again.
type intervals struct {
	rates map[int][2]float64 // of k events in an exposure of 1
	ranks map[int][2]int     // of the median of n values
}

// mostIntervals bounds either map.
const mostIntervals = 4096

// rate is garwood.
func (m *intervals) rate(k int, exposure float64) [2]float64 {
	one, ok := m.rates[k]
	if !ok {
		one = garwood(k, 1)
		if m.rates == nil || len(m.rates) >= mostIntervals {
			m.rates = map[int][2]float64{}
		}
		m.rates[k] = one
	}
	return [2]float64{one[0] / exposure, one[1] / exposure}
}

// median is medianRanks.
func (m *intervals) median(n int) (lo, hi int, ok bool) {
	r, known := m.ranks[n]
	if !known {
		lo, hi, ok := medianRanks(n)
		if !ok {
			return 0, 0, false
		}
		if r = [2]int{lo, hi}; m.ranks == nil || len(m.ranks) >= mostIntervals {
			m.ranks = map[int][2]int{}
		}
		m.ranks[n] = r
	}
	return r[0], r[1], true
}

// medianRanks are the ranks (from 0) of the order statistics that enclose the
// median with the confidence: the innermost symmetric pair whose coverage,
// under Binomial(n, 1/2), is no less. There is none for fewer than 6.
func medianRanks(n int) (lo, hi int, ok bool) {
	if n < 6 {
		return 0, 0, false
	}
	b := distuv.Binomial{N: float64(n), P: 0.5}
	// covers says whether ranks i and n-1-i still enclose enough: what lies
	// outside is P(B <= i) on either side.
	covers := func(i int) bool { return 2*b.CDF(float64(i)) <= 1-confidence }
	// The normal distribution is off by a rank or two at most.
	lo = max(0, int((float64(n)-1.96*math.Sqrt(float64(n)))/2)-1)
	for lo > 0 && !covers(lo) {
		lo--
	}
	for lo+1 < n/2 && covers(lo+1) {
		lo++
	}
	return lo, n - 1 - lo, true
}

// quantileRank is where a percentile lies among n sorted values: the rank below
// and how far toward the next, in hundredths.
func quantileRank(n, percent int) (rank, hundredths int) {
	h := (n - 1) * percent
	return h / 100, h % 100
}

// summary is the median, the 75th and 90th percentile and the median's interval
// of a set of spans, in seconds.
type summary struct {
	n             int
	p50, p75, p90 float64
	interval      *[2]float64
	days          *int // how many daily medians, where they were summarized
}

// set is some spans and, where they were told beforehand, their magnitudes.
type set struct {
	values     []Span
	magnitudes []uint16
}

// selector finds ranks in sets of spans. Its buffers are used again.
type selector struct {
	buf     []Span
	ranks   []int
	found   []Span
	counts  []uint32
	wanted  []bool
	offsets []int
	known   intervals
}

// summarize computes a summary; with onlyMedian nothing but the median.
func (s *selector) summarize(sets []set, kind Percentile, onlyMedian bool) summary {
	out := summary{}
	for _, set := range sets {
		out.n += len(set.values)
	}
	if out.n == 0 {
		return out
	}
	percents := []int{50, 75, 90}
	if onlyMedian {
		percents = percents[:1]
	}
	s.ranks = s.ranks[:0]
	for _, p := range percents {
		r, part := quantileRank(out.n, p)
		s.ranks = append(s.ranks, r)
		if kind == Continuous && part > 0 {
			s.ranks = append(s.ranks, r+1)
		}
	}
	var lo, hi int
	var ok bool
	if !onlyMedian {
		if lo, hi, ok = s.known.median(out.n); ok {
			s.ranks = append(s.ranks, lo, hi)
		}
	}
	slices.Sort(s.ranks)
	s.ranks = slices.Compact(s.ranks)
	s.find(sets, out.n)
	at := func(rank int) float64 {
		i, _ := slices.BinarySearch(s.ranks, rank)
		return float64(s.found[i]) / 1e6
	}
	quantile := func(percent int) float64 {
		r, part := quantileRank(out.n, percent)
		if kind == Continuous && part > 0 {
			a, b := at(r), at(r+1)
			return a + (b-a)*float64(part)/100
		}
		return at(r)
	}
	out.p50 = quantile(50)
	if !onlyMedian {
		out.p75, out.p90 = quantile(75), quantile(90)
		if ok {
			out.interval = &[2]float64{at(lo), at(hi)}
		}
	}
	return out
}

// few is up to how many values are looked at one by one, and some up to how many
// are counted in wider classes.
const (
	few  = 256
	some = 4096
)

// find puts the values at s.ranks (sorted, from 0) into s.found. But for few
// values it counts them by magnitude first, and then looks only at those of the
// magnitudes in which the ranks lie: two passes without moving anything.
func (s *selector) find(sets []set, n int) {
	s.buf = s.buf[:0]
	s.offsets = append(s.offsets[:0], s.ranks...)
	switch {
	case n <= few:
		for _, set := range sets {
			s.buf = append(s.buf, set.values...)
		}
	case n <= some:
		s.gather(sets, 3)
	default:
		s.gather(sets, 0)
	}
	nth(s.buf, 0, s.offsets)
	s.found = s.found[:0]
	for _, r := range s.offsets {
		s.found = append(s.found, s.buf[r])
	}
}

// gather copies the values of the classes that hold a rank, and turns the ranks
// into those among the copied. A class is 1 << wide magnitudes.
func (s *selector) gather(sets []set, wide uint) {
	if s.counts == nil {
		s.counts, s.wanted = make([]uint32, magnitudes), make([]bool, magnitudes)
	}
	classes := magnitudes >> wide
	clear(s.counts[:classes])
	clear(s.wanted[:classes])
	counts, wanted := (*[magnitudes]uint32)(s.counts), (*[magnitudes]bool)(s.wanted)
	for _, set := range sets {
		for _, m := range set.magnitudes {
			counts[m%magnitudes>>(wide&7)]++
		}
		if set.magnitudes == nil {
			for _, v := range set.values {
				counts[magnitude(v)>>(wide&7)]++
			}
		}
	}
	before, kept, next := 0, 0, 0
	for m := 0; next < len(s.ranks); m++ {
		c := int(counts[m])
		for next < len(s.ranks) && s.ranks[next] < before+c {
			wanted[m] = true
			s.offsets[next] = s.ranks[next] - before + kept
			next++
		}
		before += c
		if wanted[m] {
			kept += c
		}
	}
	s.buf = slices.Grow(s.buf, kept)
	for _, set := range sets {
		for i, m := range set.magnitudes {
			if wanted[m%magnitudes>>(wide&7)] {
				s.buf = append(s.buf, set.values[i])
			}
		}
		if set.magnitudes == nil {
			for _, v := range set.values {
				if wanted[magnitude(v)>>(wide&7)] {
					s.buf = append(s.buf, v)
				}
			}
		}
	}
}

// magnitudes is the number of magnitudes, a power of two.
const magnitudes = 8192

// magnitude puts spans into classes that keep their order: exponent and seven
// bits of mantissa. All below zero share the first.
func magnitude(v Span) int {
	if v < 256 {
		return int(max(v, 0))
	}
	e := bits.Len64(uint64(v)) - 1 // at least 8
	return ((e-6)<<7 | int(v>>(e-7))&127) & (magnitudes - 1)
}

// nth moves the values so that at each of the ranks (sorted, counted from
// base) stands what would stand there after sorting.
func nth(v []Span, base int, ranks []int) {
	for len(ranks) > 0 && len(v) > 1 {
		if len(v) <= 24 {
			slices.Sort(v)
			return
		}
		p := pivot(v)
		i, j := 0, len(v)-1
		for i <= j {
			for v[i] < p {
				i++
			}
			for v[j] > p {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		// v[:j+1] <= p, v[i:] >= p, and what lies between equals p.
		left, _ := slices.BinarySearch(ranks, base+j+1)
		right, _ := slices.BinarySearch(ranks, base+i)
		nth(v[:j+1], base, ranks[:left])
		v, base, ranks = v[i:], base+i, ranks[right:]
	}
}

// pivot is the median of three medians of three.
func pivot(v []Span) Span {
	n := len(v)
	m := func(a, b, c Span) Span { return max(min(a, b), min(max(a, b), c)) }
	return m(m(v[0], v[n/8], v[n/4]), m(v[3*n/8], v[n/2], v[5*n/8]), m(v[3*n/4], v[7*n/8], v[n-1]))
}

// median is the continuous median of small counts.
func median(v []int) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return float64(v[(len(v)-1)/2]+v[len(v)/2]) / 2
}

// lowerMedian is the lower median of small counts.
func lowerMedian(v []int) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return float64(v[(len(v)-1)/2])
}
