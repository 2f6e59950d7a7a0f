package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
)

// Migrating takes most of the time that a fresh database takes. The tests of a
// binary therefore migrate one database of each engine, which is copied for each
// of them.
var templates struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*template
}

// template is a migrated database of either engine, made when it is first needed.
type template struct {
	mu       sync.Mutex
	sqlite   []byte // the file
	postgres string // the database's name
}

// templateOf is the template of some migrations, told apart by what they say.
func templateOf(t testing.TB, migrations fs.FS) *template {
	t.Helper()
	sum := sha256.New()
	err := fs.WalkDir(migrations, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations, path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(sum, "%q %q\n", path, text)
		return err
	})
	if err != nil {
		t.Fatalf("read the migrations: %v", err)
	}
	templates.mu.Lock()
	defer templates.mu.Unlock()
	if templates.all == nil {
		templates.all = map[[sha256.Size]byte]*template{}
	}
	key := [sha256.Size]byte(sum.Sum(nil))
	if templates.all[key] == nil {
		templates.all[key] = &template{}
	}
	return templates.all[key]
}

// writeSQLite writes the migrated database to a path.
func (m *template) writeSQLite(t testing.TB, migrations fs.FS, path string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sqlite == nil {
		from := filepath.Join(t.TempDir(), "template.db")
		migrate(t, "sqlite:"+from, migrations)
		if left, err := os.Stat(from + "-wal"); err == nil && left.Size() > 0 {
			t.Fatalf("the closed template has a log of %d bytes, want all in its file", left.Size())
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatalf("read the template: %v", err)
		}
		m.sqlite = text
	}
	if err := os.WriteFile(path, m.sqlite, 0o600); err != nil {
		t.Fatalf("copy the template: %v", err)
	}
}

// copyPostgres makes a copy of the migrated database and returns its URL.
func (m *template) copyPostgres(t testing.TB, migrations fs.FS, server *pgtest.Server) string {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.postgres == "" {
		name := server.Lasting(t)
		migrate(t, server.DSN(name), migrations)
		m.postgres = name
	}
	return server.Copy(t, m.postgres)
}

func migrate(t testing.TB, url string, migrations fs.FS) {
	t.Helper()
	db, err := sqlstore.Open(context.Background(), url, sqlstore.Options{Logger: slog.New(slog.DiscardHandler), AppName: "storetest"})
	if err != nil {
		t.Fatalf("open the template of %s: %v", strings.SplitN(url, ":", 2)[0], err)
	}
	err = db.Migrate(context.Background(), migrations)
	if cerr := db.Close(); cerr != nil {
		t.Errorf("close the template: %v", cerr)
	}
	if err != nil {
		t.Fatalf("migrate the test database: %v", err)
	}
}
