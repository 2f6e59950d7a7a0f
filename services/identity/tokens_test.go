package identity_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/services/identity/migrations"
)

func TestTokenWorksAtAnotherServiceUntilRevoked(t *testing.T) {
	p := start(t)
	text, id := p.token(p.bootstrap, `["dora:write","dora:read","dora:read"]`)
	got, err := p.atDora(text)
	if err != nil {
		t.Fatal(err)
	}
	want := auth.Principal{
		Subject: "owner", Name: "local owner", Kind: auth.KindToken, Roles: []string{"admin"},
		Scopes: []string{"dora:read", "dora:write"}, TokenID: id, Expires: noon.Add(5 * time.Minute),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("the caller at dora (-want +got):\n%s", d)
	}
	p.want(p.call(p.bootstrap, http.MethodDelete, api+"/tokens/"+id, ""), 204)
	p.want(p.call(text, http.MethodGet, api+"/me", ""), 401) // at identity at once
	p.clock.Advance(time.Minute)
	if _, err := p.atDora(text); err == nil { // elsewhere within a minute
		t.Fatal("a revoked token still works at dora after a minute")
	}
	p.want(p.call(p.bootstrap, http.MethodDelete, api+"/tokens/"+id, ""), 204) // again: no error
}

func TestTokenIsShownOnceAndStoredHashed(t *testing.T) {
	storetest.Each(t, migrations.FS, func(t *testing.T, db *sqlstore.DB) {
		p := startOn(t, db, clock.NewManual(noon), publicURL)
		text, _ := p.token(p.bootstrap, `["dora:read"]`)
		session := p.signIn("owner")
		link := p.link(p.bootstrap, "owner")
		_, code, _ := strings.Cut(link, "code=")
		list := p.want(p.call(p.bootstrap, http.MethodGet, api+"/tokens", ""), 200)
		if strings.Contains(list.text, text) || strings.Contains(list.text, "hash") {
			t.Fatalf("the list tells too much: %s", list.text)
		}
		for _, q := range []string{
			`SELECT hash FROM api_tokens`, `SELECT hash FROM sessions`, `SELECT hash FROM signin_codes`, `SELECT detail FROM audit_log`,
			`SELECT target FROM audit_log`, `SELECT via FROM audit_log`,
		} {
			for _, stored := range column(t, db, q) {
				for _, secret := range []string{text, session, code, p.bootstrap} {
					if strings.Contains(stored, secret) {
						t.Errorf("%s holds a secret as it is", q)
					}
				}
			}
		}
		if got := column(t, db, `SELECT hash FROM api_tokens`); !slices.Equal(got, []string{auth.Hash(text)}) {
			t.Errorf("stored token hashes %v, want the one of the token: the bootstrap token is never stored", got)
		}
	})
}

func column(t *testing.T, db *sqlstore.DB, query string) []string {
	t.Helper()
	rows, err := db.Read.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTokenExpiresAndTellsItsLastUse(t *testing.T) {
	p := start(t)
	a := p.want(p.call(p.bootstrap, http.MethodPost, api+"/tokens", `{"name":"short","scopes":["dora:read"],"expires_in":120}`), 201)
	info := a.body["info"].(map[string]any)
	if info["last_used_at"] != nil || info["expires_at"] != "2026-03-02T12:02:00Z" || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("a new token: %s", a.text)
	}
	p.clock.Advance(30 * time.Second)
	p.want(p.call(a.str("token"), http.MethodGet, api+"/me", ""), 200)
	list := p.want(p.call(p.bootstrap, http.MethodGet, api+"/tokens", ""), 200)
	if got := list.body["items"].([]any)[0].(map[string]any)["last_used_at"]; got != "2026-03-02T12:00:30Z" {
		t.Fatalf("last used at %v, want 12:00:30", got)
	}
	caller, err := p.atDora(a.str("token"))
	if err != nil || !caller.Expires.Equal(noon.Add(2*time.Minute)) {
		t.Fatalf("the JWT lives until %v (%v), want not longer than the token, 12:02", caller.Expires, err)
	}
	p.clock.Advance(90 * time.Second)
	p.want(p.call(a.str("token"), http.MethodGet, api+"/me", ""), 401)
	if _, err := p.atDora(a.str("token")); err == nil {
		t.Fatal("an expired token works at dora")
	}
}

func TestTokenNeverOutgrowsItsOwner(t *testing.T) {
	p := start(t)
	dev := p.person("developer")
	session := p.signIn(dev)
	text, _ := p.token(session, `["dora:read","dora:write"]`)
	p.want(p.call(p.bootstrap, http.MethodPatch, api+"/people/"+dev, `{"role":"viewer"}`), 200)
	got, err := p.atDora(text)
	if err != nil || got.Can("dora:write") || !got.Can("dora:read") {
		t.Fatalf("scopes %v (%v) after the owner became a viewer, want dora:read alone", got.Scopes, err)
	}
	p.want(p.call(p.bootstrap, http.MethodPatch, api+"/people/"+dev, `{"disabled":true}`), 200)
	p.want(p.call(text, http.MethodGet, api+"/me", ""), 401)
	p.want(p.call(session, http.MethodGet, api+"/me", ""), 401)
	p.want(p.call(p.bootstrap, http.MethodPatch, api+"/people/"+dev, `{"disabled":false}`), 200)
	p.want(p.call(text, http.MethodGet, api+"/me", ""), 200)
}

func TestWorkloadToken(t *testing.T) {
	p := start(t)
	a := p.want(p.call(p.bootstrap, http.MethodPost, api+"/workload-tokens",
		`{"workload":"jenkins-agent","audience":"dora","scopes":["dora:write"],"projects":["shop"],"expires_in":600}`), 200)
	if a.body["expires_in"] != 600.0 || a.str("token_type") != "Bearer" || a.str("issued_token_type") != auth.TypeJWT {
		t.Fatalf("answer %s", a.text)
	}
	got, err := p.atDora(a.str("access_token"))
	if err != nil || got.Kind != auth.KindWorkload || got.Subject != "jenkins-agent" || !got.Can("dora:write") || got.Can("dora:read") ||
		!got.CanTouch("shop") || got.CanTouch("other") {
		t.Fatalf("the workload at dora: %+v (%v)", got, err)
	}
	p.want(p.call(a.str("access_token"), http.MethodGet, api+"/me", ""), 401) // another audience
	p.clock.Advance(10 * time.Minute)
	if _, err := p.atDora(a.str("access_token")); err == nil {
		t.Fatal("an expired workload token works")
	}
}

func TestBootstrapTokenIsGoodForOneProcess(t *testing.T) {
	db := storetest.OpenSQLite(t, migrations.FS)
	clk := clock.NewManual(noon)
	first := startOn(t, db, clk, publicURL)
	kept, _ := first.token(first.bootstrap, `["*"]`)
	got, err := first.atDora(first.bootstrap)
	if err != nil || got.Subject != "owner" || !got.Can("dora:admin") {
		t.Fatalf("the bootstrap token at dora: %+v (%v), want the owner with everything", got, err)
	}
	second := startOn(t, db, clk, publicURL)
	second.want(second.call(first.bootstrap, http.MethodGet, api+"/me", ""), 401)
	second.want(second.call(second.bootstrap, http.MethodGet, api+"/me", ""), 200)
	second.want(second.call(kept, http.MethodGet, api+"/me", ""), 200)
}
