package road

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/fawkes-idp/fawkes/api/client/runner"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
)

// runs asks the runner.
type runs struct {
	line
	client *runner.Client
}

func newRuns(peers peer.Network, gone *absence) (*runs, error) {
	base, transport := peers.Client(PartRunner)
	c, err := runner.NewClient(base, runner.WithHTTPClient(transport), runner.WithRequestEditorFn(auth.Forward))
	if err != nil {
		return nil, fmt.Errorf("make the client of the runner: %w", err)
	}
	return &runs{line{PartRunner, "runner", gone}, c}, nil
}

// Runs lists runs, the newest first.
func (r *runs) Runs(ctx context.Context, which RunFilter, page Page) (List[Run], error) {
	l, err := ask[runner.RunList](ctx, r.line, "the runs", func(ctx context.Context) (*http.Response, error) {
		return r.client.ListRuns(ctx, &runner.ListRunsParams{
			Limit: page.limit(), Cursor: given[string](page.Cursor), Repository: given[string](which.Repository), Branch: given[string](which.Branch),
			Status: given[runner.ListRunsParamsStatus](which.Status), Sha: given[string](which.SHA), Q: given[string](which.Search),
		})
	})
	return List[Run]{each(l.Items, run), value(l.NextCursor)}, err
}

// Run reads one run.
func (r *runs) Run(ctx context.Context, id string) (Run, error) {
	w, err := ask[runner.RunInfo](ctx, r.line, "a run", func(ctx context.Context) (*http.Response, error) { return r.client.GetRun(ctx, id) })
	return run(w), err
}

// Queue reads what runs and what waits.
func (r *runs) Queue(ctx context.Context) (Queue, error) {
	w, err := ask[runner.QueueBody](ctx, r.line, "the queue", func(ctx context.Context) (*http.Response, error) { return r.client.GetQueue(ctx) })
	return Queue{Limit: int(w.Limit), Running: int(w.Running), Waiting: int(w.Waiting), Reason: value(w.Reason), Queued: each(w.Queued, run)}, err
}

// Log reads a stage's log from a byte on.
func (r *runs) Log(ctx context.Context, id, stage string, after int64, limit int) (LogPart, error) {
	most := int64(limit)
	w, err := ask[runner.LogBody](ctx, r.line, "a log", func(ctx context.Context) (*http.Response, error) {
		return r.client.GetRunLog(ctx, id, &runner.GetRunLogParams{Stage: given[string](stage), After: &after, Limit: &most})
	})
	return LogPart{Text: w.Text, Next: w.Next, Done: w.Done}, err
}

// Artifacts lists the files that a run left.
func (r *runs) Artifacts(ctx context.Context, id string) ([]Artifact, error) {
	l, err := ask[runner.ArtifactList](ctx, r.line, "the artifacts", func(ctx context.Context) (*http.Response, error) {
		return r.client.ListArtifacts(ctx, id)
	})
	return each(l.Items, func(w runner.ArtifactInfo) Artifact {
		return Artifact{Name: w.Name, Kind: string(w.Kind), MediaType: w.MediaType, Size: w.SizeBytes}
	}), err
}

// Artifact opens a file that a run left.
func (r *runs) Artifact(ctx context.Context, id, name string) (Content, error) {
	answer, err := r.reach(ctx, func(ctx context.Context) (*http.Response, error) { return r.client.GetArtifact(ctx, id, name) })
	if err != nil {
		return Content{}, err
	}
	if answer.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
		return Content{}, errors.Join(refusal(r.line, "an artifact", answer, body), err, answer.Body.Close())
	}
	return Content{ReadCloser: answer.Body, MediaType: answer.Header.Get("Content-Type"), Size: answer.ContentLength}, nil
}

// Isolation says by what this machine can keep pushed code apart.
func (r *runs) Isolation(ctx context.Context) (Isolation, error) {
	w, err := ask[runner.IsolationBody](ctx, r.line, "the isolation", func(ctx context.Context) (*http.Response, error) { return r.client.GetIsolation(ctx) })
	return Isolation{Landlock: w.Landlock, PIDNamespace: w.PidNamespace, NetworkNamespace: w.NetworkNamespace, Notes: w.Notes}, err
}

// Start puts a run of a branch into the queue.
func (r *runs) Start(ctx context.Context, repository, ref string) (Run, error) {
	w, err := ask[runner.RunInfo](ctx, r.line, "a run", func(ctx context.Context) (*http.Response, error) {
		return r.client.StartRun(ctx, runner.NewRunBody{Repository: repository, Ref: given[string](ref)})
	})
	return run(w), err
}

// Cancel ends a run, or takes it from the queue.
func (r *runs) Cancel(ctx context.Context, id string) error {
	return do(ctx, r.line, "a run", func(ctx context.Context) (*http.Response, error) { return r.client.CancelRun(ctx, id) })
}

// Retry puts a run that is over into the queue once more.
func (r *runs) Retry(ctx context.Context, id string) (Run, error) {
	w, err := ask[runner.RunInfo](ctx, r.line, "a run", func(ctx context.Context) (*http.Response, error) { return r.client.RetryRun(ctx, id) })
	return run(w), err
}

func run(w runner.RunInfo) Run {
	out := Run{
		ID: w.ID, Repository: w.Repository, CloneURL: w.CloneURL, Branch: w.Branch, SHA: w.Sha, Subject: w.Subject, Author: w.Author,
		Trigger: string(w.Trigger), Attempt: int(w.Attempt), Status: string(w.Status), Reason: value(w.Reason), QueuedAt: &w.QueuedAt,
		StartedAt: w.StartedAt, FinishedAt: w.FinishedAt, RetryOf: value(w.RetryOf), Service: value(w.Service), Image: value(w.Image), Digest: value(w.Digest),
		PromotedTo: w.PromotedTo,
		Stages: each(w.Stages, func(s runner.StageInfo) Stage {
			return Stage{Name: s.Name, Status: string(s.Status), Reason: value(s.Reason), Summary: value(s.Summary), StartedAt: s.StartedAt, FinishedAt: s.FinishedAt}
		}),
	}
	if w.Position != nil {
		out.Position = int(*w.Position)
	}
	if w.Gate.Rules != nil { // null otherwise
		out.Gate = &Gate{Passed: w.Gate.Passed, Rules: each(w.Gate.Rules, func(r runner.RuleInfo) GateRule { return GateRule{r.Name, r.Passed, r.Detail} })}
	}
	if w.Isolation.Notes != nil { // null otherwise
		out.Isolation = &Isolation{Landlock: w.Isolation.Landlock, PIDNamespace: w.Isolation.PidNamespace, NetworkNamespace: w.Isolation.NetworkNamespace, Notes: w.Isolation.Notes}
	}
	if w.Usage.CPUSeconds > 0 {
		out.CPUSeconds = &w.Usage.CPUSeconds
	}
	if w.Usage.PeakMemoryBytes > 0 {
		out.PeakMemory = &w.Usage.PeakMemoryBytes
	}
	return out
}
