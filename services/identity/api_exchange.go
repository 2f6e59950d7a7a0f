package identity

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-jose/go-jose/v4"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const formType = "application/x-www-form-urlencoded"

type exchangeForm struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte `contentType:"application/x-www-form-urlencoded"`
}

// issuedToken is the answer of RFC 8693, section 2.2.1.
type issuedToken struct {
	AccessToken string `json:"access_token" doc:"A JWT (EdDSA), good only at the audience."`
	IssuedType  string `json:"issued_token_type" example:"urn:ietf:params:oauth:token-type:jwt"`
	TokenType   string `json:"token_type" example:"Bearer"`
	ExpiresIn   int64  `json:"expires_in" doc:"Seconds."`
	Scope       string `json:"scope" doc:"What it may do, separated by spaces."`
}

type exchangeAnswer struct {
	CacheControl string `header:"Cache-Control"`
	Body         issuedToken
}

func newExchangeAnswer(text string, c auth.Claims, life time.Duration) *exchangeAnswer {
	a := &exchangeAnswer{CacheControl: "no-store"}
	a.Body.AccessToken, a.Body.IssuedType, a.Body.TokenType = text, auth.TypeJWT, "Bearer"
	a.Body.ExpiresIn, a.Body.Scope = int64(life/time.Second), c.Scope
	return a
}

// jwk is an Ed25519 public key as RFC 8037 writes it.
type jwk struct {
	Kty string `json:"kty" example:"OKP"`
	Crv string `json:"crv" example:"Ed25519"`
	Kid string `json:"kid"`
	Alg string `json:"alg" example:"EdDSA"`
	Use string `json:"use" example:"sig"`
	X   string `json:"x" doc:"The public key, base64url."`
}

type keySet struct {
	Keys []jwk `json:"keys" nullable:"false"`
}

type keysAnswer struct {
	CacheControl string `header:"Cache-Control"`
	Body         keySet
}

func (s *Service) registerExchange(api huma.API) {
	exchange := operation(http.MethodPost, "/token", "exchange-token", "proof",
		"Exchange an API token or a session for a JWT bound to one audience (RFC 8693)", auth.Open(), 400, 401, 413, 415, 422)
	exchange.Description = "The request and the answer have the shape of RFC 8693; errors are problem details like everywhere. " +
		"The JWT lives at most five minutes and never longer than what it was exchanged for."
	huma.Register(api, exchange, s.exchange)
	// huma knows a raw body only as bytes; this is what is in it.
	api.OpenAPI().Paths[base+"/token"].Post.RequestBody.Content[formType].Schema = exchangeSchema()

	keys := operation(http.MethodGet, "/jwks.json", "list-keys", "proof", "The public keys that verify identity's JWTs (RFC 7517)", auth.Open())
	huma.Register(api, keys, s.listKeys)
}

func exchangeSchema() *huma.Schema {
	text := func(doc string, enum ...any) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: doc, Enum: enum}
	}
	return &huma.Schema{
		Type:     huma.TypeObject,
		Required: []string{"grant_type", "subject_token", "subject_token_type", "audience"},
		Properties: map[string]*huma.Schema{
			"grant_type":         text("Always the token exchange.", auth.GrantExchange),
			"subject_token":      text("The API token, or the session cookie's value."),
			"subject_token_type": text("What subject_token is.", auth.TypeAPIToken, auth.TypeSession),
			"audience":           text("The service that shall accept the JWT, for example dora."),
		},
	}
}

func (s *Service) exchange(ctx context.Context, in *exchangeForm) (*exchangeAnswer, error) {
	if mediaType, _, err := mime.ParseMediaType(in.ContentType); err != nil || mediaType != formType {
		return nil, problem.New(problem.UnsupportedType, "the body must be a form").WithField("Content-Type").WithMend("send " + formType)
	}
	form, err := url.ParseQuery(string(in.RawBody))
	if err != nil {
		return nil, problem.New(problem.InvalidBody, "the form cannot be read")
	}
	for _, field := range []string{"grant_type", "subject_token", "subject_token_type", "audience"} {
		if len(form[field]) != 1 || form.Get(field) == "" {
			return nil, problem.New(problem.InvalidField, "%s must be given exactly once", field).WithField(field)
		}
	}
	c := auth.Credential{Type: form.Get("subject_token_type"), Secret: form.Get("subject_token")}
	switch {
	case form.Get("grant_type") != auth.GrantExchange:
		return nil, problem.New(problem.InvalidField, "only the token exchange is offered").WithField("grant_type").WithMend("send " + auth.GrantExchange)
	case c.Type != auth.TypeAPIToken && c.Type != auth.TypeSession:
		return nil, problem.New(problem.InvalidField, "this type of token cannot be exchanged").WithField("subject_token_type").
			WithMend("send " + auth.TypeAPIToken + " or " + auth.TypeSession)
	case !auth.ValidService(form.Get("audience")):
		return nil, problem.New(problem.InvalidField, "the audience must be the name of a service").WithField("audience").WithMend("for example dora")
	}
	text, claims, life, err := s.issue(ctx, c, form.Get("audience"))
	if errors.Is(err, auth.ErrRefused) {
		return nil, problem.New(problem.Unauthenticated, "the credential is unknown, expired or revoked").WithField("subject_token")
	}
	if err != nil {
		return nil, err
	}
	return newExchangeAnswer(text, claims, life), nil
}

func (s *Service) listKeys(ctx context.Context, _ *struct{}) (*keysAnswer, error) {
	set, err := s.keys.public(ctx)
	if err != nil {
		return nil, err
	}
	a := &keysAnswer{CacheControl: "no-cache"}
	a.Body.Keys = each(set.Keys, toWireKey)
	return a, nil
}

func toWireKey(k jose.JSONWebKey) jwk {
	public, _ := k.Key.(ed25519.PublicKey)
	return jwk{"OKP", "Ed25519", k.KeyID, k.Algorithm, k.Use, base64.RawURLEncoding.EncodeToString(public)}
}
