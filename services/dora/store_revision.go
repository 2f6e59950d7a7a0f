package dora

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

func (s *sqlStore) PutBlocks(ctx context.Context, l Lease, h Head, blocks blockSource) error {
	r := revision{store: s, lease: l, head: h}
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
		if err := s.dropParts(ctx, l, h, c); err != nil {
			return fmt.Errorf("drop what revision %d of %s replaced: %w", h.Rev, h.Project, err)
		}
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
	next    []piece // of the next transaction
	size    int
	written []string
}

// piece is a block or a part of one.
type piece struct {
	key   string
	part  int // 0 for the first, or only
	parts int // of the first: how many others there are
	body  []byte
}

// put takes a block, and writes those before it when they fill a transaction. A
// large one is cut; its first piece comes last, and says how many there are.
func (r *revision) put(ctx context.Context, key string, body []byte) error {
	r.written = append(r.written, key)
	first, parts := body, 0
	if len(body) > partBytes {
		first = body[:partBytes]
		for rest := range slices.Chunk(body[partBytes:], partBytes) {
			parts++
			if err := r.add(ctx, piece{key: key, part: parts, body: rest}); err != nil {
				return err
			}
		}
	}
	return r.add(ctx, piece{key: key, parts: parts, body: first})
}

func (r *revision) add(ctx context.Context, p piece) error {
	if len(r.next) > 0 && (r.size+len(p.body) > r.store.pace.chunk() || len(r.next) == mostRows) {
		if err := r.write(ctx, func(*sql.Tx) error { return nil }); err != nil {
			return err
		}
	}
	r.next = append(r.next, p)
	r.size += len(p.body)
	return nil
}

// write writes what is there in one transaction, and then what last does.
func (r *revision) write(ctx context.Context, last func(tx *sql.Tx) error) error {
	slices.SortFunc(r.next, func(a, b piece) int { // those of block first
		return cmp.Or(cmp.Compare(min(a.part, 1), min(b.part, 1)), cmp.Compare(a.key, b.key), cmp.Compare(a.part, b.part))
	})
	took, err := r.store.paced(ctx, r.lease, r.size, func(tx *sql.Tx) error {
		if err := r.store.putPieces(ctx, tx, r.head, r.next); err != nil {
			return err
		}
		return last(tx)
	})
	clear(r.next)
	r.next, r.size = r.next[:0], 0
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

// putPieces writes pieces, of which those of block come first.
func (s *sqlStore) putPieces(ctx context.Context, tx *sql.Tx, h Head, all []piece) error {
	first := slices.IndexFunc(all, func(p piece) bool { return p.part > 0 })
	if first < 0 {
		first = len(all)
	}
	if err := s.putInto(ctx, tx, "block", "project, key, rev", "parts", h, all[:first]); err != nil {
		return err
	}
	return s.putInto(ctx, tx, "block_part", "project, key, rev, part", "part", h, all[first:])
}

// putInto writes pieces into a table; number is the column of which part they are,
// or how many parts there are.
func (s *sqlStore) putInto(ctx context.Context, tx *sql.Tx, table, unique, number string, h Head, all []piece) error {
	if len(all) == 0 {
		return nil
	}
	into := `INSERT INTO ` + table + ` (project, rev, key, ` + number + `, body) `
	conflict := ` ON CONFLICT (` + unique + `) DO UPDATE SET ` + number + ` = excluded.` + number + `, body = excluded.body`
	if s.db.Engine == sqlstore.Postgres {
		keys, numbers, bodies := make([]string, len(all)), make([]int64, len(all)), make([][]byte, len(all))
		for i, p := range all {
			keys[i], numbers[i], bodies[i] = p.key, int64(max(p.part, p.parts)), p.body
		}
		_, err := tx.ExecContext(ctx, into+`SELECT $1, $2, b.key, b.n, b.body FROM unnest($3::text[], $4::bigint[], $5::bytea[]) AS b(key, n, body)`+conflict,
			h.Project, h.Rev, keys, numbers, bodies)
		return err
	}
	put, err := tx.PrepareContext(ctx, into+`VALUES ($1, $2, $3, $4, $5)`+conflict)
	if err != nil {
		return err
	}
	defer put.Close() //nolint:errcheck // ends with the transaction
	for _, p := range all {
		if _, err := put.ExecContext(ctx, h.Project, h.Rev, p.key, max(p.part, p.parts), p.body); err != nil {
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
	for table, most := range map[string]int{"block_part": dropPieces, "block": mostRows / 4} {
		where := ` FROM ` + table + ` WHERE project = $1 AND rev > coalesce((SELECT h.rev FROM head AS h WHERE h.project = $1), 0)`
		if err := s.dropSome(ctx, l, table, where, most, l.Project); err != nil {
			return fmt.Errorf("drop unfinished blocks: %w", err)
		}
	}
	return nil
}

// dropSome removes the rows that where finds, at most so many in one transaction,
// until there are none.
func (s *sqlStore) dropSome(ctx context.Context, l Lease, table, where string, most int, args ...any) error {
	row := "rowid"
	if s.db.Engine == sqlstore.Postgres {
		row = "ctid"
	}
	for {
		var some bool
		if err := s.db.Read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1`+where+`)`, args...).Scan(&some); err != nil || !some {
			return err
		}
		took, err := s.paced(ctx, l, 0, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE `+row+` IN (SELECT `+row+where+` LIMIT `+strconv.Itoa(most)+`)`, args...)
			return err
		})
		if err != nil {
			return err
		}
		s.pace.yield(ctx, took)
	}
}
