package httpapi

import (
	"context"
	"hash/maphash"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// BudgetOptions bounds what the requests at hand may hold in one process. Zero
// values are replaced by the defaults.
type BudgetOptions struct {
	// Requests is the most that are worked on at once; default 1024.
	Requests int
	// Memory is the most bytes of bodies in memory; default 64 MiB. One client may
	// hold half of it, and large bodies together three quarters: the rest is kept
	// for small ones.
	Memory int64
	// Rate is the most requests a second of one client, with as many again in a
	// burst; 0 is no limit.
	Rate int
}

// Budget is what the requests at hand share: places and memory. What does not
// fit is refused with 429 where one client takes too much, and with 503 where
// all of them together do; both carry Retry-After, and nothing waits in a queue.
// A nil Budget refuses nothing.
type Budget struct {
	opts BudgetOptions
	seed maphash.Seed

	mu       sync.Mutex
	requests int
	bytes    int64
	clients  map[uint64]*client
	swept    time.Time
}

// client is one credential at one address.
type client struct {
	requests int
	bytes    int64
	tokens   float64   // requests it may make now
	at       time.Time // when tokens was so
}

// smallBody is what a request may hold of the part that is kept for small ones.
const smallBody = 64 << 10

// NewBudget makes a budget.
func NewBudget(o BudgetOptions) *Budget {
	if o.Requests <= 0 {
		o.Requests = 1024
	}
	if o.Memory <= 0 {
		o.Memory = 64 << 20
	}
	return &Budget{opts: o, seed: maphash.MakeSeed(), clients: map[uint64]*client{}}
}

type budgetKey struct{}

// WithBudget puts the budget into the context of every request of a server.
func WithBudget(ctx context.Context, b *Budget) context.Context {
	return context.WithValue(ctx, budgetKey{}, b)
}

// share is what one request holds of a budget.
type share struct {
	budget *Budget
	of     *client
	bytes  int64
}

var (
	errTooBusy = problem.New(problem.Unavailable, "too many requests are being worked on").
			WithMend("send the same request again after Retry-After")
	errTooFast = problem.New(problem.RateLimited, "this client sends more requests than it may").
			WithMend("wait as long as Retry-After says, and send events in batches")
	errTooMuch = problem.New(problem.RateLimited, "this client's bodies take too much memory at once").
			WithMend("send fewer large bodies at a time, after Retry-After")
	errFull = problem.New(problem.Unavailable, "the bodies at hand take all the memory there is for them").
		WithMend("send the same request again after Retry-After")
)

// enter takes a place for a request; it must be left.
func (b *Budget) enter(r *http.Request, now time.Time) (*share, error) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	var h maphash.Hash
	h.SetSeed(b.seed)
	h.WriteString(host)                          //nolint:errcheck // documented never to fail
	h.WriteByte(0)                               //nolint:errcheck // documented never to fail
	h.WriteString(r.Header.Get("Authorization")) //nolint:errcheck // documented never to fail
	key := h.Sum64()

	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(now)
	c := b.clients[key]
	if c == nil {
		c = &client{tokens: 2 * float64(b.opts.Rate), at: now}
		b.clients[key] = c
	}
	if b.opts.Rate > 0 {
		rate := float64(b.opts.Rate)
		c.tokens = min(2*rate, c.tokens+rate*now.Sub(c.at).Seconds())
		c.at = now
		if c.tokens < 1 {
			return nil, errTooFast
		}
		c.tokens--
	}
	if b.requests >= b.opts.Requests {
		return nil, errTooBusy
	}
	b.requests++
	c.requests++
	return &share{budget: b, of: c}, nil
}

// sweep forgets clients that have nothing at hand, now and then.
func (b *Budget) sweep(now time.Time) {
	if now.Sub(b.swept) < 10*time.Second && len(b.clients) < 4*b.opts.Requests {
		return
	}
	b.swept = now
	for key, c := range b.clients {
		if c.requests == 0 && now.Sub(c.at) > 2*time.Second {
			delete(b.clients, key)
		}
	}
}

func (s *share) leave() {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.budget.requests--
	s.budget.bytes -= s.bytes
	s.of.requests--
	s.of.bytes -= s.bytes
}

// take charges n more bytes to the request, or says why it cannot have them.
func (s *share) take(n int64) error {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	if err := s.room(n); err != nil {
		return err
	}
	s.bytes += n
	s.of.bytes += n
	s.budget.bytes += n
	return nil
}

// has says whether n more bytes would be given now.
func (s *share) has(n int64) error {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	return s.room(n)
}

func (s *share) room(n int64) error {
	b := s.budget
	if s.bytes+n <= smallBody {
		if b.bytes+n > b.opts.Memory {
			return errFull
		}
		return nil
	}
	if s.of.bytes+n > b.opts.Memory/2 {
		return errTooMuch
	}
	if b.bytes+n > b.opts.Memory/4*3 {
		return errFull
	}
	return nil
}
