package goldenpath

import (
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/gate"
)

// Event is one step of a run as it happens; `fawkes ci run -o json` prints each as a line. Event says which
// of the fields are there.
type Event struct {
	Event string `json:"event"` // run, stage, log, artifact, gate, image, promoted, note, result

	ID         string   `json:"id,omitempty"`
	Repository string   `json:"repository,omitempty"`
	SHA        string   `json:"sha,omitempty"`
	Branch     string   `json:"branch,omitempty"`
	Language   string   `json:"language,omitempty"`
	Service    string   `json:"service,omitempty"`
	Stages     []string `json:"stages,omitempty"`

	Stage   string   `json:"stage,omitempty"`
	Status  string   `json:"status,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Mend    string   `json:"mend,omitempty"`
	Summary string   `json:"summary,omitempty"`
	Text    string   `json:"text,omitempty"`
	Seconds *float64 `json:"seconds,omitempty"`
	Exit    *int     `json:"exit,omitempty"`

	Name      string `json:"name,omitempty"`
	Kind      string `json:"kind,omitempty"`
	SizeBytes *int64 `json:"size_bytes,omitempty"`

	Passed *bool       `json:"passed,omitempty"`
	Rules  []gate.Rule `json:"rules,omitempty"`

	Image        string   `json:"image,omitempty"`
	Digest       string   `json:"digest,omitempty"`
	Environments []string `json:"environments,omitempty"`
	Revision     string   `json:"revision,omitempty"`

	At *time.Time `json:"at,omitempty"`
}

// Reporter is told what happens. It is called by one goroutine at a time, and must not take long.
type Reporter interface {
	Report(Event)
}

// ReporterFunc is a function as a Reporter.
type ReporterFunc func(Event)

// Report calls the function.
func (f ReporterFunc) Report(e Event) { f(e) }

// serial makes a Reporter usable by several goroutines.
type serial struct {
	mu sync.Mutex
	to Reporter
}

func (s *serial) report(e Event) {
	if s.to == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to.Report(e)
}

func ptr[T any](v T) *T { return &v }
