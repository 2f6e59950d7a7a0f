package runner

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/internal/local/runner/migrations"
)

// onBoth runs a behavior of the store on SQLite and on PostgreSQL.
func onBoth(t *testing.T, run func(t *testing.T, ctx context.Context, s *store)) {
	t.Helper()
	storetest.Each(t, migrations.FS, func(t *testing.T, db *sqlstore.DB) { run(t, t.Context(), &store{db: db}) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sample(repository, branch string, cause Cause) Run {
	r := newRun(cause, noon)
	r.Repository, r.CloneURL, r.Branch, r.DefaultBranch = repository, "http://git.example/"+repository, branch, "main"
	r.SHA, r.Subject, r.Author = strings.Repeat("ab", 20), "It's 100% \\_ \"done\"", "Ada ’); DROP TABLE runs;--"
	return r
}

func add(t *testing.T, ctx context.Context, s *store, r Run) Run {
	t.Helper()
	_, _, err := s.Enqueue(ctx, r, "", false)
	must(t, err)
	r, err = s.Run(ctx, r.ID)
	must(t, err)
	return r
}

func begin(t *testing.T, ctx context.Context, s *store, r Run) Run {
	t.Helper()
	r.Status, r.Started = Running, noon.Add(time.Second)
	must(t, s.Move(ctx, r, Queued))
	return r
}

func TestStoreRunsAndLists(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s *store) {
		a := add(t, ctx, s, sample("a/b", "main", Push))
		b := add(t, ctx, s, sample("a/c", "x", Manual))
		if a.Place >= b.Place || a.Queued != noon || a.Author != "Ada ’); DROP TABLE runs;--" || len(a.Detail.Stages) != 12 {
			t.Fatalf("%+v", a)
		}
		for _, c := range []struct {
			filter Filter
			want   string
		}{
			{Filter{}, b.ID + a.ID}, {Filter{Repository: "a/b"}, a.ID}, {Filter{Branch: "x"}, b.ID}, {Filter{Status: Running}, ""},
			{Filter{Query: "A/C"}, b.ID}, {Filter{Query: "100% \\_"}, b.ID + a.ID}, {Filter{Query: "100_"}, ""}, {Filter{Query: "abab"}, b.ID + a.ID},
			{Filter{Before: b.Seq}, a.ID}, {Filter{SHA: strings.Repeat("ab", 20), Branch: "main"}, a.ID},
		} {
			c.filter.Limit = 10
			got, err := s.Runs(ctx, c.filter)
			must(t, err)
			ids := ""
			for _, r := range got {
				ids += r.ID
			}
			if ids != c.want {
				t.Errorf("%+v gives %q, want %q", c.filter, ids, c.want)
			}
		}
		if _, err := s.Run(ctx, "run-nobody"); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		if n, err := s.Position(ctx, b); err != nil || n != 2 {
			t.Fatalf("%d %v", n, err)
		}
		begin(t, ctx, s, a)
		a.Status = Canceled
		if err := s.Move(ctx, a, Queued); !errors.Is(err, errMoved) {
			t.Fatalf("a run that has begun was taken from the queue: %v", err)
		}
		if q, r, err := s.Counts(ctx); err != nil || q != 1 || r != 1 {
			t.Fatalf("%d %d %v", q, r, err)
		}
	})
}

func TestStoreTheFirstOfEachBranchIsNext(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s *store) {
		one := add(t, ctx, s, sample("a/b", "main", Push))
		add(t, ctx, s, sample("a/b", "main", Push))
		other := add(t, ctx, s, sample("a/b", "x", Push))
		next, err := s.Next(ctx, 10)
		must(t, err)
		if len(next) != 2 || next[0].ID != one.ID || next[1].ID != other.ID {
			t.Fatalf("%+v", next)
		}
	})
}

func TestStoreADeliveryCountsOnceAndSupersedes(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s *store) {
		kept := add(t, ctx, s, sample("a/b", "main", Manual))
		old := sample("a/b", "main", Push)
		again, gave, err := s.Enqueue(ctx, old, "d-1", true)
		if err != nil || again || len(gave) != 0 {
			t.Fatalf("%v %v %v", again, gave, err)
		}
		again, _, err = s.Enqueue(ctx, sample("a/b", "main", Push), "d-1", true)
		if err != nil || !again {
			t.Fatalf("%v %v", again, err)
		}
		again, gave, err = s.Enqueue(ctx, sample("a/b", "main", Push), "d-2", true)
		if err != nil || again || len(gave) != 1 || gave[0] != old.ID {
			t.Fatalf("%v %v %v", again, gave, err)
		}
		if r, err := s.Run(ctx, kept.ID); err != nil || r.Status != Queued {
			t.Fatalf("a run that a person asked for gave way: %+v %v", r, err)
		}
		must(t, s.Forget(ctx, noon.Add(time.Hour)))
		again, _, err = s.Enqueue(ctx, sample("a/b", "main", Push), "d-1", false)
		if err != nil || again {
			t.Fatalf("%v %v", again, err)
		}
	})
}

// A branch that is pushed to again and again would else never come to the head of a long queue.
func TestStoreANewerPushTakesThePlaceOfTheOneThatGaveWay(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s *store) {
		first := add(t, ctx, s, sample("a/b", "main", Push))
		other := add(t, ctx, s, sample("c/d", "main", Push))
		newer := sample("a/b", "main", Push)
		_, gave, err := s.Enqueue(ctx, newer, "", true)
		if err != nil || len(gave) != 1 || gave[0] != first.ID {
			t.Fatalf("%v %v", gave, err)
		}
		waiting, err := s.Waiting(ctx, 10)
		must(t, err)
		if len(waiting) != 2 || waiting[0].ID != newer.ID || waiting[0].Place != first.Place || waiting[1].ID != other.ID {
			t.Fatalf("%+v", waiting)
		}
	})
}

func TestStoreRecoversOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s *store) {
		first := begin(t, ctx, s, add(t, ctx, s, sample("a/b", "main", Push)))
		newer := add(t, ctx, s, sample("a/b", "main", Push))
		stopping := begin(t, ctx, s, add(t, ctx, s, sample("a/b", "x", Push)))
		must(t, s.AskCancel(ctx, stopping.ID, "Ada"))
		told := map[string]Status{}
		tell := func(_ context.Context, _ *sql.Tx, r Run) error {
			told[r.ID] = r.Status
			return nil
		}
		ended, again, err := s.Recover(ctx, noon.Add(time.Minute), tell)
		must(t, err)
		if len(ended) != 2 || len(again) != 1 || told[first.ID] != Interrupted || told[stopping.ID] != Canceled {
			t.Fatalf("%v %v %v", ended, again, told)
		}
		// It takes its old place, before what was pushed later.
		next, err := s.Next(ctx, 10)
		must(t, err)
		if len(next) != 1 || next[0].RetryOf != first.ID || next[0].Attempt != 2 || next[0].Cause != Recovered || next[0].Place >= newer.Place {
			t.Fatalf("%+v", next)
		}
		if ended, again, err = s.Recover(ctx, noon, tell); err != nil || len(ended)+len(again) != 0 {
			t.Fatalf("%v %v %v", ended, again, err)
		}
		// A recovered run under which the platform ends is not repeated.
		begin(t, ctx, s, next[0])
		ended, again, err = s.Recover(ctx, noon, tell)
		if err != nil || len(ended) != 1 || len(again) != 0 || ended[0].Status != Interrupted {
			t.Fatalf("%v %v %v", ended, again, err)
		}
		// A report that cannot be stored leaves everything as it was.
		begin(t, ctx, s, newer)
		if _, _, err := s.Recover(ctx, noon, func(context.Context, *sql.Tx, Run) error { return errors.New("no") }); err == nil {
			t.Fatal("no error")
		}
		if r, err := s.Run(ctx, newer.ID); err != nil || r.Status != Running {
			t.Fatalf("%+v %v", r, err)
		}
	})
}

func TestStoreKeepsTheNewestFiles(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s *store) {
		var ids []string
		for i := range 5 {
			r := begin(t, ctx, s, add(t, ctx, s, sample("a/b", fmt.Sprint(i), Push)))
			r.Status, r.Finished = Succeeded, noon
			must(t, s.Move(ctx, r, Running))
			ids = append(ids, r.ID)
		}
		waits := add(t, ctx, s, sample("a/b", "main", Push))
		kept, err := s.Kept(ctx, 2)
		must(t, err)
		if len(kept) != 3 || !kept[ids[4]] || !kept[ids[3]] || !kept[waits.ID] {
			t.Fatalf("%v of %v", kept, ids)
		}
	})
}

func TestStoreConnections(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s *store) {
		c, err := s.Connections(ctx)
		if err != nil || c != (Connections{}) || c.Ready() == "" {
			t.Fatalf("%+v %v", c, err)
		}
		c.Git.URL, c.WebhookSecret = "http://git.example", "s"
		must(t, s.SetConnections(ctx, c))
		must(t, s.SetConnections(ctx, c))
		got, err := s.Connections(ctx)
		if err != nil || got != c || got.Ready() != "" {
			t.Fatalf("%+v %v", got, err)
		}
	})
}
