package dora

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// StoredProfile is one version of a user-defined profile. Spec is its file, ""
// where this version says that it was deleted.
type StoredProfile struct {
	Name      string
	Version   int64
	Spec      string
	CreatedAt event.Time
	CreatedBy string
}

const profileColumns = `SELECT name, version, spec, created_at, created_by FROM profile `

func (p *StoredProfile) fields() []any {
	return []any{&p.Name, &p.Version, &p.Spec, (*int64)(&p.CreatedAt), &p.CreatedBy}
}

func (s *sqlStore) UserProfiles(ctx context.Context) ([]StoredProfile, error) {
	rows, err := s.db.Read.QueryContext(ctx, profileColumns+`AS p
		WHERE spec <> '' AND version = (SELECT MAX(version) FROM profile AS q WHERE q.name = p.name) ORDER BY name`)
	return collect(rows, err, "list profiles", (*StoredProfile).fields)
}

func (s *sqlStore) UserProfile(ctx context.Context, name string, version int64) (StoredProfile, error) {
	var p StoredProfile
	err := s.db.Read.QueryRowContext(ctx, profileColumns+`WHERE name = $1 AND ($2 = 0 OR version = $2) ORDER BY version DESC LIMIT 1`, name, version).Scan(p.fields()...)
	if err != nil {
		return StoredProfile{}, fmt.Errorf("read the profile %s: %w", name, notFound(err))
	}
	return p, nil
}

func (s *sqlStore) PutProfile(ctx context.Context, p StoredProfile) (StoredProfile, error) {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		var last string
		err := tx.QueryRowContext(ctx, `SELECT version, spec FROM profile WHERE name = $1 ORDER BY version DESC LIMIT 1`, p.Name).Scan(&p.Version, &last)
		if err != nil && !errors.Is(notFound(err), ErrNotFound) {
			return err
		}
		if p.Spec == "" && last == "" {
			return ErrNotFound // there is nothing to delete
		}
		if p.Spec == last && p.Spec != "" {
			return nil // written again, by someone who heard no answer perhaps
		}
		p.Version++
		_, err = tx.ExecContext(ctx, `INSERT INTO profile (name, version, spec, created_at, created_by) VALUES ($1, $2, $3, $4, $5)`,
			p.Name, p.Version, p.Spec, int64(p.CreatedAt), p.CreatedBy)
		return err
	})
	if err != nil {
		return StoredProfile{}, fmt.Errorf("store the profile %s: %w", p.Name, err)
	}
	return p, nil
}

// Annotation is a mark beside the trends of a project. Service is "" where it is
// about all of them.
type Annotation struct {
	ID               int64
	Project, Service string
	Kind             string
	At               event.Time
	Text             string
	CreatedAt        event.Time
	CreatedBy        string
}

func (s *sqlStore) AddAnnotation(ctx context.Context, a Annotation) (Annotation, error) {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `INSERT INTO annotation (project, service, kind, at, text, created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`,
			a.Project, a.Service, a.Kind, int64(a.At), a.Text, int64(a.CreatedAt), a.CreatedBy).Scan(&a.ID)
	})
	if err != nil {
		return Annotation{}, fmt.Errorf("store an annotation: %w", err)
	}
	return a, nil
}

func (s *sqlStore) Annotations(ctx context.Context, project string, from, to event.Time) ([]Annotation, error) {
	rows, err := s.db.Read.QueryContext(ctx, `SELECT id, project, service, kind, at, text, created_at, created_by FROM annotation
		WHERE project = $1 AND at >= $2 AND at < $3 ORDER BY at, id`, project, int64(from), int64(to))
	return collect(rows, err, "list annotations", func(a *Annotation) []any {
		return []any{&a.ID, &a.Project, &a.Service, &a.Kind, (*int64)(&a.At), &a.Text, (*int64)(&a.CreatedAt), &a.CreatedBy}
	})
}

func (s *sqlStore) DeleteAnnotation(ctx context.Context, project string, id int64) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM annotation WHERE id = $1 AND project = $2`, id, project)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return ErrNotFound
	})
	if err != nil {
		return fmt.Errorf("remove annotation %d: %w", id, err)
	}
	return nil
}
