// Package identity is the one owner of sign-in: who someone is, what they may do, and the proof of both that every
// other service can check for itself.
//
// # People, sessions, tokens
//
// A person has a role (viewer, developer, admin) and signs in by a one-time link, which starts a session in that
// browser. A person makes API tokens, which act for them with the scopes named at the making, and never with more
// than the person's role allows at the moment of use. An admin issues workload tokens: short-lived JWTs for a named
// program. Codes, session cookies and API tokens are 256 random bits each, stored as SHA-256 only.
//
// # The proof
//
// Services do not ask identity about each request. They exchange an opaque credential for a JWT of at most five
// minutes, bound to their own audience (RFC 8693, POST /api/identity/v1/token), remember it for at most a minute, and check it
// against the published keys (GET /api/identity/v1/jwks.json). See internal/kit/auth. Keys are Ed25519 and rotate; a
// former key is published until everything it signed has expired. They lie in this service's own database, so whoever
// can read that database can sign as identity.
//
// # The first way in
//
// There is no default password, token or secret. At its first start the store gets one person, the local owner, an
// admin, who has no credential of any kind. The first credential comes from whoever starts the process:
//
//	token := auth.NewToken()                                 // in the composition root
//	overrides["identity.bootstrap_token"] = token            // or FAWKES_IDENTITY_BOOTSTRAP_TOKEN in a cluster
//	POST /api/identity/v1/signin-links  Authorization: Bearer <token>   → {"url":"http://…/signin?code=…"}
//	POST /api/identity/v1/tokens        Authorization: Bearer <token>   → {"token":"fwk_…"}
//
// The bootstrap token acts for the local owner, with the role admin, at every service. Only its hash is kept, in
// memory and never in the database, so it is good for exactly this process's life; `fawkes up` makes a new one at each
// start and keeps it in a file only its user can read, for `fawkes open` and `fawkes token`. A process that is not
// given one has none.
package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// Config is what can be set.
type Config struct {
	SessionIdle    time.Duration // a session that is not used for so long ends
	SessionLife    time.Duration // a session ends after so long, used or not
	TokenLife      time.Duration // the life of an API token that names none
	TokenMaxLife   time.Duration // the longest life an API token may ask for
	KeyRotation    time.Duration // how often a new signing key is made
	BootstrapToken string        // empty: none
	PublicURL      string        // where people reach the platform, without a slash at the end
}

// Service issues and judges credentials. It is safe for concurrent use.
type Service struct {
	config    Config
	store     Store
	clock     clock.Clock
	log       *slog.Logger
	keys      *keyring
	bootstrap string // the hash of the bootstrap token
	metrics   metrics
}

type metrics struct {
	exchanges *prometheus.CounterVec
	signIns   *prometheus.CounterVec
}

// NewService makes the service, and on an empty store the first person and the first key.
func NewService(ctx context.Context, c Config, store Store, clk clock.Clock, log *slog.Logger, reg prometheus.Registerer) (*Service, error) {
	s := &Service{
		config: c, store: store, clock: clk, log: log,
		keys: &keyring{store: store, clock: clk, period: c.KeyRotation},
		metrics: metrics{
			exchanges: prometheus.NewCounterVec(prometheus.CounterOpts{
				Name: "fawkes_identity_exchanges_total", Help: "Token exchanges by the type of credential and the result.",
			}, []string{"type", "result"}),
			signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
				Name: "fawkes_identity_signins_total", Help: "Opened sign-in links by result.",
			}, []string{"result"}),
		},
	}
	for _, m := range []prometheus.Collector{s.metrics.exchanges, s.metrics.signIns} {
		if err := reg.Register(m); err != nil {
			return nil, fmt.Errorf("register identity's metrics: %w", err)
		}
	}
	if c.BootstrapToken != "" {
		if err := checkBootstrap(c.BootstrapToken); err != nil {
			return nil, err
		}
		s.bootstrap = auth.Hash(c.BootstrapToken)
	}
	owner := Person{ID: OwnerID, Name: "local owner", Role: Admin, Created: clk.Now()}
	if err := store.EnsureOwner(ctx, owner); err != nil {
		return nil, err
	}
	if err := s.keys.rotate(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func checkBootstrap(v string) error {
	if v != "" && !auth.WellFormed(auth.TokenPrefix, v) {
		return errors.New("the bootstrap token must be fwk_ and 43 letters and digits that encode 256 random bits")
	}
	return nil
}

// SignInLink makes a one-time link by which the person signs in, in the name of p.
func (s *Service) SignInLink(ctx context.Context, p auth.Principal, personID string) (url string, expires time.Time, err error) {
	person, err := s.store.Person(ctx, personID)
	if err != nil {
		return "", time.Time{}, err
	}
	if !person.Active() {
		return "", time.Time{}, fmt.Errorf("%w: the person is disabled", ErrNotFound)
	}
	now, code := s.clock.Now(), auth.NewSecret(auth.CodePrefix)
	c := Code{Hash: auth.Hash(code), PersonID: person.ID, Created: now, Expires: now.Add(codeLife)}
	if err := s.store.AddCode(ctx, c, by(p, now, ActionLinkMade, person.ID, "")); err != nil {
		return "", time.Time{}, err
	}
	return s.config.PublicURL + "/signin?code=" + code, c.Expires, nil
}

// SignIn uses up a sign-in code and starts a session; the cookie's value leaves only here. ErrCode when the code
// is not good (any more).
func (s *Service) SignIn(ctx context.Context, code, agent string) (secret string, session Session, err error) {
	if !auth.WellFormed(auth.CodePrefix, code) {
		return "", Session{}, ErrCode
	}
	now := s.clock.Now()
	secret = auth.NewSecret(auth.SessionPrefix)
	session = Session{
		ID: newID("ses"), Hash: auth.Hash(secret), Agent: clip(agent, agentMax),
		Created: now, Seen: now, Expires: now.Add(s.config.SessionLife),
	}
	person, err := s.store.SignIn(ctx, auth.Hash(code), session)
	if err != nil {
		return "", Session{}, err
	}
	session.PersonID = person.ID
	return secret, session, nil
}

// SignOut ends the session with this cookie value; one that is over already is no error.
func (s *Service) SignOut(ctx context.Context, secret string) error {
	session, _, err := s.store.Session(ctx, auth.Hash(secret))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	e := Entry{At: s.clock.Now(), Actor: session.PersonID, Via: session.ID, Action: ActionSignedOut, Target: session.ID}
	if err := s.store.EndSession(ctx, session.ID, "", e); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// Maintain rotates the keys when it is time, and forgets codes and sessions that are long over.
func (s *Service) Maintain(ctx context.Context) error {
	if err := s.keys.rotate(ctx); err != nil {
		return err
	}
	now := s.clock.Now()
	n, err := s.store.Purge(ctx, now.Add(-24*time.Hour), now, now.Add(-s.config.SessionIdle))
	if err != nil {
		return err
	}
	if n > 0 {
		s.log.Debug("forgot what has expired", "rows", n)
	}
	return nil
}

// newID returns a fresh id, such as tok-4f2a…: 128 random bits and more, no secret.
func newID(kind string) string { return kind + "-" + strings.ToLower(rand.Text()) }

// clip keeps the printable ASCII of what a stranger sent, and at most n characters of it.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(n, len(s))]
}
