package app

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// connections bounds how many connections a door holds. Each takes memory
// whether or not anything comes by it, so that one too many costs the one that
// is worth least: first one by which nothing was ever sent, then one whose
// request does not get past its header, then one that has been idle longest.
// Requests at hand are never broken off for a newcomer: with nothing else to
// give up, the newcomer is told to come again.
type connections struct {
	most int

	mu       sync.Mutex
	all      map[net.Conn]*connection
	shutting bool
}

type connection struct {
	conn    net.Conn
	state   http.ConnState
	since   time.Time
	serving bool // a handler has its request
}

// patience is how long a connection may take over a header, or be idle, before
// it counts as one to give up.
const patience = time.Second

// refusal is what a connection hears that there is no place for.
const refusal = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

func newConnections(most int) *connections {
	return &connections{most: most, all: map[net.Conn]*connection{}}
}

type connectionKey struct{}

// remember lets serving find the connection of a request.
func (c *connections) remember(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// serving notes which connections have a handler at work.
func (c *connections) serving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(connectionKey{}).(net.Conn)
		c.mark(conn, true)
		defer c.mark(conn, false)
		next.ServeHTTP(w, r)
	})
}

func (c *connections) mark(conn net.Conn, serving bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.all[conn]; k != nil {
		k.serving = serving
	}
}

// track follows every connection from its beginning to its end.
func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(c.all, conn)
	case http.StateNew:
		if c.shutting {
			_ = conn.Close() // it came in while the door was closing, and carried nothing
			return
		}
		if c.most > 0 && len(c.all) >= c.most && !c.giveUp() {
			_ = conn.SetWriteDeadline(time.Now().Add(patience))
			_, _ = conn.Write([]byte(refusal)) // it may be gone, which is as well
			_ = conn.Close()
			return
		}
		c.all[conn] = &connection{conn: conn, state: state, since: time.Now()}
	default:
		if k := c.all[conn]; k != nil {
			k.state, k.since = state, time.Now()
		}
	}
}

// giveUp closes the connection that is worth least, if there is one to give up.
func (c *connections) giveUp() bool {
	var worst *connection
	rank := 0
	now := time.Now()
	for _, k := range c.all {
		r := k.worth(now)
		if r > 0 && (worst == nil || r < rank || r == rank && k.since.Before(worst.since)) {
			worst, rank = k, r
		}
	}
	if worst == nil {
		return false
	}
	delete(c.all, worst.conn)
	_ = worst.conn.Close() // its goroutine ends with it
	return true
}

// worth ranks a connection among those to give up, the least first; 0 is not
// among them.
func (k *connection) worth(now time.Time) int {
	switch {
	case k.state == http.StateNew:
		return 1
	case k.serving || now.Sub(k.since) < patience:
		return 0
	case k.state == http.StateActive:
		return 2
	}
	return 3
}

// shut closes the connections that have sent nothing, and takes no more.
// Browsers open some ahead of need, and Shutdown would wait five seconds for
// each.
func (c *connections) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shutting = true
	for conn, k := range c.all {
		if k.state == http.StateNew {
			_ = conn.Close() // it carried nothing, so nothing is lost by its end
		}
	}
}
