package allinone_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/app/allinone"
)

func TestTheWholePlatformStartsInOneProcessAndStops(t *testing.T) {
	a, err := app.New(app.Options{Modules: allinone.Modules(), StateDir: t.TempDir(), Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	names := a.Names()
	for _, later := range []string{"dora", "identity"} {
		if slices.Index(names, "console") < slices.Index(names, later) {
			t.Errorf("the order is %v, want the console after %s", names, later)
		}
	}
	for path, want := range map[string]struct {
		status int
		kind   string
	}{
		"/healthz":                   {200, "application/json"},
		"/metrics":                   {200, "text/plain"},
		"/api/dora/v1/projects":      {401, "application/problem+json"},
		"/api/identity/openapi.yaml": {200, "application/yaml"},
		"/api/dora/docs":             {200, "text/html"},
	} {
		resp, err := http.Get(a.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != want.status || !strings.HasPrefix(resp.Header.Get("Content-Type"), want.kind) {
			t.Errorf("%s answers %d %s, want %d %s\n%.300s", path, resp.StatusCode, resp.Header.Get("Content-Type"), want.status, want.kind, body)
		}
	}
}
