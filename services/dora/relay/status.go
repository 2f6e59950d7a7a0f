package relay

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// ErrNotFound says that there is no such dead letter.
var ErrNotFound = errors.New("no such dead letter")

// Status is how the relay stands.
type Status struct {
	Configured bool
	URL        string
	Fault      string // of the settings; "" for none
	Reachable  *bool  // nil while nobody tried
	CheckedAt  time.Time
	Error      string // the last that concerns DevLake as a whole; "" when all is well
	ErrorAt    time.Time
	SentAt     time.Time     // when DevLake last accepted something
	Lag        time.Duration // how long the oldest item has been waiting to be sent
	Projects   []ProjectStatus
}

// ProjectStatus is how one project stands.
type ProjectStatus struct {
	Project                        string
	Pending, Sent, Dead, Discarded int
	Waiting                        map[string]int // cannot be sent yet, by reason
	SetUpAt                        time.Time
	Error                          string
	Lag                            time.Duration
}

// DeadLetter is an item that is not tried again by itself.
type DeadLetter struct {
	ID                    int64
	Project, Kind, Entity string
	Attempts, Status      int
	Error, Body           string
	Since, ChangedAt      time.Time
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return sqlstore.FromMicros(us)
}

// status reads what every process can see.
func (o *Outbox) status(ctx context.Context, now time.Time) (Status, error) {
	var s Status
	var reachable, checked, at, sent int64
	err := o.db.Read.QueryRowContext(ctx, `SELECT reachable, checked_at, error, error_at FROM relay_state WHERE name = 'relay'`).
		Scan(&reachable, &checked, &s.Error, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	if err != nil {
		return Status{}, fmt.Errorf("read how the relay stands: %w", err)
	}
	if reachable >= 0 {
		up := reachable == 1
		s.Reachable = &up
	}
	s.CheckedAt, s.ErrorAt = moment(checked), moment(at)
	index := map[string]int{}
	rows, err := o.db.Read.QueryContext(ctx, `SELECT project, waiting, set_up_at, error FROM relay_project ORDER BY project`)
	if err != nil {
		return Status{}, fmt.Errorf("read how the relay's projects stand: %w", err)
	}
	err = each(rows, func() error {
		var p ProjectStatus
		var waiting string
		var setUp int64
		if err := rows.Scan(&p.Project, &waiting, &setUp, &p.Error); err != nil {
			return err
		}
		p.SetUpAt = moment(setUp)
		index[p.Project] = len(s.Projects)
		s.Projects = append(s.Projects, p)
		return json.Unmarshal([]byte(waiting), &s.Projects[len(s.Projects)-1].Waiting)
	})
	if err != nil {
		return Status{}, fmt.Errorf("read how the relay's projects stand: %w", err)
	}
	rows, err = o.db.Read.QueryContext(ctx, `SELECT project, state, count(*), min(since), max(sent_at) FROM relay_item GROUP BY project, state`)
	if err != nil {
		return Status{}, fmt.Errorf("count the outbox: %w", err)
	}
	err = each(rows, func() error {
		var project, state string
		var n int
		var since, last int64
		if err := rows.Scan(&project, &state, &n, &since, &last); err != nil {
			return err
		}
		sent = max(sent, last)
		i, ok := index[project]
		if !ok {
			i = len(s.Projects)
			index[project] = i
			s.Projects = append(s.Projects, ProjectStatus{Project: project})
		}
		p := &s.Projects[i]
		switch state {
		case statePending:
			p.Pending, p.Lag = n, max(now.Sub(moment(since)), 0)
			s.Lag = max(s.Lag, p.Lag)
		case stateSent:
			p.Sent = n
		case stateDead:
			p.Dead = n
		case stateDiscarded:
			p.Discarded = n
		}
		return nil
	})
	if err != nil {
		return Status{}, fmt.Errorf("count the outbox: %w", err)
	}
	s.SentAt = moment(sent)
	return s, nil
}

// DeadLetters lists those of a project ("" for all) after an id, in order, at
// most limit.
func (o *Outbox) DeadLetters(ctx context.Context, project string, after int64, limit int) ([]DeadLetter, error) {
	rows, err := o.db.Read.QueryContext(ctx, deadColumns+` WHERE state = 'dead' AND id > $1 AND ($2 = '' OR project = $2) ORDER BY id LIMIT $3`, after, project, limit)
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	var out []DeadLetter
	err = each(rows, func() error {
		d, err := scanDead(rows)
		out = append(out, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	return out, nil
}

const deadColumns = `SELECT id, project, kind, entity, attempts, last_status, last_error, body, since, changed_at FROM relay_item`

func scanDead(row interface{ Scan(...any) error }) (DeadLetter, error) {
	var d DeadLetter
	var since, changed int64
	err := row.Scan(&d.ID, &d.Project, &d.Kind, &d.Entity, &d.Attempts, &d.Status, &d.Error, &d.Body, &since, &changed)
	d.Since, d.ChangedAt = moment(since), moment(changed)
	return d, err
}

// DeadLetter is one of them; ErrNotFound when there is none of that id.
func (o *Outbox) DeadLetter(ctx context.Context, id int64) (DeadLetter, error) {
	d, err := scanDead(o.db.Read.QueryRowContext(ctx, deadColumns+` WHERE state = 'dead' AND id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return DeadLetter{}, fmt.Errorf("read dead letter %d: %w", id, err)
	}
	return d, nil
}

// Retry makes dead letters pending again and returns how many: that of an id, or
// with id 0 all of a project ("" for every project).
func (o *Outbox) Retry(ctx context.Context, id int64, project string, now time.Time) (int64, error) {
	return o.revive(ctx, statePending, id, project, now)
}

// Discard gives dead letters up and returns how many: DevLake is not told of
// them until they change.
func (o *Outbox) Discard(ctx context.Context, id int64, project string, now time.Time) (int64, error) {
	return o.revive(ctx, stateDiscarded, id, project, now)
}

func (o *Outbox) revive(ctx context.Context, state string, id int64, project string, now time.Time) (n int64, err error) {
	err = o.db.Tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE relay_item SET state = $1, attempts = 0, since = $2, changed_at = $2, next_at = $2, last_status = 0
			WHERE state = 'dead' AND (id = $3 OR $3 = 0) AND (project = $4 OR $4 = '')`, state, sqlstore.Micros(now), id, project)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("change dead letters: %w", err)
	}
	return n, nil
}
