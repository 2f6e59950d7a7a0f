package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// env is an environment of its own.
func env(pairs ...string) func(string) string {
	m := map[string]string{"HOSTNAME": "host-1"}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func testApp(t *testing.T, pairs ...string) *app {
	t.Helper()
	s, err := readSettings(env(pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return newApp(s, slog.New(slog.NewJSONHandler(io.Discard, nil)))
}

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestThePageShowsVersionEnvironmentAndHost(t *testing.T) {
	a := testApp(t, "ENVIRONMENT", "production", "VERSION", "3f2ab1c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3")
	a.settings.version = "3f2ab1c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3"
	w := get(t, a.handler(), "/")
	if w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	for _, want := range []string{"Hello from production", ">3f2ab1c<", "host-1"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, w.Body)
		}
	}
}

func TestThePageEscapesWhatTheEnvironmentSays(t *testing.T) {
	w := get(t, testApp(t, "ENVIRONMENT", "<script>alert(1)</script>").handler(), "/")
	if strings.Contains(w.Body.String(), "<script>") {
		t.Error("the page holds a script that the environment named")
	}
}

func TestHealthFollowsTheSwitch(t *testing.T) {
	for value, want := range map[string]int{"": 200, "passing": 200, "failing": 503} {
		h := testApp(t, "HEALTH", value).handler()
		for _, path := range []string{"/healthz", "/readyz"} {
			if got := get(t, h, path).Code; got != want {
				t.Errorf("HEALTH=%q: %s answers %d, want %d", value, path, got, want)
			}
		}
	}
}

func TestAProgramThatStopsIsAliveButNotReady(t *testing.T) {
	a := testApp(t)
	a.draining.Store(true)
	if got := get(t, a.handler(), "/healthz").Code; got != 200 {
		t.Errorf("/healthz answers %d, want 200", got)
	}
	if got := get(t, a.handler(), "/readyz").Code; got != 503 {
		t.Errorf("/readyz answers %d, want 503", got)
	}
}

func TestMetricsCountByRouteAndNeverByPath(t *testing.T) {
	h := testApp(t, "OTEL_SERVICE_NAME", `we"ird`).handler()
	get(t, h, "/")
	get(t, h, "/")
	get(t, h, "/no/such/page-1")
	get(t, h, "/no/such/page-2")
	text := get(t, h, "/metrics").Body.String()
	for _, want := range []string{
		`http_requests_total{route="/",method="GET",code="200"} 2`,
		`http_requests_total{route="other",method="GET",code="404"} 2`,
		`http_request_duration_seconds_count{route="/"} 2`,
		`http_request_duration_seconds_bucket{route="/",le="+Inf"} 2`,
		`build_info{service="we\"ird",`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "page-1") {
		t.Error("a stranger's path became a label")
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for _, port := range []string{"http", "-1", "70000", "80 "} {
		if _, err := readSettings(env("PORT", port)); err == nil || !strings.Contains(err.Error(), "PORT") {
			t.Errorf("PORT=%q: %v, want an error that names PORT", port, err)
		}
	}
}

func TestRunServesUntilItIsToldToStop(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	log := &firstLine{written: make(chan []byte, 1)}
	done := make(chan error, 1)
	go func() { done <- run(ctx, env("PORT", "0"), log) }()
	address := log.field(ctx, t, "address")
	resp, err := http.Get("http://localhost" + address[strings.LastIndexByte(address, ':'):] + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("/readyz answers %s", resp.Status)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

// firstLine is a log whose first line a test can wait for.
type firstLine struct {
	written chan []byte
	once    sync.Once
}

func (l *firstLine) Write(p []byte) (int, error) {
	l.once.Do(func() { l.written <- bytes.Clone(p) })
	return len(p), nil
}

func (l *firstLine) field(ctx context.Context, t *testing.T, name string) string {
	t.Helper()
	select {
	case line := <-l.written:
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		v, _ := fields[name].(string)
		return v
	case <-ctx.Done():
		t.Fatal("nothing was logged")
	}
	return ""
}
