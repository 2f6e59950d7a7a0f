package runner

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// store is the runs, the queue among them, on SQLite and PostgreSQL: one SQL text serves both.
type store struct{ db *sqlstore.DB }

const runColumns = `seq, id, place, repository, clone_url, branch, default_branch, sha, subject, author, cause, attempt, retry_of,
	status, reason, cancel_by, queued_at, started_at, finished_at, detail`

type scanner interface{ Scan(dest ...any) error }

func scanRun(row scanner) (Run, error) {
	var r Run
	var queued int64
	var started, finished sql.NullInt64
	var detail string
	err := row.Scan(&r.Seq, &r.ID, &r.Place, &r.Repository, &r.CloneURL, &r.Branch, &r.DefaultBranch, &r.SHA, &r.Subject, &r.Author,
		&r.Cause, &r.Attempt, &r.RetryOf, &r.Status, &r.Reason, &r.CancelBy, &queued, &started, &finished, &detail)
	if errors.Is(err, sql.ErrNoRows) {
		return r, ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("read a run: %w", err)
	}
	r.Queued, r.Started, r.Finished = sqlstore.FromMicros(queued), fromInstant(started), fromInstant(finished)
	if err := json.Unmarshal([]byte(detail), &r.Detail); err != nil {
		return r, fmt.Errorf("read the detail of run %s: %w", r.ID, err)
	}
	return r, nil
}

func instant(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: sqlstore.Micros(t), Valid: !t.IsZero()}
}

func fromInstant(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return sqlstore.FromMicros(n.Int64)
}

// query lists runs.
func (s *store) query(ctx context.Context, q querier, rest string, args ...any) ([]Run, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+runColumns+" FROM runs "+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	defer rows.Close()
	var out []Run
	for rows.Next() {
		r, err := scanRun(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	return out, nil
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Run finds a run; ErrNotFound when there is none.
func (s *store) Run(ctx context.Context, id string) (Run, error) {
	return scanRun(s.db.Read.QueryRowContext(ctx, "SELECT "+runColumns+" FROM runs WHERE id = $1", id))
}

// Filter says which runs a list has; empty fields do not filter.
type Filter struct {
	Repository, Branch, SHA, Query string
	Status                         Status
	Before                         int64 // only runs with a smaller number; 0 for all
	Limit                          int
}

// Runs lists runs, the newest first.
func (s *store) Runs(ctx context.Context, f Filter) ([]Run, error) {
	if f.Before == 0 {
		f.Before = math.MaxInt64
	}
	like := ""
	if f.Query != "" {
		like = "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(f.Query)) + "%"
	}
	return s.query(ctx, s.db.Read, `WHERE seq < $1
		AND ($2 = '' OR repository = $2) AND ($3 = '' OR branch = $3) AND ($4 = '' OR status = $4) AND ($5 = '' OR sha = $5)
		AND ($6 = '' OR lower(subject) LIKE $6 ESCAPE '\' OR lower(author) LIKE $6 ESCAPE '\' OR lower(repository) LIKE $6 ESCAPE '\'
			OR lower(branch) LIKE $6 ESCAPE '\' OR sha LIKE $6 ESCAPE '\')
		ORDER BY seq DESC LIMIT $7`, f.Before, f.Repository, f.Branch, string(f.Status), f.SHA, like, f.Limit)
}

// Waiting lists the queue in its order.
func (s *store) Waiting(ctx context.Context, limit int) ([]Run, error) {
	return s.query(ctx, s.db.Read, "WHERE status = $1 ORDER BY place, seq LIMIT $2", string(Queued), limit)
}

// Next lists the first waiting run of every branch, in the queue's order: no other may begin.
func (s *store) Next(ctx context.Context, limit int) ([]Run, error) {
	return s.query(ctx, s.db.Read, `WHERE status = $1 AND NOT EXISTS (
			SELECT 1 FROM runs AS o WHERE o.repository = runs.repository AND o.branch = runs.branch AND o.status = $1
				AND (o.place < runs.place OR (o.place = runs.place AND o.seq < runs.seq)))
		ORDER BY place, seq LIMIT $2`, string(Queued), limit)
}

// Running lists the runs that have begun and not ended.
func (s *store) Running(ctx context.Context) ([]Run, error) {
	return s.query(ctx, s.db.Read, "WHERE status = $1 ORDER BY place, seq", string(Running))
}

// Counts are how many runs wait and how many run.
func (s *store) Counts(ctx context.Context) (queued, running int, err error) {
	err = s.db.Read.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM runs WHERE status = $1), (SELECT count(*) FROM runs WHERE status = $2)`,
		string(Queued), string(Running)).Scan(&queued, &running)
	if err != nil {
		return 0, 0, fmt.Errorf("count runs: %w", err)
	}
	return queued, running, nil
}

// Position is a queued run's place in the queue, from 1.
func (s *store) Position(ctx context.Context, r Run) (int, error) {
	var n int
	err := s.db.Read.QueryRowContext(ctx, "SELECT count(*) FROM runs WHERE status = $1 AND (place < $2 OR (place = $2 AND seq <= $3))",
		string(Queued), r.Place, r.Seq).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("find the place of run %s: %w", r.ID, err)
	}
	return n, nil
}

// Enqueue stores a queued run. With a delivery it does so once for each id; again says that it was known. With
// supersede the branch's waiting pushes give way, and it takes the first of their places; their ids are returned.
func (s *store) Enqueue(ctx context.Context, r Run, delivery string, supersede bool) (again bool, gave []string, err error) {
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		r := r // a transaction may be tried again
		again, gave = false, nil
		if delivery != "" {
			fresh, err := remember(ctx, tx, delivery, r.Queued)
			if err != nil {
				return err
			}
			if !fresh {
				again = true
				return nil
			}
		}
		if supersede {
			old, err := s.query(ctx, tx, "WHERE repository = $1 AND branch = $2 AND status = $3 AND cause IN ($4, $5)",
				r.Repository, r.Branch, string(Queued), string(Push), string(Recovered))
			if err != nil {
				return err
			}
			for _, o := range old {
				o.Status, o.Reason, o.Finished = Superseded, "a newer push of the branch came: "+r.SHA[:12], r.Queued
				o.Detail.close(Superseded, "", r.Queued)
				if err := update(ctx, tx, o, Queued); err != nil {
					return err
				}
				gave = append(gave, o.ID)
				// The newer one waits where they waited: who pushes often would else never come to the head of the queue.
				if r.Place == 0 || o.Place < r.Place {
					r.Place = o.Place
				}
			}
		}
		return insert(ctx, tx, r)
	})
	return again, gave, err
}

func remember(ctx context.Context, tx *sql.Tx, delivery string, at time.Time) (fresh bool, err error) {
	res, err := tx.ExecContext(ctx, "INSERT INTO deliveries (id, received_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", delivery, sqlstore.Micros(at))
	if err != nil {
		return false, fmt.Errorf("remember a delivery: %w", err)
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

func insert(ctx context.Context, tx *sql.Tx, r Run) error {
	detail, err := json.Marshal(r.Detail)
	if err != nil {
		return fmt.Errorf("write the detail of run %s: %w", r.ID, err)
	}
	if r.Place == 0 {
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(place), 0) + 1 FROM runs").Scan(&r.Place); err != nil {
			return fmt.Errorf("find the queue's end: %w", err)
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO runs (id, place, repository, clone_url, branch, default_branch, sha, subject, author, cause, attempt,
		retry_of, status, reason, queued_at, started_at, finished_at, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
		r.ID, r.Place, r.Repository, r.CloneURL, r.Branch, r.DefaultBranch, r.SHA, r.Subject, r.Author, string(r.Cause), r.Attempt,
		r.RetryOf, string(r.Status), r.Reason, sqlstore.Micros(r.Queued), instant(r.Started), instant(r.Finished), string(detail))
	if err != nil {
		return fmt.Errorf("store run %s: %w", r.ID, err)
	}
	return nil
}

// errMoved says that a run was not in the status that a change begins with.
var errMoved = errors.New("the run has moved on")

// update stores what changes of a run that is in the status from; errMoved when it is not.
func update(ctx context.Context, tx *sql.Tx, r Run, from Status) error {
	detail, err := json.Marshal(r.Detail)
	if err != nil {
		return fmt.Errorf("write the detail of run %s: %w", r.ID, err)
	}
	res, err := tx.ExecContext(ctx, "UPDATE runs SET status = $1, reason = $2, started_at = $3, finished_at = $4, detail = $5 WHERE id = $6 AND status = $7",
		string(r.Status), r.Reason, instant(r.Started), instant(r.Finished), string(detail), r.ID, string(from))
	if err != nil {
		return fmt.Errorf("store run %s: %w", r.ID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(errMoved, err)
	}
	return nil
}

// Move stores a run that was in the status from, and what else belongs to the same moment.
func (s *store) Move(ctx context.Context, r Run, from Status, also ...func(context.Context, *sql.Tx) error) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := update(ctx, tx, r, from); err != nil {
			return err
		}
		for _, do := range also {
			if err := do(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// AskCancel remembers that the end of a run was asked for; what happens to it then is the caller's.
func (s *store) AskCancel(ctx context.Context, id, by string) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE runs SET cancel_by = $1 WHERE id = $2 AND status = $3 AND cancel_by = ''", by, id, string(Running))
		if err != nil {
			return fmt.Errorf("cancel run %s: %w", id, err)
		}
		return nil
	})
}

// Recover ends every run under which the platform ended, in one step: one whose end had been asked for is canceled,
// the others are interrupted, and each of these that is no recovered run itself comes again once. also is called for
// each run that ended.
func (s *store) Recover(ctx context.Context, now time.Time, also func(context.Context, *sql.Tx, Run) error) (ended, again []Run, err error) {
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		ended, again = nil, nil
		left, err := s.query(ctx, tx, "WHERE status = $1 ORDER BY place, seq", string(Running))
		if err != nil {
			return err
		}
		for _, r := range left {
			r.Status, r.Reason, r.Finished = Interrupted, "the platform ended while it ran", now
			if r.CancelBy != "" {
				r.Status, r.Reason = Canceled, "canceled by "+r.CancelBy
			}
			r.Detail.close(r.Status, r.Reason, now)
			if r.Status == Interrupted && r.Cause == Recovered {
				r.Reason += ", a second time: it is not repeated again"
			}
			if err := update(ctx, tx, r, Running); err != nil {
				return err
			}
			if err := also(ctx, tx, r); err != nil {
				return err
			}
			ended = append(ended, r)
			if r.Status == Interrupted && r.Cause != Recovered {
				n := r.again(Recovered, now)
				if err := insert(ctx, tx, n); err != nil {
					return err
				}
				again = append(again, n)
			}
		}
		return nil
	})
	return ended, again, err
}

// Forget drops what nobody needs any more: delivery ids older than before.
func (s *store) Forget(ctx context.Context, before time.Time) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM deliveries WHERE received_at < $1", sqlstore.Micros(before)); err != nil {
			return fmt.Errorf("forget deliveries: %w", err)
		}
		return nil
	})
}

// Kept lists the ids of runs whose files stay: those that are not over, and the newest n others.
func (s *store) Kept(ctx context.Context, n int) (map[string]bool, error) {
	rows, err := s.db.Read.QueryContext(ctx, `SELECT id FROM runs WHERE status IN ($1, $2)
		UNION SELECT id FROM (SELECT id FROM runs WHERE status NOT IN ($1, $2) AND started_at IS NOT NULL ORDER BY seq DESC LIMIT $3) AS newest`,
		string(Queued), string(Running), n)
	if err != nil {
		return nil, fmt.Errorf("list kept runs: %w", err)
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("list kept runs: %w", err)
		}
		out[id] = true
	}
	return out, rows.Err()
}

// Name stores what the commit of a run is called, where the webhook did not say.
func (s *store) Name(ctx context.Context, id, subject, author string) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE runs SET subject = $1, author = $2 WHERE id = $3", subject, author, id); err != nil {
			return fmt.Errorf("name run %s: %w", id, err)
		}
		return nil
	})
}
