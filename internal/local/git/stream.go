package git

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	mostStreams = 200
	backlog     = 64 // pushes that a reader may be behind before it is cut off
	heartbeat   = 15 * time.Second
	takes       = 10 * time.Second // a reader that takes nothing for so long is cut off
)

// pushNews is a reference that moved.
type pushNews struct {
	Repository string    `json:"repository"`
	Ref        string    `json:"ref"`
	Before     string    `json:"before"`
	After      string    `json:"after"`
	At         time.Time `json:"at"`
}

// feed hands news to the streams of this process.
type feed struct {
	mu      sync.Mutex
	readers map[chan pushNews]bool
}

func newFeed() *feed { return &feed{readers: map[chan pushNews]bool{}} }

func (f *feed) publish(n pushNews) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ch := range f.readers {
		select {
		case ch <- n:
		default: // it is too slow: it is told by the end of its stream, and reads anew
			delete(f.readers, ch)
			close(ch)
		}
	}
}

func (f *feed) join() (chan pushNews, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.readers) >= mostStreams {
		return nil, false
	}
	ch := make(chan pushNews, backlog)
	f.readers[ch] = true
	return ch, true
}

func (f *feed) leave(ch chan pushNews) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readers, ch)
}

// handleStream sends pushes as server-sent events.
func (s *Service) handleStream(w http.ResponseWriter, r *http.Request) {
	news, ok := s.feed.join()
	if !ok {
		problem.Write(w, r, problem.New(problem.Unavailable, "this process serves %d streams already", mostStreams).WithMend("come again after Retry-After"))
		return
	}
	defer s.feed.leave(news)
	httpapi.Allow(r, httpapi.Limits{Timeout: -1})
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	send := func(text string) error { return sendEvent(w, text) }
	if send("retry: 2000\n: following\n\n") != nil {
		return
	}
	beat, judge := time.NewTicker(heartbeat), time.NewTicker(auth.MaxCache)
	defer beat.Stop()
	defer judge.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case <-httpapi.Closing(r.Context()):
			_ = send(": the program is stopping; come again\n\n") // the reader may be gone
			return
		case n, open := <-news:
			if !open {
				_ = send(": too far behind; come again\n\n")
				return
			}
			text, merr := json.Marshal(n)
			if merr != nil {
				return
			}
			err = send("event: push\ndata: " + string(text) + "\n\n")
		case <-beat.C:
			err = send(": still here\n\n")
		case <-judge.C:
			if p, aerr := s.auth.Authenticate(r); aerr != nil || !p.Can(auth.ScopeGitRead) {
				_ = send(": the credential has ended\n\n")
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// sendEvent writes and flushes within a bound.
func sendEvent(w http.ResponseWriter, text string) error {
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(takes)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := fmt.Fprint(w, text); err != nil {
		return err
	}
	if err := control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
