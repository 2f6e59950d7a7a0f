package ui

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/ui/road"
	"github.com/fawkes-idp/fawkes/ui/terminal"
	"github.com/fawkes-idp/fawkes/ui/view"
)

const (
	// logRead is how much of a log a page reads; the rest is in the download.
	logRead = 8 << 20
	// logPart is how much of a log is asked for at once.
	logPart = 512 << 10
	// logWindow is how many lines a page shows at once, and logEnd how many it shows of the end of a stage that is over.
	logWindow = 2000
	logEnd    = 500
	// logBefore is how many lines are shown before the first failure.
	logBefore = 60
)

// failing is what programs write when something failed.
var failing = regexp.MustCompile(`^\s*(--- FAIL|FAIL\b|FAILED\b|panic:|fatal:|Fatal:|Traceback \(|npm (ERR!|error)|not ok\b|BUILD FAILURE|✗|✖)|\b([Ee]rror:|ERROR\b|error\[|AssertionError)|^[^\s:]+\.[a-z]{1,4}:\d+(:\d+)?: `)

// stageLog reads the log of a stage: of the one that is asked for, otherwise of the one that the run is in or ended
// in. It shows the last lines, or those from a given one on.
func (c *console) stageLog(ctx context.Context, run road.Run, stage string, from int) (view.LogView, error) {
	at, ok := run.Stage(stage)
	if !ok {
		at, ok = view.StageAt(run)
	}
	if !ok {
		return view.LogView{Reason: nothingYet(run), Done: true}, nil
	}
	v := view.LogView{Stage: at.Name}
	if at.Status == road.StagePending || at.Status == road.StageSkipped {
		v.Reason = whyNoLog(at, run)
		v.Done = at.Status == road.StageSkipped || run.Ended()
		return v, nil
	}
	var text strings.Builder
	for !v.Done && !v.Cut {
		part, err := c.road.Runs.Log(ctx, run.ID, at.Name, v.Next, logPart)
		if err != nil {
			return v, err
		}
		text.WriteString(part.Text)
		stuck := part.Next <= v.Next
		v.Next, v.Done = part.Next, part.Done
		if stuck {
			break // all that there is until now
		}
		v.Cut = text.Len() >= logRead && !v.Done
	}
	lines := strings.SplitAfter(text.String(), "\n")
	if last := lines[len(lines)-1]; last == "" {
		lines = lines[:len(lines)-1]
	} else if at.Status == road.StageRunning && !v.Cut { // a line that is still being written comes with the next piece
		v.Next -= int64(len(last))
		lines = lines[:len(lines)-1]
	}
	v.Total = len(lines)
	if at.Status == road.StageFailed {
		v.Failure = firstFailure(lines)
	}
	over := at.Status != road.StageRunning
	begin := max(len(lines)-logWindow, 0)
	switch {
	case from > 0:
		begin = min(max(from-1-logBefore, 0), max(len(lines)-1, 0))
	case v.Failure > 0:
		begin = max(min(v.Failure-1-logBefore, len(lines)-logEnd), 0)
	case over:
		begin = max(len(lines)-logEnd, 0)
	}
	if begin > 0 {
		v.Begin = max(begin-logWindow, 0) + 1
	}
	v.Lines = logLines(lines[begin:min(begin+logWindow, len(lines))], begin, at.Status == road.StageFailed)
	if v.Done = v.Done || over; v.Total == 0 && v.Done {
		v.Reason = "It wrote nothing."
	}
	return v, nil
}

func nothingYet(run road.Run) string {
	if run.Ended() {
		return "No stage was begun."
	}
	return "The run has not begun."
}

func whyNoLog(s road.Stage, run road.Run) string {
	switch {
	case s.Reason != "":
		return "Skipped: " + s.Reason
	case s.Status == road.StageSkipped:
		return "The stage was skipped."
	case run.Ended():
		return "The run ended before this stage."
	}
	return "The stage has not begun."
}

// logLines makes lines of a log for a page; before is how many come before them.
func logLines(lines []string, before int, failed bool) []view.LogLine {
	out := make([]view.LogLine, 0, len(lines))
	var style terminal.Style
	for i, text := range lines {
		l := view.LogLine{Number: before + i + 1}
		l.Spans, style = terminal.Line(text, style)
		l.Fails = failed && failing.MatchString(plain(l.Spans))
		out = append(out, l)
	}
	return out
}

func plain(spans []terminal.Span) string {
	if len(spans) == 1 {
		return spans[0].Text
	}
	var b strings.Builder
	for _, s := range spans {
		b.WriteString(s.Text)
	}
	return b.String()
}

// firstFailure is the first line that tells of a failure, counted from 1; the last line when none does.
func firstFailure(lines []string) int {
	for i, text := range lines {
		if spans, _ := terminal.Line(text, terminal.Style{}); failing.MatchString(plain(spans)) {
			return i + 1
		}
	}
	return len(lines)
}

// runTail is the piece of a log that came since a page was drawn, as lines to append. Where to go on stands in the
// headers.
func (c *console) runTail(w http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	q := r.URL.Query()
	after, err := number(q, "after")
	if err != nil {
		return nil, err
	}
	before, err := number(q, "lines")
	if err != nil {
		return nil, err
	}
	part, err := c.road.Runs.Log(r.Context(), r.PathValue("id"), q.Get("stage"), after, logPart)
	if err != nil {
		return nil, err
	}
	text := part.Text
	if i := strings.LastIndexByte(text, '\n'); !part.Done && len(text) < logPart {
		part.Next -= int64(len(text) - i - 1)
		text = text[:i+1]
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	h := w.Header()
	h.Set("Log-Next", strconv.FormatInt(part.Next, 10))
	h.Set("Log-Lines", strconv.FormatInt(before+int64(len(lines)), 10))
	h.Set("Log-Done", strconv.FormatBool(part.Done))
	return view.LogLines(logLines(lines, int(before), false)), nil
}

// runLog hands the whole log of a stage on, as a file.
func (c *console) runLog(w http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	id, stage := r.PathValue("id"), r.URL.Query().Get("stage")
	part, err := c.road.Runs.Log(r.Context(), id, stage, 0, logPart)
	if err != nil {
		return nil, err
	}
	httpapi.Allow(r, httpapi.Limits{Timeout: -1, Streams: true})
	attachment(w.Header(), id+"-"+stage+".log", "text/plain; charset=utf-8")
	for next := int64(0); ; {
		if _, err := w.Write([]byte(part.Text)); err != nil {
			return nil, errAnswered // nobody takes it any more
		}
		if part.Done || part.Next <= next {
			return nil, errAnswered
		}
		next = part.Next
		if part, err = c.road.Runs.Log(r.Context(), id, stage, next, logPart); err != nil {
			c.log.WarnContext(r.Context(), "hand a log on", "run", id, "stage", stage, "error", err)
			return nil, errAnswered
		}
	}
}
