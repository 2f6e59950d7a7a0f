package auth_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// identity is a small stand-in that speaks identity's wire protocol over real HTTP and counts what it is asked.
type identity struct {
	t      *testing.T
	clock  *clock.Manual
	server *httptest.Server

	mu       sync.Mutex
	keys     map[string]ed25519.PrivateKey
	signing  string
	accounts map[string]auth.Claims // by secret
	hold     chan struct{}          // when set, exchanges wait for it

	down              atomic.Bool
	keyCalls, changes atomic.Int64
}

func newIdentity(t *testing.T) *identity {
	t.Helper()
	f := &identity{t: t, clock: clock.NewManual(noon), keys: map[string]ed25519.PrivateKey{}, accounts: map[string]auth.Claims{}}
	f.addKey("first")
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+auth.KeysPath, f.serveKeys)
	mux.HandleFunc("POST "+auth.ExchangePath, f.serveExchange)
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(f.server.Close)
	return f
}

func (f *identity) Client(string) (string, *http.Client) { return f.server.URL, f.server.Client() }

func (f *identity) addKey(kid string) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[kid], f.signing = private, kid
}

func (f *identity) serveKeys(w http.ResponseWriter, _ *http.Request) {
	f.keyCalls.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	var set jose.JSONWebKeySet
	for kid, key := range f.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: "EdDSA", Use: "sig"})
	}
	if err := json.NewEncoder(w).Encode(set); err != nil {
		f.t.Error(err)
	}
}

func (f *identity) serveExchange(w http.ResponseWriter, r *http.Request) {
	f.changes.Add(1)
	f.mu.Lock()
	hold := f.hold
	c, known := f.accounts[r.FormValue("subject_token")]
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if !known || r.FormValue("grant_type") != auth.GrantExchange {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	c.Audience = r.FormValue("audience")
	if err := json.NewEncoder(w).Encode(map[string]string{"access_token": f.sign(c)}); err != nil {
		f.t.Error(err)
	}
}

// claims are good ones for dora at the stand-in's time.
func (f *identity) claims() auth.Claims {
	now := f.clock.Now()
	return auth.Claims{
		Issuer: auth.IssuerName, Subject: "owner", Audience: "dora", Kind: auth.KindPerson, Scope: "dora:read console",
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(auth.MaxExchanged).Unix(), ID: "1",
	}
}

func (f *identity) sign(c auth.Claims) string {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := c.Sign(f.keys[f.signing], f.signing)
	if err != nil {
		f.t.Fatal(err)
	}
	return text
}

// account makes an opaque credential that the stand-in knows.
func (f *identity) account(prefix string) string {
	secret := auth.NewSecret(prefix)
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clock.Now()
	f.accounts[secret] = auth.Claims{
		Issuer: auth.IssuerName, Subject: "owner", Kind: auth.KindToken, Scope: "dora:read", TokenID: "tok-1",
		NotBefore: now.Unix(), Expires: now.Add(auth.MaxExchanged).Unix(),
	}
	return secret
}

func (f *identity) forget(secret string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.accounts, secret)
}

func (f *identity) verifier(change ...func(*auth.Options)) *auth.Verifier {
	f.t.Helper()
	o := auth.Options{Audience: "dora", Peers: f, Clock: f.clock}
	for _, c := range change {
		c(&o)
	}
	v, err := auth.NewVerifier(o)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

func bearer(secret string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/dora/v1/metrics", nil)
	r.Header.Set("Authorization", "Bearer "+secret)
	return r
}

func withCookie(method, secret string) *http.Request {
	r := httptest.NewRequest(method, "/api/dora/v1/metrics", nil)
	r.AddCookie(&http.Cookie{Name: auth.CookieName, Value: secret})
	return r
}

// wantCode fails unless err is a problem with this code.
func wantCode(t *testing.T, err error, want problem.Code) {
	t.Helper()
	if err == nil {
		t.Fatalf("the request was let in, want %s", want)
	}
	if got := problem.From(err).Code; got != want {
		t.Fatalf("refused with %s (%v), want %s", got, err, want)
	}
}

func mustPass(t *testing.T, v *auth.Verifier, r *http.Request) auth.Principal {
	t.Helper()
	p, err := v.Authenticate(r.WithContext(context.Background()))
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return p
}
