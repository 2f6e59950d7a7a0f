package auth

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// IssuerName is the "iss" of every JWT.
	IssuerName = "fawkes-identity"
	// MaxExchanged is the longest life of a JWT that a token exchange returns.
	MaxExchanged = 5 * time.Minute
	// MaxJWT is the longest life of any JWT, workload tokens included; keys are kept as long after rotation.
	MaxJWT = time.Hour

	notBeforeLeeway = 30 * time.Second // clocks of two machines differ; expiry gets no such leeway
	jwtType         = "at+jwt"
	maxCredential   = 8 << 10
)

// Claims is the body of a platform JWT: RFC 7519 and RFC 8693 names, and a few of ours.
type Claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  string   `json:"aud"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	Expires   int64    `json:"exp"`
	ID        string   `json:"jti"`
	Scope     string   `json:"scope"` // separated by spaces
	Kind      string   `json:"kind"`
	Name      string   `json:"name,omitempty"`
	Roles     []string `json:"roles,omitempty"`
	Teams     []string `json:"teams,omitempty"`
	Projects  []string `json:"projects,omitempty"`
	TokenID   string   `json:"token_id,omitempty"`
}

// Sign returns the claims as a compact JWT under key, whose id goes into the header.
func (c Claims) Sign(key ed25519.PrivateKey, kid string) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key, KeyID: kid}},
		(&jose.SignerOptions{}).WithType(jwtType))
	if err != nil {
		return "", fmt.Errorf("prepare the signer of key %s: %w", kid, err)
	}
	text, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign a token with key %s: %w", kid, err)
	}
	return text, nil
}

func (c Claims) principal() Principal {
	return Principal{
		Subject: c.Subject, Name: c.Name, Kind: c.Kind, Roles: c.Roles, Scopes: strings.Fields(c.Scope),
		Teams: c.Teams, Projects: c.Projects, TokenID: c.TokenID, Expires: time.Unix(c.Expires, 0).UTC(),
	}
}

// parse reads a compact JWT without believing it: the algorithm must be EdDSA and nothing else ("none", HMAC with
// a public key and friends end here), there must be exactly one signature with a key id, and the type must be ours.
func parse(text string) (*jwt.JSONWebToken, string, error) {
	if len(text) > maxCredential {
		return nil, "", fmt.Errorf("it is longer than %d bytes", maxCredential)
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return nil, "", fmt.Errorf("it is not a JWT signed with EdDSA")
	}
	if len(token.Headers) != 1 || token.Headers[0].KeyID == "" || len(token.Headers[0].KeyID) > 128 {
		return nil, "", fmt.Errorf("it names no key")
	}
	if typ, _ := token.Headers[0].ExtraHeaders[jose.HeaderType].(string); typ != jwtType {
		return nil, "", fmt.Errorf("its type is not %s", jwtType)
	}
	return token, token.Headers[0].KeyID, nil
}

// check verifies signature and claims and returns what they say.
func check(token *jwt.JSONWebToken, key ed25519.PublicKey, audience string, now time.Time) (Claims, error) {
	var c Claims
	if err := token.Claims(key, &c); err != nil {
		return Claims{}, fmt.Errorf("its signature does not verify")
	}
	switch {
	case c.Issuer != IssuerName:
		return Claims{}, fmt.Errorf("it was issued by another party")
	case c.Audience != audience:
		return Claims{}, fmt.Errorf("it is meant for %q, this is %q", c.Audience, audience)
	case c.Subject == "" || c.Kind == "":
		return Claims{}, fmt.Errorf("it names no subject")
	case c.Expires == 0 || !now.Before(time.Unix(c.Expires, 0)):
		return Claims{}, fmt.Errorf("it has expired")
	case now.Add(notBeforeLeeway).Before(time.Unix(c.NotBefore, 0)):
		return Claims{}, fmt.Errorf("it is not valid yet")
	case time.Unix(c.Expires, 0).Sub(time.Unix(c.NotBefore, 0)) > MaxJWT:
		return Claims{}, fmt.Errorf("it lives longer than %s", MaxJWT)
	}
	return c, nil
}
