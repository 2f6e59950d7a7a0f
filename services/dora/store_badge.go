package dora

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

func (s *sqlStore) BadgeKey(ctx context.Context, project string) (key []byte, err error) {
	if err := s.db.Read.QueryRowContext(ctx, `SELECT key FROM badge_key WHERE project = $1`, project).Scan(&key); err != nil {
		return nil, fmt.Errorf("read the key of the badges of %s: %w", project, notFound(err))
	}
	return key, nil
}

func (s *sqlStore) MakeBadgeKey(ctx context.Context, project, by string, at event.Time) (key []byte, err error) {
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("draw a key: %w", err)
	}
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO badge_key (project, key, created_at, created_by) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			project, fresh, int64(at), by); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT key FROM badge_key WHERE project = $1`, project).Scan(&key)
	})
	if err != nil {
		return nil, fmt.Errorf("make the key of the badges of %s: %w", project, err)
	}
	return key, nil
}

func (s *sqlStore) DropBadgeKey(ctx context.Context, project string) error {
	return s.deleteOne(ctx, "end the badges of "+project, `DELETE FROM badge_key WHERE project = $1`, project)
}
