package dora

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// deleteRows is how many events one transaction takes out of the log.
const deleteRows = 200

func (s *sqlStore) EventsBefore(ctx context.Context, before event.Time, upTo int64, yield func(Entry) error) error {
	// Some at a time: whoever takes them may be slow, and no statement should stay
	// open for as long as that.
	for after := int64(0); after < upTo; {
		end := min(after+20_000, upTo)
		rows, err := s.db.Read.QueryContext(ctx, `SELECT seq, key, origin, at, received_at, body FROM event
			WHERE seq > $1 AND seq <= $2 AND at < $3 ORDER BY seq`, after, end, int64(before))
		if err == nil {
			err = scanEntries(rows, yield)
		}
		if err != nil {
			return fmt.Errorf("read old events: %w", err)
		}
		after = end
	}
	return nil
}

func (s *sqlStore) EntriesOf(ctx context.Context, origin, upTo int64, yield func(Entry) error) error {
	rows, err := s.db.Read.QueryContext(ctx, `SELECT seq, key, origin, at, received_at, body FROM event WHERE origin = $1 AND seq <= $2`, origin, upTo)
	if err == nil {
		err = scanEntries(rows, yield)
	}
	if err != nil {
		return fmt.Errorf("read the events of an origin: %w", err)
	}
	return nil
}

func (s *sqlStore) DeleteEvents(ctx context.Context, seqs []int64) error {
	for len(seqs) > 0 {
		n := min(deleteRows, len(seqs))
		var begin time.Time
		err := s.db.Tx(ctx, func(tx *sql.Tx) error {
			begin = time.Now() //nolint:forbidigo // it measures, and not the wait for the lock
			if s.db.Engine == sqlstore.Postgres {
				_, err := tx.ExecContext(ctx, `DELETE FROM event WHERE seq = ANY($1::bigint[])`, seqs[:n])
				return err
			}
			drop, err := tx.PrepareContext(ctx, `DELETE FROM event WHERE seq = $1`)
			if err != nil {
				return err
			}
			defer drop.Close() //nolint:errcheck // ends with the transaction
			for _, seq := range seqs[:n] {
				if _, err := drop.ExecContext(ctx, seq); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("take events out of the log: %w", err)
		}
		took := time.Since(begin)
		s.pace.measured("archive", took)
		s.pace.yield(ctx, took)
		seqs = seqs[n:]
	}
	return nil
}
