package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/health"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// issuer is the module that says who is who.
const issuer = "identity"

// running is a module that has been brought up.
type running struct {
	name       string
	routes     []string
	service    *module.Service
	db         *sqlstore.DB // nil: it has none
	background *background  // nil: it has none
}

// bring opens a module's database and makes its service.
func (a *App) bring(ctx context.Context, m module.Module) (r *running, err error) {
	log := a.log.With("module", m.Name)
	r = &running{name: m.Name, routes: m.Routes}
	if m.Migrations != nil {
		if r.db, err = a.openDatabase(ctx, m); err != nil {
			return nil, err
		}
	}
	verifier, err := auth.NewVerifier(auth.Options{
		Audience: m.Name, Peers: a.identityPeers(), StaticToken: a.opts.StaticToken, Clock: a.opts.Clock, Log: log,
	})
	if err != nil {
		return nil, err
	}
	deps := module.Deps{
		Config: a.config.Section(m.Name), Log: log, Metrics: a.metrics.Module(m.Name), Tracer: a.tracer(m.Name),
		Clock: a.opts.Clock, DB: r.db, Auth: verifier, Peers: a.network, PublicURL: a.URL(), Version: a.opts.Version,
	}
	if a.opts.StateDir != "" {
		deps.Folder = filepath.Join(a.opts.StateDir, m.Name)
	}
	if r.service, err = makeService(ctx, m, deps); err != nil {
		return nil, err
	}
	if len(m.Routes) > 0 && r.service.Handler == nil {
		return nil, errors.New("it has routes but no handler")
	}
	if r.service.Stop != nil {
		a.later(m.Name, r.service.Stop)
	}
	return r, nil
}

// makeService calls the module; a panic in it is its failure to start, not ours.
func makeService(ctx context.Context, m module.Module, deps module.Deps) (s *module.Service, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %v", p)
		}
	}()
	if s, err = m.New(ctx, deps); err == nil && s == nil {
		err = errors.New("it made no service")
	}
	return s, err
}

func (a *App) openDatabase(ctx context.Context, m module.Module) (*sqlstore.DB, error) {
	url, err := a.opts.databaseURL(m.Name)
	if err != nil {
		return nil, err
	}
	db, err := sqlstore.Open(ctx, url, sqlstore.Options{Logger: a.log.With("module", m.Name), AppName: "fawkes-" + m.Name})
	if err != nil {
		return nil, err
	}
	a.later(m.Name+" database", func(context.Context) error { return db.Close() })
	if err := db.Migrate(ctx, m.Migrations); err != nil {
		return nil, err
	}
	return db, nil
}

// identityPeers is how verifiers reach identity. A service that runs alone with
// an operator token, and is not told where identity is, does without.
func (a *App) identityPeers() peer.Network {
	if a.opts.StaticToken == "" {
		return a.network
	}
	for _, m := range a.modules {
		if m.Name == issuer {
			return a.network
		}
	}
	if _, told := peer.FromEnv(a.opts.Env)[issuer]; told {
		return a.network
	}
	return nil
}

func (a *App) tracer(name string) trace.Tracer {
	if a.opts.Traces == nil {
		return noop.NewTracerProvider().Tracer(name)
	}
	return a.opts.Traces.Tracer(name)
}

// checks looks at everything the process depends on.
func (a *App) checks(ctx context.Context) []health.Check {
	select {
	case <-a.closing:
		return []health.Check{{Name: "process", Err: errors.New("it is stopping")}}
	default:
	}
	var all []health.Check
	for _, r := range a.running {
		if r.db != nil {
			all = append(all, health.Check{Name: r.name + " database", Err: r.db.Ready(ctx)})
		}
		if r.background != nil {
			all = append(all, health.Check{Name: r.name + " background", Err: r.background.fault()})
		}
		if r.service.Ready == nil {
			continue
		}
		for _, c := range r.service.Ready(ctx) {
			all = append(all, health.Check{Name: r.name + " " + c.Name, Err: c.Err})
		}
	}
	return all
}

// root routes every address to the module that has it.
func (a *App) root() (h http.Handler, err error) {
	mux, owner := http.NewServeMux(), ""
	defer func() {
		// ServeMux panics over patterns that contradict each other.
		if p := recover(); p != nil {
			err = fmt.Errorf("the routes of %s cannot be added: %v", owner, p)
		}
	}()
	owner = "the process"
	for pattern, handler := range map[string]http.Handler{
		"/healthz": health.Alive(), "/readyz": health.Ready(a.checks), "/metrics": a.metrics.Handler(a.log),
	} {
		mux.Handle(pattern, a.edge(handler))
	}
	top := false
	for _, r := range a.running {
		owner = r.name
		for _, route := range r.routes {
			mux.Handle(route, r.service.Handler)
			top = top || route == "/"
		}
	}
	if !top {
		mux.Handle("/", a.edge(http.NewServeMux()))
	}
	return mux, nil
}
