package registry

import (
	"log/slog"
	"net/http"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// server is the front before distribution: it lets in, bounds, checks and keeps the index in step.
type server struct {
	upstream http.Handler
	layout   layout
	index    *index
	verifier *auth.Verifier
	clock    clock.Clock
	log      *slog.Logger
	maxBlob  int64 // bytes of one blob
	metrics  metrics

	// sweep is held for reading while a request relies on blobs that nothing refers to yet, and for writing while
	// garbage collection or a deletion removes. It is never held while a body comes in.
	sweep      sync.RWMutex
	collecting sync.Mutex // one garbage collection at a time
}

type metrics struct {
	pushed  prometheus.Counter
	damaged prometheus.Counter
}

func newMetrics() metrics {
	return metrics{
		pushed:  prometheus.NewCounter(prometheus.CounterOpts{Name: "fawkes_registry_manifests_pushed_total", Help: "Manifests that were pushed and acknowledged."}),
		damaged: prometheus.NewCounter(prometheus.CounterOpts{Name: "fawkes_registry_blobs_damaged_total", Help: "Blobs whose content was found not to match their digest."}),
	}
}

// ServeHTTP answers /v2/.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	httpapi.Allow(r, httpapi.Limits{Timeout: -1})
	to := routeOf(r.URL.Path)
	if err := s.admit(r, to); err != nil {
		refusal(err).write(w)
		return
	}
	if to.kind == unknown {
		faultf(http.StatusNotFound, codeNameUnknown, "there is no such address in a registry").write(w)
		return
	}
	if err := s.index.load(r.Context()); err != nil {
		s.log.Error("the registry's folder cannot be read", "error", err)
		faultf(http.StatusServiceUnavailable, codeUnavailable, "the registry's storage cannot be read").write(w)
		return
	}
	s.serve(w, r, to)
}

func (s *server) serve(w http.ResponseWriter, r *http.Request, to route) {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case to.kind == referral && read:
		s.serveReferrers(w, r, to)
	case to.kind == manifests && r.Method == http.MethodPut:
		s.putManifest(w, r, to)
	case to.kind == manifests && r.Method == http.MethodDelete:
		s.deleteManifest(w, r, to)
	case to.kind == manifests && read:
		s.getManifest(w, r, to)
	case to.kind == blobs && r.Method == http.MethodDelete:
		s.deleteBlob(w, r, to)
	case to.kind == blobs && read:
		s.getBlob(w, r, to)
	case to.kind == uploads:
		s.upload(w, r, to)
	default:
		s.pass(w, r)
	}
}

// admit asks who is there and whether they may. Who may push may also look, because clients look before they push.
func (s *server) admit(r *http.Request, to route) error {
	p, err := s.verifier.Authenticate(r)
	if err != nil {
		return err
	}
	need := auth.ScopeRegistryRead
	switch {
	case to.kind == version:
		return nil
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		if p.Can(auth.ScopeRegistryWrite) {
			return nil
		}
	case r.Method == http.MethodDelete && to.kind != uploads:
		need = auth.ScopeRegistryAdmin
	default:
		need = auth.ScopeRegistryWrite
	}
	if !p.Can(need) {
		return problem.New(problem.Forbidden, "this needs the scope %s", need).
			WithMend("use a token that has it: `fawkes token create --scope " + need + "`")
	}
	return nil
}

// pass hands a request to distribution as it is.
func (s *server) pass(w http.ResponseWriter, r *http.Request) {
	watched := &watch{ResponseWriter: w}
	s.upstream.ServeHTTP(watched, r)
	s.report(r, watched.status)
}

// hold hands a request to distribution and keeps the answer back.
func (s *server) hold(r *http.Request) *answer {
	a := newAnswer()
	s.upstream.ServeHTTP(a, r)
	s.report(r, a.status)
	return a
}

// report logs what went wrong on our side; refused requests are the clients' affair.
func (s *server) report(r *http.Request, status int) {
	if status >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.log.Error("the registry could not answer", "method", r.Method, "path", r.URL.Path, "status", status)
	}
}

// watch digests what is answered.
type watch struct {
	http.ResponseWriter
	status  int
	digest  digest.Verifier // nil: not digested
	left    int64           // bytes that are still to come
	damaged func()          // called before the last bytes leave, when the whole does not match
}

// WriteHeader remembers the status.
func (w *watch) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write digests what passes.
func (w *watch) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.digest != nil && w.status == http.StatusOK {
		_, _ = w.digest.Write(p)
		if w.left -= int64(len(p)); w.left == 0 && !w.digest.Verified() {
			w.damaged()
		}
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *watch) Unwrap() http.ResponseWriter { return w.ResponseWriter }
