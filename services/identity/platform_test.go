package identity_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/services/identity"
	"github.com/fawkes-idp/fawkes/services/identity/migrations"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const publicURL = "http://127.0.0.1:8080"

// platform is identity with its real handler and store, as a program would run it, and another service's verifier.
type platform struct {
	t         *testing.T
	clock     *clock.Manual
	db        *sqlstore.DB
	service   *module.Service
	bootstrap string // the bootstrap token
	server    *httptest.Server
	dora      *auth.Verifier
}

func start(t *testing.T) *platform {
	t.Helper()
	return startOn(t, storetest.OpenSQLite(t, migrations.FS), clock.NewManual(noon), publicURL)
}

func startOn(t *testing.T, db *sqlstore.DB, clk *clock.Manual, public string) *platform {
	t.Helper()
	p := &platform{t: t, clock: clk, db: db, bootstrap: auth.NewToken()}
	m := identity.Module()
	c, err := config.Load(m.Config, "", nil, map[string]string{"identity.bootstrap_token": p.bootstrap})
	if err != nil {
		t.Fatal(err)
	}
	p.service, err = m.New(t.Context(), module.Deps{
		Config: c.Section("identity"), Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		Tracer: noop.NewTracerProvider().Tracer(""), Clock: clk, DB: db, PublicURL: public,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.server = httptest.NewServer(p.service.Handler)
	t.Cleanup(p.server.Close)
	p.dora, err = auth.NewVerifier(auth.Options{Audience: "dora", Peers: p, Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Client makes the platform the peer network of other services.
func (p *platform) Client(string) (string, *http.Client) { return p.server.URL, p.server.Client() }

// answer is what came back.
type answer struct {
	*http.Response
	text string
	body map[string]any // when it is JSON
}

// do sends r to the real handler.
func (p *platform) do(r *http.Request) answer {
	p.t.Helper()
	w := httptest.NewRecorder()
	p.service.Handler.ServeHTTP(w, r)
	a := answer{Response: w.Result()}
	text, err := io.ReadAll(a.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	a.text = string(text)
	if strings.Contains(a.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(text, &a.body); err != nil {
			p.t.Fatalf("the answer is not the JSON it says: %v in %s", err, text)
		}
	}
	return a
}

// call sends a JSON request with a bearer credential, or a session value as the cookie.
func (p *platform) call(credential, method, path, body string) answer {
	p.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	switch {
	case strings.HasPrefix(credential, auth.SessionPrefix):
		r.AddCookie(&http.Cookie{Name: auth.CookieName, Value: credential})
	case credential != "":
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	return p.do(r)
}

// want fails unless the answer has the status.
func (p *platform) want(a answer, status int) answer {
	p.t.Helper()
	if a.StatusCode != status {
		p.t.Fatalf("%d %s, want %d", a.StatusCode, a.text, status)
	}
	return a
}

func (a answer) str(key string) string { s, _ := a.body[key].(string); return s }

const api = "/api/identity/v1"

// link makes a sign-in link and returns its path with the code.
func (p *platform) link(credential, person string) string {
	p.t.Helper()
	a := p.want(p.call(credential, http.MethodPost, api+"/signin-links", `{"person":"`+person+`"}`), 201)
	u, err := url.Parse(a.str("url"))
	if err != nil {
		p.t.Fatal(err)
	}
	return u.RequestURI()
}

// visit opens a path as a browser does.
func (p *platform) visit(path string) answer {
	p.t.Helper()
	return p.do(httptest.NewRequest(http.MethodGet, path, nil))
}

// signIn signs a person in and returns the session value of the cookie.
func (p *platform) signIn(person string) string {
	p.t.Helper()
	return p.cookie(p.want(p.visit(p.link(p.bootstrap, person)), 200)).Value
}

func (p *platform) cookie(a answer) *http.Cookie {
	p.t.Helper()
	for _, c := range a.Cookies() {
		if c.Name == auth.CookieName {
			return c
		}
	}
	p.t.Fatalf("no cookie %s in %v", auth.CookieName, a.Header)
	return nil
}

// person adds a person with a role.
func (p *platform) person(role string) string {
	p.t.Helper()
	return p.want(p.call(p.bootstrap, http.MethodPost, api+"/people", `{"name":"`+role+`","role":"`+role+`","teams":["core"]}`), 201).str("id")
}

// token makes an API token and returns its text and id.
func (p *platform) token(credential, scopes string) (text, id string) {
	p.t.Helper()
	a := p.want(p.call(credential, http.MethodPost, api+"/tokens", `{"name":"a token","scopes":`+scopes+`}`), 201)
	return a.str("token"), a.body["info"].(map[string]any)["id"].(string)
}

// atDora asks another service's verifier who comes with the credential.
func (p *platform) atDora(credential string) (auth.Principal, error) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if strings.HasPrefix(credential, auth.SessionPrefix) {
		r.AddCookie(&http.Cookie{Name: auth.CookieName, Value: credential})
	} else {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	return p.dora.Authenticate(r)
}

func exchangeForm(secret, kind, audience string) url.Values {
	return url.Values{"grant_type": {auth.GrantExchange}, "subject_token": {secret}, "subject_token_type": {kind}, "audience": {audience}}
}

func (p *platform) post(path, contentType, body string) answer {
	p.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return p.do(r)
}
