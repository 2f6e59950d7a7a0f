package sqlstore_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/jackc/pgx/v5/pgconn"
)

// store is a commit function that keeps items by their own key and answers
// whether each was new.
func store(db *sqlstore.DB) func(context.Context, []string) ([]bool, error) {
	return func(ctx context.Context, batch []string) ([]bool, error) {
		fresh := make([]bool, len(batch))
		err := db.Tx(ctx, func(tx *sql.Tx) error {
			for i, id := range batch {
				r, err := tx.ExecContext(ctx, "INSERT INTO item (id, n) VALUES ($1, 1) ON CONFLICT (id) DO NOTHING", id)
				if err != nil {
					return err
				}
				n, err := r.RowsAffected()
				if err != nil {
					return err
				}
				fresh[i] = n == 1
			}
			return nil
		})
		return fresh, err
	}
}

func newCommitter(t *testing.T, opts sqlstore.CommitterOptions, commit func(context.Context, []string) ([]bool, error)) *sqlstore.Committer[string, bool] {
	opts.Logger = discard()
	c := sqlstore.NewCommitter(opts, commit)
	t.Cleanup(c.Close)
	return c
}

func TestEveryCallerGetsItsOwnResult(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *sqlstore.DB) {
		c := newCommitter(t, sqlstore.CommitterOptions{}, store(db))
		var wg sync.WaitGroup
		var fresh, again atomic.Int64
		for caller := range 16 {
			wg.Go(func() {
				for i := range 40 {
					// Every id is submitted by two callers, and one of them alone is told that
					// it was new.
					isNew, err := c.Submit(context.Background(), fmt.Sprintf("%d-%d", caller/2, i))
					switch {
					case err != nil:
						t.Errorf("Submit: %v", err)
					case isNew:
						fresh.Add(1)
					default:
						again.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if fresh.Load() != 320 || again.Load() != 320 || count(t, db) != 320 {
			t.Fatalf("%d new, %d known, %d rows; want 320 of each", fresh.Load(), again.Load(), count(t, db))
		}
	})
}

// gate is a commit function that stands still until it is let through, and shows
// the batches it got.
type gate struct {
	entered chan []string
	let     chan error
}

func newGate() *gate { return &gate{entered: make(chan []string), let: make(chan error)} }

func (g *gate) commit(_ context.Context, batch []string) ([]bool, error) {
	g.entered <- slices.Clone(batch)
	return make([]bool, len(batch)), <-g.let
}

// submit sends one item in the background and returns where its error will come.
func submit(ctx context.Context, c *sqlstore.Committer[string, bool], id string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := c.Submit(ctx, id)
		done <- err
	}()
	return done
}

func TestTheNextBatchGathersWhileOneIsStored(t *testing.T) {
	g := newGate()
	c := newCommitter(t, sqlstore.CommitterOptions{MaxBatch: 3, Queue: 4}, g.commit)
	ctx := context.Background()
	first := submit(ctx, c, "first")
	if got := <-g.entered; !slices.Equal(got, []string{"first"}) {
		t.Fatalf("first batch %v", got)
	}
	var waiting []<-chan error
	for i := range 4 {
		waiting = append(waiting, submit(ctx, c, fmt.Sprint(i)))
	}
	eventually(t, "four wait", func() bool { return c.Waiting() == 4 })
	if _, err := c.Submit(ctx, "fifth"); !errors.Is(err, sqlstore.ErrBusy) {
		t.Fatalf("Submit to a full queue = %v, want ErrBusy", err)
	}
	g.let <- nil
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	second := <-g.entered
	if len(second) != 3 {
		t.Fatalf("second batch %v, want as many as a batch holds", second)
	}
	g.let <- nil
	third := <-g.entered
	g.let <- nil
	if len(third) != 1 {
		t.Fatalf("third batch %v, want the one that is left", third)
	}
	for _, w := range waiting {
		if err := <-w; err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhoNoLongerWaitsIsNotStored(t *testing.T) {
	g := newGate()
	c := newCommitter(t, sqlstore.CommitterOptions{}, g.commit)
	first := submit(context.Background(), c, "first")
	<-g.entered
	ctx, cancel := context.WithCancel(context.Background())
	gone := submit(ctx, c, "gone")
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Fatalf("Submit = %v, want context.Canceled", err)
	}
	stays := submit(context.Background(), c, "stays")
	g.let <- nil
	if got := <-g.entered; slices.Contains(got, "gone") {
		t.Fatalf("batch %v has the item of a caller that went away", got)
	}
	g.let <- nil
	if err := errors.Join(<-first, <-stays); err != nil {
		t.Fatal(err)
	}
}

func TestABatchIsStoredAgainWithinItsBound(t *testing.T) {
	var runs atomic.Int64
	c := newCommitter(t, sqlstore.CommitterOptions{}, func(_ context.Context, batch []string) ([]bool, error) {
		if runs.Add(1) < 3 {
			return nil, &pgconn.PgError{Code: "57P01"}
		}
		return make([]bool, len(batch)), nil
	})
	if _, err := c.Submit(context.Background(), "a"); err != nil || runs.Load() != 3 {
		t.Fatalf("Submit = %v after %d runs, want success in the third", err, runs.Load())
	}

	never := newCommitter(t, sqlstore.CommitterOptions{RetryFor: 100 * time.Millisecond}, func(context.Context, []string) ([]bool, error) {
		return nil, &pgconn.PgError{Code: "57P01"}
	})
	_, err := never.Submit(context.Background(), "a")
	if p := problem.From(err); p.Code != problem.Unavailable {
		t.Fatalf("after the bound the caller gets %v (%s), want unavailable", err, p.Code)
	}
}

func TestAFailedOrPanickingBatchFailsItsCallersAndNoOthers(t *testing.T) {
	for name, bad := range map[string]func([]string) ([]bool, error){
		"error":             func([]string) ([]bool, error) { return nil, errPlanned },
		"panic":             func([]string) ([]bool, error) { panic("planned") },
		"too few results":   func([]string) ([]bool, error) { return nil, nil },
		"panic with an err": func([]string) ([]bool, error) { panic(errPlanned) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCommitter(t, sqlstore.CommitterOptions{}, func(_ context.Context, batch []string) ([]bool, error) {
				if strings.HasPrefix(batch[0], "bad") {
					return bad(batch)
				}
				return make([]bool, len(batch)), nil
			})
			if _, err := c.Submit(context.Background(), "bad"); err == nil {
				t.Fatal("Submit = nil, want the failure")
			}
			if _, err := c.Submit(context.Background(), "good"); err != nil {
				t.Fatalf("the next batch failed too: %v", err)
			}
		})
	}
}

// ended is a context that is over: what is submitted with it is never stored.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestCloseStoresWhatWaitsAndTakesNoMore(t *testing.T) {
	g := newGate()
	c := sqlstore.NewCommitter(sqlstore.CommitterOptions{Logger: discard()}, g.commit)
	first := submit(context.Background(), c, "first")
	<-g.entered
	var waiting []<-chan error
	for i := range 5 {
		waiting = append(waiting, submit(context.Background(), c, fmt.Sprint(i)))
	}
	eventually(t, "five wait", func() bool { return c.Waiting() == 5 })
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.Close()
		c.Close() // twice does no harm
	}()
	eventually(t, "it takes no more", func() bool {
		_, err := c.Submit(ended(), "late")
		return errors.Is(err, sqlstore.ErrClosed)
	})
	select {
	case <-closed:
		t.Fatal("Close returned while items wait")
	default:
	}
	g.let <- nil
	if got := <-g.entered; len(got) != 5 {
		t.Fatalf("last batch %v, want the five that waited", got)
	}
	g.let <- nil
	<-closed
	for _, w := range append(waiting, first) {
		if err := <-w; err != nil {
			t.Fatalf("a caller that waited got %v", err)
		}
	}
}

// TestPostgresRestartedUnderLoadLosesNothing holds the promise: what was
// acknowledged is there once, whatever the server went through.
func TestPostgresRestartedUnderLoadLosesNothing(t *testing.T) {
	server := pgtest.New(t)
	ctx := context.Background()
	db, err := sqlstore.Open(ctx, server.Database(t), sqlstore.Options{Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(ctx, schema()); err != nil {
		t.Fatal(err)
	}
	c := newCommitter(t, sqlstore.CommitterOptions{}, store(db))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	acknowledged := make([][]string, 8)
	var total, refused atomic.Int64
	for caller := range acknowledged {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("%d-%d", caller, i)
				if _, err := c.Submit(ctx, id); err != nil {
					refused.Add(1)
					continue
				}
				acknowledged[caller] = append(acknowledged[caller], id)
				total.Add(1)
			}
		})
	}
	for _, mode := range []string{"immediate", "fast", "immediate"} {
		before := total.Load()
		eventually(t, "writes are acknowledged", func() bool { return total.Load() > before+200 })
		if err := server.Restart(mode); err != nil {
			t.Fatal(err)
		}
	}
	before := total.Load()
	eventually(t, "writes are acknowledged after the last restart", func() bool { return total.Load() > before+200 })
	close(stop)
	wg.Wait()
	stored := map[string]bool{}
	rows, err := db.Read.QueryContext(ctx, "SELECT id FROM item")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		stored[id] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, ids := range acknowledged {
		for _, id := range ids {
			if !stored[id] {
				t.Errorf("%s was acknowledged and is not stored", id)
			}
		}
	}
	t.Logf("%d acknowledged, %d refused, %d stored", total.Load(), refused.Load(), len(stored))
}

// bulk stores a batch by one statement, as a service under load does.
func bulk(db *sqlstore.DB) func(context.Context, []string) ([]bool, error) {
	text := "INSERT INTO item (id, n) SELECT value, 1 FROM json_each($1) WHERE true ON CONFLICT (id) DO NOTHING"
	if db.Engine == sqlstore.Postgres {
		text = "INSERT INTO item (id, n) SELECT value, 1 FROM json_array_elements_text($1::json) ON CONFLICT (id) DO NOTHING"
	}
	return func(ctx context.Context, batch []string) ([]bool, error) {
		all, err := json.Marshal(batch)
		if err != nil {
			return nil, err
		}
		err = db.Tx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, text, string(all))
			return err
		})
		return make([]bool, len(batch)), err
	}
}

// BenchmarkSubmit is one durable item per call by 32 callers.
func BenchmarkSubmit(b *testing.B) {
	for name, open := range map[string]func(*testing.B) *sqlstore.DB{
		"sqlite":   func(b *testing.B) *sqlstore.DB { return storetest.OpenSQLite(b, schema()) },
		"postgres": func(b *testing.B) *sqlstore.DB { return storetest.OpenPostgres(b, schema()) },
	} {
		b.Run(name, func(b *testing.B) {
			db := open(b)
			c := sqlstore.NewCommitter(sqlstore.CommitterOptions{Logger: discard()}, bulk(db))
			defer c.Close()
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range 32 {
				wg.Go(func() {
					for {
						n := next.Add(1)
						if n > int64(b.N) {
							return
						}
						if _, err := c.Submit(context.Background(), fmt.Sprintf("item-%012d", n)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
		})
	}
}
