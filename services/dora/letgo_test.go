package dora

import (
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// TestManyProjectsAreDerivedOneAtATime derives several projects anew: each is
// stored, and no more than one history stays in memory.
func TestManyProjectsAreDerivedOneAtATime(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		var records []Record
		for n := range 5 {
			name := fmt.Sprintf("p%d", n)
			r, err := NewRecord(event.New("ci", name, &event.Deployment{ID: "1", Service: event.Some("api"), Outcome: event.Some(event.OutcomeSuccess),
				FinishedAt: event.Some(event.Time(1e15 + n))}), n, 1)
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, r)
		}
		if _, err := s.Append(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		p := newProjector(s, clock.System(), slog.New(slog.NewTextHandler(io.Discard, nil)))
		p.anew, p.force, p.doubt = true, true, true // as Derive does
		p.alive.Store(&[]string{p.id})
		for more := true; more; {
			var err error
			if more, err = p.step(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(p.projects) > 1 {
				t.Fatalf("%d histories are in memory", len(p.projects))
			}
		}
		heads, err := s.Heads(t.Context())
		if err != nil || len(heads) != 5 {
			t.Fatalf("heads %v %v", heads, err)
		}
		for _, h := range heads {
			if got := stored(t, s, h.Project); len(got) < 2 {
				t.Errorf("%s: blocks %v", h.Project, got)
			}
		}
	})
}
