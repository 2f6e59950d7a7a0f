// Package module is the one face a service shows to the program that runs it.
//
// A service exports func Module() module.Module and nothing else that the
// program needs. The program sorts modules by what they need, opens each one's
// database, and hands each its dependencies; a module asks for nothing by
// itself and keeps nothing in package variables, so that several can run in one
// process, or several times in one test.
package module

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/health"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// Module describes a service before it runs.
type Module struct {
	// Name is the service's name on the command line, in addresses
	// (/api/<name>/…), variables (FAWKES_<NAME>_…) and metrics.
	Name string
	// Summary is one line for listings.
	Summary string
	// Needs names the modules that must run before this one when both are in the
	// same process.
	Needs []string
	// Calls names the services whose API this one calls.
	Calls []string
	// Outbound names the systems outside the platform's services that this one calls, where it is configured to.
	// The platform's inventory says what stands for each name.
	Outbound []string
	// Config lists the settings it understands; all names begin with "<Name>.".
	Config []config.Key
	// Migrations has the folders sqlite/ and postgres/; nil means that the module
	// has no database, and Deps.DB is nil.
	Migrations fs.FS
	// Passing are tables of what runs now, which no backup holds.
	Passing []string
	// Routes are the patterns of http.ServeMux, without methods, that lead to the
	// service's handler, for example "/api/dora/" and "/webhooks/dora/".
	Routes []string
	// New makes the service. It starts nothing: no goroutine, no listener.
	New func(ctx context.Context, d Deps) (*Service, error)
}

// Deps is all that a service gets.
type Deps struct {
	Config  *config.Section
	Log     *slog.Logger
	Metrics prometheus.Registerer // of this module alone
	Tracer  trace.Tracer
	Clock   clock.Clock
	DB      *sqlstore.DB // migrated; the program closes it
	// Folder is for the files of this module alone, below the state folder; it is
	// made by who writes first. Empty where the program has no state folder.
	Folder string
	Auth   *auth.Verifier
	Peers  peer.Network
	// PublicURL is where people reach the platform, without a slash at the end.
	PublicURL string
	// Version is that of the program.
	Version string
}

// Check is the outcome of looking at one dependency.
type Check = health.Check

// Service is a module that has its dependencies.
type Service struct {
	// Handler answers the module's Routes.
	Handler http.Handler
	// Start begins the background work and runs it until ctx ends, then returns nil.
	// A service without background work leaves it nil. When it panics or returns an
	// error, it is called again after a pause; the neighbours do not notice.
	Start func(ctx context.Context) error
	// Stop ends what remains, after the last request was answered and Start has
	// returned, within ctx. It may be nil.
	Stop func(ctx context.Context) error
	// Ready looks at what the service depends on beyond its database. It may be nil.
	Ready func(ctx context.Context) []Check
}
