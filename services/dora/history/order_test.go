package history_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/history/historytest"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// histories is how many generated histories the property tests look at:
// FAWKES_SOAK=1, which `make soak` sets, makes it 500.
func histories() int64 {
	if os.Getenv("FAWKES_SOAK") != "" {
		return 500
	}
	return 50
}

// specOf varies the project's choices with the seed.
func specOf(seed int64) project.Spec {
	s := historytest.Spec()
	if seed%2 == 1 {
		s.FirstDeployment = project.FirstAttribute
	}
	if seed%3 == 1 {
		s.MergeCommits = project.MergeSkip
	}
	if seed%4 == 2 {
		s.Authority = []project.Authority{{Service: "web", Source: "jenkins"}, {Environment: "staging", Source: "devlake"},
			{Service: "web", Environment: "staging", Source: "argocd"}, {Service: "ledger", Environment: "production", Source: "ci"}}
	}
	return s
}

// blocks is a projection as it is stored.
type blocks map[string][]byte

func (b blocks) take(t *testing.T, d history.Delta) {
	t.Helper()
	for _, key := range d.Deleted {
		if _, ok := b[key]; !ok {
			t.Errorf("block %q was deleted and had never been there", key)
		}
		delete(b, key)
	}
	for key, block := range d.Changed {
		if bytes.Equal(b[key], block) {
			t.Errorf("block %q was handed out again unchanged", key)
		}
		b[key] = block
	}
}

func (b blocks) projection(t *testing.T) *history.Projection {
	t.Helper()
	r := history.NewReplica(historytest.Project)
	for key, block := range b {
		if err := r.Put(key, block); err != nil {
			t.Fatal(err)
		}
	}
	return r.Projection()
}

// differences names the blocks that differ, and what differs in them.
func differences(t *testing.T, want, got blocks) string {
	t.Helper()
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !bytes.Equal(want[key], got[key]) {
			keys = append(keys, key)
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return ""
	}
	d := fmt.Sprintf("blocks %q\n%s", keys, cmp.Diff(want.projection(t), got.projection(t)))
	if !bytes.Equal(want["m"], got["m"]) {
		d += fmt.Sprintf("summary: want %s\ngot %s", want["m"], got["m"])
	}
	return d
}

func apply(t *testing.T, l *history.Ledger, events ...event.Event) {
	t.Helper()
	for _, e := range events {
		if err := l.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
}

// fromScratch is the projection of events heard in order, all at once.
func fromScratch(t *testing.T, spec project.Spec, events []event.Event) blocks {
	t.Helper()
	l := history.NewLedger(spec, []byte("salt"))
	apply(t, l, events...)
	b := blocks{}
	b.take(t, l.Settle())
	return b
}

func TestEveryOrderOfArrivalGivesTheSameHistory(t *testing.T) {
	for seed := range histories() {
		spec, size := specOf(seed), 20+int(seed*7%130)
		events := historytest.Generate(seed, size)
		want := fromScratch(t, spec, events)
		for way := range int64(3) {
			heard := historytest.Scramble(seed*10+way, events)
			if way == 0 {
				heard = events // in order, but group by group
			}
			l, got := history.NewLedger(spec, []byte("salt")), blocks{}
			n := 0
			for i, group := range historytest.Groups(seed*10+way, heard) {
				apply(t, l, group...)
				got.take(t, l.Settle())
				n += len(group)
				if i%9 == 4 { // what has been heard so far, from scratch
					if d := differences(t, fromScratch(t, spec, heard[:n]), got); d != "" {
						t.Fatalf("seed %d, way %d, group %d: the incremental path differs (-scratch +incremental)\n%s", seed, way, i, d)
					}
				}
			}
			if d := differences(t, want, got); d != "" {
				t.Fatalf("seed %d, way %d (-in order +scrambled)\n%s", seed, way, d)
			}
			if d := l.Settle(); len(d.Changed)+len(d.Deleted) > 0 {
				t.Fatalf("seed %d: settling again changed %d blocks", seed, len(d.Changed)+len(d.Deleted))
			}
		}
	}
}

func TestHearingEverythingAgainChangesNothing(t *testing.T) {
	events := historytest.Generate(3, 120)
	l := history.NewLedger(specOf(3), []byte("salt"))
	apply(t, l, events...)
	l.Settle()
	for i, e := range events {
		apply(t, l, e)
		if d := l.Settle(); len(d.Changed)+len(d.Deleted) > 0 {
			t.Fatalf("event %d (%s %s): %d blocks changed", i, e.Body.Type(), e.Body.Entity(), len(d.Changed)+len(d.Deleted))
		}
	}
}
