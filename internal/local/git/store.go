package git

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// ErrNotFound says that there is no such repository or hook.
var ErrNotFound = errors.New("not found")

// Repository is what is known of one beside its references.
type Repository struct {
	Name          string // owner/name
	Description   string
	DefaultBranch string
	Protected     []Rule
	Size          int64 // bytes on disk
	Created       time.Time
	Pushed        time.Time // zero: never
}

// store keeps repositories and what was announced of them. One SQL text serves both engines.
type store struct{ db *sqlstore.DB }

// scanner is a *sql.Row or a *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// list runs a query and reads every row.
func list[T any](ctx context.Context, q querier, what string, scan func(scanner) (T, error), query string, args ...any) (out []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", what, err)
	}
	defer rows.Close()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		out = append(out, item)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list %s: %w", what, err)
	}
	return out, nil
}

const repositoryColumns = `name, description, default_branch, protected, size_bytes, created_at, pushed_at`

func scanRepository(row scanner) (r Repository, err error) {
	var rules string
	var created int64
	var pushed sql.NullInt64
	if err := row.Scan(&r.Name, &r.Description, &r.DefaultBranch, &rules, &r.Size, &created, &pushed); err != nil {
		return r, err
	}
	r.Created = sqlstore.FromMicros(created)
	if pushed.Valid {
		r.Pushed = sqlstore.FromMicros(pushed.Int64)
	}
	return r, json.Unmarshal([]byte(rules), &r.Protected)
}

func (s store) repository(ctx context.Context, name string) (Repository, error) {
	r, err := scanRepository(s.db.Read.QueryRowContext(ctx, `SELECT `+repositoryColumns+` FROM repositories WHERE name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return r, ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("read a repository: %w", err)
	}
	return r, nil
}

// repositories lists those after a name, by name; a part narrows it to names with that in them.
func (s store) repositories(ctx context.Context, after, part string, limit int) ([]Repository, error) {
	like := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(part) + "%"
	return list(ctx, s.db.Read, "repositories", scanRepository,
		`SELECT `+repositoryColumns+` FROM repositories WHERE name > $1 AND name LIKE $2 ESCAPE '\' ORDER BY name LIMIT $3`, after, like, limit)
}

// put stores a repository's description and rules, and makes it when it is new.
func (s store) put(ctx context.Context, r Repository) error {
	rules, err := json.Marshal(r.Protected)
	if err != nil {
		return fmt.Errorf("store a repository: %w", err)
	}
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO repositories (name, description, default_branch, protected, size_bytes, created_at) VALUES ($1, $2, $3, $4, 0, $5)
			ON CONFLICT (name) DO UPDATE SET description = excluded.description, default_branch = excluded.default_branch, protected = excluded.protected`,
			r.Name, r.Description, r.DefaultBranch, string(rules), sqlstore.Micros(r.Created))
		if err != nil {
			return fmt.Errorf("store a repository: %w", err)
		}
		return nil
	})
}

func (s store) remove(ctx context.Context, name string) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, query := range []string{`DELETE FROM announced_refs WHERE repository = $1`, `DELETE FROM repositories WHERE name = $1`} {
			if _, err := tx.ExecContext(ctx, query, name); err != nil {
				return fmt.Errorf("remove a repository: %w", err)
			}
		}
		return nil
	})
}

// announced are the references as they were last announced.
func (s store) announced(ctx context.Context, name string) (map[string]string, error) {
	type pair struct{ ref, sha string }
	pairs, err := list(ctx, s.db.Read, "announced references", func(row scanner) (p pair, err error) {
		return p, row.Scan(&p.ref, &p.sha)
	}, `SELECT ref, sha FROM announced_refs WHERE repository = $1`, name)
	out := make(map[string]string, len(pairs))
	for _, p := range pairs {
		out[p.ref] = p.sha
	}
	return out, err
}

// announcedRef is one of them; "" when it is not there.
func (s store) announcedRef(ctx context.Context, name, ref string) (sha string, err error) {
	err = s.db.Read.QueryRowContext(ctx, `SELECT sha FROM announced_refs WHERE repository = $1 AND ref = $2`, name, ref).Scan(&sha)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read an announced reference: %w", err)
	}
	return sha, nil
}

// nextSeq numbers an announcement.
func nextSeq(ctx context.Context, tx *sql.Tx, now time.Time) (seq int64, err error) {
	if err := tx.QueryRowContext(ctx, `INSERT INTO announcements (one, seq, at) VALUES (1, 1, $1)
		ON CONFLICT (one) DO UPDATE SET seq = announcements.seq + 1, at = excluded.at RETURNING seq`, sqlstore.Micros(now)).Scan(&seq); err != nil {
		return 0, fmt.Errorf("number an announcement: %w", err)
	}
	return seq, nil
}

// setAnnounced notes a reference as announced; an empty sha is one that is gone.
func setAnnounced(ctx context.Context, tx *sql.Tx, name, ref, sha string) error {
	var err error
	if sha == "" {
		_, err = tx.ExecContext(ctx, `DELETE FROM announced_refs WHERE repository = $1 AND ref = $2`, name, ref)
	} else {
		_, err = tx.ExecContext(ctx, `INSERT INTO announced_refs (repository, ref, sha) VALUES ($1, $2, $3) ON CONFLICT (repository, ref) DO UPDATE SET sha = excluded.sha`, name, ref, sha)
	}
	if err != nil {
		return fmt.Errorf("note an announced reference: %w", err)
	}
	return nil
}

func setPushed(ctx context.Context, tx *sql.Tx, name string, size int64, at time.Time) error {
	if _, err := tx.ExecContext(ctx, `UPDATE repositories SET size_bytes = $1, pushed_at = $2 WHERE name = $3`, size, sqlstore.Micros(at), name); err != nil {
		return fmt.Errorf("note a push: %w", err)
	}
	return nil
}
