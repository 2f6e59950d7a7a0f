package goldenpath

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fawkes-idp/fawkes/internal/events"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/cienv"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/gate"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// The names of what a run keeps, in its artifacts.
const (
	FileRun      = "run.json"
	FileEvents   = "events.jsonl"
	FileSummary  = "summary.md"
	FileSummed   = "summary.json"
	FileGate     = "gate.json"
	FileUnit     = "junit.xml"
	FileBehavior = "junit-behavior.xml"
	FileSecrets  = "secrets.sarif"
	FileAnalysis = "static-analysis.sarif"
	FileScan     = "image-scan.sarif"
	FileSBOM     = "sbom.cdx.json"
	FileCoverage = "coverage.out"
	folderImage  = "image" // an OCI layout
	folderBuild  = "build" // what the build stage made outside of the work tree
	folderLogs   = "logs"
)

const stateFormat = 1

// State is what is known about a run; run.json.
type State struct {
	Format        int    `json:"format"`
	System        string `json:"system"`
	RunID         string `json:"run_id"`
	Attempt       int    `json:"attempt"`
	URL           string `json:"url,omitempty"`
	Repository    string `json:"repository,omitempty"`
	Name          string `json:"repository_name"`
	SHA           string `json:"sha,omitempty"`
	Branch        string `json:"branch,omitempty"`
	DefaultBranch string `json:"default_branch,omitempty"`
	Tag           string `json:"tag,omitempty"`
	PullRequest   string `json:"pull_request,omitempty"`
	CommittedAt   int64  `json:"committed_at,omitempty"` // seconds since 1970
	Changed       bool   `json:"changed,omitempty"`      // the work tree holds what is not committed

	Service  string `json:"service"`
	Project  string `json:"project"`
	Language string `json:"language"`

	StartedAt  time.Time              `json:"started_at"`
	FinishedAt *time.Time             `json:"finished_at,omitempty"`
	Result     *Result                `json:"result,omitempty"`
	Stages     map[string]*StageState `json:"stages"`

	Program   string          `json:"program,omitempty"` // the built program, from the artifacts
	Image     *ImageState     `json:"image,omitempty"`
	Gate      *gate.Verdict   `json:"gate,omitempty"`
	Promoted  *PromotedState  `json:"promoted,omitempty"`
	Isolation *sandbox.Report `json:"isolation,omitempty"`
	Notes     []string        `json:"notes,omitempty"`

	Ends    int      `json:"ends,omitempty"`    // how often the run's end was told
	Pending []string `json:"pending,omitempty"` // ids of events that are not delivered yet
}

// StageState is one stage of a run.
type StageState struct {
	Status     string         `json:"status"`
	Reason     string         `json:"reason,omitempty"`
	Summary    string         `json:"summary,omitempty"`
	StartedAt  *time.Time     `json:"started_at,omitempty"`
	FinishedAt *time.Time     `json:"finished_at,omitempty"`
	Seconds    float64        `json:"seconds"`
	Tests      *TestState     `json:"tests,omitempty"`
	Findings   []gate.Finding `json:"findings,omitempty"`
	Scanned    bool           `json:"scanned,omitempty"`  // the findings are complete
	Excused    bool           `json:"excused,omitempty"`  // skipped in a way that the gate takes
	Failures   []string       `json:"failures,omitempty"` // tests that failed, by name
}

// TestState is what tests came to.
type TestState struct {
	Passed   int      `json:"passed"`
	Failed   int      `json:"failed"`
	Skipped  int      `json:"skipped"`
	Coverage *float64 `json:"coverage_percent"`
	Reason   string   `json:"coverage_reason,omitempty"` // why there is none
}

// ImageState is the image that was made.
type ImageState struct {
	Repository string `json:"repository"` // with the registry's host, where there is one
	Digest     string `json:"digest"`
	Tag        string `json:"tag"`
	SizeBytes  int64  `json:"size_bytes"`
	Uploaded   bool   `json:"uploaded,omitempty"`
	Signed     bool   `json:"signed,omitempty"`
	Pushed     bool   `json:"pushed,omitempty"`
}

// PromotedState is where the image was promoted to.
type PromotedState struct {
	Environments []string `json:"environments"`
	Revision     string   `json:"revision"`
}

// run is the run as events have it.
func (s *State) run() events.Run {
	return events.Run{
		Source: events.SourceOf(s.Name), ID: events.RunID(s.RunID, s.Attempt), Pipeline: s.Service, URL: s.URL,
		Repository: s.Repository, SHA: s.SHA, Branch: s.Branch, Attempt: s.Attempt, Service: s.Service, StartedAt: s.StartedAt,
	}
}

// same says whether the state is of the run that the surroundings speak of.
func (s *State) same(e cienv.Environment) bool {
	return s.System == e.System && s.SHA == e.SHA && s.Attempt == e.Attempt && (e.RunID == "" || s.RunID == e.RunID)
}

// done says whether a stage is behind us.
func (s *State) done(stage string) bool {
	st := s.Stages[stage]
	return st != nil && (st.Status == StatusPassed || st.Status == StatusSkipped)
}

// ReadState reads the run.json of a folder of artifacts; fs.ErrNotExist when there is none.
func ReadState(artifacts string) (*State, error) {
	text, err := os.ReadFile(filepath.Join(artifacts, FileRun))
	if err != nil {
		return nil, fmt.Errorf("read the run: %w", err)
	}
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("read the run: %s is damaged: %w", FileRun, err)
	}
	if s.Format != stateFormat || s.Stages == nil {
		return nil, fmt.Errorf("read the run: %s is of another version of fawkes", FileRun)
	}
	return &s, nil
}

func (s *State) write(artifacts string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = writeFile(filepath.Join(artifacts, FileRun), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep the run: %w", err)
	}
	return nil
}

// reset removes what an earlier run left in the artifacts.
func reset(artifacts string) error {
	for _, name := range []string{FileRun, FileEvents, FileSummary, FileSummed, FileGate, FileUnit, FileBehavior, FileSecrets, FileAnalysis, FileScan, FileSBOM, FileCoverage, folderImage, folderBuild, folderLogs} {
		if err := os.RemoveAll(filepath.Join(artifacts, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear the artifacts: %w", err)
		}
	}
	return nil
}
