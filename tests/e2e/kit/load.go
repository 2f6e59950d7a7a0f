//go:build linux

package kit

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// loadProject is what the load's events belong to.
const loadProject = "load"

// Load is clients that write delivery events and read metrics, without a pause, through the way in. A write that was not acknowledged is
// sent again, as every sender of events does, until it is.
type Load struct {
	kit     *Kit
	http    *http.Client
	stop    context.CancelFunc
	enough  chan struct{}
	clients sync.WaitGroup
	sent    atomic.Int64 // events that were begun
	acked   atomic.Int64
	reads   atomic.Int64

	mu       sync.Mutex
	acks     []time.Time // of events, in their order
	failures []Failure
	fatal    error // an answer that no sending again would change
}

// Failure is a request that was not answered as it should have been.
type Failure struct {
	At   time.Time // when it failed
	What string
}

// StartLoad begins with some writers and some readers. It ends with End.
func (k *Kit) StartLoad(ctx context.Context, writers, readers int) *Load {
	ctx, stop := context.WithCancel(ctx)
	l := &Load{kit: k, stop: stop, enough: make(chan struct{}), http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: writers + readers}, Timeout: 15 * time.Second}}
	for range writers {
		l.clients.Go(func() {
			for l.going(ctx) {
				l.deliver(ctx, l.sent.Add(1))
			}
		})
	}
	for range readers {
		l.clients.Go(func() {
			for l.going(ctx) {
				if _, err := l.request(ctx, http.MethodGet, "/api/dora/v1/projects/"+SampleProject, ""); err == nil {
					l.reads.Add(1)
				} else if pause(ctx, 100*time.Millisecond) != nil {
					return
				}
			}
		})
	}
	return l
}

func (l *Load) going(ctx context.Context) bool {
	select {
	case <-l.enough:
		return false
	case <-ctx.Done():
		return false
	default:
		return true
	}
}

func eventID(n int64) string { return fmt.Sprintf("load-%d", n) }

// deliver sends event n until it is acknowledged.
func (l *Load) deliver(ctx context.Context, n int64) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute).Format(time.RFC3339)
	line := fmt.Sprintf(`{"type":"deployment","id":%q,"project":%q,"service":"api","environment":"production","repo":"https://git.example/load/api","sha":"%040x","outcome":"success","finished_at":%q}`,
		eventID(n), loadProject, n, at)
	for ctx.Err() == nil {
		status, err := l.request(ctx, http.MethodPost, "/api/dora/v1/events", line)
		switch {
		case err == nil:
			l.acked.Add(1)
			l.mu.Lock()
			l.acks = append(l.acks, time.Now())
			l.mu.Unlock()
			return
		case status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusUnauthorized:
			l.mu.Lock()
			l.fatal = err
			l.mu.Unlock()
			return
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return
		}
	}
}

// request is one try; one that fails is noted.
func (l *Load) request(ctx context.Context, method, path, body string) (status int, err error) {
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, l.kit.WayIn.URL+path, in)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+l.kit.secrets.operator)
	req.Header.Set("Content-Type", "application/json")
	resp, err := l.http.Do(req)
	if err == nil {
		defer resp.Body.Close()
		var text []byte
		if text, err = io.ReadAll(resp.Body); err == nil && resp.StatusCode >= 300 {
			err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, strings.TrimSpace(string(text)))
		}
		status = resp.StatusCode
	}
	if err != nil && ctx.Err() == nil {
		l.mu.Lock()
		l.failures = append(l.failures, Failure{time.Now(), err.Error()})
		l.mu.Unlock()
	}
	return status, err
}

// Acknowledged is how many events are.
func (l *Load) Acknowledged() int64 { return l.acked.Load() }

// Since lists what failed since a moment.
func (l *Load) Since(at time.Time) []Failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Failure
	for _, f := range l.failures {
		if !f.At.Before(at) {
			out = append(out, f)
		}
	}
	return out
}

// Stall is the longest time since a moment in which no event was acknowledged.
func (l *Load) Stall(from time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var longest time.Duration
	last := from
	for _, at := range l.acks {
		if at.Before(from) {
			continue
		}
		longest = max(longest, at.Sub(last))
		last = at
	}
	return max(longest, time.Since(last))
}

// Calm waits until nothing has failed for some time and events are acknowledged, and gives how long after the moment "from" the last
// request failed; 0: none did.
func (l *Load) Calm(ctx context.Context, from time.Time, quiet, limit time.Duration) (time.Duration, error) {
	deadline := time.Now().Add(limit)
	last := from
	acked := l.Acknowledged()
	for {
		if f := l.Since(from); len(f) > 0 {
			last = f[len(f)-1].At
		}
		if time.Since(last) > quiet && l.Acknowledged() > acked {
			return last.Sub(from), nil
		}
		if time.Now().After(deadline) {
			f := l.Since(from)
			return 0, fmt.Errorf("not calm within %s: %d requests failed, the last with %s", limit, len(f), f[max(0, len(f)-1)].What)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// End lets every event that was begun be acknowledged, and sees that each is in the log exactly once. It gives how many there are and how
// many reads were answered.
func (l *Load) End(ctx context.Context) (events, reads int64, err error) {
	close(l.enough)
	l.clients.Wait()
	l.stop()
	if l.fatal != nil {
		return 0, 0, l.fatal
	}
	sent, acked := l.sent.Load(), l.acked.Load()
	if sent != acked {
		return 0, 0, fmt.Errorf("%d events were begun and %d acknowledged", sent, acked)
	}
	times := map[string]int{}
	for after := int64(0); ; {
		query := url.Values{"project": {loadProject}, "type": {"deployment"}, "limit": {"500"}, "after": {strconv.FormatInt(after, 10)}}
		var page struct {
			Items []struct{ Event struct{ ID string } }
			Next  int64
		}
		if err := l.kit.Get(ctx, "/api/dora/v1/events?"+query.Encode(), &page); err != nil {
			return 0, 0, err
		}
		for _, item := range page.Items {
			times[item.Event.ID]++
		}
		if page.Next == after {
			break
		}
		after = page.Next
	}
	var lost, doubled []string
	for n := int64(1); n <= sent; n++ {
		switch times[eventID(n)] {
		case 0:
			lost = append(lost, eventID(n))
		case 1:
		default:
			doubled = append(doubled, eventID(n))
		}
	}
	if len(lost) > 0 || len(doubled) > 0 || len(times) != int(sent) {
		return 0, 0, fmt.Errorf("of %d acknowledged events %d are lost and %d doubled, among them %q and %q", sent, len(lost), len(doubled), first(lost), first(doubled))
	}
	return sent, l.reads.Load(), nil
}

// first is the beginning of a list.
func first(all []string) []string { return all[:min(len(all), 10)] }
