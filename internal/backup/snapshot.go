package backup

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// writer writes the lines of a copy.
type writer struct {
	out      *bufio.Writer
	sum      hash.Hash // of all lines
	manifest Manifest
}

// Write copies databases to out. Each is read within one snapshot, so that the
// copy shows one moment of it, whatever services do meanwhile.
func Write(ctx context.Context, out io.Writer, databases []Database, by string, now time.Time) (Manifest, error) {
	z, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return Manifest{}, err
	}
	now = now.UTC().Truncate(time.Second)
	w := &writer{out: bufio.NewWriterSize(z, 1<<16), sum: sha256.New(), manifest: Manifest{
		CreatedAt: now, By: by, Rows: map[string]map[string]int64{}, Schemas: map[string]int64{},
	}}
	if err := w.line(line{Format: formatName, Version: formatVersion, CreatedAt: &now, By: by}); err != nil {
		return Manifest{}, err
	}
	for _, d := range databases {
		if err := w.database(ctx, d); err != nil {
			return Manifest{}, fmt.Errorf("copy %s: %w", d.Name, err)
		}
	}
	w.manifest.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	if err := w.line(line{Complete: w.manifest.Rows, SHA256: w.manifest.SHA256}); err != nil {
		return Manifest{}, err
	}
	return w.manifest, errors.Join(w.out.Flush(), z.Close())
}

func (w *writer) line(l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return w.write(append(text, '\n'))
}

func (w *writer) write(text []byte) error {
	w.sum.Write(text) //nolint:errcheck // documented never to fail
	_, err := w.out.Write(text)
	return err
}

func (w *writer) database(ctx context.Context, d Database) (err error) {
	db, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	opts := &sql.TxOptions{ReadOnly: true}
	if db.Engine == sqlstore.Postgres {
		opts.Isolation = sql.LevelRepeatableRead // SQLite's readers always have it
	}
	tx, err := db.Read.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it only read
	schema, err := schemaOf(ctx, tx)
	if err != nil {
		return fmt.Errorf("it holds nothing of this program: %w", err)
	}
	if err := w.line(line{Database: d.Name, Engine: string(db.Engine), Schema: schema}); err != nil {
		return err
	}
	w.manifest.Schemas[d.Name], w.manifest.Rows[d.Name] = schema, map[string]int64{}
	tables, err := tablesOf(ctx, tx, db.Engine)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if slices.Contains(d.Passing, t) {
			continue
		}
		n, err := w.table(ctx, tx, t)
		if err != nil {
			return fmt.Errorf("table %s: %w", t, err)
		}
		w.manifest.Rows[d.Name][t] = n
	}
	return nil
}

func (w *writer) table(ctx context.Context, tx *sql.Tx, name string) (n int64, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT * FROM "+quote(name))
	if err != nil {
		return 0, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	if err := w.line(line{Table: name, Columns: columns}); err != nil {
		return 0, err
	}
	row, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	sum, text := sha256.New(), []byte(nil)
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return 0, err
		}
		if text, err = appendRow(text[:0], row); err != nil {
			return 0, err
		}
		sum.Write(text) //nolint:errcheck // documented never to fail
		if err := w.write(text); err != nil {
			return 0, err
		}
		n++
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	return n, w.line(line{End: name, Rows: n, SHA256: hex.EncodeToString(sum.Sum(nil))})
}

// versions is goose's own table; jobs begin the names of the job queue's, which
// makes them itself. What waits there is periodic work, planned anew at each start.
const (
	versions = "goose_db_version"
	jobs     = "river_"
)

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// schemaOf is the newest migration that was applied.
func schemaOf(ctx context.Context, q querier) (v int64, err error) {
	err = q.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versions).Scan(&v)
	return v, err
}

// tablesOf lists the tables of a database, each after those that it refers to.
func tablesOf(ctx context.Context, q querier, engine sqlstore.Engine) ([]string, error) {
	names, refs := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`,
		`SELECT m.name, f."table" FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table'`
	if engine == sqlstore.Postgres {
		names = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename`
		refs = `SELECT a.relname, b.relname FROM pg_constraint AS c JOIN pg_class AS a ON a.oid = c.conrelid JOIN pg_class AS b ON b.oid = c.confrelid
			WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace`
	}
	var all []string
	if err := each(ctx, q, names, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		if name != versions && !strings.HasPrefix(name, jobs) {
			all = append(all, name)
		}
		return err
	}); err != nil {
		return nil, err
	}
	needs := map[string][]string{}
	if err := each(ctx, q, refs, func(rows *sql.Rows) error {
		var from, to string
		err := rows.Scan(&from, &to)
		needs[from] = append(needs[from], to)
		return err
	}); err != nil {
		return nil, err
	}
	var out []string
	var place func(name string)
	place = func(name string) {
		if slices.Contains(out, name) {
			return
		}
		for _, n := range needs[name] {
			if n != name {
				place(n)
			}
		}
		out = append(out, name)
	}
	for _, name := range all {
		place(name)
	}
	return out, nil
}

func each(ctx context.Context, q querier, query string, scan func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
