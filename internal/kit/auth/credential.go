package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"net/http"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	// CookieName is the browser session's cookie.
	CookieName = "fawkes_session"
	// TokenPrefix begins every API token, so that secret scanners and people recognise one.
	TokenPrefix = "fwk_"
	// SessionPrefix begins every session value.
	SessionPrefix = "fws_"
	// CodePrefix begins every one-time sign-in code.
	CodePrefix = "fwc_"

	secretDigits = 43 // base62 digits that hold 256 bits
)

// The RFC 8693 token types of the exchange.
const (
	TypeAPIToken = "urn:ietf:params:oauth:token-type:access_token"
	TypeSession  = "urn:fawkes:params:oauth:token-type:session"
	TypeJWT      = "urn:ietf:params:oauth:token-type:jwt"
	// GrantExchange is the grant_type of a token exchange.
	GrantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// Credential is a secret a caller presented, as found in the request.
type Credential struct {
	Type   string // TypeAPIToken, TypeSession or TypeJWT
	Secret string
}

// NewSecret returns prefix followed by 256 random bits in base62.
func NewSecret(prefix string) string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // documented never to fail: the program ends when the system has no randomness
	digits := new(big.Int).SetBytes(b[:]).Text(62)
	return prefix + strings.Repeat("0", secretDigits-len(digits)) + digits
}

// NewToken returns a fresh API token text: fwk_ and 256 random bits in base62.
func NewToken() string { return NewSecret(TokenPrefix) }

// Hash is how secrets are stored and compared: SHA-256 in hex. Secrets made by NewSecret have 256 bits of their
// own, so no salt and no slow hash is needed.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// WellFormed says whether secret is prefix and 43 base62 digits; it spares a look-up for what cannot exist.
func WellFormed(prefix, secret string) bool {
	rest, ok := strings.CutPrefix(secret, prefix)
	if !ok || len(rest) != secretDigits {
		return false
	}
	for _, c := range []byte(rest) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// credentialOf finds what the caller presented. An Authorization header decides alone: a bad one is never
// rescued by a cookie.
func credentialOf(r *http.Request) (Credential, error) {
	headers := r.Header.Values("Authorization")
	switch {
	case len(headers) > 1:
		return Credential{}, refused("the request has more than one Authorization header").WithField("Authorization")
	case len(headers) == 1:
		scheme, secret, _ := strings.Cut(headers[0], " ")
		secret = strings.TrimSpace(secret)
		if !strings.EqualFold(scheme, "Bearer") || secret == "" {
			return Credential{}, refused("the Authorization header must be \"Bearer <token>\"").WithField("Authorization")
		}
		if strings.Count(secret, ".") == 2 {
			return Credential{Type: TypeJWT, Secret: secret}, nil
		}
		return Credential{Type: TypeAPIToken, Secret: secret}, nil
	}
	if c, err := r.Cookie(CookieName); err == nil {
		return Credential{Type: TypeSession, Secret: c.Value}, nil
	}
	return Credential{}, refused("the request carries no credential").
		WithMend("sign in with `fawkes open`, or send \"Authorization: Bearer <token>\" with a token from `fawkes token create`")
}

// Forward copies the caller's own credential from ctx to an outgoing request, so that a service that calls
// another one acts for its caller and with no more rights. It has the shape of a generated client's
// RequestEditorFn. Without a caller it adds nothing.
func Forward(ctx context.Context, out *http.Request) error {
	c, ok := ctx.Value(credentialKey).(Credential)
	if !ok {
		return nil
	}
	if c.Type == TypeSession {
		out.AddCookie(&http.Cookie{Name: CookieName, Value: c.Secret})
		return nil
	}
	out.Header.Set("Authorization", "Bearer "+c.Secret)
	return nil
}

func refused(format string, args ...any) *problem.Problem {
	return problem.New(problem.Unauthenticated, format, args...)
}
