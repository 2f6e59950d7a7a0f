package gitops

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// ErrBegun says that an operation runs already, or that there was one for the commit.
var ErrBegun = errors.New("an operation runs already, or has been for this commit")

const operationColumns = `id, app, kind, revision, tree, automated, initiated_by, prune, rollback_of, detail, phase, message, terminate, started_at, applied_at, finished_at`

func scanOperation(r scanner) (Operation, error) {
	var o Operation
	var detail string
	var automated, prune, terminate, started int64
	var of, applied, finished sql.NullInt64
	err := r.Scan(&o.ID, &o.App, &o.Kind, &o.Revision, &o.Tree, &automated, &o.By, &prune, &of, &detail, &o.Phase, &o.Message, &terminate, &started, &applied, &finished)
	if err != nil {
		return o, err
	}
	o.Automated, o.Prune, o.Terminate, o.RollbackOf = automated == 1, prune == 1, terminate == 1, of.Int64
	o.Started, o.Applied, o.Finished = instant(started), instant(applied.Int64), instant(finished.Int64)
	return o, json.Unmarshal([]byte(detail), &o.Detail)
}

// Begin stores a new operation and returns its id; ErrBegun when there may be none.
func (s *Store) Begin(ctx context.Context, tx *sql.Tx, o Operation) (id int64, err error) {
	detail, err := json.Marshal(o.Detail)
	if err != nil {
		return 0, fmt.Errorf("begin an operation: %w", err)
	}
	var of any
	if o.RollbackOf > 0 {
		of = o.RollbackOf
	}
	err = tx.QueryRowContext(ctx, `INSERT INTO operations (app, kind, revision, tree, automated, initiated_by, prune, rollback_of, detail, phase, message, terminate, started_at, applied_at, finished_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13, $14) ON CONFLICT DO NOTHING RETURNING id`,
		o.App, o.Kind, o.Revision, o.Tree, bit(o.Automated), o.By, bit(o.Prune), of, string(detail), o.Phase, o.Message, micros(o.Started), null(o.Applied), null(o.Finished)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrBegun
	}
	if err != nil {
		return 0, fmt.Errorf("begin an operation: %w", err)
	}
	return id, nil
}

// SetOperation stores what has become of an operation that runs; ErrNotFound when
// it does not run any more.
func (s *Store) SetOperation(ctx context.Context, tx *sql.Tx, o Operation) error {
	detail, err := json.Marshal(o.Detail)
	if err != nil {
		return fmt.Errorf("store an operation: %w", err)
	}
	res, err := tx.ExecContext(ctx, `UPDATE operations SET phase = $1, message = $2, detail = $3, applied_at = $4, finished_at = $5 WHERE id = $6 AND phase = 'Running'`,
		o.Phase, o.Message, string(detail), null(o.Applied), null(o.Finished), o.ID)
	if err != nil {
		return fmt.Errorf("store an operation: %w", err)
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// Terminate notes that somebody wants the running operation ended; ErrNotFound
// when none runs.
func (s *Store) Terminate(ctx context.Context, tx *sql.Tx, app string) error {
	res, err := tx.ExecContext(ctx, `UPDATE operations SET terminate = 1 WHERE app = $1 AND phase = 'Running'`, app)
	if err != nil {
		return fmt.Errorf("terminate an operation: %w", err)
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// LastOperation is the newest one of an application; ErrNotFound before the first.
func (s *Store) LastOperation(ctx context.Context, app string) (Operation, error) {
	return one(s.db.Read.QueryRowContext(ctx, `SELECT `+operationColumns+` FROM operations WHERE app = $1 ORDER BY id DESC LIMIT 1`, app), "an operation", scanOperation)
}

// Good is the newest operation of an application that succeeded, before another
// one (0: of all).
func (s *Store) Good(ctx context.Context, app string, before int64) (Operation, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	return one(s.db.Read.QueryRowContext(ctx, `SELECT `+operationColumns+` FROM operations WHERE app = $1 AND id < $2 AND phase = 'Succeeded' ORDER BY id DESC LIMIT 1`, app, before), "an operation", scanOperation)
}

// Operation is one of an application.
func (s *Store) Operation(ctx context.Context, app string, id int64) (Operation, error) {
	return one(s.db.Read.QueryRowContext(ctx, `SELECT `+operationColumns+` FROM operations WHERE app = $1 AND id = $2`, app, id), "an operation", scanOperation)
}

// HadOperation says whether an operation of the application began by itself for a
// commit.
func (s *Store) HadOperation(ctx context.Context, app, revision string) (bool, error) {
	var n int
	err := s.db.Read.QueryRowContext(ctx, `SELECT COUNT(*) FROM operations WHERE app = $1 AND revision = $2 AND automated = 1 AND kind <> 'heal'`, app, revision).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for an operation: %w", err)
	}
	return n > 0, nil
}

// Operations are those of an application, newest first, before an id (0: all).
func (s *Store) Operations(ctx context.Context, app string, before int64, limit int) ([]Operation, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	return list(ctx, s.db.Read, "operations", scanOperation, `SELECT `+operationColumns+` FROM operations WHERE app = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, app, before, limit)
}

// LastOperations are the newest one of each application.
func (s *Store) LastOperations(ctx context.Context) (map[string]Operation, error) {
	all, err := list(ctx, s.db.Read, "operations", scanOperation,
		`SELECT `+operationColumns+` FROM operations WHERE id IN (SELECT MAX(id) FROM operations GROUP BY app)`)
	out := make(map[string]Operation, len(all))
	for _, o := range all {
		out[o.App] = o
	}
	return out, err
}
