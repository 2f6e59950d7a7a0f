package bringup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// stage is a runner on a hand-moved clock and beat.
type stage struct {
	*Runner
	clock *clock.Manual
	beat  chan time.Time
}

func newStage(renderer Renderer) stage {
	s := stage{clock: clock.NewManual(time.Unix(1_700_000_000, 0)), beat: make(chan time.Time)}
	s.Runner = &Runner{Clock: s.clock, Renderer: renderer, Patience: 2 * time.Second, Ticks: func() (<-chan time.Time, func()) { return s.beat, func() {} }}
	return s
}

// tick moves the clock and beats once.
func (s stage) tick(d time.Duration) {
	s.clock.Advance(d)
	s.beat <- s.clock.Now()
}

func TestStepsRunInOrderAndShowTheirDetail(t *testing.T) {
	var out bytes.Buffer
	s := newStage(NewText(&out, false))
	var order []string
	err := s.Run(context.Background(),
		Step{Name: "state", Act: func(context.Context, func(string)) (string, error) {
			order = append(order, "state")
			s.clock.Advance(100 * time.Millisecond)
			return "~/.fawkes", nil
		}},
		Step{Name: "git", Check: func(context.Context) (bool, string, error) { return true, "2.39.5", nil },
			Act: func(context.Context, func(string)) (string, error) { order = append(order, "git"); return "", nil }},
		Step{Name: "port", Check: func(context.Context) (bool, string, error) { return false, "", nil },
			Act: func(context.Context, func(string)) (string, error) {
				order = append(order, "port")
				return "127.0.0.1:8080", nil
			}},
	)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "state port" {
		t.Errorf("want state and port to act and git, which is done, not to; got %q", got)
	}
	want := "  ✓ state        ~/.fawkes                                    0.1s\n" +
		"  ✓ git          2.39.5                                       0.0s\n" +
		"  ✓ port         127.0.0.1:8080                               0.0s\n"
	if out.String() != want {
		t.Errorf("want:\n%sgot:\n%s", want, out.String())
	}
}

func TestAStepThatTakesLongTellsItsCause(t *testing.T) {
	var out bytes.Buffer
	s := newStage(NewText(&out, false))
	err := s.Run(context.Background(), Step{Name: "database", Act: func(_ context.Context, say func(string)) (string, error) {
		say("127.0.0.1:5432 refuses connections")
		s.tick(time.Second)     // within patience: silent
		s.tick(2 * time.Second) // told
		s.tick(2 * time.Second) // told a moment ago
		say("migrating")
		s.tick(4 * time.Second) // told again, with the new cause
		return "ready", nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := "  … database     127.0.0.1:5432 refuses connections           3.0s\n" +
		"  … database     migrating                                    9.0s\n" +
		"  ✓ database     ready                                        9.0s\n"
	if out.String() != want {
		t.Errorf("want:\n%sgot:\n%s", want, out.String())
	}
}

func TestAStepThatSaysNothingIsStillNotSilent(t *testing.T) {
	var out bytes.Buffer
	s := newStage(NewText(&out, false))
	if err := s.Run(context.Background(), Step{Name: "mute", Act: func(context.Context, func(string)) (string, error) {
		s.tick(3 * time.Second)
		return "", nil
	}}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "still working") {
		t.Errorf("want \"still working\", got:\n%s", out.String())
	}
}

func TestAFailureStopsTheListAndGivesItsMend(t *testing.T) {
	var out bytes.Buffer
	s := newStage(NewText(&out, false))
	cause := errors.New("address already in use")
	err := s.Run(context.Background(),
		Step{Name: "port", Act: func(context.Context, func(string)) (string, error) {
			return "", Faultf("give another with --listen", "127.0.0.1:8080 is taken: %w", cause)
		}},
		Step{Name: "never", Act: func(context.Context, func(string)) (string, error) {
			t.Error("a step ran after a failure")
			return "", nil
		}})
	var fault *Fault
	if !errors.As(err, &fault) || fault.Step != "port" || !errors.Is(err, cause) {
		t.Fatalf("want the port's fault, got %#v", err)
	}
	for _, want := range []string{"✗ port", "127.0.0.1:8080 is taken: address already in use", "mend: give another with --listen"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q in:\n%s", want, out.String())
		}
	}
}

func TestALimitNamesWhatWasWaitedFor(t *testing.T) {
	var out bytes.Buffer
	s := newStage(NewJSON(&out))
	err := s.Run(context.Background(), Step{Name: "ready", Limit: 200 * time.Millisecond, Act: func(ctx context.Context, say func(string)) (string, error) {
		say("dora to become ready")
		<-ctx.Done()
		return "", ctx.Err()
	}})
	if err == nil || !strings.Contains(err.Error(), "gave up after 200ms waiting for dora to become ready") {
		t.Errorf("want what was waited for, got %v", err)
	}
}

func TestJSONIsOneEventALine(t *testing.T) {
	var out bytes.Buffer
	s := newStage(NewJSON(&out))
	err := s.Run(context.Background(),
		Step{Name: "slow", Act: func(_ context.Context, say func(string)) (string, error) {
			say("the disk")
			s.tick(3 * time.Second)
			return "ok", nil
		}},
		Step{Name: "bad", Act: func(context.Context, func(string)) (string, error) {
			return "", Faultf("free some", "disk full <now>")
		}})
	if err == nil {
		t.Fatal("want an error")
	}
	want := []StepEvent{
		{Event: "step", Step: "slow", Status: "started"},
		{Event: "step", Step: "slow", Status: "working", Cause: "the disk", Elapsed: 3},
		{Event: "step", Step: "slow", Status: "done", Detail: "ok", Elapsed: 3},
		{Event: "step", Step: "bad", Status: "started"},
		{Event: "step", Step: "bad", Status: "failed", Error: "disk full <now>", Mend: "free some"},
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("want %d lines, got:\n%s", len(want), out.String())
	}
	for i, text := range lines {
		var got StepEvent
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want[i] {
			t.Errorf("line %d: want %+v, got %+v (%v)", i+1, want[i], got, err)
		}
	}
}

func TestATerminalLineIsWrittenOver(t *testing.T) {
	var out bytes.Buffer
	s := newStage(NewText(&out, true))
	if err := s.Run(context.Background(), Step{Name: "git", Act: func(context.Context, func(string)) (string, error) {
		s.tick(100 * time.Millisecond)
		return "2.39.5", nil
	}}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("want one line in the end, got %d line breaks", n)
	}
	if n := strings.Count(out.String(), "\r\x1b[K"); n != 2 {
		t.Errorf("want the line written over twice, got %d times in %q", n, out.String())
	}
}
