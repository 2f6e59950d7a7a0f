package health_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/health"
)

func TestReadyListsEveryCheckAndFailsWithOne(t *testing.T) {
	for _, c := range []struct {
		checks []health.Check
		status int
		body   string
	}{
		{nil, 200, `{"status":"ready","checks":[]}`},
		{[]health.Check{{Name: "database"}}, 200, `{"status":"ready","checks":[{"name":"database","status":"ok"}]}`},
		{[]health.Check{{Name: "database"}, {Name: "relay", Err: errors.New("no answer")}}, 503,
			`{"status":"not_ready","checks":[{"name":"database","status":"ok"},{"name":"relay","status":"failed","detail":"no answer"}]}`},
	} {
		w := httptest.NewRecorder()
		health.Ready(func(context.Context) []health.Check { return c.checks }).ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		if w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.body {
			t.Errorf("got %d %s, want %d %s", w.Code, w.Body, c.status, c.body)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Error("the answer may be cached")
		}
	}
}

func TestReadyBoundsItsChecks(t *testing.T) {
	w := httptest.NewRecorder()
	health.Ready(func(ctx context.Context) []health.Check {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the checks may take forever")
		}
		return nil
	}).ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
}

func TestAliveAnswersHeadWithoutABody(t *testing.T) {
	w := httptest.NewRecorder()
	health.Alive().ServeHTTP(w, httptest.NewRequest("HEAD", "/healthz", nil))
	if w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("got %d with %d bytes, want 200 without a body", w.Code, w.Body.Len())
	}
}
