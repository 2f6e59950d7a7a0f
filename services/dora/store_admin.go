package dora

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

type projectRow struct {
	spec    string
	version int64
	updated int64
}

func (s *sqlStore) Projects(ctx context.Context) ([]Declared, error) {
	rows, err := s.db.Read.QueryContext(ctx, `SELECT spec, version, updated_at FROM project ORDER BY name`)
	found, err := collect(rows, err, "list projects", func(r *projectRow) []any { return []any{&r.spec, &r.version, &r.updated} })
	if err != nil {
		return nil, err
	}
	out := make([]Declared, len(found))
	for i, r := range found {
		if out[i], err = r.declared(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *sqlStore) Project(ctx context.Context, name string) (Declared, error) {
	var r projectRow
	err := s.db.Read.QueryRowContext(ctx, `SELECT spec, version, updated_at FROM project WHERE name = $1`, name).Scan(&r.spec, &r.version, &r.updated)
	if err != nil {
		return Declared{}, fmt.Errorf("read the declaration of %s: %w", name, notFound(err))
	}
	return r.declared()
}

func (r projectRow) declared() (Declared, error) {
	d := Declared{Version: r.version, UpdatedAt: event.Time(r.updated)}
	if err := json.Unmarshal([]byte(r.spec), &d.Spec); err != nil {
		return Declared{}, fmt.Errorf("read a declaration: %w", err)
	}
	return d, nil
}

func (s *sqlStore) PutProject(ctx context.Context, spec project.Spec, at event.Time) (Declared, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return Declared{}, fmt.Errorf("declare %s: %w", spec.Project, err)
	}
	d := Declared{Spec: spec, UpdatedAt: at}
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		// A declaration that was withdrawn and made again must not repeat a version,
		// and of two at the same time the later has the greater.
		if err := tx.QueryRowContext(ctx, `INSERT INTO checkpoint (name, seq) VALUES ('declarations', 1)
			ON CONFLICT (name) DO UPDATE SET seq = checkpoint.seq + 1 RETURNING seq`).Scan(&d.Version); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO project (name, spec, version, updated_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, version = excluded.version, updated_at = excluded.updated_at`,
			spec.Project, string(text), d.Version, int64(d.UpdatedAt))
		return err
	})
	if err != nil {
		return Declared{}, fmt.Errorf("declare %s: %w", spec.Project, err)
	}
	return d, nil
}

func (s *sqlStore) DeleteProject(ctx context.Context, name string) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM project WHERE name = $1`, name)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNotFound)
		}
		// That something changed is seen by the counter.
		_, err = tx.ExecContext(ctx, `UPDATE checkpoint SET seq = seq + 1 WHERE name = 'declarations'`)
		return err
	})
	if err != nil {
		return fmt.Errorf("withdraw the declaration of %s: %w", name, err)
	}
	return nil
}

func (s *sqlStore) deleteOne(ctx context.Context, what, query string, arg any) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, query, arg)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return ErrNotFound
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (s *sqlStore) AddSource(ctx context.Context, v Source) (Source, error) {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `INSERT INTO webhook_source (kind, name, project, secret, created_at, created_by)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id`,
			v.Kind, v.Name, v.Project, v.Secret, int64(v.CreatedAt), v.CreatedBy).Scan(&v.ID)
		if errors.Is(notFound(err), ErrNotFound) {
			return ErrExists
		}
		return err
	})
	if err != nil {
		return Source{}, fmt.Errorf("add the %s source %s: %w", v.Kind, v.Name, err)
	}
	return v, nil
}

func (s *sqlStore) Sources(ctx context.Context) ([]Source, error) {
	rows, err := s.db.Read.QueryContext(ctx, `SELECT id, kind, name, project, secret, created_at, created_by FROM webhook_source ORDER BY kind, name`)
	return collect(rows, err, "list webhook sources", func(v *Source) []any {
		return []any{&v.ID, &v.Kind, &v.Name, &v.Project, &v.Secret, (*int64)(&v.CreatedAt), &v.CreatedBy}
	})
}

func (s *sqlStore) DeleteSource(ctx context.Context, id int64) error {
	return s.deleteOne(ctx, fmt.Sprintf("remove webhook source %d", id), `DELETE FROM webhook_source WHERE id = $1`, id)
}

func (s *sqlStore) Imports(ctx context.Context, project, repo string) ([]Import, error) {
	rows, err := s.db.Read.QueryContext(ctx, `SELECT project, key, repo, state, updated_at FROM import
		WHERE project = $1 AND ($2 = '' OR repo = $2) ORDER BY key`, project, repo)
	return collect(rows, err, "list imports", func(i *Import) []any {
		return []any{&i.Project, &i.Key, &i.Repo, &i.State, (*int64)(&i.UpdatedAt)}
	})
}

func (s *sqlStore) PutImport(ctx context.Context, i Import) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO import (project, key, repo, state, updated_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (project, key) DO UPDATE SET repo = excluded.repo, state = excluded.state, updated_at = excluded.updated_at`,
			i.Project, i.Key, i.Repo, i.State, int64(i.UpdatedAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("store the progress of an import: %w", err)
	}
	return nil
}
