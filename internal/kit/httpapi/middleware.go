package httpapi

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/prometheus/client_golang/prometheus"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// RequestIDHeader carries the request id in both directions.
const RequestIDHeader = "X-Request-Id"

// Wrap puts the common edge around any handler: request id, limits, security
// headers, recovery from panics, measurement, tracing. API.Handler is already
// wrapped; a service without an API wraps its own handler.
func Wrap(opts Options, next http.Handler) http.Handler {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	e := &edge{log: opts.Log, next: refine(next), durations: durations(opts), headers: securityHeaders(), always: opts.Always}
	if opts.Tracer == nil {
		return e
	}
	if _, off := opts.Tracer.(tracenoop.Tracer); off {
		return e
	}
	return otelhttp.NewHandler(e, opts.Service,
		otelhttp.WithTracerProvider(oneTracer{tracer: opts.Tracer}),
		otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelhttp.WithSpanNameFormatter(spanName))
}

// spanName is the route: of the addresses themselves there is no end.
func spanName(_ string, r *http.Request) string {
	if strings.HasPrefix(r.Pattern, r.Method+" ") {
		return r.Pattern
	}
	return strings.TrimSpace(r.Method + " " + r.Pattern)
}

// oneTracer hands out the service's own tracer, whatever it is asked for.
type oneTracer struct {
	tracenoop.TracerProvider
	tracer trace.Tracer
}

func (p oneTracer) Tracer(string, ...trace.TracerOption) trace.Tracer { return p.tracer }

type edge struct {
	log       *slog.Logger
	next      http.Handler
	durations *prometheus.HistogramVec // nil: not measured
	headers   []header
	always    bool // answered however much is at hand
}

func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	id := requestID(r)
	e.setSecurityHeaders(w.Header())
	w.Header().Set(RequestIDHeader, id)

	rec := &recorder{ResponseWriter: w}
	var sh *share
	if b, ok := r.Context().Value(budgetKey{}).(*Budget); ok && !e.always {
		var err error
		if sh, err = b.enter(r, began); err != nil {
			w.Header().Set("Connection", "close") // its body is not read
			problem.Write(rec, r.WithContext(problem.WithRequest(r.Context(), id, e.log)), err)
			e.finished(rec, r, id, time.Since(began))
			return
		}
		defer sh.leave()
	}
	if fault := unreadableAddress(r); fault != nil {
		problem.Write(rec, r.WithContext(problem.WithRequest(r.Context(), id, e.log)), fault)
		e.finished(rec, r, id, time.Since(began))
		return
	}
	ctx, bounds, done := limit(w, r, sh, began)
	defer done()
	ctx = problem.WithRequest(ctx, id, e.log)
	outer := r
	r = r.WithContext(ctx)
	if bounds.body != nil {
		r.Body = bounds.body
	}
	defer func() {
		outer.Pattern = r.Pattern // for the span's name
		if p := recover(); p != nil {
			e.recovered(rec, r, p)
		}
		e.finished(rec, r, id, time.Since(began))
	}()
	if err := bounds.deadlines(began, DefaultTimeout); err != nil {
		return // the connection is gone already
	}
	e.next.ServeHTTP(rec, r)
}

// recovered answers a request whose handler panicked, and keeps the process.
func (e *edge) recovered(rec *recorder, r *http.Request, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) //nolint:forbidigo // the handler wants the connection cut, and net/http knows how
	}
	e.log.Error("handler panicked", "request_id", problem.RequestID(r.Context()), "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	if rec.status != 0 {
		// Part of an answer is out. Cutting the connection is the only way left to
		// tell the client that it is not whole.
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's own way to cut a connection
	}
	problem.Write(rec, r, problem.New(problem.Internal, ""))
}

func (e *edge) finished(rec *recorder, r *http.Request, id string, took time.Duration) {
	status := rec.status
	if status == 0 {
		status = http.StatusOK
	}
	if e.durations != nil {
		route := r.Pattern
		if route == "" {
			route = "none"
		}
		e.durations.WithLabelValues(route, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
	}
	if e.log.Enabled(r.Context(), slog.LevelDebug) {
		e.log.DebugContext(r.Context(), "request", "request_id", id, "method", r.Method, "path", r.URL.Path, "status", status, "bytes", rec.bytes, "seconds", took.Seconds())
	}
}

// requestID takes over a well-formed id of the client, so that one id leads
// through several services, or makes one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(RequestIDHeader); wellFormed(id) {
		return id
	}
	var b [12]byte
	_, _ = rand.Read(b[:]) // documented never to fail
	return hex.EncodeToString(b[:])
}

func wellFormed(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == ':':
		default:
			return false
		}
	}
	return true
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
		// Whatever made the answer: who is told to come again is told when.
		if h := w.Header(); (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) && h.Get("Retry-After") == "" {
			h.Set("Retry-After", "1")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Flush lets server-sent events through.
func (w *recorder) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
