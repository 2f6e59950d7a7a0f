package goldenpath

import (
	"context"
	"slices"
	"strings"
)

// Outcomes are the words for how a run ended that Finish takes.
func Outcomes() []string { return []string{"success", "failure", "aborted"} }

// Finish tells the end of a run whose stages ran one by one and that did not come to its end by itself: somebody
// aborted it, its system gave up, or a step that is none of ours failed. Of a run that has told its end it tells
// nothing more; in both cases it sends what could not be delivered before. It can be called at the end of every run.
func Finish(ctx context.Context, o Options, outcome string) Result {
	began := o.Clock.Now()
	ctx, cancel := abortable(ctx)
	defer cancel()
	if !slices.Contains(Outcomes(), outcome) {
		return unopened(ctx, o, began, failf(ExitUsage, "the outcomes are "+strings.Join(Outcomes(), ", "), "there is no outcome %q", outcome))
	}
	p, err := open(ctx, o, false)
	if err != nil {
		return unopened(ctx, o, began, err)
	}
	p.single = true
	if err := p.begin(nil); err != nil {
		return p.finally(ctx, began, nil, err)
	}
	last := p.state.Ends == 0
	told := Result{Status: Succeeded}
	switch outcome {
	case "failure":
		told = Result{Status: Failed, Exit: ExitFailed, Reason: p.where.System + " says that the run failed"}
	case "aborted":
		told = Result{Status: Aborted, Exit: ExitAborted, Reason: p.where.System + " says that the run was aborted"}
	}
	p.tell(&told, last)
	r := Result{Status: Succeeded}
	if len(p.state.Pending) > 0 {
		r.fail(ExitUnreachable, "send them later: fawkes ci events send "+FileEvents, "events of this run could not be delivered")
	}
	if left := p.leave(told, last); left.Reason != told.Reason {
		r.fail(ExitFailed, "", left.Reason)
	}
	r.Seconds = p.o.Clock.Now().Sub(began).Seconds()
	p.out.report(Event{Event: "result", Status: r.Status, Reason: r.Reason, Mend: r.Mend, Seconds: &r.Seconds, Exit: &r.Exit, At: p.now()})
	return r
}
