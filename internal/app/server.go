package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
)

// listen takes the address. A port that is taken is named, with what mends it.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err == nil {
		return l, nil
	}
	host, port, serr := net.SplitHostPort(address)
	switch {
	case serr != nil:
		return nil, fmt.Errorf("the address %q is not host:port, for example %s", address, DefaultListen)
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %s on %s is taken by another program: stop that one, or listen elsewhere with --listen %s", port, host, net.JoinHostPort(host, "0"))
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("port %s needs more rights than this user has: use a port above 1023 with --listen %s", port, net.JoinHostPort(host, "8080"))
	}
	return nil, fmt.Errorf("listen on %s: %w", address, err)
}

// servers are the two doors of one house: the network, and the other modules of
// this process. Both have the same handler and limits. They are two so that the
// outer one can drain while requests at hand still reach their peers.
type servers struct {
	outside, inside *door
}

func serve(listener net.Listener, memory *peer.Listener, root http.Handler, closing <-chan struct{}, limits limits, log *slog.Logger, failed chan<- error) *servers {
	base := httpapi.WithClosing(context.Background(), closing)
	return &servers{
		outside: open(httpapi.WithBudget(base, httpapi.NewBudget(limits.budget)), listener, root, limits.connections, log, failed),
		inside:  open(base, memory, root, 0, log, failed),
	}
}

func (s *servers) stopOutside(ctx context.Context) error { return s.outside.shut(ctx) }
func (s *servers) stopInside(ctx context.Context) error  { return s.inside.shut(ctx) }

// door is one http.Server with its accepting goroutine.
type door struct {
	server *http.Server
	done   chan struct{}
	conns  *connections
}

// open answers requests on l, in contexts below base. most bounds its
// connections; 0 is no bound.
func open(base context.Context, l net.Listener, root http.Handler, most int, log *slog.Logger, failed chan<- error) *door {
	d := &door{done: make(chan struct{}), conns: newConnections(most)}
	d.server = &http.Server{
		Handler:           d.conns.serving(root),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       d.conns.remember,
		ConnState:         d.conns.track,
	}
	go func() {
		defer close(d.done)
		if err := d.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			select {
			case failed <- fmt.Errorf("requests on %s are no longer taken: %w", l.Addr(), err):
			default: // one reason to stop is enough
			}
		}
	}()
	return d
}

// shut takes no more, waits for the requests at hand, and breaks off those that
// are not done when ctx ends.
func (d *door) shut(ctx context.Context) error {
	d.conns.shut()
	err := d.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were broken off: %w", err), d.server.Close())
	}
	<-d.done
	return err
}

// edge gives the process's own addresses what those of services have.
func (a *App) edge(h http.Handler) http.Handler {
	return httpapi.Wrap(httpapi.Options{Service: "app", Log: a.log, Always: true}, h)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
