package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migrate brings the schema up to the newest version in fsys, which has the
// folders sqlite/ and postgres/ with goose files. Several replicas may call it
// at once on PostgreSQL: one migrates, the others wait. Each migration is its
// own transaction, so that a failed one leaves the versions before it in place.
func (db *DB) Migrate(ctx context.Context, fsys fs.FS) error {
	return db.MigrateTo(ctx, fsys, math.MaxInt64)
}

// MigrateTo is Migrate up to a version; a schema that is further stays so. It
// fails when fsys does not know the version.
func (db *DB) MigrateTo(ctx context.Context, fsys fs.FS, version int64) error {
	sub, err := fs.Sub(fsys, string(db.Engine))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	dialect := goose.DialectSQLite3
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithSlog(db.log), goose.WithVerbose(false), goose.WithAllowOutofOrder(true)}
	if db.Engine == Postgres {
		dialect = goose.DialectPostgres
		// Look every second, for five minutes.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, db.Write, sub, options...)
	if errors.Is(err, goose.ErrNoMigrations) {
		return fmt.Errorf("migrate: the folder %s/ holds no migration", db.Engine)
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	all := provider.ListSources()
	if newest := all[len(all)-1].Version; version != math.MaxInt64 && version > newest {
		return fmt.Errorf("migrate: the schema is of version %d and this program knows %d: use a newer program", version, newest)
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		var partial *goose.PartialError
		if errors.As(err, &partial) && partial.Failed != nil && partial.Failed.Source != nil {
			return fmt.Errorf("migrate: %s: %w", partial.Failed.Source.Path, partial.Err)
		}
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
