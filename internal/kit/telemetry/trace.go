package telemetry

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Traces hands out tracers and sends what they record.
type Traces struct {
	provider trace.TracerProvider
	shutdown func(context.Context) error
}

// NewTraces reads the standard variables out of env. Without
// OTEL_EXPORTER_OTLP_ENDPOINT (or its form for traces) nothing is recorded and
// nothing is sent.
func NewTraces(ctx context.Context, service, version string, env []string) (*Traces, error) {
	if !exporting(env) {
		return &Traces{provider: noop.NewTracerProvider(), shutdown: func(context.Context) error { return nil }}, nil
	}
	// The exporter reads its own variables; it connects in the background, so that a
	// collector that is down holds nothing up.
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("set up the export of traces: %w", err)
	}
	about := resource.NewSchemaless(attribute.String("service.name", service), attribute.String("service.version", version))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return &Traces{provider: provider, shutdown: provider.Shutdown}, nil
}

func exporting(env []string) bool {
	for _, kv := range env {
		key, value, _ := strings.Cut(kv, "=")
		if value != "" && (key == "OTEL_EXPORTER_OTLP_ENDPOINT" || key == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
			return true
		}
	}
	return false
}

// Tracer is the tracer of one module.
func (t *Traces) Tracer(module string) trace.Tracer { return t.provider.Tracer(module) }

// Shutdown sends what is left.
func (t *Traces) Shutdown(ctx context.Context) error {
	if err := t.shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}
