package webhook

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// The states of a delivery.
const (
	Pending   = "pending"
	Delivered = "delivered"
	Dead      = "dead"
)

// Delivery is a message as lists show it, without its body and secret.
type Delivery struct {
	ID       int64
	Key      string
	Target   string
	Note     map[string]string
	State    string
	Attempts int
	Status   int    // of the last answer; 0 where there was none
	Error    string // why the last attempt failed
	Created  time.Time
	Next     time.Time // of a pending one: not before
	At       time.Time // when it was delivered; zero when it was not
}

// Filter narrows a list; zero values take everything.
type Filter struct {
	Target, State string
	Before        int64 // ids below it; 0: from the newest
	Limit         int   // default 100
}

const columns = `id, key, target, note, state, attempts, status, error, created_at, next_at, delivered_at`

// List gives deliveries from new to old; next is the Before of the following page, 0 on the last.
func (o *Outbox) List(ctx context.Context, f Filter) (items []Delivery, next int64, err error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	if f.Before <= 0 {
		f.Before = math.MaxInt64
	}
	rows, err := o.db.Read.QueryContext(ctx, `SELECT `+columns+` FROM outbox
		WHERE id < $1 AND ($2 = '' OR target = $2) AND ($3 = '' OR state = $3) ORDER BY id DESC LIMIT $4`, f.Before, f.Target, f.State, f.Limit+1)
	if err != nil {
		return nil, 0, fmt.Errorf("list deliveries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		d, err := scan(rows)
		if err != nil {
			return nil, 0, err
		}
		items = append(items, d)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("list deliveries: %w", err)
	}
	if len(items) > f.Limit {
		items = items[:f.Limit]
		next = items[f.Limit-1].ID
	}
	return items, next, nil
}

// Get is one delivery with the body that is sent.
func (o *Outbox) Get(ctx context.Context, id int64) (d Delivery, body []byte, err error) {
	d, err = scan(o.db.Read.QueryRowContext(ctx, `SELECT `+columns+` FROM outbox WHERE id = $1`, id))
	if err == nil {
		err = o.db.Read.QueryRowContext(ctx, `SELECT body FROM outbox WHERE id = $1`, id).Scan(&body)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return Delivery{}, nil, ErrNotFound
	}
	return d, body, err
}

func scan(row interface{ Scan(dest ...any) error }) (d Delivery, err error) {
	var note string
	var status, delivered sql.NullInt64
	var why sql.NullString
	var created, next int64
	if err := row.Scan(&d.ID, &d.Key, &d.Target, &note, &d.State, &d.Attempts, &status, &why, &created, &next, &delivered); err != nil {
		return d, fmt.Errorf("read a delivery: %w", err)
	}
	if err := json.Unmarshal([]byte(note), &d.Note); err != nil {
		return d, fmt.Errorf("read a delivery's note: %w", err)
	}
	d.Status, d.Error, d.Created, d.Next = int(status.Int64), why.String, sqlstore.FromMicros(created), sqlstore.FromMicros(next)
	if delivered.Valid {
		d.At = sqlstore.FromMicros(delivered.Int64)
	}
	return d, nil
}

// Redeliver makes a delivery pending again, whatever became of it, with all its attempts before it; ErrNotFound when
// there is none.
func (o *Outbox) Redeliver(ctx context.Context, id int64) error {
	now := sqlstore.Micros(o.opts.Clock.Now())
	err := o.db.Tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE outbox SET state = 'pending', attempts = 0, next_at = $1, queued_at = $1, delivered_at = NULL WHERE id = $2`, now, id)
		if err != nil {
			return fmt.Errorf("redeliver: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNotFound)
		}
		return nil
	})
	if err == nil {
		o.Wake()
	}
	return err
}

// Prune forgets deliveries that were delivered, or given up, and made before the time; it says how many. A key that
// is forgotten may be stored again.
func (o *Outbox) Prune(ctx context.Context, before time.Time) (n int64, err error) {
	err = o.db.Tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM outbox WHERE state <> 'pending' AND queued_at < $1`, sqlstore.Micros(before))
		if err != nil {
			return fmt.Errorf("prune deliveries: %w", err)
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}

// Counts says how many deliveries are in each state, and since when the oldest pending one waits (zero for none).
func (o *Outbox) Counts(ctx context.Context) (byState map[string]int, oldest time.Time, err error) {
	rows, err := o.db.Read.QueryContext(ctx, `SELECT state, COUNT(*), MIN(queued_at) FROM outbox GROUP BY state`)
	if err != nil {
		return nil, oldest, fmt.Errorf("count deliveries: %w", err)
	}
	defer rows.Close()
	byState = map[string]int{Pending: 0, Delivered: 0, Dead: 0}
	for rows.Next() {
		var state string
		var n int
		var first int64
		if err := rows.Scan(&state, &n, &first); err != nil {
			return nil, oldest, fmt.Errorf("count deliveries: %w", err)
		}
		byState[state] = n
		if state == Pending {
			oldest = sqlstore.FromMicros(first)
		}
	}
	return byState, oldest, rows.Err()
}
