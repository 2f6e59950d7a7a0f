package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// tick is the job behind every periodic function.
type tick struct {
	Name string `json:"name" river:"unique"`
}

// Kind is the stored name of the job.
func (tick) Kind() string { return "fawkes_periodic" }

// InsertOpts lets a tick that still waits or runs stand for the next one, and
// gives up early: the next period comes anyway.
func (tick) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		MaxAttempts: 3,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
			rivertype.JobStateRetryable, rivertype.JobStateScheduled,
		}},
	}
}

// Periodic runs fn soon after the start and then every so often, on one replica
// at a time, and never twice at once. Call it before Start.
func (q *Queue) Periodic(name string, every time.Duration, fn func(context.Context) error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, twice := q.periodic[name]; twice {
		return fmt.Errorf("the periodic job %q is declared twice", name)
	}
	if every <= 0 {
		return fmt.Errorf("the periodic job %q has no interval", name)
	}
	q.periodic[name] = fn
	_, err := q.client.PeriodicJobs().AddSafely(river.NewPeriodicJob(
		river.PeriodicInterval(every),
		func() (river.JobArgs, *river.InsertOpts) { return tick{name}, nil },
		&river.PeriodicJobOpts{RunOnStart: true},
	))
	if err != nil {
		return fmt.Errorf("the periodic job %q: %w", name, err)
	}
	return nil
}

func (q *Queue) tick(ctx context.Context, job *river.Job[tick]) error {
	q.mu.Lock()
	fn := q.periodic[job.Args.Name]
	q.mu.Unlock()
	if fn == nil {
		// Left over from a version that had it.
		return river.JobCancel(fmt.Errorf("no periodic job is called %q", job.Args.Name))
	}
	return fn(ctx)
}

// quiet lets only what went wrong through; River tells much of its day.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(atLeast{log.Handler(), slog.LevelWarn}) }

type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(attrs), h.level}
}

func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}
