package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// spec is one service's OpenAPI 3.1 document as the running service serves it.
type spec struct {
	service string
	yaml    []byte
}

// specs asks every module that has an API for its document.
func specs(ctx context.Context, modules []module.Module) ([]spec, error) {
	var out []spec
	for _, m := range modules {
		if !slices.Contains(m.Routes, "/api/"+m.Name+"/") {
			continue
		}
		text, err := serve(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("specification of %s: %w", m.Name, err)
		}
		out = append(out, spec{m.Name, text})
	}
	slices.SortFunc(out, func(a, b spec) int { return cmp.Compare(a.service, b.service) })
	return out, nil
}

// serve makes the module on an empty database, starts nothing of it, and reads its document from its handler.
func serve(ctx context.Context, m module.Module) (text []byte, err error) {
	folder, err := os.MkdirTemp("", "apigen")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	settings, err := config.Load(m.Config, "", nil, nil)
	if err != nil {
		return nil, err
	}
	peers, err := peer.New(peer.Options{})
	if err != nil {
		return nil, err
	}
	verifier, err := auth.NewVerifier(auth.Options{Audience: m.Name})
	if err != nil {
		return nil, err
	}
	deps := module.Deps{
		Config: settings.Section(m.Name), Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		Tracer: noop.NewTracerProvider().Tracer(m.Name), Clock: clock.System(), Auth: verifier, Peers: peers, PublicURL: "http://127.0.0.1:8080", Folder: filepath.Join(folder, "files"),
	}
	if m.Migrations != nil {
		if deps.DB, err = sqlstore.Open(ctx, "sqlite:"+filepath.Join(folder, m.Name+".db"), sqlstore.Options{Logger: deps.Log}); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, deps.DB.Close()) }()
		if err := deps.DB.Migrate(ctx, m.Migrations); err != nil {
			return nil, err
		}
	}
	service, err := m.New(ctx, deps)
	if err != nil {
		return nil, err
	}
	if service.Stop != nil {
		defer func() { err = errors.Join(err, service.Stop(ctx)) }()
	}
	w := httptest.NewRecorder()
	service.Handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/"+m.Name+"/openapi.yaml", nil))
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("it answers %d for its document", w.Code)
	}
	return w.Body.Bytes(), nil
}
