package main

import (
	"fmt"
	"html/template"
	"net/http"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// service is the program's state while it serves.
type service struct {
	version, environment string
	healthy              bool
	draining             atomic.Bool
	page                 *template.Template

	mu       sync.Mutex
	requests map[string]int // answered, by route and code, as labels of the metric
	seconds  float64        // spent on them
}

const pageHTML = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>template-service</title>
<h1>template-service</h1>
<p>version <code id="version">{{.Version}}</code>, environment <code id="environment">{{.Environment}}</code></p>
</html>
`

func newService(version, environment string, healthy bool) *service {
	return &service{
		version: version, environment: environment, healthy: healthy, requests: map[string]int{},
		page: template.Must(template.New("page").Parse(pageHTML)),
	}
}

// handler is every route of the service.
func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.showPage)
	mux.HandleFunc("GET /healthz", s.alive)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /metrics", s.metrics)
	return s.counted(mux)
}

func (s *service) showPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// An error means that whoever asked has gone away.
	_ = s.page.Execute(w, struct{ Version, Environment string }{s.version, s.environment})
}

// alive answers whether the process should go on: 503 makes the platform restart it.
func (s *service) alive(w http.ResponseWriter, _ *http.Request) { s.answer(w, s.healthy) }

// ready answers whether requests should come here.
func (s *service) ready(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, s.healthy && !s.draining.Load())
}

func (s *service) answer(w http.ResponseWriter, ok bool) {
	if !ok {
		http.Error(w, "unavailable", http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ok")
}

// metrics answers in the Prometheus text format.
func (s *service) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	s.mu.Lock()
	defer s.mu.Unlock()
	labels := make([]string, 0, len(s.requests))
	count := 0
	for l, n := range s.requests {
		labels = append(labels, l)
		count += n
	}
	sort.Strings(labels)
	_, _ = fmt.Fprintln(w, "# TYPE http_requests_total counter")
	for _, l := range labels {
		_, _ = fmt.Fprintf(w, "http_requests_total{%s} %d\n", l, s.requests[l])
	}
	_, _ = fmt.Fprintf(w, "# TYPE http_request_duration_seconds summary\nhttp_request_duration_seconds_sum %g\nhttp_request_duration_seconds_count %d\n", s.seconds, count)
}

// counted counts and times every request by its route; a path that is no route is "other".
func (s *service) counted(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, route := mux.Handler(r)
		if route == "" {
			route = "other"
		}
		start := time.Now()
		out := &recorder{ResponseWriter: w, code: http.StatusOK}
		mux.ServeHTTP(out, r)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests[fmt.Sprintf("route=%q,code=\"%d\"", route, out.code)]++
		s.seconds += time.Since(start).Seconds()
	})
}

// recorder remembers the code of an answer.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}
