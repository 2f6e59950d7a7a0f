package bringup

import (
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// columns of a step's line.
const (
	nameWidth   = 12
	detailWidth = 44
	plainEvery  = 5 * time.Second
)

// Text shows the steps to a person: on a terminal a wheel turns in place, elsewhere a plain line
// appears every few seconds.
type Text struct {
	out      io.Writer
	terminal bool
	turn     int
	said     time.Duration // when the plain line was last written
}

// NewText writes to out; terminal says that the line may be written over.
func NewText(out io.Writer, terminal bool) *Text { return &Text{out: out, terminal: terminal} }

var wheel = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// Started shows the step's name at once on a terminal.
func (t *Text) Started(step string) {
	t.said = 0
	if t.terminal {
		fmt.Fprintf(t.out, "  %c %s", wheel[0], step)
	}
}

// Working turns the wheel, or writes a plain line now and then once there is a cause to tell.
func (t *Text) Working(step string, elapsed time.Duration, cause string) {
	if t.terminal {
		t.turn++
		fmt.Fprintf(t.out, "\r\x1b[K  %c %s %s %s", wheel[t.turn%len(wheel)], pad(step, nameWidth), pad(cause, detailWidth), seconds(elapsed))
		return
	}
	if cause != "" && (t.said == 0 || elapsed-t.said >= plainEvery) {
		t.said = elapsed
		fmt.Fprintf(t.out, "  … %s %s %s\n", pad(step, nameWidth), pad(cause, detailWidth), seconds(elapsed))
	}
}

// Done writes the step's last line.
func (t *Text) Done(step, detail string, elapsed time.Duration) {
	fmt.Fprintf(t.out, "%s  ✓ %s %s %s\n", t.over(), pad(step, nameWidth), pad(detail, detailWidth), seconds(elapsed))
}

// Failed writes what was wrong and how to mend it.
func (t *Text) Failed(step string, fault *Fault, elapsed time.Duration) {
	fmt.Fprintf(t.out, "%s  ✗ %s %s  %s\n", t.over(), pad(step, nameWidth), fault.Err, seconds(elapsed))
	if fault.Mend != "" {
		fmt.Fprintf(t.out, "    %s %s\n", pad("", nameWidth), "mend: "+fault.Mend)
	}
}

func (t *Text) over() string {
	if t.terminal {
		return "\r\x1b[K"
	}
	return ""
}

func pad(s string, width int) string {
	for n := utf8.RuneCountInString(s); n < width; n++ {
		s += " "
	}
	return s
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
