package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/prometheus/client_golang/prometheus"
)

// refine turns the plain-text answers of http.ServeMux for unknown addresses and
// methods into problems. Other handlers are left as they are.
func refine(next http.Handler) http.Handler {
	mux, ok := next.(*http.ServeMux)
	if !ok {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		// The mux answers into a probe, which tells 404 from 405 and holds Allow.
		probe := &probe{header: http.Header{}}
		mux.ServeHTTP(probe, r)
		if probe.status == http.StatusMethodNotAllowed {
			allow := probe.header.Get("Allow")
			w.Header().Set("Allow", allow)
			problem.Write(w, r, problem.New(problem.MethodNot, "%s is not allowed here", r.Method).WithMend("use "+allow))
			return
		}
		problem.Write(w, r, problem.New(problem.NotFound, "nothing is at %s", r.URL.Path))
	})
}

// probe is a ResponseWriter that keeps the header and drops the body.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// durations makes the measurement of requests: by route, of which there are as
// many as patterns, and by class of status.
func durations(opts Options) *prometheus.HistogramVec {
	if opts.Metrics == nil {
		return nil
	}
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "fawkes_" + strings.ReplaceAll(opts.Service, "-", "_") + "_http_request_duration_seconds",
		Help:    "How long requests took, from their header to the end of the answer.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "status"})
	if err := opts.Metrics.Register(vec); err != nil {
		var there prometheus.AlreadyRegisteredError
		if errors.As(err, &there) {
			if v, ok := there.ExistingCollector.(*prometheus.HistogramVec); ok {
				return v
			}
		}
		opts.Log.Error("requests are not measured", "error", err)
		return nil
	}
	return vec
}
