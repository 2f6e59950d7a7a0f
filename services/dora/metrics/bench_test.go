package metrics

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// BenchmarkQuery asks for the five metrics of six months of a history of 1M
// commits, 20k deployments, 100k pull requests and 50 services, and reports the
// 95th percentile. Run it with
//
//	go test -run '^$' -bench Query ./services/dora/metrics
func BenchmarkQuery(b *testing.B) {
	for _, history := range []struct {
		name string
		days int
	}{{"2years", 730}, {"6months", 182}} {
		n := large
		n.days = history.days
		p := generate(1, n)
		end := epoch.Add(time.Duration(history.days) * 24 * time.Hour)
		v := NewView(project.Spec{Project: "p", TimeZone: "Europe/Berlin"}, p, end)
		half := Query{From: end.Add(-182 * 24 * time.Hour), To: end}
		one := half
		one.Service = "s07"
		months, days := half, half
		months.Interval, days.Interval = IntervalMonth, IntervalDay
		for _, profile := range Profiles() {
			if _, err := Compute(v, half, profile); err != nil {
				b.Fatal(err)
			}
			for _, q := range []struct {
				name string
				Query
			}{{"all", half}, {"one_service", one}, {"by_month", months}, {"by_day", days}} {
				b.Run(fmt.Sprintf("%s/%s/%s", history.name, profile.Name, q.name), func(b *testing.B) {
					b.ReportAllocs()
					took := make([]time.Duration, 0, b.N)
					for b.Loop() {
						begin := time.Now()
						r, err := Compute(v, q.Query, profile)
						took = append(took, time.Since(begin))
						if err != nil || r.Metric(ChangeLeadTime).Value == nil {
							b.Fatal(err)
						}
					}
					slices.Sort(took)
					b.ReportMetric(float64(took[len(took)*95/100])/1e6, "p95-ms")
				})
			}
		}
	}
}

// BenchmarkArrange arranges that history: from nothing, and after one more
// deployment.
func BenchmarkArrange(b *testing.B) {
	p := generate(1, large)
	spec := project.Spec{Project: "p", TimeZone: "Europe/Berlin"}
	v := NewView(spec, p, epoch)
	next := *p
	next.Lanes = slices.Clone(p.Lanes)
	l := *p.Lanes[7]
	d := *l.Deployments[len(l.Deployments)-1]
	d.FinishedAt++
	l.Deployments = append(slices.Clone(l.Deployments), &d)
	next.Lanes[7] = &l
	for _, profile := range Profiles() {
		v.index(profile)
		b.Run(profile.Name+"/new", func(b *testing.B) {
			for b.Loop() {
				NewView(spec, p, epoch).index(profile)
			}
		})
		b.Run(profile.Name+"/one_more", func(b *testing.B) {
			for b.Loop() {
				v.Next(spec, &next, epoch).index(profile)
			}
		})
	}
}

// BenchmarkPage reads a hundred rows of evidence from the middle of a million.
func BenchmarkPage(b *testing.B) {
	v := NewView(project.Spec{Project: "p"}, generate(1, large), epoch.Add(730*24*time.Hour))
	for _, name := range []string{ChangeLeadTime, ChangeFailRate} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				rows, err := Evidence(v, Query{}, DORA2025(), name, List{Offset: 10_000})
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for range rows {
					if n++; n == 100 {
						break
					}
				}
			}
		})
	}
}

// BenchmarkCompare compares two profiles over six months of that history.
func BenchmarkCompare(b *testing.B) {
	end := epoch.Add(730 * 24 * time.Hour)
	v := NewView(project.Spec{Project: "p", TimeZone: "Europe/Berlin"}, generate(1, large), end)
	q := Query{From: end.Add(-182 * 24 * time.Hour), To: end}
	for _, other := range Profiles()[1:] {
		pair := []Profile{DORA2025(), other}
		b.Run(other.Name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Compare(v, q, pair); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
