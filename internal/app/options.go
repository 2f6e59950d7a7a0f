package app

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/kit/telemetry"
)

const (
	// DefaultListen is where the platform is reached unless told otherwise: from
	// this machine alone.
	DefaultListen = "127.0.0.1:8080"
	// DrainFor is how long requests and jobs at hand may take to end.
	DrainFor = 15 * time.Second
)

// Options says what to run and where. All that differs between one process on a
// laptop and a service in a cluster is said here.
type Options struct {
	// Modules are those that exist; the function Modules lists them.
	Modules []module.Module
	// Target is All, which is the default, or the name of one module.
	Target string
	// StateDir is the folder of SQLite files, one for each module that has no URL in
	// Databases.
	StateDir string
	// Databases holds database URLs by module; FAWKES_<SVC>_DATABASE_URL adds to it.
	Databases map[string]string
	// Listen is the address, DefaultListen when empty; port 0 takes a free one.
	Listen string
	// PublicURL is where people reach the platform; default: where it listens.
	PublicURL string
	// ConfigFile is a YAML file of settings, or empty.
	ConfigFile string
	// Settings are those given by flags; they win over the file and the environment.
	Settings map[string]string
	// StaticToken is an operator token that every module takes, at least 32
	// characters; FAWKES_AUTH_STATIC_TOKEN when empty.
	StaticToken string
	// Env is the environment as os.Environ returns it; nothing else of it is read.
	Env []string
	// Version is that of the program.
	Version string

	// Log receives everything; slog.Default when nil.
	Log *slog.Logger
	// Traces hands out tracers; nil records nothing. The program shuts it down.
	Traces *telemetry.Traces
	// Clock is the source of time; the system's when nil.
	Clock clock.Clock
	// Started, when set, hears of each module as it comes up, and how long it took.
	Started func(module string, took time.Duration)
}

func (o *Options) complete() error {
	if o.Target == "" {
		o.Target = All
	}
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.StaticToken == "" {
		o.StaticToken = o.env("FAWKES_AUTH_STATIC_TOKEN")
	}
	if o.StaticToken != "" && len(o.StaticToken) < 32 {
		return errors.New("FAWKES_AUTH_STATIC_TOKEN is shorter than 32 characters; make one with `openssl rand -hex 32`")
	}
	if o.PublicURL == "" {
		o.PublicURL = o.env("FAWKES_PUBLIC_URL")
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	if o.StateDir != "" {
		abs, err := filepath.Abs(o.StateDir)
		if err != nil {
			return fmt.Errorf("the state folder %s: %w", o.StateDir, err)
		}
		o.StateDir = abs
	}
	return nil
}

func (o *Options) env(name string) string {
	for _, kv := range o.Env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

// databaseVariable is the variable that holds the database URL of a module.
func databaseVariable(name string) string {
	return "FAWKES_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_DATABASE_URL"
}

// databaseURL says where a module's data is: the given URL, the variable, or a
// file in the state folder.
func (o *Options) databaseURL(name string) (string, error) {
	if url := o.Databases[name]; url != "" {
		return url, nil
	}
	if url := o.env(databaseVariable(name)); url != "" {
		return url, nil
	}
	if o.StateDir == "" {
		return "", fmt.Errorf("the module %s has no database: set %s=postgres://user@host/name, or name a state folder", name, databaseVariable(name))
	}
	return "sqlite:" + filepath.Join(o.StateDir, name+".db"), nil
}
