// Package intake says what a kind of webhook source is: how a delivery is known
// to be genuine, and how it is read as events.
//
// A [Kind] is a value made by the package of its source (github.Kind, say). It
// is pure: no input, no output, no clock. Receiving, limits, trying the secrets,
// keeping what could not be read and storing are the service's, the same for
// every kind. Reading depends on nothing but the [Request], so that a delivery
// that was kept can be read again later with the same result.
package intake

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Request is one delivery.
type Request struct {
	Path     string      // what follows the kind's own path, "" for none
	Query    url.Values  // never with the token that the service has checked
	Header   http.Header // on a replay only what Kind.Keep names
	Body     []byte
	Source   string     // name of the webhook source it came by, "" for configuration or an API token
	Project  string     // that source's project, "" for none
	Received event.Time // when it first came; a replay keeps it
}

// Result is what a delivery says. With an error, Kind and Delivery are what
// could be read of them, for whoever looks at the delivery.
type Result struct {
	Kind     string        // what the source calls it: "pull_request.closed", "build.COMPLETED"
	Delivery string        // the source's own id of it, "" for none
	Events   []event.Event // Project "" means: the source's project
	Ignored  string        // why there are none although nothing is wrong
}

// Kind is a kind of webhook source.
type Kind struct {
	Name    string // "jenkins": kind of webhook source, and Event.Source
	Title   string // "Jenkins Notification plugin"
	Path    string // "/webhooks/dora/jenkins"
	MaxBody int64
	// Keep are the headers that reading needs; they are kept with a delivery that
	// could not be read, so that it can be replayed.
	Keep []string
	// Setup is one sentence on what to do at the source; {url} and {secret} stand
	// for what goes there.
	Setup string
	// Verify checks that a secret signed the delivery; its error is a
	// *event.FieldError that names the header. nil: the secret is a token (see
	// [Token]), and a token of the platform with scope dora:write serves as well.
	Verify func(secret string, r Request) error
	// Signature is set by a kind whose source may sign or may send a token: the
	// header that a signed delivery carries. Without that header the delivery is
	// checked as one of a kind without Verify.
	Signature string
	// Read reads a delivery. A fault is a *event.FieldError that names the field
	// as the source spells it.
	Read func(r Request) (Result, error)
}

// Signs reports whether a delivery to this kind is checked by its signature.
func (k Kind) Signs(h http.Header) bool {
	return k.Verify != nil && (k.Signature == "" || h.Get(k.Signature) != "")
}

// TokenParam is the query parameter that may carry the token of a source that
// can set no header. It is never kept.
const TokenParam = "token"

// Token is the token that a delivery carries: as Bearer, as the password of
// Basic, or as ?token=; "" for none.
func Token(h http.Header, query url.Values) string {
	scheme, rest, _ := strings.Cut(h.Get("Authorization"), " ")
	switch rest = strings.TrimSpace(rest); {
	case strings.EqualFold(scheme, "Bearer"):
		return rest
	case strings.EqualFold(scheme, "Basic"):
		both, err := base64.StdEncoding.DecodeString(rest)
		if _, password, found := strings.Cut(string(both), ":"); err == nil && found {
			return password
		}
		return ""
	}
	return query.Get(TokenParam)
}

// Same compares a secret with what was sent, in a time that tells nothing of
// either, not even its length.
func Same(secret, sent string) bool {
	a, b := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(sent))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && secret != ""
}
