package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func get(s *service, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestThePageShowsVersionAndEnvironment(t *testing.T) {
	body := get(newService("3f2ab1c", "<dev>", true), "/").Body.String()
	for _, want := range []string{"3f2ab1c", "&lt;dev&gt;"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q:\n%s", want, body)
		}
	}
}

func TestHealthAndReadiness(t *testing.T) {
	for _, c := range []struct {
		healthy, draining bool
		alive, ready      int
	}{{true, false, 200, 200}, {true, true, 200, 503}, {false, false, 503, 503}} {
		s := newService("v", "dev", c.healthy)
		s.draining.Store(c.draining)
		if alive, ready := get(s, "/healthz").Code, get(s, "/readyz").Code; alive != c.alive || ready != c.ready {
			t.Errorf("%+v: alive %d, ready %d", c, alive, ready)
		}
	}
}

func TestMetricsCountByRouteAndNeverByPath(t *testing.T) {
	s := newService("v", "dev", true)
	get(s, "/")
	get(s, "/no/such/page")
	text := get(s, "/metrics").Body.String()
	for _, want := range []string{`http_requests_total{route="GET /{$}",code="200"} 1`, `http_requests_total{route="other",code="404"} 1`, "http_request_duration_seconds_count 2"} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s:\n%s", want, text)
		}
	}
}

func TestAWrongPortIsNamed(t *testing.T) {
	env := func(name string) string { return map[string]string{"PORT": "http"}[name] }
	if err := run(t.Context(), env, io.Discard); err == nil || !strings.Contains(err.Error(), "PORT") {
		t.Errorf("%v, want an error that names PORT", err)
	}
}
