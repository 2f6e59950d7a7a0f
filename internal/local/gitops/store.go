package gitops

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/notify"
)

// ErrNotFound says that there is no such thing.
var ErrNotFound = errors.New("not found")

// Condition is something that is wrong with an application.
type Condition struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// The types of condition.
const (
	ComparisonError = "ComparisonError" // what is wanted cannot be read or rendered
	SyncError       = "SyncError"       // the last operation failed, and is not begun again by itself
	RollbackError   = "RollbackError"   // a rollback failed, or cannot be made
	OrphanedWarning = "OrphanedWarning" // no longer in the repository
)

// The states of an application against its repository.
const (
	Synced    = "Synced"
	OutOfSync = "OutOfSync"
	Unknown   = "Unknown"
)

// Application is one service in one environment.
type Application struct {
	Name, UID, Service, Environment string
	Present                         bool   // whether the repository has it
	Tree, Revision                  string // what is wanted: its folder, and the last commit that changed it
	Subject                         string // that commit's
	Change                          string // the key of the platform's own change that made that commit, "" for none
	Sync, SyncMessage               string
	Conditions                      []Condition
	Health                          Health
	LastStarted                     time.Time // when the last operation began
	Applied                         bool      // whether the cluster was ever told of it
	Paused                          string    // why nothing is begun now: a window
	Updated                         time.Time
}

// Path is the application's folder in the repository.
func (a Application) Path() string { return folderOf(a.Service, a.Environment) }

func folderOf(service, environment string) string { return "apps/" + service + "/" + environment }

// The kinds of operation.
const (
	KindSync     = "sync"
	KindRollback = "rollback"
	KindHeal     = "heal" // brings back what was changed outside
)

// Detail is what an operation is about, as it was when it began.
type Detail struct {
	Project     string            `json:"project"`
	Annotations map[string]string `json:"annotations"` // of the Application
	Images      []string          `json:"images"`
	Resources   []notify.Resource `json:"resources"`
}

// Operation is one roll-out.
type Operation struct {
	ID             int64
	App, Kind      string
	Revision, Tree string
	Automated      bool
	By             string // who asked, when not Automated
	Prune          bool
	RollbackOf     int64 // the operation that it undoes, 0 for none
	Detail         Detail
	Phase, Message string
	Terminate      bool // somebody wants it ended
	Started        time.Time
	Applied        time.Time // zero: the cluster was not told yet
	Finished       time.Time // zero: it runs
}

// Store keeps what must survive the process.
type Store struct{ db *sqlstore.DB }

// NewStore keeps it in a database that has the module's migrations.
func NewStore(db *sqlstore.DB) *Store { return &Store{db} }

// Tx runs fn in one durable transaction.
func (s *Store) Tx(ctx context.Context, fn func(*sql.Tx) error) error { return s.db.Tx(ctx, fn) }

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

type scanner interface{ Scan(dest ...any) error }

func list[T any](ctx context.Context, q querier, what string, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		out = append(out, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return out, nil
}

func one[T any](row scanner, what string, scan func(scanner) (T, error)) (T, error) {
	v, err := scan(row)
	if errors.Is(err, sql.ErrNoRows) {
		return v, ErrNotFound
	}
	if err != nil {
		return v, fmt.Errorf("read %s: %w", what, err)
	}
	return v, nil
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// micros is the stored form of a time, 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return sqlstore.Micros(t)
}

func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return sqlstore.FromMicros(us)
}

func null(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return sqlstore.Micros(t)
}

const applicationColumns = `name, uid, service, environment, present, tree, revision, subject, change, sync, sync_message, conditions,
	health, health_message, health_since, last_started, applied, paused, updated_at`

func scanApplication(r scanner) (Application, error) {
	var a Application
	var conditions string
	var present, applied, since, started, updated int64
	err := r.Scan(&a.Name, &a.UID, &a.Service, &a.Environment, &present, &a.Tree, &a.Revision, &a.Subject, &a.Change, &a.Sync, &a.SyncMessage, &conditions,
		&a.Health.Status, &a.Health.Message, &since, &started, &applied, &a.Paused, &updated)
	if err != nil {
		return a, err
	}
	a.Present, a.Applied = present == 1, applied == 1
	a.Health.Since, a.LastStarted, a.Updated = instant(since), instant(started), instant(updated)
	return a, json.Unmarshal([]byte(conditions), &a.Conditions)
}

// Applications are all of them, by name.
func (s *Store) Applications(ctx context.Context) ([]Application, error) {
	return list(ctx, s.db.Read, "applications", scanApplication, `SELECT `+applicationColumns+` FROM applications ORDER BY name`)
}

// Application is the one of a name.
func (s *Store) Application(ctx context.Context, name string) (Application, error) {
	return one(s.db.Read.QueryRowContext(ctx, `SELECT `+applicationColumns+` FROM applications WHERE name = $1`, name), "an application", scanApplication)
}

// PutApplication stores an application.
func (s *Store) PutApplication(ctx context.Context, tx *sql.Tx, a Application) error {
	if a.Conditions == nil {
		a.Conditions = []Condition{}
	}
	conditions, err := json.Marshal(a.Conditions)
	if err != nil {
		return fmt.Errorf("store an application: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO applications (`+applicationColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (name) DO UPDATE SET present = excluded.present, tree = excluded.tree, revision = excluded.revision, subject = excluded.subject,
			change = excluded.change, sync = excluded.sync, sync_message = excluded.sync_message, conditions = excluded.conditions, health = excluded.health,
			health_message = excluded.health_message, health_since = excluded.health_since, last_started = excluded.last_started, applied = excluded.applied,
			paused = excluded.paused, updated_at = excluded.updated_at`,
		a.Name, a.UID, a.Service, a.Environment, bit(a.Present), a.Tree, a.Revision, a.Subject, a.Change, a.Sync, a.SyncMessage, string(conditions),
		a.Health.Status, a.Health.Message, micros(a.Health.Since), micros(a.LastStarted), bit(a.Applied), a.Paused, micros(a.Updated))
	if err != nil {
		return fmt.Errorf("store an application: %w", err)
	}
	return nil
}

// Connections are what is kept of where the other parts are, as JSON; "" before any.
func (s *Store) Connections(ctx context.Context) (string, error) {
	var body string
	err := s.db.Read.QueryRowContext(ctx, `SELECT body FROM connections WHERE id = 1`).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the connections: %w", err)
	}
	return body, nil
}

// PutConnections stores them.
func (s *Store) PutConnections(ctx context.Context, tx *sql.Tx, body string) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO connections (id, body) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET body = excluded.body`, body); err != nil {
		return fmt.Errorf("store the connections: %w", err)
	}
	return nil
}
