package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/audit"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// sqlStore is the Store on SQLite and PostgreSQL: one SQL text serves both.
type sqlStore struct{ db *sqlstore.DB }

// NewStore returns the store on a migrated database.
func NewStore(db *sqlstore.DB) Store { return &sqlStore{db} }

// scanner is a *sql.Row or a *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// querier is the database or a transaction on it.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// list runs a query and reads every row with scan.
func list[T any](ctx context.Context, db *sql.DB, what string, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", what, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		out = append(out, item)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list %s: %w", what, err)
	}
	return out, nil
}

// none turns "no row" into ErrNotFound and wraps the rest.
func none(err error, operation string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return nil
}

// changed runs a statement that must change a row; ErrNotFound when it does not.
func changed(ctx context.Context, q querier, operation, query string, args ...any) error {
	result, err := q.ExecContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if n == 0 {
		return ErrNotFound
	}
	return nil
}

// from is where a page starts: lists run from new to old.
func (p Page) from() (int64, string) {
	if p.After == (Position{}) {
		return math.MaxInt64, ""
	}
	return p.After.At, p.After.ID
}

// instant is a stored time; null stands for the zero time.
func instant(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: sqlstore.Micros(t), Valid: !t.IsZero()}
}

func fromInstant(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return sqlstore.FromMicros(n.Int64)
}

// lines is how a list of words is stored: none of them holds a line break.
func lines(words []string) string { return strings.Join(words, "\n") }

func fromLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

func (s *sqlStore) Audit(ctx context.Context, page Page) ([]Entry, error) {
	seq, _ := page.from()
	return audit.List(ctx, s.db.Read, audit.Query{Before: seq, Limit: page.Limit})
}

func (s *sqlStore) Record(ctx context.Context, e Entry) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error { return audit.Write(ctx, tx, e) })
}

func record(ctx context.Context, q querier, e Entry) error { return audit.Write(ctx, q, e) }
