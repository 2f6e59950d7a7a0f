package sqlstore_test

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// eventually waits for a condition, and fails the test when it does not come true.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("did not happen within 20 s: %s", what)
		case <-tick.C:
		}
	}
}

func setting(t *testing.T, pool *sql.DB, query string) string {
	t.Helper()
	var v string
	if err := pool.QueryRowContext(context.Background(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func TestSQLiteConnectionsHaveTheHousesSettings(t *testing.T) {
	db := storetest.OpenSQLite(t, nil)
	for _, pool := range []struct {
		name      string
		db        *sql.DB
		queryOnly string
	}{{"writer", db.Write, "0"}, {"reader", db.Read, "1"}} {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000", "query_only": pool.queryOnly,
		} {
			if got := setting(t, pool.db, "PRAGMA "+pragma); got != want {
				t.Errorf("%s: PRAGMA %s = %s, want %s", pool.name, pragma, got, want)
			}
		}
	}
	if got := db.Write.Stats().MaxOpenConnections; got != 1 {
		t.Errorf("the writer has up to %d connections, want 1", got)
	}
	if got := db.Read.Stats().MaxOpenConnections; got < 2 {
		t.Errorf("the readers are %d, want several", got)
	}
}

func TestSQLiteReaderCannotWrite(t *testing.T) {
	db := storetest.OpenSQLite(t, schema())
	if _, err := db.Read.ExecContext(context.Background(), "INSERT INTO item (id, n) VALUES ('a', 1)"); err == nil {
		t.Fatal("a reader wrote, want it refused")
	}
}

func TestSQLiteTransactionsBeginImmediate(t *testing.T) {
	db := storetest.OpenSQLite(t, schema())
	ctx := context.Background()
	tx, err := db.Write.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}()
	// Nothing was written in tx yet; only an immediate transaction has the lock.
	other, err := sql.Open("sqlite", "file:"+setting(t, db.Read, "SELECT file FROM pragma_database_list WHERE name = 'main'")+"?_busy_timeout=0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(ctx, "INSERT INTO item (id, n) VALUES ('b', 1)"); !sqlstore.Transient(err) {
		t.Fatalf("a second writer got %v, want busy", err)
	}
}

func TestSQLiteFileIsForItsOwnerAloneAndStrangePathsWork(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new folder", "a?b#c%20.db")
	db, err := sqlstore.Open(context.Background(), "sqlite:"+path, sqlstore.Options{Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Write.ExecContext(context.Background(), "CREATE TABLE x (a TEXT)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("the file's mode is %o, want 600", got)
	}
	if info.Size() == 0 {
		t.Error("the file is empty: what was written went elsewhere")
	}
	if _, err := os.Stat(path + "-wal"); !os.IsNotExist(err) {
		t.Errorf("the log is still there after Close (%v), want it folded into the file", err)
	}
}

func TestOpenNamesWhatIsWrongWithTheURL(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"", "no URL"},
		{"mysql://x", `begins with "mysql:"`},
		{"sqlite:relative.db", "not an absolute path"},
		{"nonsense", `begins with "nonsense:"`},
	} {
		_, err := sqlstore.Open(context.Background(), c.url, sqlstore.Options{Logger: discard()})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Open(%q) = %v, want an error with %q", c.url, err, c.want)
		}
	}
}

func TestPostgresSessionsAreNamedAndBounded(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	ctx := context.Background()
	db, err := sqlstore.Open(ctx, url, sqlstore.Options{Logger: discard(), AppName: "fawkes-test", StatementTimeout: 1500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, want := range map[string]string{
		"application_name": "fawkes-test", "statement_timeout": "1500ms", "idle_in_transaction_session_timeout": "1min", "TimeZone": "UTC", "fsync": "on",
	} {
		if got := setting(t, db.Write, "SHOW "+name); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
	if got := db.Write.Stats().MaxOpenConnections; got != 16 {
		t.Errorf("the pool holds up to %d connections, want 16", got)
	}
	_, err = db.Write.ExecContext(ctx, "SELECT pg_sleep(30)")
	if err == nil || !strings.Contains(err.Error(), "57014") {
		t.Errorf("a statement that runs on got %v, want the server to cancel it", err)
	}

	own, err := sqlstore.Open(ctx, url+"&statement_timeout=7000&application_name=mine", sqlstore.Options{Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if got := setting(t, own.Read, "SHOW statement_timeout") + " " + setting(t, own.Read, "SHOW application_name"); got != "7s mine" {
		t.Errorf("what the URL says became %q, want 7s mine", got)
	}
}

func TestReadyTellsThatTheDatabaseIsGone(t *testing.T) {
	server := pgtest.New(t)
	db, err := sqlstore.Open(context.Background(), server.Database(t), sqlstore.Options{Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ready(context.Background()); err != nil {
		t.Fatalf("Ready = %v while the server runs", err)
	}
	if err := server.Stop("fast"); err != nil {
		t.Fatal(err)
	}
	if err := db.Ready(context.Background()); err == nil {
		t.Fatal("Ready = nil while the server is stopped")
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := db.Ready(context.Background()); err != nil {
		t.Fatalf("Ready = %v after the server came back", err)
	}
}

func TestMicrosKeepsAMicrosecondAndUTC(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789012345, time.FixedZone("", 5400))
	if got, want := sqlstore.FromMicros(sqlstore.Micros(at)), at.Truncate(time.Microsecond); !got.Equal(want) || got.Location() != time.UTC {
		t.Fatalf("back and forth gave %v, want %v in UTC", got, want.UTC())
	}
}

func TestCheckpointsHappenAwayFromTheWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	db, err := sqlstore.Open(context.Background(), "sqlite:"+path, sqlstore.Options{Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := context.Background()
	if err := db.Migrate(ctx, schema()); err != nil {
		t.Fatal(err)
	}
	// About 8 MiB: far below the size at which the writer would copy back itself.
	if err := db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < 2000)
			INSERT INTO item (id, n) SELECT printf('%04d', i) || hex(zeroblob(2000)), i FROM c`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the file holds the pages that were in the log", func() bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() > 4<<20
	})
}

func TestLogStartsAgainWhileWritesNeverPause(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	db, err := sqlstore.Open(context.Background(), "sqlite:"+path, sqlstore.Options{Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := context.Background()
	if err := db.Migrate(ctx, schema()); err != nil {
		t.Fatal(err)
	}
	// The same rows are written over and over by several callers, so that one
	// transaction begins as the other ends: the database stays small, while the log
	// would grow to 128 MiB, where the writer would have to copy it back itself.
	const writers, rounds, rows, most = 4, 1500, 500, 100 << 20
	var longest atomic.Int64
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				if err := db.Tx(ctx, func(tx *sql.Tx) error {
					_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO item (id, n) VALUES (printf('%04d', $1) || hex(zeroblob(6000)), $2)", (w*rounds+i*7)%rows, i)
					return err
				}); err != nil {
					t.Error(err)
					return
				}
				if info, err := os.Stat(path + "-wal"); err == nil {
					longest.Store(max(longest.Load(), info.Size()))
				}
			}
		})
	}
	wg.Wait()
	t.Logf("the log was at most %d MiB long", longest.Load()>>20)
	if longest.Load() > most {
		t.Fatalf("the log grew to %d MiB, want it to have begun again before %d", longest.Load()>>20, most>>20)
	}
}
