package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// insertRows is how many rows one statement carries.
const insertRows = 200

// load puts one database of a copy into db, in one transaction, and reads back
// what it wrote. The schema becomes that of the copy first, and the newest at the
// end, so that migrations in between see the rows. What db held is removed.
func load(ctx context.Context, in io.Reader, d Database, db *sqlstore.DB, m Manifest) error {
	schema := m.Schemas[d.Name]
	if err := db.MigrateTo(ctx, d.Migrations, schema); err != nil {
		return err
	}
	have, err := schemaOf(ctx, db.Read)
	if err != nil {
		return err
	}
	if have != schema {
		return fmt.Errorf("the database has schema %d and the backup %d: restore into an empty database", have, schema)
	}
	err = db.Tx(ctx, func(tx *sql.Tx) error {
		l := &loader{ctx: ctx, tx: tx, engine: db.Engine}
		if err := l.clear(); err != nil {
			return err
		}
		if err := l.fill(in, d); err != nil {
			return err
		}
		return l.check(m.Rows[d.Name])
	})
	if err != nil {
		return err
	}
	return db.Migrate(ctx, d.Migrations)
}

type loader struct {
	ctx     context.Context
	tx      *sql.Tx
	engine  sqlstore.Engine
	tables  []string
	table   string
	columns []string
	types   map[string]string // of the table's columns
	waiting [][]any
}

// clear removes what there is, past the triggers that keep people from that.
func (l *loader) clear() (err error) {
	if l.tables, err = tablesOf(l.ctx, l.tx, l.engine); err != nil {
		return err
	}
	if l.engine == sqlstore.SQLite || len(l.tables) == 0 {
		return nil // the file is new
	}
	quoted := make([]string, len(l.tables))
	for i, t := range l.tables {
		quoted[i] = quote(t)
		if _, err := l.tx.ExecContext(l.ctx, `ALTER TABLE `+quoted[i]+` DISABLE TRIGGER USER`); err != nil {
			return err
		}
	}
	_, err = l.tx.ExecContext(l.ctx, `TRUNCATE `+strings.Join(quoted, ", "))
	return err
}

func (l *loader) fill(in io.Reader, d Database) error {
	ours := false
	_, err := read(in, handler{
		database: func(name string, _ int64) error {
			ours = name == d.Name
			return nil
		},
		table: func(_, name string, columns []string) error {
			if !ours {
				return nil
			}
			if !slices.Contains(l.tables, name) {
				return fmt.Errorf("the table %s of the backup does not exist in the schema", name)
			}
			l.table, l.columns = name, columns
			return l.readTypes()
		},
		row: func(values []any) error {
			if !ours {
				return nil
			}
			if l.waiting = append(l.waiting, values); len(l.waiting) < insertRows {
				return nil
			}
			return l.insert()
		},
		end: func() error {
			if !ours {
				return nil
			}
			return l.insert()
		},
	})
	return err
}

func (l *loader) readTypes() error {
	query := `SELECT name, lower(type) FROM pragma_table_info('` + strings.ReplaceAll(l.table, "'", "''") + `')`
	if l.engine == sqlstore.Postgres {
		query = `SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = '` + strings.ReplaceAll(l.table, "'", "''") + `'`
	}
	l.types = map[string]string{}
	if err := each(l.ctx, l.tx, query, func(rows *sql.Rows) error {
		var name, kind string
		err := rows.Scan(&name, &kind)
		l.types[name] = kind
		return err
	}); err != nil {
		return err
	}
	for _, c := range l.columns {
		if l.types[c] == "" {
			return fmt.Errorf("the column %s of the table %s does not exist in the schema", c, l.table)
		}
	}
	return nil
}

func (l *loader) insert() error {
	if len(l.waiting) == 0 {
		return nil
	}
	var text strings.Builder
	text.WriteString("INSERT INTO " + quote(l.table) + " (")
	for i, c := range l.columns {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(quote(c))
	}
	text.WriteString(")")
	if l.engine == sqlstore.Postgres {
		text.WriteString(" OVERRIDING SYSTEM VALUE")
	}
	text.WriteString(" VALUES ")
	args := make([]any, 0, len(l.waiting)*len(l.columns))
	for i, row := range l.waiting {
		text.WriteString(map[bool]string{true: "(", false: ",("}[i == 0])
		for j, v := range row {
			if j > 0 {
				text.WriteByte(',')
			}
			args = append(args, convert(v, l.types[l.columns[j]]))
			text.WriteString("$" + strconv.Itoa(len(args)))
		}
		text.WriteByte(')')
	}
	l.waiting = l.waiting[:0]
	if _, err := l.tx.ExecContext(l.ctx, text.String(), args...); err != nil {
		return fmt.Errorf("fill the table %s: %w", l.table, err)
	}
	return nil
}

// convert fits a value of one engine to a column of the other: SQLite has no
// truth values.
func convert(v any, kind string) any {
	switch n := v.(type) {
	case int64:
		if kind == "boolean" {
			return n != 0
		}
	case bool:
		if kind == "integer" && n {
			return int64(1)
		} else if kind == "integer" {
			return int64(0)
		}
	}
	return v
}

// check counts what is there now, lets numbers go on where they were, and puts
// triggers back.
func (l *loader) check(want map[string]int64) error {
	for _, t := range l.tables {
		var n int64
		if err := l.tx.QueryRowContext(l.ctx, `SELECT count(*) FROM `+quote(t)).Scan(&n); err != nil {
			return err
		}
		if n != want[t] {
			return fmt.Errorf("the table %s has %d rows, and the backup %d", t, n, want[t])
		}
		if l.engine == sqlstore.SQLite {
			continue
		}
		if _, err := l.tx.ExecContext(l.ctx, `ALTER TABLE `+quote(t)+` ENABLE TRIGGER USER`); err != nil {
			return err
		}
	}
	if l.engine == sqlstore.SQLite {
		return nil
	}
	var counted [][2]string
	if err := each(l.ctx, l.tx, `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() AND is_identity = 'YES'`, func(rows *sql.Rows) error {
		var c [2]string
		err := rows.Scan(&c[0], &c[1])
		counted = append(counted, c)
		return err
	}); err != nil {
		return err
	}
	for _, c := range counted {
		if _, err := l.tx.ExecContext(l.ctx, fmt.Sprintf(`SELECT setval(pg_get_serial_sequence('%s', '%s'), coalesce((SELECT max(%s) FROM %s), 0) + 1, false)`,
			strings.ReplaceAll(quote(c[0]), "'", "''"), strings.ReplaceAll(c[1], "'", "''"), quote(c[1]), quote(c[0]))); err != nil {
			return err
		}
	}
	return nil
}

// errNotEmpty is what is said of a state that is not empty.
func errNotEmpty(what string) error {
	return fmt.Errorf("%w: %s", ErrNotEmpty, what)
}

// ErrNotEmpty says that there is something that a restoration would replace.
var ErrNotEmpty = errors.New("there is a state already")

// ErrInUse says that services run on what a restoration would replace.
var ErrInUse = errors.New("it is in use")
