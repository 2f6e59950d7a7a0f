package identity_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

// Who may do what, and what hostile or mistaken requests are answered.
func TestAPI(t *testing.T) {
	p := start(t)
	viewer := p.person("viewer")
	session := p.signIn(viewer)
	reader, _ := p.token(p.bootstrap, `["dora:read"]`)
	limited := p.want(p.call(p.bootstrap, http.MethodPost, api+"/tokens", `{"name":"limited","scopes":["identity:admin","dora:read"],"projects":["shop"]}`), 201).str("token")
	long := strings.Repeat("x", 101)
	for _, c := range []struct {
		name, as, method, path, body string
		status                       int
		code, contains               string
	}{
		{"nobody", "", "GET", "/me", "", 401, "unauthenticated", "fawkes open"},
		{"nobody lists keys", "", "GET", "/jwks.json", "", 200, "", `"kty":"OKP"`},
		{"a viewer is not an admin", session, "GET", "/people", "", 403, "forbidden", "identity:admin"},
		{"a viewer makes no links", session, "POST", "/signin-links", `{}`, 403, "forbidden", ""},
		{"a viewer sees no audit log", session, "GET", "/audit", "", 403, "forbidden", ""},
		{"a viewer issues no workload tokens", session, "POST", "/workload-tokens", `{"workload":"w","audience":"dora","scopes":["dora:read"]}`, 403, "forbidden", ""},
		{"a viewer makes a reading token", session, "POST", "/tokens", `{"name":"r","scopes":["*:read"]}`, 201, "", `"token":"fwk_`},
		{"a viewer cannot give what it lacks", session, "POST", "/tokens", `{"name":"w","scopes":["dora:write"]}`, 403, "forbidden", "dora:write"},
		{"nor everything", session, "POST", "/tokens", `{"name":"w","scopes":["*"]}`, 403, "forbidden", ""},
		{"a token makes no token", reader, "POST", "/tokens", `{"name":"child","scopes":["dora:read"]}`, 403, "forbidden", "identity:admin"},
		{"a token lists no tokens", reader, "GET", "/tokens", "", 403, "forbidden", ""},
		{"a limited token stays limited", limited, "POST", "/tokens", `{"name":"c","scopes":["dora:read"]}`, 403, "forbidden", "projects"},
		{"to its own projects", limited, "POST", "/tokens", `{"name":"c","scopes":["dora:read"],"projects":["other"]}`, 403, "forbidden", "other"},

		{"no scopes", p.bootstrap, "POST", "/tokens", `{"name":"n","scopes":[]}`, 422, "invalid_field", "scopes"},
		{"a scope that is none", p.bootstrap, "POST", "/tokens", `{"name":"n","scopes":["Dora Read"]}`, 422, "invalid_field", "dora:read"},
		{"a scope that nothing asks for", p.bootstrap, "POST", "/tokens", `{"name":"n","scopes":["dora:raed"]}`, 422, "invalid_field", "dora:read"},
		{"an empty name", p.bootstrap, "POST", "/tokens", `{"name":"  ","scopes":["dora:read"]}`, 422, "invalid_field", "name"},
		{"a name with a line break", p.bootstrap, "POST", "/tokens", `{"name":"a\r\nb","scopes":["dora:read"]}`, 422, "invalid_field", "name"},
		{"a name with a NUL", p.bootstrap, "POST", "/tokens", `{"name":"a\u0000b","scopes":["dora:read"]}`, 422, "invalid_field", "name"},
		{"a name that is too long", p.bootstrap, "POST", "/tokens", `{"name":"` + long + `","scopes":["dora:read"]}`, 422, "invalid_field", "name"},
		{"a wrong type", p.bootstrap, "POST", "/tokens", `{"name":7,"scopes":"dora:read"}`, 422, "invalid_field", "body.name"},
		{"an unknown field", p.bootstrap, "POST", "/tokens", `{"name":"n","scopes":["dora:read"],"scope":"x"}`, 422, "unknown_field", "scope"},
		{"too long a life", p.bootstrap, "POST", "/tokens", `{"name":"n","scopes":["dora:read"],"expires_in":99999999999}`, 422, "invalid_field", "expires_in"},
		{"too short a life", p.bootstrap, "POST", "/tokens", `{"name":"n","scopes":["dora:read"],"expires_in":1}`, 422, "invalid_field", "expires_in"},
		{"broken JSON", p.bootstrap, "POST", "/tokens", `{"name":`, 400, "invalid_body", ""},
		{"no body", p.bootstrap, "POST", "/tokens", ``, 400, "invalid_body", ""},
		{"a huge body", p.bootstrap, "POST", "/tokens", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "too_large", ""},
		{"a role that is none", p.bootstrap, "POST", "/people", `{"name":"n","role":"root"}`, 422, "invalid_field", "role"},
		{"a team that is none", p.bootstrap, "POST", "/people", `{"name":"n","role":"viewer","teams":["a\nb"]}`, 422, "invalid_field", "team"},
		{"a workload that is none", p.bootstrap, "POST", "/workload-tokens", `{"workload":"A B","audience":"dora","scopes":["dora:read"]}`, 422, "invalid_field", "workload"},
		{"an audience that is none", p.bootstrap, "POST", "/workload-tokens", `{"workload":"a","audience":"*","scopes":["dora:read"]}`, 422, "invalid_field", "audience"},
		{"a workload that lives too long", p.bootstrap, "POST", "/workload-tokens", `{"workload":"a","audience":"dora","scopes":["dora:read"],"expires_in":3601}`, 422, "invalid_field", "expires_in"},
		{"an unknown person", p.bootstrap, "POST", "/signin-links", `{"person":"per-none"}`, 404, "not_found", "per-none"},
		{"the last admin steps down", p.bootstrap, "PATCH", "/people/owner", `{"role":"viewer"}`, 409, "conflict", "another person admin"},
		{"the last admin is disabled", p.bootstrap, "PATCH", "/people/owner", `{"disabled":true}`, 409, "conflict", ""},
		{"an unknown token", p.bootstrap, "DELETE", "/tokens/tok-none", "", 404, "not_found", "tok-none"},
		{"an id that is none", p.bootstrap, "DELETE", "/tokens/%0d%0a", "", 422, "invalid_field", ""},
		{"a forged cursor", p.bootstrap, "GET", "/tokens?cursor=AAAA", "", 400, "invalid_cursor", ""},
		{"a limit out of range", p.bootstrap, "GET", "/tokens?limit=100000", "", 422, "invalid_field", "limit"},
		{"an unknown parameter", p.bootstrap, "GET", "/tokens?sort=x", "", 422, "unknown_field", "sort"},
		{"an unknown path", p.bootstrap, "GET", "/nothing", "", 404, "not_found", ""},
		{"a wrong method", p.bootstrap, "PUT", "/tokens", "{}", 405, "method_not_allowed", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := p.call(c.as, c.method, api+c.path, c.body)
			if a.StatusCode != c.status || a.str("code") != c.code {
				t.Fatalf("%d %q, want %d %q: %s", a.StatusCode, a.str("code"), c.status, c.code, a.text)
			}
			if !strings.Contains(a.text, c.contains) {
				t.Fatalf("the answer lacks %q: %s", c.contains, a.text)
			}
			if a.StatusCode >= 400 && a.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("an error is %q", a.Header.Get("Content-Type"))
			}
		})
	}
}

func TestExchange(t *testing.T) {
	p := start(t)
	token, _ := p.token(p.bootstrap, `["dora:read"]`)
	session := p.signIn("owner")
	form := exchangeForm(token, auth.TypeAPIToken, "dora").Encode()
	const urlencoded = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		code, contains          string
	}{
		{"an API token", urlencoded, form, 200, "", `"scope":"dora:read"`},
		{"with a charset", urlencoded + "; charset=utf-8", form, 200, "", `"token_type":"Bearer"`},
		{"a session", urlencoded, exchangeForm(session, auth.TypeSession, "console").Encode(), 200, "", `"expires_in":300`},
		{"a token as a session", urlencoded, exchangeForm(token, auth.TypeSession, "dora").Encode(), 401, "unauthenticated", ""},
		{"a session as a token", urlencoded, exchangeForm(session, auth.TypeAPIToken, "dora").Encode(), 401, "unauthenticated", ""},
		{"an unknown token", urlencoded, exchangeForm(auth.NewToken(), auth.TypeAPIToken, "dora").Encode(), 401, "unauthenticated", ""},
		{"no token", urlencoded, exchangeForm("", auth.TypeAPIToken, "dora").Encode(), 422, "invalid_field", "subject_token"},
		{"two tokens", urlencoded, form + "&subject_token=x", 422, "invalid_field", "subject_token"},
		{"another grant", urlencoded, strings.Replace(form, "token-exchange", "password", 1), 422, "invalid_field", "grant_type"},
		{"another type", urlencoded, exchangeForm(token, auth.TypeJWT, "dora").Encode(), 422, "invalid_field", "subject_token_type"},
		{"no audience", urlencoded, exchangeForm(token, auth.TypeAPIToken, "").Encode(), 422, "invalid_field", "audience"},
		{"every audience", urlencoded, exchangeForm(token, auth.TypeAPIToken, "*").Encode(), 422, "invalid_field", "audience"},
		{"JSON", "application/json", `{"subject_token":"x"}`, 415, "unsupported_media_type", urlencoded},
		{"a broken form", urlencoded, "%zz", 400, "invalid_body", ""},
		{"a huge form", urlencoded, form + "&x=" + strings.Repeat("x", 1<<20), 413, "too_large", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := p.post(api+"/token", c.contentType, c.body)
			if a.StatusCode != c.status || a.str("code") != c.code || !strings.Contains(a.text, c.contains) {
				t.Fatalf("%d %s, want %d %q with %q", a.StatusCode, a.text, c.status, c.code, c.contains)
			}
			if strings.Contains(a.text, token) || strings.Contains(a.text, session) || a.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("the answer repeats the secret or may be stored: %q %s", a.Header.Get("Cache-Control"), a.text)
			}
		})
	}
}

func TestJWTsOfOtherAudiencesAndForgeriesAreRefusedHere(t *testing.T) {
	p := start(t)
	jwt := func(audience string) string {
		return p.want(p.post(api+"/token", "application/x-www-form-urlencoded", exchangeForm(p.bootstrap, auth.TypeAPIToken, audience).Encode()), 200).str("access_token")
	}
	own := jwt("identity")
	p.want(p.call(own, http.MethodGet, api+"/me", ""), 200)
	part := strings.Split(own, ".")
	for name, text := range map[string]string{
		"another audience": jwt("dora"),
		"alg none":         "eyJhbGciOiJub25lIn0." + part[1] + ".",
		"no signature":     part[0] + "." + part[1] + ".",
		"swapped body":     part[0] + "." + strings.Split(jwt("dora"), ".")[1] + "." + part[2],
	} {
		t.Run(name, func(t *testing.T) {
			p.want(p.call(text, http.MethodGet, api+"/me", ""), 401)
		})
	}
	p.clock.Advance(5 * time.Minute)
	p.want(p.call(own, http.MethodGet, api+"/me", ""), 401)
}

func TestCookieOfAForeignPageMakesNoToken(t *testing.T) {
	p := start(t)
	session := p.signIn("owner")
	r := httptest.NewRequest(http.MethodPost, api+"/tokens", strings.NewReader(`{"name":"stolen","scopes":["*"]}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-site") // another port of the same host
	r.AddCookie(&http.Cookie{Name: auth.CookieName, Value: session})
	p.want(p.do(r), 403)
}

func TestListsGoOnByCursor(t *testing.T) {
	p := start(t)
	for i := range 7 {
		p.want(p.call(p.bootstrap, http.MethodPost, api+"/tokens", fmt.Sprintf(`{"name":"t%d","scopes":["dora:read"]}`, i)), 201)
		if i%2 == 0 { // some share a time
			p.clock.Advance(time.Millisecond)
		}
	}
	for _, path := range []string{"/tokens", "/audit"} {
		seen, cursor, pages := map[string]bool{}, "", 0
		for {
			a := p.want(p.call(p.bootstrap, http.MethodGet, api+path+"?limit=3&cursor="+cursor, ""), 200)
			for _, item := range a.body["items"].([]any) {
				key := fmt.Sprint(item.(map[string]any)["id"], item.(map[string]any)["seq"])
				if seen[key] {
					t.Fatalf("%s lists %s twice", path, key)
				}
				seen[key] = true
			}
			pages++
			if cursor = a.str("next_cursor"); cursor == "" {
				break
			}
		}
		if len(seen) < 7 || pages != (len(seen)+2)/3 {
			t.Fatalf("%s: %d items on %d pages of 3", path, len(seen), pages)
		}
	}
}

func TestAuditTellsWhoDidWhatByWhich(t *testing.T) {
	p := start(t)
	session := p.signIn("owner")
	_, id := p.token(session, `["dora:read"]`)
	p.want(p.call(session, http.MethodDelete, api+"/tokens/"+id, ""), 204)
	me := p.want(p.call(session, http.MethodGet, api+"/me", ""), 200)
	var got []string
	for _, item := range p.want(p.call(session, http.MethodGet, api+"/audit", ""), 200).body["items"].([]any) {
		e := item.(map[string]any)
		got = append(got, fmt.Sprint(e["actor"], " ", e["action"]))
		if e["action"] == "token.revoked" && (e["via"] != me.str("token_id") || e["target"] != id || e["at"] != "2026-03-02T12:00:00Z") {
			t.Errorf("the revocation is noted as %v", e)
		}
	}
	want := "owner token.revoked, owner token.made, owner session.started, owner signin_link.made, system key.rotated, system person.added"
	if strings.Join(got, ", ") != want {
		t.Fatalf("audit log: %s\nwant:      %s", strings.Join(got, ", "), want)
	}
}
