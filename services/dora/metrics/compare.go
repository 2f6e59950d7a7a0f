package metrics

import (
	"slices"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// MostCompared bounds how many profiles one comparison takes, MostExamples how
// many rows stand as examples for one difference.
const (
	MostCompared = 6
	MostExamples = 5
)

// Comparison is the same question under several profiles, and which rules make
// the numbers differ.
type Comparison struct {
	Project     string             `json:"project" doc:"Name of the project"`
	From        time.Time          `json:"from" doc:"Beginning of the window, inclusive"`
	To          time.Time          `json:"to" doc:"End of the window, exclusive"`
	AsOf        time.Time          `json:"as_of" doc:"The numbers hold as of this time"`
	Profiles    []Report           `json:"profiles" doc:"The metrics under each profile, in the order of the question"`
	Pairs       []MetricPair       `json:"pairs" doc:"Each metric under the first profile and under each other one"`
	Differences []RuleDifference   `json:"differences" doc:"The rules that make metrics differ, one swap after the other from the first profile to another. The effects of one metric and profile add up to its whole difference."`
	Same        []SharedRuleChoice `json:"same" doc:"The rules in which all profiles agree"`
}

// SharedRuleChoice is a rule in which all compared profiles agree.
type SharedRuleChoice struct {
	Rule   string `json:"rule" doc:"Id of the rule"`
	Choice string `json:"choice" doc:"What they choose"`
}

// MetricPair is one metric under two profiles.
type MetricPair struct {
	Metric      string   `json:"metric" doc:"The metric"`
	Unit        string   `json:"unit" doc:"Unit of its values"`
	FromProfile string   `json:"from_profile" doc:"The first profile"`
	ToProfile   string   `json:"to_profile" doc:"The other one"`
	Before      *float64 `json:"before" doc:"Value under the first"`
	After       *float64 `json:"after" doc:"Value under the other"`
	Difference  *float64 `json:"difference" doc:"The second value less the first; null when one is unknown"`
	NBefore     int      `json:"n_before" doc:"Observations under the first"`
	NAfter      int      `json:"n_after" doc:"Observations under the other"`
	LevelBefore *string  `json:"level_before" doc:"Level under the first"`
	LevelAfter  *string  `json:"level_after" doc:"Level under the other"`
	Differs     bool     `json:"differs" doc:"Value, n or level differ"`
	Rules       []string `json:"rules" doc:"The rules that make the difference, in the order of the swaps"`
	RowCounts
}

// RowCounts counts rows by which profile counts them.
type RowCounts struct {
	OnlyBefore int `json:"only_before" doc:"Rows that only the first counts"`
	OnlyAfter  int `json:"only_after" doc:"Rows that only the second counts"`
	Changed    int `json:"changed" doc:"Rows that both count, with another value"`
	Both       int `json:"both" doc:"Rows that both count with the same value"`
}

// RuleDifference is what swapping one rule does to one metric.
type RuleDifference struct {
	Metric      string   `json:"metric" doc:"The metric"`
	Unit        string   `json:"unit" doc:"Unit of its values"`
	FromProfile string   `json:"from_profile" doc:"The first profile"`
	ToProfile   string   `json:"to_profile" doc:"The other one"`
	Rule        string   `json:"rule" doc:"Id of the rule"`
	From        string   `json:"from" doc:"Choice of the first profile"`
	To          string   `json:"to" doc:"Choice of the other"`
	FromText    string   `json:"from_text" doc:"The first choice in a sentence"`
	ToText      string   `json:"to_text" doc:"The other choice in a sentence"`
	Before      *float64 `json:"before" doc:"Value before the swap, after those listed before it"`
	After       *float64 `json:"after" doc:"Value after it"`
	Effect      *float64 `json:"effect" doc:"The second less the first; null when one is unknown"`
	Alone       *float64 `json:"alone" doc:"The effect when nothing but this rule is swapped in the first profile; null when a value is unknown"`
	NBefore     int      `json:"n_before" doc:"Observations before the swap"`
	NAfter      int      `json:"n_after" doc:"Observations after it"`
	LevelBefore *string  `json:"level_before" doc:"Level before the swap"`
	LevelAfter  *string  `json:"level_after" doc:"Level after it"`
	NRows       int      `json:"n_rows" doc:"Rows that the swap adds, takes away or changes"`
	RowCounts
	Examples []RowDifference `json:"examples" doc:"Some of them: first those that one side alone counts"`
}

// RowDifference is a row that counts otherwise on either side.
type RowDifference struct {
	Kind   string  `json:"kind" enum:"deployment,change,pull_request,incident" doc:"What it is"`
	Key    string  `json:"key" doc:"Key of the deployment or incident, hash of the commit, repository and number of the pull request"`
	Ref    *string `json:"ref,omitempty" doc:"Key of the deployment that it belongs to"`
	Before RowSide `json:"before" doc:"Before the swap"`
	After  RowSide `json:"after" doc:"After it"`
}

// RowSide is how a row counts on one side.
type RowSide struct {
	Counted bool     `json:"counted" doc:"It counts"`
	Value   *float64 `json:"value" doc:"What it contributes: seconds to a duration, else a number of deployments or incidents"`
	Reason  *string  `json:"reason" doc:"Why it does not count"`
}

// Compare answers a question under several profiles and derives which rules make
// the difference between the first and each other: it goes from the one to the
// other and swaps a rule at a time, in the order of [RuleBook], computing every
// metric anew. Its errors are *event.FieldError.
func Compare(v *View, q Query, profiles []Profile) (Comparison, error) {
	if len(profiles) < 2 || len(profiles) > MostCompared {
		return Comparison{}, event.Fault("profiles", "name 2 to %d profiles, separated by commas", MostCompared)
	}
	q.Interval = ""
	s, err := v.resolve(q)
	if err != nil {
		return Comparison{}, err
	}
	c := comparing{v: v.narrow(s.window), s: s}
	out := Comparison{Project: v.spec.Project, From: s.window.from.UTC(), To: s.window.to.UTC(), AsOf: v.AsOf.UTC(), Pairs: []MetricPair{}, Differences: []RuleDifference{}, Same: []SharedRuleChoice{}}
	for _, r := range RuleBook() {
		choice := r.Get(profiles[0].Choices)
		if !slices.ContainsFunc(profiles, func(p Profile) bool { return r.Get(p.Choices) != choice }) {
			out.Same = append(out.Same, SharedRuleChoice{r.ID, choice})
		}
	}
	x := v.index(profiles[0])
	out.Profiles = append(out.Profiles, v.compute(q, s, x, nil))
	first := &state{c.v.wholes(x), out.Profiles[0].Metrics, map[string][]tally{}}
	for _, p := range profiles[1:] {
		x := v.index(p)
		r := v.compute(q, s, x, nil)
		out.Profiles = append(out.Profiles, r)
		last := &state{x, r.Metrics, map[string][]tally{}}
		ds := c.walk(first, last)
		out.Differences = append(out.Differences, ds...)
		for _, name := range Names() {
			out.Pairs = append(out.Pairs, c.pair(name, first, last, ds))
		}
	}
	return out, nil
}

// comparing is one comparison at work.
type comparing struct {
	v *View
	s *scope
}

// state is the numbers, and on demand the rows, under one set of rules.
type state struct {
	x       *index
	metrics []Metric
	rows    map[string][]tally // by metric
}

func (s *state) metric(name string) *Metric { return find(s.metrics, name) }

// tallies are the rows of a metric in a state.
func (c *comparing) tallies(st *state, metric string) []tally {
	rows, ok := st.rows[metric]
	if !ok {
		rows = c.v.tally(st.x, c.s, metric)
		st.rows[metric] = rows
	}
	return rows
}

// swapped is a state with one more rule of another profile's.
func (c *comparing) swapped(from *state, r *RuleInfo, to Profile) *state {
	p := from.x.profile
	p.Choices = r.With(p.Choices, r.Get(to.Choices))
	if r.ID == RuleEdition {
		p.Bounds = to.Bounds
	}
	next := &state{x: c.v.swap(from.x, r, p), rows: map[string][]tally{}}
	next.metrics = c.v.again(c.s, next.x, r.Metrics, from.metrics)
	for name, rows := range from.rows { // a rule leaves the rows of other metrics as they are
		if !slices.Contains(r.Metrics, name) {
			next.rows[name] = rows
		}
	}
	return next
}

// walk goes from the first profile to the last, a rule at a time.
func (c *comparing) walk(first, last *state) []RuleDifference {
	out := []RuleDifference{}
	a, b := first.x.profile, last.x.profile
	now := first
	for _, r := range RuleBook() {
		if r.Get(a.Choices) == r.Get(b.Choices) && (r.ID != RuleEdition || r.Get(a.Choices) != EditionOwn) {
			continue
		}
		next := c.swapped(now, r, b)
		alone := next
		if now != first {
			alone = c.swapped(first, r, b)
		}
		for _, name := range r.Metrics {
			if d, differs := c.difference(name, r, now, next); differs {
				d.FromProfile, d.ToProfile = a.Name, b.Name
				d.Alone = minus(alone.metric(name).Value, first.metric(name).Value)
				out = append(out, d)
			}
		}
		now = next
	}
	slices.SortStableFunc(out, func(x, y RuleDifference) int {
		return slices.Index(Names(), x.Metric) - slices.Index(Names(), y.Metric)
	})
	return out
}

// difference is what lies between two states that differ in one rule.
func (c *comparing) difference(name string, r *RuleInfo, before, after *state) (RuleDifference, bool) {
	m, n := before.metric(name), after.metric(name)
	d := RuleDifference{
		Metric: name, Unit: m.Unit, Rule: r.ID, From: r.Get(before.x.profile.Choices), To: r.Get(after.x.profile.Choices),
		Before: m.Value, After: n.Value, Effect: minus(n.Value, m.Value), NBefore: m.N, NAfter: n.N, LevelBefore: m.Level, LevelAfter: n.Level,
	}
	d.FromText, d.ToText = r.text(d.From), r.text(d.To)
	d.RowCounts, d.Examples = compareTallies(c.tallies(before, name), c.tallies(after, name), MostExamples)
	d.NRows = d.OnlyBefore + d.OnlyAfter + d.Changed
	return d, differ(m, n) || d.NRows > 0
}

func (c *comparing) pair(name string, first, last *state, ds []RuleDifference) MetricPair {
	m, n := first.metric(name), last.metric(name)
	p := MetricPair{
		Metric: name, Unit: m.Unit, FromProfile: first.x.profile.Name, ToProfile: last.x.profile.Name,
		Before: m.Value, After: n.Value, Difference: minus(n.Value, m.Value), NBefore: m.N, NAfter: n.N,
		LevelBefore: m.Level, LevelAfter: n.Level, Differs: differ(m, n), Rules: []string{},
	}
	p.RowCounts, _ = compareTallies(c.tallies(first, name), c.tallies(last, name), 0)
	for _, d := range ds {
		if d.Metric == name {
			p.Rules = append(p.Rules, d.Rule)
		}
	}
	return p
}

func differ(a, b *Metric) bool {
	return !equal(a.Value, b.Value) || a.N != b.N || !equal(a.Level, b.Level)
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// minus is a - b, nil when one is unknown.
func minus(a, b *float64) *float64 {
	if a == nil || b == nil {
		return nil
	}
	return ptr(*a - *b)
}
