package runner

import (
	"crypto/rand"
	"errors"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrNotFound says that there is no such run, log or artifact.
var ErrNotFound = errors.New("not found")

// Status is where a run stands.
type Status string

// The statuses of a run. Those after Running are final.
const (
	Queued      Status = "queued"
	Running     Status = "running"
	Succeeded   Status = "succeeded"
	Failed      Status = "failed"
	Canceled    Status = "canceled"
	Superseded  Status = "superseded"  // a newer push of the branch came before it began
	Interrupted Status = "interrupted" // the platform ended under it
)

// Final says that nothing will change any more.
func (s Status) Final() bool { return s != Queued && s != Running }

// Cause is why there is a run.
type Cause string

// The causes of runs.
const (
	Push      Cause = "push"
	Manual    Cause = "manual"
	Retry     Cause = "retry"
	Recovered Cause = "recovered" // the platform ended under the run before
)

// Run is one execution of the golden path for one commit.
type Run struct {
	Seq           int64
	ID            string
	Place         int64 // in the queue; smaller runs first
	Repository    string
	CloneURL      string
	Branch        string
	DefaultBranch string
	SHA           string
	Subject       string
	Author        string
	Cause         Cause
	Attempt       int
	RetryOf       string
	Status        Status
	Reason        string
	CancelBy      string // who asked for its end
	Queued        time.Time
	Started       time.Time
	Finished      time.Time
	Detail        Detail
}

// Detail is what the golden path told of a run; it is stored as one text.
type Detail struct {
	Service    string            `json:"service,omitempty"`
	Language   string            `json:"language,omitempty"`
	Image      string            `json:"image,omitempty"`
	Digest     string            `json:"digest,omitempty"`
	PromotedTo []string          `json:"promoted_to,omitempty"`
	Gate       *Gate             `json:"gate,omitempty"`
	Stages     []Stage           `json:"stages,omitempty"`
	Artifacts  map[string]string `json:"artifacts,omitempty"` // kind by name
	Isolation  *Isolation        `json:"isolation,omitempty"`
	CPU        time.Duration     `json:"cpu,omitempty"`
	PeakMemory int64             `json:"peak_memory,omitempty"`
}

// Stage is one step of a run.
type Stage struct {
	Name     string    `json:"name"`
	Status   string    `json:"status"` // pending, running, passed, failed, skipped, canceled
	Reason   string    `json:"reason,omitempty"`
	Summary  string    `json:"summary,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
}

// Gate is what the quality gate decided.
type Gate struct {
	Passed bool   `json:"passed"`
	Rules  []Rule `json:"rules,omitempty"`
}

// Rule is one rule of the quality gate.
type Rule struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail,omitempty"`
}

// Isolation is what the program of a run was kept by.
type Isolation struct {
	Landlock         bool     `json:"landlock"`
	PIDNamespace     bool     `json:"pid_namespace"`
	NetworkNamespace bool     `json:"network_namespace"`
	Notes            []string `json:"notes,omitempty"`
}

// The stages that every run has, in their order; the golden path may name others.
func standardStages() []string {
	return []string{
		"checkout", "build", "unit-test", "behavior-test", "secrets", "static-analysis",
		"image", "image-scan", "sbom", "sign", "push", "promote",
	}
}

// newRun makes a queued run of the first attempt.
func newRun(cause Cause, now time.Time) Run {
	r := Run{ID: newID(), Cause: cause, Attempt: 1, Status: Queued, Queued: now}
	r.Detail.plan(standardStages())
	return r
}

// again makes the run that repeats r.
func (r Run) again(cause Cause, now time.Time) Run {
	n := newRun(cause, now)
	n.Repository, n.CloneURL, n.Branch, n.DefaultBranch = r.Repository, r.CloneURL, r.Branch, r.DefaultBranch
	n.SHA, n.Subject, n.Author = r.SHA, r.Subject, r.Author
	n.Attempt, n.RetryOf = r.Attempt+1, r.ID
	if cause == Recovered {
		n.Place = r.Place // it was its turn
	}
	return n
}

// newID is a fresh id: 128 random bits, no secret.
func newID() string { return "run-" + strings.ToLower(rand.Text()) }

// plan sets the stages that are to come and keeps what is known of those that have begun.
func (d *Detail) plan(names []string) {
	known := map[string]Stage{}
	for _, s := range d.Stages {
		known[s.Name] = s
	}
	stages := make([]Stage, 0, len(names))
	for _, name := range names {
		s, ok := known[name]
		if !ok {
			s = Stage{Name: name, Status: "pending"}
		}
		delete(known, name)
		stages = append(stages, s)
	}
	for _, s := range d.Stages {
		if _, left := known[s.Name]; left && s.Status != "pending" {
			stages = append(stages, s)
		}
	}
	d.Stages = stages
}

// stage finds a stage, adding it when the plan did not name it; nil when there are too many.
func (d *Detail) stage(name string) *Stage {
	for i := range d.Stages {
		if d.Stages[i].Name == name {
			return &d.Stages[i]
		}
	}
	if len(d.Stages) >= mostStages {
		return nil
	}
	d.Stages = append(d.Stages, Stage{Name: name, Status: "pending"})
	return &d.Stages[len(d.Stages)-1]
}

// close ends the stages of a run that is over: none stays pending or running.
func (d *Detail) close(status Status, reason string, now time.Time) {
	for i := range d.Stages {
		s := &d.Stages[i]
		switch s.Status {
		case "running":
			s.Status, s.Finished = "failed", now
			if status != Failed && status != Succeeded {
				s.Status = "canceled"
			}
			if s.Reason == "" {
				s.Reason = reason
			}
		case "pending":
			s.Status = "skipped"
			if s.Reason == "" {
				s.Reason = "the run ended before"
			}
		}
	}
}

// Bounds on what is taken from outside, in bytes where not said otherwise.
const (
	mostStages    = 64
	mostName      = 63
	mostReason    = 2 << 10
	mostSubject   = 256
	mostRules     = 100
	mostArtifacts = 1000
	mostList      = 50
)

var (
	repositoryForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	shaForm        = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
	stageForm      = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	artifactForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	digestForm     = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// validBranch accepts what git accepts as a branch, and nothing that a program could take for an option.
func validBranch(b string) bool {
	switch {
	case b == "" || len(b) > 255 || !utf8.ValidString(b), b[0] == '-' || b[0] == '/' || b[len(b)-1] == '/',
		strings.Contains(b, "..") || strings.Contains(b, "//") || strings.Contains(b, "@{"),
		strings.ContainsAny(b, " ~^:?*[\\\x7f"), strings.HasSuffix(b, ".") || strings.HasSuffix(b, ".lock"):
		return false
	}
	for _, r := range b {
		if r < ' ' {
			return false
		}
	}
	return path.Clean(b) == b
}

// clean makes one line of printable text of at most n bytes from what a stranger sent.
func clean(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
