package browser

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The watch itself is tested: a page that asks another host, throws, or breaks its own policy must be told on.
func TestTheWatchTellsOnForeignRequestsAndFaults(t *testing.T) {
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(foreign.Close)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "style-src 'self'")
		page := `<!doctype html><title>x</title><img src="` + foreign.URL + `/pixel"><p style="color:red">x</p><script>document.documentElement.dataset.ran = "yes"; throw new Error("planted")</script>`
		if _, err := w.Write([]byte(page)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	b := watch(t, s.URL, wide)
	b.visit("/")
	b.until("the page", `document.readyState === "complete" && document.documentElement.dataset.ran === "yes"`)
	got := strings.Join(b.complaints(), "\n")
	for _, want := range []string{foreign.URL + "/pixel", "exception", "Content Security Policy"} {
		if !strings.Contains(got, want) {
			t.Errorf("the watch does not tell on %q:\n%s", want, got)
		}
	}
}

// Text that does not stand out is found.
func TestTheContrastOfTextIsMeasured(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if _, err := w.Write([]byte(`<!doctype html><title>x</title><body bgcolor="#ffffff"><font color="#999999">pale words</font><font color="#000000">dark words</font>`)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	b := watch(t, s.URL, wide)
	b.visit("/")
	got := eval[[]string](b, contrast)
	if len(got) != 1 || !strings.Contains(got[0], "pale words") {
		t.Errorf("found %v, want only the pale words", got)
	}
}
