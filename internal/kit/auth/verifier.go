package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
)

const (
	// MaxCache is the longest time for which a credential's answer is remembered.
	MaxCache = 60 * time.Second
	// MinStaticToken is the shortest static operator token that is accepted.
	MinStaticToken = 32

	remembered   = 10_000          // credentials
	rejected     = 1_000           // credentials known to be worthless
	rejectedFor  = 5 * time.Second // a client with a revoked token in a loop costs identity one question per this
	exchangesMax = 32              // questions to identity under way at once
)

// Options are what a Verifier stands on.
type Options struct {
	Audience    string       // the service's name; JWTs must be made for it
	Peers       peer.Network // how to reach identity; may be nil when StaticToken is the only way in
	Issuer      Issuer       // instead of Peers: identity's own store, for identity itself
	StaticToken string       // an operator token for a service that runs without identity; empty: none
	NoCache     bool         // judge every request anew; identity's own API does, so that a revocation holds at once
	Clock       clock.Clock  // nil: the system's
	Log         *slog.Logger // nil: discard
}

// Verifier authenticates requests for one audience. It is safe for concurrent use and has no background work.
type Verifier struct {
	audience string
	static   string // the hash of the operator token
	issuer   Issuer
	noCache  bool
	clock    clock.Clock
	log      *slog.Logger
	origin   *http.CrossOriginProtection

	keys   *keyring
	good   *cache[Principal]
	bad    *cache[struct{}]
	flight singleflight.Group
	places chan struct{}
}

// NewVerifier checks the options and returns a verifier. It makes no call yet: identity may start later.
func NewVerifier(o Options) (*Verifier, error) {
	if !ValidService(o.Audience) {
		return nil, fmt.Errorf("auth: the audience %q is not a service name", o.Audience)
	}
	if o.StaticToken != "" && len(o.StaticToken) < MinStaticToken {
		return nil, fmt.Errorf("auth: the static operator token has %d characters; give it at least %d", len(o.StaticToken), MinStaticToken)
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Issuer == nil {
		o.Issuer = nobody{}
		if o.Peers != nil {
			o.Issuer = remote{o.Peers}
		}
	}
	v := &Verifier{
		audience: o.Audience, issuer: o.Issuer, noCache: o.NoCache, clock: o.Clock, log: o.Log,
		origin: http.NewCrossOriginProtection(),
		keys:   &keyring{issuer: o.Issuer, clock: o.Clock, log: o.Log},
		good:   newCache[Principal](remembered),
		bad:    newCache[struct{}](rejected),
		places: make(chan struct{}, exchangesMax),
	}
	if o.StaticToken != "" {
		v.static = Hash(o.StaticToken)
	}
	return v, nil
}

// Authenticate says who sent r. Its errors are problems ready for the answer: 401 "unauthenticated" when the
// credential is missing or worthless, 403 "forbidden" for a cookie sent by another site's page, 503
// "unavailable" when identity is needed and does not answer.
func (v *Verifier) Authenticate(r *http.Request) (Principal, error) {
	p, _, err := v.authenticate(r)
	return p, err
}

func (v *Verifier) authenticate(r *http.Request) (Principal, Credential, error) {
	c, err := credentialOf(r)
	if err != nil {
		return Principal{}, Credential{}, err
	}
	if c.Type == TypeSession {
		if err := v.origin.Check(r); err != nil {
			return Principal{}, Credential{}, crossOrigin()
		}
	}
	p, err := v.judge(r.Context(), c)
	return p, c, err
}

func (v *Verifier) judge(ctx context.Context, c Credential) (Principal, error) {
	if len(c.Secret) > maxCredential {
		return Principal{}, refused("the credential is longer than %d bytes", maxCredential)
	}
	hash := Hash(c.Secret)
	if v.static != "" && c.Type == TypeAPIToken && subtle.ConstantTimeCompare([]byte(hash), []byte(v.static)) == 1 {
		return Principal{Subject: "operator", Name: "operator", Kind: KindToken, Roles: []string{"admin"}, Scopes: []string{ScopeAll}, TokenID: "static"}, nil
	}
	key := c.Type + " " + hash
	if p, ok := v.recall(key); ok {
		return p, nil
	}
	if c.Type != TypeJWT {
		return v.exchange(ctx, c, key)
	}
	p, err := v.verify(ctx, c.Secret)
	if err != nil {
		return Principal{}, err
	}
	v.remember(key, p)
	return p, nil
}

func (v *Verifier) recall(key string) (Principal, bool) {
	if v.noCache {
		return Principal{}, false
	}
	return v.good.get(key, v.clock.Now())
}

func (v *Verifier) remember(key string, p Principal) {
	if v.noCache {
		return
	}
	until := v.clock.Now().Add(MaxCache)
	if p.Expires.Before(until) {
		until = p.Expires
	}
	v.good.put(key, p, until)
}

// verify checks a JWT against identity's keys.
func (v *Verifier) verify(ctx context.Context, text string) (Principal, error) {
	token, kid, err := parse(text)
	if err != nil {
		return Principal{}, refused("the token is refused: %v", err)
	}
	key, err := v.keys.find(ctx, kid)
	if err != nil {
		return Principal{}, err
	}
	if key == nil {
		return Principal{}, refused("the token is refused: it was signed with a key that identity does not know")
	}
	claims, err := check(token, key, v.audience, v.clock.Now())
	if err != nil {
		return Principal{}, refused("the token is refused: %v", err)
	}
	return claims.principal(), nil
}

// exchange has identity turn an opaque credential into a JWT, and believes that only after checking it like any
// other. Equal credentials that come together share one question.
func (v *Verifier) exchange(ctx context.Context, c Credential, key string) (Principal, error) {
	prefix := TokenPrefix
	if c.Type == TypeSession {
		prefix = SessionPrefix
	}
	if !WellFormed(prefix, c.Secret) {
		return Principal{}, worthless(c)
	}
	if _, known := v.bad.get(key, v.clock.Now()); known && !v.noCache {
		return Principal{}, worthless(c)
	}
	done := v.flight.DoChan(key, func() (any, error) {
		if p, ok := v.recall(key); ok { // an earlier question ended since the caller looked
			return p, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), issuerLimit)
		defer cancel()
		return v.ask(ctx, c, key)
	})
	select {
	case <-ctx.Done():
		return Principal{}, ctx.Err()
	case r := <-done:
		if r.Err != nil {
			return Principal{}, r.Err
		}
		return r.Val.(Principal), nil
	}
}

// ask puts one question to identity, of which only so many are under way at once.
func (v *Verifier) ask(ctx context.Context, c Credential, key string) (Principal, error) {
	select {
	case v.places <- struct{}{}:
		defer func() { <-v.places }()
	case <-ctx.Done():
		return Principal{}, unavailable()
	}
	text, err := v.issuer.Exchange(ctx, c, v.audience)
	if errors.Is(err, ErrRefused) {
		v.bad.put(key, struct{}{}, v.clock.Now().Add(rejectedFor))
		return Principal{}, worthless(c)
	}
	if err != nil {
		v.log.Warn("a credential could not be exchanged", "type", c.Type, "error", err)
		return Principal{}, unavailable()
	}
	p, err := v.verify(ctx, text)
	if err != nil {
		return Principal{}, err
	}
	v.remember(key, p)
	return p, nil
}

func worthless(c Credential) error {
	if c.Type == TypeSession {
		return refused("the session has ended").WithMend("sign in again: `fawkes open` prints a new link")
	}
	return refused("the API token is unknown, expired or revoked").WithMend("make a new one with `fawkes token create`")
}

// nobody is the issuer of a service that runs with a static token only.
type nobody struct{}

func (nobody) Keys(context.Context) (jose.JSONWebKeySet, error)             { return jose.JSONWebKeySet{}, nil }
func (nobody) Exchange(context.Context, Credential, string) (string, error) { return "", ErrRefused }
