package goldenpath

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// The exit codes. They are promises: pipelines branch on them.
const (
	ExitOK          = 0
	ExitFailed      = 1   // the code's fault: it does not build, a test fails
	ExitUsage       = 2   // the command line, fawkes.yaml or the surroundings are wrong
	ExitRefused     = 3   // the quality gate refused: secrets, findings, too few tests
	ExitUnreachable = 4   // the registry, a repository or the receiver of events cannot be reached
	ExitTimeout     = 5   // a stage took longer than its limit
	ExitAborted     = 130 // stopped by a signal
)

// The ways in which a run or a stage ends.
const (
	Succeeded = "succeeded"
	Failed    = "failed"
	Aborted   = "aborted"

	StatusRunning = "running"
	StatusPassed  = "passed"
	StatusFailed  = "failed"
	StatusSkipped = "skipped"
)

// Options is what a run is given.
type Options struct {
	Dir       string   // the work tree
	Artifacts string   // what is kept of the run; made when it is not there
	Environ   []string // "NAME=value"; nothing is read from the process itself
	Program   string   // this program's own path, to find the scanners beside it; may be empty
	Version   string   // this program's, for reports
	Clock     clock.Clock
	Reporter  Reporter          // nil: nobody looks
	Transport http.RoundTripper // to the registry; nil: the default
	Older     bool              // promote even where a newer revision is promoted already
	Grace     time.Duration     // between SIGTERM and SIGKILL of a command when the run is stopped; 0: 5 s
}

// Env gives a variable.
func (o Options) Env(name string) string {
	value := ""
	for _, kv := range o.Environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value = v // the last one counts
		}
	}
	return value
}

// Result is how a run, or one stage of it, ended.
type Result struct {
	Status  string  `json:"status"` // succeeded, failed or aborted
	Reason  string  `json:"reason"` // empty when it succeeded
	Mend    string  `json:"mend,omitempty"`
	Stage   string  `json:"stage"` // the one that failed; empty when none did
	Seconds float64 `json:"seconds"`
	Exit    int     `json:"exit"`
}

// failure is why a stage failed: in the words of a person, with the exit code.
type failure struct {
	exit   int
	reason string
	mend   string
	err    error
}

func (f *failure) Error() string { return f.reason }
func (f *failure) Unwrap() error { return f.err }

func failf(exit int, mend, format string, args ...any) error {
	return &failure{exit: exit, reason: fmt.Sprintf(format, args...), mend: mend}
}

// skipped is a stage that has nothing to do, and why.
type skipped struct{ reason string }

func (s *skipped) Error() string { return "skipped: " + s.reason }

func skipf(format string, args ...any) error { return &skipped{fmt.Sprintf(format, args...)} }

// errAborted is the cause of a context that a signal ended.
var errAborted = errors.New("stopped by a signal")

// verdictOf turns an error into how the run ends.
func verdictOf(ctx context.Context, err error) (exit int, reason, mend string) {
	var f *failure
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), errAborted):
		return ExitAborted, errAborted.Error(), ""
	case errors.As(err, &f):
		return f.exit, f.reason, f.mend
	case len(fawkesfile.Faults(err)) > 0:
		return ExitUsage, err.Error(), "mend " + fawkesfile.Name + "; docs/reference/golden-path.md lists its keys"
	case errors.Is(err, context.DeadlineExceeded):
		return ExitTimeout, err.Error(), ""
	}
	return ExitFailed, err.Error(), ""
}

// limitOf is how long a stage may take unless fawkes.yaml says otherwise.
func limitOf(stage string, file *fawkesfile.File) time.Duration {
	if t := file.Stages[stage].Timeout; t > 0 {
		return t
	}
	switch stage {
	case "checkout":
		return time.Minute
	case "build", "unit-test", "behavior-test", "static-analysis":
		return 10 * time.Minute
	case "secrets", "image", "image-scan", "sbom", "sign", "push":
		return 5 * time.Minute
	case "promote":
		return 2 * time.Minute
	}
	return 5 * time.Minute
}
