package dora

import "context"

func (s *sqlStore) LastReceived(ctx context.Context) ([]Received, error) {
	// One look into the index of each origin, of which there are few.
	rows, err := s.db.Read.QueryContext(ctx, `SELECT project, source, max(received_at) FROM (
		SELECT o.project, o.source, (SELECT e.received_at FROM event AS e WHERE e.origin = o.id ORDER BY e.seq DESC LIMIT 1) AS received_at FROM origin AS o
	) AS last WHERE received_at IS NOT NULL GROUP BY project, source ORDER BY project, source`)
	return collect(rows, err, "list when sources were last heard of", func(r *Received) []any {
		return []any{&r.Project, &r.Source, (*int64)(&r.At)}
	})
}
