package auth_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

// whoami answers with the caller's subject.
func whoami(w http.ResponseWriter, r *http.Request) {
	p, _ := auth.FromContext(r.Context())
	_, _ = w.Write([]byte(p.Subject))
}

func TestRequire(t *testing.T) {
	f := newIdentity(t)
	v := f.verifier()
	reader := f.sign(f.claims()) // holds dora:read
	for _, c := range []struct {
		name, scope string
		r           *http.Request
		status      int
		body        string
	}{
		{"the scope is held", "dora:read", bearer(reader), 200, "owner"},
		{"any caller will do", "", bearer(reader), 200, "owner"},
		{"the scope is not held", "dora:write", bearer(reader), 403, "fawkes token create --scope dora:write"},
		{"nobody", "dora:read", httptest.NewRequest(http.MethodGet, "/", nil), 401, "fawkes open"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			v.Require(c.scope)(http.HandlerFunc(whoami)).ServeHTTP(w, c.r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) {
				t.Fatalf("answer %d %s, want %d with %q", w.Code, w.Body, c.status, c.body)
			}
			if challenge := w.Header().Get("WWW-Authenticate"); (challenge != "") != (c.status == 401) {
				t.Fatalf("WWW-Authenticate is %q at %d", challenge, c.status)
			}
		})
	}
}

func TestCookieFromAnotherSitesPageChangesNothing(t *testing.T) {
	f := newIdentity(t)
	h := f.verifier().Require("dora:read")(http.HandlerFunc(whoami))
	session := f.account(auth.SessionPrefix)
	for _, c := range []struct {
		name, method, header, value string
		status                      int
	}{
		{"our own page", http.MethodPost, "Sec-Fetch-Site", "same-origin", 200},
		{"a program, not a browser", http.MethodPost, "X-Nothing", "", 200},
		{"a link from elsewhere", http.MethodGet, "Sec-Fetch-Site", "cross-site", 200},
		{"another site", http.MethodPost, "Sec-Fetch-Site", "cross-site", 403},
		{"another port of this machine", http.MethodDelete, "Sec-Fetch-Site", "same-site", 403},
		{"an old browser on another site", http.MethodPost, "Origin", "http://evil.example", 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := withCookie(c.method, session)
			r.Header.Set(c.header, c.value)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Fatalf("answer %d %s, want %d", w.Code, w.Body, c.status)
			}
		})
	}
}

func TestOperationsEnforceWhatTheSpecificationSays(t *testing.T) {
	f := newIdentity(t)
	mux := http.NewServeMux()
	api := humago.New(mux, huma.DefaultConfig("test", "1"))
	auth.Describe(api.OpenAPI())
	api.UseMiddleware(f.verifier().Operations())
	type answer struct {
		Body struct {
			Subject string `json:"subject"`
		}
	}
	register := func(path string, security []map[string][]string) {
		huma.Register(api, huma.Operation{OperationID: path[1:], Method: http.MethodGet, Path: path, Security: security},
			func(ctx context.Context, _ *struct{}) (*answer, error) {
				p, _ := auth.FromContext(ctx)
				a := &answer{}
				a.Body.Subject = p.Subject
				return a, nil
			})
	}
	register("/read", auth.Needs("dora:read"))
	register("/write", auth.Needs("dora:write"))
	register("/any", auth.Needs(""))
	register("/open", auth.Open())
	register("/unstated", nil)
	reader := f.sign(f.claims())
	for _, c := range []struct {
		path, token string
		status      int
		subject     string
	}{
		{"/read", reader, 200, "owner"},
		{"/write", reader, 403, ""},
		{"/any", reader, 200, "owner"},
		{"/any", "", 401, ""},
		{"/open", "", 200, ""},
		{"/unstated", reader, 403, ""},
	} {
		t.Run(c.path+" "+http.StatusText(c.status), func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, c.path, nil)
			if c.token != "" {
				r.Header.Set("Authorization", "Bearer "+c.token)
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Fatalf("answer %d %s, want %d", w.Code, w.Body, c.status)
			}
			var got struct{ Subject string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("the answer is not JSON: %v in %s", err, w.Body)
			}
			if got.Subject != c.subject {
				t.Fatalf("the handler saw %q, want %q", got.Subject, c.subject)
			}
		})
	}
}

func TestForwardCarriesTheCallersOwnCredential(t *testing.T) {
	f := newIdentity(t)
	session, token := f.account(auth.SessionPrefix), f.account(auth.TokenPrefix)
	for _, c := range []struct {
		name           string
		in             *http.Request
		cookie, header string
	}{
		{"session", withCookie(http.MethodGet, session), auth.CookieName + "=" + session, ""},
		{"token", bearer(token), "", "Bearer " + token},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := httptest.NewRequest(http.MethodGet, "/", nil)
			h := f.verifier().Require("")(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if err := auth.Forward(r.Context(), out); err != nil {
					t.Error(err)
				}
			}))
			h.ServeHTTP(httptest.NewRecorder(), c.in)
			if got := out.Header.Get("Cookie"); got != c.cookie {
				t.Errorf("Cookie %q, want %q", got, c.cookie)
			}
			if got := out.Header.Get("Authorization"); got != c.header {
				t.Errorf("Authorization %q, want %q", got, c.header)
			}
		})
	}
	out := httptest.NewRequest(http.MethodGet, "/", nil)
	if err := auth.Forward(context.Background(), out); err != nil || len(out.Header) != 0 {
		t.Fatalf("without a caller: %v, headers %v; want neither", err, out.Header)
	}
}
