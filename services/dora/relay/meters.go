package relay

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// meters are the relay's metrics. Those of the outbox are of the process that
// runs the relay alone, so that replicas do not count it twice.
type meters struct {
	requests  *prometheus.CounterVec
	items     *prometheus.GaugeVec
	lag       *prometheus.GaugeVec
	reachable *prometheus.GaugeVec
	sentAt    prometheus.Gauge
}

func newMeters() *meters {
	return &meters{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fawkes_dora_relay_requests_total", Help: "Requests to DevLake by kind and result: accepted, retried, held, dead, failed."}, []string{"kind", "result"}),
		items: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fawkes_dora_relay_items", Help: "Entities in the outbox by state: pending, sent, dead, discarded; waiting ones cannot be sent yet."}, []string{"state"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fawkes_dora_relay_lag_seconds", Help: "How long the oldest pending entity has been waiting."}, nil),
		reachable: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fawkes_dora_relay_reachable", Help: "1 when DevLake took the last request, else 0."}, nil),
		sentAt: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fawkes_dora_relay_last_accepted_timestamp_seconds", Help: "When DevLake last accepted something from this process; 0 for never."}),
	}
}

func (m *meters) register(reg prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.requests, m.items, m.lag, m.reachable, m.sentAt} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register a metric of the relay: %w", err)
		}
	}
	return nil
}

func (m *meters) reset() {
	m.items.Reset()
	m.lag.Reset()
	m.reachable.Reset()
}

func (m *meters) up(yes bool) {
	v := 0.0
	if yes {
		v = 1
	}
	m.reachable.WithLabelValues().Set(v)
}

// measureEvery bounds how often the outbox is counted.
const measureEvery = 10

// measure counts the outbox for the metrics, not at every step.
func (r *Relay) measure(ctx context.Context) error {
	now := r.clock.Now()
	if now.Sub(r.measured) < measureEvery*r.cfg.Pace.Poll {
		return nil
	}
	r.measured = now
	s, err := r.outbox.status(ctx, now)
	if err != nil {
		return err
	}
	sum := map[string]int{statePending: 0, stateSent: 0, stateDead: 0, stateDiscarded: 0, "waiting": 0}
	for _, p := range s.Projects {
		sum[statePending] += p.Pending
		sum[stateSent] += p.Sent
		sum[stateDead] += p.Dead
		sum[stateDiscarded] += p.Discarded
		for _, n := range p.Waiting {
			sum["waiting"] += n
		}
	}
	for state, n := range sum {
		r.meters.items.WithLabelValues(state).Set(float64(n))
	}
	r.meters.lag.WithLabelValues().Set(s.Lag.Seconds())
	return nil
}
