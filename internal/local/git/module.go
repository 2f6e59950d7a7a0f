package git

import (
	"context"
	"net/http"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/local/git/migrations"
)

// Module is the git server as the program sees it.
func Module() module.Module {
	return module.Module{
		Name:       "git",
		Summary:    "git repositories over smart HTTP, with branch protection and GitHub-shaped webhooks",
		Calls:      []string{"identity"},
		Config:     keys(),
		Migrations: migrations.FS,
		Routes:     append([]string{"/api/git/"}, addresses()...),
		New:        open,
	}
}

func keys() []config.Key {
	return []config.Key{
		{Name: "git.max_push_mib", Default: "1024", Check: config.IsInt(1, 1<<20), Doc: "Most MiB that one push may bring."},
		{Name: "git.processes", Default: "16", Check: config.IsInt(1, 1000), Doc: "How many clients may fetch and push at once; further ones wait for half a minute."},
		{Name: "git.push_to_create", Default: "true", Check: config.IsBool(), Doc: "Whether a push to a repository that is not there makes it."},
		{Name: "git.keep_deliveries", Default: "720h", Check: config.IsDuration(time.Hour, 10*365*24*time.Hour), Doc: "How long deliveries to hooks are listed after they were delivered or given up."},
	}
}

func open(_ context.Context, d module.Deps) (*module.Service, error) {
	s, err := New(Config{
		Folder: d.Folder, PublicURL: d.PublicURL, MaxPush: int64(d.Config.Int("max_push_mib")) << 20, Processes: d.Config.Int("processes"),
		PushCreate: d.Config.Bool("push_to_create"), KeepFor: d.Config.Duration("keep_deliveries"),
	}, d.DB, d.Auth, d.Clock, d.Log, d.Metrics)
	if err != nil {
		return nil, err
	}
	api := httpapi.New(httpapi.Options{
		Service: "git", Title: "Git", Version: "1",
		Description: "Repositories, their history and files, branch protection, hooks and their deliveries. Git itself speaks to /git/OWNER/NAME.git.",
		Log:         d.Log, Tracer: d.Tracer, Metrics: d.Metrics, Verifier: d.Auth, Clock: d.Clock,
	})
	s.register(api)
	client := auth.Basic("fawkes git", http.HandlerFunc(s.handleGit))
	for _, address := range addresses() {
		api.Mux().Handle(address, client)
	}
	return &module.Service{Handler: api.Handler(), Start: s.Run, Ready: s.look}, nil
}

// look says whether the folder can be used and hooks are being reached.
func (s *Service) look(ctx context.Context) []module.Check {
	_, err := s.prepare(ctx)
	return []module.Check{{Name: "repositories", Err: err}}
}
