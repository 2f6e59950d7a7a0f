package dora

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

const headColumns = `SELECT project, rev, seq, began, spec_version, origins, format, settled_at FROM head`

func headFields(h *Head) []any {
	return []any{&h.Project, &h.Rev, &h.Seq, &h.Began, &h.SpecVersion, &h.Origins, &h.Format, (*int64)(&h.SettledAt)}
}

func (s *sqlStore) Heads(ctx context.Context) ([]Head, error) {
	rows, err := s.db.Read.QueryContext(ctx, headColumns+` ORDER BY project`)
	return collect(rows, err, "list heads", headFields)
}

func (s *sqlStore) Head(ctx context.Context, project string) (Head, error) {
	var h Head
	if err := s.db.Read.QueryRowContext(ctx, headColumns+` WHERE project = $1`, project).Scan(headFields(&h)...); err != nil {
		return Head{}, fmt.Errorf("read the head of %s: %w", project, notFound(err))
	}
	return h, nil
}

func (s *sqlStore) Blocks(ctx context.Context, project string, from, to int64, yield func(key string, body []byte) error) error {
	return blocks(ctx, s.db.Read, project, from, to, yield)
}

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func blocks(ctx context.Context, q querier, project string, from, to int64, yield func(key string, body []byte) error) error {
	inParts := map[string]blockParts{}
	if err := wholeBlocks(ctx, q, project, from, to, inParts, yield); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(inParts)) {
		body, err := inParts[key].join(ctx, q, project, key)
		if err == nil {
			err = yield(key, body)
		}
		if err != nil {
			return fmt.Errorf("read the blocks of %s: %w", project, err)
		}
	}
	return nil
}

// wholeBlocks yields the blocks that are stored in one piece, and notes the newest
// revision of those that are not.
func wholeBlocks(ctx context.Context, q querier, project string, from, to int64, inParts map[string]blockParts, yield func(key string, body []byte) error) error {
	rows, err := q.QueryContext(ctx, `SELECT key, rev, parts, body FROM block WHERE project = $1 AND rev > $2 AND rev <= $3 ORDER BY rev`, project, from, to)
	if err != nil {
		return fmt.Errorf("read the blocks of %s: %w", project, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var key string
	var body sql.RawBytes
	var rev int64
	var parts int
	for rows.Next() {
		if err := rows.Scan(&key, &rev, &parts, &body); err != nil {
			return fmt.Errorf("read the blocks of %s: %w", project, err)
		}
		if parts > 0 {
			inParts[key] = blockParts{rev: rev, parts: parts, first: bytes.Clone(body)}
			continue
		}
		if len(inParts) > 0 {
			delete(inParts, key)
		}
		if err := yield(key, body); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the blocks of %s: %w", project, err)
	}
	return nil
}

// Follow reads within one snapshot: while it does, the writer may move the head
// on and drop the blocks that it replaced.
func (s *sqlStore) Follow(ctx context.Context, project string, since func(Head) int64, yield func(key string, body []byte) error) (h Head, err error) {
	opts := &sql.TxOptions{ReadOnly: true}
	if s.db.Engine == sqlstore.Postgres {
		opts.Isolation = sql.LevelRepeatableRead // SQLite's readers always have it
	}
	tx, err := s.db.Read.BeginTx(ctx, opts)
	if err != nil {
		return Head{}, fmt.Errorf("follow %s: %w", project, err)
	}
	defer func() {
		if rerr := tx.Rollback(); rerr != nil && err == nil {
			err = fmt.Errorf("follow %s: %w", project, rerr)
		}
	}()
	if err := tx.QueryRowContext(ctx, headColumns+` WHERE project = $1`, project).Scan(headFields(&h)...); err != nil {
		return Head{}, fmt.Errorf("follow %s: %w", project, notFound(err))
	}
	if from := since(h); from < h.Rev {
		return h, blocks(ctx, tx, project, from, h.Rev, yield)
	}
	return h, nil
}
