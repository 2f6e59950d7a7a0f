package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

type committerError struct{ text string }

func (e *committerError) Error() string { return e.text }

// Problem makes both errors a 503 at the edge: the same request may be sent again.
func (e *committerError) Problem() *problem.Problem {
	return problem.New(problem.Unavailable, "%s", e.text).WithMend("send the same request again in a second")
}

var (
	// ErrBusy says that more writes wait than the queue holds.
	ErrBusy error = &committerError{"too many writes are waiting"}
	// ErrClosed says that the committer is closing; nothing was stored.
	ErrClosed error = &committerError{"the store is closing"}
)

// CommitterOptions adjusts a Committer. The zero value is good.
type CommitterOptions struct {
	// Name is what the log calls it.
	Name string
	// MaxBatch is the most items in one commit; default 512.
	MaxBatch int
	// Queue is the most items that wait; default 8 batches. Beyond it Submit
	// answers ErrBusy at once.
	Queue int
	// RetryFor bounds how long a batch is repeated after transient errors; default
	// 8 seconds, so that a client hears within ten.
	RetryFor time.Duration
	// Logger hears of repeated and failed batches; slog.Default when nil.
	Logger *slog.Logger
}

// Committer is a group commit: many callers submit one item each, one goroutine
// takes all that wait and hands them to one commit, and each caller hears its
// own result once that commit is durable. While one commit is under way the next
// batch gathers, so the batches grow with the load and no caller waits for a
// timer.
type Committer[T, R any] struct {
	opts   CommitterOptions
	commit func(context.Context, []T) ([]R, error)

	mu     sync.RWMutex // guards closed against a send on the closed queue
	closed bool
	queue  chan *waiting[T, R]
	done   chan struct{}
}

type waiting[T, R any] struct {
	ctx    context.Context
	item   T
	result R
	err    error
	done   chan struct{}
}

// NewCommitter starts a group commit. The function commit stores a batch in one
// transaction and returns one result for each item, in order; it is called by one
// goroutine at a time and must be harmless to repeat for the same items, because
// after a lost connection nobody knows whether the transaction was stored.
func NewCommitter[T, R any](opts CommitterOptions, commit func(ctx context.Context, batch []T) ([]R, error)) *Committer[T, R] {
	if opts.MaxBatch <= 0 {
		opts.MaxBatch = 512
	}
	if opts.Queue <= 0 {
		opts.Queue = 8 * opts.MaxBatch
	}
	if opts.RetryFor <= 0 {
		opts.RetryFor = 8 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	c := &Committer[T, R]{opts: opts, commit: commit, queue: make(chan *waiting[T, R], opts.Queue), done: make(chan struct{})}
	go c.run()
	return c
}

// Submit waits until the item is durable and returns its result. When ctx ends
// first Submit returns its error, and the item may or may not be stored.
func (c *Committer[T, R]) Submit(ctx context.Context, item T) (R, error) {
	w := &waiting[T, R]{ctx: ctx, item: item, done: make(chan struct{})}
	if err := c.enqueue(w); err != nil {
		return w.result, err
	}
	select {
	case <-w.done:
		return w.result, w.err
	case <-ctx.Done():
		var none R
		return none, ctx.Err()
	}
}

func (c *Committer[T, R]) enqueue(w *waiting[T, R]) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return ErrClosed
	}
	select {
	case c.queue <- w:
		return nil
	default:
		return ErrBusy
	}
}

// Close takes no more items, commits those that wait, and returns when the last
// caller has its answer.
func (c *Committer[T, R]) Close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.queue)
	}
	c.mu.Unlock()
	<-c.done
}

func (c *Committer[T, R]) run() {
	defer close(c.done)
	callers := make([]*waiting[T, R], 0, c.opts.MaxBatch)
	batch := make([]T, 0, c.opts.MaxBatch)
	for first := range c.queue {
		// Those whose answers have just gone out are about to submit again; let them
		// run before the batch is closed. This is a turn of the scheduler, not a
		// delay.
		runtime.Gosched()
		callers, batch = callers[:0], batch[:0]
		for w, ok := first, true; ok; {
			if w.ctx.Err() == nil { // nobody waits for the others any more
				callers, batch = append(callers, w), append(batch, w.item)
			}
			if len(batch) == c.opts.MaxBatch {
				break
			}
			select {
			case w, ok = <-c.queue:
			default:
				ok = false
			}
		}
		if len(batch) == 0 {
			continue
		}
		results, err := c.store(batch)
		for i, w := range callers {
			if err != nil {
				w.err = err
			} else {
				w.result = results[i]
			}
			close(w.done)
		}
		clear(callers)
		clear(batch)
	}
}

// store commits the batch, again and again within the bound while the errors are
// transient. It is not bound to any one caller's context.
func (c *Committer[T, R]) store(batch []T) ([]R, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.opts.RetryFor)
	defer cancel()
	for attempt := 1; ; attempt++ {
		results, err := c.attempt(ctx, batch)
		if err == nil {
			return results, nil
		}
		again := Transient(err)
		if !again || pause(ctx, backoff(attempt)) != nil {
			c.opts.Logger.Error("a batch was not stored", "committer", c.opts.Name, "items", len(batch), "attempts", attempt, "error", err)
			if again || ctx.Err() != nil {
				err = &unavailableError{attempt, err}
			}
			return nil, err
		}
		c.opts.Logger.Warn("a batch is stored again", "committer", c.opts.Name, "items", len(batch), "attempt", attempt, "error", err)
	}
}

func (c *Committer[T, R]) attempt(ctx context.Context, batch []T) (results []R, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.opts.Logger.Error("commit panicked", "committer", c.opts.Name, "panic", r, "stack", string(debug.Stack()))
			results, err = nil, fmt.Errorf("commit panicked: %v", r)
		}
	}()
	results, err = c.commit(ctx, batch)
	if err == nil && len(results) != len(batch) {
		err = errors.New("commit returned a number of results that is not the number of items")
	}
	return results, err
}
