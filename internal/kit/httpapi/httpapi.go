// Package httpapi is the edge every service has in common: JSON operations with
// an OpenAPI 3.1 description made from the code, errors as problems, request ids,
// limits, security headers, measurements.
//
// Operations are registered with huma on API.Huma; each states its security
// (auth.Needs or auth.Open), which is enforced as it is described:
//
//	api := httpapi.New(httpapi.Options{Service: "dora", Title: "Delivery metrics", Version: "1", Verifier: deps.Auth, …})
//	huma.Register(api.Huma(), huma.Operation{…, Security: auth.Needs(auth.ScopeDoraRead)}, list)
//	api.Mux().Handle("POST /webhooks/dora/github", hook)
//
// Plain handlers go onto API.Mux; they check who is asking by themselves, and
// answer errors with problem.Write. Both kinds sit behind the same limits: 1 MiB
// of body and 30 seconds, unless the handler asks for others with Allow, before
// it reads.
//
// Unknown fields of a body and unknown query parameters of an operation are
// refused by name.
package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/health"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// Check is the outcome of looking at one dependency.
type Check = health.Check

// Options describes the API of one service.
type Options struct {
	// Service is the name in addresses: /api/<service>/….
	Service string
	// Title, Version and Description head the specification.
	Title, Version, Description string
	// Log receives what went wrong, and every request at level debug; slog.Default
	// when nil.
	Log *slog.Logger
	// Tracer makes a span of each request when it records; it may be nil.
	Tracer trace.Tracer
	// Metrics takes the duration of requests; it may be nil.
	Metrics prometheus.Registerer
	// Verifier enforces the security that operations state. Without it every
	// operation is open, which only the making of the specification may want.
	Verifier *auth.Verifier
	// Ready, when set, is answered at /api/<service>/readyz.
	Ready func(context.Context) []Check
	// Clock is the source of time; the system's when nil.
	Clock clock.Clock
	// Always says that requests are answered whatever the Budget of the process
	// holds: for the addresses by which the process is watched.
	Always bool
}

// API is a service's edge.
type API struct {
	opts Options
	mux  *http.ServeMux
	huma huma.API

	spec func() ([]byte, error)
	page func() ([]byte, error)
}

// New makes the edge; register operations before the first request.
func New(opts Options) *API {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Clock == nil {
		opts.Clock = clock.System()
	}
	a := &API{opts: opts, mux: http.NewServeMux()}
	a.huma = humago.New(a.mux, humaConfig(opts))
	auth.Describe(a.huma.OpenAPI())
	a.huma.UseMiddleware(operationLimits)
	if opts.Verifier != nil {
		a.huma.UseMiddleware(opts.Verifier.Operations())
	}
	a.spec = sync.OnceValues(a.OpenAPI)
	a.page = sync.OnceValues(a.document)
	base := "/api/" + opts.Service
	a.mux.HandleFunc("GET "+base+"/openapi.yaml", a.serveSpec)
	a.mux.HandleFunc("GET "+base+"/docs", a.serveDocs)
	if opts.Ready != nil {
		a.mux.Handle("GET "+base+"/readyz", health.Ready(opts.Ready))
	}
	return a
}

// Huma takes the JSON operations.
func (a *API) Huma() huma.API { return a.huma }

// Mux takes plain handlers.
func (a *API) Mux() *http.ServeMux { return a.mux }

// Handler is the whole edge: middleware, operations and plain handlers.
func (a *API) Handler() http.Handler { return Wrap(a.opts, a.mux) }

// OpenAPI is the specification as YAML, the same text for the same operations.
func (a *API) OpenAPI() ([]byte, error) {
	text, err := a.huma.OpenAPI().YAML()
	if err != nil {
		return nil, fmt.Errorf("write the specification of %s: %w", a.opts.Service, err)
	}
	return text, nil
}

func (a *API) serveSpec(w http.ResponseWriter, r *http.Request) {
	text, err := a.spec()
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Cache-Control", "no-cache")
	write(w, r, a.opts.Log, text)
}

func humaConfig(opts Options) huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: opts.Title, Version: opts.Version, Description: opts.Description},

			OnAddOperation: []huma.AddOpFunc{bodyTime},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
			},
		},
		Formats: map[string]huma.Format{
			"application/json": strictJSON(),
			"json":             strictJSON(),
		},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{prepareProblems},
	}
}

// write sends a finished body. A client that went away is nobody's fault.
func write(w http.ResponseWriter, r *http.Request, log *slog.Logger, body []byte) {
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(body); err != nil {
		log.Debug("write response", "path", r.URL.Path, "error", err)
	}
}
