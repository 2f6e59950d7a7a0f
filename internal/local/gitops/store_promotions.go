package gitops

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// The states of a promotion.
const (
	WaitingHealth   = "waiting_health"   // until the roll-out that it is of is healthy
	WaitingApproval = "waiting_approval" // until somebody decides
	Promoting       = "promoting"        // decided; its commit is being written
	Done            = "done"
	Rejected        = "rejected"
	Superseded      = "superseded" // a newer one took its place
)

// Promotion is the step of a service from one environment to another.
type Promotion struct {
	ID             int64
	Key            string
	Service        string
	From, To       string
	Revision, Tree string // of the application that is promoted
	Digest         string
	SourceRevision string
	State, Reason  string
	Commit         string // that promoted it, "" before, and where there was nothing to change
	Requested      time.Time
	RequestedBy    string
	Decided        time.Time // zero: not yet
	DecidedBy      string
}

const promotionColumns = `id, key, service, from_env, to_env, revision, tree, digest, source_revision, state, reason, commit_sha, requested_at, requested_by, decided_at, decided_by`

func scanPromotion(r scanner) (Promotion, error) {
	var p Promotion
	var requested int64
	var decided sql.NullInt64
	err := r.Scan(&p.ID, &p.Key, &p.Service, &p.From, &p.To, &p.Revision, &p.Tree, &p.Digest, &p.SourceRevision, &p.State, &p.Reason, &p.Commit, &requested, &p.RequestedBy, &decided, &p.DecidedBy)
	p.Requested, p.Decided = instant(requested), instant(decided.Int64)
	return p, err
}

// AddPromotion stores a promotion and supersedes those of its service to its
// environment that wait. added is false when its key is known.
func (s *Store) AddPromotion(ctx context.Context, tx *sql.Tx, p Promotion) (id int64, added bool, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO promotions (key, service, from_env, to_env, revision, tree, digest, source_revision, state, reason, commit_sha, requested_at, requested_by, decided_at, decided_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', $11, $12, $13, $14) ON CONFLICT (key) DO NOTHING RETURNING id`,
		p.Key, p.Service, p.From, p.To, p.Revision, p.Tree, p.Digest, p.SourceRevision, p.State, p.Reason, micros(p.Requested), p.RequestedBy, null(p.Decided), p.DecidedBy).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("store a promotion: %w", err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE promotions SET state = 'superseded', reason = $1
		WHERE service = $2 AND from_env = $3 AND to_env = $4 AND id < $5 AND state IN ('waiting_health', 'waiting_approval')`,
		fmt.Sprintf("promotion %d took its place", id), p.Service, p.From, p.To, id)
	if err != nil {
		return 0, false, fmt.Errorf("supersede promotions: %w", err)
	}
	return id, true, nil
}

// MovePromotion takes a promotion from one of some states to another; ErrNotFound
// when it is in none of them.
func (s *Store) MovePromotion(ctx context.Context, tx *sql.Tx, id int64, from []string, to, reason, commit string, decided time.Time, by string) error {
	for _, state := range from {
		res, err := tx.ExecContext(ctx, `UPDATE promotions SET state = $1, reason = $2, commit_sha = $3, decided_at = COALESCE(decided_at, $4), decided_by = CASE WHEN decided_by = '' THEN $5 ELSE decided_by END
			WHERE id = $6 AND state = $7`, to, reason, commit, null(decided), by, id, state)
		if err != nil {
			return fmt.Errorf("change a promotion: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
	}
	return ErrNotFound
}

// Promotion is the one of an id.
func (s *Store) Promotion(ctx context.Context, id int64) (Promotion, error) {
	return one(s.db.Read.QueryRowContext(ctx, `SELECT `+promotionColumns+` FROM promotions WHERE id = $1`, id), "a promotion", scanPromotion)
}

// PromotionOf is the one of a key.
func (s *Store) PromotionOf(ctx context.Context, key string) (Promotion, error) {
	return one(s.db.Read.QueryRowContext(ctx, `SELECT `+promotionColumns+` FROM promotions WHERE key = $1`, key), "a promotion", scanPromotion)
}

// Promotions lists them, newest first; service and state narrow the list.
func (s *Store) Promotions(ctx context.Context, service, state string, before int64, limit int) ([]Promotion, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	return list(ctx, s.db.Read, "promotions", scanPromotion, `SELECT `+promotionColumns+` FROM promotions
		WHERE id < $1 AND ($2 = '' OR service = $2) AND ($3 = '' OR state = $3) ORDER BY id DESC LIMIT $4`, before, service, state, limit)
}

// Change is something to write into the environment repository.
type Change struct {
	ID      int64
	Key     string // stands as a trailer in its commit, so that it is written once
	App     string
	Body    ChangeBody
	State   string
	Commit  string
	Error   string
	Created time.Time
}

// ChangeBody is what is written.
type ChangeBody struct {
	Rollback *RollbackChange `json:"rollback,omitempty"`
	Promote  int64           `json:"promote,omitempty"` // id of a promotion
}

// RollbackChange brings an application's folder back to what a former operation
// rolled out.
type RollbackChange struct {
	Of      int64  `json:"of"`     // the operation that is undone
	To      int64  `json:"to"`     // the operation whose folder comes back
	From    string `json:"from"`   // the commit that is reverted: the revision at the time
	Expect  string `json:"expect"` // the folder at the time: another one is newer, and stays
	Tree    string `json:"tree"`
	Base    string `json:"base"` // the revision of To
	By      string `json:"by"`   // who asked; "" for the platform itself
	Because string `json:"because"`
}

// The states of a change.
const (
	ChangePending = "pending"
	ChangeDone    = "done"
	ChangeFailed  = "failed"
)

const changeColumns = `id, key, app, body, state, commit_sha, error, created_at`

func scanChange(r scanner) (Change, error) {
	var c Change
	var body string
	var created int64
	if err := r.Scan(&c.ID, &c.Key, &c.App, &body, &c.State, &c.Commit, &c.Error, &created); err != nil {
		return c, err
	}
	c.Created = instant(created)
	return c, json.Unmarshal([]byte(body), &c.Body)
}

// AddChange stores a change, once for its key.
func (s *Store) AddChange(ctx context.Context, tx *sql.Tx, c Change) error {
	body, err := json.Marshal(c.Body)
	if err != nil {
		return fmt.Errorf("store a change: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO changes (key, app, body, state, commit_sha, error, created_at) VALUES ($1, $2, $3, 'pending', '', '', $4) ON CONFLICT (key) DO NOTHING`,
		c.Key, c.App, string(body), micros(c.Created)); err != nil {
		return fmt.Errorf("store a change: %w", err)
	}
	return nil
}

// SetChange stores what has become of a change.
func (s *Store) SetChange(ctx context.Context, tx *sql.Tx, id int64, state, commit, why string, at time.Time) error {
	var done any
	if state != ChangePending {
		done = micros(at)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE changes SET state = $1, commit_sha = $2, error = $3, done_at = $4 WHERE id = $5`, state, commit, why, done, id); err != nil {
		return fmt.Errorf("store a change: %w", err)
	}
	return nil
}

// Pending are the changes to write, oldest first.
func (s *Store) Pending(ctx context.Context, limit int) ([]Change, error) {
	return list(ctx, s.db.Read, "changes", scanChange, `SELECT `+changeColumns+` FROM changes WHERE state = 'pending' ORDER BY id LIMIT $1`, limit)
}

// ChangeOf is the change of a key.
func (s *Store) ChangeOf(ctx context.Context, key string) (Change, error) {
	return one(s.db.Read.QueryRowContext(ctx, `SELECT `+changeColumns+` FROM changes WHERE key = $1`, key), "a change", scanChange)
}
