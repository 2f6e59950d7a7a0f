package jobs_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/jobs"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
)

type greet struct {
	Name string `json:"name"`
}

func (greet) Kind() string { return "greet" }

// book collects what jobs did.
type book struct {
	mu    sync.Mutex
	names []string
	log   bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *book) note(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.names = append(b.names, name)
	return len(b.names)
}

func (b *book) has(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.names {
		if n == name {
			return true
		}
	}
	return false
}

func (b *book) logged() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

func newQueue(t *testing.T, db *sqlstore.DB, b *book) *jobs.Queue {
	t.Helper()
	q, err := jobs.New(context.Background(), db, jobs.Options{Logger: slog.New(slog.NewTextHandler(b, nil)), Poll: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func run(t *testing.T, q *jobs.Queue) {
	t.Helper()
	if err := q.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { halt(t, q) })
}

func halt(t *testing.T, q *jobs.Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := q.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("did not happen within 30 s: %s", what)
		case <-tick.C:
		}
	}
}

func TestAJobHappensIfAndOnlyIfItsTransactionIsStored(t *testing.T) {
	storetest.Each(t, nil, func(t *testing.T, db *sqlstore.DB) {
		ctx := context.Background()
		b := &book{}
		q := newQueue(t, db, b)
		if err := jobs.Handle(q, func(_ context.Context, g greet) error { b.note(g.Name); return nil }); err != nil {
			t.Fatal(err)
		}
		planned := errors.New("planned")
		if err := db.Tx(ctx, func(tx *sql.Tx) error {
			if err := q.EnqueueTx(ctx, tx, greet{"rolled back"}); err != nil {
				return err
			}
			return planned
		}); !errors.Is(err, planned) {
			t.Fatal(err)
		}
		if err := db.Tx(ctx, func(tx *sql.Tx) error { return q.EnqueueTx(ctx, tx, greet{"stored"}) }); err != nil {
			t.Fatal(err)
		}
		run(t, q)
		if err := q.Enqueue(ctx, greet{"direct"}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "both jobs ran", func() bool { return b.has("stored") && b.has("direct") })
		if b.has("rolled back") {
			t.Fatal("the job of a transaction that was rolled back ran")
		}
	})
}

func TestAPanicOrErrorOfAJobIsContainedAndTheJobTriedAgain(t *testing.T) {
	storetest.Each(t, nil, func(t *testing.T, db *sqlstore.DB) {
		ctx := context.Background()
		b := &book{}
		q := newQueue(t, db, b)
		var runs atomic.Int64
		if err := jobs.Handle(q, func(_ context.Context, g greet) error {
			if g.Name == "bad" {
				if runs.Add(1) == 1 {
					panic("planned panic")
				}
			}
			b.note(g.Name)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		run(t, q)
		for _, name := range []string{"bad", "good"} {
			if err := q.Enqueue(ctx, greet{name}); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the neighbour ran", func() bool { return b.has("good") })
		eventually(t, "the panic is in the log", func() bool { return strings.Contains(b.logged(), "planned panic") })
		eventually(t, "the job ran again and succeeded", func() bool { return b.has("bad") })
	})
}

func TestPeriodicWorkRunsSoonAndAgain(t *testing.T) {
	storetest.Each(t, nil, func(t *testing.T, db *sqlstore.DB) {
		b := &book{}
		q := newQueue(t, db, b)
		var inside, most atomic.Int64
		if err := q.Periodic("sweep", time.Second, func(context.Context) error {
			most.Store(max(most.Load(), inside.Add(1)))
			defer inside.Add(-1)
			b.note("sweep")
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := q.Periodic("sweep", time.Second, nil); err == nil {
			t.Fatal("a second periodic job of the same name was taken")
		}
		run(t, q)
		eventually(t, "it ran twice", func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.names) >= 2
		})
		if most.Load() != 1 {
			t.Fatalf("it ran %d times at once", most.Load())
		}
	})
}

func TestJobsOutliveTheProcess(t *testing.T) {
	storetest.Each(t, nil, func(t *testing.T, db *sqlstore.DB) {
		ctx := context.Background()
		b := &book{}
		first := newQueue(t, db, b)
		if err := jobs.Handle(first, func(context.Context, greet) error { return errors.New("never started") }); err != nil {
			t.Fatal(err)
		}
		if err := first.Enqueue(ctx, greet{"left over"}); err != nil {
			t.Fatal(err)
		}
		halt(t, first) // never started: stopping it does nothing
		second := newQueue(t, db, b)
		if err := jobs.Handle(second, func(_ context.Context, g greet) error { b.note(g.Name); return nil }); err != nil {
			t.Fatal(err)
		}
		run(t, second)
		eventually(t, "the job ran after the restart", func() bool { return b.has("left over") })
	})
}

func TestStopLetsTheJobAtHandEnd(t *testing.T) {
	storetest.Each(t, nil, func(t *testing.T, db *sqlstore.DB) {
		b := &book{}
		q := newQueue(t, db, b)
		entered, let := make(chan struct{}), make(chan struct{})
		if err := jobs.Handle(q, func(ctx context.Context, g greet) error {
			close(entered)
			select {
			case <-let:
				b.note("ended")
			case <-ctx.Done():
				b.note("broken off")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		// The context of Start bounds the start alone.
		ctx, cancel := context.WithCancel(context.Background())
		if err := q.Start(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := q.Enqueue(context.Background(), greet{"slow"}); err != nil {
			t.Fatal(err)
		}
		<-entered
		stopped := make(chan bool)
		go func() {
			halt(t, q)
			stopped <- b.has("ended")
		}()
		close(let)
		if !<-stopped {
			t.Error("Stop returned before the job at hand had ended by itself")
		}
	})
}

func TestSeveralReplicasMakeTheQueueAtOnce(t *testing.T) {
	db := storetest.OpenPostgres(t, nil)
	faults := make([]error, 4)
	var wg sync.WaitGroup
	for i := range faults {
		wg.Go(func() {
			_, faults[i] = jobs.New(context.Background(), db, jobs.Options{Logger: slog.New(slog.DiscardHandler)})
		})
	}
	wg.Wait()
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
}
