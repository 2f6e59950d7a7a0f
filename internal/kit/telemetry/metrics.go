package telemetry

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// Metrics holds the process's own metrics and one registry for each module.
type Metrics struct {
	process *prometheus.Registry

	mu      sync.Mutex
	modules map[string]*prometheus.Registry
}

// NewMetrics makes the registries, with the metrics of the Go runtime, the
// process, and its version.
func NewMetrics(version string) (*Metrics, error) {
	m := &Metrics{process: prometheus.NewRegistry(), modules: map[string]*prometheus.Registry{}}
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fawkes_build_info", Help: "Always 1; the label says which version runs.",
		ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), info,
	} {
		if err := m.process.Register(c); err != nil {
			return nil, fmt.Errorf("register the process's metrics: %w", err)
		}
	}
	return m, nil
}

// Process is the registerer of what belongs to the process and no module.
func (m *Metrics) Process() prometheus.Registerer { return m.process }

// Module returns a fresh registerer for the module; what an earlier one of the
// same name held is forgotten.
func (m *Metrics) Module(name string) prometheus.Registerer {
	r := prometheus.NewRegistry()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.modules[name] = r
	return r
}

// Gather collects from every registry.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) {
	m.mu.Lock()
	all := prometheus.Gatherers{m.process}
	for _, r := range m.modules {
		all = append(all, r)
	}
	m.mu.Unlock()
	return all.Gather()
}

// Handler answers /metrics. What cannot be collected is logged, and the rest is
// answered.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(prometheus.GathererFunc(m.Gather), promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	})
}
