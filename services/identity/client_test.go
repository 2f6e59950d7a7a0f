package identity_test

import (
	"context"
	"net/http"
	"testing"

	client "github.com/fawkes-idp/fawkes/api/client/identity"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

// The committed client, generated from the committed specification, speaks with the service as it is.
func TestGeneratedClient(t *testing.T) {
	p, ctx := start(t), t.Context()
	as := func(token string) client.ClientOption {
		return client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+token)
			return nil
		})
	}
	open := func(options ...client.ClientOption) *client.ClientWithResponses {
		t.Helper()
		base, transport := p.Client("identity")
		c, err := client.NewClientWithResponses(base, append(options, client.WithHTTPClient(transport))...)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open(as(p.bootstrap))
	link, err := c.MakeSigninLinkWithResponse(ctx, client.NewSigninLink{})
	if err != nil || link.JSON201 == nil || link.JSON201.Person != "owner" {
		t.Fatalf("make a link: %v %s", err, link.Body)
	}
	made, err := c.MakeTokenWithResponse(ctx, client.NewToken{Name: "ci", Scopes: []string{auth.ScopeDoraRead}})
	if err != nil || made.JSON201 == nil || !auth.WellFormed(auth.TokenPrefix, made.JSON201.Token) {
		t.Fatalf("make a token: %v %s", err, made.Body)
	}
	list, err := c.ListTokensWithResponse(ctx, nil)
	if err != nil || list.JSON200 == nil || len(list.JSON200.Items) != 1 || list.JSON200.Items[0].ID != made.JSON201.Info.ID || list.JSON200.Items[0].LastUsedAt != nil {
		t.Fatalf("list tokens: %v %s", err, list.Body)
	}
	refused, err := open(as(made.JSON201.Token)).ListPeopleWithResponse(ctx, nil)
	if err != nil || refused.ApplicationProblemJSON403 == nil || refused.ApplicationProblemJSON403.Code != "forbidden" {
		t.Fatalf("list people with a reading token: %v %s, want a problem", err, refused.Body)
	}
	gone, err := c.RevokeTokenWithResponse(ctx, made.JSON201.Info.ID)
	if err != nil || gone.StatusCode() != http.StatusNoContent {
		t.Fatalf("revoke: %v %s", err, gone.Body)
	}
	exchanged, err := open().ExchangeTokenWithFormdataBodyWithResponse(ctx, client.ExchangeTokenFormdataRequestBody{
		Audience: "dora", SubjectToken: p.bootstrap,
		GrantType: auth.GrantExchange, SubjectTokenType: auth.TypeAPIToken,
	})
	if err != nil || exchanged.JSON200 == nil || exchanged.JSON200.TokenType != "Bearer" {
		t.Fatalf("exchange: %v %s", err, exchanged.Body)
	}
	keys, err := open().ListKeysWithResponse(ctx)
	if err != nil || keys.JSON200 == nil || len(keys.JSON200.Keys) != 1 || keys.JSON200.Keys[0].Alg != "EdDSA" {
		t.Fatalf("keys: %v %s", err, keys.Body)
	}

	// A service acts for its caller by handing the credential on.
	var subject string
	behind := p.dora.Require("")(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		me, err := open(client.WithRequestEditorFn(auth.Forward)).GetMeWithResponse(r.Context())
		if err != nil || me.JSON200 == nil {
			t.Errorf("forwarded: %v", err)
			return
		}
		subject = me.JSON200.Subject
	}))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: auth.CookieName, Value: p.signIn("owner")})
	behind.ServeHTTP(nil, r)
	if subject != "owner" {
		t.Fatalf("behind dora the caller is %q, want owner", subject)
	}
}
