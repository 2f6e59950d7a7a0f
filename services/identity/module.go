package identity

import (
	"context"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/jobs"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/services/identity/migrations"
)

// maintenance is how often keys and leftovers are looked at.
const maintenance = time.Hour

// Module is identity as the program sees it.
func Module() module.Module {
	return module.Module{
		Name:       "identity",
		Summary:    "sign-in, sessions, API tokens, and the keys by which every service verifies callers",
		Config:     keys(),
		Migrations: migrations.FS,
		Routes:     []string{"/api/identity/", "/signin", "/signout"},
		New:        open,
	}
}

func keys() []config.Key {
	day := 24 * time.Hour
	return []config.Key{
		{Name: "identity.session_idle", Default: "24h", Doc: "A browser session that is not used for so long ends.", Check: config.IsDuration(5*time.Minute, 90*day)},
		{Name: "identity.session_life", Default: "720h", Doc: "A browser session ends after so long, used or not.", Check: config.IsDuration(5*time.Minute, 365*day)},
		{Name: "identity.token_life", Default: "2160h", Doc: "The life of an API token that names none.", Check: config.IsDuration(time.Minute, 3650*day)},
		{Name: "identity.token_max_life", Default: "8760h", Doc: "The longest life an API token may ask for.", Check: config.IsDuration(time.Minute, 3650*day)},
		{Name: "identity.key_rotation", Default: "720h", Doc: "How often a new signing key is made.", Check: config.IsDuration(2*time.Hour, 365*day)},
		{Name: "identity.bootstrap_token", Secret: true, Doc: "An admin token for this process's life, fwk_ and 43 random base62 digits; empty: none.", Check: config.CheckFunc(checkBootstrap)},
	}
}

func open(ctx context.Context, d module.Deps) (*module.Service, error) {
	s, err := NewService(ctx, Config{
		SessionIdle:    d.Config.Duration("session_idle"),
		SessionLife:    d.Config.Duration("session_life"),
		TokenLife:      min(d.Config.Duration("token_life"), d.Config.Duration("token_max_life")),
		TokenMaxLife:   d.Config.Duration("token_max_life"),
		KeyRotation:    d.Config.Duration("key_rotation"),
		BootstrapToken: d.Config.String("bootstrap_token"),
		PublicURL:      d.PublicURL,
	}, NewStore(d.DB), d.Clock, d.Log, d.Metrics)
	if err != nil {
		return nil, err
	}
	// Identity judges its own callers from its store and remembers nothing, so that a revocation holds here at once.
	verifier, err := auth.NewVerifier(auth.Options{Audience: "identity", Issuer: s, NoCache: true, Clock: d.Clock, Log: d.Log})
	if err != nil {
		return nil, err
	}
	api := httpapi.New(httpapi.Options{
		Service: "identity", Title: "Identity", Version: "1",
		Description: "Sign-in, sessions, API tokens, workload tokens, and the keys by which every service verifies its callers.",
		Log:         d.Log, Tracer: d.Tracer, Metrics: d.Metrics, Verifier: verifier, Clock: d.Clock,
	})
	s.register(api.Huma())
	p, err := newPages(s)
	if err != nil {
		return nil, err
	}
	p.register(api)

	queue, err := jobs.New(ctx, d.DB, jobs.Options{Logger: d.Log, Workers: 1})
	if err != nil {
		return nil, err
	}
	if err := queue.Periodic("identity-maintenance", maintenance, s.Maintain); err != nil {
		return nil, err
	}
	return &module.Service{
		Handler: api.Handler(),
		Start: func(ctx context.Context) error {
			if err := queue.Start(ctx); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		},
		Stop:  queue.Stop,
		Ready: s.ready,
	}, nil
}

// ready looks for a signing key, without which no service can be used.
func (s *Service) ready(ctx context.Context) []module.Check {
	_, err := s.keys.signing(ctx)
	return []module.Check{{Name: "signing key", Err: err}}
}
