package relay

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// Relay brings the outbox to DevLake.
type Relay struct {
	cfg    Config
	outbox *Outbox
	source Source
	clock  clock.Clock
	log    *slog.Logger
	client *client
	meters *meters
	holder string

	// The rest belongs to the goroutine that runs.
	lease    lease
	held     bool
	began    bool      // held it before
	renewed  time.Time // the lease
	claims   int64
	breaker  *breaker
	marks    map[string]mark
	feeds    map[string]*feed
	ready    map[string]bool      // projects that are set up
	setUpAt  map[string]time.Time // not before
	setUpBad map[string]int       // failures in a row
	noted    string               // what seen wrote last
	notedAt  time.Time
	proven   bool   // DevLake took a request of this process
	said     string // what was logged last
	measured time.Time
}

// New makes a relay. Without a URL it relays nothing and only tells so.
func New(cfg Config, outbox *Outbox, source Source, c clock.Clock, log *slog.Logger, reg prometheus.Registerer) (*Relay, error) {
	cfg = cfg.withDefaults()
	r := &Relay{cfg: cfg, outbox: outbox, source: source, clock: c, log: log, meters: newMeters()}
	if !r.Configured() {
		return r, nil
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("name the relay's process: %w", err)
	}
	r.holder, r.client = hex.EncodeToString(id[:]), newClient(cfg)
	if reg != nil {
		if err := r.meters.register(reg); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Configured reports whether there is a DevLake to relay to.
func (r *Relay) Configured() bool { return r.cfg.URL != "" && r.outbox != nil }

// Outbox is where the relay's items are; nil without a database.
func (r *Relay) Outbox() *Outbox { return r.outbox }

// Status is how the relay stands, whichever process runs it.
func (r *Relay) Status(ctx context.Context) (Status, error) {
	if !r.Configured() {
		return Status{}, nil
	}
	s, err := r.outbox.status(ctx, r.clock.Now())
	if err != nil {
		return Status{}, err
	}
	s.Configured, s.URL = true, r.cfg.URL
	if f := r.cfg.fault(); f != nil {
		s.Fault = f.Error()
	}
	return s, nil
}

// Begin runs the relay until ctx ends or the function that it returns is called,
// which waits for it. What fails is logged and tried again: the service goes on
// without it.
func (r *Relay) Begin(ctx context.Context) (end func()) {
	if !r.Configured() {
		return func() {}
	}
	if f := r.cfg.fault(); f != nil {
		r.log.WarnContext(ctx, "nothing is relayed to DevLake", "error", f)
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (r *Relay) run(ctx context.Context) {
	r.forget()
	defer r.leave(context.WithoutCancel(ctx))
	failures := 0
	for ctx.Err() == nil {
		more, err := r.contained(ctx)
		pause := r.cfg.Pace.Poll
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.forget()
			pause = backoff(r.cfg.Pace.Poll, time.Minute, failures)
			failures++
			r.log.ErrorContext(ctx, "the relay to DevLake failed and is started again", "after", pause.String(), "error", err)
		case more:
			failures = 0
			continue
		default:
			failures = 0
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// contained turns a panic of a step into an error.
func (r *Relay) contained(ctx context.Context) (more bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %v\n%s", p, debug.Stack())
		}
	}()
	more, err = r.step(ctx)
	if errors.Is(err, errLost) {
		r.forget()
		return false, nil
	}
	return more, err
}

// forget drops what is known only because this process held the relay.
func (r *Relay) forget() {
	r.held, r.lease = false, lease{}
	r.breaker = newBreaker(r.cfg.Pace.Probe)
	r.marks, r.feeds = nil, map[string]*feed{}
	r.ready, r.setUpAt, r.setUpBad = map[string]bool{}, map[string]time.Time{}, map[string]int{}
	r.noted, r.notedAt = "", time.Time{}
	r.meters.reset()
}

func (r *Relay) leave(ctx context.Context) {
	if !r.held {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := r.outbox.release(ctx, r.lease); err != nil {
		r.log.WarnContext(ctx, "the relay's lease was not given back and has to run out", "error", err)
	}
	r.forget()
}

func (r *Relay) leased() time.Time { return r.clock.Now().Add(r.cfg.Pace.Lease) }

// hold takes or renews the lease. At rest it is renewed when half of it is over,
// so that little is written; every write of the relay renews and checks it anyway.
func (r *Relay) hold(ctx context.Context, now time.Time) (bool, error) {
	if r.held && now.Sub(r.renewed) >= 0 && now.Sub(r.renewed) < r.cfg.Pace.Lease/2 {
		return true, nil
	}
	l, held, err := r.outbox.acquire(ctx, r.holder, r.cfg.URL, !r.began && r.outbox.db.FoundAlone(), now, r.leased())
	if err != nil {
		return false, err
	}
	if !held || r.held && l.fence != r.lease.fence {
		r.forget()
	}
	if held {
		r.lease, r.held, r.began, r.renewed = l, true, true, now
	}
	return held, nil
}

// step does a round of the work; it reports whether there is more to do at once.
func (r *Relay) step(ctx context.Context) (more bool, err error) {
	now := r.clock.Now()
	if held, err := r.hold(ctx, now); err != nil || !held {
		return false, err
	}
	if err := r.follow(ctx); err != nil {
		return false, err
	}
	if err := r.measure(ctx); err != nil {
		return false, err
	}
	if r.breaker.open {
		if now.Before(r.breaker.until) {
			return false, nil
		}
		if err := r.client.probe(ctx); err != nil {
			return false, r.unwell(ctx, err)
		}
		if err := r.well(ctx); err != nil {
			return false, err
		}
		r.ready = map[string]bool{} // it may be another DevLake than before
	}
	if err := r.prepare(ctx); err != nil || r.breaker.open {
		return false, err
	}
	return r.send(ctx)
}

// follow takes what is new in the projects' histories into the outbox.
func (r *Relay) follow(ctx context.Context) error {
	if r.marks == nil {
		marks, err := r.outbox.marks(ctx)
		if err != nil {
			return err
		}
		r.marks = marks
	}
	heads, err := r.source.Heads(ctx)
	if err != nil {
		return err
	}
	for _, h := range heads {
		m, known := r.marks[h.Project]
		if !r.cfg.Relays(h.Project) || !due(m, known, h, r.clock.Now()) {
			continue
		}
		spec, p, err := r.source.History(ctx, h)
		if errors.Is(err, ErrGone) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the history of %s: %w", h.Project, err)
		}
		f := r.feeds[h.Project]
		if f == nil {
			f = &feed{}
			r.feeds[h.Project] = f
		}
		next, fresh, err := f.take(ctx, r.outbox, r.lease, h, spec, p, r.clock.Now, r.leased)
		if err != nil {
			return err
		}
		r.marks[h.Project] = next
		if fresh || !known {
			missing, err := r.outbox.missing(ctx, h.Project)
			if err != nil {
				return err
			}
			if missing {
				delete(r.ready, h.Project)
			}
		}
	}
	return nil
}

// prepare sets up the projects that are not yet.
func (r *Relay) prepare(ctx context.Context) error {
	names := make([]string, 0, len(r.marks))
	for name := range r.marks {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if r.ready[name] || !r.cfg.Relays(name) || r.clock.Now().Before(r.setUpAt[name]) {
			continue
		}
		if err := r.prepareProject(ctx, name); err != nil || r.breaker.open {
			return err
		}
	}
	return nil
}
