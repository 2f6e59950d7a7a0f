// Command hello is the sample application of Fawkes: one page, health, metrics, traces and logs, with the
// standard library alone, so that its first build downloads nothing.
//
// It reads its environment: PORT (8080), ENVIRONMENT, HEALTH, VERSION, OTEL_EXPORTER_OTLP_ENDPOINT and
// OTEL_SERVICE_NAME. README.md says what each does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
)

// version is the commit this program was built from. The golden path sets it with -ldflags "-X main.version=…".
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

// settings is what the environment says.
type settings struct {
	port        int
	service     string
	version     string
	environment string
	host        string
	healthy     bool
	traces      string // the address of an OTLP/HTTP collector; "" exports nothing
}

func readSettings(env func(string) string) (settings, error) {
	s := settings{
		port: 8080, service: "hello", version: builtFrom(env("VERSION")), environment: env("ENVIRONMENT"),
		healthy: env("HEALTH") != "failing", traces: env("OTEL_EXPORTER_OTLP_ENDPOINT"),
	}
	if text := env("PORT"); text != "" {
		port, err := strconv.Atoi(text)
		if err != nil || port < 0 || port > 65535 {
			return s, fmt.Errorf("PORT: %q is not a port: give a number from 0 to 65535", text)
		}
		s.port = port
	}
	if name := env("OTEL_SERVICE_NAME"); name != "" {
		s.service = name
	}
	if s.environment == "" {
		s.environment = "local"
	}
	s.host = env("HOSTNAME")
	if s.host == "" {
		s.host, _ = os.Hostname() // empty is shown as unknown
	}
	return s, nil
}

// builtFrom is the commit: what the linker was told, else what the go command stamped, else said.
func builtFrom(said string) string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && s.Value != "" {
				return s.Value
			}
		}
	}
	if said != "" {
		return said
	}
	return "unknown"
}

// run serves until ctx ends, then lets running requests finish.
func run(ctx context.Context, env func(string) string, logTo io.Writer) error {
	s, err := readSettings(env)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(logTo, nil)).With("service", s.service, "version", s.version)
	listener, err := net.Listen("tcp", ":"+strconv.Itoa(s.port))
	if err != nil {
		return fmt.Errorf("listen on PORT: %w", err)
	}
	app := newApp(s, log)
	server := &http.Server{
		Handler: app.handler(), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	exported := make(chan struct{})
	go func() {
		defer close(exported)
		app.traces.run(ctx)
	}()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info("serving", "address", listener.Addr().String(), "environment", s.environment, "healthy", s.healthy)

	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	app.draining.Store(true) // no longer ready: the load balancer looks elsewhere
	log.Info("stopping")
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	if err := server.Shutdown(finish); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("stop: %w", err)
	}
	<-exported
	return nil
}
