package bringup

import (
	"encoding/json"
	"io"
	"time"
)

// JSON writes one event a line, for programs.
type JSON struct {
	out  *json.Encoder
	said time.Duration
}

// NewJSON writes to out.
func NewJSON(out io.Writer) *JSON {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return &JSON{out: encoder}
}

// StepEvent is a step's line: status is started, working, done or failed.
type StepEvent struct {
	Event   string  `json:"event"`
	Step    string  `json:"step"`
	Status  string  `json:"status"`
	Detail  string  `json:"detail,omitempty"`
	Cause   string  `json:"cause,omitempty"`
	Error   string  `json:"error,omitempty"`
	Mend    string  `json:"mend,omitempty"`
	Elapsed float64 `json:"elapsed_seconds"`
}

func (j *JSON) write(e StepEvent) {
	e.Event = "step"
	// A reader that has gone away must not stop what is being brought up.
	_ = j.out.Encode(e)
}

// Started writes the step's first event.
func (j *JSON) Started(step string) {
	j.said = 0
	j.write(StepEvent{Step: step, Status: "started"})
}

// Working writes an event every few seconds once there is a cause to tell.
func (j *JSON) Working(step string, elapsed time.Duration, cause string) {
	if cause != "" && (j.said == 0 || elapsed-j.said >= plainEvery) {
		j.said = elapsed
		j.write(StepEvent{Step: step, Status: "working", Cause: cause, Elapsed: elapsed.Seconds()})
	}
}

// Done writes the step's last event.
func (j *JSON) Done(step, detail string, elapsed time.Duration) {
	j.write(StepEvent{Step: step, Status: "done", Detail: detail, Elapsed: elapsed.Seconds()})
}

// Failed writes the step's last event with the mend.
func (j *JSON) Failed(step string, fault *Fault, elapsed time.Duration) {
	j.write(StepEvent{Step: step, Status: "failed", Error: fault.Err.Error(), Mend: fault.Mend, Elapsed: elapsed.Seconds()})
}
