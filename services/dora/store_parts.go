package dora

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// A block that is larger than this is stored in parts, however large it is: the
// first deployment from a repository brings all commits that it ever had, and no
// transaction may take the time to write them all.
const (
	partBytes  = 128 << 10
	dropPieces = 8 // parts that one transaction removes
)

// blockParts is the newest revision of a block that is stored in parts.
type blockParts struct {
	rev   int64
	parts int // beside the first
	first []byte
}

// join reads the other parts. Those of the newest revision that a reader sees are
// all there: only what a newer one replaced is ever removed.
func (b blockParts) join(ctx context.Context, q querier, project, key string) ([]byte, error) {
	rows, err := q.QueryContext(ctx, `SELECT body FROM block_part WHERE project = $1 AND key = $2 AND rev = $3 AND part <= $4 ORDER BY part`, project, key, b.rev, b.parts)
	if err != nil {
		return nil, fmt.Errorf("the parts of %s: %w", key, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	body, n := b.first, 0
	var part sql.RawBytes
	for ; rows.Next(); n++ {
		if err := rows.Scan(&part); err != nil {
			return nil, fmt.Errorf("the parts of %s: %w", key, err)
		}
		body = append(body, part...)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("the parts of %s: %w", key, err)
	}
	if n != b.parts {
		return nil, fmt.Errorf("%d parts of %s are there, want %d", n, key, b.parts)
	}
	return body, nil
}

// dropParts removes the parts of what a revision replaced, some at a time.
func (s *sqlStore) dropParts(ctx context.Context, l Lease, h Head, keys []string) error {
	args := []any{h.Project, h.Rev}
	in := `= ANY($3::text[])`
	if s.db.Engine == sqlstore.Postgres {
		args = append(args, keys)
	} else {
		marks := make([]string, len(keys))
		for i, k := range keys {
			args = append(args, k)
			marks[i] = fmt.Sprintf("$%d", len(args))
		}
		in = `IN (` + strings.Join(marks, ",") + `)`
	}
	return s.dropSome(ctx, l, "block_part", ` FROM block_part WHERE project = $1 AND rev < $2 AND key `+in, dropPieces, args...)
}
