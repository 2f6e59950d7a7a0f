package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestASpanIsExportedUnderItsCaller(t *testing.T) {
	got := make(chan exportRequest, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body exportRequest
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		got <- body
	}))
	defer collector.Close()
	a := testApp(t, "OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL+"/", "OTEL_SERVICE_NAME", "greeter")
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	done := make(chan struct{})
	go func() { defer close(done); a.traces.run(ctx) }()

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	w := httptest.NewRecorder()
	a.handler().ServeHTTP(w, r)
	stop() // what waits is sent when the program stops
	<-done

	var body exportRequest
	select {
	case body = <-got:
	default:
		t.Fatal("no span came")
	}
	s := body.ResourceSpans[0].ScopeSpans[0].Spans[0]
	if s.TraceID != "0af7651916cd43dd8448eb211c80319c" || s.ParentSpanID != "b7ad6b7169203331" || s.Name != "GET /" || s.Kind != 2 || s.Status != nil {
		t.Errorf("span %+v", s)
	}
	if !strings.HasPrefix(w.Header().Get("traceresponse"), "00-0af7651916cd43dd8448eb211c80319c-"+s.SpanID) {
		t.Errorf("traceresponse %q names another span than %s", w.Header().Get("traceresponse"), s.SpanID)
	}
	if name := body.ResourceSpans[0].Resource.Attributes[0]; name.Key != "service.name" || *name.Value.String != "greeter" {
		t.Errorf("resource %+v", name)
	}
}

func TestTraceparentOfTheSpecificationAndOfStrangers(t *testing.T) {
	for header, want := range map[string]bool{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":      true,
		"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more": true,
		"":         false,
		"00-0-0-0": false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01":  false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01":  false,
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":  false,
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01":  false,
		"00-0af7651916cd43dd8448eb211c80319z-b7ad6b7169203331-01":  false,
		"00-0af7651916cd43dd8448eb211c80319c--b7ad6b7169203331-01": false,
	} {
		a := testApp(t)
		s := a.traces.start(header, time.Now())
		if got := s.parent != [8]byte{}; got != want {
			t.Errorf("%q: taken %v, want %v", header, got, want)
		}
		if s.trace == [16]byte{} || len(hex.EncodeToString(s.id[:])) != 16 {
			t.Errorf("%q: a span without ids: %+v", header, s)
		}
	}
}

func TestSpansNeverHoldUpARequest(t *testing.T) {
	a := testApp(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.invalid")
	for range spansWaiting + 5 {
		a.traces.finish(span{}, "GET", "/", 200, time.Now())
	}
	if got := a.traces.dropped.Load(); got != 5 {
		t.Errorf("%d spans dropped, want 5", got)
	}
}

func TestACollectorThatRefusesIsCounted(t *testing.T) {
	collector := httptest.NewServer(http.NotFoundHandler())
	defer collector.Close()
	a := testApp(t, "OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	a.traces.export(t.Context(), []otlpSpan{{}, {}})
	if got := a.traces.dropped.Load(); got != 2 {
		t.Errorf("%d spans dropped, want 2", got)
	}
}
