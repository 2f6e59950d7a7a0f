package metrics

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// ChangePoint is where the level of a metric changed for good within a series.
type ChangePoint struct {
	Metric  string    `json:"metric" enum:"deployment_frequency,change_lead_time,change_fail_rate,failed_deployment_recovery_time,deployment_rework_rate" doc:"The metric"`
	At      time.Time `json:"at" doc:"Beginning of the first part of the series on the new level"`
	Before  float64   `json:"before" doc:"Level up to there, since the change point before: the pooled rate, or the median of the parts' medians"`
	After   float64   `json:"after" doc:"Level from there to the next change point"`
	Unit    string    `json:"unit" enum:"per_day,seconds,ratio" doc:"Unit of the levels"`
	PValue  float64   `json:"p_value" doc:"An upper bound of the probability of so clear a split where nothing changed, corrected for the number of places looked at"`
	Method  string    `json:"method" enum:"poisson_likelihood_ratio,binomial_likelihood_ratio,mann_whitney" doc:"The test"`
	NBefore int       `json:"n_before" doc:"Parts of the series on the old level"`
	NAfter  int       `json:"n_after" doc:"Parts on the new level"`
}

// Methods of finding change points.
const (
	MethodPoisson     = "poisson_likelihood_ratio"
	MethodBinomial    = "binomial_likelihood_ratio"
	MethodMannWhitney = "mann_whitney"
)

// ChangePointLevel is the greatest p-value that makes a change point.
const ChangePointLevel = 0.01

// leastSegment is how many parts of a series a level must last.
func leastSegment(interval string) int {
	switch interval {
	case IntervalDay:
		return 7
	case IntervalWeek:
		return 4
	}
	return 3
}

// part is one part of a series as a test sees it: k of n, or k in the exposure n,
// or a median.
type part struct {
	at     time.Time
	k, n   float64
	median float64
}

// changePoints finds the change points of every metric of a series by binary
// segmentation: the clearest split is taken where its p-value is small enough,
// and either side is looked at again. Nothing is drawn at random.
//
// Counts and rates are split by likelihood ratio, Poisson or binomial; the
// statistic is divided by the dispersion that is left within the two segments
// (Pearson's, at least 1) and compared with F(1, parts - 2), so that clustered
// events do not pass for a change. Durations are split by the rank-sum test of
// Mann and Whitney on the medians of the parts, two-sided, exact for few parts
// without ties and else normal with corrections for ties and continuity. The
// p-value of the clearest split is multiplied by the number of splits that were
// possible (Bonferroni), an upper bound whatever their dependence.
//
// Parts without a value are left out. The tests take the parts as independent:
// where what happens in one part drives the next, they see changes too early.
func changePoints(series []Bucket, interval string, p Profile) []ChangePoint {
	out := []ChangePoint{}
	for _, name := range Names() {
		parts, method := partsOf(series, name, p)
		out = append(out, segment(parts, method, name, leastSegment(interval))...)
	}
	return out
}

// partsOf reads the parts of one metric off a series.
func partsOf(series []Bucket, name string, p Profile) ([]part, string) {
	var out []part
	method := MethodMannWhitney
	for i := range series {
		m := series[i].Metric(name)
		if m.Value == nil {
			continue
		}
		at := part{at: series[i].From}
		switch {
		case name == DeploymentFrequency:
			method = MethodPoisson
			at.k, at.n = float64(m.N), *m.Parts.Days
		case name == ChangeFailRate && p.Choices.FailRate != RateOfDeployments:
			method = MethodPoisson
			at.n = max(float64(m.N), 1)
			at.k = *m.Value * at.n
		case name == ChangeFailRate:
			method = MethodBinomial
			at.k, at.n = float64(*m.Parts.Failed), float64(m.N)
		case name == ReworkRate:
			method = MethodBinomial
			at.k, at.n = float64(*m.Parts.Unplanned), float64(m.N)
		default:
			at.median = *m.Value
		}
		out = append(out, at)
	}
	return out, method
}

// segment finds the change points of one metric.
func segment(parts []part, method, name string, least int) []ChangePoint {
	type cut struct {
		at int
		p  float64
	}
	var cuts []cut
	var look func(from, to int)
	look = func(from, to int) {
		at, p := split(parts[from:to], method, least)
		if at < 0 || p > ChangePointLevel {
			return
		}
		look(from, from+at)
		cuts = append(cuts, cut{from + at, p})
		look(from+at, to)
	}
	look(0, len(parts))
	var out []ChangePoint
	begin := 0
	for i, c := range cuts {
		end := len(parts)
		if i+1 < len(cuts) {
			end = cuts[i+1].at
		}
		out = append(out, ChangePoint{
			Metric: name, At: parts[c.at].at, Before: levelOf(parts[begin:c.at], method), After: levelOf(parts[c.at:end], method),
			Unit: metric(name, "").Unit, PValue: c.p, Method: method, NBefore: c.at - begin, NAfter: end - c.at,
		})
		begin = c.at
	}
	return out
}

// levelOf is the level of a segment.
func levelOf(parts []part, method string) float64 {
	if method == MethodMannWhitney {
		v := make([]float64, len(parts))
		for i, p := range parts {
			v[i] = p.median
		}
		slices.Sort(v)
		return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	}
	k, n := 0.0, 0.0
	for _, p := range parts {
		k, n = k+p.k, n+p.n
	}
	return k / n
}

// split finds the clearest split into two segments of at least so many parts,
// and its p-value; -1 where there is no room.
func split(parts []part, method string, least int) (int, float64) {
	places := len(parts) - 2*least + 1
	if places < 1 {
		return -1, 1
	}
	var at int
	var p float64
	if method == MethodMannWhitney {
		at, p = splitByRank(parts, least)
	} else {
		at, p = splitByLikelihood(parts, method, least)
	}
	return at, min(1, p*float64(places))
}

// logLikelihood is that of k events under their own rate, less what does not
// depend on the rate.
func logLikelihood(k, n float64, method string) float64 {
	out := 0.0
	if k > 0 {
		out = k * math.Log(k/n)
	}
	if method == MethodBinomial && k < n {
		out += (n - k) * math.Log((n-k)/n)
	}
	return out
}

func splitByLikelihood(parts []part, method string, least int) (int, float64) {
	var k, n float64
	for _, p := range parts {
		k, n = k+p.k, n+p.n
	}
	whole := logLikelihood(k, n, method)
	best, most := least, -1.0
	var k1, n1 float64
	for i, p := range parts[:len(parts)-least] {
		k1, n1 = k1+p.k, n1+p.n
		if i+1 < least || n1 == 0 || n == n1 {
			continue
		}
		if d := logLikelihood(k1, n1, method) + logLikelihood(k-k1, n-n1, method) - whole; d > most {
			best, most = i+1, d
		}
	}
	if most <= 0 {
		return best, 1
	}
	free := float64(len(parts) - 2)
	chi := pearson(parts[:best], method) + pearson(parts[best:], method)
	return best, distuv.F{D1: 1, D2: free}.Survival(2 * most / max(1, chi/free))
}

// pearson is how far the parts of a segment lie from its rate.
func pearson(parts []part, method string) float64 {
	rate := levelOf(parts, method)
	sum := 0.0
	for _, p := range parts {
		v := p.n * rate
		if method == MethodBinomial {
			v *= 1 - rate
		}
		if v > 0 {
			sum += (p.k - p.n*rate) * (p.k - p.n*rate) / v
		}
	}
	return sum
}

func splitByRank(parts []part, least int) (int, float64) {
	ranks, ties := midranks(parts)
	total := float64(len(parts))
	best, most := least, -1.0
	sum := 0.0
	z := func(sum, a float64) float64 {
		b := total - a
		u := math.Abs(sum - a*(a+1)/2 - a*b/2)
		variance := a * b / 12 * (total + 1 - ties/(total*(total-1)))
		if variance <= 0 {
			return 0
		}
		return max(0, u-0.5) / math.Sqrt(variance)
	}
	atBest := 0.0
	for i, r := range ranks[:len(ranks)-least] {
		sum += r
		if i+1 < least {
			continue
		}
		if v := z(sum, float64(i+1)); v > most {
			best, most, atBest = i+1, v, sum
		}
	}
	if other := len(parts) - best; ties == 0 && best*other <= 200 {
		return best, exactRankSum(int(math.Round(atBest))-best*(best+1)/2, best, other)
	}
	return best, min(1, 2*distuv.UnitNormal.Survival(most))
}

// midranks are the ranks of the medians from 1, ties sharing theirs, and the sum
// of t^3 - t over the groups of ties.
func midranks(parts []part) (ranks []float64, ties float64) {
	order := make([]int, len(parts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch x, y := parts[a].median, parts[b].median; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	ranks = make([]float64, len(parts))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && parts[order[j]].median == parts[order[i]].median {
			j++
		}
		for _, at := range order[i:j] {
			ranks[at] = float64(i+j+1) / 2
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	return ranks, ties
}

// exactRankSum is the two-sided probability of a Mann-Whitney U as far from its
// middle as u, of a and b values without ties.
func exactRankSum(u, a, b int) float64 {
	u = min(u, a*b-u)
	// ways[j][s]: choices of j of the values so far with the statistic s.
	ways := make([][]float64, a+1)
	for j := range ways {
		ways[j] = make([]float64, a*b+1)
	}
	ways[0][0] = 1
	for v := 1; v <= a+b; v++ {
		for j := min(v, a); j >= 1; j-- {
			shift := v - j // how many of the others it exceeds
			for s := a * b; s >= shift; s-- {
				ways[j][s] += ways[j-1][s-shift]
			}
		}
	}
	below, all := 0.0, 0.0
	for s, w := range ways[a] {
		all += w
		if s <= u {
			below += w
		}
	}
	return min(1, 2*below/all)
}
