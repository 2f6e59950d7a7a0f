package gitops

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/webhook"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/environment"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/manifest"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/mirror"
)

// Config is what can be set.
type Config struct {
	Concurrency  int           // applications that are looked at at the same time
	Poll         time.Duration // between two looks at the repository when no webhook comes
	Resync       time.Duration // between two looks at every application
	RolloutLimit time.Duration // a roll-out that is neither healthy nor degraded after it has failed
	PublicURL    string        // where people see applications
}

// Engine brings what runs into agreement with what the environment repository
// says. Refresh, Reconcile and WriteChanges are its three steps; Run calls them
// when there is reason to.
type Engine struct {
	cfg     Config
	store   *Store
	outbox  *webhook.Outbox
	mirror  *mirror.Mirror
	render  *manifest.Renderer
	cluster Cluster
	clock   clock.Clock
	log     *slog.Logger
	count   *counters
	hub     *hub
	queue   *queue
	refresh chan struct{} // somebody pushed
	changes chan struct{} // something is to be written

	began    atomic.Bool // the cluster was started
	fetching sync.Mutex  // one Refresh or WriteChanges at a time

	locks sync.Map // application -> *sync.Mutex

	mu      sync.Mutex
	conns   Connections
	known   repository
	resumed map[int64]time.Time // operations that this process has taken up, and when
}

// repository is what was last read of the environment repository.
type repository struct {
	head         string
	environments environment.Environments
	problem      string // why it is not read, "" when it is
	read         time.Time
}

// NewEngine makes the engine with what the store remembers. It starts nothing.
func NewEngine(ctx context.Context, cfg Config, store *Store, m *mirror.Mirror, cluster Cluster, outbox *webhook.Outbox, clk clock.Clock, log *slog.Logger) (*Engine, error) {
	e := &Engine{
		cfg: cfg, store: store, outbox: outbox, mirror: m, render: manifest.NewRenderer(500), cluster: cluster, clock: clk, log: log, count: newCounters(),
		hub: newHub(), queue: newQueue(), refresh: make(chan struct{}, 1), changes: make(chan struct{}, 1), resumed: map[int64]time.Time{},
	}
	var err error
	if e.conns, err = store.loadConnections(ctx); err != nil {
		return nil, err
	}
	e.known.problem = "the repository has not been read yet"
	if e.conns.Repository.URL == "" {
		e.known.problem = noRepository
	}
	return e, nil
}

const noRepository = "no environment repository is connected"

// connections are those of now.
func (e *Engine) connections() Connections {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.conns
}

// repository is what is known of the repository now.
func (e *Engine) repository() repository {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.known
}

// Kick has the repository be looked at soon.
func (e *Engine) Kick() { poke(e.refresh) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run follows the repository, the cluster and the clock until ctx ends, and
// returns when everything at hand is done.
func (e *Engine) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group.Go(func() { e.follow(ctx) })
	group.Go(func() { e.write(ctx) })
	group.Go(func() { e.watch(ctx) })
	e.queue.run(ctx, e.cfg.Concurrency, func(name string) time.Duration {
		wait, err := e.Reconcile(ctx, name)
		if err != nil && ctx.Err() == nil {
			e.log.Warn("an application could not be reconciled; it is tried again", "application", name, "error", err)
			return max(wait, 2*time.Second)
		}
		return wait
	})
	return nil
}

// follow looks at the repository when somebody pushed, and every so often.
func (e *Engine) follow(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		wait := e.cfg.Poll
		if err := e.Refresh(ctx); err != nil && ctx.Err() == nil {
			failures++
			wait = min(time.Duration(failures*failures)*200*time.Millisecond, e.cfg.Poll)
			if failures == 3 {
				e.log.Warn("the environment repository cannot be read; it is tried again", "error", err)
			}
		} else {
			failures = 0
		}
		pause(ctx, wait, e.refresh)
	}
}

// write writes changes into the repository when there are some.
func (e *Engine) write(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		wait := e.cfg.Poll
		if err := e.WriteChanges(ctx); err != nil && ctx.Err() == nil {
			failures++
			wait = min(time.Duration(failures*failures)*200*time.Millisecond, e.cfg.Poll)
			if failures == 3 {
				e.log.Warn("the environment repository cannot be written; it is tried again", "error", err)
			}
		} else {
			failures = 0
		}
		pause(ctx, wait, e.changes)
	}
}

// keepNotifications is how long a notification that was delivered, or given up, is
// kept.
const keepNotifications = 30 * 24 * time.Hour

// watch follows the cluster, and looks at every application every so often.
func (e *Engine) watch(ctx context.Context) {
	tick := time.NewTicker(e.cfg.Resync)
	defer tick.Stop()
	tidy := time.NewTicker(time.Hour)
	defer tidy.Stop()
	events := e.cluster.Watch()
	e.all(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case name, open := <-events:
			if !open {
				events = nil
				continue
			}
			e.queue.add(name, 0)
		case <-tick.C:
			e.all(ctx)
		case <-tidy.C:
			if _, err := e.outbox.Prune(ctx, e.clock.Now().Add(-keepNotifications)); err != nil && ctx.Err() == nil {
				e.log.Warn("old notifications could not be forgotten", "error", err)
			}
		}
	}
}

func (e *Engine) all(ctx context.Context) {
	apps, err := e.store.Applications(ctx)
	if err != nil && ctx.Err() == nil {
		e.log.Warn("applications cannot be listed", "error", err)
	}
	for _, a := range apps {
		e.queue.add(a.Name, 0)
	}
}

// pause waits for a time, for a signal or for the end.
func pause(ctx context.Context, d time.Duration, signal <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-signal:
	}
}

// lock holds an application; the function it returns lets go.
func (e *Engine) lock(name string) func() {
	v, _ := e.locks.LoadOrStore(name, &sync.Mutex{})
	m, ok := v.(*sync.Mutex)
	if !ok {
		return func() {}
	}
	m.Lock()
	return m.Unlock
}

// Reconcile does what there is to do for one application now, and says when to
// look again (0: when something happens).
func (e *Engine) Reconcile(ctx context.Context, name string) (time.Duration, error) {
	defer e.lock(name)()
	a, err := e.store.Application(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return 0, nil // the cluster told of something that is not ours
	}
	if err != nil {
		return 0, err
	}
	last, err := e.store.LastOperation(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	if last.Phase == running {
		return e.advance(ctx, a, last)
	}
	return e.decide(ctx, a, last)
}

// objects renders a tree of an application.
func (e *Engine) objects(ctx context.Context, a Application, tree string) ([]Object, error) {
	return e.render.Render(tree, a.Path(), func() (map[string][]byte, error) { return e.mirror.Tree(ctx, tree, a.Path()) })
}

// keep stores an application when it has changed, and tells of it.
func (e *Engine) keep(ctx context.Context, before, now Application) error {
	if same(before, now) {
		return nil
	}
	now.Updated = e.clock.Now()
	if err := e.store.Tx(ctx, func(tx *sql.Tx) error { return e.store.PutApplication(ctx, tx, now) }); err != nil {
		return err
	}
	e.hub.tell(now.Name)
	return nil
}

func same(a, b Application) bool {
	a.Updated, b.Updated = time.Time{}, time.Time{}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// newUID is the identity of an application, as Kubernetes writes one.
func newUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
