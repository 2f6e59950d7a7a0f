// Package storetest runs one store suite on both engines: SQLite in a file, and
// a real PostgreSQL server.
//
//	func TestStore(t *testing.T) {
//		storetest.Each(t, migrations, func(t *testing.T, db *sqlstore.DB) {
//			…
//		})
//	}
package storetest

import (
	"context"
	"io/fs"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
)

// Each runs the suite as two subtests, "sqlite" and "postgres", each on a fresh
// database with the migrations applied. Without migrations (nil) it is empty.
func Each(t *testing.T, migrations fs.FS, run func(t *testing.T, db *sqlstore.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, OpenSQLite(t, migrations)) })
	t.Run("postgres", func(t *testing.T) { run(t, OpenPostgres(t, migrations)) })
}

// OpenSQLite opens a fresh database in a file of the test's own folder.
func OpenSQLite(t testing.TB, migrations fs.FS) *sqlstore.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	if migrations != nil {
		templateOf(t, migrations).writeSQLite(t, migrations, path)
	}
	return open(t, "sqlite:"+path)
}

// OpenPostgres opens a fresh database of the PostgreSQL server that the tests of
// this binary share.
func OpenPostgres(t testing.TB, migrations fs.FS) *sqlstore.DB {
	t.Helper()
	server := pgtest.Start(t)
	if migrations == nil {
		return open(t, server.Database(t))
	}
	return open(t, templateOf(t, migrations).copyPostgres(t, migrations, server))
}

func open(t testing.TB, url string) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.Open(context.Background(), url, sqlstore.Options{Logger: slog.New(slog.DiscardHandler), AppName: "storetest"})
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the test database: %v", err)
		}
	})
	return db
}
