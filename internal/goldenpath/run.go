package goldenpath

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/events"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
)

// Stages are the stages in their order.
func Stages() []string { return fawkesfile.StageNames() }

// needs are the stages that must be behind a stage before it can begin.
func needs(stage string) []string {
	switch stage {
	case "build", "secrets":
		return []string{"checkout"}
	case "unit-test", "static-analysis":
		return []string{"build"} // which leaves the build cache warm
	case "behavior-test":
		return []string{"unit-test"}
	case "image":
		return []string{"unit-test", "behavior-test", "secrets", "static-analysis"}
	case "image-scan", "sbom":
		return []string{"image"}
	case "sign":
		return []string{"image-scan", "sbom"}
	case "push":
		return []string{"sign"}
	case "promote":
		return []string{"push"}
	}
	return nil
}

// Run runs the whole pipeline. It returns when every process that it started is gone; when ctx ends, the run
// is aborted.
func Run(ctx context.Context, o Options) Result {
	began := o.Clock.Now()
	ctx, cancel := abortable(ctx)
	defer cancel()
	p, err := open(ctx, o, true)
	if err != nil {
		return unopened(ctx, o, began, err)
	}
	return p.finally(ctx, began, Stages(), p.runAll(ctx))
}

// RunStage runs one stage and keeps the rest for other processes.
func RunStage(ctx context.Context, o Options, stage string) Result {
	began := o.Clock.Now()
	ctx, cancel := abortable(ctx)
	defer cancel()
	p, err := open(ctx, o, stage == "checkout" && o.Env("FAWKES_RUN_ID") == "" && o.Env("BUILD_TAG") == "" && o.Env("GITHUB_RUN_ID") == "")
	if err != nil {
		return unopened(ctx, o, began, err)
	}
	p.single = true
	return p.finally(ctx, began, []string{stage}, p.runOne(ctx, stage))
}

// abortable names the reason for which the caller's context ends.
func abortable(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() { cancel(errAborted) })
	return ctx, func() { stop(); cancel(nil) }
}

func unopened(ctx context.Context, o Options, began time.Time, err error) Result {
	exit, reason, mend := verdictOf(ctx, err)
	r := Result{Status: Failed, Reason: reason, Mend: mend, Seconds: o.Clock.Now().Sub(began).Seconds(), Exit: exit}
	if exit == ExitAborted {
		r.Status = Aborted
	}
	(&serial{to: o.Reporter}).report(Event{Event: "result", Status: r.Status, Reason: r.Reason, Mend: r.Mend, Seconds: &r.Seconds, Exit: &r.Exit})
	return r
}

// begin tells that the run began, unless an earlier process did.
func (p *pipeline) begin(stages []string) error {
	p.courier = newCourier(p.artifacts, p.sender(), p.mask)
	if err := p.courier.carryOn(p.state.Pending); err != nil {
		return err
	}
	s := p.state
	p.out.report(Event{
		Event: "run", ID: s.run().ID, Repository: s.Name, SHA: s.SHA, Branch: s.Branch, Language: s.Language, Service: s.Service, Stages: stages, At: p.now(),
	})
	if !exists(filepath.Join(p.artifacts, FileEvents)) {
		if err := p.courier.add(s.run().Started()); err != nil {
			return err
		}
	}
	if p.sender() == nil {
		p.note("nobody is told of this run: FAWKES_EVENTS_URL is not set; the events are kept in %s", FileEvents)
	}
	return p.keep(nil)
}

// atOnce is how many stages run at the same time.
func atOnce() int { return max(2, min(runtime.NumCPU(), 4)) }

// runAll runs every stage as soon as those before it are done. The error is the first in their order; what
// runs beside a stage that fails is not stopped, so that one run tells everything that is wrong.
func (p *pipeline) runAll(ctx context.Context) error {
	if err := p.begin(Stages()); err != nil {
		return err
	}
	places := make(chan struct{}, atOnce())
	ended, errs := map[string]chan struct{}{}, map[string]error{}
	var mu sync.Mutex
	for _, stage := range Stages() {
		ended[stage] = make(chan struct{})
	}
	for _, stage := range Stages() {
		go func() {
			defer close(ended[stage])
			good := true
			for _, need := range needs(stage) {
				<-ended[need]
				mu.Lock()
				good = good && errs[need] == nil
				mu.Unlock()
			}
			err := error(&waived{})
			if good && ctx.Err() == nil {
				places <- struct{}{}
				err = p.stage(ctx, stage)
				<-places
			}
			mu.Lock()
			errs[stage] = err
			mu.Unlock()
		}()
	}
	var first error
	for _, stage := range Stages() {
		<-ended[stage]
		mu.Lock()
		err := errs[stage]
		mu.Unlock()
		var w *waived
		if err != nil && !errors.As(err, &w) && first == nil {
			first = &stageError{stage, err}
		}
	}
	if first == nil && ctx.Err() != nil {
		first = context.Cause(ctx)
	}
	return first
}

// waived is a stage that was not begun, because one before it failed.
type waived struct{}

func (*waived) Error() string { return "not begun" }

type stageError struct {
	stage string
	err   error
}

func (e *stageError) Error() string { return e.stage + ": " + e.err.Error() }
func (e *stageError) Unwrap() error { return e.err }

// runOne runs a stage after making sure that those before it are done.
func (p *pipeline) runOne(ctx context.Context, stage string) error {
	if err := p.begin([]string{stage}); err != nil {
		return err
	}
	if stage != "checkout" && !p.state.done("checkout") { // which costs nothing
		if err := p.stage(ctx, "checkout"); err != nil {
			return &stageError{"checkout", err}
		}
	}
	for _, need := range needs(stage) {
		if !p.state.done(need) {
			return &stageError{stage, failf(ExitUsage, "run `fawkes ci "+need+"` first, with the same --artifacts", "the stage %s has not passed in this run", need)}
		}
	}
	if err := p.stage(ctx, stage); err != nil {
		return &stageError{stage, err}
	}
	return nil
}

// stage runs one stage within its time, and keeps what it came to.
func (p *pipeline) stage(ctx context.Context, name string) error {
	log, err := newStageLog(filepath.Join(p.artifacts, folderLogs, name+".log"), p.mask, func(text string) {
		p.out.report(Event{Event: "log", Stage: name, Text: text, At: p.now()})
	})
	if err != nil {
		return err
	}
	began := p.o.Clock.Now()
	if err := p.keep(func(s *State) { s.Stages[name] = &StageState{Status: StatusRunning, StartedAt: &began} }); err != nil {
		log.close()
		return err
	}
	p.out.report(Event{Event: "stage", Stage: name, Status: StatusRunning, At: &began})
	st := &StageState{StartedAt: &began} // the stage's own while it works: others write down the whole run beside it
	err = p.within(ctx, name, st, log)
	log.close()
	ended := p.o.Clock.Now()
	seconds := ended.Sub(began).Seconds()
	var skip *skipped
	status, reason := StatusPassed, ""
	switch {
	case errors.As(err, &skip):
		status, reason, err = StatusSkipped, skip.reason, nil
	case err != nil:
		status = StatusFailed
		_, reason, _ = verdictOf(ctx, err)
	}
	reason = p.mask.text(reason)
	st.Status, st.Reason, st.FinishedAt, st.Seconds = status, reason, &ended, seconds
	st.Summary = p.mask.text(st.Summary)
	kept := p.keep(func(s *State) { s.Stages[name] = st })
	p.out.report(Event{Event: "stage", Stage: name, Status: status, Reason: reason, Summary: st.Summary, At: &ended, Seconds: &seconds})
	if err == nil {
		err = kept
	}
	return err
}

// within runs the stage's work under its time limit.
func (p *pipeline) within(ctx context.Context, name string, st *StageState, log *stageLog) error {
	if s := p.file.Stages[name]; s.Skip && p.faults == nil {
		st.Excused = true
		return skipf("%s", s.Reason)
	}
	limit := limitOf(name, p.file)
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := p.work(inner, name, &job{pipeline: p, name: name, state: st, log: log})
	if err != nil && inner.Err() != nil && ctx.Err() == nil {
		return failf(ExitTimeout, "make it faster, or give it more with stages."+name+".timeout in fawkes.yaml", "it took longer than its limit of %s", limit)
	}
	return err
}

// job is the work of one stage.
type job struct {
	*pipeline
	name  string
	state *StageState // of the stage; the pipeline's is job.pipeline.state
	log   *stageLog
}

func (p *pipeline) work(ctx context.Context, name string, j *job) error {
	if name != "checkout" && p.faults != nil {
		return p.faults
	}
	switch name {
	case "checkout":
		return j.checkout(ctx)
	case "build":
		return j.build(ctx)
	case "unit-test":
		return j.unitTest(ctx)
	case "behavior-test":
		return j.behaviorTest(ctx)
	case "secrets":
		return j.secrets(ctx)
	case "static-analysis":
		return j.staticAnalysis(ctx)
	case "image":
		return j.image(ctx)
	case "image-scan":
		return j.imageScan(ctx)
	case "sbom":
		return j.sbom(ctx)
	case "sign":
		return j.sign(ctx)
	case "push":
		return j.push(ctx)
	case "promote":
		return j.promote(ctx)
	}
	return failf(ExitUsage, "the stages are "+strings.Join(Stages(), ", "), "there is no stage %q", name)
}

// finally makes the result, tells it, and leaves the summary.
func (p *pipeline) finally(ctx context.Context, began time.Time, stages []string, err error) Result {
	r := Result{Status: Succeeded}
	if err != nil {
		r.Exit, r.Reason, r.Mend = verdictOf(ctx, err)
		r.Status = Failed
		var in *stageError
		if errors.As(err, &in) {
			r.Stage = in.stage
		}
		if r.Exit == ExitAborted {
			r.Status = Aborted
			r.Stage = p.interrupted()
		} else if more := p.otherFailures(r.Stage); more != "" {
			r.Reason += "; " + more
		}
	}
	r.Reason = p.mask.text(r.Reason)
	last := !p.single || err != nil || slices.Contains(stages, "promote")
	if p.courier != nil {
		p.tell(&r, last)
	}
	r.Seconds = p.o.Clock.Now().Sub(began).Seconds()
	r = p.leave(r, last)
	p.out.report(Event{Event: "result", Status: r.Status, Reason: r.Reason, Mend: r.Mend, Stage: r.Stage, Seconds: &r.Seconds, Exit: &r.Exit, At: p.now()})
	return r
}

// interrupted is the stage that ran when the signal came.
func (p *pipeline) interrupted() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range Stages() {
		if st := p.state.Stages[name]; st != nil && st.Status == StatusFailed && st.Reason == errAborted.Error() {
			return name
		}
	}
	return ""
}

// otherFailures names the stages that failed beside the first.
func (p *pipeline) otherFailures(first string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, name := range Stages() {
		if st := p.state.Stages[name]; st != nil && st.Status == StatusFailed && name != first && !p.single {
			out = append(out, name+": "+st.Reason)
		}
	}
	return strings.Join(out, "; ")
}

// tell sends how the run ended, and makes what is not delivered part of the result.
func (p *pipeline) tell(r *Result, last bool) {
	bound := stageWait
	if last {
		bound = lastWait
		if r.Status == Aborted {
			bound = abortWait
		}
		if err := p.tellEnd(r); err != nil {
			r.fail(ExitFailed, "", err.Error())
		}
	}
	pending, why := p.courier.finish(bound)
	p.mu.Lock()
	p.state.Pending = pending
	p.mu.Unlock()
	if len(pending) == 0 {
		return
	}
	text := fmt.Sprintf("%d of this run's events could not be delivered: %s", len(pending), why)
	if !last {
		p.note("%s; the next stage tries again", text)
		return
	}
	p.note("%s", text)
	r.fail(ExitUnreachable, "send them later: fawkes ci events send "+filepath.Join(p.artifacts, FileEvents), text)
}

// fail adds a fault to the result; an earlier one stays the one that counts.
func (r *Result) fail(exit int, mend, reason string) {
	if r.Status == Succeeded {
		r.Status, r.Exit, r.Reason, r.Mend = Failed, exit, reason, mend
		return
	}
	r.Reason += "; " + reason
	if r.Mend == "" {
		r.Mend = mend
	}
}

func (p *pipeline) tellEnd(r *Result) error {
	outcome := events.Success
	switch {
	case r.Status == Aborted:
		outcome = events.Cancel
	case r.Exit == ExitUnreachable || r.Exit == ExitUsage:
		outcome = events.Error
	case r.Status == Failed:
		outcome = events.Failure
	}
	why := r.Reason
	if r.Stage != "" {
		why = r.Stage + ": " + why
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.o.Clock.Now()
	p.state.Ends++
	p.state.FinishedAt = &now
	run := p.state.run()
	e := run.Finished(now, outcome, why)
	if p.state.Ends > 1 {
		e = run.FinishedAgain(p.state.Ends, now, outcome, why)
	}
	return p.courier.add(e)
}
