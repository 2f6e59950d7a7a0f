package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

const operator = "0123456789012345678901234567890123456789"

type thing struct {
	Name  string `json:"name" minLength:"2" doc:"What it is called."`
	Count int    `json:"count,omitempty" minimum:"1"`
	Inner struct {
		Zone string `json:"zone,omitempty" enum:"a,b"`
	} `json:"inner,omitempty"`
}

type thingInput struct {
	ID    string `path:"id"`
	Limit int    `query:"limit" minimum:"1" maximum:"10"`
	Body  thing
}

type thingOutput struct{ Body thing }

// fixture is a service with one operation of each kind that the tests need.
type fixture struct {
	api *httpapi.API
	log *bytes.Buffer
	url string
}

func newFixture(t *testing.T, change func(*httpapi.Options)) *fixture {
	t.Helper()
	f := &fixture{log: &bytes.Buffer{}}
	verifier, err := auth.NewVerifier(auth.Options{Audience: "things", StaticToken: operator})
	if err != nil {
		t.Fatal(err)
	}
	opts := httpapi.Options{
		Service: "things", Title: "Things", Version: "1", Description: "Counts <things>.", Verifier: verifier,
		Log: slog.New(slog.NewJSONHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&opts)
	}
	f.api = httpapi.New(opts)
	huma.Register(f.api.Huma(), huma.Operation{OperationID: "put-thing", Method: http.MethodPut, Path: "/api/things/v1/things/{id}", Summary: "Store a thing", Tags: []string{"things"}, Security: auth.Needs("dora:write")},
		func(_ context.Context, in *thingInput) (*thingOutput, error) { return &thingOutput{in.Body}, nil })
	huma.Register(f.api.Huma(), huma.Operation{OperationID: "fail", Method: http.MethodGet, Path: "/api/things/v1/fail/{how}", Security: auth.Open()},
		func(_ context.Context, in *struct {
			How string `path:"how"`
		}) (*thingOutput, error) {
			switch in.How {
			case "problem":
				return nil, fmt.Errorf("deep: %w", problem.New(problem.Conflict, "it changed").WithField("name"))
			case "panic":
				panic("secret words")
			case "down":
				return nil, fmt.Errorf("store: %w", &net.OpError{Op: "dial", Err: errors.New("secret words")})
			}
			return nil, errors.New("secret words")
		})
	huma.Register(f.api.Huma(), huma.Operation{OperationID: "big", Method: http.MethodPost, Path: "/api/things/v1/big", MaxBodyBytes: 3 << 20, Security: auth.Open()},
		func(_ context.Context, in *struct{ RawBody []byte }) (*struct{ Body int }, error) {
			return &struct{ Body int }{len(in.RawBody)}, nil
		})
	f.api.Mux().HandleFunc("POST /plain/read", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("more") {
			httpapi.Allow(r, httpapi.Limits{Body: 3 << 20})
		}
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		fmt.Fprint(w, n)
	})
	f.api.Mux().HandleFunc("GET /plain/half", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half")
		panic("in the middle")
	})
	f.api.Mux().HandleFunc("GET /plain/limit", func(w http.ResponseWriter, r *http.Request) {
		httpapi.Allow(r, httpapi.Limits{Timeout: 20 * time.Millisecond})
		<-r.Context().Done()
		problem.Write(w, r, context.Cause(r.Context()))
	})
	server := httptest.NewServer(f.api.Handler())
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

type answer struct {
	*http.Response
	body    string
	problem problem.Problem
}

func (f *fixture) do(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequest(method, f.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Response: resp, body: string(text)}
	if resp.Header.Get("Content-Type") == problem.ContentType {
		if err := json.Unmarshal(text, &a.problem); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	return a
}

func TestProblemsHaveOneShape(t *testing.T) {
	f := newFixture(t, nil)
	token := []string{"Authorization", "Bearer " + operator}
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		code                     problem.Code
		field, detail            string
	}{
		{"a value too short", "PUT", "/api/things/v1/things/1?limit=1", `{"name":"x"}`, token, 422, problem.InvalidField, "body.name", "expected length >= 2"},
		{"a nested value", "PUT", "/api/things/v1/things/1?limit=1", `{"name":"xx","inner":{"zone":"c"}}`, token, 422, problem.InvalidField, "body.inner.zone", "a, b"},
		{"an unknown field", "PUT", "/api/things/v1/things/1?limit=1", `{"name":"xx","nmae":1}`, token, 422, problem.UnknownField, "body.nmae", "unexpected property"},
		{"an unknown query parameter", "PUT", "/api/things/v1/things/1?limti=1", `{"name":"xx"}`, token, 422, problem.UnknownField, "query.limti", "unknown"},
		{"a query value", "PUT", "/api/things/v1/things/1?limit=9876543210", `{"name":"xx"}`, token, 422, problem.InvalidField, "query.limit", "expected number <= 10"},
		{"broken JSON", "PUT", "/api/things/v1/things/1", `{"name":`, token, 400, problem.InvalidBody, "body", "unexpected end"},
		{"no body", "PUT", "/api/things/v1/things/1", "", token, 400, problem.InvalidBody, "", "request body is required"},
		{"another media type", "PUT", "/api/things/v1/things/1", "a: 1", append(token, "Content-Type", "application/x-yaml"), 415, problem.UnsupportedType, "body", "unknown content type"},
		{"nobody", "PUT", "/api/things/v1/things/1", `{"name":"xx"}`, nil, 401, problem.Unauthenticated, "", ""},
		{"a problem of the handler", "GET", "/api/things/v1/fail/problem", "", nil, 409, problem.Conflict, "name", "it changed"},
		{"an error of the handler", "GET", "/api/things/v1/fail/error", "", nil, 500, problem.Internal, "", "request id"},
		{"a panic", "GET", "/api/things/v1/fail/panic", "", nil, 500, problem.Internal, "", "request id"},
		{"an unknown address", "GET", "/api/things/v1/nothing", "", nil, 404, problem.NotFound, "", "/api/things/v1/nothing"},
		{"a method that is not there", "DELETE", "/api/things/v1/things/1", "", nil, 405, problem.MethodNot, "", "DELETE"},
		{"too large for an operation", "PUT", "/api/things/v1/things/1", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, token, 413, problem.TooLarge, "", "1048576"},
		{"too large for a plain handler", "POST", "/plain/read", strings.Repeat("x", 1<<20+1), nil, 413, problem.TooLarge, "", "1048576"},
		{"a time limit", "GET", "/plain/limit", "", nil, 504, problem.Timeout, "", "time limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := f.do(t, c.method, c.path, c.body, append(c.header, "X-Request-Id", "id-1")...)
			if a.StatusCode != c.status || a.problem.Status != c.status || a.problem.Code != c.code {
				t.Fatalf("status %d, problem %+v; want %d %s\n%s", a.StatusCode, a.problem, c.status, c.code, a.body)
			}
			if a.problem.Field != c.field || !strings.Contains(a.problem.Detail, c.detail) {
				t.Errorf("field %q, detail %q; want %q and %q in it", a.problem.Field, a.problem.Detail, c.field, c.detail)
			}
			if a.problem.RequestID != "id-1" || a.Header.Get("X-Request-Id") != "id-1" {
				t.Errorf("request id %q in the body, %q in the header; want id-1", a.problem.RequestID, a.Header.Get("X-Request-Id"))
			}
			if a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("a problem may be cached: %q", a.Header.Get("Cache-Control"))
			}
			if strings.Contains(a.body, "secret words") {
				t.Errorf("internals leaked: %s", a.body)
			}
		})
	}
	if !strings.Contains(f.log.String(), "secret words") {
		t.Error("the log lacks the cause of the 500s")
	}
}

func TestWhatDoesNotAnswerIsToComeBackTo(t *testing.T) {
	f := newFixture(t, nil)
	a := f.do(t, "GET", "/api/things/v1/fail/down", "")
	if a.StatusCode != 503 || a.problem.Code != problem.Unavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("%d %+v, Retry-After %q; want 503 unavailable with one", a.StatusCode, a.problem, a.Header.Get("Retry-After"))
	}
	if strings.Contains(a.body, "secret words") {
		t.Errorf("it tells what is inside: %s", a.body)
	}
}

func TestSeveralFaultsAreAllNamed(t *testing.T) {
	f := newFixture(t, nil)
	a := f.do(t, "PUT", "/api/things/v1/things/1?limit=9876543210", `{"name":"x","count":0}`, "Authorization", "Bearer "+operator)
	var fields []string
	for _, e := range a.problem.Errors {
		fields = append(fields, e.Field)
	}
	if got, want := strings.Join(fields, " "), "query.limit body.count body.name"; got != want {
		t.Fatalf("the faults are in %q, want %q\n%s", got, want, a.body)
	}
	if strings.Contains(a.body, "9876543210") {
		t.Errorf("a refused value came back: %s", a.body)
	}
}

func TestLimitsCanBeRaised(t *testing.T) {
	f := newFixture(t, nil)
	body := strings.Repeat("x", 2<<20)
	if a := f.do(t, "POST", "/plain/read?more", body); a.StatusCode != 200 || a.body != fmt.Sprint(2<<20) {
		t.Errorf("a plain handler that allows more: %d %s", a.StatusCode, a.body)
	}
	if a := f.do(t, "POST", "/api/things/v1/big", body, "Content-Type", "application/octet-stream"); a.StatusCode != 200 || strings.TrimSpace(a.body) != fmt.Sprint(2<<20) {
		t.Errorf("an operation that allows more: %d %s", a.StatusCode, a.body)
	}
	if a := f.do(t, "POST", "/plain/read?more", strings.Repeat("x", 3<<20+1)); a.StatusCode != 413 {
		t.Errorf("beyond the raised limit: %d", a.StatusCode)
	}
	if a := f.do(t, "POST", "/plain/read", strings.Repeat("x", 1<<20)); a.StatusCode != 200 {
		t.Errorf("exactly the limit: %d %s", a.StatusCode, a.body)
	}
}

// net/http watches the connection once the body is read, and ends the request's
// context at the connection's read deadline.
func TestReadingABodyDoesNotBoundTheHandler(t *testing.T) {
	f := newFixture(t, nil)
	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/api/things/v1/things/1", `{"name":"xyz","count":1}`}, {"POST", "/plain/read", "text"},
	} {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("Authorization", "Bearer "+operator)
		began := time.Now()
		f.api.Handler().ServeHTTP(w, r)
		if w.Code != 200 || len(w.read) < 2 {
			t.Fatalf("%s %s: %d %s, read deadlines %v", c.method, c.path, w.Code, w.Body, w.read)
		}
		if first := w.read[0].Sub(began); first > 15*time.Second {
			t.Errorf("%s %s: a body may take %s to begin", c.method, c.path, first)
		}
		if last := w.read[len(w.read)-1].Sub(began); last < httpapi.DefaultTimeout {
			t.Errorf("%s %s: the read deadline after the body is %s, want it beyond the request's limit", c.method, c.path, last)
		}
	}
}

// deadlines is a connection that keeps its read deadlines.
type deadlines struct {
	*httptest.ResponseRecorder
	read []time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error { d.read = append(d.read, at); return nil }
func (d *deadlines) SetWriteDeadline(time.Time) error   { return nil }

func TestAPanicInTheMiddleCutsTheAnswer(t *testing.T) {
	f := newFixture(t, nil)
	resp, err := http.Get(f.url + "/plain/half")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Fatal("half an answer looked whole to the client")
	}
	if a := f.do(t, "GET", "/api/things/openapi.yaml", ""); a.StatusCode != 200 {
		t.Fatalf("the server does not live on: %d", a.StatusCode)
	}
}

func TestRequestIDsAreTakenOverOnlyWhenWellFormed(t *testing.T) {
	f := newFixture(t, nil)
	for given, taken := range map[string]bool{"abc-1.2_3:4": true, "": false, "a b": false, "<x>": false, strings.Repeat("a", 65): false} {
		a := f.do(t, "GET", "/api/things/openapi.yaml", "", "X-Request-Id", given)
		got := a.Header.Get("X-Request-Id")
		if taken && got != given || !taken && (got == given || got == "") {
			t.Errorf("given %q, got %q; taken over should be %v", given, got, taken)
		}
	}
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	f := newFixture(t, nil)
	for _, path := range []string{"/api/things/openapi.yaml", "/api/things/docs", "/nothing", "/api/things/v1/fail/panic"} {
		a := f.do(t, "GET", path, "")
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin"} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", path, name, got, want)
			}
		}
		policy := a.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", path, policy)
		}
	}
}

func TestRequestsAreMeasuredByRoute(t *testing.T) {
	reg := prometheus.NewRegistry()
	f := newFixture(t, func(o *httpapi.Options) { o.Metrics = reg })
	f.do(t, "GET", "/api/things/v1/fail/a", "")
	f.do(t, "GET", "/api/things/v1/fail/b", "")
	f.do(t, "GET", "/nothing/at/all", "")
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, family := range families {
		for _, m := range family.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetValue())
			}
			got[family.GetName()+" "+strings.Join(labels, " ")] = m.GetHistogram().GetSampleCount()
		}
	}
	want := map[string]uint64{
		"fawkes_things_http_request_duration_seconds GET /api/things/v1/fail/{how} 5xx": 2,
		"fawkes_things_http_request_duration_seconds none 4xx":                          1,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("measured %v, want %v", got, want)
	}
}

func TestRequestsAreTracedWhenATracerRecords(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	f := newFixture(t, func(o *httpapi.Options) { o.Tracer = provider.Tracer("things") })
	f.do(t, "GET", "/api/things/v1/fail/a", "")
	ended := spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans, want one", len(ended))
	}
	if got, want := ended[0].Name(), "GET /api/things/v1/fail/{how}"; got != want {
		t.Fatalf("the span is called %q, want %q", got, want)
	}
}

func TestClosingReachesStreams(t *testing.T) {
	closing := make(chan struct{})
	ctx := httpapi.WithClosing(context.Background(), closing)
	if httpapi.Closing(context.Background()) != nil {
		t.Error("a context without the channel has one")
	}
	close(closing)
	select {
	case <-httpapi.Closing(ctx):
	default:
		t.Error("the closing did not reach the request's context")
	}
}

func BenchmarkOperation(b *testing.B) {
	verifier, err := auth.NewVerifier(auth.Options{Audience: "things", StaticToken: operator})
	if err != nil {
		b.Fatal(err)
	}
	api := httpapi.New(httpapi.Options{Service: "things", Verifier: verifier, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	huma.Register(api.Huma(), huma.Operation{OperationID: "put-thing", Method: http.MethodPut, Path: "/api/things/v1/things/{id}", Security: auth.Needs("dora:write")},
		func(_ context.Context, in *thingInput) (*thingOutput, error) { return &thingOutput{in.Body}, nil })
	h := api.Handler()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPut, "/api/things/v1/things/1?limit=1", strings.NewReader(`{"name":"xx"}`))
		r.Header.Set("Authorization", "Bearer "+operator)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Code, w.Body)
		}
	}
}
