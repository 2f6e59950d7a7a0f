package relay

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// repos lists the connections that a project needs.
func (o *Outbox) repos(ctx context.Context, project string) ([]string, error) {
	rows, err := o.db.Read.QueryContext(ctx, `SELECT repo FROM relay_connection WHERE project = $1 ORDER BY repo`, project) //nolint:sqlclosecheck // each closes them
	if err != nil {
		return nil, fmt.Errorf("list the connections of %s: %w", project, err)
	}
	var out []string
	err = each(rows, func() error {
		var repo string
		if err := rows.Scan(&repo); err != nil {
			return err
		}
		out = append(out, repo)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the connections of %s: %w", project, err)
	}
	return out, nil
}

// missing reports whether a project lacks a connection.
func (o *Outbox) missing(ctx context.Context, project string) (bool, error) {
	var n int
	if err := o.db.Read.QueryRowContext(ctx, `SELECT count(*) FROM relay_connection WHERE project = $1 AND connection = 0`, project).Scan(&n); err != nil {
		return false, fmt.Errorf("look for missing connections of %s: %w", project, err)
	}
	return n > 0, nil
}

// connected notes the ids of a project's connections. What went to a connection
// that another one has replaced is sent again.
func (o *Outbox) connected(ctx context.Context, l lease, project string, repos []string, ids []uint64, now, until time.Time) error {
	err := o.holding(ctx, l, until, func(tx *sql.Tx) error {
		for i, repo := range repos {
			var was int64
			if err := tx.QueryRowContext(ctx, `SELECT connection FROM relay_connection WHERE project = $1 AND repo = $2`, project, repo).Scan(&was); err != nil {
				return err
			}
			if was == int64(ids[i]) {
				continue
			}
			if _, err := tx.ExecContext(ctx, `UPDATE relay_connection SET connection = $1 WHERE project = $2 AND repo = $3`, int64(ids[i]), project, repo); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE relay_item SET state = 'pending', sent_hash = '', since = $1, changed_at = $1, attempts = 0, next_at = $1
				WHERE project = $2 AND repo = $3 AND state = 'sent'`, sqlstore.Micros(now), project, repo); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE relay_item SET last_status = 0 WHERE project = $1 AND repo = $2 AND state = 'pending'`, project, repo); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `UPDATE relay_project SET set_up_at = $1, error = '' WHERE project = $2`, sqlstore.Micros(now), project)
		return err
	})
	if err != nil {
		return fmt.Errorf("note the connections of %s: %w", project, err)
	}
	return nil
}

// unconnected notes why a project could not be set up.
func (o *Outbox) unconnected(ctx context.Context, l lease, project, message string, until time.Time) error {
	err := o.holding(ctx, l, until, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE relay_project SET error = $1 WHERE project = $2 AND error <> $1`, message, project)
		return err
	})
	if err != nil {
		return fmt.Errorf("note the fault of setting up %s: %w", project, err)
	}
	return nil
}

// seen notes whether DevLake answered, and what was wrong.
func (o *Outbox) seen(ctx context.Context, l lease, reachable bool, message string, now, until time.Time) error {
	up, at := 0, int64(0)
	if reachable {
		up = 1
	}
	if message != "" {
		at = sqlstore.Micros(now)
	}
	err := o.holding(ctx, l, until, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE relay_state SET reachable = $1, checked_at = $2, error = $3, error_at = $4 WHERE name = 'relay'`,
			up, sqlstore.Micros(now), message, at)
		return err
	})
	if err != nil {
		return fmt.Errorf("note how DevLake is: %w", err)
	}
	return nil
}
