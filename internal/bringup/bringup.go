// Package bringup is the step engine behind `fawkes up`: a list of named steps, run one after the
// other, of which none waits in silence.
//
// A step first looks whether its work is done already and only then acts, so that running the list
// twice is the same as running it once. While it works it may say what it is waiting for; when it
// has worked for longer than the runner's patience, this cause is shown with the time that has
// passed. A step that fails ends the list with a [Fault]: what was wrong, and how to mend it.
//
// What a person sees is the renderer's business: a line a step with a turning wheel on a terminal
// ([NewText]), plain lines elsewhere, or one JSON event a line ([NewJSON]).
package bringup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// Step is one named piece of bringing a platform up.
type Step struct {
	// Name is short, as it stands in the first column: "state", "git", "console".
	Name string
	// Check says whether nothing is to be done, and with what detail. It may be nil.
	Check func(ctx context.Context) (done bool, detail string, err error)
	// Act does the work and gives the detail to show. It may be nil when Check says it all. It tells
	// through say what it is waiting for, as often as it likes.
	Act func(ctx context.Context, say func(cause string)) (detail string, err error)
	// Limit is the longest time the step may take; zero means no limit.
	Limit time.Duration
}

// Fault is a failure with its mend. An error that is no Fault may still say how it is mended, by a
// method Advice() string.
type Fault struct {
	Step string // the step that failed; filled in by the runner
	Err  error
	Mend string // what the reader can do about it
}

// Faultf makes a Fault from a mend and a formatted error.
func Faultf(mend, format string, args ...any) *Fault {
	return &Fault{Err: fmt.Errorf(format, args...), Mend: mend}
}

// Error names the step and what went wrong.
func (f *Fault) Error() string {
	if f.Step == "" {
		return f.Err.Error()
	}
	return f.Step + ": " + f.Err.Error()
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Renderer shows how the steps go. The runner calls it from one goroutine.
type Renderer interface {
	// Started is told before a step does anything.
	Started(step string)
	// Working is told several times a second while a step works; cause is "" until the runner's
	// patience is over, or when the step did not say what it waits for.
	Working(step string, elapsed time.Duration, cause string)
	// Done is told when a step has ended well.
	Done(step, detail string, elapsed time.Duration)
	// Failed is told when a step has failed; no other step follows.
	Failed(step string, fault *Fault, elapsed time.Duration)
}

// Runner runs steps.
type Runner struct {
	Clock    clock.Clock
	Renderer Renderer
	// Patience is how long a step may work before the cause is shown.
	Patience time.Duration
	// Ticks gives the beat at which Working is told, and a function that ends it.
	Ticks func() (<-chan time.Time, func())
}

// NewRunner gives a runner on the wall clock with two seconds of patience.
func NewRunner(renderer Renderer) *Runner {
	return &Runner{Clock: clock.System(), Renderer: renderer, Patience: 2 * time.Second, Ticks: func() (<-chan time.Time, func()) {
		ticker := time.NewTicker(100 * time.Millisecond)
		return ticker.C, ticker.Stop
	}}
}

// Run does the steps in order and stops at the first that fails, with a *Fault.
func (r *Runner) Run(ctx context.Context, steps ...Step) error {
	for _, step := range steps {
		if err := r.one(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

type outcome struct {
	detail string
	err    error
}

func (r *Runner) one(ctx context.Context, step Step) error {
	began := r.Clock.Now()
	elapsed := func() time.Duration { return r.Clock.Now().Sub(began) }
	r.Renderer.Started(step.Name)
	limited, cancel := ctx, context.CancelFunc(func() {})
	if step.Limit > 0 {
		limited, cancel = context.WithTimeout(ctx, step.Limit)
	}
	defer cancel()

	causes := make(chan string)
	finished := make(chan outcome, 1)
	go func() { finished <- perform(limited, step, causes) }()
	ticks, stop := r.Ticks()
	defer stop()
	cause := ""
	for {
		select {
		case cause = <-causes:
		case now := <-ticks:
			shown, so := "", now.Sub(began)
			if so >= r.Patience {
				if shown = cause; shown == "" {
					shown = "still working"
				}
			}
			r.Renderer.Working(step.Name, so, shown)
		case end := <-finished:
			if end.err == nil {
				r.Renderer.Done(step.Name, end.detail, elapsed())
				return nil
			}
			fault := r.fault(ctx, step, end.err, cause)
			r.Renderer.Failed(step.Name, fault, elapsed())
			return fault
		}
	}
}

// perform runs in the step's goroutine and ends with the step.
func perform(ctx context.Context, step Step, causes chan<- string) outcome {
	if step.Check != nil {
		done, detail, err := step.Check(ctx)
		if done || err != nil || step.Act == nil {
			return outcome{detail, err}
		}
	}
	if step.Act == nil {
		return outcome{}
	}
	detail, err := step.Act(ctx, func(cause string) {
		select {
		case causes <- cause:
		case <-ctx.Done():
		}
	})
	return outcome{detail, err}
}

// fault gives the error its step, and the last cause when the time ran out.
func (r *Runner) fault(ctx context.Context, step Step, err error, cause string) *Fault {
	var fault *Fault
	var advised interface{ Advice() string }
	if !errors.As(err, &fault) {
		fault = &Fault{Err: err}
		if errors.As(err, &advised) {
			fault.Mend = advised.Advice()
		}
	} else {
		named := *fault
		fault = &named
	}
	fault.Step = step.Name
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		waited := cause
		if waited == "" {
			waited = "the step to end"
		}
		fault.Err = fmt.Errorf("gave up after %s waiting for %s: %w", step.Limit, waited, err)
	}
	return fault
}
