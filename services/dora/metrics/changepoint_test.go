package metrics

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// simulated draws a series: shift multiplies the level from the middle on, 1
// leaves it alone.
func simulated(r *rand.Rand, method string, n int, shift float64) []part {
	out := make([]part, n)
	for i := range out {
		by := 1.0
		if i >= n/2 {
			by = shift
		}
		out[i].at = epoch.Add(time.Duration(i) * 7 * 24 * time.Hour)
		switch method {
		case MethodPoisson:
			out[i].n = 7
			out[i].k = distuv.Poisson{Lambda: 6 * by, Src: r}.Rand()
		case MethodBinomial:
			out[i].n = 12
			out[i].k = distuv.Binomial{N: 12, P: 0.15 * by, Src: r}.Rand()
		default:
			out[i].median = math.Exp(distuv.Normal{Mu: 10 + math.Log(by), Sigma: 0.5, Src: r}.Rand())
		}
	}
	return out
}

// found is the share of series with a change point, and of those the share whose
// first lies within two parts of the middle.
func found(method string, n, least int, shift float64) (share, near float64) {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	const runs = 1000
	hits, close := 0, 0
	for range runs {
		parts := simulated(r, method, n, shift)
		if cs := segment(parts, method, ChangeFailRate, least); len(cs) > 0 {
			hits++
			if d := cs[0].At.Sub(parts[n/2].at); d.Abs() <= 2*7*24*time.Hour {
				close++
			}
		}
	}
	return float64(hits) / runs, float64(close) / max(1, float64(hits))
}

// Where nothing changes, at most one series in fifty shows a change: the level
// is 1 in 100 a split and bounds the first, and binary segmentation looks again
// only where it found one.
func TestChangePointsAreRareWhereNothingChanges(t *testing.T) {
	for _, method := range []string{MethodPoisson, MethodBinomial, MethodMannWhitney} {
		for _, n := range []int{12, 26, 52, 180} {
			if share, _ := found(method, n, 4, 1); share > 0.02 {
				t.Errorf("%s, %d parts: %.3f of the series without a change show one", method, n, share)
			}
		}
	}
}

// Clustered deployments, counts with three times the variance of Poisson's, do
// not pass for a change either.
func TestClusteredCountsAreNoChange(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	hits := 0
	for range 1000 {
		parts := make([]part, 26)
		for i := range parts {
			parts[i].n = 7
			parts[i].k = 3 * distuv.Poisson{Lambda: 2, Src: r}.Rand()
		}
		if len(segment(parts, MethodPoisson, DeploymentFrequency, 4)) > 0 {
			hits++
		}
	}
	if hits > 30 {
		t.Errorf("%d of 1000 clustered series show a change", hits)
	}
}

func TestChangePointsAreFoundWhereTheyAre(t *testing.T) {
	for _, row := range []struct {
		method string
		shift  float64
		power  float64
	}{{MethodPoisson, 2, 0.85}, {MethodBinomial, 3, 0.9}, {MethodMannWhitney, 3, 0.9}} {
		share, near := found(row.method, 26, 4, row.shift)
		if share < row.power || near < 0.85 {
			t.Errorf("%s, %v times the level in the middle of 26 parts: found in %.3f, near it in %.3f of those", row.method, row.shift, share, near)
		}
	}
}

func TestAChangePointTellsTheLevelsOnEitherSide(t *testing.T) {
	var parts []part
	for i := range 24 {
		p := part{at: epoch.Add(time.Duration(i) * time.Hour), n: 10, k: 1}
		if i >= 10 {
			p.k = 6
		}
		parts = append(parts, p)
	}
	cs := segment(parts, MethodBinomial, ChangeFailRate, 4)
	if len(cs) != 1 || !cs[0].At.Equal(parts[10].at) || cs[0].Before != 0.1 || cs[0].After != 0.6 || cs[0].NBefore != 10 || cs[0].NAfter != 14 || cs[0].PValue > 1e-6 {
		t.Errorf("%+v", cs)
	}
	if cs := segment(parts[4:16], MethodBinomial, ChangeFailRate, 7); len(cs) != 0 {
		t.Errorf("a level shorter than the least: %+v", cs)
	}
}

// The exact rank sum: of 4 and 4 values wholly apart 2 of C(8,4) = 70 orders lie
// as far out; of 3 and 3 with one value exchanged 4 of 20.
func TestExactRankSum(t *testing.T) {
	for _, row := range []struct {
		u, a, b int
		want    float64
	}{{0, 4, 4, 2.0 / 70}, {16, 4, 4, 2.0 / 70}, {1, 3, 3, 4.0 / 20}, {8, 4, 4, 1}} {
		if got := exactRankSum(row.u, row.a, row.b); !near(got, row.want) {
			t.Errorf("U = %d of %d and %d: %v, want %v", row.u, row.a, row.b, got, row.want)
		}
	}
}
