package ui

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/ui/delivery"
)

// send posts a form as a browser does.
func send(t *testing.T, h http.Handler, path string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTheQuarantineIsListedByStatusAndSource(t *testing.T) {
	f := shop()
	f.quarantine = append(f.quarantine,
		delivery.Quarantined{ID: "q2", Source: "jenkins", Field: "build.status", Detail: "odd", Status: delivery.QuarantineReplayed},
		delivery.Quarantined{ID: "q3", Source: "jenkins", Field: "build.phase", Detail: "odd", Status: delivery.QuarantineOpen, Attempts: 3})
	h := serve(f, lead())
	for path, want := range map[string][]string{
		"/quarantine":                               {"deployment.sha", "build.phase"},
		"/quarantine?status=replayed":               {"build.status"},
		"/quarantine?status=all&source=jenkins":     {"build.status", "build.phase"},
		"/quarantine?source=jenkins":                {"build.phase", "tried 3×", "Replay the open one from jenkins"},
		"/quarantine?status=discarded":              {"Nothing is discarded"},
		"/quarantine?done=1&replayed=2&stored=3":    {"2 deliveries read again: 3 events stored."},
		"/quarantine?done=1&failed=1&more=1":        {"1 delivery still cannot be read. There are more"},
		"/quarantine?done=1":                        {"Nothing was open"},
		"/quarantine?done=1&replayed=-4&failed=x<b": {"Nothing was open"},
	} {
		w := visit(t, h, path)
		for _, s := range want {
			if got := text(w.doc); !strings.Contains(got, s) {
				t.Errorf("%s lacks %q: %s", path, s, got)
			}
		}
		if strings.Contains(path, "replayed&") && strings.Contains(w.body, "build.phase") {
			t.Errorf("%s shows another status", path)
		}
	}
	if w := visit(t, h, "/quarantine?status=lost"); w.Code != http.StatusUnprocessableEntity && w.Code != http.StatusBadRequest {
		t.Errorf("an unknown status is answered with %d", w.Code)
	}
}

func TestADeliveryIsMendedAndReplayed(t *testing.T) {
	f := shop()
	h := serve(f, lead())
	w := send(t, h, "/quarantine/q1", url.Values{"do": {"replay"}, "body": {"{\"deployment\":\r\n\"wrong <b>\"}"}})
	if body := w.Body.String(); w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, "the deployment still names no commit") ||
		!strings.Contains(body, "wrong &lt;b&gt;") || !strings.Contains(body, `role="alert"`) {
		t.Fatalf("answer %d, want the fault beside the text as it was edited: %s", w.Code, body)
	}
	w = send(t, h, "/quarantine/q1", url.Values{"do": {"replay"}, "body": {"right"}})
	if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/quarantine/q1?done=1&replayed=1&stored=2" {
		t.Fatalf("answer %d to %q", w.Code, to)
	}
	if got := text(visit(t, h, "/quarantine/q1?done=1&replayed=1&stored=2").doc); !strings.Contains(got, "1 delivery read again: 2 events stored.") || !strings.Contains(got, "Replay again") {
		t.Errorf("the page does not say what was done: %s", got)
	}
}

func TestABodyThatWasNotEditedIsReplayedAsItCame(t *testing.T) {
	f := shop()
	f.quarantine[0].Body = "line\nright"
	w := send(t, serve(f, lead()), "/quarantine/q1", url.Values{"do": {"replay"}, "body": {"line\r\nright"}})
	if w.Code != http.StatusUnprocessableEntity { // the fake understands a corrected body only
		t.Errorf("answer %d: line ends were taken for an edit", w.Code)
	}
}

func TestDeliveriesAreDiscardedOneByOneAndTogether(t *testing.T) {
	f := shop()
	h := serve(f, lead())
	if w := send(t, h, "/quarantine/q1", url.Values{"do": {"discard"}}); w.Header().Get("Location") != "/quarantine?discarded=1&done=1" || f.quarantine[0].Status != delivery.QuarantineDiscarded {
		t.Errorf("discarded to %q, status %s", w.Header().Get("Location"), f.quarantine[0].Status)
	}
	f.quarantine[0].Status = delivery.QuarantineOpen
	if w := send(t, h, "/quarantine", url.Values{"do": {"replay"}, "source": {"github"}}); w.Header().Get("Location") != "/quarantine?done=1&failed=1&source=github" {
		t.Errorf("replayed to %q", w.Header().Get("Location"))
	}
	if w := send(t, h, "/quarantine", url.Values{"do": {"discard"}, "source": {"github"}}); w.Header().Get("Location") != "/quarantine?discarded=1&done=1&source=github" {
		t.Errorf("discarded to %q", w.Header().Get("Location"))
	}
	if w := send(t, h, "/quarantine/none", url.Values{"do": {"discard"}}); w.Code != http.StatusNotFound {
		t.Errorf("an unknown delivery is answered with %d", w.Code)
	}
}
