package backup

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
)

// schema has what the services' schemas have: numbers that count by themselves,
// bytes, references, a table that nobody may empty, and one of what runs now.
func schema(more ...string) fstest.MapFS {
	out := fstest.MapFS{
		"sqlite/1_init.sql": {Data: []byte(`-- +goose Up
CREATE TABLE event (seq INTEGER PRIMARY KEY, body BLOB, note TEXT) STRICT;
CREATE TABLE account (id TEXT PRIMARY KEY, person TEXT NOT NULL REFERENCES person (id), good INTEGER NOT NULL) STRICT;
CREATE TABLE person (id TEXT PRIMARY KEY) STRICT;
CREATE TABLE log (line TEXT NOT NULL) STRICT;
CREATE TABLE replica (id TEXT PRIMARY KEY) STRICT;
-- +goose StatementBegin
CREATE TRIGGER kept BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'kept'); END;
-- +goose StatementEnd
`)},
		"postgres/1_init.sql": {Data: []byte(`-- +goose Up
CREATE TABLE event (seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body BYTEA, note TEXT);
CREATE TABLE person (id TEXT PRIMARY KEY);
CREATE TABLE account (id TEXT PRIMARY KEY, person TEXT NOT NULL REFERENCES person (id), good BOOLEAN NOT NULL);
CREATE TABLE log (line TEXT NOT NULL);
CREATE TABLE replica (id TEXT PRIMARY KEY);
-- +goose StatementBegin
CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'kept'; END $$;
-- +goose StatementEnd
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON log EXECUTE FUNCTION kept();
`)},
	}
	for i, text := range more {
		for _, engine := range []string{"sqlite", "postgres"} {
			out[fmt.Sprintf("%s/%d_more.sql", engine, i+2)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + text)}
		}
	}
	return out
}

func database(t *testing.T, engine sqlstore.Engine) Database {
	t.Helper()
	d := Database{Name: "dora", Migrations: schema(), Passing: []string{"replica"}}
	if engine == sqlstore.SQLite {
		d.URL = "sqlite:" + filepath.Join(t.TempDir(), "dora.db")
	} else {
		d.URL = pgtest.Start(t).Database(t)
	}
	return d
}

// with opens a database, migrated, for one action.
func with(t *testing.T, d Database, act func(db *sqlstore.DB)) {
	t.Helper()
	db, err := d.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := db.Migrate(t.Context(), d.Migrations); err != nil {
		t.Fatal(err)
	}
	act(db)
}

func must(t *testing.T, db *sqlstore.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Write.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func fill(t *testing.T, d Database) {
	t.Helper()
	with(t, d, func(db *sqlstore.DB) {
		for n := range 450 {
			must(t, db, `INSERT INTO event (body, note) VALUES ($1, $2)`, []byte{0, byte(n), 255}, fmt.Sprintf("line\n%d \"é\" \u2028", n))
		}
		must(t, db, `INSERT INTO event (body, note) VALUES (NULL, NULL)`)
		must(t, db, `DELETE FROM event WHERE seq = 7`)
		must(t, db, `INSERT INTO person (id) VALUES ('ada')`)
		must(t, db, `INSERT INTO account (id, person, good) VALUES ('a', 'ada', $1), ('b', 'ada', $2)`, true, false)
		must(t, db, `INSERT INTO log (line) VALUES ('one')`)
		must(t, db, `INSERT INTO replica (id) VALUES ('running')`)
	})
}

// contents is all that a database holds, engine aside.
func contents(t *testing.T, d Database) []string {
	t.Helper()
	var out []string
	with(t, d, func(db *sqlstore.DB) {
		for _, q := range []string{
			`SELECT 'event', seq, body, note FROM event ORDER BY seq`, `SELECT 'account', id, person, CASE WHEN good THEN 1 ELSE 0 END FROM account ORDER BY id`,
			`SELECT 'person', id, 0, 0 FROM person`, `SELECT 'log', line, 0, 0 FROM log`, `SELECT 'replica', id, 0, 0 FROM replica`,
		} {
			if err := each(t.Context(), db.Read, q, func(rows *sql.Rows) error {
				var v [4]any
				err := rows.Scan(&v[0], &v[1], &v[2], &v[3])
				out = append(out, fmt.Sprintf("%q", v))
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
	})
	return out
}

func save(t *testing.T, databases ...Database) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "copy")
	if _, err := Save(file, func(out io.Writer) (Manifest, error) {
		return Write(t.Context(), out, databases, "test", time.Unix(1, 0))
	}); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestACopyIsPutBackOnEitherEngine(t *testing.T) {
	for _, from := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.Postgres} {
		source := database(t, from)
		fill(t, source)
		want := contents(t, source)
		file := save(t, source)
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the copy has the mode %v, %v; want it readable by its owner only", info.Mode(), err)
		}
		for _, to := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.Postgres} {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				target := database(t, to)
				m, err := Restore(t.Context(), file, []Database{target}, false)
				if err != nil {
					t.Fatal(err)
				}
				if m.Rows["dora"]["event"] != 450 || m.By != "test" || m.Schemas["dora"] != 1 {
					t.Errorf("manifest %+v", m)
				}
				if _, copied := m.Rows["dora"]["replica"]; copied {
					t.Error("what runs now is in the copy")
				}
				got := contents(t, target)
				if diff := cmp.Diff(want[:len(want)-1], got); diff != "" {
					t.Errorf("(-copied +restored)\n%s", diff)
				}
				with(t, target, func(db *sqlstore.DB) {
					must(t, db, `INSERT INTO event (note) VALUES ('next')`)
					var seq int64
					if err := db.Read.QueryRow(`SELECT max(seq) FROM event`).Scan(&seq); err != nil || seq != 452 {
						t.Errorf("the next event has the number %d, %v; want 452", seq, err)
					}
					if _, err := db.Write.Exec(`DELETE FROM log`); err == nil {
						t.Error("the log may be emptied after a restoration")
					}
				})
				// What is there is replaced when that is asked for, and only then.
				if _, err := Restore(t.Context(), file, []Database{target}, false); !errors.Is(err, ErrNotEmpty) {
					t.Errorf("over a state: %v, want ErrNotEmpty", err)
				}
				if _, err := Restore(t.Context(), file, []Database{target}, true); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(got, contents(t, target)); diff != "" {
					t.Errorf("restored with force (-first +again)\n%s", diff)
				}
			})
		}
	}
}

// TestACopyShowsOneMoment writes in pairs while copies are made: no copy has half
// of a pair.
func TestACopyShowsOneMoment(t *testing.T) {
	for _, engine := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.Postgres} {
		source := database(t, engine)
		with(t, source, func(db *sqlstore.DB) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				for n := 0; ctx.Err() == nil; n++ {
					if err := db.Tx(context.Background(), func(tx *sql.Tx) error {
						if _, err := tx.Exec(`INSERT INTO event (note) VALUES ($1)`, fmt.Sprint(n)); err != nil {
							return err
						}
						_, err := tx.Exec(`INSERT INTO log (line) VALUES ($1)`, fmt.Sprint(n))
						return err
					}); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
			most := int64(0)
			for range 12 {
				m, err := Write(t.Context(), io.Discard, []Database{source}, "test", time.Unix(1, 0))
				if err != nil {
					t.Fatal(err)
				}
				rows := m.Rows["dora"]
				if rows["event"] != rows["log"] {
					t.Errorf("%s: a copy has %d events and %d lines", engine, rows["event"], rows["log"])
				}
				most = max(most, rows["event"])
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if most == 0 {
				t.Error("nothing was written meanwhile")
			}
		})
	}
}

// TestADamagedCopyIsRefused cuts a copy off and alters it at many places.
func TestADamagedCopyIsRefused(t *testing.T) {
	source := database(t, sqlstore.SQLite)
	fill(t, source)
	whole, err := os.ReadFile(save(t, source))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(bytes.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole); n += 1 + len(whole)/150 {
		if _, err := Verify(bytes.NewReader(whole[:n])); err == nil {
			t.Errorf("a copy of which %d bytes of %d are left is taken", n, len(whole))
		}
		bad := bytes.Clone(whole)
		bad[n] ^= 0x10
		if _, err := Verify(bytes.NewReader(bad)); err == nil && n > 10 { // before that are the name and the time of gzip
			t.Errorf("a copy whose byte %d is another is taken", n)
		}
	}
	target, file := database(t, sqlstore.SQLite), filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(file, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), file, []Database{target}, true); !errors.Is(err, ErrDamaged) {
		t.Errorf("half a copy: %v, want ErrDamaged", err)
	}
	if left, err := os.ReadDir(filepath.Dir(strings.TrimPrefix(target.URL, "sqlite:"))); err != nil || len(left) > 0 {
		t.Errorf("half a copy left %v, %v", left, err)
	}
}

func TestNothingIsRestoredUnderARunningService(t *testing.T) {
	for _, engine := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.Postgres} {
		source := database(t, engine)
		fill(t, source)
		file := save(t, source)
		db, err := sqlstore.Open(t.Context(), source.URL, sqlstore.Options{AppName: "fawkes-dora"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(t.Context(), file, []Database{source}, true); !errors.Is(err, ErrInUse) {
			t.Errorf("%s: %v, want ErrInUse", engine, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if engine == sqlstore.Postgres {
			continue // the server may take a moment to see the connection go
		}
		if _, err := Restore(t.Context(), file, []Database{source}, true); err != nil {
			t.Errorf("%s, stopped: %v", engine, err)
		}
	}
}

// TestAnOlderCopyIsMigrated: what a later migration does to rows, it does to
// those of the copy.
func TestAnOlderCopyIsMigrated(t *testing.T) {
	for _, engine := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.Postgres} {
		source := database(t, engine)
		fill(t, source)
		file := save(t, source)
		target := database(t, engine)
		target.Migrations = schema("ALTER TABLE person ADD COLUMN name TEXT;\nUPDATE person SET name = 'of ' || id;\n")
		if _, err := Restore(t.Context(), file, []Database{target}, false); err != nil {
			t.Fatal(err)
		}
		with(t, target, func(db *sqlstore.DB) {
			var name string
			if err := db.Read.QueryRow(`SELECT name FROM person`).Scan(&name); err != nil || name != "of ada" {
				t.Errorf("%s: name %q, %v", engine, name, err)
			}
		})
		newer := save(t, target)
		if _, err := Restore(t.Context(), newer, []Database{database(t, engine)}, false); err == nil || !strings.Contains(err.Error(), "newer program") {
			t.Errorf("%s: a copy of a newer schema: %v", engine, err)
		}
	}
}

// TestAnInterruptedRestorationIsCompletedOrForgotten stops at either side of the
// moment from which the new state counts.
func TestAnInterruptedRestorationIsCompletedOrForgotten(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	says := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "nothing"
		}
		return string(text)
	}
	write("dora.db", "old")
	write("identity.db", "old")
	write("dora.db-wal", "log of the old")
	write(unfinished+"/dora.db", "half")
	if err := Finish(dir); err != nil {
		t.Fatal(err)
	}
	if says("dora.db") != "old" || says("dora.db-wal") != "log of the old" || says(unfinished+"/dora.db") != "nothing" {
		t.Error("an unfinished restoration changed the state, or is still there")
	}
	write(finished+"/dora.db", "new") // identity.db has been moved already
	write("identity.db", "new")
	for range 2 {
		if err := Finish(dir); err != nil {
			t.Fatal(err)
		}
		if says("dora.db") != "new" || says("identity.db") != "new" || says("dora.db-wal") != "nothing" || says(finished+"/dora.db") != "nothing" {
			t.Error("a finished restoration was not completed")
		}
	}
}

// A state folder holds a file for each service, and all of them come back.
func TestSeveralFilesOfOneFolderAreAllPutBack(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	in := func(dir, name string) Database {
		d := database(t, sqlstore.SQLite)
		d.Name, d.URL = name, "sqlite:"+filepath.Join(dir, name+".db")
		return d
	}
	names := []string{"dora", "identity", "runner"}
	var sources, targets []Database
	for _, name := range names {
		sources, targets = append(sources, in(from, name)), append(targets, in(to, name))
		fill(t, sources[len(sources)-1])
	}
	want := contents(t, sources[0])
	want = slices.DeleteFunc(want, func(row string) bool { return strings.Contains(row, "replica") })
	if _, err := Restore(t.Context(), save(t, sources...), targets, false); err != nil {
		t.Fatal(err)
	}
	for i, target := range targets {
		if got := contents(t, target); !slices.Equal(got, want) {
			t.Errorf("%s came back with %d rows, want %d", names[i], len(got), len(want))
		}
	}
}
