package identity

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

const tokenColumns = `api_tokens.id, api_tokens.hash, api_tokens.person_id, api_tokens.name, api_tokens.scopes, api_tokens.projects,
	api_tokens.created_at, api_tokens.expires_at, api_tokens.used_at, api_tokens.revoked_at`

type tokenRow struct {
	t                Token
	scopes, projects string
	created, expires int64
	used, revoked    sql.NullInt64
}

func (r *tokenRow) into() []any {
	return []any{&r.t.ID, &r.t.Hash, &r.t.PersonID, &r.t.Name, &r.scopes, &r.projects, &r.created, &r.expires, &r.used, &r.revoked}
}

func (r *tokenRow) token() Token {
	t := r.t
	t.Scopes, t.Projects = fromLines(r.scopes), fromLines(r.projects)
	t.Created, t.Expires = sqlstore.FromMicros(r.created), sqlstore.FromMicros(r.expires)
	t.Used, t.Revoked = fromInstant(r.used), fromInstant(r.revoked)
	return t
}

func (s *sqlStore) AddToken(ctx context.Context, t Token, e Entry) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`INSERT INTO api_tokens (id, hash, person_id, name, scopes, projects, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			t.ID, t.Hash, t.PersonID, t.Name, lines(t.Scopes), lines(t.Projects), sqlstore.Micros(t.Created), sqlstore.Micros(t.Expires))
		if err != nil {
			return fmt.Errorf("add a token: %w", err)
		}
		return record(ctx, tx, e)
	})
}

func (s *sqlStore) Token(ctx context.Context, hash string) (Token, Person, error) {
	var r tokenRow
	var p personRow
	err := s.db.Read.QueryRowContext(ctx,
		`SELECT `+tokenColumns+`, `+personColumns+` FROM api_tokens JOIN people ON people.id = api_tokens.person_id WHERE api_tokens.hash = $1`,
		hash).Scan(append(r.into(), p.into()...)...)
	return r.token(), p.person(), none(err, "read a token")
}

func (s *sqlStore) Tokens(ctx context.Context, personID string, page Page) ([]Token, error) {
	at, id := page.from()
	return list(ctx, s.db.Read, "tokens", func(sc scanner) (Token, error) {
		var r tokenRow
		err := sc.Scan(r.into()...)
		return r.token(), err
	}, `SELECT `+tokenColumns+` FROM api_tokens WHERE ($1 = '' OR person_id = $1) AND (created_at, id) < ($2, $3)
		ORDER BY created_at DESC, id DESC LIMIT $4`, personID, at, id, page.Limit)
}

func (s *sqlStore) TokenUsed(ctx context.Context, id string, at time.Time) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		return changed(ctx, tx, "note a token's use", `UPDATE api_tokens SET used_at = $1 WHERE id = $2`, sqlstore.Micros(at), id)
	})
}

func (s *sqlStore) RevokeToken(ctx context.Context, id, personID string, e Entry) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		err := changed(ctx, tx, "revoke a token",
			`UPDATE api_tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL AND ($3 = '' OR person_id = $3)`,
			sqlstore.Micros(e.At), id, personID)
		if err == nil {
			return record(ctx, tx, e)
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		var there int
		err = tx.QueryRowContext(ctx, `SELECT 1 FROM api_tokens WHERE id = $1 AND ($2 = '' OR person_id = $2)`, id, personID).Scan(&there)
		return none(err, "look for a revoked token")
	})
}

func (s *sqlStore) Keys(ctx context.Context) ([]Key, error) {
	return list(ctx, s.db.Read, "signing keys", func(r scanner) (Key, error) {
		var k Key
		var seed string
		var created int64
		if err := r.Scan(&k.Generation, &k.ID, &seed, &created); err != nil {
			return Key{}, err
		}
		raw, err := base64.StdEncoding.DecodeString(seed)
		if err != nil || len(raw) != ed25519.SeedSize {
			return Key{}, fmt.Errorf("the stored seed of key %s is damaged", k.ID)
		}
		k.Private, k.Created = ed25519.NewKeyFromSeed(raw), sqlstore.FromMicros(created)
		return k, nil
	}, `SELECT generation, kid, seed, created_at FROM signing_keys ORDER BY generation DESC`)
}

func (s *sqlStore) AddKey(ctx context.Context, k Key, e Entry) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		err := changed(ctx, tx, "add a signing key",
			`INSERT INTO signing_keys (generation, kid, seed, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (generation) DO NOTHING`,
			k.Generation, k.ID, base64.StdEncoding.EncodeToString(k.Private.Seed()), sqlstore.Micros(k.Created))
		if errors.Is(err, ErrNotFound) {
			return ErrTaken
		}
		if err != nil {
			return err
		}
		return record(ctx, tx, e)
	})
}

func (s *sqlStore) DeleteKey(ctx context.Context, kid string) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		err := changed(ctx, tx, "delete a signing key", `DELETE FROM signing_keys WHERE kid = $1`, kid)
		if errors.Is(err, ErrNotFound) {
			return nil // another replica was first
		}
		return err
	})
}
