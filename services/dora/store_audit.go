package dora

import (
	"context"
	"database/sql"

	"github.com/fawkes-idp/fawkes/internal/kit/audit"
)

func (s *sqlStore) Record(ctx context.Context, e audit.Entry) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error { return audit.Write(ctx, tx, e) })
}

func (s *sqlStore) Audit(ctx context.Context, q audit.Query) ([]audit.Entry, error) {
	return audit.List(ctx, s.db.Read, q)
}
