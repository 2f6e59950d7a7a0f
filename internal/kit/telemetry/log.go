// Package telemetry sets up what a process says about itself: its log, its
// traces and its metrics.
//
// The log goes to one writer, as text for a person at a terminal and as JSON for
// a collector. Traces leave by OTLP/gRPC, and only when
// OTEL_EXPORTER_OTLP_ENDPOINT says where to; without it they cost nothing.
// Metrics are kept per module, so that a module that is made anew starts with
// fresh ones and cannot collide with its neighbours.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
)

// NewLog makes the process's logger. The level is debug, info, warn or error; ""
// is info. The format is text on a terminal and JSON otherwise.
func NewLog(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if level != "" {
		if err := l.UnmarshalText([]byte(level)); err != nil {
			return nil, fmt.Errorf("the log level %q is not known; use debug, info, warn or error", level)
		}
	}
	opts := &slog.HandlerOptions{Level: l, ReplaceAttr: mask}
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		return slog.New(slog.NewTextHandler(w, opts)), nil
	}
	return slog.New(slog.NewJSONHandler(w, opts)), nil
}

// mask keeps values out of the log whose name says that they are secret. It is
// the last line of defence: code logs no secrets to begin with.
func mask(_ []string, a slog.Attr) slog.Attr {
	switch strings.ToLower(a.Key) {
	case "password", "secret", "token", "authorization", "cookie", "api_key":
		return slog.String(a.Key, "[masked]")
	}
	return a
}
