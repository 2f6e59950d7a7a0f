package dora

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// sqlStore is the Store on SQLite and PostgreSQL.
type sqlStore struct {
	db    *sqlstore.DB
	pace  pace
	sweep atomic.Bool // replicas that the file knows have ended

	mu      sync.RWMutex
	origins map[Origin]int64  // by Origin without its ID
	signs   map[string]sign   // of other replicas, by their ids
	inserts map[int]*sql.Stmt // on SQLite, by how many events each inserts
}

// NewStore makes a Store on a migrated database.
func NewStore(db *sqlstore.DB) Store {
	return &sqlStore{db: db, origins: map[Origin]int64{}, signs: map[string]sign{}, inserts: map[int]*sql.Stmt{}}
}

// insertRows is the most events that one statement carries on SQLite.
const insertRows = 64

// appendLock is the key of PostgreSQL's advisory lock under which events get
// their numbers: it makes the order of numbers the order of commits, so that a
// reader of the log who has seen number n will never find a smaller one later.
const appendLock = 0x6677_6b64_6f72_6131

func (s *sqlStore) Append(ctx context.Context, records []Record) ([]bool, error) {
	if len(records) == 0 {
		return nil, nil
	}
	ids, err := s.originIDs(ctx, records)
	if err != nil {
		return nil, err
	}
	defer s.pace.storing()()
	stored := make(map[event.Key]bool, len(records))
	begin := time.Now() //nolint:forbidigo // it measures
	if s.db.Engine == sqlstore.Postgres {
		err = s.appendPostgres(ctx, records, ids, stored)
	} else {
		err = s.appendSQLite(ctx, records, ids, stored, &begin)
	}
	if err != nil {
		return nil, fmt.Errorf("append to the event log: %w", err)
	}
	s.pace.measured("events", time.Since(begin))
	out := make([]bool, len(records))
	for i, r := range records {
		out[i] = stored[r.Key]
		delete(stored, r.Key) // the same key twice in one call: the first counts
	}
	return out, nil
}

func (s *sqlStore) appendSQLite(ctx context.Context, records []Record, ids []int64, stored map[event.Key]bool, begin *time.Time) error {
	inserts, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		clear(stored)
		*begin = time.Now() //nolint:forbidigo // it measures, and not the wait for the lock
		return insertAll(ctx, tx, inserts, records, ids, stored)
	})
}

// insertAll inserts by statements that stay prepared on the one connection
// that writes: each carries a power of two of events, so that there are few.
func insertAll(ctx context.Context, tx *sql.Tx, inserts map[int]*sql.Stmt, records []Record, ids []int64, stored map[event.Key]bool) error {
	args := make([]any, 0, 6*min(insertRows, len(records)))
	for n := insertRows; len(records) > 0; n /= 2 {
		if n > len(records) {
			continue
		}
		insert := tx.StmtContext(ctx, inserts[n]) //nolint:sqlclosecheck // ends with the transaction
		for len(records) >= n {
			args = args[:0]
			for i, r := range records[:n] {
				args = append(args, r.Key[:], ids[i], int64(r.At), int64(r.ReceivedAt), r.Entity, r.Body)
			}
			rows, err := insert.QueryContext(ctx, args...)
			if err != nil {
				return err
			}
			if err := readKeys(rows, stored); err != nil {
				return err
			}
			records, ids = records[n:], ids[n:]
		}
	}
	return nil
}

// prepare makes the statements that insert, once. It must not be called inside a
// transaction, which holds the connection that it needs.
func (s *sqlStore) prepare(ctx context.Context) (map[int]*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := insertRows; n > 0; n /= 2 {
		if s.inserts[n] != nil {
			continue
		}
		st, err := s.db.Write.PrepareContext(ctx, insertEvents(n)) //nolint:sqlclosecheck // kept as long as the database
		if err != nil {
			return nil, err
		}
		s.inserts[n] = st
	}
	return s.inserts, nil
}

func insertEvents(n int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO event (key, origin, at, received_at, entity, body) VALUES ")
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("(?,?,?,?,?,?)")
	}
	b.WriteString(" ON CONFLICT (key) DO NOTHING RETURNING key")
	return b.String()
}

// appendPostgres is one statement, so that its commit needs no further round
// trip; the lock is taken before the first number is drawn.
func (s *sqlStore) appendPostgres(ctx context.Context, records []Record, ids []int64, stored map[event.Key]bool) error {
	keys, bodies := make([][]byte, len(records)), make([][]byte, len(records))
	at, received, entities := make([]int64, len(records)), make([]int64, len(records)), make([]int64, len(records))
	for i, r := range records {
		keys[i], bodies[i], at[i], received[i], entities[i] = r.Key[:], r.Body, int64(r.At), int64(r.ReceivedAt), r.Entity
	}
	rows, err := s.db.Write.QueryContext(ctx, `
		WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock($1))
		INSERT INTO event (key, origin, at, received_at, entity, body)
		SELECT e.key, e.origin, e.at, e.received_at, e.entity, e.body
		FROM held, unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[]) AS e(key, origin, at, received_at, entity, body)
		ON CONFLICT (key) DO NOTHING RETURNING key`, int64(appendLock), keys, ids, at, received, entities, bodies)
	if err != nil {
		return err
	}
	return readKeys(rows, stored)
}

func readKeys(rows *sql.Rows, into map[event.Key]bool) error {
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var raw sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&raw); err != nil {
			return err
		}
		into[event.Key(raw)] = true
	}
	return rows.Err()
}

// originIDs finds the ids of the records' origins, making those that are new.
func (s *sqlStore) originIDs(ctx context.Context, records []Record) ([]int64, error) {
	ids := make([]int64, len(records))
	var missing []int
	s.mu.RLock()
	for i, r := range records {
		id, ok := s.origins[r.Origin]
		if !ok {
			missing = append(missing, i)
		}
		ids[i] = id
	}
	s.mu.RUnlock()
	for _, i := range missing {
		o := records[i].Origin
		s.mu.RLock()
		id, ok := s.origins[o]
		s.mu.RUnlock()
		if !ok {
			var err error
			if id, err = s.makeOrigin(ctx, o); err != nil {
				return nil, fmt.Errorf("make the origin of an event: %w", err)
			}
			s.mu.Lock()
			s.origins[o] = id
			s.mu.Unlock()
		}
		ids[i] = id
	}
	return ids, nil
}

func (s *sqlStore) makeOrigin(ctx context.Context, o Origin) (id int64, err error) {
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO origin (project, source, type, repo, service) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT DO NOTHING`, o.Project, o.Source, string(o.Type), o.Repo, o.Service); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT id FROM origin WHERE project = $1 AND source = $2 AND type = $3 AND repo = $4 AND service = $5`,
			o.Project, o.Source, string(o.Type), o.Repo, o.Service).Scan(&id)
	})
	return id, err
}

func (s *sqlStore) Origins(ctx context.Context) ([]Origin, error) {
	// An origin is made before the first of its events, which may then not come.
	// It must claim nothing: one look into the index tells.
	rows, err := s.db.Read.QueryContext(ctx, `SELECT id, project, source, type, repo, service FROM origin AS o
		WHERE (SELECT e.seq FROM event AS e WHERE e.origin = o.id LIMIT 1) IS NOT NULL ORDER BY id`)
	return collect(rows, err, "list origins", func(o *Origin) []any {
		return []any{&o.ID, &o.Project, &o.Source, (*string)(&o.Type), &o.Repo, &o.Service}
	})
}

func (s *sqlStore) LogHead(ctx context.Context) (int64, error) {
	var seq sql.NullInt64
	if err := s.db.Read.QueryRowContext(ctx, `SELECT max(seq) FROM event`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("read the head of the log: %w", err)
	}
	return seq.Int64, nil
}

func (s *sqlStore) Marks(ctx context.Context) (p progress, err error) {
	if err := s.db.Read.QueryRowContext(ctx, `SELECT coalesce((SELECT max(seq) FROM event), 0),
		coalesce((SELECT seq FROM checkpoint WHERE name = 'declarations'), 0)`).Scan(&p.seq, &p.declared); err != nil {
		return progress{}, fmt.Errorf("read the head of the log: %w", err)
	}
	return p, nil
}

func (s *sqlStore) Newest(ctx context.Context) (map[int64]int64, error) {
	// One look into the index for each origin.
	rows, err := s.db.Read.QueryContext(ctx, `SELECT o.id, coalesce((SELECT max(e.seq) FROM event AS e WHERE e.origin = o.id), 0) FROM origin AS o`)
	all, err := collect(rows, err, "read the last events of origins", func(v *[2]int64) []any { return []any{&v[0], &v[1]} })
	out := make(map[int64]int64, len(all))
	for _, v := range all {
		if v[1] != 0 {
			out[v[0]] = v[1]
		}
	}
	return out, err
}

func (s *sqlStore) CountAfter(ctx context.Context, origins []int64, after int64) (n int64, err error) {
	for _, o := range origins {
		var more int64
		if err := s.db.Read.QueryRowContext(ctx, `SELECT count(*) FROM event WHERE origin = $1 AND seq > $2`, o, after).Scan(&more); err != nil {
			return 0, fmt.Errorf("count events: %w", err)
		}
		n += more
	}
	return n, nil
}

func (s *sqlStore) Events(ctx context.Context, after int64, limit int) ([]Entry, error) {
	rows, err := s.db.Read.QueryContext(ctx, `SELECT seq, key, origin, at, received_at, body FROM event WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read the event log: %w", err)
	}
	var out []Entry
	err = scanEntries(rows, func(e Entry) error {
		e.Body = append([]byte(nil), e.Body...)
		out = append(out, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the event log: %w", err)
	}
	return out, nil
}

// spanEvents is how many events one query reads of an origin, all of them before
// any is handed over: while a query is under way SQLite cannot begin its log
// again, and whoever is given the events takes time, or rests.
const spanEvents = 1024

func (s *sqlStore) EventsOf(ctx context.Context, origins []int64, upTo int64, yield func(Entry) error) error {
	var page logPage
	for _, o := range origins {
		for after, more := int64(0), true; more; {
			to, err := s.span(ctx, o, after, upTo)
			if err != nil {
				return fmt.Errorf("read the events of an origin: %w", err)
			}
			// Two columns: with SQLite every further one costs as much as the row.
			rows, err := s.db.Read.QueryContext(ctx, `SELECT at, body FROM event WHERE origin = $1 AND seq > $2 AND seq <= $3`, o, after, to)
			if err != nil {
				return fmt.Errorf("read the events of an origin: %w", err)
			}
			page.reset()
			if err := scanBodies(rows, o, func(e Entry) error { page.add(e); return nil }); err != nil {
				return fmt.Errorf("read the events of an origin: %w", err)
			}
			if err := page.each(func(origin int64, at event.Time, body []byte) error {
				return yield(Entry{Origin: origin, At: at, Body: body})
			}); err != nil {
				return err
			}
			after, more = to, to < upTo
		}
	}
	return nil
}

// span finds the number up to which one query reads: the index alone tells.
func (s *sqlStore) span(ctx context.Context, origin, after, upTo int64) (to int64, err error) {
	err = s.db.Read.QueryRowContext(ctx, `SELECT seq FROM event WHERE origin = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT 1 OFFSET $4`,
		origin, after, upTo, spanEvents-1).Scan(&to)
	if errors.Is(err, sql.ErrNoRows) {
		return upTo, nil
	}
	return to, err
}

// scanBodies yields entries with nothing but what they say and when; their Body
// is valid until the next one.
func scanBodies(rows *sql.Rows, origin int64, yield func(Entry) error) error {
	defer rows.Close() //nolint:errcheck // rows.Err tells
	e := Entry{Origin: origin}
	var body sql.RawBytes
	var at int64
	for rows.Next() {
		if err := rows.Scan(&at, &body); err != nil {
			return err
		}
		e.At, e.Body = event.Time(at), body
		if err := yield(e); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *sqlStore) EventsAbout(ctx context.Context, origins []int64, entity int64, limit int, yield func(Entry) error) error {
	for _, o := range origins {
		rows, err := s.db.Read.QueryContext(ctx, `SELECT seq, key, origin, at, received_at, body FROM event
			WHERE origin = $1 AND entity = $2 AND entity <> 0 ORDER BY seq DESC LIMIT $3`, o, entity, limit)
		if err != nil {
			return fmt.Errorf("read the events about an entity: %w", err)
		}
		if err := scanEntries(rows, yield); err != nil {
			return fmt.Errorf("read the events about an entity: %w", err)
		}
	}
	return nil
}

// scanEntries yields entries whose Body is valid until the next one.
func scanEntries(rows *sql.Rows, yield func(Entry) error) error {
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var e Entry
	var key, body sql.RawBytes
	var at, received int64
	for rows.Next() {
		if err := rows.Scan(&e.Seq, &key, &e.Origin, &at, &received, &body); err != nil {
			return err
		}
		e.Key, e.At, e.ReceivedAt, e.Body = event.Key(key), event.Time(at), event.Time(received), body
		if err := yield(e); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *sqlStore) Salt(ctx context.Context) (salt []byte, err error) {
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("draw a salt: %w", err)
	}
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO setting (name, value) VALUES ('salt', $1) ON CONFLICT DO NOTHING`, fresh); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT value FROM setting WHERE name = 'salt'`).Scan(&salt)
	})
	if err != nil {
		return nil, fmt.Errorf("read the salt: %w", err)
	}
	return salt, nil
}

// collect scans all rows, wrapping errors once with what was attempted.
func collect[T any](rows *sql.Rows, err error, what string, into func(*T) []any) ([]T, error) {
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var out []T
	for rows.Next() {
		var v T
		if err := rows.Scan(into(&v)...); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
