package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

// bootstrapID is the TokenID of callers with the bootstrap token.
const bootstrapID = "bootstrap"

// grant is whom a credential stands for, and until when at most.
type grant struct {
	person   Person
	kind     string
	scopes   []string
	projects []string
	via      string
	expires  time.Time
}

// Keys implements auth.Issuer for identity's own API.
func (s *Service) Keys(ctx context.Context) (jose.JSONWebKeySet, error) { return s.keys.public(ctx) }

// Exchange turns an API token or a session into a JWT for audience that lives at most auth.MaxExchanged, and never
// longer than the credential. auth.ErrRefused when the credential is worthless.
func (s *Service) Exchange(ctx context.Context, c auth.Credential, audience string) (string, error) {
	text, _, _, err := s.issue(ctx, c, audience)
	return text, err
}

func (s *Service) issue(ctx context.Context, c auth.Credential, audience string) (string, auth.Claims, time.Duration, error) {
	kind, judge := "token", s.judgeToken
	if c.Type == auth.TypeSession {
		kind, judge = "session", s.judgeSession
	}
	now := s.clock.Now()
	g, err := judge(ctx, c.Secret, now)
	if errors.Is(err, auth.ErrRefused) {
		s.metrics.exchanges.WithLabelValues(kind, "refused").Inc()
		return "", auth.Claims{}, 0, err
	}
	if err != nil {
		s.metrics.exchanges.WithLabelValues(kind, "failed").Inc()
		return "", auth.Claims{}, 0, err
	}
	life := min(auth.MaxExchanged, g.expires.Sub(now))
	claims := auth.Claims{
		Subject: g.person.ID, Name: g.person.Name, Kind: g.kind, Roles: []string{string(g.person.Role)}, Teams: g.person.Teams,
		Projects: g.projects, Scope: strings.Join(g.scopes, " "), TokenID: g.via,
	}
	text, claims, err := s.sign(ctx, claims, audience, now, life)
	if err != nil {
		s.metrics.exchanges.WithLabelValues(kind, "failed").Inc()
		return "", auth.Claims{}, 0, err
	}
	s.metrics.exchanges.WithLabelValues(kind, "issued").Inc()
	return text, claims, life, nil
}

// sign completes the claims and signs them.
func (s *Service) sign(ctx context.Context, c auth.Claims, audience string, now time.Time, life time.Duration) (string, auth.Claims, error) {
	c.Issuer, c.Audience, c.ID = auth.IssuerName, audience, newID("jwt")
	c.IssuedAt, c.NotBefore, c.Expires = now.Unix(), now.Unix(), now.Add(life).Unix()
	text, err := s.keys.sign(ctx, c)
	return text, c, err
}

func (s *Service) judgeToken(ctx context.Context, secret string, now time.Time) (grant, error) {
	if !auth.WellFormed(auth.TokenPrefix, secret) {
		return grant{}, auth.ErrRefused
	}
	hash := auth.Hash(secret)
	if s.bootstrap != "" && equal(hash, s.bootstrap) {
		owner, err := s.store.Person(ctx, OwnerID)
		if err != nil {
			return grant{}, err
		}
		// The operator who started the process is let in even when the owner was disabled or made smaller.
		owner.Role = Admin
		return grant{owner, auth.KindToken, Admin.Scopes(), nil, bootstrapID, now.Add(auth.MaxExchanged)}, nil
	}
	t, owner, err := s.store.Token(ctx, hash)
	if errors.Is(err, ErrNotFound) {
		return grant{}, auth.ErrRefused
	}
	if err != nil {
		return grant{}, err
	}
	if !equal(hash, t.Hash) || !t.Alive(now) || !owner.Active() {
		return grant{}, auth.ErrRefused
	}
	if now.Sub(t.Used) >= seenStep {
		if err := s.store.TokenUsed(ctx, t.ID, now); err != nil {
			s.log.Warn("a token's last use could not be noted", "token", t.ID, "error", err)
		}
	}
	return grant{owner, auth.KindToken, t.Grants(owner), t.Projects, t.ID, t.Expires}, nil
}

func (s *Service) judgeSession(ctx context.Context, secret string, now time.Time) (grant, error) {
	if !auth.WellFormed(auth.SessionPrefix, secret) {
		return grant{}, auth.ErrRefused
	}
	hash := auth.Hash(secret)
	session, person, err := s.store.Session(ctx, hash)
	if errors.Is(err, ErrNotFound) {
		return grant{}, auth.ErrRefused
	}
	if err != nil {
		return grant{}, err
	}
	if !equal(hash, session.Hash) || !session.Alive(now, s.config.SessionIdle) || !person.Active() {
		return grant{}, auth.ErrRefused
	}
	if now.Sub(session.Seen) >= seenStep {
		if err := s.store.SessionSeen(ctx, session.ID, now); err != nil && !errors.Is(err, ErrNotFound) {
			s.log.Warn("a session's last use could not be noted", "session", session.ID, "error", err)
		}
	}
	return grant{person, auth.KindPerson, person.Role.Scopes(), nil, session.ID, session.Expires}, nil
}

// equal compares two hashes in a time that tells nothing about where they differ.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
