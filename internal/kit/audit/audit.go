// Package audit is the log of who changed what, as every service keeps it in its
// own database: a table audit_log that is written and read and never changed.
//
// The table is made by the service's migrations:
//
//	CREATE TABLE audit_log (seq …, at, actor, via, action, project, target, detail)
//
// An entry says who did it, by which token or session, what, and to which thing.
// Its detail is for people to read and never holds a secret. Refused attempts are
// counted elsewhere and not kept here, so that a stranger cannot fill the disk.
package audit

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// System is the actor of what no caller asked for.
const System = "system"

// mostText is how much of one text is kept.
const mostText = 1000

// Entry is one line of an audit log.
type Entry struct {
	Seq     int64
	At      time.Time
	Actor   string // a person's id, a workload's name, or System
	Via     string // the token or session used; empty for System
	Action  string // thing.done: "source.added"
	Project string // the project it concerns, where things belong to projects
	Target  string // the id of what was acted on
	Detail  string // for people to read; never a secret
}

// By makes the entry of what p did.
func By(p auth.Principal, at time.Time, action, target, detail string) Entry {
	return Entry{At: at, Actor: p.Subject, Via: p.TokenID, Action: action, Target: target, Detail: detail}
}

// From makes the entry of what the caller in ctx did; System's without a caller.
func From(ctx context.Context, at time.Time, action, target, detail string) Entry {
	p, ok := auth.FromContext(ctx)
	if !ok {
		p = auth.Principal{Subject: System}
	}
	return By(p, at, action, target, detail)
}

// Execer is a database or a transaction on it.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Write appends an entry, best in the transaction of what it tells of.
func Write(ctx context.Context, q Execer, e Entry) error {
	for _, t := range []*string{&e.Actor, &e.Via, &e.Action, &e.Project, &e.Target, &e.Detail} {
		*t = plain(*t)
	}
	_, err := q.ExecContext(ctx, `INSERT INTO audit_log (at, actor, via, action, project, target, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		sqlstore.Micros(e.At), e.Actor, e.Via, e.Action, e.Project, e.Target, e.Detail)
	if err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	return nil
}

// plain is a text that every engine stores, bounded in length.
func plain(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "�"), "�")
	if len(s) <= mostText {
		return s
	}
	s = s[:mostText-len("…")]
	for s != "" {
		if r, n := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || n != 1 {
			break
		}
		s = s[:len(s)-1] // half of a rune
	}
	return s + "…"
}

// Query says which entries are asked for; the newest come first.
type Query struct {
	// Before is the Seq of the last entry seen, 0 to begin with the newest.
	Before int64
	// Limit is how many entries to give at most.
	Limit int
	// Actor, Action, Project and Target narrow the list when they are set.
	Actor, Action, Project, Target string
	// Projects, when it is not empty, are the only projects to tell of.
	Projects []string
}

// List reads entries.
func List(ctx context.Context, db *sql.DB, q Query) ([]Entry, error) {
	if q.Before <= 0 {
		q.Before = math.MaxInt64
	}
	args := []any{q.Before, q.Limit}
	var where strings.Builder
	where.WriteString("seq < $1")
	arg := func(v string) string { args = append(args, v); return fmt.Sprintf("$%d", len(args)) }
	for _, c := range []struct{ column, want string }{{"actor", q.Actor}, {"action", q.Action}, {"project", q.Project}, {"target", q.Target}} {
		if c.want != "" {
			where.WriteString(" AND " + c.column + " = " + arg(c.want))
		}
	}
	if len(q.Projects) > 0 {
		var places []string
		for _, p := range q.Projects {
			places = append(places, arg(p))
		}
		where.WriteString(" AND project IN (" + strings.Join(places, ", ") + ")")
	}
	rows, err := db.QueryContext(ctx, `SELECT seq, at, actor, via, action, project, target, detail FROM audit_log WHERE `+where.String()+` ORDER BY seq DESC LIMIT $2`, args...)
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var out []Entry
	for rows.Next() {
		var e Entry
		var at int64
		if err := rows.Scan(&e.Seq, &at, &e.Actor, &e.Via, &e.Action, &e.Project, &e.Target, &e.Detail); err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		e.At = sqlstore.FromMicros(at)
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return out, nil
}
