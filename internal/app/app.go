// Package app puts the platform together: which modules run, in which order,
// with which databases, behind which address.
//
// An App is a value. New checks the options and touches nothing; Start brings
// everything up or, when a part fails, takes down what was up and says why; Stop
// lets work at hand end and takes down in reverse order. One process may hold
// several, which tests use.
//
//	a, err := app.New(app.Options{Modules: app.Modules(), StateDir: dir, Env: os.Environ()})
//	err = a.Start(ctx)
//	…
//	err = a.Stop(ctx)
//
// All that differs between a laptop and a cluster is decided here and in
// Options, in no service.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/backup"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
	"github.com/fawkes-idp/fawkes/internal/kit/telemetry"
	"github.com/prometheus/client_golang/prometheus"
)

// App is the platform, or one service of it.
type App struct {
	opts    Options
	modules []module.Module // in the order of their start
	config  *config.Config
	log     *slog.Logger
	metrics *telemetry.Metrics
	network peer.Network
	inside  *peer.Listener

	restarts *prometheus.CounterVec
	closing  chan struct{} // closed when the stop begins
	failed   chan error

	life    sync.Mutex // held while starting and while stopping
	running []*running
	undo    []step // in the order they were done
	started bool
	stopped bool

	mu   sync.Mutex // guards what others ask for while it starts or stops
	addr string
	url  string
}

// step is one thing to take down again.
type step struct {
	name string
	run  func(context.Context) error
}

// New checks the options: the modules and their order, the settings, the
// addresses. It opens nothing and starts nothing.
func New(opts Options) (*App, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	chosen, err := Select(opts.Modules, opts.Target)
	if err != nil {
		return nil, err
	}
	sorted, err := order(chosen, names(opts.Modules))
	if err != nil {
		return nil, err
	}
	cfg, err := LoadConfig(opts.Modules, opts.ConfigFile, opts.Env, opts.Settings)
	if err != nil {
		return nil, err
	}
	a := &App{opts: opts, modules: sorted, config: cfg, log: opts.Log, inside: peer.NewListener(), closing: make(chan struct{}), failed: make(chan error, 1)}
	a.network, err = peer.New(peer.Options{Local: names(sorted), Listener: a.inside, URLs: peer.FromEnv(opts.Env)})
	if err != nil {
		return nil, err
	}
	if a.metrics, err = telemetry.NewMetrics(opts.Version); err != nil {
		return nil, err
	}
	a.restarts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fawkes_app_background_restarts_total", Help: "How often a module's background work was started again after it failed.",
	}, []string{"module"})
	if err := a.metrics.Process().Register(a.restarts); err != nil {
		return nil, fmt.Errorf("register the metrics of the program: %w", err)
	}
	return a, nil
}

// LoadConfig reads the settings of all modules, whichever of them run, so that
// one file serves every service.
func LoadConfig(modules []module.Module, file string, env []string, settings map[string]string) (*config.Config, error) {
	keys := Settings()
	for _, m := range modules {
		keys = append(keys, m.Config...)
	}
	return config.Load(keys, file, env, settings)
}

// Start brings the platform up: the address is taken first, so that a port in
// use is known before anything else happens; then each module in order; then
// requests are answered and background work begins. When a part fails, the parts
// before it are taken down again.
func (a *App) Start(ctx context.Context) (err error) {
	a.life.Lock()
	defer a.life.Unlock()
	if a.started || a.stopped {
		return errors.New("the program was started before")
	}
	a.started = true
	defer func() {
		if err != nil {
			a.stopped = true
			clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), DrainFor)
			defer cancel()
			err = errors.Join(err, a.rollBack(clean))
		}
	}()
	listener, err := listen(ctx, a.opts.Listen)
	if err != nil {
		return err
	}
	if a.opts.StateDir != "" {
		// A restoration that was interrupted at its very end is completed.
		if err := backup.Finish(a.opts.StateDir); err != nil {
			return errors.Join(fmt.Errorf("complete the restoration of %s: %w", a.opts.StateDir, err), listener.Close())
		}
	}
	a.later("listener", func(context.Context) error { return ignoreClosed(listener.Close()) })
	a.reachable(listener.Addr().String())
	for _, m := range a.modules {
		began := time.Now()
		r, err := a.bring(ctx, m)
		if err != nil {
			return fmt.Errorf("start %s: %w", m.Name, err)
		}
		a.running = append(a.running, r)
		if a.opts.Started != nil {
			a.opts.Started(m.Name, time.Since(began))
		}
	}
	root, err := a.root()
	if err != nil {
		return err
	}
	doors := serve(listener, a.inside, root, a.closing, limitsOf(a.config), a.log, a.failed)
	a.later("peers", doors.stopInside)
	for _, r := range a.running {
		if r.service.Start != nil {
			r.background = a.supervise(r)
			a.later(r.name+" background", r.background.stop)
		}
	}
	a.later("requests", doors.stopOutside)
	return nil
}

// reachable notes where it listens and where people reach it.
func (a *App) reachable(addr string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.addr, a.url = addr, a.opts.PublicURL
	if a.url == "" {
		a.url = "http://" + addr
	}
}

func (a *App) later(name string, run func(context.Context) error) {
	a.undo = append(a.undo, step{name, run})
}

// rollBack takes down in reverse what was brought up. A step that fails does not
// keep the others from their turn.
func (a *App) rollBack(ctx context.Context) error {
	var faults []error
	for i := len(a.undo) - 1; i >= 0; i-- {
		s := a.undo[i]
		began := time.Now()
		bounded, cancel := withGrace(ctx)
		if err := s.run(bounded); err != nil {
			faults = append(faults, fmt.Errorf("stop %s: %w", s.name, err))
		}
		cancel()
		a.log.Debug("stopped", "step", s.name, "seconds", time.Since(began).Seconds())
	}
	a.undo = nil
	return errors.Join(faults...)
}

// withGrace is ctx, or a last moment when ctx has ended: one step that used up
// the time must not make those after it give up without a try.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Err() == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
}

// Stop ends everything: no new request is taken, those at hand are answered,
// background work ends, then each module in reverse order. What has not ended
// when ctx does is broken off. A second call does nothing.
func (a *App) Stop(ctx context.Context) error {
	a.life.Lock()
	defer a.life.Unlock()
	if a.stopped {
		return nil
	}
	a.stopped = true
	close(a.closing)
	return a.rollBack(ctx)
}

// Addr is the address it listens on, once started.
func (a *App) Addr() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.addr
}

// URL is where people reach it, once started, without a slash at the end.
func (a *App) URL() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.url
}

// Names are the modules that run, in the order of their start.
func (a *App) Names() []string {
	out := make([]string, len(a.modules))
	for i, m := range a.modules {
		out[i] = m.Name
	}
	return out
}

// Failed delivers an error when the program can no longer answer requests; it
// should then be stopped.
func (a *App) Failed() <-chan error { return a.failed }
