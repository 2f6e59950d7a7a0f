package auth_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

func TestJWTOfIdentityIsAccepted(t *testing.T) {
	f := newIdentity(t)
	c := f.claims()
	c.Name, c.Roles, c.Teams, c.Projects, c.TokenID = "Ada", []string{"viewer"}, []string{"core"}, []string{"shop"}, "ses-1"
	got := mustPass(t, f.verifier(), bearer(f.sign(c)))
	want := auth.Principal{
		Subject: "owner", Name: "Ada", Kind: auth.KindPerson, Roles: []string{"viewer"}, Scopes: []string{"dora:read", "console"},
		Teams: []string{"core"}, Projects: []string{"shop"}, TokenID: "ses-1", Expires: noon.Add(auth.MaxExchanged),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("principal (-want +got):\n%s", d)
	}
}

func TestForgedAndMisdirectedJWTsAreRefused(t *testing.T) {
	f := newIdentity(t)
	good := f.sign(f.claims())
	with := func(change func(*auth.Claims)) string {
		c := f.claims()
		change(&c)
		return f.sign(c)
	}
	encode := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signWith := func(key jose.SigningKey, typ jose.ContentType) string {
		s, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(typ))
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.Signed(s).Claims(f.claims()).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	public := []byte(f.keys["first"].Public().(ed25519.PublicKey))
	part := strings.Split(good, ".")
	stranger := newIdentity(t)

	for name, text := range map[string]string{
		"alg none":              encode(map[string]string{"alg": "none", "kid": "first", "typ": "at+jwt"}) + "." + part[1] + ".",
		"alg none, signature":   encode(map[string]string{"alg": "none", "kid": "first", "typ": "at+jwt"}) + "." + part[1] + "." + part[2],
		"HMAC by public key":    signWith(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: append(public, public...), KeyID: "first"}}, "at+jwt"),
		"tampered signature":    part[0] + "." + part[1] + "." + flip(part[2]),
		"tampered claims":       part[0] + "." + encode(map[string]any{"sub": "owner", "aud": "dora", "scope": "*"}) + "." + part[2],
		"another's key":         stranger.sign(f.claims()),
		"no key id":             signWith(jose.SigningKey{Algorithm: jose.EdDSA, Key: f.keys["first"]}, "at+jwt"),
		"another type":          signWith(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: f.keys["first"], KeyID: "first"}}, "JWT"),
		"another audience":      with(func(c *auth.Claims) { c.Audience = "vsm" }),
		"no audience":           with(func(c *auth.Claims) { c.Audience = "" }),
		"another issuer":        with(func(c *auth.Claims) { c.Issuer = "someone" }),
		"no subject":            with(func(c *auth.Claims) { c.Subject = "" }),
		"expired this second":   with(func(c *auth.Claims) { c.Expires = noon.Unix() }),
		"no expiry":             with(func(c *auth.Claims) { c.Expires = 0 }),
		"not valid yet":         with(func(c *auth.Claims) { c.NotBefore = noon.Add(time.Minute).Unix() }),
		"a life over the bound": with(func(c *auth.Claims) { c.Expires = noon.Add(auth.MaxJWT + time.Second).Unix() }),
		"two dots":              "..",
		"garbage":               "a.b.c",
		"huge":                  strings.Repeat("a", 9000) + ".b.c",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.verifier().Authenticate(bearer(text))
			wantCode(t, err, problem.Unauthenticated)
			if got := problem.From(err).Detail; strings.HasPrefix(name, "HMAC") && !strings.Contains(got, "EdDSA") {
				t.Fatalf("refused with %q, want the algorithm to be the reason", got)
			}
			if got := problem.From(err).Detail; strings.Contains(got, "jose") || strings.Contains(got, text) {
				t.Fatalf("the refusal repeats internals or the token: %q", got)
			}
		})
	}
	mustPass(t, f.verifier(), bearer(good))
}

func TestOpaqueCredentialsAreExchangedOnceAMinute(t *testing.T) {
	f := newIdentity(t)
	v := f.verifier()
	token, session := f.account(auth.TokenPrefix), f.account(auth.SessionPrefix)
	for range 100 {
		if p := mustPass(t, v, bearer(token)); p.TokenID != "tok-1" || !p.Can("dora:read") || p.Can("dora:write") {
			t.Fatalf("principal %+v, want tok-1 with dora:read only", p)
		}
		mustPass(t, v, withCookie(http.MethodGet, session))
	}
	if got := f.changes.Load(); got != 2 {
		t.Fatalf("identity was asked %d times for two credentials, want 2", got)
	}
	f.clock.Advance(auth.MaxCache - time.Second)
	mustPass(t, v, bearer(token))
	if got := f.changes.Load(); got != 2 {
		t.Fatalf("identity was asked again before %s were over", auth.MaxCache)
	}
	f.forget(token) // revoked
	f.clock.Advance(time.Second)
	_, err := v.Authenticate(bearer(token))
	wantCode(t, err, problem.Unauthenticated)
}

func TestTokenIsNeverTakenForASession(t *testing.T) {
	f := newIdentity(t)
	v := f.verifier()
	token, session := f.account(auth.TokenPrefix), f.account(auth.SessionPrefix)
	_, err := v.Authenticate(withCookie(http.MethodGet, token))
	wantCode(t, err, problem.Unauthenticated)
	_, err = v.Authenticate(bearer(session))
	wantCode(t, err, problem.Unauthenticated)
	if got := f.changes.Load(); got != 0 {
		t.Fatalf("identity was asked %d times about credentials of the wrong form, want 0", got)
	}
}

func TestNoCacheJudgesEachRequest(t *testing.T) {
	f := newIdentity(t)
	v := f.verifier(func(o *auth.Options) { o.NoCache = true })
	token := f.account(auth.TokenPrefix)
	mustPass(t, v, bearer(token))
	f.forget(token)
	_, err := v.Authenticate(bearer(token))
	wantCode(t, err, problem.Unauthenticated)
}

func TestRevokedTokenInALoopAsksRarely(t *testing.T) {
	f := newIdentity(t)
	v := f.verifier()
	token := auth.NewToken()
	for range 50 {
		_, err := v.Authenticate(bearer(token))
		wantCode(t, err, problem.Unauthenticated)
	}
	if got := f.changes.Load(); got != 1 {
		t.Fatalf("identity was asked %d times about one worthless token, want 1", got)
	}
}

func TestEqualCredentialsShareOneExchange(t *testing.T) {
	f := newIdentity(t)
	v := f.verifier()
	token := f.account(auth.TokenPrefix)
	f.hold = make(chan struct{})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, err := v.Authenticate(bearer(token)); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
	close(f.hold)
	group.Wait()
	if got := f.changes.Load(); got != 1 {
		t.Fatalf("identity was asked %d times about one credential, want 1", got)
	}
}

func TestUnknownKeyIDsCannotFloodIdentity(t *testing.T) {
	f := newIdentity(t)
	v := f.verifier()
	mustPass(t, v, bearer(f.sign(f.claims())))
	stranger := newIdentity(t)
	stranger.addKey("made-up")
	for range 50 {
		c := stranger.claims()
		c.ID = auth.NewSecret("")
		_, err := v.Authenticate(bearer(stranger.sign(c)))
		wantCode(t, err, problem.Unauthenticated)
	}
	if got := f.keyCalls.Load(); got > 2 {
		t.Fatalf("identity's keys were fetched %d times, want at most 2", got)
	}
}

func TestKeyThatIdentityWithdrewIsDropped(t *testing.T) {
	f := newIdentity(t)
	v := f.verifier()
	f.clock.Advance(time.Second)
	mustPass(t, v, bearer(f.sign(f.claims())))
	later := f.claims()
	later.Expires = noon.Add(auth.MaxJWT).Unix()
	withdrawn := f.sign(later)
	delete(f.keys, "first")
	f.addKey("second")
	f.clock.Advance(10 * time.Minute)
	_, err := v.Authenticate(bearer(withdrawn))
	wantCode(t, err, problem.Unauthenticated)
}

func TestRememberedJWTEndsWithItself(t *testing.T) {
	f := newIdentity(t)
	v := f.verifier()
	c := f.claims()
	c.Expires = noon.Add(30 * time.Second).Unix()
	text := f.sign(c)
	mustPass(t, v, bearer(text))
	f.clock.Advance(30*time.Second - time.Millisecond)
	mustPass(t, v, bearer(text))
	f.clock.Advance(time.Millisecond)
	_, err := v.Authenticate(bearer(text))
	wantCode(t, err, problem.Unauthenticated)
}

func TestRotatedKeyIsFoundWithoutRestart(t *testing.T) {
	f := newIdentity(t)
	v := f.verifier()
	old := f.sign(f.claims())
	mustPass(t, v, bearer(old))
	f.addKey("second")
	f.clock.Advance(10 * time.Second)
	c := f.claims()
	mustPass(t, v, bearer(f.sign(c)))
	mustPass(t, f.verifier(), bearer(old)) // the former key is still published
}

func TestIdentityDownKnownGoesOnAndNewIsUnavailable(t *testing.T) {
	f := newIdentity(t)
	v := f.verifier()
	token, jwt := f.account(auth.TokenPrefix), f.sign(f.claims())
	mustPass(t, v, bearer(token))
	f.down.Store(true)
	mustPass(t, v, bearer(token)) // remembered
	mustPass(t, v, bearer(jwt))   // known key

	_, err := v.Authenticate(bearer(f.account(auth.TokenPrefix)))
	wantCode(t, err, problem.Unavailable)
	if got := problem.From(err); !strings.Contains(got.Detail, "identity") || got.GetStatus() != http.StatusServiceUnavailable {
		t.Fatalf("answer %d %q, want 503 that names identity", got.GetStatus(), got.Detail)
	}
	f.clock.Advance(11 * time.Minute) // the keys are stale and cannot be refreshed
	c := f.claims()
	mustPass(t, v, bearer(f.sign(c)))

	cold := f.verifier()
	for range 3 {
		_, err = cold.Authenticate(bearer(f.sign(c)))
		wantCode(t, err, problem.Unavailable)
	}
	f.down.Store(false)
	f.clock.Advance(10 * time.Second)
	mustPass(t, cold, bearer(f.sign(c)))
}

func TestStaticOperatorToken(t *testing.T) {
	const operator = "0123456789abcdef0123456789abcdef"
	if _, err := auth.NewVerifier(auth.Options{Audience: "dora", StaticToken: operator[:31]}); err == nil {
		t.Fatal("a static token of 31 characters was accepted")
	}
	v, err := auth.NewVerifier(auth.Options{Audience: "dora", StaticToken: operator})
	if err != nil {
		t.Fatal(err)
	}
	if p := mustPass(t, v, bearer(operator)); !p.Can("dora:admin") || p.Subject != "operator" {
		t.Fatalf("principal %+v, want the operator with every scope", p)
	}
	for _, wrong := range []string{operator + "x", operator[:31] + "0", auth.NewToken()} {
		_, err := v.Authenticate(bearer(wrong))
		wantCode(t, err, problem.Unauthenticated)
	}
	_, err = v.Authenticate(withCookie(http.MethodGet, operator))
	wantCode(t, err, problem.Unauthenticated)
	none, err := auth.NewVerifier(auth.Options{Audience: "dora"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = none.Authenticate(bearer(""))
	wantCode(t, err, problem.Unauthenticated)
}

func TestWhatIsNoCredential(t *testing.T) {
	f := newIdentity(t)
	v := f.verifier()
	two := bearer(f.sign(f.claims()))
	two.Header.Add("Authorization", "Bearer x")
	basic := httptest.NewRequest(http.MethodGet, "/", nil)
	basic.SetBasicAuth("a", "b")
	rescued := withCookie(http.MethodGet, f.account(auth.SessionPrefix))
	rescued.Header.Set("Authorization", "Bearer fwk_wrong")
	for name, r := range map[string]*http.Request{
		"nothing":                         httptest.NewRequest(http.MethodGet, "/", nil),
		"two headers":                     two,
		"basic":                           basic,
		"bearer without token":            bearer(""),
		"bad header beside a good cookie": rescued,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Authenticate(r)
			wantCode(t, err, problem.Unauthenticated)
		})
	}
}

func flip(s string) string {
	b := []byte(s)
	if b[0] == 'A' {
		b[0] = 'B'
	} else {
		b[0] = 'A'
	}
	return string(b)
}
