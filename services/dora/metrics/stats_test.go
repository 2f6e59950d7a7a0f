package metrics

import (
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestWilsonIntervalAgainstPublishedValues(t *testing.T) {
	for _, row := range []struct {
		k, n   int
		lo, hi float64
	}{
		{0, 10, 0, 0.277533}, {5, 10, 0.236593, 0.763407}, {10, 10, 0.722467, 1}, {1, 20, 0.008881, 0.236131}, {3, 7, 0.158219, 0.749541},
	} {
		got := wilson(row.k, row.n)
		if math.Abs(got[0]-row.lo) > 1e-5 || math.Abs(got[1]-row.hi) > 1e-5 {
			t.Errorf("wilson(%d, %d) = %v, want [%v, %v]", row.k, row.n, got, row.lo, row.hi)
		}
	}
}

// The values solve P(X >= k | low) = P(X <= k | high) = 2.5 % by the sums
// themselves.
func TestGarwoodIntervalSolvesItsEquations(t *testing.T) {
	for _, row := range []struct {
		k      int
		lo, hi float64
	}{
		{0, 0, 3.688879}, {1, 0.025318, 5.571643}, {5, 1.623486, 11.668332}, {10, 4.795389, 18.390356}, {100, 81.363991, 121.626794},
		{20000, 19723.767601, 20279.133628},
	} {
		got := garwood(row.k, 1)
		if math.Abs(got[0]-row.lo) > 1e-5 || math.Abs(got[1]-row.hi) > 1e-5 {
			t.Errorf("garwood(%d) = %v, want [%v, %v]", row.k, got, row.lo, row.hi)
		}
	}
}

func TestMedianRanksAgainstTheTable(t *testing.T) {
	for _, row := range []struct{ n, lo, hi int }{{6, 0, 5}, {8, 0, 7}, {9, 1, 7}, {20, 5, 14}, {100, 39, 60}} {
		lo, hi, ok := medianRanks(row.n)
		if !ok || lo != row.lo || hi != row.hi {
			t.Errorf("medianRanks(%d) = %d, %d, %v; want %d, %d", row.n, lo, hi, ok, row.lo, row.hi)
		}
	}
	for n := range 6 {
		if _, _, ok := medianRanks(n); ok {
			t.Errorf("medianRanks(%d) gives ranks, want none", n)
		}
	}
}

// The coverage is recomputed in whole numbers: at least 95 % of 2^n, and less
// for the next pair inward.
func TestMedianRanksAreTheInnermostThatCover(t *testing.T) {
	outside := func(n, i int) *big.Int { // twice the number of outcomes with B <= i
		sum := new(big.Int)
		for k := 0; k <= i; k++ {
			sum.Add(sum, new(big.Int).Binomial(int64(n), int64(k)))
		}
		return sum.Lsh(sum, 1)
	}
	within := func(n, i int) bool { // outside/2^n <= 1/20
		return new(big.Int).Mul(outside(n, i), big.NewInt(20)).Cmp(new(big.Int).Lsh(big.NewInt(1), uint(n))) <= 0
	}
	for n := 6; n <= 400; n++ {
		lo, hi, _ := medianRanks(n)
		if hi != n-1-lo || !within(n, lo) || within(n, lo+1) {
			t.Errorf("medianRanks(%d) = %d, %d: covers %v, next inward covers %v", n, lo, hi, within(n, lo), within(n, lo+1))
		}
	}
	// For many values they near n/2 -+ 0.98 √n.
	lo, _, _ := medianRanks(1_000_000)
	if want := 500_000 - 0.98*1000; math.Abs(float64(lo)-want) > 2 {
		t.Errorf("medianRanks(1000000) begins at %d, want about %v", lo, want)
	}
}

func TestPercentileKinds(t *testing.T) {
	spans := func(seconds ...int) []Span {
		var out []Span
		for _, s := range seconds {
			out = append(out, Span(s)*1e6)
		}
		return out
	}
	for _, row := range []struct {
		name          string
		kind          Percentile
		values        []Span
		p50, p75, p90 float64
	}{
		{"one", Continuous, spans(7), 7, 7, 7},
		{"two, continuous", Continuous, spans(10, 20), 15, 17.5, 19},
		{"two, lower", Lower, spans(10, 20), 10, 10, 10},
		{"four, continuous", Continuous, spans(4, 1, 3, 2), 2.5, 3.25, 3.7},
		{"four, lower", Lower, spans(4, 1, 3, 2), 2, 3, 3},
		{"five, lower: percent ranks are 0, .25, .5, .75, 1", Lower, spans(5, 4, 3, 2, 1), 3, 4, 4},
		{"eleven, both agree", Continuous, spans(11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6), 6, 8.5, 10},
		{"ties", Lower, spans(1, 1, 1, 2), 1, 1, 1},
	} {
		var s selector
		got := s.summarize([]set{{values: row.values}}, row.kind, false)
		if !near(got.p50, row.p50) || !near(got.p75, row.p75) || !near(got.p90, row.p90) || got.n != len(row.values) {
			t.Errorf("%s: %v %v %v, want %v %v %v", row.name, got.p50, got.p75, got.p90, row.p50, row.p75, row.p90)
		}
	}
}

// Whatever the values and however they are split, the selection finds what
// sorting would.
func TestSelectionFindsWhatSortingWould(t *testing.T) {
	var s selector
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(1, 60), rapid.IntRange(few-2, few+2), rapid.Just(3*few)).Draw(t, "n")
		seed := rapid.Uint64().Draw(t, "seed")
		top := rapid.SampledFrom([]int64{1, 3, 1000, 1e9, 1e13, math.MaxInt64}).Draw(t, "top")
		below := rapid.SampledFrom([]int64{0, 0, 100}).Draw(t, "below")
		r := rand.New(rand.NewPCG(seed, 1))
		all := make([]Span, n)
		for i := range all {
			all[i] = Span(r.Int64N(top) - below)
		}
		var sets []set
		for rest := all; len(rest) > 0; {
			k := 1 + r.IntN(len(rest))
			one := set{values: rest[:k]}
			if r.IntN(2) == 0 { // their magnitudes are told beforehand
				for _, v := range one.values {
					one.magnitudes = append(one.magnitudes, uint16(magnitude(v)))
				}
			}
			sets, rest = append(sets, one), rest[k:]
		}
		sorted := slices.Sorted(slices.Values(all))
		ranks := []int{r.IntN(n), r.IntN(n), r.IntN(n), 0, n - 1}
		slices.Sort(ranks)
		s.ranks = slices.Compact(ranks)
		before := slices.Clone(all)
		s.find(sets, n)
		for i, rank := range s.ranks {
			if s.found[i] != sorted[rank] {
				t.Fatalf("rank %d of %d is %d, want %d", rank, n, s.found[i], sorted[rank])
			}
		}
		if !slices.Equal(all, before) {
			t.Fatal("the values were moved")
		}
	})
}

func TestIntervalProperties(t *testing.T) {
	var s selector
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 100_000).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		p := float64(k) / float64(n)
		w := wilson(k, n)
		if w[0] < 0 || w[1] > 1 || w[0] > p || w[1] < p {
			t.Fatalf("wilson(%d, %d) = %v does not hold %v within [0, 1]", k, n, w, p)
		}
		if g := garwood(k, 1); g[0] > float64(k) || g[1] <= float64(k) || g[0] < 0 {
			t.Fatalf("garwood(%d) = %v", k, g)
		}
		values := rapid.SliceOfN(rapid.Map(rapid.Int64Range(0, 1e12), func(v int64) Span { return Span(v) }), 6, 80).Draw(t, "values")
		for _, kind := range []Percentile{Continuous, Lower} {
			got := s.summarize([]set{{values: values}}, kind, false)
			if got.interval == nil || got.p50 < got.interval[0] || got.p50 > got.interval[1] || got.p50 > got.p75 || got.p75 > got.p90 {
				t.Fatalf("%s: %+v", kind, got)
			}
		}
	})
}

func TestMagnitudesKeepTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := Span(rapid.Int64().Draw(t, "a")), Span(rapid.Int64().Draw(t, "b"))
		if a > b {
			a, b = b, a
		}
		if x, y := magnitude(a), magnitude(b); x > y || x < 0 || y >= magnitudes {
			t.Fatalf("magnitude(%d) = %d, magnitude(%d) = %d", a, x, b, y)
		}
	})
}

// Every size takes its own way to a rank: one by one, by wide classes, by
// magnitudes; told beforehand or not.
func TestSelectionAgreesWithSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 5, 6, few - 1, few, few + 1, 1000, some, some + 1, 9000}).Draw(t, "n")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		most := rapid.SampledFrom([]int64{2, 300, 1e6, 1e12}).Draw(t, "most")
		var all []Span
		var sets []set
		for len(all) < n {
			s := set{}
			for range min(n-len(all), 1+r.IntN(n)) {
				s.values = append(s.values, Span(r.Int64N(most)-most/int64(2+r.IntN(8))))
			}
			if r.IntN(2) == 0 {
				for _, v := range s.values {
					s.magnitudes = append(s.magnitudes, uint16(magnitude(v)))
				}
			}
			all, sets = append(all, s.values...), append(sets, s)
		}
		slices.Sort(all)
		kind := rapid.SampledFrom([]Percentile{Continuous, Lower}).Draw(t, "kind")
		at := func(percent int) float64 {
			rank, part := (n-1)*percent/100, (n-1)*percent%100
			v := float64(all[rank]) / 1e6
			if kind == Continuous && part > 0 {
				v += (float64(all[rank+1])/1e6 - v) * float64(part) / 100
			}
			return v
		}
		var s selector
		for range 2 { // the second time with used buffers
			got := s.summarize(sets, kind, false)
			want := summary{n: n, p50: at(50), p75: at(75), p90: at(90)}
			if lo, hi, ok := medianRanks(n); ok {
				want.interval = &[2]float64{float64(all[lo]) / 1e6, float64(all[hi]) / 1e6}
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%+v, want %+v", got, want)
			}
			if got := s.summarize(sets, kind, true); got.p50 != want.p50 {
				t.Fatalf("the median alone is %v, want %v", got.p50, want.p50)
			}
		}
	})
}

func TestKnownIntervalsAreThoseComputed(t *testing.T) {
	var m intervals
	for range 2 {
		for n := range 60 {
			a, b, ok := m.median(n)
			if lo, hi, want := medianRanks(n); a != lo || b != hi || ok != want {
				t.Errorf("median of %d: %d, %d, %v; want %d, %d, %v", n, a, b, ok, lo, hi, want)
			}
			if got, want := m.rate(n, 7), garwood(n, 7); got != want {
				t.Errorf("rate of %d: %v, want %v", n, got, want)
			}
		}
	}
}
