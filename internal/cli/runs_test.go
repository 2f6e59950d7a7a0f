package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// fakeRunner has one run, which writes a line each time its log is asked for and then is over.
func fakeRunner(t *testing.T, status string) *httptest.Server {
	t.Helper()
	whole := "begin\n\x1b[31mred\nend €\n"
	var asked atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/runner/v1/runs/run-1", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"id":"run-1","status":%q,"reason":"unit-test: 1 of 12 failed","stages":[{"name":"build","status":"passed"}]}`, status)
	})
	mux.HandleFunc("GET /api/runner/v1/runs/run-1/log", func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.Atoi(r.URL.Query().Get("after"))
		if err != nil || after > len(whole) {
			t.Errorf("after is %q", r.URL.Query().Get("after"))
		}
		n := asked.Add(1)
		text := ""
		if n%2 == 1 && after < len(whole) {
			text = whole[after : after+strings.IndexByte(whole[after:], '\n')+1]
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"text": text, "next": after + len(text), "done": text == "" && after == len(whole)})
	})
	mux.HandleFunc("POST /api/runner/v1/runs/run-1/cancel", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"id":"run-1","status":"running"}`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func runFawkes(t *testing.T, server *httptest.Server, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	env := map[string]string{"FAWKES_API": server.URL, "FAWKES_TOKEN": "t"}
	code = Run(t.Context(), "test", IO{In: strings.NewReader(""), Out: &o, Err: &e, Env: func(k string) string { return env[k] }, Clock: clock.System()}, args)
	return code, o.String(), e.String()
}

func TestALogIsFollowedToItsEnd(t *testing.T) {
	code, out, errs := runFawkes(t, fakeRunner(t, "succeeded"), "runs", "logs", "-f", "run-1")
	if code != 0 || out != "begin\n[31mred\nend €\n" || errs != "" {
		t.Fatalf("%d %q %q", code, out, errs)
	}
	code, out, errs = runFawkes(t, fakeRunner(t, "failed"), "runs", "logs", "-f", "run-1")
	if code != exitFailure || !strings.HasSuffix(out, "end €\n") || !strings.Contains(errs, "1 of 12") {
		t.Fatalf("%d %q %q", code, out, errs)
	}
	code, out, _ = runFawkes(t, fakeRunner(t, "running"), "runs", "logs", "run-1")
	if code != 0 || out != "begin\n" {
		t.Fatalf("without -f: %d %q", code, out)
	}
	code, out, _ = runFawkes(t, fakeRunner(t, "running"), "runs", "cancel", "run-1")
	if code != 0 || out != "is being canceled: run-1\n" {
		t.Fatalf("%d %q", code, out)
	}
}
