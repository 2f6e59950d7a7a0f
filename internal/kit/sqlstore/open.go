// Package sqlstore opens a service's own database, SQLite on a laptop and
// PostgreSQL in a cluster, and hides only what must differ between the two.
//
// The SQL stays visible in the services. Placeholders are $1, $2 on both
// engines; PostgreSQL refuses an argument that no placeholder uses and a
// placeholder used with two types. Times are stored as UTC integers of
// microseconds, see Micros and FromMicros.
//
// SQLite has one writer at a time. DB.Write is therefore a single connection
// whose transactions begin immediate, DB.Read a pool that cannot write. Hold a
// write transaction only as long as the statements need: never across a network
// call, and never call DB.Write from inside a transaction on it, which would
// wait for itself. On PostgreSQL both are the same pool.
//
// Tx runs a function in a write transaction and runs it again when the engine
// says that a repetition may succeed. Committer turns many small writes into
// few durable transactions.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
)

// Engine names the database system behind a DB.
type Engine string

// The two engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// DB is a service's database.
type DB struct {
	// Engine tells which SQL to use where one text cannot serve both.
	Engine Engine
	// Write takes statements that change data. On SQLite it is one connection.
	Write *sql.DB
	// Read takes queries. On SQLite its connections refuse to write.
	Read *sql.DB

	log      *slog.Logger
	close    func() error
	presence *presence // nil on PostgreSQL

	checkpoints atomic.Pointer[func(held time.Duration)]
}

// ObserveCheckpoints has somebody hear how long the writer of a SQLite file stood
// still each time that its log was begun again. On PostgreSQL nobody ever stands
// still for that.
func (db *DB) ObserveCheckpoints(observe func(held time.Duration)) { db.checkpoints.Store(&observe) }

// Options adjusts Open. The zero value is good.
type Options struct {
	// Logger receives what happens in the background; slog.Default when nil.
	Logger *slog.Logger
	// MaxConns bounds the pool: readers on SQLite (default 4), all connections on
	// PostgreSQL (default 16).
	MaxConns int
	// AppName is PostgreSQL's application_name, so that an operator sees whose
	// connection it is; default "fawkes".
	AppName string
	// StatementTimeout ends a statement on PostgreSQL that runs longer; default one
	// minute. A value in the URL wins.
	StatementTimeout time.Duration
}

// Open opens the database at the URL: "sqlite:/absolute/path.db" (made when
// missing, with its folder) or "postgres://user@host/name". It fails when the
// database does not answer within ctx.
func Open(ctx context.Context, url string, opts Options) (*DB, error) {
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.AppName == "" {
		opts.AppName = "fawkes"
	}
	if opts.StatementTimeout <= 0 {
		opts.StatementTimeout = time.Minute
	}
	scheme, rest, found := strings.Cut(url, ":")
	switch {
	case found && scheme == "sqlite":
		return openSQLite(ctx, rest, opts)
	case found && (scheme == "postgres" || scheme == "postgresql"):
		return openPostgres(ctx, url, opts)
	case url == "":
		return nil, errors.New("open database: no URL; use sqlite:/path/file.db or postgres://user@host/name")
	}
	return nil, fmt.Errorf("open database: the URL begins with %q; use sqlite:/path/file.db or postgres://user@host/name", scheme+":")
}

// Ready tells whether the database answers, for reading and for writing.
func (db *DB) Ready(ctx context.Context) error {
	var one int
	if err := db.Read.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("%s does not answer: %w", db.Engine, err)
	}
	return nil
}

// Close ends the background work, waits for it, and closes every connection.
func (db *DB) Close() error { return db.close() }

// Micros is the stored form of a time: microseconds since 1970 in UTC.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// FromMicros is the time of a stored number, in UTC.
func FromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }
