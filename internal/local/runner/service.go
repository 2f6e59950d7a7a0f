// Package runner is the platform's build runner: it takes pushes, queues a run of the golden path for each, and runs
// them one after the other, as Jenkins or GitHub Actions would.
//
// # From a push to a run
//
// A signed push webhook becomes a queued run, once for each delivery, in one transaction. Runs of one branch go one
// at a time, and a newer push takes the place of those of its branch that still wait. A run fetches its commit into a
// folder of its own and starts `fawkes ci run` there, whose lines of progress become its stages, logs, artifacts and
// result. That program is kept by internal/sandbox: it ends with the platform, and everything it started with it. The
// pushed code itself is confined by the golden path, which runs each of its commands in a sandbox of its own.
//
// # When the platform is killed
//
// What a run did is in the database before anyone is told. At the next start every run that had begun is marked
// interrupted and comes again, once, as a new attempt in the same place of the queue. The end of each run that could
// not tell of it by itself is reported as a CDEvent from the same transaction that marks it.
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/webhook"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// Config is what can be set.
type Config struct {
	Folder        string        // of this module: runs, caches
	PublicURL     string        // where people reach the platform, without a slash at the end
	Program       []string      // what runs a pipeline: the platform's own binary and "ci", "run"
	Environ       []string      // of the platform; some of it is passed on, see inherited
	Concurrency   int           // runs at once
	KeepEveryPush bool          // a newer push does not take the place of those that wait
	Timeout       time.Duration // of one run
	Grace         time.Duration // from the asking to the killing
	Memory        int64         // of one run's processes together, in bytes; 0: no limit
	Processes     int           // of one run at once; 0: no limit
	LogBytes      int64         // of one stage's log
	KeepRuns      int           // whose artifacts and logs are kept
	KeepWork      int           // whose work folders are kept
	Tools         string        // the folder of scanners; empty: what is on the PATH
	GoCache       string        // the shared Go build cache
}

// Service is the runner. It is safe for concurrent use.
type Service struct {
	config  Config
	store   *store
	outbox  *webhook.Outbox
	clock   clock.Clock
	log     *slog.Logger
	auth    *auth.Verifier
	hub     *hub
	count   counters
	streams chan struct{}
	wake    chan struct{} // the queue may have something to begin

	mu      sync.Mutex
	active  map[string]*activeRun // by id
	running sync.WaitGroup
}

// activeRun is a run that this process works on.
type activeRun struct {
	branch string // repository and branch
	cancel context.CancelCauseFunc
}

// errCanceled ends a run because someone asked for it.
var errCanceled = errors.New("canceled")

func newService(c Config, db *sqlstore.DB, clk clock.Clock, log *slog.Logger, reg prometheus.Registerer, verifier *auth.Verifier) (*Service, error) {
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the runner's folder: %w", err)
	}
	s := &Service{
		config: c, store: &store{db: db}, clock: clk, log: log, auth: verifier, hub: newHub(),
		streams: make(chan struct{}, mostStreams), wake: make(chan struct{}, 1), active: map[string]*activeRun{},
	}
	s.outbox = webhook.New(db, webhook.Options{Clock: clk, Log: log, Endpoint: s.receiver, Agent: "fawkes-runner", Observe: s.reported})
	var err error
	s.count, err = newCounters(reg, s)
	return s, err
}

// marker is what the processes of a run carry; with an empty id it begins those of all runs.
func (s *Service) marker(id string) string { return s.config.Folder + "|runner|" + id }

// Run takes runs from the queue and works on them until ctx ends. What had begun when the platform ended is put in
// order first.
func (s *Service) Run(ctx context.Context) error {
	if err := s.recover(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	s.running.Go(func() { _ = s.outbox.Run(ctx) }) // it logs what fails, and tries again
	defer s.running.Wait()
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	for {
		var again <-chan time.Time
		if err := s.begin(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("the queue could not be read; it is tried again", "err", err)
			again = time.After(time.Second)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-s.wake:
		case <-tick.C:
			s.tidy(ctx)
		}
	}
}

// housekeeping is how often folders are looked at beside the end of each run.
const housekeeping = 10 * time.Minute

// poke makes the queue be looked at.
func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// recover ends what a killed platform left: its processes, then its runs.
func (s *Service) recover(ctx context.Context) error {
	killed, err := sandbox.Sweep(s.marker(""))
	if err != nil {
		return fmt.Errorf("end the processes of former runs: %w", err)
	}
	if killed > 0 {
		s.log.Warn("ended processes that a former platform left", "processes", killed)
	}
	ended, again, err := s.store.Recover(ctx, s.clock.Now(), s.reportEnd)
	if err != nil {
		return err
	}
	s.outbox.Wake()
	for _, r := range ended {
		s.count.ended(r)
		s.hub.changed(r.ID)
		s.log.Info("a run was interrupted", "run", r.ID, "repository", r.Repository, "status", r.Status)
	}
	for _, r := range again {
		s.hub.changed(r.ID)
		s.log.Info("an interrupted run comes again", "run", r.ID, "retry_of", r.RetryOf)
	}
	return nil
}

// begin starts as many runs as may run now.
func (s *Service) begin(ctx context.Context) error {
	c, err := s.store.Connections(ctx)
	if err != nil {
		return err
	}
	if c.Ready() != "" {
		return nil // it idles until something is connected
	}
	waiting, err := s.store.Next(ctx, mostLooked)
	if err != nil {
		return err
	}
	for _, r := range waiting {
		select {
		case <-ctx.Done():
			return nil // what waits begins at the next start
		default:
		}
		if err := s.beginRun(ctx, r, c); err != nil {
			return err
		}
	}
	return nil
}

// mostLooked is how many branches are looked at for a run that may begin.
const mostLooked = 500

func (s *Service) beginRun(ctx context.Context, r Run, c Connections) error {
	branch := r.Repository + " " + r.Branch
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	free := len(s.active) < s.config.Concurrency
	for _, a := range s.active {
		free = free && a.branch != branch
	}
	if free {
		s.active[r.ID] = &activeRun{branch: branch, cancel: cancel}
	}
	s.mu.Unlock()
	if !free {
		cancel(nil)
		return nil
	}
	r.Status, r.Started = Running, s.clock.Now()
	if err := s.store.Move(ctx, r, Queued); err != nil {
		s.done(r.ID)
		cancel(nil)
		if errors.Is(err, errMoved) {
			return nil // canceled or superseded meanwhile
		}
		return err
	}
	s.hub.changed(r.ID)
	s.running.Go(func() {
		defer cancel(nil)
		defer s.poke()
		defer s.done(r.ID)
		s.execute(ctx, r, c)
	})
	return nil
}

func (s *Service) done(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, id)
}

// Cancel ends a run, whether it waits or runs; one that is over stays as it is.
func (s *Service) Cancel(ctx context.Context, id, by string) (Run, error) {
	r, err := s.store.Run(ctx, id)
	if err != nil {
		return r, err
	}
	if r.Status == Queued {
		r.Status, r.Reason, r.Finished = Canceled, "canceled by "+by, s.clock.Now()
		r.Detail.close(Canceled, r.Reason, r.Finished)
		err := s.store.Move(ctx, r, Queued)
		if err == nil {
			s.count.ended(r)
			s.hub.changed(id)
			return s.store.Run(ctx, id)
		}
		if !errors.Is(err, errMoved) {
			return r, err
		}
	}
	if err := s.store.AskCancel(ctx, id, by); err != nil {
		return r, err
	}
	s.mu.Lock()
	if a := s.active[id]; a != nil {
		a.cancel(errCanceled)
	}
	s.mu.Unlock()
	s.hub.changed(id)
	return s.store.Run(ctx, id)
}

// Repeat queues a run that is over once more.
func (s *Service) Repeat(ctx context.Context, id string) (Run, error) {
	r, err := s.store.Run(ctx, id)
	if err != nil {
		return r, err
	}
	if !r.Status.Final() {
		return r, fmt.Errorf("%w: it is %s", errMoved, r.Status)
	}
	return s.enqueue(ctx, r.again(Retry, s.clock.Now()))
}

// enqueue queues a run that a person asked for.
func (s *Service) enqueue(ctx context.Context, r Run) (Run, error) {
	if _, _, err := s.store.Enqueue(ctx, r, "", false); err != nil {
		return r, err
	}
	s.hub.changed(r.ID)
	s.poke()
	return s.store.Run(ctx, r.ID)
}

// Begin queues a run for what a branch is now.
func (s *Service) Begin(ctx context.Context, repository, ref string) (Run, error) {
	c, err := s.store.Connections(ctx)
	if err != nil {
		return Run{}, err
	}
	if missing := c.Ready(); missing != "" {
		return Run{}, fmt.Errorf("%w: %s", errNotConnected, missing)
	}
	g, err := newGit(s.variable("PATH"), "/", s.marker("resolve"), c)
	if err != nil {
		return Run{}, err
	}
	at, err := g.resolve(ctx, c.repository(repository), ref)
	if err != nil {
		return Run{}, err
	}
	r := newRun(Manual, s.clock.Now())
	r.Repository, r.CloneURL, r.Branch, r.SHA, r.DefaultBranch = repository, c.repository(repository), at.branch, at.sha, at.defaultBranch
	return s.enqueue(ctx, r)
}

// errNotConnected says that the runner does not know a server that it needs.
var errNotConnected = errors.New("the runner is not connected")

// folder is that of a run.
func (s *Service) folder(id string) string { return filepath.Join(s.config.Folder, "runs", id) }

// variable reads one variable of the platform's environment.
func (s *Service) variable(name string) string {
	for _, kv := range s.config.Environ {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v
		}
	}
	return ""
}
