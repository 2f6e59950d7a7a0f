package git

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// The events that hooks hear of.
const (
	eventPush   = "push"
	eventCreate = "create"
	eventDelete = "delete"
)

// everyRepository is the repository of a hook that hears of all.
const everyRepository = "*"

// Hook is who is told of pushes.
type Hook struct {
	Name       string
	URL        string
	Secret     string // never shown
	Events     []string
	Repository string // which repositories, see chosen
	Active     bool
	Created    time.Time
}

// hears says whether the hook is told of such an event.
func (h Hook) hears(repository, event string) bool {
	if !h.Active || !chosen(h.Repository, repository) {
		return false
	}
	for _, e := range h.Events {
		if e == event {
			return true
		}
	}
	return false
}

// chosen says whether a repository is among those that a hook names: owner/name or * for all, and behind
// them, with a "!", those that are left out: "* !fawkes/environments".
func chosen(patterns, repository string) bool {
	found := false
	for _, p := range strings.Fields(patterns) {
		if rest, out := strings.CutPrefix(p, "!"); out {
			found = found && rest != repository
		} else {
			found = found || p == everyRepository || p == repository
		}
	}
	return found
}

// badPattern is the first word of patterns that is none; "" when all are.
func badPattern(patterns string) string {
	for _, p := range strings.Fields(patterns) {
		if p != everyRepository && !ValidName(strings.TrimPrefix(p, "!")) {
			return p
		}
	}
	return ""
}

const hookColumns = `name, url, secret, events, repository, active, created_at`

func scanHook(row scanner) (h Hook, err error) {
	var events string
	var active, created int64
	if err := row.Scan(&h.Name, &h.URL, &h.Secret, &events, &h.Repository, &active, &created); err != nil {
		return h, err
	}
	h.Events, h.Active, h.Created = strings.Fields(events), active == 1, sqlstore.FromMicros(created)
	return h, nil
}

func (s store) hooks(ctx context.Context, q querier) ([]Hook, error) {
	return list(ctx, q, "hooks", scanHook, `SELECT `+hookColumns+` FROM hooks ORDER BY name`)
}

func (s store) hook(ctx context.Context, name string) (Hook, error) {
	h, err := scanHook(s.db.Read.QueryRowContext(ctx, `SELECT `+hookColumns+` FROM hooks WHERE name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return h, ErrNotFound
	}
	if err != nil {
		return h, fmt.Errorf("read a hook: %w", err)
	}
	return h, nil
}

func (s store) putHook(ctx context.Context, h Hook) error {
	active := 0
	if h.Active {
		active = 1
	}
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO hooks (name, url, secret, events, repository, active, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (name) DO UPDATE SET url = excluded.url, secret = excluded.secret, events = excluded.events, repository = excluded.repository, active = excluded.active`,
			h.Name, h.URL, h.Secret, strings.Join(h.Events, " "), h.Repository, active, sqlstore.Micros(h.Created))
		if err != nil {
			return fmt.Errorf("store a hook: %w", err)
		}
		return nil
	})
}

func (s store) removeHook(ctx context.Context, name string) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM hooks WHERE name = $1`, name)
		if err != nil {
			return fmt.Errorf("remove a hook: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNotFound)
		}
		return nil
	})
}
