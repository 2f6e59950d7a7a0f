package road

import (
	"context"
	"io"
	"time"
)

// Runs answers what the pages ask the runner.
type Runs interface {
	Runs(ctx context.Context, which RunFilter, page Page) (List[Run], error)
	Run(ctx context.Context, id string) (Run, error)
	Queue(ctx context.Context) (Queue, error)
	// Log reads a stage's log from a byte on, at most limit bytes.
	Log(ctx context.Context, id, stage string, after int64, limit int) (LogPart, error)
	Artifacts(ctx context.Context, id string) ([]Artifact, error)
	// Artifact opens one; the caller closes it.
	Artifact(ctx context.Context, id, name string) (Content, error)
	// Isolation says by what this machine can keep pushed code apart.
	Isolation(ctx context.Context) (Isolation, error)
	Start(ctx context.Context, repository, ref string) (Run, error)
	Cancel(ctx context.Context, id string) error
	Retry(ctx context.Context, id string) (Run, error)
}

// The states of a run.
const (
	RunQueued      = "queued"
	RunRunning     = "running"
	RunSucceeded   = "succeeded"
	RunFailed      = "failed"
	RunCanceled    = "canceled"
	RunSuperseded  = "superseded"
	RunInterrupted = "interrupted"
)

// The states of a stage.
const (
	StagePending  = "pending"
	StageRunning  = "running"
	StagePassed   = "passed"
	StageFailed   = "failed"
	StageSkipped  = "skipped"
	StageCanceled = "canceled"
)

// RunFilter says which runs; an empty field is any.
type RunFilter struct{ Repository, Branch, Status, SHA, Search string }

// Run is one commit on its way through the golden path.
type Run struct {
	ID, Repository, CloneURL string
	Branch, SHA              string
	Subject, Author          string
	Trigger                  string // push, manual, retry or recovered
	Attempt                  int
	Status, Reason           string
	QueuedAt                 *time.Time
	StartedAt, FinishedAt    *time.Time
	Position                 int // in the queue, from 1; 0 when it does not wait
	RetryOf                  string
	Service                  string // empty until the run has read fawkes.yaml
	Image, Digest            string
	PromotedTo               []string
	Gate                     *Gate
	Stages                   []Stage
	Isolation                *Isolation
	CPUSeconds               *float64
	PeakMemory               *int64 // bytes
}

// Ended says that nothing more will happen to the run.
func (r Run) Ended() bool { return r.Status != RunQueued && r.Status != RunRunning }

// Elapsed is how long the run took or has taken until now, in seconds; ok is false before it began.
func (r Run) Elapsed(now time.Time) (seconds float64, ok bool) {
	return elapsed(r.StartedAt, r.FinishedAt, now, r.Ended())
}

// Stage finds a stage by its name.
func (r Run) Stage(name string) (Stage, bool) {
	for _, s := range r.Stages {
		if s.Name == name {
			return s, true
		}
	}
	return Stage{}, false
}

// Stage is one step of a run.
type Stage struct {
	Name, Status          string
	Reason, Summary       string
	StartedAt, FinishedAt *time.Time
}

// Elapsed is how long the stage took or has taken until now, in seconds; ok is false before it began.
func (s Stage) Elapsed(now time.Time) (seconds float64, ok bool) {
	return elapsed(s.StartedAt, s.FinishedAt, now, s.Status != StageRunning)
}

func elapsed(from, to *time.Time, now time.Time, ended bool) (float64, bool) {
	switch {
	case from == nil || ended && to == nil:
		return 0, false
	case to != nil:
		return to.Sub(*from).Seconds(), true
	}
	return max(now.Sub(*from).Seconds(), 0), true
}

// Gate is what the quality gate said.
type Gate struct {
	Passed bool
	Rules  []GateRule
}

// GateRule is one rule of the gate.
type GateRule struct {
	Name   string
	Passed bool
	Detail string
}

// Isolation is how the pushed code was kept from the platform; Notes say what could not be had.
type Isolation struct {
	Landlock, PIDNamespace, NetworkNamespace bool
	Notes                                    []string
}

// Queue is what runs and what waits, the next first. Limit is how many run at once.
type Queue struct {
	Limit   int
	Running int
	Waiting int    // how many wait; Queued may have the first of them only
	Reason  string // why none begins, when nothing can
	Queued  []Run
}

// LogPart is a piece of a log. Next is the byte after it; Done says that the log ends there.
type LogPart struct {
	Text string
	Next int64
	Done bool
}

// Artifact is a file that a run left.
type Artifact struct {
	Name, Kind, MediaType string
	Size                  int64
}

// Content is an artifact's bytes.
type Content struct {
	io.ReadCloser
	MediaType string
	Size      int64 // -1 when it is not known
}
