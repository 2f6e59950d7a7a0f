package main

import (
	"bytes"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// bounds are the upper bounds of the histogram of durations, in seconds.
var bounds = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}

// metrics counts requests. Its labels are bounded: a route is a pattern of this program, never a path.
type metrics struct {
	mu      sync.Mutex
	counts  map[request]int
	timings map[string]*timing // by route
}

type request struct {
	route, method string
	code          int
}

type timing struct {
	buckets []int // one more than bounds
	sum     float64
	count   int
}

func newMetrics() *metrics {
	return &metrics{counts: map[request]int{}, timings: map[string]*timing{}}
}

func (m *metrics) observe(r request, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[r]++
	t := m.timings[r.route]
	if t == nil {
		t = &timing{buckets: make([]int, len(bounds)+1)}
		m.timings[r.route] = t
	}
	t.buckets[sort.SearchFloat64s(bounds, took.Seconds())]++
	t.sum += took.Seconds()
	t.count++
}

// text is the Prometheus text format, version 0.0.4.
func (m *metrics) text(s settings, started time.Time, dropped int64) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b bytes.Buffer
	fmt.Fprintf(&b, "# HELP build_info The running version.\n# TYPE build_info gauge\nbuild_info{service=%s,version=%s} 1\n", quoted(s.service), quoted(s.version))
	fmt.Fprintf(&b, "# HELP process_start_time_seconds Start of the process since the Unix epoch in seconds.\n# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %d\n", started.Unix())
	fmt.Fprintf(&b, "# HELP trace_spans_dropped_total Spans that could not be exported.\n# TYPE trace_spans_dropped_total counter\ntrace_spans_dropped_total %d\n", dropped)

	b.WriteString("# HELP http_requests_total Requests answered.\n# TYPE http_requests_total counter\n")
	requests := make([]request, 0, len(m.counts))
	for r := range m.counts {
		requests = append(requests, r)
	}
	sort.Slice(requests, func(i, j int) bool {
		a, c := requests[i], requests[j]
		if a.route != c.route {
			return a.route < c.route
		}
		if a.method != c.method {
			return a.method < c.method
		}
		return a.code < c.code
	})
	for _, r := range requests {
		fmt.Fprintf(&b, "http_requests_total{route=%s,method=%s,code=\"%d\"} %d\n", quoted(r.route), quoted(r.method), r.code, m.counts[r])
	}

	b.WriteString("# HELP http_request_duration_seconds Time from request to answer.\n# TYPE http_request_duration_seconds histogram\n")
	routes := make([]string, 0, len(m.timings))
	for route := range m.timings {
		routes = append(routes, route)
	}
	sort.Strings(routes)
	for _, route := range routes {
		t, below := m.timings[route], 0
		for i, bound := range bounds {
			below += t.buckets[i]
			fmt.Fprintf(&b, "http_request_duration_seconds_bucket{route=%s,le=\"%s\"} %d\n", quoted(route), number(bound), below)
		}
		fmt.Fprintf(&b, "http_request_duration_seconds_bucket{route=%s,le=\"+Inf\"} %d\n", quoted(route), t.count)
		fmt.Fprintf(&b, "http_request_duration_seconds_sum{route=%s} %s\n", quoted(route), number(t.sum))
		fmt.Fprintf(&b, "http_request_duration_seconds_count{route=%s} %d\n", quoted(route), t.count)
	}
	return b.Bytes()
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// quoted is a label's value as the format wants it.
func quoted(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(v) + `"`
}

func (a *app) showMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(a.metrics.text(a.settings, a.started, a.traces.dropped.Load())) // whoever asked has gone away
}

// observed counts, times, traces and logs every request.
func (a *app) observed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, route := mux.Handler(r)
		if _, path, ok := strings.Cut(route, " "); ok {
			route = strings.TrimSuffix(path, "{$}")
		}
		if route == "" {
			route = "other"
		}
		start := time.Now()
		span := a.traces.start(r.Header.Get("traceparent"), start)
		w.Header().Set("traceresponse", span.traceparent())
		out := &recorder{ResponseWriter: w, code: http.StatusOK}
		mux.ServeHTTP(out, r)
		took := time.Since(start)
		a.metrics.observe(request{route, methodOf(r.Method), out.code}, took)
		if route == "/healthz" || route == "/readyz" || route == "/metrics" {
			return // asked all the time, and of no one's journey
		}
		a.traces.finish(span, methodOf(r.Method), route, out.code, start.Add(took))
		a.log.Info("request", "method", methodOf(r.Method), "route", route, "code", out.code, "seconds", took.Seconds(), "trace_id", span.traceID())
	})
}

// methodOf keeps strangers from making up methods.
func methodOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
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
