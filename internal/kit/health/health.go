// Package health says whether a process lives and whether it can do its work.
//
// Alive means that the process answers at all; whoever sees it fail restarts the
// process. Ready means that everything the work depends on answers; whoever sees
// it fail sends no work, and restarts nothing. A dependency of a dependency is
// not checked, so that one failure does not spread.
package health

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Check is the outcome of looking at one dependency.
type Check struct {
	// Name says what was looked at, for example "database".
	Name string
	// Err is nil when it works; its text is shown to whoever asks.
	Err error
}

// Report is the answer of a readiness address.
type Report struct {
	Status string   `json:"status"` // "ready" or "not_ready"
	Checks []Result `json:"checks"`
}

// Result is one check of a Report.
type Result struct {
	Name   string `json:"name"`
	Status string `json:"status"` // "ok" or "failed"
	Detail string `json:"detail,omitempty"`
}

// Limit is how long all checks of one request may take together.
const Limit = 5 * time.Second

// Alive answers 200 for as long as the process answers at all.
func Alive() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply(w, r, http.StatusOK, map[string]string{"status": "alive"})
	})
}

// Ready answers 200 when every check is good, else 503, and lists them all.
func Ready(checks func(context.Context) []Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), Limit)
		defer cancel()
		report, status := Report{Status: "ready", Checks: []Result{}}, http.StatusOK
		for _, c := range checks(ctx) {
			result := Result{Name: c.Name, Status: "ok"}
			if c.Err != nil {
				result.Status, result.Detail = "failed", c.Err.Error()
				report.Status, status = "not_ready", http.StatusServiceUnavailable
			}
			report.Checks = append(report.Checks, result)
		}
		reply(w, r, status, report)
	})
}

func reply(w http.ResponseWriter, r *http.Request, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // only strings are in it
		http.Error(w, "not readable", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		// An answer that nobody takes any more is nobody's loss.
		_, _ = w.Write(append(text, '\n'))
	}
}
