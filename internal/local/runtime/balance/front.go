package balance

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Front is the listener of one port.
type Front struct {
	listener net.Listener
	pool     *Pool
	http     atomic.Bool
	server   *http.Server
	handed   *handed

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// NewFront begins to serve a listener from a pool. The caller calls Close.
func NewFront(l net.Listener, p *Pool, speaksHTTP bool) *Front {
	f := &Front{listener: l, pool: p, handed: newHanded(l.Addr()), server: server(p.Handler())}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.http.Store(speaksHTTP)
	f.work.Go(f.accept)
	f.work.Go(func() { _ = f.server.Serve(f.handed) }) // ends with ErrServerClosed
	return f
}

// server answers HTTP for a handler. Its limits are on what is slow, not on what is long.
func server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

// Addr is where the port is reached.
func (f *Front) Addr() net.Addr { return f.listener.Addr() }

// Speak says whether connections from now on are HTTP.
func (f *Front) Speak(http bool) { f.http.Store(http) }

// Close takes no more connections, cuts streams, waits for requests at hand until ctx ends, and cuts the rest.
func (f *Front) Close(ctx context.Context) {
	_ = f.listener.Close()
	f.pool.end()
	if f.server.Shutdown(ctx) != nil {
		_ = f.server.Close()
	}
	_ = f.handed.Close()
	f.cancel()
	f.work.Wait()
}

func (f *Front) accept() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			select { // out of descriptors; it passes
			case <-f.ctx.Done():
				return
			case <-time.After(20 * time.Millisecond):
				continue
			}
		}
		if f.http.Load() {
			f.handed.give(conn)
			continue
		}
		f.work.Go(func() { f.pass(conn) })
	}
}

// pass connects a client with an instance until one of them has had enough.
func (f *Front) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	tried := map[*Backend]bool{}
	for range attempts {
		b, err := f.pool.choose(f.ctx, tried)
		if err != nil {
			return
		}
		there, err := dial(f.ctx, "tcp", b.addr)
		if err == nil {
			f.join(&pair{client: client, instance: there}, b)
			return
		}
		b.release()
		tried[b] = true
	}
}

// join passes bytes between a client and the instance that was chosen for it, until one of them ends.
func (f *Front) join(p *pair, b *Backend) {
	defer b.release()
	b.mu.Lock()
	b.cuts[p] = struct{}{} // Drain waits for it, Close cuts it
	b.mu.Unlock()
	defer b.uncut(p)
	stop := context.AfterFunc(f.ctx, func() { _ = p.Close() })
	defer stop()
	p.copy()
}

// pair is a client's connection and the one to its instance.
type pair struct{ client, instance net.Conn }

// Close cuts both.
func (p *pair) Close() error { return errors.Join(p.client.Close(), p.instance.Close()) }

func (p *pair) copy() {
	defer func() { _ = p.Close() }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := io.Copy(p.instance, p.client)
		p.end(p.instance, err)
	}()
	_, err := io.Copy(p.client, p.instance)
	p.end(p.client, err)
	<-done
}

// end says that nothing more comes, or cuts the pair when it broke.
func (p *pair) end(to net.Conn, err error) {
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		if half.CloseWrite() == nil {
			return
		}
	}
	_ = p.Close()
}

// handed is a listener of connections that were accepted elsewhere.
type handed struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHanded(addr net.Addr) *handed {
	return &handed{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (h *handed) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.done:
		_ = c.Close()
	}
}

// Accept is the next connection that is given.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (h *handed) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr is where the connections were accepted.
func (h *handed) Addr() net.Addr { return h.addr }
