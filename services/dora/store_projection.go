package dora

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

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
	rows, err := q.QueryContext(ctx, `SELECT key, body FROM block WHERE project = $1 AND rev > $2 AND rev <= $3 ORDER BY rev`, project, from, to)
	if err != nil {
		return fmt.Errorf("read the blocks of %s: %w", project, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var key string
	var body sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&key, &body); err != nil {
			return fmt.Errorf("read the blocks of %s: %w", project, err)
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

func (s *sqlStore) PutBlocks(ctx context.Context, l Lease, h Head, blocks blockSource) error {
	r := revision{store: s, lease: l, head: h, bodies: map[string][]byte{}}
	deleted, err := blocks(func(key string, body []byte) error { return r.put(ctx, key, body) })
	for i := 0; i < len(deleted) && err == nil; i++ {
		err = r.put(ctx, deleted[i], nil)
	}
	if err == nil {
		err = r.write(ctx, func(tx *sql.Tx) error { return putHead(ctx, tx, h) })
	}
	if err != nil {
		return fmt.Errorf("write revision %d of %s: %w", h.Rev, h.Project, err)
	}
	// What the revision replaced is of no use to any reader now. Should the
	// process end before this, the next revision of the key removes it.
	if h.Rev == 1 {
		return nil
	}
	for c := range slices.Chunk(r.written, dropRows) {
		took, err := s.paced(ctx, l, 0, func(tx *sql.Tx) error { return s.dropOld(ctx, tx, h, c) })
		if err != nil {
			return fmt.Errorf("drop what revision %d of %s replaced: %w", h.Rev, h.Project, err)
		}
		s.pace.yield(ctx, took)
	}
	return nil
}

// revision is one that is being written.
type revision struct {
	store   *sqlStore
	lease   Lease
	head    Head
	bodies  map[string][]byte // of the next transaction
	size    int
	written []string
}

// put takes a block, and writes those before it when they fill a transaction.
func (r *revision) put(ctx context.Context, key string, body []byte) error {
	if len(r.bodies) > 0 && (r.size+len(body) > r.store.pace.chunk() || len(r.bodies) == mostRows) {
		if err := r.write(ctx, func(*sql.Tx) error { return nil }); err != nil {
			return err
		}
	}
	r.bodies[key] = body
	r.size += len(body)
	return nil
}

// write writes what is there in one transaction, and then what last does.
func (r *revision) write(ctx context.Context, last func(tx *sql.Tx) error) error {
	keys := slices.Sorted(maps.Keys(r.bodies))
	took, err := r.store.paced(ctx, r.lease, r.size, func(tx *sql.Tx) error {
		if err := r.store.putChunk(ctx, tx, r.head, keys, r.bodies); err != nil {
			return err
		}
		return last(tx)
	})
	r.written = append(r.written, keys...)
	clear(r.bodies)
	r.size = 0
	r.store.pace.yield(ctx, took)
	return err
}

// paced is fenced for one part of a longer writing: it measures how long the
// database was held.
func (s *sqlStore) paced(ctx context.Context, l Lease, bytes int, fn func(*sql.Tx) error) (took time.Duration, err error) {
	var begin time.Time
	err = s.fenced(ctx, l, func(tx *sql.Tx) error {
		begin = time.Now() //nolint:forbidigo // it measures, and not the wait for the lock
		return fn(tx)
	})
	if err != nil {
		return 0, err
	}
	took = time.Since(begin)
	s.pace.wrote(bytes, took)
	return took, nil
}

func (s *sqlStore) putChunk(ctx context.Context, tx *sql.Tx, h Head, keys []string, bodies map[string][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	const conflict = ` ON CONFLICT (project, key, rev) DO UPDATE SET body = excluded.body`
	if s.db.Engine == sqlstore.Postgres {
		values := make([][]byte, len(keys))
		for i, k := range keys {
			values[i] = bodies[k]
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO block (project, key, rev, body)
			SELECT $1, b.key, $2, b.body FROM unnest($3::text[], $4::bytea[]) AS b(key, body)`+conflict, h.Project, h.Rev, keys, values)
		return err
	}
	put, err := tx.PrepareContext(ctx, `INSERT INTO block (project, key, rev, body) VALUES ($1, $2, $3, $4)`+conflict)
	if err != nil {
		return err
	}
	defer put.Close() //nolint:errcheck // ends with the transaction
	for _, k := range keys {
		if _, err := put.ExecContext(ctx, h.Project, k, h.Rev, bodies[k]); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqlStore) dropOld(ctx context.Context, tx *sql.Tx, h Head, keys []string) error {
	if s.db.Engine == sqlstore.Postgres {
		_, err := tx.ExecContext(ctx, `DELETE FROM block WHERE project = $1 AND rev < $2 AND key = ANY($3::text[])`, h.Project, h.Rev, keys)
		return err
	}
	drop, err := tx.PrepareContext(ctx, `DELETE FROM block WHERE project = $1 AND key = $2 AND rev < $3`)
	if err != nil {
		return err
	}
	defer drop.Close() //nolint:errcheck // ends with the transaction
	for _, k := range keys {
		if _, err := drop.ExecContext(ctx, h.Project, k, h.Rev); err != nil {
			return err
		}
	}
	return nil
}

func putHead(ctx context.Context, tx *sql.Tx, h Head) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO head (project, rev, seq, began, spec_version, origins, format, settled_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (project) DO UPDATE SET rev = excluded.rev, seq = excluded.seq, began = excluded.began, spec_version = excluded.spec_version,
		origins = excluded.origins, format = excluded.format, settled_at = excluded.settled_at`,
		h.Project, h.Rev, h.Seq, h.Began, h.SpecVersion, h.Origins, h.Format, int64(h.SettledAt)); err != nil {
		return fmt.Errorf("move the head: %w", err)
	}
	return nil
}

func (s *sqlStore) DropProjection(ctx context.Context, l Lease) error {
	err := s.fenced(ctx, l, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM head WHERE project = $1`, l.Project)
		return err
	})
	if err == nil {
		err = s.dropUnfinished(ctx, l)
	}
	if err != nil {
		return fmt.Errorf("drop the projection of %s: %w", l.Project, err)
	}
	return nil
}

// dropUnfinished removes the blocks that no head speaks for, some at a time.
func (s *sqlStore) dropUnfinished(ctx context.Context, l Lease) error {
	beyond := ` project = $1 AND rev > coalesce((SELECT h.rev FROM head AS h WHERE h.project = $1), 0)`
	row := "rowid"
	if s.db.Engine == sqlstore.Postgres {
		row = "ctid"
	}
	for {
		var some bool
		if err := s.db.Read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM block WHERE`+beyond+`)`, l.Project).Scan(&some); err != nil {
			return fmt.Errorf("look for unfinished blocks: %w", err)
		}
		if !some {
			return nil
		}
		took, err := s.paced(ctx, l, 0, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `DELETE FROM block WHERE `+row+` IN (SELECT `+row+` FROM block WHERE`+beyond+` LIMIT $2)`, l.Project, mostRows/4)
			return err
		})
		if err != nil {
			return fmt.Errorf("drop unfinished blocks: %w", err)
		}
		s.pace.yield(ctx, took)
	}
}
