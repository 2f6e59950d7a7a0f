package gitops

import (
	"context"
	"sync"
	"time"
)

// queue has the applications that are to be looked at, each once, and when.
type queue struct {
	mu   sync.Mutex
	due  map[string]time.Time
	wake chan struct{}
}

func newQueue() *queue { return &queue{due: map[string]time.Time{}, wake: make(chan struct{}, 1)} }

// add has a name be looked at after a while; an earlier time stays.
func (q *queue) add(name string, after time.Duration) {
	at := time.Now().Add(after)
	q.mu.Lock()
	if have, ok := q.due[name]; !ok || at.Before(have) {
		q.due[name] = at
	}
	q.mu.Unlock()
	poke(q.wake)
}

// take gives a name that is due and not busy, or the time until the next.
func (q *queue) take(busy map[string]bool) (name string, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	wait, now := time.Hour, time.Now()
	for n, at := range q.due {
		if busy[n] {
			continue
		}
		if left := at.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		delete(q.due, n)
		return n, 0
	}
	return "", wait
}

// run works on what is due with some workers until ctx ends, and waits for them.
// A name is never worked on twice at a time.
func (q *queue) run(ctx context.Context, workers int, work func(string) time.Duration) {
	var group sync.WaitGroup
	defer group.Wait()
	busy := map[string]bool{}
	done := make(chan string)
	for ctx.Err() == nil {
		wait := time.Hour
		for len(busy) < workers {
			name, left := q.take(busy)
			if name == "" {
				wait = left
				break
			}
			busy[name] = true
			group.Go(func() {
				if again := work(name); again > 0 {
					q.add(name, again)
				}
				select {
				case done <- name:
				case <-ctx.Done():
				}
			})
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-q.wake:
		case name := <-done:
			delete(busy, name)
		case <-timer.C:
		}
		timer.Stop()
	}
}

// hub tells streams which applications have changed.
type hub struct {
	mu   sync.Mutex
	subs map[*subscription]bool
}

// subscription is one reader: the names that it was not told of yet.
type subscription struct {
	hub   *hub
	names map[string]bool
	wake  chan struct{}
}

func newHub() *hub { return &hub{subs: map[*subscription]bool{}} }

func (h *hub) subscribe() *subscription {
	s := &subscription{hub: h, names: map[string]bool{}, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	h.subs[s] = true
	h.mu.Unlock()
	return s
}

func (h *hub) tell(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		s.names[name] = true
		poke(s.wake)
	}
}

// take gives the names that have changed since the last time.
func (s *subscription) take() []string {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	out := make([]string, 0, len(s.names))
	for name := range s.names {
		out = append(out, name)
	}
	clear(s.names)
	return out
}

func (s *subscription) close() {
	s.hub.mu.Lock()
	delete(s.hub.subs, s)
	s.hub.mu.Unlock()
}
