package gitops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/kit/webhook"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/migrations"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/mirror"
)

// Module is the stand-in for Argo CD as the program sees it: applications run as
// processes of this machine.
func Module() module.Module {
	return On(func(d module.Deps, conns func() Connections) (Cluster, error) {
		return newProcesses(d, filepath.Join(d.Folder, "runtime"), conns)
	})
}

// On is the module with another cluster below it.
func On(cluster func(d module.Deps, conns func() Connections) (Cluster, error)) module.Module {
	return module.Module{
		Name:       "gitops",
		Summary:    "applications: what the environment repository says, rolled out, promoted and rolled back",
		Config:     keys(),
		Migrations: migrations.FS,
		Routes:     []string{"/api/gitops/", hookPath},
		New: func(ctx context.Context, d module.Deps) (*module.Service, error) {
			return open(ctx, d, cluster)
		},
	}
}

func keys() []config.Key {
	return []config.Key{
		{Name: "gitops.concurrency", Default: "8", Doc: "How many applications are reconciled at the same time.", Check: config.IsInt(1, 100)},
		{Name: "gitops.poll", Default: "30s", Doc: "How often the environment repository is looked at when no webhook comes.", Check: config.IsDuration(time.Second, time.Hour)},
		{Name: "gitops.resync", Default: "10s", Doc: "How often every application is compared with what runs.", Check: config.IsDuration(time.Second, time.Hour)},
		{Name: "gitops.rollout_limit", Default: "10m", Doc: "A roll-out that is neither healthy nor degraded after so long has failed.", Check: config.IsDuration(time.Second, 24*time.Hour)},
		{Name: "gitops.ingress_port", Default: "8081", Doc: "The first choice for the port at which Ingresses answer.", Check: config.IsInt(1, 65535)},
	}
}

func open(ctx context.Context, d module.Deps, cluster func(module.Deps, func() Connections) (Cluster, error)) (*module.Service, error) {
	if d.Folder == "" {
		return nil, errors.New("gitops needs a state folder")
	}
	if err := os.MkdirAll(d.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of gitops: %w", err)
	}
	store := NewStore(d.DB)
	m, err := mirror.Open(ctx, filepath.Join(d.Folder, "environments.git"))
	if err != nil {
		return nil, err
	}
	var e *Engine
	// The cluster and the outbox ask for connections when they work, which is after e is made.
	conns := func() Connections { return e.connections() }
	c, err := cluster(d, conns)
	if err != nil {
		return nil, err
	}
	outbox := webhook.New(d.DB, webhook.Options{
		Clock: d.Clock, Log: d.Log, Agent: "fawkes-gitops/" + d.Version,
		Endpoint: func(context.Context, string) (webhook.Endpoint, error) {
			events := conns().Events
			if events.URL == "" {
				return webhook.Endpoint{}, errors.New("nobody listens to events: no address is connected")
			}
			header := map[string]string{}
			if events.Token != "" {
				header["Authorization"] = "Bearer " + events.Token
			}
			return webhook.Endpoint{URL: events.URL, Header: header}, nil
		},
	})
	e, err = NewEngine(ctx, Config{
		Concurrency: d.Config.Int("concurrency"), Poll: d.Config.Duration("poll"), Resync: d.Config.Duration("resync"),
		RolloutLimit: d.Config.Duration("rollout_limit"), PublicURL: d.PublicURL,
	}, store, m, c, outbox, d.Clock, d.Log)
	if err != nil {
		return nil, err
	}
	for _, collector := range append(e.count.all(), &standing{e}) {
		if err := d.Metrics.Register(collector); err != nil {
			return nil, fmt.Errorf("register the metrics of gitops: %w", err)
		}
	}
	api := httpapi.New(httpapi.Options{
		Service: "gitops", Title: "GitOps", Version: "1",
		Description: "What the environment repository wants of each application, what runs, and the way between the two: diff, sync, history, rollback, promotion.",
		Log:         d.Log, Tracer: d.Tracer, Metrics: d.Metrics, Verifier: d.Auth, Clock: d.Clock,
	})
	s := &server{e: e, auth: d.Auth, streams: make(chan struct{}, 100)}
	s.register(api)
	return &module.Service{
		Handler: api.Handler(),
		Start:   func(ctx context.Context) error { return e.run(ctx) },
		Stop:    e.stop,
		Ready:   e.ready,
	}, nil
}

// run starts the cluster, and then everything else until ctx ends.
func (e *Engine) run(ctx context.Context) error {
	if r, ok := e.cluster.(Runner); ok && !e.began.Swap(true) {
		if err := r.Start(ctx); err != nil {
			return fmt.Errorf("start what applications run on: %w", err)
		}
	}
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group.Go(func() { _ = e.outbox.Run(ctx) }) // it tells its faults to the log
	return e.Run(ctx)
}

// stop ends what runs.
func (e *Engine) stop(ctx context.Context) error {
	if r, ok := e.cluster.(Runner); ok && e.began.Load() {
		return r.Stop(ctx)
	}
	return nil
}

// ready says whether the repository can be read, once there is one.
func (e *Engine) ready(context.Context) []module.Check {
	return nil // an environment repository that is away stops nothing that runs; the API says so
}

// standing measures how applications stand.
type standing struct{ e *Engine }

func (s *standing) desc() *prometheus.Desc {
	return prometheus.NewDesc("fawkes_gitops_applications", "Applications by health and state against the repository.", []string{"health", "sync"}, nil)
}

// Describe is part of prometheus.Collector.
func (s *standing) Describe(out chan<- *prometheus.Desc) { out <- s.desc() }

// Collect is part of prometheus.Collector.
func (s *standing) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	apps, err := s.e.store.Applications(ctx)
	if err != nil {
		return // the next look tells
	}
	n := map[[2]string]float64{}
	for _, a := range apps {
		if a.Present || a.Applied {
			n[[2]string{a.Health.Status, a.Sync}]++
		}
	}
	for k, v := range n {
		out <- prometheus.MustNewConstMetric(s.desc(), prometheus.GaugeValue, v, k[0], k[1])
	}
}

// server answers requests.
type server struct {
	e       *Engine
	auth    *auth.Verifier
	streams chan struct{}
}
