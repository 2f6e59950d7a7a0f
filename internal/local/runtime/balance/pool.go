package balance

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// ErrNone says that no instance is ready.
var ErrNone = errors.New("no instance is ready")

// hold is how long a request waits for an instance to become ready. A program that is killed is usually back
// within it.
const hold = 2 * time.Second

// Pool is the instances behind one port. It is ready to use.
type Pool struct {
	mu      sync.Mutex
	ready   []*Backend
	next    int
	arrived chan struct{} // closed when an instance is added
}

// Backend is one instance at one of its ports.
type Backend struct {
	addr      string
	transport *http.Transport

	mu      sync.Mutex
	active  int                    // requests and connections at hand, streams left out
	streams map[io.Closer]struct{} // what nobody waits for
	cuts    map[io.Closer]struct{} // connections among those that are active
	idle    chan struct{}          // closed when active is 0; nil while nobody waits
}

// NewBackend is the instance that listens at addr.
func NewBackend(addr string) *Backend {
	return &Backend{
		addr:    addr,
		streams: map[io.Closer]struct{}{},
		cuts:    map[io.Closer]struct{}{},
		transport: &http.Transport{
			MaxIdleConns: 64, MaxIdleConnsPerHost: 64,
			// Shorter than the time after which servers themselves close what is idle, so that a request seldom
			// meets a connection that is being closed.
			IdleConnTimeout:    2 * time.Second,
			DisableCompression: true,
			DialContext:        dial,
		},
	}
}

// Addr is where the instance listens.
func (b *Backend) Addr() string { return b.addr }

// Add makes an instance one of those that get requests.
func (p *Pool) Add(b *Backend) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, have := range p.ready {
		if have == b {
			return
		}
	}
	p.ready = append(p.ready, b)
	if p.arrived != nil {
		close(p.arrived)
		p.arrived = nil
	}
}

// Remove makes an instance get no more requests; those that it has go on.
func (p *Pool) Remove(b *Backend) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, have := range p.ready {
		if have == b {
			p.ready = append(p.ready[:i:i], p.ready[i+1:]...)
			return
		}
	}
}

// Len is how many instances are ready.
func (p *Pool) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ready)
}

// pick takes the instance with the fewest requests at hand, in turn where several have as few, but none of
// those tried; nil when there is none. The instance is busy until release.
func (p *Pool) pick(tried map[*Backend]bool) *Backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	var best *Backend
	fewest, at := 0, 0
	for i := range p.ready {
		n := (p.next + i) % len(p.ready)
		b := p.ready[n]
		if tried[b] {
			continue
		}
		if load := b.load(); best == nil || load < fewest {
			best, fewest, at = b, load, n
		}
	}
	if best == nil {
		return nil
	}
	p.next = at + 1
	best.acquire()
	return best
}

// wait returns when an instance was added, or the context ends.
func (p *Pool) wait(ctx context.Context, tried map[*Backend]bool) error {
	p.mu.Lock()
	for _, b := range p.ready {
		if !tried[b] {
			p.mu.Unlock()
			return nil
		}
	}
	if p.arrived == nil {
		p.arrived = make(chan struct{})
	}
	arrived := p.arrived
	p.mu.Unlock()
	select {
	case <-arrived:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// choose picks an instance, and waits for one for as long as a request is held.
func (p *Pool) choose(ctx context.Context, tried map[*Backend]bool) (*Backend, error) {
	if b := p.pick(tried); b != nil {
		return b, nil
	}
	ctx, cancel := context.WithTimeout(ctx, hold)
	defer cancel()
	for {
		if p.wait(ctx, tried) != nil {
			return nil, ErrNone
		}
		if b := p.pick(tried); b != nil {
			return b, nil
		}
	}
}

func (b *Backend) load() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.active + len(b.streams)
}

func (b *Backend) acquire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.active++
}

func (b *Backend) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.active--
	if b.active == 0 && b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
}

// Drain waits until the instance, which is in no pool any more, has answered what it has at hand. Streams
// (WebSocket, server-sent events) have no end of their own and are not waited for.
func (b *Backend) Drain(ctx context.Context) {
	b.mu.Lock()
	if b.active == 0 {
		b.mu.Unlock()
		return
	}
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// end cuts the streams of the instances: nobody will be there to read them.
func (p *Pool) end() {
	p.mu.Lock()
	all := append([]*Backend(nil), p.ready...)
	p.mu.Unlock()
	for _, b := range all {
		b.cut(false)
	}
}

// Close cuts the streams and connections that are left. The instance has ended.
func (b *Backend) Close() {
	b.cut(true)
	b.transport.CloseIdleConnections()
}

// cut ends streams, and the connections that are waited for too when all.
func (b *Backend) cut(all bool) {
	b.mu.Lock()
	open := make([]io.Closer, 0, len(b.streams))
	for c := range b.streams {
		open = append(open, c)
	}
	if all {
		for c := range b.cuts {
			open = append(open, c)
		}
	}
	b.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
}

// stream makes what was a request at hand a stream, which Drain does not wait for and Close cuts.
func (b *Backend) stream(c io.Closer) {
	b.mu.Lock()
	b.streams[c] = struct{}{}
	b.mu.Unlock()
	b.release()
}

func (b *Backend) uncut(c io.Closer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.cuts, c)
}

func (b *Backend) endStream(c io.Closer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.streams, c)
}
