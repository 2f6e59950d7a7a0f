package metrics

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

var epoch = time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)

// anyQuestion draws a history and a question about it.
func anyQuestion(t *rapid.T) (*history.Projection, project.Spec, time.Time, Query, Profile) {
	p := generate(rapid.Uint64().Draw(t, "seed"), small)
	spec := project.Spec{
		Project:  "p",
		TimeZone: rapid.SampledFrom([]string{"", "Europe/Berlin", "Pacific/Auckland", "America/New_York", "Asia/Kathmandu"}).Draw(t, "zone"),
		Calendar: project.Calendar{WeekStart: rapid.SampledFrom([]string{"", "sun", "sat"}).Draw(t, "week start")},
	}
	q := Query{Interval: rapid.SampledFrom([]string{"", IntervalDay, IntervalWeek, IntervalMonth}).Draw(t, "interval")}
	if rapid.Bool().Draw(t, "bounded") {
		q.From = epoch.Add(time.Duration(rapid.Int64Range(-10, 80).Draw(t, "from")) * 24 * time.Hour)
		q.To = q.From.Add(time.Duration(rapid.Int64Range(1, 24*60).Draw(t, "hours")) * time.Hour)
	}
	if rapid.Bool().Draw(t, "one service") {
		q.Service = "s01"
	}
	asOf := epoch.Add(time.Duration(rapid.Int64Range(60, 120).Draw(t, "as of")) * 24 * time.Hour)
	if asOf.Before(q.From) {
		asOf = q.From.Add(time.Hour)
	}
	return p, spec, asOf, q, rapid.SampledFrom(Profiles()).Draw(t, "profile")
}

func TestReportProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, spec, asOf, q, profile := anyQuestion(t)
		r, err := Compute(NewView(spec, p, asOf), q, profile)
		if err != nil {
			t.Fatal(err)
		}
		all := [][]Metric{r.Metrics}
		for _, b := range r.Series {
			all = append(all, b.Metrics)
		}
		for _, ms := range all {
			for i := range ms {
				checkMetric(t, profile, &ms[i])
			}
		}
		if q.Interval == "" {
			return
		}
		// The parts of a series make up the whole.
		for _, name := range []string{DeploymentFrequency, ChangeLeadTime, ChangeFailRate} {
			n, failed := 0, 0
			for i := range r.Series {
				m := r.Series[i].Metric(name)
				n += m.N
				if m.Parts.Failed != nil {
					failed += *m.Parts.Failed
				}
			}
			whole := r.Metric(name)
			if n != whole.N || whole.Parts.Failed != nil && failed != *whole.Parts.Failed {
				t.Fatalf("%s: the series has n = %d and %d failed, the whole %d and %s", name, n, failed, whole.N, show(whole.Parts.Failed))
			}
		}
	})
}

func checkMetric(t *rapid.T, p Profile, m *Metric) {
	if (m.Value == nil) == (m.Reason == nil) || (m.Level == nil) == (m.LevelReason == nil) {
		t.Fatalf("%s: value %s, reason %s, level %s, level reason %s", m.Metric, show(m.Value), show(m.Reason), show(m.Level), show(m.LevelReason))
	}
	if m.N < LevelMinimum && m.Level != nil {
		t.Fatalf("%s: level %s from n = %d", m.Metric, *m.Level, m.N)
	}
	sum := m.Completeness.Linked
	for _, k := range m.Completeness.Reasons {
		sum += k
	}
	if sum != m.Completeness.Total || m.Completeness.Linked != m.N {
		t.Fatalf("%s: n = %d, completeness %+v", m.Metric, m.N, m.Completeness)
	}
	if m.Value == nil {
		return
	}
	v := *m.Value
	if m.Interval != nil && (v < m.Interval[0] || v > m.Interval[1]) {
		t.Fatalf("%s = %v outside of its interval %v", m.Metric, v, *m.Interval)
	}
	if m.Metric == ChangeFailRate && p.Choices.FailRate != RateOfDeployments {
		if v < 0 {
			t.Fatalf("%s = %v", m.Metric, v)
		}
	} else if m.Unit == UnitRatio && (v < 0 || v > 1 || m.Interval[0] < 0 || m.Interval[1] > 1) {
		t.Fatalf("%s = %v in %v", m.Metric, v, *m.Interval)
	}
	if m.P75 != nil && (v > *m.P75 || *m.P75 > *m.P90) {
		t.Fatalf("%s: median %v, p75 %v, p90 %v", m.Metric, v, *m.P75, *m.P90)
	}
	if m.Score == nil || *m.Score < 0 || *m.Score > 10 {
		t.Fatalf("%s: score %s", m.Metric, show(m.Score))
	}
}

// Neither the order of lanes nor that of changes, pull requests or incidents of
// one moment changes a number.
func TestNumbersDoNotDependOnTheOrderOfRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, spec, asOf, q, profile := anyQuestion(t)
		want, err := Compute(NewView(spec, p, asOf), q, profile)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "shuffle"), 3))
		mix(r, p.Lanes)
		mix(r, p.PullRequests)
		for _, l := range p.Lanes {
			for _, d := range l.Deployments {
				mix(r, d.Changes)
			}
		}
		got, err := Compute(NewView(spec, p, asOf), q, profile)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("(-before +after):\n%s", d)
		}
	})
}

func mix[T any](r *rand.Rand, s []T) {
	r.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
}

func TestPartsAddUpToTheLeadTimeWhenAllAreKnown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instant := rapid.Map(rapid.Int64Range(1, 1000), func(v int64) history.Time { return history.Time(v * 1e6) })
		d := &history.Deployment{FinishedAt: instant.Draw(t, "finished"), Outcome: event.OutcomeSuccess}
		c := &history.Change{FirstAt: instant.Draw(t, "authored"), PR: 0}
		pr := &history.PullRequestRef{CreatedAt: instant.Draw(t, "created"), MergedAt: instant.Draw(t, "merged")}
		if rapid.Bool().Draw(t, "reviewed") {
			pr.FirstReviewAt = instant.Draw(t, "review")
		}
		l := choicesOf(DORA2025()).commitLead(d, c, pr)
		if d.FinishedAt < c.FirstAt {
			if l != noLead(history.ReasonClockSkew) {
				t.Fatalf("%+v for a negative span", l)
			}
			return
		}
		sum := l.Coding + l.Review + l.Deploy
		if l.Pickup != Unknown {
			sum += l.Pickup
		}
		if (l.Pickup == Unknown) != (pr.FirstReviewAt == 0) || sum != l.Total || min(l.Coding, l.Review, l.Deploy) < 0 || l.Pickup < 0 && l.Pickup != Unknown {
			t.Fatalf("%+v adds up to %d", l, sum)
		}
	})
}

// What a view takes over from the one before it is what it would have computed.
func TestTheNextViewEqualsAFreshOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, spec, asOf, q, profile := anyQuestion(t)
		v := NewView(spec, p, asOf)
		if _, err := Compute(v, q, profile); err != nil {
			t.Fatal(err)
		}
		next := *p
		next.Lanes = slices.Clone(p.Lanes)
		i := rapid.IntRange(0, len(p.Lanes)-1).Draw(t, "lane")
		l := *p.Lanes[i]
		l.Deployments = slices.Clone(l.Deployments)
		next.Lanes[i] = &l
		at := rapid.IntRange(0, len(l.Deployments)-1).Draw(t, "deployment")
		switch rapid.IntRange(0, 3).Draw(t, "what") {
		case 0: // one is told anew
			d := *l.Deployments[at]
			d.Changes = append(slices.Clone(d.Changes), history.Change{FirstAt: d.FinishedAt - 1e6, PR: -1})
			l.Deployments[at] = &d
		case 1: // one more
			d := history.Deployment{ID: "new", Source: "ci", Service: l.Service, Environment: l.Environment, Outcome: event.OutcomeSuccess, Reason: history.ReasonSHAUnknown, FinishedAt: l.Deployments[len(l.Deployments)-1].FinishedAt + 1e6}
			l.Deployments = append(l.Deployments, &d)
		case 2: // one less
			l.Deployments = slices.Delete(l.Deployments, at, at+1)
		case 3: // nothing
		}
		got, err := Compute(v.Next(spec, &next, asOf), q, profile)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Compute(NewView(spec, &next, asOf), q, profile)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("(-fresh +next):\n%s", cmp.Diff(want, got))
		}
	})
}

// Readers share a view: under the race detector this would find them writing.
func TestManyReadersShareAView(t *testing.T) {
	v := NewView(project.Spec{Project: "p"}, generate(1, small), epoch.Add(90*24*time.Hour))
	done := make(chan Report)
	for i := range 8 {
		go func() {
			r, err := Compute(v, Query{Interval: IntervalWeek}, Profiles()[i%len(Profiles())])
			if err != nil {
				t.Error(err)
			}
			done <- r
		}()
	}
	first := map[string]Report{}
	for range 8 {
		r := <-done
		if f, ok := first[r.Profile]; ok && !reflect.DeepEqual(f, r) {
			t.Errorf("two readers got different numbers:\n%s", cmp.Diff(f, r))
		}
		first[r.Profile] = r
	}
}
