package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// held is a server whose handler reads the whole body and then waits.
type held struct {
	url   string
	read  chan struct{}
	let   chan struct{}
	ended chan int
}

func newHeld(t *testing.T, o httpapi.BudgetOptions) *held {
	t.Helper()
	h := &held{read: make(chan struct{}, 100), let: make(chan struct{}), ended: make(chan int, 100)}
	budget := httpapi.NewBudget(o)
	edge := httpapi.Wrap(httpapi.Options{Service: "things"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpapi.Allow(r, httpapi.Limits{Body: 64 << 20})
		if _, err := io.ReadAll(r.Body); err != nil {
			problem.Write(w, r, err)
			return
		}
		if r.URL.Path == "/wait" {
			h.read <- struct{}{}
			<-h.let
		}
	}))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		edge.ServeHTTP(w, r.WithContext(httpapi.WithBudget(r.Context(), budget)))
	}))
	t.Cleanup(s.Close)
	h.url = s.URL
	return h
}

func (h *held) send(t *testing.T, path, token string, size int) (status int, after string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, h.url+path, strings.NewReader(strings.Repeat("x", size)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Retry-After")
}

// hold sends a body that stays in memory until h.let is closed.
func (h *held) hold(t *testing.T, token string, size int) {
	t.Helper()
	go func() {
		status, _ := h.send(t, "/wait", token, size)
		h.ended <- status
	}()
	<-h.read
}

func TestOneClientCannotTakeAllTheMemoryForBodies(t *testing.T) {
	h := newHeld(t, httpapi.BudgetOptions{Memory: 8 << 20})
	h.hold(t, "flood", 3<<20)
	if status, after := h.send(t, "/", "flood", 2<<20); status != 429 || after == "" {
		t.Errorf("a client over its half: %d, Retry-After %q; want 429 with one", status, after)
	}
	if status, _ := h.send(t, "/", "honest", 2<<20); status != 200 {
		t.Errorf("another client: %d, want 200", status)
	}
	if status, _ := h.send(t, "/", "flood", 1000); status != 200 {
		t.Errorf("a small body of the same client: %d, want 200", status)
	}
	h.hold(t, "second", 2<<20)
	if status, after := h.send(t, "/", "third", 2<<20); status != 503 || after == "" {
		t.Errorf("beyond what is for large bodies: %d, Retry-After %q; want 503 with one", status, after)
	}
	if status, _ := h.send(t, "/", "third", 1000); status != 200 {
		t.Errorf("a small body when large ones have no room: %d, want 200", status)
	}
	close(h.let)
	for range 2 {
		if status := <-h.ended; status != 200 {
			t.Errorf("a body that was taken in: %d, want 200", status)
		}
	}
	if status, _ := h.send(t, "/", "flood", 2<<20); status != 200 {
		t.Errorf("after the others have ended: %d, want 200", status)
	}
}

func TestRequestsBeyondTheBoundAreToldToComeAgain(t *testing.T) {
	h := newHeld(t, httpapi.BudgetOptions{Requests: 1})
	h.hold(t, "a", 10)
	if status, after := h.send(t, "/", "b", 10); status != 503 || after != "1" {
		t.Errorf("one request too many: %d, Retry-After %q; want 503 and 1", status, after)
	}
	close(h.let)
	<-h.ended
	if status, _ := h.send(t, "/", "b", 10); status != 200 {
		t.Errorf("after the other has ended: %d, want 200", status)
	}
}

func TestAClientThatIsTooFastIsToldToWait(t *testing.T) {
	h := newHeld(t, httpapi.BudgetOptions{Rate: 1})
	got := map[int]int{}
	for range 5 {
		status, after := h.send(t, "/", "fast", 10)
		got[status]++
		if status == 429 && after == "" {
			t.Error("429 without Retry-After")
		}
	}
	if got[200] < 2 || got[429] < 2 {
		t.Errorf("answers %v, want the burst of 2 taken and the rest refused", got)
	}
	if status, _ := h.send(t, "/", "other", 10); status != 200 {
		t.Errorf("another client: %d, want 200", status)
	}
}

func TestWhatJSONMayHold(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":"b"}`: "", `{"a":"\\u0000"}`: "", `{"a":"[[[["}`: "", `{"a":"\"[["}`: "",
		`{"a":"\u0000"}`: "NUL", "{\"a\":\"\xff\"}": "UTF-8",
		strings.Repeat("[", 64) + strings.Repeat("]", 64): "", strings.Repeat("[", 1_000_000): "deeper",
		strings.Repeat(`{"a":`, 65): "deeper",
	} {
		err := httpapi.CheckJSON([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.40s: %v, want %q", text, err, want)
		}
	}
}
