package metrics

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// Whatever rules are swapped one after the other, sharing what each does not
// touch gives the numbers and the rows of a history that is arranged from
// nothing. This also holds RuleBook to its word about which metrics a rule can
// move.
func TestSwappingRulesEqualsArrangingAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, spec, asOf, q, profile := anyQuestion(t)
		q.Interval = ""
		v := NewView(spec, p, asOf)
		s, err := v.resolve(q)
		if err != nil {
			t.Fatal(err)
		}
		c := comparing{v: v.narrow(s.window), s: s}
		x := v.index(profile)
		now := &state{c.v.wholes(x), v.compute(q, s, x, nil).Metrics, map[string][]tally{}}
		book := RuleBook()
		for range rapid.IntRange(1, 6).Draw(t, "swaps") {
			r := book[rapid.IntRange(0, len(book)-1).Draw(t, "rule")]
			to := now.x.profile
			value := rapid.SampledFrom(r.Choices).Draw(t, r.ID).Value
			if value == EditionOwn {
				continue
			}
			to.Choices = r.With(to.Choices, value)
			for _, name := range Names() {
				c.tallies(now, name) // so that there are rows to take over
			}
			now = c.swapped(now, r, to)
			fresh := NewView(spec, p, asOf)
			want, err := Compute(fresh, q, to)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range Names() {
				a, b := now.metric(name), want.Metric(name)
				if !equal(a.Value, b.Value) || a.N != b.N || !equal(a.Level, b.Level) {
					t.Fatalf("%s to %s: %s is %s of %d, %s; arranged anew %s of %d, %s", r.ID, value, name, show(a.Value), a.N, show(a.Level), show(b.Value), b.N, show(b.Level))
				}
				rows := fresh.tally(fresh.index(to), s, name)
				if got := c.tallies(now, name); !slices.Equal(got, rows) {
					t.Fatalf("%s to %s: rows of %s differ:\n%d, want %d", r.ID, value, name, len(got), len(rows))
				}
			}
		}
	})
}

// Comparing does not disturb what other questions read.
func TestComparingLeavesTheViewAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, spec, asOf, q, profile := anyQuestion(t)
		v := NewView(spec, p, asOf)
		before, err := Compute(v, q, profile)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Compare(v, q, []Profile{profile, Profiles()[0], Profiles()[3]}); err != nil {
			t.Fatal(err)
		}
		after, err := Compute(v, q, profile)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before, after); d != "" {
			t.Fatalf("(-before +after):\n%s", d)
		}
	})
}

// A repository serves a service that deployed nothing in the window all the
// same, so that its pull requests wait there.
func TestAComparisonKnowsTheServicesOfAQuietWindow(t *testing.T) {
	v := NewView(project.Spec{Project: "p"}, generate(0, small), epoch.Add(60*24*time.Hour))
	q := Query{Service: "s01", From: epoch, To: epoch.Add(61 * time.Hour)}
	want, err := Compute(v, q, DevLake2023())
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.resolve(q)
	if err != nil {
		t.Fatal(err)
	}
	x := newIndex(v.narrow(s.window).arranged, DevLake2023(), nil)
	if got := len(v.tally(x, s, ChangeLeadTime)); got == 0 || got != want.Metric(ChangeLeadTime).Completeness.Total {
		t.Errorf("%d rows of a narrowed history, want %d", got, want.Metric(ChangeLeadTime).Completeness.Total)
	}
}
