package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/kit/telemetry"
)

// Exit codes of fawkes-service.
const (
	ExitOK     = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// Service is the program fawkes-service: one module by its name, until ctx ends.
type Service struct {
	Modules        []module.Module
	Args           []string // without the program's name
	Env            []string
	Stdout, Stderr io.Writer
	Version        string
	// Ready, when set, hears the address once requests are answered.
	Ready func(url string)
}

// Run runs the module that the arguments name and returns the exit code.
func (s Service) Run(ctx context.Context) int {
	if len(s.Args) == 0 || s.Args[0] == "-h" || s.Args[0] == "--help" || s.Args[0] == "help" {
		s.usage(s.Stdout)
		if len(s.Args) == 0 {
			return ExitUsage
		}
		return ExitOK
	}
	if s.Args[0] == "--version" || s.Args[0] == "version" {
		s.say(s.Stdout, "fawkes-service %s\n", s.Version)
		return ExitOK
	}
	if s.Args[0] == "migrate" {
		return s.migrate(ctx, s.Args[1:])
	}
	if s.Args[0] == "devlake" {
		return s.setUpDevLake(ctx, s.Args[1:])
	}
	opts := Options{Modules: s.Modules, Target: s.Args[0], Env: s.Env, Version: s.Version}
	level := ""
	flags := flag.NewFlagSet("fawkes-service "+s.Args[0], flag.ContinueOnError)
	flags.StringVar(&opts.Listen, "listen", DefaultListen, "the address to listen on")
	flags.StringVar(&opts.ConfigFile, "config", "", "a YAML file of settings")
	flags.StringVar(&opts.StateDir, "state", "", stateUsage)
	flags.StringVar(&level, "log-level", "info", levelUsage)
	if code, ok := s.parse(flags, s.Args[1:]); !ok {
		return code
	}
	if !s.isModule(opts.Target) {
		return ExitUsage
	}
	if err := s.serve(ctx, opts, level); err != nil {
		s.say(s.Stderr, "fawkes-service: %v\n", err)
		return ExitFailed
	}
	return ExitOK
}

const (
	stateUsage = "the folder for a SQLite file, when no database URL is set"
	levelUsage = "debug, info, warn or error"
)

// parse reads flags, after which nothing may be left; when it says no, the program ends with the code.
func (s Service) parse(flags *flag.FlagSet, args []string) (code int, ok bool) {
	flags.SetOutput(s.Stderr)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return ExitOK, false
		}
		return ExitUsage, false
	}
	if flags.NArg() > 0 {
		s.say(s.Stderr, "fawkes-service: %q is one argument too many\n", flags.Arg(0))
		return ExitUsage, false
	}
	return ExitOK, true
}

// isModule says whether name is one module; when it is not, the person was told.
func (s Service) isModule(name string) bool {
	if _, err := Select(s.Modules, name); err != nil || name == All {
		s.say(s.Stderr, "fawkes-service: there is no module %q; the modules are %s\n", name, strings.Join(names(s.Modules), ", "))
		return false
	}
	return true
}

func (s Service) serve(ctx context.Context, opts Options, level string) (err error) {
	log, err := telemetry.NewLog(s.Stderr, level)
	if err != nil {
		return err
	}
	traces, err := telemetry.NewTraces(ctx, "fawkes-"+opts.Target, s.Version, s.Env)
	if err != nil {
		return err
	}
	opts.Log, opts.Traces = log, traces
	defer TuneMemory(s.Env)()
	a, err := New(opts)
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	log.Info("ready", "module", opts.Target, "address", a.Addr(), "version", s.Version)
	if s.Ready != nil {
		s.Ready("http://" + a.Addr())
	}
	var fault error
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case fault = <-a.Failed():
	}
	final, cancel := context.WithTimeout(context.WithoutCancel(ctx), DrainFor)
	defer cancel()
	return errors.Join(fault, a.Stop(final), traces.Shutdown(final))
}

func (s Service) usage(w io.Writer) {
	s.say(w, `Run one service of Fawkes.

Usage:
  fawkes-service <module> [--listen host:port] [--config file] [--state folder] [--log-level level]
  fawkes-service migrate <module> [--state folder] [--log-level level]   bring its database up to date, and end
  fawkes-service devlake <plan> [--log-level level]                      bring a DevLake to what the plan says, and end

Modules:
`)
	for _, m := range s.Modules {
		s.say(w, "  %-12s %s\n", m.Name, m.Summary)
	}
	s.say(w, `
Environment:
  FAWKES_<MODULE>_DATABASE_URL   postgres://user@host/name or sqlite:/path/file.db
  FAWKES_<MODULE>_<KEY>          a setting of the module
  FAWKES_PEER_<MODULE>_URL       where another service is, when not at http://<module>
  FAWKES_PUBLIC_URL              where people reach the platform
  FAWKES_AUTH_STATIC_TOKEN       an operator token, for a service without identity
  OTEL_EXPORTER_OTLP_ENDPOINT    where traces go
`)
}

// say writes to the person at the terminal; who cannot be written to cannot be
// told so either.
func (s Service) say(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format, args...)
}
