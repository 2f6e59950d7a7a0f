package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	// DefaultBody is the most bytes a request's body may have.
	DefaultBody = 1 << 20
	// DefaultTimeout is how long a request may take from its header to its answer.
	DefaultTimeout = 30 * time.Second

	// grace is by how much the connection outlives the time limit, so that the
	// limit can still be answered.
	grace = 5 * time.Second
	// humaBodyTime is what huma sets when an operation says nothing.
	humaBodyTime = 5 * time.Second
)

// Limits are those of one request.
type Limits struct {
	// Body is the most bytes of the body as it is sent; 0 keeps the limit.
	Body int64
	// Timeout counts from now; 0 keeps the limit, below 0 takes it away, which only
	// a stream may want.
	Timeout time.Duration
}

type limitsKey struct{}

// limits holds the bounds of the request at hand. They can be moved while it
// runs, which http.TimeoutHandler and http.MaxBytesReader cannot, and without
// holding the answer back, so that streams work.
type limits struct {
	control *http.ResponseController
	cancel  context.CancelCauseFunc
	body    *limitedBody

	mu    sync.Mutex
	timer *time.Timer
}

var errTimeLimit = problem.New(problem.Timeout, "the request was not done within its time limit").WithCause(context.DeadlineExceeded)

// limit bounds a request; the function it returns must run when it is answered.
func limit(w http.ResponseWriter, r *http.Request) (context.Context, *limits, func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	l := &limits{control: http.NewResponseController(w), cancel: cancel}
	if r.Body != nil && r.Body != http.NoBody {
		l.body = &limitedBody{body: r.Body, max: DefaultBody}
	}
	l.timer = time.AfterFunc(DefaultTimeout, func() { cancel(errTimeLimit) })
	return context.WithValue(ctx, limitsKey{}, l), l, func() {
		l.mu.Lock()
		l.timer.Stop()
		l.mu.Unlock()
		cancel(context.Canceled)
	}
}

func (l *limits) allow(n Limits) {
	if n.Body > 0 && l.body != nil {
		l.body.max = n.Body
	}
	if n.Timeout == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer.Stop()
	if n.Timeout > 0 {
		l.timer = time.AfterFunc(n.Timeout, func() { l.cancel(errTimeLimit) })
	}
}

// deadlines bounds the reading and writing of the connection. A writer that has
// none, as in tests, is bounded by the context alone.
func (l *limits) deadlines(now time.Time, timeout time.Duration) error {
	var at time.Time // no deadline
	if timeout > 0 {
		at = now.Add(timeout + grace)
	}
	for _, set := range []func(time.Time) error{l.control.SetReadDeadline, l.control.SetWriteDeadline} {
		if err := set(at); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
	}
	return nil
}

// Allow gives the request at hand other limits than the usual ones. Call it
// before the body is read. Outside of this package's middleware it does nothing.
func Allow(r *http.Request, n Limits) {
	l, ok := r.Context().Value(limitsKey{}).(*limits)
	if !ok {
		return
	}
	l.allow(n)
	if n.Timeout != 0 {
		if err := l.deadlines(time.Now(), n.Timeout); err != nil {
			l.cancel(err) // the connection is gone
		}
	}
}

// bodyTime takes back huma's own limit for the reading of a body, which stays on
// the connection after the body is read: net/http then ends the request's context
// while the handler still works. An operation that sets its own keeps it.
func bodyTime(_ *huma.OpenAPI, op *huma.Operation) {
	if op.BodyReadTimeout == humaBodyTime {
		op.BodyReadTimeout = DefaultTimeout + grace
	}
}

// operationLimits carries the limits an operation declares to the outer ones.
func operationLimits(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	n := Limits{}
	if op.MaxBodyBytes > DefaultBody {
		n.Body = op.MaxBodyBytes
	}
	if op.BodyReadTimeout > DefaultTimeout+grace {
		n.Timeout = op.BodyReadTimeout
	}
	if n != (Limits{}) {
		r, _ := humago.Unwrap(ctx)
		Allow(r, n)
	}
	next(ctx)
}

// limitedBody ends a body that is too long with http.MaxBytesError, which becomes
// a 413 problem.
type limitedBody struct {
	body io.ReadCloser
	max  int64
	read int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	left := b.max - b.read
	if left < 0 {
		return 0, &http.MaxBytesError{Limit: b.max}
	}
	if int64(len(p)) > left+1 {
		p = p[:left+1] // one byte more tells whether there is more
	}
	n, err := b.body.Read(p)
	b.read += int64(n)
	if b.read > b.max {
		return n - int(b.read-b.max), &http.MaxBytesError{Limit: b.max}
	}
	return n, err
}

func (b *limitedBody) Close() error { return b.body.Close() }
