package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

const personColumns = `people.id, people.name, people.role, people.teams, people.created_at, people.disabled_at`

// personRow takes one row of personColumns.
type personRow struct {
	p        Person
	teams    string
	created  int64
	disabled sql.NullInt64
}

func (r *personRow) into() []any {
	return []any{&r.p.ID, &r.p.Name, &r.p.Role, &r.teams, &r.created, &r.disabled}
}

func (r *personRow) person() Person {
	p := r.p
	p.Teams, p.Created, p.Disabled = fromLines(r.teams), sqlstore.FromMicros(r.created), fromInstant(r.disabled)
	return p
}

func scanPerson(s scanner) (Person, error) {
	var r personRow
	err := s.Scan(r.into()...)
	return r.person(), err
}

func (s *sqlStore) EnsureOwner(ctx context.Context, owner Person) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		err := changed(ctx, tx, "make the first person",
			`INSERT INTO people (id, name, role, teams, created_at) VALUES ($1, $2, $3, '', $4) ON CONFLICT (id) DO NOTHING`,
			owner.ID, owner.Name, owner.Role, sqlstore.Micros(owner.Created))
		if errors.Is(err, ErrNotFound) {
			return nil // the person is there already
		}
		if err != nil {
			return err
		}
		return record(ctx, tx, Entry{At: owner.Created, Actor: "system", Action: ActionPersonAdded, Target: owner.ID, Detail: "the first person"})
	})
}

func (s *sqlStore) Person(ctx context.Context, id string) (Person, error) {
	p, err := scanPerson(s.db.Read.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people WHERE id = $1`, id))
	return p, none(err, "read a person")
}

func (s *sqlStore) People(ctx context.Context, page Page) ([]Person, error) {
	at, id := page.from()
	return list(ctx, s.db.Read, "people", scanPerson,
		`SELECT `+personColumns+` FROM people WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC, id DESC LIMIT $3`, at, id, page.Limit)
}

func (s *sqlStore) AddPerson(ctx context.Context, p Person, e Entry) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO people (id, name, role, teams, created_at, disabled_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			p.ID, p.Name, p.Role, lines(p.Teams), sqlstore.Micros(p.Created), instant(p.Disabled))
		if err != nil {
			return fmt.Errorf("add a person: %w", err)
		}
		return record(ctx, tx, e)
	})
}

func (s *sqlStore) ChangePerson(ctx context.Context, id string, change func(*Person) error, e Entry) (Person, error) {
	var result Person
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		// Changes to people queue up behind the owner's row, on both engines: two admins who demote each other at the
		// same moment must not both succeed.
		if err := changed(ctx, tx, "lock people", `UPDATE people SET name = name WHERE id = $1`, OwnerID); err != nil {
			return err
		}
		p, err := scanPerson(tx.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people WHERE id = $1`, id))
		if err := none(err, "read a person"); err != nil {
			return err
		}
		if err := change(&p); err != nil {
			return err
		}
		err = changed(ctx, tx, "change a person", `UPDATE people SET name = $1, role = $2, teams = $3, disabled_at = $4 WHERE id = $5`,
			p.Name, p.Role, lines(p.Teams), instant(p.Disabled), id)
		if err != nil {
			return err
		}
		var admins int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM people WHERE role = 'admin' AND disabled_at IS NULL`).Scan(&admins); err != nil {
			return fmt.Errorf("count the admins: %w", err)
		}
		if admins == 0 {
			return ErrLastAdmin
		}
		result = p
		return record(ctx, tx, e)
	})
	return result, err
}
