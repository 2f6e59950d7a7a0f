package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora/devlake"
)

// States of an item.
const (
	statePending   = "pending"
	stateSent      = "sent"
	stateDead      = "dead"
	stateDiscarded = "discarded"
)

// Outbox keeps what is to be sent, on SQLite and PostgreSQL.
type Outbox struct{ db *sqlstore.DB }

// NewOutbox makes an Outbox on the service's migrated database.
func NewOutbox(db *sqlstore.DB) *Outbox { return &Outbox{db} }

// errLost says that another process holds the relay now.
var errLost = errors.New("another process has taken the relay over")

// lease is the right to run the relay.
type lease struct {
	holder string
	fence  int64
}

// forUpdate locks the rows that a statement reads, where the engine does not
// lock the database.
func (o *Outbox) forUpdate(skip bool) string {
	switch {
	case o.db.Engine != sqlstore.Postgres:
		return ""
	case skip:
		return " FOR UPDATE SKIP LOCKED"
	}
	return " FOR UPDATE"
}

// acquire takes the lease, or renews it, when nobody else has it. A new holder
// gets a greater fence. Where the former holder is known to have ended (orphaned),
// its lease and its claims end with it. When the DevLake is another one than
// before, all that was sent to that one is to be sent again.
func (o *Outbox) acquire(ctx context.Context, holder, target string, orphaned bool, now, until time.Time) (l lease, held bool, err error) {
	err = o.db.Tx(ctx, func(tx *sql.Tx) error {
		l, held = lease{holder: holder}, false
		if _, err := tx.ExecContext(ctx, `INSERT INTO relay_state (name, holder, fence, until, target, reachable, checked_at, sent_at, error, error_at)
			VALUES ('relay', '', 0, 0, '', -1, 0, 0, '', 0) ON CONFLICT DO NOTHING`); err != nil {
			return err
		}
		var was, to string
		var ends int64
		if err := tx.QueryRowContext(ctx, `SELECT holder, fence, until, target FROM relay_state WHERE name = 'relay'`+o.forUpdate(false)).
			Scan(&was, &l.fence, &ends, &to); err != nil {
			return err
		}
		if was != holder {
			if ends > sqlstore.Micros(now) && !orphaned {
				return nil
			}
			l.fence++
			if orphaned {
				if _, err := tx.ExecContext(ctx, `UPDATE relay_item SET until = 0 WHERE state = 'pending' AND until > 0`); err != nil {
					return err
				}
			}
		}
		held = true
		if to != target {
			if err := retarget(ctx, tx, sqlstore.Micros(now)); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `UPDATE relay_state SET holder = $1, fence = $2, until = $3, target = $4 WHERE name = 'relay'`,
			holder, l.fence, sqlstore.Micros(until), target)
		return err
	})
	if err != nil {
		return lease{}, false, fmt.Errorf("take the relay's lease: %w", err)
	}
	return l, held, nil
}

func retarget(ctx context.Context, tx *sql.Tx, now int64) error {
	for _, q := range []string{
		`UPDATE relay_connection SET connection = 0`,
		`UPDATE relay_project SET set_up_at = 0, error = ''`,
		`UPDATE relay_state SET reachable = -1, checked_at = 0, error = '', error_at = 0`,
	} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE relay_item SET state = 'pending', sent_hash = '', doubt = '', attempts = 0, since = $1, changed_at = $1, next_at = $1,
		last_status = 0, last_error = '' WHERE state IN ('sent', 'dead')`, now)
	return err
}

// release gives the lease back, so that another process need not wait for it to
// run out.
func (o *Outbox) release(ctx context.Context, l lease) error {
	return o.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE relay_state SET holder = '', until = 0 WHERE name = 'relay' AND holder = $1 AND fence = $2`, l.holder, l.fence)
		return err
	})
}

// holding runs fn in a transaction in which the lease cannot change hands.
func (o *Outbox) holding(ctx context.Context, l lease, until time.Time, fn func(*sql.Tx) error) error {
	return o.db.Tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE relay_state SET until = $1 WHERE name = 'relay' AND holder = $2 AND fence = $3`,
			sqlstore.Micros(until), l.holder, l.fence)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return errLost
		}
		return fn(tx)
	})
}

// mark is how far a project's history is in the outbox.
type mark struct {
	project    string
	began, rev int64
	waiting    string // JSON: reason to number
	recheckAt  int64
}

func (o *Outbox) marks(ctx context.Context) (map[string]mark, error) {
	rows, err := o.db.Read.QueryContext(ctx, `SELECT project, began, rev, waiting, recheck_at FROM relay_project`)
	if err != nil {
		return nil, fmt.Errorf("read how far the relay is: %w", err)
	}
	out := map[string]mark{}
	err = each(rows, func() error {
		var m mark
		if err := rows.Scan(&m.project, &m.began, &m.rev, &m.waiting, &m.recheckAt); err != nil {
			return err
		}
		out[m.project] = m
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read how far the relay is: %w", err)
	}
	return out, nil
}

// entityKey names an item of a project.
type entityKey struct{ kind, entity string }

// hashes reads what the outbox holds of a project.
func (o *Outbox) hashes(ctx context.Context, project string) (map[entityKey]string, error) {
	rows, err := o.db.Read.QueryContext(ctx, `SELECT kind, entity, hash FROM relay_item WHERE project = $1`, project)
	if err != nil {
		return nil, fmt.Errorf("read the outbox of %s: %w", project, err)
	}
	out := map[entityKey]string{}
	err = each(rows, func() error {
		var k entityKey
		var hash string
		if err := rows.Scan(&k.kind, &k.entity, &hash); err != nil {
			return err
		}
		out[k] = hash
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the outbox of %s: %w", project, err)
	}
	return out, nil
}

func each(rows *sql.Rows, scan func() error) error {
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		if err := scan(); err != nil {
			return err
		}
	}
	return rows.Err()
}

const upsertItem = `INSERT INTO relay_item (project, kind, entity, repo, path, body, hash, state, since, changed_at, attempts, next_at, fence, until, doubt, sent_hash, sent_at, last_status, last_error)
	VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $8, 0, $8, 0, 0, '', '', 0, 0, '')
	ON CONFLICT (project, kind, entity) DO UPDATE SET repo = excluded.repo, path = excluded.path, body = excluded.body, hash = excluded.hash,
		state = CASE WHEN relay_item.sent_hash = excluded.hash AND relay_item.doubt = '' THEN 'sent' ELSE 'pending' END,
		since = CASE WHEN relay_item.state = 'pending' THEN relay_item.since ELSE excluded.since END,
		changed_at = excluded.changed_at, attempts = 0, next_at = excluded.next_at, last_status = 0, last_error = ''
	WHERE relay_item.hash <> excluded.hash`

// put writes entities to the outbox; the connections of their repositories come
// with them.
func (o *Outbox) put(ctx context.Context, l lease, project string, items []devlake.Outgoing, now, until time.Time) error {
	err := o.holding(ctx, l, until, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, upsertItem)
		if err != nil {
			return err
		}
		defer insert.Close() //nolint:errcheck // ends with the transaction
		repos := map[string]bool{}
		for _, i := range items {
			if _, err := insert.ExecContext(ctx, project, i.Kind, i.Entity, i.Repo, i.Path, string(i.Body), i.Hash(), sqlstore.Micros(now)); err != nil {
				return err
			}
			repos[i.Repo] = true
		}
		for repo := range repos {
			if _, err := tx.ExecContext(ctx, `INSERT INTO relay_connection (project, repo, connection) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING`, project, repo); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write to the outbox of %s: %w", project, err)
	}
	return nil
}

// moved notes that the outbox holds a revision. Entities that are gone and of
// which DevLake never heard are forgotten.
func (o *Outbox) moved(ctx context.Context, l lease, m mark, gone []entityKey, until time.Time) error {
	err := o.holding(ctx, l, until, func(tx *sql.Tx) error {
		for _, k := range gone {
			if _, err := tx.ExecContext(ctx, `DELETE FROM relay_item WHERE project = $1 AND kind = $2 AND entity = $3
				AND state <> 'sent' AND sent_hash = '' AND doubt = ''`, m.project, k.kind, k.entity); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO relay_connection (project, repo, connection) VALUES ($1, '', 0) ON CONFLICT DO NOTHING`, m.project); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO relay_project (project, began, rev, waiting, recheck_at, set_up_at, error) VALUES ($1, $2, $3, $4, $5, 0, '')
			ON CONFLICT (project) DO UPDATE SET began = excluded.began, rev = excluded.rev, waiting = excluded.waiting, recheck_at = excluded.recheck_at`,
			m.project, m.began, m.rev, m.waiting, m.recheckAt)
		return err
	})
	if err != nil {
		return fmt.Errorf("note how far the outbox of %s is: %w", m.project, err)
	}
	return nil
}

// item is what was claimed, to be sent.
type item struct {
	id                    int64
	project, kind, entity string
	path, body, hash      string
	connection            int64
	attempts, lastStatus  int
	changedAt             int64
	overtaken             bool // another body of it may still arrive
	repeated              bool // the same body of it may still arrive
	fence                 int64
}

// The column doubt says which requests about an entity may still be on their way,
// because nobody knows their outcome:
//
//	''       none
//	HASH     one with that body
//	+HASH    several with that body
//	*        some with different bodies
//	!HASH    some with that body, which DevLake accepted at sent_at from a later one
//	!*       some with different bodies, and DevLake accepted the last one at sent_at
//
// What begins with ! is believed to be over a while after sent_at.

// claim takes items that are due, for whoever holds the lease. Nobody else sends
// them until then, or until they are finished. Requests are believed to have
// ended where a later one was accepted before over.
func (o *Outbox) claim(ctx context.Context, l lease, fence int64, projects []string, limit int, over, now, until, leased time.Time) ([]item, error) {
	if len(projects) == 0 {
		return nil, nil
	}
	args := []any{fence, sqlstore.Micros(until), sqlstore.Micros(now), limit, sqlstore.Micros(over)}
	var in strings.Builder
	for i, p := range projects {
		if i > 0 {
			in.WriteByte(',')
		}
		args = append(args, p)
		fmt.Fprintf(&in, "$%d", len(args))
	}
	query := `UPDATE relay_item SET fence = $1, until = $2, attempts = attempts + 1, doubt = CASE
			WHEN doubt = '' OR doubt LIKE '!%' AND sent_at <= $5 THEN hash
			WHEN doubt IN (hash, '+' || hash, '!' || hash) THEN '+' || hash ELSE '*' END
		WHERE id IN (SELECT id FROM relay_item WHERE state = 'pending' AND next_at <= $3 AND until <= $3 AND project IN (` + in.String() + `)
			AND EXISTS (SELECT 1 FROM relay_connection AS k WHERE k.project = relay_item.project AND k.repo = relay_item.repo AND k.connection <> 0)
			ORDER BY next_at, id LIMIT $4` + o.forUpdate(true) + `)
		RETURNING id, project, kind, entity, path, body, hash, attempts, last_status, changed_at, doubt,
			(SELECT c.connection FROM relay_connection AS c WHERE c.project = relay_item.project AND c.repo = relay_item.repo)`
	var out []item
	err := o.holding(ctx, l, leased, func(tx *sql.Tx) error {
		out = nil
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var i item
			var doubt string
			if err := rows.Scan(&i.id, &i.project, &i.kind, &i.entity, &i.path, &i.body, &i.hash, &i.attempts, &i.lastStatus, &i.changedAt, &doubt, &i.connection); err != nil {
				return err
			}
			i.overtaken, i.repeated, i.fence = doubt == "*", doubt == "+"+i.hash, fence
			out = append(out, i)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("claim items of the outbox: %w", err)
	}
	return out, nil
}

// delivered notes that DevLake accepted a body. Should the entity have changed
// meanwhile, it stays pending; should an older body of it still be on its way,
// it is sent once more at confirm.
func (o *Outbox) delivered(ctx context.Context, i item, now, confirm time.Time) error {
	next, again, doubt := now, 0, ""
	switch {
	case i.overtaken:
		next, again, doubt = confirm, 1, "!*"
	case i.repeated:
		doubt = "!" + i.hash
	}
	return o.finish(ctx, i, `UPDATE relay_item SET state = CASE WHEN hash = $3 AND $5 = 0 THEN 'sent' ELSE 'pending' END,
		sent_hash = $3, sent_at = $4, doubt = $7, attempts = 0, until = 0, next_at = $6, last_status = 200, last_error = '' WHERE id = $1 AND fence = $2`,
		i.id, i.fence, i.hash, sqlstore.Micros(now), again, sqlstore.Micros(next), doubt)
}

// failed notes why an item was not accepted and when it is tried again; with
// dead set it is not, unless the entity has changed meanwhile.
func (o *Outbox) failed(ctx context.Context, i item, status int, message string, dead, counts bool, next time.Time) error {
	state := statePending
	if dead {
		state = stateDead
	}
	attempt := 1
	if counts {
		attempt = 0
	}
	return o.finish(ctx, i, `UPDATE relay_item SET state = CASE WHEN hash = $3 THEN $4 ELSE 'pending' END, until = 0, next_at = $5,
		last_status = $6, last_error = $7, attempts = CASE WHEN attempts > $8 THEN attempts - $8 ELSE 0 END WHERE id = $1 AND fence = $2`,
		i.id, i.fence, i.hash, state, sqlstore.Micros(next), status, message, attempt)
}

func (o *Outbox) finish(ctx context.Context, i item, query string, args ...any) error {
	err := o.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("note what became of %s %s: %w", i.kind, i.entity, err)
	}
	return nil
}
