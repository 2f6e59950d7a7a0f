package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// maxAttempts bounds how often Tx tries: about four seconds in all, enough for a
// database that is restarted.
const maxAttempts = 10

// Tx runs fn in a write transaction and commits it. When the database was busy,
// broke a deadlock or lost the connection before the commit was sent, the
// transaction is rolled back and fn runs again, a bounded number of times with
// growing, random pauses; fn must therefore change nothing but the transaction.
// An error of fn rolls back and is returned as it is. A connection lost during
// the commit itself is not repeated: the error then has ErrOutcomeUnknown in its
// chain.
func (db *DB) Tx(ctx context.Context, fn func(*sql.Tx) error) error {
	var err error
	for attempt := 1; ; attempt++ {
		err = db.once(ctx, fn)
		if err == nil || !Transient(err) {
			return err
		}
		if errors.Is(err, ErrOutcomeUnknown) || attempt == maxAttempts || pause(ctx, backoff(attempt)) != nil {
			return &unavailableError{attempt, err}
		}
	}
}

func (db *DB) once(ctx context.Context, fn func(*sql.Tx) error) (err error) {
	tx, err := db.Write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if done {
			return
		}
		// The rollback of a broken connection fails too; what matters is the error
		// that led here (or the panic that passes through).
		if rerr := tx.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) && !Transient(rerr) {
			err = errors.Join(err, fmt.Errorf("roll back: %w", rerr))
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	done = true
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", commitError(db.Engine, err))
	}
	return nil
}
