package dora

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// fenced runs fn in a write transaction in which the lease has its holder: it is
// locked, so that nobody else becomes that before the transaction has ended.
func (s *sqlStore) fenced(ctx context.Context, l Lease, fn func(*sql.Tx) error) error {
	query := `SELECT count(*) FROM (SELECT 1 FROM lease WHERE project = $1 AND holder = $2 AND epoch = $3`
	if s.db.Engine == sqlstore.Postgres {
		query += ` FOR SHARE`
	}
	query += `) AS held`
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		var held int
		if err := tx.QueryRowContext(ctx, query, l.Project, l.Holder, l.Epoch).Scan(&held); err != nil {
			return fmt.Errorf("check the lease of %s: %w", l.Project, err)
		}
		if held == 0 {
			return errFenced
		}
		return fn(tx)
	})
}

// postgresNow is the database's time in microseconds.
const postgresNow = `(extract(epoch FROM clock_timestamp()) * 1000000)::bigint`

func (s *sqlStore) Beat(ctx context.Context, replica string, good time.Duration) ([]string, error) {
	var alive []string
	var err error
	if s.db.Engine == sqlstore.Postgres {
		alive, err = s.beatPostgres(ctx, replica, good)
	} else {
		alive, err = s.beatSQLite(ctx, replica, good)
	}
	if err != nil {
		return nil, fmt.Errorf("give a sign of life: %w", err)
	}
	slices.Sort(alive)
	return alive, nil
}

func (s *sqlStore) beatPostgres(ctx context.Context, replica string, good time.Duration) (alive []string, err error) {
	rows, err := s.db.Write.QueryContext(ctx, `WITH me AS (
			INSERT INTO replica (id, good_until) VALUES ($1, `+postgresNow+` + $2)
			ON CONFLICT (id) DO UPDATE SET good_until = excluded.good_until RETURNING id
		), gone AS (
			DELETE FROM replica WHERE id <> $1 AND good_until < `+postgresNow+` - 60000000
		)
		SELECT id FROM me UNION SELECT id FROM replica WHERE good_until > `+postgresNow, replica, good.Microseconds())
	return collect(rows, err, "", func(id *string) []any { return []any{id} })
}

// beatSQLite writes once while the replica is alone, so that a laptop at rest
// writes nothing. Beside others each says when it was last there; one that stops
// doing so is gone. Of those who were there before this process opened the file,
// alone, none is.
func (s *sqlStore) beatSQLite(ctx context.Context, replica string, good time.Duration) ([]string, error) {
	if s.db.OpenedAlone() {
		s.sweep.Store(true)
	}
	rows, err := s.db.Read.QueryContext(ctx, `SELECT id, good_until FROM replica`)
	seen, err := collect(rows, err, "list replicas", func(r *sign) []any { return []any{&r.replica, &r.until} })
	if err != nil {
		return nil, err
	}
	if len(seen) == 1 && seen[0].replica == replica {
		return []string{replica}, nil
	}
	alive, gone := []string{replica}, []string(nil)
	for _, r := range seen {
		switch {
		case r.replica == replica:
		case s.sweep.Load() || s.silent(r) > 2*good:
			gone = append(gone, r.replica)
		default:
			alive = append(alive, r.replica)
		}
	}
	until := int64(math.MaxInt64)
	if len(alive) > 1 {
		until = time.Now().Add(good).UnixMicro() //nolint:forbidigo // the machine's own time: an injected clock may stand still
	}
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, id := range gone {
			if _, err := tx.ExecContext(ctx, `DELETE FROM replica WHERE id = $1`, id); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO replica (id, good_until) VALUES ($1, $2)
			ON CONFLICT (id) DO UPDATE SET good_until = excluded.good_until`, replica, until)
		return err
	})
	if err == nil {
		s.sweep.Store(false)
	}
	return alive, err
}

// sign is a replica's sign of life, and since when it has been the same.
type sign struct {
	replica string
	until   int64
	since   time.Time
}

// silent is how long another replica's sign of life has been the same.
func (s *sqlStore) silent(r sign) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, known := s.signs[r.replica]; known && was.until == r.until {
		return time.Since(was.since)
	}
	r.since = time.Now() //nolint:forbidigo // the machine's own time: an injected clock may stand still
	s.signs[r.replica] = r
	return 0
}

func (s *sqlStore) Leave(ctx context.Context, replica string) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE lease SET holder = '' WHERE holder = $1`, replica); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM replica WHERE id = $1`, replica)
		return err
	})
	if err != nil {
		return fmt.Errorf("return the leases: %w", err)
	}
	return nil
}

func (s *sqlStore) Leases(ctx context.Context) ([]Lease, error) {
	rows, err := s.db.Read.QueryContext(ctx, `SELECT project, holder, epoch FROM lease WHERE holder <> '' ORDER BY project`)
	return collect(rows, err, "list leases", func(l *Lease) []any { return []any{&l.Project, &l.Holder, &l.Epoch} })
}

func (s *sqlStore) Claim(ctx context.Context, replica string, projects []string, force bool) ([]Lease, error) {
	now := postgresNow
	if s.db.Engine == sqlstore.SQLite {
		now = `CAST(unixepoch('subsec') * 1000000 AS INTEGER)`
	}
	var got []Lease
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		got = nil
		for _, name := range slices.Sorted(slices.Values(projects)) { // in one order, so that two replicas do not wait for each other
			l := Lease{Project: name, Holder: replica}
			err := tx.QueryRowContext(ctx, `INSERT INTO lease (project, holder, epoch) VALUES ($1, $2, 1)
				ON CONFLICT (project) DO UPDATE SET holder = excluded.holder, epoch = lease.epoch + 1
				WHERE $3 OR lease.holder IN ('', excluded.holder)
				OR NOT EXISTS (SELECT 1 FROM replica AS r WHERE r.id = lease.holder AND r.good_until > `+now+`) RETURNING epoch`,
				name, replica, force).Scan(&l.Epoch)
			switch {
			case errors.Is(notFound(err), ErrNotFound):
				continue
			case err != nil:
				return err
			}
			got = append(got, l)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim projects: %w", err)
	}
	// What a holder began and did not finish must not become part of the next revision.
	for _, l := range got {
		if err := s.dropUnfinished(ctx, l); err != nil && !errors.Is(err, errFenced) {
			return nil, err
		}
	}
	return got, nil
}

func (s *sqlStore) Release(ctx context.Context, leases []Lease) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, l := range leases {
			if _, err := tx.ExecContext(ctx, `UPDATE lease SET holder = '' WHERE project = $1 AND holder = $2 AND epoch = $3`, l.Project, l.Holder, l.Epoch); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("release projects: %w", err)
	}
	return nil
}
