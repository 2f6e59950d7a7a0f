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

	// slowBody is how long a body may take to begin; after it, it must have come at
	// least at slowRate bytes a second.
	slowBody = 10 * time.Second
	slowRate = 4 << 10
)

// Limits are those of one request.
type Limits struct {
	// Body is the most bytes of the body as it is sent; 0 keeps the limit.
	Body int64
	// Timeout counts from now; 0 keeps the limit, below 0 takes it away, which only
	// a stream may want.
	Timeout time.Duration
	// Streams says that the handler reads the body piece by piece and keeps none of
	// it, so that it takes no memory by its length.
	Streams bool
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
func limit(w http.ResponseWriter, r *http.Request, sh *share, now time.Time) (context.Context, *limits, func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	l := &limits{control: http.NewResponseController(w), cancel: cancel}
	if r.Body != nil && r.Body != http.NoBody {
		l.body = &limitedBody{
			body: r.Body, max: DefaultBody, share: sh, announced: r.ContentLength,
			control: l.control, began: now, end: now.Add(DefaultTimeout + grace),
		}
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
	if l.body != nil {
		l.body.streams = l.body.streams || n.Streams
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
	read := at
	if l.body != nil && !l.body.ended {
		l.body.end = at
		read = l.body.due()
	}
	return errors.Join(supported(l.control.SetReadDeadline(read)), supported(l.control.SetWriteDeadline(at)))
}

// supported leaves out that a writer has no deadlines, as in tests.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
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

// bodyTime puts our limit for the reading of a body in the place of huma's own.
// limitedBody moves it while the body comes, and takes it back at its end. An
// operation that sets its own keeps it.
func bodyTime(_ *huma.OpenAPI, op *huma.Operation) {
	if op.BodyReadTimeout == humaBodyTime {
		op.BodyReadTimeout = slowBody
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
// a 413 problem; one that there is no memory for with the problem to answer; and
// one that trickles with os.ErrDeadlineExceeded.
type limitedBody struct {
	body      io.ReadCloser
	max       int64
	read      int64
	announced int64 // Content-Length, below 0 when not told
	share     *share
	paid      int64
	streams   bool

	control    *http.ResponseController
	began, end time.Time // end is zero for none
	ended      bool
}

// payStep is how much of a body is paid for ahead.
const payStep = 16 << 10

func (b *limitedBody) Read(p []byte) (int, error) {
	left := b.max - b.read
	if left < 0 || b.read == 0 && b.announced > b.max {
		return 0, &http.MaxBytesError{Limit: b.max}
	}
	if b.read == 0 {
		if err := b.afford(); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > left+1 {
		p = p[:left+1] // one byte more tells whether there is more
	}
	n, err := b.body.Read(p)
	b.read += int64(n)
	if b.read > b.max {
		return n - int(b.read-b.max), &http.MaxBytesError{Limit: b.max}
	}
	if err == nil {
		err = b.progress()
	} else {
		// Behind the body net/http watches the connection; a deadline for the body
		// must not end the request while it is worked on.
		b.ended = true
		if derr := supported(b.control.SetReadDeadline(b.end)); derr != nil {
			return n, derr
		}
	}
	if perr := b.pay(); perr != nil {
		return 0, perr
	}
	return n, err
}

// afford looks, before anything of the body is read, whether there is room for
// what it announces.
func (b *limitedBody) afford() error {
	if b.share == nil || b.streams || b.announced <= 0 {
		return nil
	}
	return b.share.has(b.announced)
}

// pay charges what was read to the budget.
func (b *limitedBody) pay() error {
	if b.share == nil || b.streams || b.read <= b.paid {
		return nil
	}
	n := max(b.read-b.paid, min(payStep, b.announced-b.paid))
	if err := b.share.take(n); err != nil {
		return err
	}
	b.paid += n
	return nil
}

// progress moves the deadline for what comes next, so that a body that goes on
// is read and one that trickles is given up.
func (b *limitedBody) progress() error { return supported(b.control.SetReadDeadline(b.due())) }

func (b *limitedBody) due() time.Time {
	at := b.began.Add(slowBody + time.Duration(b.read)*time.Second/slowRate)
	if !b.end.IsZero() && at.After(b.end) {
		return b.end
	}
	return at
}

func (b *limitedBody) Close() error { return b.body.Close() }

// Charged is a reader that was made from the body of the request, by unpacking
// it: what comes out of it takes memory as the body does. A body that streams
// is not charged.
func Charged(r *http.Request, in io.Reader) io.Reader {
	l, ok := r.Context().Value(limitsKey{}).(*limits)
	if !ok || l.body == nil || l.body.share == nil || l.body.streams {
		return in
	}
	return &chargedReader{in: in, share: l.body.share}
}

type chargedReader struct {
	in    io.Reader
	share *share
}

func (c *chargedReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if terr := c.share.take(int64(n)); terr != nil {
		return 0, terr
	}
	return n, err
}
