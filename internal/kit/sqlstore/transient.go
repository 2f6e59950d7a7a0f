package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrOutcomeUnknown is in the chain of an error when the connection was lost
// while a transaction committed: it may be durable or not. Whoever can repeat
// the write without harm (by a key of its own) does so; nobody may tell a client
// that it is stored.
var ErrOutcomeUnknown = errors.New("the connection was lost during the commit; it may or may not be stored")

// Transient tells whether the same work may succeed when it is repeated: the
// database was busy, gave up a deadlock or a serialization, was starting or
// stopping, or the connection was lost. An error with ErrOutcomeUnknown is
// transient too, but only for work that is harmless to repeat.
func Transient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if errors.Is(err, ErrOutcomeUnknown) {
		return true
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		primary := lite.Code() & 0xff
		return primary == sqlite3.SQLITE_BUSY || primary == sqlite3.SQLITE_LOCKED
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "40001", // serialization_failure
			"40P01",          // deadlock_detected
			"55P03",          // lock_not_available
			"53300",          // too_many_connections
			"57P01", "57P02", // admin_shutdown, crash_shutdown
			"57P03", // cannot_connect_now
			"25P03": // idle_in_transaction_session_timeout
			return true
		}
		return strings.HasPrefix(pg.Code, "08") // connection_exception
	}
	return lostConnection(err)
}

func lostConnection(err error) bool {
	var network *net.OpError
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &network)
}

// unavailableError is the last transient error after the bound of attempts; at
// the edge it is a 503 that may be sent again, not a 500.
type unavailableError struct {
	attempts int
	cause    error
}

func (e *unavailableError) Error() string {
	return fmt.Sprintf("the database was not available in %d attempts: %v", e.attempts, e.cause)
}

func (e *unavailableError) Unwrap() error { return e.cause }

// Problem says what a client may know of it.
func (e *unavailableError) Problem() *problem.Problem {
	return problem.New(problem.Unavailable, "the database does not answer now").WithMend("send the same request again in a few seconds")
}

// commitError tells what the failure of a COMMIT means. SQLite and a refusal by
// PostgreSQL mean that nothing was stored. Whatever else happens there leaves it
// open; pgconn.SafeToRetry does not help, because a connection that was lost
// after the COMMIT went out may be reported as "conn closed", which counts as
// safe.
func commitError(engine Engine, err error) error {
	if engine == SQLite || errors.Is(err, sql.ErrTxDone) || errors.Is(err, pgx.ErrTxCommitRollback) {
		return err
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.SeverityUnlocalized == "ERROR" {
		return err
	}
	return errors.Join(ErrOutcomeUnknown, err)
}

// backoff is the wait before attempt n (from 1): doubling from 10 ms up to one
// second, of which a random half is taken, so that those who failed together do
// not come back together.
func backoff(n int) time.Duration {
	d := time.Second
	if n < 8 {
		d = min(d, 10*time.Millisecond<<(n-1))
	}
	return d/2 + rand.N(d/2)
}

// pause waits for d or for the end of ctx, whichever comes first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
