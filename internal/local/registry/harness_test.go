package registry_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/local/registry"
	"github.com/fawkes-idp/fawkes/internal/oci"
)

// issuer is an identity that knows a few tokens by their scopes.
type issuer struct {
	key    ed25519.PrivateKey
	scopes map[string]string // by token
}

func (i *issuer) Keys(context.Context) (jose.JSONWebKeySet, error) {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "k", Algorithm: "EdDSA", Use: "sig"}}}, nil
}

func (i *issuer) Exchange(_ context.Context, c auth.Credential, audience string) (string, error) {
	scope, known := i.scopes[c.Secret]
	if !known {
		return "", auth.ErrRefused
	}
	now := time.Now()
	return auth.Claims{
		Issuer: auth.IssuerName, Subject: "owner", Audience: audience, Kind: auth.KindToken, Scope: scope, TokenID: "t",
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(time.Minute).Unix(), ID: "1",
	}.Sign(i.key, "k")
}

// place is a registry over a folder, on a real port.
type place struct {
	t      *testing.T
	folder string
	url    string
	host   string
	log    *recorded

	reader, writer, admin string // tokens
	stop                  func()
}

// recorded keeps what was logged at warn and above.
type recorded struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *recorded) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *recorded) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

func open(t *testing.T, settings map[string]string) *place {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "registry"), settings)
}

func openAt(t *testing.T, folder string, settings map[string]string) *place {
	t.Helper()
	p := &place{t: t, folder: folder, log: &recorded{}}
	s, tokens, err := start(t.Context(), folder, settings, clock.System(), p.log)
	if err != nil {
		t.Fatal(err)
	}
	p.reader, p.writer, p.admin = tokens[0], tokens[1], tokens[2]
	server := httptest.NewServer(s.Handler)
	p.url, p.host = server.URL, strings.TrimPrefix(server.URL, "http://")
	p.stop = sync.OnceFunc(func() {
		server.Close()
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

// start makes the module, with tokens that may read, write and administer.
func start(ctx context.Context, folder string, settings map[string]string, clk clock.Clock, logTo io.Writer) (*module.Service, [3]string, error) {
	tokens := [3]string{auth.NewToken(), auth.NewToken(), auth.NewToken()}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, tokens, err
	}
	log := slog.New(slog.NewTextHandler(logTo, &slog.HandlerOptions{Level: slog.LevelWarn}))
	verifier, err := auth.NewVerifier(auth.Options{Audience: "registry", Log: log, Issuer: &issuer{key, map[string]string{
		tokens[0]: "registry:read", tokens[1]: "registry:read registry:write", tokens[2]: "registry:read registry:write registry:admin",
	}}})
	if err != nil {
		return nil, tokens, err
	}
	m := registry.Module()
	c, err := config.Load(m.Config, "", nil, settings)
	if err != nil {
		return nil, tokens, err
	}
	s, err := m.New(ctx, module.Deps{
		Config: c.Section("registry"), Log: log, Metrics: prometheus.NewRegistry(), Clock: clk, Folder: folder, Auth: verifier,
		PublicURL: "http://127.0.0.1:8080",
	})
	return s, tokens, err
}

// as is the client of the platform itself, with a token.
func (p *place) as(token string) oci.Registry { return oci.Registry{Token: token} }

// with are the options of go-containerregistry's own client.
func with(token string) []remote.Option {
	return []remote.Option{remote.WithAuth(&authn.Basic{Username: "anybody", Password: token})}
}

func remoteAuth(token string) authn.Authenticator {
	return &authn.Basic{Username: "anybody", Password: token}
}

func (p *place) ref(rest string) string { return p.host + "/" + rest }

// call asks the registry's API and decodes the answer into v unless it is nil.
func (p *place) call(method, path, token string, body any, v any) int {
	p.t.Helper()
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			p.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, in)
	if err != nil {
		p.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if v != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal(text, v); err != nil {
			p.t.Fatalf("%s %s answers %d %.300s: %v", method, path, resp.StatusCode, text, err)
		}
	}
	if resp.StatusCode >= 400 {
		p.t.Log(p.log.String())
		p.t.Logf("%s %s: %d %.400s", method, path, resp.StatusCode, text)
	}
	return resp.StatusCode
}

func randomImage(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(20<<10, 2)
	if err != nil {
		t.Fatal(err)
	}
	return img
}
