package dora

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

func (s *sqlStore) Quarantine(ctx context.Context, q Quarantined, room Space) (id int64, dropped int, err error) {
	if q.Header == nil {
		q.Header = http.Header{}
	}
	headers, err := json.Marshal(q.Header)
	if err != nil {
		return 0, 0, fmt.Errorf("quarantine a delivery: %w", err)
	}
	kept := int64(len(q.Body)+len(headers)+len(q.Query)) + keptRow
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		dropped = 0
		if err := s.alone(ctx, tx); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `INSERT INTO quarantine (received_at, source, source_name, room, project, kind, delivery, field, detail, size, body,
			truncated, path, query, headers, kept, status) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING id`,
			int64(q.ReceivedAt), q.Source, q.SourceName, q.Room, q.Project, q.Kind, q.Delivery, q.Field, q.Detail, q.Size, q.Body,
			number(q.Truncated), q.Path, q.Query, string(headers), kept, statusOpen).Scan(&id); err != nil {
			return err
		}
		if err := grow(ctx, tx, q.Room, kept); err != nil {
			return err
		}
		dropped, err = makeRoom(ctx, tx, q.Room, room)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("quarantine a delivery: %w", err)
	}
	return id, dropped, nil
}

// alone lets only one transaction at a time change what the senders take: each
// may have to make room in another's share.
func (s *sqlStore) alone(ctx context.Context, tx *sql.Tx) error {
	if s.db.Engine != sqlstore.Postgres {
		return nil // where there is one writer
	}
	_, err := tx.ExecContext(ctx, `LOCK TABLE quarantine_room IN SHARE ROW EXCLUSIVE MODE`)
	return err
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// grow notes that a sender's deliveries take more, or less.
func grow(ctx context.Context, tx *sql.Tx, room string, bytes int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO quarantine_room (room, bytes) VALUES ($1, $2)
		ON CONFLICT (room) DO UPDATE SET bytes = quarantine_room.bytes + excluded.bytes`, room, bytes)
	return err
}

// makeRoom drops the oldest of a sender that takes more than its share, and then
// the oldest of whoever takes the most, until all fits.
func makeRoom(ctx context.Context, tx *sql.Tx, room string, space Space) (dropped int, err error) {
	for {
		var own, total, most int64
		var greatest string
		if err := tx.QueryRowContext(ctx, `SELECT bytes FROM quarantine_room WHERE room = $1`, room).Scan(&own); err != nil {
			return dropped, err
		}
		if err := tx.QueryRowContext(ctx, `SELECT room, bytes FROM quarantine_room ORDER BY bytes DESC, room LIMIT 1`).Scan(&greatest, &most); err != nil {
			return dropped, err
		}
		if err := tx.QueryRowContext(ctx, `SELECT sum(bytes) FROM quarantine_room`).Scan(&total); err != nil {
			return dropped, err
		}
		from, much := room, own-space.Share
		if much <= 0 {
			from, much = greatest, total-space.Total
		}
		if much <= 0 {
			return dropped, nil
		}
		n, err := dropOldest(ctx, tx, from, much)
		dropped += n
		if err != nil || n == 0 {
			return dropped, err
		}
	}
}

// dropOldest frees so many bytes of a sender, what is settled first.
func dropOldest(ctx context.Context, tx *sql.Tx, room string, much int64) (int, error) {
	type row struct{ id, kept int64 }
	rows, err := tx.QueryContext(ctx, `SELECT id, kept FROM quarantine WHERE room = $1
		ORDER BY CASE WHEN status = 'open' THEN 1 ELSE 0 END, id LIMIT 100`, room)
	oldest, err := collect(rows, err, "find the oldest deliveries", func(r *row) []any { return []any{&r.id, &r.kept} })
	if err != nil {
		return 0, err
	}
	n, freed := 0, int64(0)
	for _, r := range oldest {
		if freed >= much {
			break
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM quarantine WHERE id = $1`, r.id); err != nil {
			return n, err
		}
		n, freed = n+1, freed+r.kept
	}
	return n, grow(ctx, tx, room, -freed)
}

const quarantineColumns = `id, received_at, source, source_name, room, project, kind, delivery, field, detail, size, truncated, path, query, headers,
	status, attempts, last_error, tried_at, settled_at, settled_by`

// quarantineRow is a row beside its body.
type quarantineRow struct {
	q         Quarantined
	headers   string
	truncated int64
}

func (r *quarantineRow) fields() []any {
	q := &r.q
	return []any{&q.ID, (*int64)(&q.ReceivedAt), &q.Source, &q.SourceName, &q.Room, &q.Project, &q.Kind, &q.Delivery, &q.Field, &q.Detail, &q.Size, &r.truncated,
		&q.Path, &q.Query, &r.headers, &q.Status, &q.Attempts, &q.LastError, (*int64)(&q.TriedAt), (*int64)(&q.SettledAt), &q.SettledBy}
}

func (r *quarantineRow) read() (Quarantined, error) {
	r.q.Truncated = r.truncated != 0
	if err := json.Unmarshal([]byte(r.headers), &r.q.Header); err != nil {
		return Quarantined{}, fmt.Errorf("read the headers of quarantined delivery %d: %w", r.q.ID, err)
	}
	return r.q, nil
}

// where is the condition of a filter, whose arguments follow those before.
func (f QuarantineFilter) where(before ...any) (string, []any) {
	conditions, args := []string{"1 = 1"}, before
	add := func(text string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, strings.ReplaceAll(text, "?", fmt.Sprintf("$%d", len(args))))
	}
	if f.Project != "" {
		add("project = ?", f.Project)
	}
	if f.Source != "" {
		add("(source = ? OR substr(source, 1, length(?) + 1) = ? || ':')", f.Source)
	}
	if f.Status != "" {
		add("status = ?", f.Status)
	}
	if len(f.Projects) > 0 {
		var any []string
		for _, p := range f.Projects {
			args = append(args, p)
			any = append(any, fmt.Sprintf("$%d", len(args)))
		}
		conditions = append(conditions, "project IN ("+strings.Join(any, ", ")+")")
	}
	return strings.Join(conditions, " AND "), args
}

func (s *sqlStore) Quarantined(ctx context.Context, f QuarantineFilter, before int64, limit int) ([]Quarantined, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	where, args := f.where(before, limit)
	rows, err := s.db.Read.QueryContext(ctx, `SELECT `+quarantineColumns+` FROM quarantine WHERE id < $1 AND `+where+` ORDER BY id DESC LIMIT $2`, args...)
	found, err := collect(rows, err, "list the quarantine", (*quarantineRow).fields)
	if err != nil {
		return nil, err
	}
	out := make([]Quarantined, len(found))
	for i := range found {
		if out[i], err = found[i].read(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *sqlStore) CountQuarantined(ctx context.Context, f QuarantineFilter) (map[string]int, error) {
	type row struct {
		status string
		n      int
	}
	f.Status = ""
	where, args := f.where()
	rows, err := s.db.Read.QueryContext(ctx, `SELECT status, count(*) FROM quarantine WHERE `+where+` GROUP BY status`, args...)
	found, err := collect(rows, err, "count the quarantine", func(r *row) []any { return []any{&r.status, &r.n} })
	out := map[string]int{statusOpen: 0, statusReplayed: 0, statusDiscarded: 0}
	for _, r := range found {
		out[r.status] = r.n
	}
	return out, err
}

func (s *sqlStore) QuarantinedOne(ctx context.Context, id int64) (Quarantined, error) {
	var r quarantineRow
	var body []byte
	err := s.db.Read.QueryRowContext(ctx, `SELECT `+quarantineColumns+`, body FROM quarantine WHERE id = $1`, id).Scan(append(r.fields(), &body)...)
	if err != nil {
		return Quarantined{}, fmt.Errorf("read quarantined delivery %d: %w", id, notFound(err))
	}
	r.q.Body = body
	return r.read()
}

func (s *sqlStore) SettleQuarantined(ctx context.Context, q Quarantined, attempts int) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE quarantine SET status = $2, field = $3, detail = $4, last_error = $5, tried_at = $6, settled_at = $7, settled_by = $8,
			attempts = attempts + $9 WHERE id = $1`,
			q.ID, q.Status, q.Field, q.Detail, q.LastError, int64(q.TriedAt), int64(q.SettledAt), q.SettledBy, attempts)
		return err
	})
	if err != nil {
		return fmt.Errorf("note what became of quarantined delivery %d: %w", q.ID, err)
	}
	return nil
}

func (s *sqlStore) PurgeQuarantine(ctx context.Context, before event.Time) (removed int64, err error) {
	type row struct {
		id, kept int64
		room     string
	}
	for {
		rows, err := s.db.Read.QueryContext(ctx, `SELECT id, kept, room FROM quarantine WHERE settled_at > 0 AND settled_at < $1 ORDER BY room, id LIMIT 200`, int64(before))
		old, err := collect(rows, err, "find settled deliveries", func(r *row) []any { return []any{&r.id, &r.kept, &r.room} })
		if err != nil || len(old) == 0 {
			return removed, err
		}
		err = s.db.Tx(ctx, func(tx *sql.Tx) error {
			if err := s.alone(ctx, tx); err != nil {
				return err
			}
			for _, r := range old {
				res, err := tx.ExecContext(ctx, `DELETE FROM quarantine WHERE id = $1`, r.id)
				if err != nil {
					return err
				}
				// Another process may have been faster.
				if n, err := res.RowsAffected(); err != nil {
					return err
				} else if n > 0 {
					if err := grow(ctx, tx, r.room, -r.kept); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return removed, fmt.Errorf("remove settled deliveries: %w", err)
		}
		removed += int64(len(old))
	}
}
