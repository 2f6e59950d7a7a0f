package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// counters are what Prometheus reads of the runner.
type counters struct {
	runs       *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	reports    *prometheus.CounterVec
	seconds    prometheus.Histogram
}

func newCounters(reg prometheus.Registerer, s *Service) (counters, error) {
	c := counters{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fawkes_runner_runs_total", Help: "Runs that are over, by status.",
		}, []string{"status"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fawkes_runner_deliveries_total", Help: "Webhook deliveries, by result.",
		}, []string{"result"}),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fawkes_runner_reports_total", Help: "Attempts to report the end of a run as a CDEvent, by result.",
		}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "fawkes_runner_run_seconds", Help: "How long runs took from their beginning to their end.",
			Buckets: []float64{1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600},
		}),
	}
	for _, m := range []prometheus.Collector{
		c.runs, c.deliveries, c.reports, c.seconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fawkes_runner_queue_runs", Help: "Runs that wait."}, func() float64 {
			queued, _ := s.counted()
			return queued
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fawkes_runner_running_runs", Help: "Runs that are worked on."}, func() float64 {
			_, running := s.counted()
			return running
		}),
	} {
		if err := reg.Register(m); err != nil {
			return c, fmt.Errorf("register the runner's metrics: %w", err)
		}
	}
	return c, nil
}

// counted reads the queue for a scrape.
func (s *Service) counted() (queued, running float64) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	q, r, err := s.store.Counts(ctx)
	if err != nil {
		return 0, 0
	}
	return float64(q), float64(r)
}

func (c counters) ended(r Run)          { c.runs.WithLabelValues(string(r.Status)).Inc() }
func (c counters) took(d time.Duration) { c.seconds.Observe(d.Seconds()) }
