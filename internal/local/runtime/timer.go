package runtime

import (
	"sync"
	"time"
)

// timer makes a channel that gets a value after a while, and a function that gives up waiting. Tests put their own
// in its place.
type timer func(d time.Duration) (<-chan time.Time, func())

func machineTimer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// notices collects the names of applications that changed until somebody takes them.
type notices struct {
	mu      sync.Mutex
	pending map[string]bool
	wake    chan struct{}
	out     chan string
	done    chan struct{}
	once    sync.Once
	begin   sync.Once
}

func newNotices() *notices {
	return &notices{pending: map[string]bool{}, wake: make(chan struct{}, 1), out: make(chan string), done: make(chan struct{})}
}

func (n *notices) add(name string) {
	n.mu.Lock()
	n.pending[name] = true
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *notices) close() { n.once.Do(func() { close(n.done) }) }

// channel is the one channel of notices; it is closed after close.
func (n *notices) channel() <-chan string {
	n.begin.Do(func() { go n.deliver() })
	return n.out
}

func (n *notices) deliver() {
	defer close(n.out)
	for {
		name, ok := n.take()
		if !ok {
			select {
			case <-n.wake:
				continue
			case <-n.done:
				return
			}
		}
		select {
		case n.out <- name:
		case <-n.done:
			return
		}
	}
}

func (n *notices) take() (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name := range n.pending {
		delete(n.pending, name)
		return name, true
	}
	return "", false
}

// Watch gives the name of each application whose health or instances changed. Changes that come faster than they
// are taken come once. There is one channel for all callers; it is closed by Stop.
func (r *Runtime) Watch() <-chan string { return r.notices.channel() }
