// Command template-service is a service on the golden path: a page, health and metrics.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
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
		fmt.Fprintln(os.Stderr, "template-service:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, then lets running requests finish.
func run(ctx context.Context, env func(string) string, logTo io.Writer) error {
	port, err := strconv.Atoi(or(env("PORT"), "8080"))
	if err != nil || port < 0 || port > 65535 {
		return fmt.Errorf("PORT: %q is not a port: give a number from 0 to 65535", env("PORT"))
	}
	s := newService(or(version, or(env("VERSION"), "unknown")), or(env("ENVIRONMENT"), "local"), env("HEALTH") != "failing")
	log := slog.New(slog.NewJSONHandler(logTo, nil))
	listener, err := net.Listen("tcp", ":"+strconv.Itoa(port))
	if err != nil {
		return fmt.Errorf("listen on PORT: %w", err)
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info("serving", "address", listener.Addr().String(), "version", s.version)

	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.draining.Store(true) // no longer ready: the load balancer looks elsewhere
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	return server.Shutdown(finish)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
