package dora

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

// Gauge describes a metric of delivery that Prometheus reads.
type Gauge struct {
	Name   string
	Labels []string
	Help   string
}

// Names of the gauges.
const (
	gaugeFrequency  = "fawkes_dora_deployment_frequency_per_day"
	gaugeLeadTime   = "fawkes_dora_change_lead_time_seconds"
	gaugeFailRatio  = "fawkes_dora_change_fail_ratio"
	gaugeRecovery   = "fawkes_dora_failed_deployment_recovery_seconds"
	gaugeRework     = "fawkes_dora_deployment_rework_ratio"
	gaugeN          = "fawkes_dora_observations"
	gaugeLevel      = "fawkes_dora_level"
	gaugeOpen       = "fawkes_dora_open_failures"
	gaugePending    = "fawkes_dora_pending_changes"
	gaugeDelivered  = "fawkes_dora_source_last_delivery_timestamp_seconds"
	gaugeQuarantine = "fawkes_dora_quarantine_deliveries"
	gaugeHead       = "fawkes_dora_log_head"
	gaugeLag        = "fawkes_dora_projection_lag_events"
	gaugeLeftOut    = "fawkes_dora_gauges_left_out"
	gaugeAge        = "fawkes_dora_gauges_age_seconds"
	gaugeFailed     = "fawkes_dora_gauges_refresh_failures"
)

// Gauges lists the gauges of delivery.
func Gauges() []Gauge {
	scope := []string{"project", "service"}
	return []Gauge{
		{gaugeFrequency, scope, "Successful production deployments a day, over 30 days."},
		{gaugeLeadTime, []string{"project", "service", "quantile"}, "Change lead time of the changes deployed in 30 days, by quantile: 0.5, 0.75, 0.9."},
		{gaugeFailRatio, scope, "Share of the production deployments of 30 days that failed."},
		{gaugeRecovery, []string{"project", "service", "quantile"}, "Time to recover from the failed deployments of 30 days, by quantile: 0.5, 0.9."},
		{gaugeRework, scope, "Share of the production deployments of 30 days that were unplanned."},
		{gaugeN, []string{"project", "service", "metric"}, "Observations behind a metric over 30 days."},
		{gaugeLevel, []string{"project", "service", "metric"}, "Level of a metric over 30 days: 1 low, 2 medium, 3 high, 4 elite."},
		{gaugeOpen, scope, "Failed deployments of 30 days from which service was not restored yet."},
		{gaugePending, scope, "Changes that no deployment contains yet."},
		{gaugeDelivered, []string{"project", "source"}, "When the last event of a source was stored."},
		{gaugeQuarantine, []string{"status"}, "Deliveries in quarantine by status."},
		{gaugeHead, nil, "Number of the last event of the log."},
		{gaugeLag, []string{"project"}, "Events of a project that its projection does not hold yet."},
		{gaugeLeftOut, nil, "Projects, services and sources without gauges of their own, because there are more than dora.gauges."},
		{gaugeAge, nil, "Age of these gauges: they are computed in the background."},
		{gaugeFailed, nil, "How often these gauges could not be computed since the process started."},
	}
}

const (
	// gaugesEvery is how old the gauges may be before a scrape has them computed
	// anew; the scrape itself is answered with those there are.
	gaugesEvery  = 30 * time.Second
	gaugesWithin = 2 * time.Minute
	gaugesMost   = 500
)

// sample is one value of a gauge.
type sample struct {
	name   string
	labels []string
	value  float64
}

// gauges computes what Prometheus reads about delivery, at most once a period and
// only when someone reads. What is not known has no series.
type gauges struct {
	compute func(ctx context.Context) ([]sample, error)
	clock   clock.Clock
	log     *slog.Logger
	descs   map[string]*prometheus.Desc

	mu       sync.Mutex
	samples  []sample
	at       time.Time // of the samples; zero: none yet
	tried    time.Time
	failures int
	running  bool
	closed   bool
	work     sync.WaitGroup
	ctx      context.Context
	cancel   context.CancelFunc
}

func newGauges(compute func(ctx context.Context) ([]sample, error), c clock.Clock, log *slog.Logger) *gauges {
	g := &gauges{compute: compute, clock: c, log: log, descs: map[string]*prometheus.Desc{}}
	for _, d := range Gauges() {
		g.descs[d.Name] = prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range Gauges() {
		out <- g.descs[d.Name]
	}
}

// Collect implements prometheus.Collector. It never waits for the computation.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	g.mu.Lock()
	samples, at, failures := g.samples, g.at, g.failures
	if !g.running && !g.closed && (g.tried.IsZero() || g.clock.Now().Sub(g.tried) >= gaugesEvery) {
		g.running, g.tried = true, g.clock.Now()
		g.work.Add(1)
		go g.refresh()
	}
	g.mu.Unlock()
	for _, s := range samples {
		out <- prometheus.MustNewConstMetric(g.descs[s.name], prometheus.GaugeValue, s.value, s.labels...)
	}
	if !at.IsZero() {
		out <- prometheus.MustNewConstMetric(g.descs[gaugeAge], prometheus.GaugeValue, g.clock.Now().Sub(at).Seconds())
	}
	out <- prometheus.MustNewConstMetric(g.descs[gaugeFailed], prometheus.GaugeValue, float64(failures))
}

// refresh computes the gauges; when that fails the former ones stay, and age.
func (g *gauges) refresh() {
	defer g.work.Done()
	ctx, cancel := context.WithTimeout(g.ctx, gaugesWithin)
	defer cancel()
	samples, err := g.compute(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running = false
	switch {
	case err == nil:
		g.samples, g.at = samples, g.clock.Now()
	case g.ctx.Err() == nil:
		g.failures++
		g.log.Warn("the gauges of delivery could not be computed", "error", err)
	}
}

// close ends what runs in the background.
func (g *gauges) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel()
	g.work.Wait()
}

// samples computes all gauges.
func (s *Service) samples(ctx context.Context) ([]sample, error) {
	head, err := s.store.LogHead(ctx)
	if err != nil {
		return nil, err
	}
	out := []sample{{gaugeHead, nil, float64(head)}}
	kept, err := s.store.CountQuarantined(ctx, QuarantineFilter{})
	if err != nil {
		return nil, err
	}
	for status, n := range kept {
		out = append(out, sample{gaugeQuarantine, []string{status}, float64(n)})
	}
	left, missing := s.cfg.Gauges, 0
	if left <= 0 {
		left = gaugesMost
	}
	delivered, err := s.store.LastReceived(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(delivered, func(a, b Received) int { return cmp.Compare(b.At, a.At) }) // the latest are kept
	for i, d := range delivered {
		if i >= left {
			missing += len(delivered) - i
			break
		}
		out = append(out, sample{gaugeDelivered, []string{d.Project, d.Source}, float64(d.At) / 1e6})
	}
	own, err := s.ownersNow(ctx)
	if err != nil {
		return nil, err
	}
	origins := map[string][]int64{}
	for id, name := range own.of {
		origins[name] = append(origins[name], id)
	}
	heads, err := s.store.Heads(ctx)
	if err != nil {
		return nil, err
	}
	profile, err := metrics.ProfileNamed("")
	if err != nil {
		return nil, err
	}
	for _, h := range heads {
		if left == 0 {
			missing++
			continue
		}
		declared, err := s.store.Project(ctx, h.Project)
		if errors.Is(err, ErrNotFound) {
			declared, err = undeclared(h.Project), nil
		}
		if err != nil {
			return nil, err
		}
		a, err := s.reader.at(ctx, h, declared)
		if errors.Is(err, ErrNotFound) {
			continue // withdrawn meanwhile
		}
		if err != nil {
			return nil, err
		}
		n, err := s.store.CountAfter(ctx, origins[h.Project], h.Seq)
		if err != nil {
			return nil, err
		}
		out = append(out, sample{gaugeLag, []string{h.Project}, float64(n)})
		services := []string{""}
		for _, v := range a.Summary.Services {
			services = append(services, v.Name)
		}
		for _, name := range services {
			if left == 0 {
				missing++
				continue
			}
			left--
			r, err := metrics.Compute(a.View, metrics.Query{Service: name, From: a.View.AsOf.Add(-liveWindow), To: a.View.AsOf}, profile)
			if err != nil {
				return nil, err
			}
			out = append(out, samplesOf(r, h.Project, name)...)
		}
	}
	return append(out, sample{gaugeLeftOut, nil, float64(missing)}), nil
}

// samplesOf makes the gauges of one report.
func samplesOf(r metrics.Report, project, service string) []sample {
	var out []sample
	add := func(name string, v *float64, more ...string) {
		if v != nil {
			out = append(out, sample{name, append([]string{project, service}, more...), *v})
		}
	}
	count := func(n *int) *float64 {
		if n == nil {
			return nil
		}
		return new(float64(*n))
	}
	levels := map[string]float64{metrics.Low: 1, metrics.Medium: 2, metrics.High: 3, metrics.Elite: 4}
	for _, m := range r.Metrics {
		switch m.Metric {
		case metrics.DeploymentFrequency:
			add(gaugeFrequency, m.Value)
		case metrics.ChangeLeadTime:
			add(gaugeLeadTime, m.Value, "0.5")
			add(gaugeLeadTime, m.P75, "0.75")
			add(gaugeLeadTime, m.P90, "0.9")
			add(gaugePending, count(m.Parts.Pending))
		case metrics.ChangeFailRate:
			add(gaugeFailRatio, m.Value)
		case metrics.RecoveryTime:
			add(gaugeRecovery, m.Value, "0.5")
			add(gaugeRecovery, m.P90, "0.9")
			add(gaugeOpen, count(m.Parts.Open))
		case metrics.ReworkRate:
			add(gaugeRework, m.Value)
		}
		add(gaugeN, count(&m.N), m.Metric)
		if m.Level != nil {
			add(gaugeLevel, new(levels[*m.Level]), m.Metric)
		}
	}
	return out
}
