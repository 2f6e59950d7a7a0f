package peer

import (
	"context"
	"net"
	"sync"
)

// Listener is a net.Listener in memory: what Dial returns at one end comes out
// of Accept at the other. Connections are synchronous pipes with deadlines, so an
// http.Server serves it like any other.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewListener makes a listener that is open until Close.
func NewListener() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept waits for the next Dial.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and refuses further dials; connections that exist go on.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the address of memory.
func (l *Listener) Addr() net.Addr { return memory{} }

// DialContext connects, whatever the address, and waits until the server accepts.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	var err error
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		err = &net.OpError{Op: "dial", Net: "memory", Addr: memory{}, Err: net.ErrClosed}
	case <-ctx.Done():
		err = ctx.Err()
	}
	// Closing a pipe never fails.
	_, _ = here.Close(), there.Close()
	return nil, err
}

type memory struct{}

func (memory) Network() string { return "memory" }
func (memory) String() string  { return "memory" }
