// Package dora is the delivery metrics service: real delivery history in, the
// five DORA metrics with the evidence behind each number out.
//
// # From an event to a number
//
// Sources report events (package event): commits, pull requests, reviews,
// builds, artifacts, deployments, incidents. What is acknowledged is in the
// event log, durable and stored once ([Store.Append]). The projector follows the
// log, merges what the reports say about each entity and derives delivery
// history from it (package history): which change reached which environment
// with which deployment, what failed, what restored service. The history is
// stored as blocks, of which one more event changes a few. Readers follow the
// blocks and answer questions from memory (package metrics).
//
// Everything after the log can be made anew from it. That is what makes the
// order of arrival, repeated arrival and a crash at any point harmless.
//
// # Freshness
//
// A question waits, for at most two seconds, until all events that had been
// acknowledged when it came are part of the answer. When the projection is
// further behind, the answer says by how many events.
package dora

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
	"github.com/fawkes-idp/fawkes/services/dora/relay"
)

// Config is what can be set.
type Config struct {
	// GitHubSecret signs GitHub deliveries that no webhook source is set up for;
	// empty means that only set-up sources are believed.
	GitHubSecret string
	// GitHubIncidentLabels are the labels that make a GitHub issue an incident.
	GitHubIncidentLabels []string
	// Retention is how old events are before an archive that names no day takes
	// them; 0 keeps everything.
	Retention time.Duration
	// PublicURL is where sources reach the platform, without a slash at the end.
	PublicURL string
	// QuarantineMiB is the space for deliveries that could not be read; 0 means 256.
	QuarantineMiB int
	// DevLake is who is told of the history, and Outbox what it is still to be
	// told; without a URL or an outbox there is nobody.
	DevLake relay.Config
	Outbox  *relay.Outbox
	// Gauges is how many projects and services Prometheus is told of; 0: 500.
	Gauges int
	// Streams is how many streams of events the process serves at a time; 0: 200.
	Streams int
}

// Service is the delivery metrics service.
type Service struct {
	cfg       Config
	store     Store
	clock     clock.Clock
	log       *slog.Logger
	auth      *auth.Verifier
	committer *sqlstore.Committer[[]Record, appended]
	bulk      *sqlstore.Committer[[]Record, appended]
	live      pace // of single events
	projector *projector
	reader    *reader
	kinds     []intake.Kind
	relay     *relay.Relay
	count     counters
	tail      *tail
	streams   *streams
	gauges    *gauges
	texts     buffers
	comparing chan struct{} // holds one, while a comparison is computed
}

type counters struct {
	events     *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	dropped    prometheus.Counter // from the quarantine, for want of space
}

// New makes the service on its store. The committer runs from here on, so that
// requests can be answered; the projection follows in Run.
func New(cfg Config, store Store, c clock.Clock, log *slog.Logger, reg prometheus.Registerer, verifier *auth.Verifier) (*Service, error) {
	s := &Service{
		cfg: cfg, store: store, clock: c, log: log, auth: verifier,
		projector: newProjector(store, c, log),
		kinds:     kinds(cfg),
		count: counters{
			events: prometheus.NewCounterVec(prometheus.CounterOpts{
				Name: "fawkes_dora_events_total", Help: "Events by type and by what became of them: stored, duplicate."}, []string{"type", "result"}),
			deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
				Name: "fawkes_dora_deliveries_total", Help: "Webhook deliveries by source and result: accepted, quarantined, refused, ignored."}, []string{"source", "result"}),
			dropped: prometheus.NewCounter(prometheus.CounterOpts{
				Name: "fawkes_dora_quarantine_dropped_total", Help: "Quarantined deliveries that were dropped because the quarantine was full."}),
		},
	}
	s.projector.watched = func() bool { return len(s.streams.places) > 0 }
	s.reader = newReader(store, s.projector, c)
	s.comparing = make(chan struct{}, 1)
	s.tail, s.streams = newTail(store, log), newStreams(cfg.Streams)
	s.gauges = newGauges(s.samples, c, log)
	s.committer = sqlstore.NewCommitter(sqlstore.CommitterOptions{Name: "dora events", Logger: log}, s.commitLive)
	s.bulk = sqlstore.NewCommitter(sqlstore.CommitterOptions{Name: "dora bulk events", MaxBatch: 1, Queue: 64, Logger: log}, s.commitBulk)
	var err error
	if s.relay, err = relay.New(cfg.DevLake, cfg.Outbox, relaySource{s}, c, log, reg); err != nil {
		return nil, err
	}
	if reg == nil {
		return s, nil
	}
	held := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fawkes_dora_projection_position", Help: "Number of the last event that the projection holds."},
		func() float64 { return float64(s.projector.position().seq) })
	writes := writeSeconds()
	if timed, ok := store.(interface {
		measure(func(work string, took time.Duration))
	}); ok {
		timed.measure(func(work string, took time.Duration) { writes.WithLabelValues(work).Observe(took.Seconds()) })
	}
	for _, m := range []prometheus.Collector{s.count.events, s.count.deliveries, s.count.dropped, held, s.gauges, writes} {
		if err := reg.Register(m); err != nil {
			return nil, fmt.Errorf("register a metric: %w", err)
		}
	}
	return s, nil
}

// Run keeps the projection up to date, and DevLake informed, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	defer s.relay.Begin(ctx)()
	purged := make(chan struct{})
	go func() {
		defer close(purged)
		s.purge(ctx)
	}()
	err := s.projector.run(ctx)
	<-purged
	return err
}

// Stop stores what callers still wait for.
func (s *Service) Stop(context.Context) error {
	s.gauges.close()
	s.committer.Close()
	s.bulk.Close()
	return nil
}

// appended says of each record of one caller whether it was new, or why none of
// them was taken.
type appended struct {
	fresh []bool
	err   error
}

// commit stores the records of several callers in one transaction. When that
// fails for a reason that may lie in what one of them sent, each is stored by
// itself, so that none fails for another's fault.
func (s *Service) commit(ctx context.Context, batch [][]Record) ([]appended, error) {
	n := 0
	for _, b := range batch {
		n += len(b)
	}
	all := make([]Record, 0, n)
	for _, b := range batch {
		all = append(all, b...)
	}
	out := make([]appended, len(batch))
	fresh, err := s.store.Append(ctx, all)
	switch {
	case err == nil:
		for i, b := range batch {
			out[i].fresh, fresh = fresh[:len(b):len(b)], fresh[len(b):]
		}
	case len(batch) == 1 || sqlstore.Transient(err) || ctx.Err() != nil:
		return nil, err
	default:
		for i, b := range batch {
			out[i].fresh, out[i].err = s.store.Append(ctx, b)
		}
	}
	return out, nil
}

// Take makes events durable; it says of each whether it was new. Events of one
// delivery are stored together or not at all.
func (s *Service) Take(ctx context.Context, events []event.Event) ([]bool, error) {
	records, err := s.records(events)
	if err != nil || len(records) == 0 {
		return nil, err
	}
	return s.submit(ctx, s.committer, records)
}

// takeBulk is Take for many events beside live traffic: each part in a
// transaction of its own, so that single events do not wait in one with them.
func (s *Service) takeBulk(ctx context.Context, records []Record) ([]bool, error) {
	return s.submit(ctx, s.bulk, records)
}

func (s *Service) submit(ctx context.Context, c *sqlstore.Committer[[]Record, appended], records []Record) ([]bool, error) {
	got, err := c.Submit(ctx, records)
	if err == nil {
		err = got.err
	}
	if err != nil {
		return nil, err
	}
	s.taken(records, got.fresh)
	return got.fresh, nil
}

func (s *Service) taken(records []Record, fresh []bool) {
	stored := 0
	for i, r := range records {
		result := "duplicate"
		if fresh[i] {
			result = "stored"
			stored++
		}
		s.count.events.WithLabelValues(string(r.Origin.Type), result).Inc()
	}
	if stored > 0 {
		s.projector.came(stored)
		s.tail.notify()
	}
}

// records packs events for the log.
func (s *Service) records(events []event.Event) ([]Record, error) {
	now := event.Micros(s.clock.Now())
	out := make([]Record, 0, len(events))
	place := map[string]int{} // the next in each delivery: what is one delivery to us may bring several of the source's
	for _, e := range events {
		n := place[e.Delivery]
		place[e.Delivery]++
		r, err := NewRecord(e, n, now)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// NewRecord packs an event for the log; n is its place in its delivery, now the
// time of receipt.
func NewRecord(e event.Event, n int, now event.Time) (Record, error) {
	packed, err := event.Pack(e.Body)
	if err != nil {
		return Record{}, err
	}
	return Record{
		Origin: Origin{Project: e.Project, Source: e.Source, Type: e.Body.Type(), Repo: event.Repo(e.Body), Service: event.Service(e.Body)},
		Key:    event.KeyOf(e, n, packed), At: e.At, ReceivedAt: now, Entity: entityOf(e.Body), Body: packed,
	}, nil
}

// entityOf is Record.Entity: set for what has evidence of its own.
func entityOf(b event.Body) int64 {
	switch b.Type() {
	case event.TypeDeployment, event.TypeIncident:
		return entityNamed(b.Entity())
	}
	return 0
}

func entityNamed(id string) int64 {
	sum := sha256.Sum256([]byte(id))
	return int64(binary.LittleEndian.Uint64(sum[:8])>>1) | 1 // never 0
}
