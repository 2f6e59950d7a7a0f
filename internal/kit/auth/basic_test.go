package auth

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// A client that knows only passwords is judged by its password as a token, and asked for one when it has none.
func TestBasicHandsThePasswordOnAsAToken(t *testing.T) {
	h := Basic("git", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer fwk_good" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="fawkes"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	for _, c := range []struct {
		name   string
		set    func(*http.Request)
		status int
	}{
		{"a token as password", func(r *http.Request) { r.SetBasicAuth("anybody", "fwk_good") }, 200},
		{"a token as bearer", func(r *http.Request) { r.Header.Set("Authorization", "Bearer fwk_good") }, 200},
		{"another password", func(r *http.Request) { r.SetBasicAuth("anybody", "fwk_bad") }, 401},
		{"a token as user", func(r *http.Request) { r.SetBasicAuth("fwk_good", "") }, 401},
		{"nothing", func(*http.Request) {}, 401},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		c.set(r)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d", c.name, w.Code, c.status)
		}
		if got := w.Header().Get("WWW-Authenticate"); c.status == 401 && got != `Basic realm="git"` {
			t.Errorf("%s: WWW-Authenticate %q, want Basic", c.name, got)
		}
	}
}
