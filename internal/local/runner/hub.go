package runner

import "sync"

// hub wakes those who follow runs. It holds no news itself: who is woken reads what there is, so nobody is behind.
type hub struct {
	mu        sync.Mutex
	runs      map[string]chan struct{} // closed at the next change of the run
	followers map[*follower]struct{}
}

// follower is told which runs changed, each once however often.
type follower struct {
	changed map[string]struct{}
	wake    chan struct{}
}

func newHub() *hub {
	return &hub{runs: map[string]chan struct{}{}, followers: map[*follower]struct{}{}}
}

// next is closed at the next change of the run. It is taken before the run is read.
func (h *hub) next(id string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.runs[id]
	if c == nil {
		c = make(chan struct{})
		h.runs[id] = c
	}
	return c
}

// grew says that the run's log has grown.
func (h *hub) grew(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakeRun(id)
}

// changed says that the run itself has changed.
func (h *hub) changed(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakeRun(id)
	for f := range h.followers {
		f.changed[id] = struct{}{}
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

func (h *hub) wakeRun(id string) {
	if c := h.runs[id]; c != nil {
		close(c)
		delete(h.runs, id)
	}
}

// follow begins to note which runs change; leave ends it.
func (h *hub) follow() (f *follower, leave func()) {
	f = &follower{changed: map[string]struct{}{}, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	h.followers[f] = struct{}{}
	h.mu.Unlock()
	return f, func() {
		h.mu.Lock()
		delete(h.followers, f)
		h.mu.Unlock()
	}
}

// take gives the runs that changed since the last time.
func (h *hub) take(f *follower) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]string, 0, len(f.changed))
	for id := range f.changed {
		out = append(out, id)
	}
	clear(f.changed)
	return out
}
