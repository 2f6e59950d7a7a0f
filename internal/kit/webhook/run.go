package webhook

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// idle is how long Run sleeps at most when nothing wakes it.
const idle = 30 * time.Second

// head is the first pending message of a target.
type head struct {
	id     int64
	target string
	next   time.Time
}

// Run sends messages until ctx ends, waits for those under way, and returns nil. What fails is logged and tried again.
func (o *Outbox) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	done := make(chan string)
	busy := map[string]bool{}
	for ctx.Err() == nil {
		wait := idle
		heads, err := o.heads(ctx)
		if err != nil && ctx.Err() == nil {
			o.opts.Log.Warn("the outbox could not be read; it is tried again", "error", err)
			wait = time.Second
		}
		now := o.opts.Clock.Now()
		for _, h := range heads {
			if busy[h.target] || len(busy) >= o.opts.Workers {
				continue
			}
			if left := h.next.Sub(now); left > 0 {
				wait = min(wait, left)
				continue
			}
			busy[h.target] = true
			wg.Go(func() {
				o.deliver(ctx, h.id)
				select {
				case done <- h.target:
				case <-ctx.Done():
				}
			})
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-o.wake:
		case target := <-done:
			delete(busy, target)
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// heads finds the first pending message of each target.
func (o *Outbox) heads(ctx context.Context) (out []head, err error) {
	rows, err := o.db.Read.QueryContext(ctx, `SELECT o.id, o.target, o.next_at FROM outbox o
		JOIN (SELECT MIN(id) AS id FROM outbox WHERE state = 'pending' GROUP BY target) first ON first.id = o.id ORDER BY o.next_at, o.id`)
	if err != nil {
		return nil, fmt.Errorf("look for deliveries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var h head
		var next int64
		if err := rows.Scan(&h.id, &h.target, &next); err != nil {
			return nil, fmt.Errorf("look for deliveries: %w", err)
		}
		h.next = sqlstore.FromMicros(next)
		out = append(out, h)
	}
	return out, rows.Err()
}

// load reads a pending message, with how often it was tried and since when.
func (o *Outbox) load(ctx context.Context, id int64) (m Message, attempts int, queued time.Time, err error) {
	var header string
	var at int64
	err = o.db.Read.QueryRowContext(ctx, `SELECT key, target, url, header, body, secret, attempts, queued_at FROM outbox WHERE id = $1 AND state = 'pending'`, id).
		Scan(&m.Key, &m.Target, &m.URL, &header, &m.Body, &m.Secret, &attempts, &at)
	if err != nil {
		return m, 0, queued, fmt.Errorf("read a delivery: %w", err)
	}
	if err := json.Unmarshal([]byte(header), &m.Header); err != nil {
		return m, 0, queued, fmt.Errorf("read a delivery's header: %w", err)
	}
	return m, attempts, sqlstore.FromMicros(at), nil
}

// deliver sends one message and notes what became of it.
func (o *Outbox) deliver(ctx context.Context, id int64) {
	m, attempts, queued, err := o.load(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return // it was removed meanwhile
	}
	if err != nil {
		if ctx.Err() == nil {
			o.opts.Log.Warn("a delivery could not be read; it is tried again", "id", id, "error", err)
			o.later(ctx)
		}
		return
	}
	out := o.send(ctx, m)
	if ctx.Err() != nil && !out.ok {
		return // the program is stopping; it is sent again after the next start
	}
	attempts++
	now := o.opts.Clock.Now()
	result, state, next := "delivered", "delivered", now
	if !out.ok {
		result, state, next = "retried", "pending", now.Add(max(o.backoff(attempts), out.after))
		if out.final || attempts >= o.opts.Attempts && now.Sub(queued) >= o.opts.Age {
			result, state, next = "dead", "dead", now
		}
	}
	// The answer is noted even when the program is stopping.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = o.db.Tx(bounded, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(bounded, `UPDATE outbox SET state = $1, attempts = $2, status = $3, error = $4, next_at = $5, delivered_at = $6 WHERE id = $7 AND state = 'pending'`,
			state, attempts, known(int64(out.status)), sql.NullString{String: out.why, Valid: out.why != ""}, sqlstore.Micros(next),
			sql.NullInt64{Int64: sqlstore.Micros(now), Valid: out.ok}, id)
		return err
	})
	if err != nil {
		o.opts.Log.Warn("what became of a delivery was not noted; it is sent again", "target", m.Target, "key", m.Key, "error", err)
		o.later(ctx)
		return
	}
	o.opts.Observe(m.Target, result)
	if result == "dead" {
		o.opts.Log.Warn("a delivery is given up", "target", m.Target, "key", m.Key, "attempts", attempts, "error", out.why)
	}
}

// later keeps a message that the database would not hand out from being tried in a tight loop.
func (o *Outbox) later(ctx context.Context) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func known(n int64) sql.NullInt64 { return sql.NullInt64{Int64: n, Valid: n != 0} }
