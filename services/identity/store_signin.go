package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

const sessionColumns = `sessions.id, sessions.hash, sessions.person_id, sessions.agent, sessions.created_at, sessions.seen_at, sessions.expires_at`

type sessionRow struct {
	s                      Session
	created, seen, expires int64
}

func (r *sessionRow) into() []any {
	return []any{&r.s.ID, &r.s.Hash, &r.s.PersonID, &r.s.Agent, &r.created, &r.seen, &r.expires}
}

func (r *sessionRow) session() Session {
	s := r.s
	s.Created, s.Seen, s.Expires = sqlstore.FromMicros(r.created), sqlstore.FromMicros(r.seen), sqlstore.FromMicros(r.expires)
	return s
}

func (s *sqlStore) AddCode(ctx context.Context, c Code, e Entry) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO signin_codes (hash, person_id, created_at, expires_at) VALUES ($1, $2, $3, $4)`,
			c.Hash, c.PersonID, sqlstore.Micros(c.Created), sqlstore.Micros(c.Expires))
		if err != nil {
			return fmt.Errorf("add a sign-in code: %w", err)
		}
		return record(ctx, tx, e)
	})
}

func (s *sqlStore) SignIn(ctx context.Context, codeHash string, session Session) (Person, error) {
	var person Person
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		now := sqlstore.Micros(session.Created)
		var id string
		// One statement decides who uses the code: the second of two that come together changes no row.
		err := tx.QueryRowContext(ctx,
			`UPDATE signin_codes SET used_at = $1 WHERE hash = $2 AND used_at IS NULL AND expires_at > $1 RETURNING person_id`,
			now, codeHash).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrCode
		}
		if err != nil {
			return fmt.Errorf("use a sign-in code: %w", err)
		}
		p, err := scanPerson(tx.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people WHERE id = $1`, id))
		if err != nil {
			return fmt.Errorf("read the person who signs in: %w", err)
		}
		if !p.Active() {
			return ErrCode
		}
		_, err = tx.ExecContext(ctx,
			`INSERT INTO sessions (id, hash, person_id, agent, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			session.ID, session.Hash, p.ID, session.Agent, now, sqlstore.Micros(session.Seen), sqlstore.Micros(session.Expires))
		if err != nil {
			return fmt.Errorf("start a session: %w", err)
		}
		person = p
		return record(ctx, tx, Entry{At: session.Created, Actor: p.ID, Via: session.ID, Action: ActionSignedIn, Target: session.ID, Detail: session.Agent})
	})
	return person, err
}

func (s *sqlStore) Session(ctx context.Context, hash string) (Session, Person, error) {
	var r sessionRow
	var p personRow
	err := s.db.Read.QueryRowContext(ctx,
		`SELECT `+sessionColumns+`, `+personColumns+` FROM sessions JOIN people ON people.id = sessions.person_id WHERE sessions.hash = $1`,
		hash).Scan(append(r.into(), p.into()...)...)
	return r.session(), p.person(), none(err, "read a session")
}

func (s *sqlStore) Sessions(ctx context.Context, personID string, page Page) ([]Session, error) {
	at, id := page.from()
	return list(ctx, s.db.Read, "sessions", func(sc scanner) (Session, error) {
		var r sessionRow
		err := sc.Scan(r.into()...)
		return r.session(), err
	}, `SELECT `+sessionColumns+` FROM sessions WHERE ($1 = '' OR person_id = $1) AND (created_at, id) < ($2, $3)
		ORDER BY created_at DESC, id DESC LIMIT $4`, personID, at, id, page.Limit)
}

func (s *sqlStore) SessionSeen(ctx context.Context, id string, at time.Time) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		return changed(ctx, tx, "note a session's use", `UPDATE sessions SET seen_at = $1 WHERE id = $2`, sqlstore.Micros(at), id)
	})
}

func (s *sqlStore) EndSession(ctx context.Context, id, personID string, e Entry) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		err := changed(ctx, tx, "end a session", `DELETE FROM sessions WHERE id = $1 AND ($2 = '' OR person_id = $2)`, id, personID)
		if err != nil {
			return err
		}
		return record(ctx, tx, e)
	})
}

func (s *sqlStore) Purge(ctx context.Context, codes, ended, seen time.Time) (int64, error) {
	var total int64
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		total = 0
		for _, q := range []struct {
			text string
			args []any
		}{
			{`DELETE FROM signin_codes WHERE expires_at < $1`, []any{sqlstore.Micros(codes)}},
			{`DELETE FROM sessions WHERE expires_at < $1 OR seen_at < $2`, []any{sqlstore.Micros(ended), sqlstore.Micros(seen)}},
		} {
			result, err := tx.ExecContext(ctx, q.text, q.args...)
			if err != nil {
				return fmt.Errorf("forget what has expired: %w", err)
			}
			n, err := result.RowsAffected()
			if err != nil {
				return fmt.Errorf("forget what has expired: %w", err)
			}
			total += n
		}
		return nil
	})
	return total, err
}
