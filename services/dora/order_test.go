package dora

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history/historytest"
)

// histories are the generated histories that go through a whole server on an
// engine: of 50 each engine takes its half; FAWKES_SOAK=1 gives each 500.
func histories(engine sqlstore.Engine) (seeds []int64) {
	if os.Getenv("FAWKES_SOAK") != "" {
		for seed := range int64(500) {
			seeds = append(seeds, seed)
		}
		return seeds
	}
	first := int64(0)
	if engine == sqlstore.Postgres {
		first = 1
	}
	for seed := first; seed < 50; seed += 2 {
		seeds = append(seeds, seed)
	}
	return seeds
}

// stored reads the blocks of a project as a reader that begins anew would.
func stored(t *testing.T, s Store, project string) map[string][]byte {
	t.Helper()
	ctx := context.Background()
	head, err := s.Head(ctx, project)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	if err := s.Blocks(ctx, project, 0, head.Rev, func(key string, body []byte) error {
		if body == nil {
			delete(out, key)
		} else {
			out[key] = slices.Clone(body)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// take stores events of a project of the test's and waits until they are in the
// projection.
func take(t *testing.T, s *server, project string, events []event.Event) {
	t.Helper()
	ctx := context.Background()
	events = slices.Clone(events)
	for i := range events {
		events[i].Project = project
	}
	records, err := s.svc.records(events)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.svc.takeBulk(ctx, records); err != nil {
		t.Fatal(err)
	}
	seq, err := s.store.LogHead(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !s.svc.projector.wait(ctx, progress{seq: seq}) {
		t.Fatal("the projection did not follow the log")
	}
}

// TestStoredProjectionsDoNotDependOnTheOrderOfArrival sends each history twice
// through the server, as it happened and shuffled, duplicated, split and in
// other groups, to two projects, and compares the two complete projections.
func TestStoredProjectionsDoNotDependOnTheOrderOfArrival(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, seed := range histories(s.db.Engine) {
			events := historytest.Generate(seed, 12)
			straight, mixed := fmt.Sprintf("straight-%d", seed), fmt.Sprintf("mixed-%d", seed)
			for _, name := range []string{straight, mixed} {
				spec := historytest.Spec()
				spec.Project = name
				if _, err := s.store.PutProject(context.Background(), spec, 1); err != nil {
					t.Fatal(err)
				}
			}
			take(t, s, straight, events)
			for _, group := range historytest.Groups(seed, historytest.Scramble(seed, events)) {
				take(t, s, mixed, group)
			}
			if diff := cmp.Diff(stored(t, s.store, straight), stored(t, s.store, mixed)); diff != "" {
				t.Fatalf("history %d differs when it arrives otherwise (-in order +scrambled):\n%s", seed, diff)
			}
		}
	})
}

// TestAProjectionMadeAnewIsTheOneThatGrew compares a projection that followed
// the log event by event with one that a new process derives from the log.
func TestAProjectionMadeAnewIsTheOneThatGrew(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		for seed := range int64(5) {
			for _, group := range historytest.Groups(seed, historytest.Generate(seed, 20)) {
				take(t, s, fmt.Sprintf("p%d", seed), group)
			}
		}
		s.stop()
		grew := map[string]map[string][]byte{}
		heads, err := s.store.Heads(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range heads {
			grew[h.Project] = stored(t, s.store, h.Project)
		}
		if err := Derive(ctx, s.store, s.clock, s.svc.log); err != nil {
			t.Fatal(err)
		}
		for name, want := range grew {
			if diff := cmp.Diff(want, stored(t, s.store, name)); diff != "" {
				t.Errorf("%s made anew (-grew +anew):\n%s", name, diff)
			}
		}
	})
}
