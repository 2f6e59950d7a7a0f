package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
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

var errPlanned = errors.New("planned")

func insert(ctx context.Context, tx *sql.Tx, id string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO item (id, n) VALUES ($1, $2)", id, 1)
	return err
}

func count(t *testing.T, db *sqlstore.DB) int {
	t.Helper()
	var n int
	if err := db.Read.QueryRowContext(context.Background(), "SELECT count(*) FROM item").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTxRollsBackOnErrorAndPanic(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *sqlstore.DB) {
		ctx := context.Background()
		err := db.Tx(ctx, func(tx *sql.Tx) error {
			if err := insert(ctx, tx, "a"); err != nil {
				return err
			}
			return errPlanned
		})
		if err != errPlanned { //nolint:errorlint // the very error, not one that wraps it
			t.Fatalf("Tx = %v, want the function's own error as it is", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic did not pass through")
				}
			}()
			_ = db.Tx(ctx, func(tx *sql.Tx) error {
				if err := insert(ctx, tx, "b"); err != nil {
					return err
				}
				panic("planned")
			})
		}()
		if n := count(t, db); n != 0 {
			t.Fatalf("%d rows are stored, want none", n)
		}
		if err := db.Tx(ctx, func(tx *sql.Tx) error { return insert(ctx, tx, "c") }); err != nil {
			t.Fatalf("the writer is not usable afterwards: %v", err)
		}
	})
}

func TestTxRepeatsWhatMaySucceedAndNothingElse(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *sqlstore.DB) {
		ctx := context.Background()
		runs := 0
		err := db.Tx(ctx, func(tx *sql.Tx) error {
			runs++
			if err := insert(ctx, tx, "a"); err != nil {
				return err
			}
			if runs < 3 {
				return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: "40001"})
			}
			return nil
		})
		if err != nil || runs != 3 || count(t, db) != 1 {
			t.Fatalf("after two serialization failures: %v, %d runs, %d rows; want success in the third run with one row", err, runs, count(t, db))
		}
		runs = 0
		err = db.Tx(ctx, func(tx *sql.Tx) error { runs++; return insert(ctx, tx, "a") })
		if err == nil || runs != 1 {
			t.Fatalf("a duplicate key: %v after %d runs, want an error after one", err, runs)
		}
	})
}

func TestTxGivesUpWithinItsBoundAndIsThenUnavailable(t *testing.T) {
	db := storetest.OpenSQLite(t, schema())
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	err := db.Tx(ctx, func(*sql.Tx) error { return &pgconn.PgError{Code: "40001"} })
	if err == nil {
		t.Fatal("Tx = nil, want the last error")
	}
	if p := problem.From(err); p.Code != problem.Unavailable {
		t.Fatalf("at the edge it is %q, want %q: %v", p.Code, problem.Unavailable, err)
	}
	if !sqlstore.Transient(err) {
		t.Fatalf("Transient(%v) = false, want the cause in the chain", err)
	}
}

func TestTxEndsWithItsContext(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *sqlstore.DB) {
		ctx, cancel := context.WithCancel(context.Background())
		err := db.Tx(ctx, func(tx *sql.Tx) error {
			if err := insert(ctx, tx, "a"); err != nil {
				return err
			}
			cancel()
			return nil
		})
		if err == nil {
			t.Fatal("Tx committed although its context had ended")
		}
		if n := count(t, db); n != 0 {
			t.Fatalf("%d rows are stored, want none", n)
		}
		if err := db.Tx(context.Background(), func(tx *sql.Tx) error { return insert(context.Background(), tx, "b") }); err != nil {
			t.Fatalf("the writer is not usable afterwards: %v", err)
		}
	})
}

func TestTxSurvivesARestartBeforeItsCommit(t *testing.T) {
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
	for _, mode := range []string{"fast", "immediate"} {
		runs := 0
		if err := db.Tx(ctx, func(tx *sql.Tx) error {
			runs++
			if runs == 1 {
				if err := server.Restart(mode); err != nil {
					t.Errorf("restart %s: %v", mode, err)
				}
			}
			return insert(ctx, tx, mode)
		}); err != nil {
			t.Fatalf("%s restart: Tx = %v, want it repeated on a new connection", mode, err)
		}
		if runs < 2 {
			t.Fatalf("%s restart: the function ran %d times, want a repetition", mode, runs)
		}
	}
	if n := count(t, db); n != 2 {
		t.Fatalf("%d rows are stored, want 2", n)
	}
}

// cutter passes bytes on to a server's socket, and cuts the connection right
// after a COMMIT has been handed on, so that its answer is lost.
func cutter(t *testing.T, target string) (dir string, arm func()) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "fawkes-cut-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	var armed atomic.Bool
	var wg sync.WaitGroup
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	pass := func(client, server net.Conn) {
		defer client.Close()
		defer server.Close()
		wg.Go(func() {
			_, _ = io.Copy(client, server)
			_ = client.Close()
		})
		buf := make([]byte, 64<<10)
		for {
			n, err := client.Read(buf)
			if n > 0 {
				cut := armed.Load() && bytes.Contains(buf[:n], []byte("commit"))
				if cut {
					_ = client.Close() // before the server can answer
				}
				if _, err := server.Write(buf[:n]); err != nil || cut {
					armed.CompareAndSwap(cut, false)
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", target)
			if err != nil {
				t.Error(err)
				_ = client.Close()
				return
			}
			wg.Go(func() { pass(client, server) })
		}
	})
	return dir, func() { armed.Store(true) }
}

func TestACommitWithoutAnAnswerIsNotRepeated(t *testing.T) {
	direct := pgtest.Start(t).Database(t)
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	dir, arm := cutter(t, filepath.Join(query.Get("host"), ".s.PGSQL.5432"))
	query.Set("host", dir)
	u.RawQuery = query.Encode()
	ctx := context.Background()
	db, err := sqlstore.Open(ctx, u.String(), sqlstore.Options{Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(ctx, schema()); err != nil {
		t.Fatal(err)
	}
	runs := 0
	err = db.Tx(ctx, func(tx *sql.Tx) error {
		runs++
		arm()
		return insert(ctx, tx, fmt.Sprint("run ", runs))
	})
	if !errors.Is(err, sqlstore.ErrOutcomeUnknown) || runs != 1 {
		t.Fatalf("Tx = %v after %d runs, want ErrOutcomeUnknown after one", err, runs)
	}
	if !sqlstore.Transient(err) {
		t.Fatalf("Transient(%v) = false: who writes by a key of its own may repeat it", err)
	}
	if p := problem.From(err); p.Code != problem.Unavailable {
		t.Fatalf("at the edge it is %q, want %q", p.Code, problem.Unavailable)
	}
	eventually(t, "the server stored the commit whose answer was lost", func() bool { return count(t, db) == 1 })
}

func TestTransientKnowsWhatMaySucceedLater(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errPlanned, false},
		{context.Canceled, false},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), false},
		{sql.ErrNoRows, false},
		{&pgconn.PgError{Code: "23505"}, false},
		{&pgconn.PgError{Code: "57014"}, false},
		{&pgconn.PgError{Code: "40P01"}, true},
		{&pgconn.PgError{Code: "57P01"}, true},
		{&pgconn.PgError{Code: "57P03"}, true},
		{&pgconn.PgError{Code: "08006"}, true},
		{sqlstore.ErrOutcomeUnknown, true},
	} {
		if got := sqlstore.Transient(c.err); got != c.want {
			t.Errorf("Transient(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}
