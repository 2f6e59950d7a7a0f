package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The exporter waits for so many spans, or so long, before it sends; it never keeps more than spansWaiting.
const (
	spansTogether = 64
	spansWaiting  = 1024
	spansPatience = time.Second
)

// span is one request, as OTLP and W3C trace context name it.
type span struct {
	trace  [16]byte
	id     [8]byte
	parent [8]byte
	start  time.Time
}

func (s span) traceID() string { return hex.EncodeToString(s.trace[:]) }

// traceparent is the span as a header of W3C trace context, sampled.
func (s span) traceparent() string {
	return "00-" + s.traceID() + "-" + hex.EncodeToString(s.id[:]) + "-01"
}

// tracer makes spans and exports them with OTLP over HTTP, as JSON. Without an address it exports nothing.
type tracer struct {
	url      string
	resource []attribute
	log      *slog.Logger
	client   *http.Client
	finished chan otlpSpan
	dropped  atomic.Int64
}

func newTracer(s settings, log *slog.Logger) *tracer {
	t := &tracer{log: log, client: &http.Client{Timeout: 5 * time.Second}, finished: make(chan otlpSpan, spansWaiting)}
	if s.traces != "" {
		t.url = strings.TrimRight(s.traces, "/") + "/v1/traces"
	}
	t.resource = []attribute{
		text("service.name", s.service), text("service.version", s.version),
		text("deployment.environment.name", s.environment), text("host.name", s.host),
	}
	return t
}

// start begins a span under the caller's, when the header names one.
func (t *tracer) start(header string, at time.Time) span {
	s := span{start: at}
	_, _ = rand.Read(s.id[:]) // never fails, by its documentation
	if !readTraceparent(header, &s) {
		_, _ = rand.Read(s.trace[:])
	}
	return s
}

// readTraceparent takes trace and parent of a header "00-<32 hex>-<16 hex>-<2 hex>". Anything else is no header.
func readTraceparent(header string, s *span) bool {
	parts := strings.Split(header, "-")
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || len(parts[1]) != 32 || len(parts[2]) != 16 || strings.ToLower(header) != header {
		return false
	}
	trace, err := hex.DecodeString(parts[1])
	if err != nil || bytes.Equal(trace, make([]byte, 16)) {
		return false
	}
	parent, err := hex.DecodeString(parts[2])
	if err != nil || bytes.Equal(parent, make([]byte, 8)) {
		return false
	}
	copy(s.trace[:], trace)
	copy(s.parent[:], parent)
	return true
}

// finish hands a span to the exporter. It never waits: with too many waiting, the span is dropped and counted.
func (t *tracer) finish(s span, method, route string, code int, end time.Time) {
	if t.url == "" {
		return
	}
	out := otlpSpan{
		TraceID: s.traceID(), SpanID: hex.EncodeToString(s.id[:]), Name: method + " " + route, Kind: 2, // server
		Start: strconv.FormatInt(s.start.UnixNano(), 10), End: strconv.FormatInt(end.UnixNano(), 10),
		Attributes: []attribute{text("http.request.method", method), text("http.route", route), whole("http.response.status_code", code)},
	}
	if s.parent != [8]byte{} {
		out.ParentSpanID = hex.EncodeToString(s.parent[:])
	}
	if code >= 500 {
		out.Status = &status{Code: 2} // error
	}
	select {
	case t.finished <- out:
	default:
		t.dropped.Add(1)
	}
}

// run exports until ctx ends, then what is left.
func (t *tracer) run(ctx context.Context) {
	var waiting []otlpSpan
	tick := time.NewTicker(spansPatience)
	defer tick.Stop()
	for {
		select {
		case s := <-t.finished:
			if waiting = append(waiting, s); len(waiting) < spansTogether {
				continue
			}
		case <-tick.C:
		case <-ctx.Done():
			for len(t.finished) > 0 {
				waiting = append(waiting, <-t.finished)
			}
			t.export(context.WithoutCancel(ctx), waiting)
			return
		}
		t.export(ctx, waiting)
		waiting = nil
	}
}

func (t *tracer) export(ctx context.Context, spans []otlpSpan) {
	if len(spans) == 0 {
		return
	}
	if err := t.post(ctx, spans); err != nil {
		t.dropped.Add(int64(len(spans)))
		t.log.Warn("spans not exported", "spans", len(spans), "error", err.Error())
	}
}

func (t *tracer) post(ctx context.Context, spans []otlpSpan) error {
	body, err := json.Marshal(exportRequest{[]resourceSpans{{
		Resource: resource{t.resource}, ScopeSpans: []scopeSpans{{Scope: scope{"hello"}, Spans: spans}},
	}}})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answered %s", resp.Status)
	}
	return nil
}

// What follows is opentelemetry-proto's ExportTraceServiceRequest in its JSON form.

type exportRequest struct {
	ResourceSpans []resourceSpans `json:"resourceSpans"`
}

type resourceSpans struct {
	Resource   resource     `json:"resource"`
	ScopeSpans []scopeSpans `json:"scopeSpans"`
}

type resource struct {
	Attributes []attribute `json:"attributes"`
}

type scopeSpans struct {
	Scope scope      `json:"scope"`
	Spans []otlpSpan `json:"spans"`
}

type scope struct {
	Name string `json:"name"`
}

type otlpSpan struct {
	TraceID      string      `json:"traceId"`
	SpanID       string      `json:"spanId"`
	ParentSpanID string      `json:"parentSpanId,omitempty"`
	Name         string      `json:"name"`
	Kind         int         `json:"kind"`
	Start        string      `json:"startTimeUnixNano"`
	End          string      `json:"endTimeUnixNano"`
	Attributes   []attribute `json:"attributes,omitempty"`
	Status       *status     `json:"status,omitempty"`
}

type status struct {
	Code int `json:"code"`
}

type attribute struct {
	Key   string `json:"key"`
	Value value  `json:"value"`
}

type value struct {
	String *string `json:"stringValue,omitempty"`
	Int    *string `json:"intValue,omitempty"` // JSON of protobuf writes 64-bit numbers as text
}

func text(key, v string) attribute { return attribute{key, value{String: &v}} }

func whole(key string, v int) attribute {
	n := strconv.Itoa(v)
	return attribute{key, value{Int: &n}}
}
