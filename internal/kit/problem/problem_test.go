package problem_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// answer writes err for a request with the id "req-1" and returns what went out
// and what was logged.
func answer(t *testing.T, err error) (*httptest.ResponseRecorder, problem.Problem, string) {
	t.Helper()
	var log bytes.Buffer
	r := httptest.NewRequest(http.MethodGet, "/x", nil)
	r = r.WithContext(problem.WithRequest(r.Context(), "req-1", slog.New(slog.NewTextHandler(&log, nil))))
	w := httptest.NewRecorder()
	problem.Write(w, r, err)
	var p problem.Problem
	if jerr := json.Unmarshal(w.Body.Bytes(), &p); jerr != nil {
		t.Fatalf("the body is no JSON: %v\n%s", jerr, w.Body)
	}
	return w, p, log.String()
}

func TestAProblemIsSentAsItIs(t *testing.T) {
	w, p, log := answer(t, fmt.Errorf("apply: %w", problem.New(problem.InvalidField, "the zone %q is not known", "Mars").
		WithField("time_zone").WithMend("use an IANA name")))
	if w.Code != 422 || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Fatalf("status %d, type %s; want 422 application/problem+json", w.Code, w.Header().Get("Content-Type"))
	}
	want := problem.Problem{Type: "about:blank", Title: "A value is not valid", Status: 422, Code: problem.InvalidField,
		Detail: `the zone "Mars" is not known`, Field: "time_zone", Mend: "use an IANA name", RequestID: "req-1"}
	if got, wanted := fmt.Sprintf("%+v", p), fmt.Sprintf("%+v", want); got != wanted {
		t.Fatalf("got  %s\nwant %s", got, wanted)
	}
	if log != "" {
		t.Fatalf("a client's mistake was logged: %s", log)
	}
}

func TestAnInternalErrorKeepsItsCauseInTheLog(t *testing.T) {
	w, p, log := answer(t, errors.New("password of db is hunter2"))
	if w.Code != 500 || p.Code != problem.Internal {
		t.Fatalf("status %d code %s, want 500 internal", w.Code, p.Code)
	}
	if strings.Contains(w.Body.String(), "hunter2") {
		t.Fatalf("the body carries internals: %s", w.Body)
	}
	if !strings.Contains(log, "hunter2") || !strings.Contains(log, "req-1") {
		t.Fatalf("the log lacks the cause or the request id: %s", log)
	}
}

func TestAnInternalProblemWithTextSendsNoneOfIt(t *testing.T) {
	w, _, _ := answer(t, problem.New(problem.Internal, "table x").WithField("secret_column"))
	if strings.Contains(w.Body.String(), "table x") || strings.Contains(w.Body.String(), "secret_column") {
		t.Fatalf("the body carries internals: %s", w.Body)
	}
}

type ownProblem struct{}

func (ownProblem) Error() string             { return "internal words" }
func (ownProblem) Problem() *problem.Problem { return problem.New(problem.Unavailable, "try later") }

func TestFromKnowsErrorsOfOthers(t *testing.T) {
	for _, c := range []struct {
		err  error
		want problem.Code
	}{
		{&http.MaxBytesError{Limit: 7}, problem.TooLarge},
		{context.DeadlineExceeded, problem.Timeout},
		{fmt.Errorf("x: %w", context.Canceled), problem.Canceled},
		{fmt.Errorf("x: %w", ownProblem{}), problem.Unavailable},
		{errors.New("x"), problem.Internal},
	} {
		p := problem.From(c.err)
		if p.Code != c.want {
			t.Errorf("From(%v) has the code %s, want %s", c.err, p.Code, c.want)
		}
		if !errors.Is(p, c.err) {
			t.Errorf("From(%v) lost its cause", c.err)
		}
	}
}

func TestFromLeavesASharedProblemAlone(t *testing.T) {
	shared := problem.New(problem.NotFound, "x")
	problem.From(shared).RequestID = "changed"
	if shared.RequestID != "" {
		t.Fatal("From handed out the shared problem itself")
	}
}

func TestHeadGetsNoBody(t *testing.T) {
	w := httptest.NewRecorder()
	problem.Write(w, httptest.NewRequest(http.MethodHead, "/", nil), problem.New(problem.NotFound, "x"))
	if w.Code != 404 || w.Body.Len() != 0 {
		t.Fatalf("status %d with %d bytes, want 404 without a body", w.Code, w.Body.Len())
	}
}

func TestEveryCodeIsInTheCatalogueOnce(t *testing.T) {
	seen := map[problem.Code]bool{}
	for _, e := range problem.Catalogue() {
		if seen[e.Code] {
			t.Errorf("%s stands twice", e.Code)
		}
		seen[e.Code] = true
		if e.Title == "" || e.Meaning == "" || e.Status < 400 || e.Status > 599 {
			t.Errorf("%s is not described: %+v", e.Code, e)
		}
		if got := problem.New(e.Code, "").GetStatus(); got != e.Status {
			t.Errorf("New(%s) has the status %d, want %d", e.Code, got, e.Status)
		}
	}
	for status, want := range map[int]problem.Code{400: problem.InvalidBody, 401: problem.Unauthenticated, 404: problem.NotFound, 413: problem.TooLarge, 418: problem.InvalidBody, 429: problem.RateLimited, 502: problem.Internal} {
		if got := problem.ForStatus(status); got != want {
			t.Errorf("ForStatus(%d) = %s, want %s", status, got, want)
		}
	}
}
