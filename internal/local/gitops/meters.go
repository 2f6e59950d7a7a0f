package gitops

import "github.com/prometheus/client_golang/prometheus"

// counters are what the module measures of itself.
type counters struct {
	begun, finished, changes, fetches *prometheus.CounterVec
	rollout                           prometheus.Histogram
}

func newCounters() *counters {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fawkes_gitops_" + name, Help: help}, labels)
	}
	return &counters{
		begun:    vec("operations_begun_total", "Operations that began, by kind.", "kind"),
		finished: vec("operations_finished_total", "Operations that ended, by kind and phase.", "kind", "phase"),
		changes:  vec("repository_changes_total", "Changes written to the environment repository, by kind and what became of them.", "kind", "state"),
		fetches:  vec("repository_fetches_total", "Looks at the environment repository, by result.", "result"),
		rollout: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "fawkes_gitops_rollout_duration_seconds", Help: "From the beginning of an operation to its end.",
			Buckets: []float64{.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600},
		}),
	}
}

func (c *counters) all() []prometheus.Collector {
	return []prometheus.Collector{c.begun, c.finished, c.changes, c.fetches, c.rollout}
}
