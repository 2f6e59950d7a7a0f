package dora

import (
	"context"
	"database/sql"
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
		alive, err = s.beatSQLite(ctx, replica)
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

// beatSQLite writes once: whoever shares a file with other processes is seen to
// be gone when the next one that opens the file is alone with it. A laptop at
// rest then writes nothing.
func (s *sqlStore) beatSQLite(ctx context.Context, replica string) ([]string, error) {
	read := func() ([]string, error) {
		rows, err := s.db.Read.QueryContext(ctx, `SELECT id FROM replica`)
		return collect(rows, err, "list replicas", func(id *string) []any { return []any{id} })
	}
	alive, err := read()
	if err != nil || slices.Contains(alive, replica) {
		return alive, err
	}
	if s.db.OpenedAlone() {
		s.sweep.Store(true)
	}
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		if s.sweep.Load() {
			if _, err := tx.ExecContext(ctx, `DELETE FROM replica`); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO replica (id, good_until) VALUES ($1, $2) ON CONFLICT DO NOTHING`, replica, int64(math.MaxInt64))
		return err
	})
	if err != nil {
		return nil, err
	}
	s.sweep.Store(false)
	return read()
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
			case notFound(err) == ErrNotFound:
				continue
			case err != nil:
				return err
			}
			// What a holder began and did not finish must not become part of the next revision.
			if _, err := tx.ExecContext(ctx, `DELETE FROM block WHERE project = $1
				AND rev > coalesce((SELECT h.rev FROM head AS h WHERE h.project = $1), 0)`, name); err != nil {
				return err
			}
			got = append(got, l)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim projects: %w", err)
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
