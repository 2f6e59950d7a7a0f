package telemetry_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/telemetry"
	"github.com/prometheus/client_golang/prometheus"
)

func TestTheLogIsJSONAwayFromATerminalAndHasALevel(t *testing.T) {
	var out bytes.Buffer
	log, err := telemetry.NewLog(&out, "warn")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("too quiet")
	log.Warn("heard", "token", "hunter2", "user", "ada")
	got := out.String()
	if strings.Contains(got, "too quiet") || !strings.Contains(got, `"msg":"heard"`) || !strings.Contains(got, `"user":"ada"`) {
		t.Fatalf("the log is %s", got)
	}
	if strings.Contains(got, "hunter2") {
		t.Fatalf("a secret is in the log: %s", got)
	}
	if _, err := telemetry.NewLog(&out, "loud"); err == nil || !strings.Contains(err.Error(), "debug, info, warn or error") {
		t.Fatalf("NewLog(loud) = %v, want the levels named", err)
	}
}

func TestModulesHaveMetricsOfTheirOwnThatBeginAnew(t *testing.T) {
	m, err := telemetry.NewMetrics("v1")
	if err != nil {
		t.Fatal(err)
	}
	register := func(module, name string, value float64) {
		t.Helper()
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: "x"})
		c.Add(value)
		if err := m.Module(module).Register(c); err != nil {
			t.Fatal(err)
		}
	}
	register("a", "fawkes_a_total", 1)
	register("b", "fawkes_b_total", 2)
	register("a", "fawkes_a_total", 3) // the module was made again
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"fawkes_a_total 3", "fawkes_b_total 2", `fawkes_build_info{version="v1"} 1`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
}

func TestNothingIsRecordedWithoutAnEndpoint(t *testing.T) {
	traces, err := telemetry.NewTraces(context.Background(), "x", "v1", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=", "PATH=/bin"})
	if err != nil {
		t.Fatal(err)
	}
	_, span := traces.Tracer("m").Start(context.Background(), "s")
	if span.IsRecording() {
		t.Error("a span is recorded although nothing takes it")
	}
	if err := traces.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestSpansAreSentWhereTheEnvironmentSays(t *testing.T) {
	// The collector's door: that somebody knocks with HTTP/2 is all this looks for.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	knock := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		hello := make([]byte, 14)
		if _, err := io.ReadFull(c, hello); err == nil {
			knock <- string(hello)
		}
	}()
	endpoint := "http://" + l.Addr().String()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint) // the exporter reads it by itself
	traces, err := telemetry.NewTraces(context.Background(), "x", "v1", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint})
	if err != nil {
		t.Fatal(err)
	}
	_, span := traces.Tracer("m").Start(context.Background(), "s")
	if !span.IsRecording() {
		t.Error("the span is not recorded")
	}
	span.End()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// The door is no collector, so the sending itself fails; that it is tried counts.
	_ = traces.Shutdown(ctx)
	select {
	case got := <-knock:
		if got != "PRI * HTTP/2.0" {
			t.Errorf("the first words are %q, want HTTP/2", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody came to the endpoint")
	}
}
