package identity_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/services/identity/migrations"
)

func TestSignInLinkSignsInOnce(t *testing.T) {
	p := start(t)
	link := p.link(p.bootstrap, "owner")
	a := p.want(p.visit(link), 200)
	c := p.cookie(a)
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure || c.MaxAge != 720*3600 {
		t.Fatalf("cookie %v, want HttpOnly, SameSite=Lax, for the whole site and 720 hours, and not Secure on plain http", c)
	}
	for _, want := range []string{`http-equiv="refresh" content="0; url=/"`, `<a href="/">`, "You are signed in"} {
		if !strings.Contains(a.text, want) {
			t.Errorf("the page lacks %q:\n%s", want, a.text)
		}
	}
	for _, never := range []string{"<script", "http://", "https://", c.Value} {
		if strings.Contains(a.text, never) {
			t.Errorf("the page holds %q", never)
		}
	}
	for header, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"} {
		if got := a.Header.Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	_, style, _ := strings.Cut(a.text, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	if policy := a.Header.Get("Content-Security-Policy"); policy != want {
		t.Errorf("Content-Security-Policy is %q, want %q: the page's own style and nothing else", policy, want)
	}
	me := p.want(p.call(c.Value, http.MethodGet, api+"/me", ""), 200)
	if me.str("subject") != "owner" || me.str("kind") != "person" {
		t.Fatalf("me is %s, want the owner in person", me.text)
	}

	again := p.want(p.visit(link), 410)
	if len(again.Cookies()) != 0 || !strings.Contains(again.text, "fawkes open") {
		t.Fatalf("a used link: cookies %v, page %s; want no cookie and the word how to get a new link", again.Cookies(), again.text)
	}
}

func TestSignInRefusals(t *testing.T) {
	p := start(t)
	expired := p.link(p.bootstrap, "owner")
	gone := p.person("viewer")
	p.clock.Advance(10 * time.Minute)
	disabledLink := p.link(p.bootstrap, gone)
	p.want(p.call(p.bootstrap, http.MethodPatch, api+"/people/"+gone, `{"disabled":true}`), 200)
	for name, path := range map[string]string{
		"expired":         expired,
		"unknown":         "/signin?code=" + auth.NewSecret(auth.CodePrefix),
		"garbage":         "/signin?code=%0d%0aSet-Cookie:x=y",
		"markup":          "/signin?code=%3Cscript%3Ealert(1)%3C/script%3E",
		"huge":            "/signin?code=fwc_" + strings.Repeat("a", 100_000),
		"disabled person": disabledLink,
	} {
		t.Run(name, func(t *testing.T) {
			a := p.visit(path)
			if a.StatusCode != http.StatusGone || len(a.Cookies()) != 0 || a.Header.Get("X") != "" {
				t.Fatalf("%d with cookies %v, want 410 without", a.StatusCode, a.Cookies())
			}
			if !strings.Contains(a.text, "fawkes open") || strings.Contains(a.text, "alert(1)") {
				t.Fatalf("the page should say `fawkes open` and repeat nothing of the request:\n%s", a.text)
			}
		})
	}
	if a := p.want(p.visit("/signin"), 200); !strings.Contains(a.text, "fawkes open") || !strings.Contains(a.text, `name="code"`) {
		t.Fatalf("the page without a code:\n%s", a.text)
	}
}

func TestLookingAheadDoesNotUseTheLinkUp(t *testing.T) {
	p := start(t)
	link := p.link(p.bootstrap, "owner")
	ahead := httptest.NewRequest(http.MethodGet, link, nil)
	ahead.Header.Set("Sec-Purpose", "prefetch;prerender")
	for name, r := range map[string]*http.Request{"prefetch": ahead, "HEAD": httptest.NewRequest(http.MethodHead, link, nil)} {
		if a := p.do(r); len(a.Cookies()) != 0 {
			t.Fatalf("%s set a cookie", name)
		}
	}
	p.want(p.visit(link), 200)
}

func TestCookieIsSecureOnHTTPS(t *testing.T) {
	p := startOn(t, storetest.OpenSQLite(t, migrations.FS), clock.NewManual(noon), "https://fawkes.example")
	if c := p.cookie(p.visit(p.link(p.bootstrap, "owner"))); !c.Secure {
		t.Fatalf("cookie %v, want Secure", c)
	}
}

func TestSignOut(t *testing.T) {
	p := start(t)
	session := p.signIn("owner")
	foreign := httptest.NewRequest(http.MethodPost, "/signout", nil)
	foreign.AddCookie(&http.Cookie{Name: auth.CookieName, Value: session})
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	p.want(p.do(foreign), 403)
	p.want(p.call(session, http.MethodGet, api+"/me", ""), 200)

	a := p.want(p.call(session, http.MethodPost, "/signout", ""), 303)
	if c := p.cookie(a); c.MaxAge >= 0 || a.Header.Get("Location") != "/signin" {
		t.Fatalf("cookie %v and location %q, want it removed and /signin", c, a.Header.Get("Location"))
	}
	p.want(p.call(session, http.MethodGet, api+"/me", ""), 401)
	p.want(p.call(session, http.MethodPost, "/signout", ""), 303) // over already: no error
	p.want(p.call("", http.MethodPost, "/signout", ""), 303)
}

func TestSessionsEnd(t *testing.T) {
	p := start(t)
	used, idle := p.signIn("owner"), p.signIn("owner")
	for range 40 { // used every 18 hours
		p.clock.Advance(18 * time.Hour)
		if p.clock.Now().Sub(noon) >= 720*time.Hour {
			break
		}
		p.want(p.call(used, http.MethodGet, api+"/me", ""), 200)
		if p.clock.Now().Sub(noon) >= 24*time.Hour {
			p.want(p.call(idle, http.MethodGet, api+"/me", ""), 401)
		}
	}
	p.want(p.call(used, http.MethodGet, api+"/me", ""), 401) // the absolute end
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	p := start(t)
	viewer := p.person("viewer")
	mine, admin := p.signIn(viewer), p.signIn("owner")
	list := p.want(p.call(mine, http.MethodGet, api+"/sessions", ""), 200)
	items := list.body["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["current"] != true {
		t.Fatalf("a viewer sees %s, want the one current session", list.text)
	}
	all := p.want(p.call(admin, http.MethodGet, api+"/sessions", ""), 200).body["items"].([]any)
	if len(all) != 2 {
		t.Fatalf("an admin sees %d sessions, want 2", len(all))
	}
	var admins string
	for _, s := range all {
		if s.(map[string]any)["person"] == "owner" {
			admins = s.(map[string]any)["id"].(string)
		}
	}
	p.want(p.call(mine, http.MethodDelete, api+"/sessions/"+admins, ""), 404)
	p.want(p.call(admin, http.MethodDelete, api+"/sessions/"+items[0].(map[string]any)["id"].(string), ""), 204)
	p.want(p.call(mine, http.MethodGet, api+"/me", ""), 401)
}
