package github

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// Why a signature is refused. All wrap [ErrSignature].
var (
	ErrSignature        = errors.New("github: bad signature")
	ErrNoSignature      = fmt.Errorf("%w: the header %s is missing", ErrSignature, HeaderSignature)
	ErrSignatureForm    = fmt.Errorf("%w: want sha256= and 64 hexadecimal digits in %s", ErrSignature, HeaderSignature)
	ErrSignatureNoMatch = fmt.Errorf("%w: it does not match the body and the secret", ErrSignature)
	ErrNoSecret         = fmt.Errorf("%w: no secret is set for this webhook", ErrSignature)
)

// VerifySignature checks the value of X-Hub-Signature-256: the HMAC-SHA256 of
// the raw body under the webhook's secret. The comparison takes the same time
// wherever they differ. The older header with SHA-1 is refused, and so is
// every body as long as there is no secret.
func VerifySignature(secret, header string, body []byte) error {
	switch {
	case secret == "":
		return ErrNoSecret
	case header == "":
		return ErrNoSignature
	}
	digits, ok := strings.CutPrefix(header, "sha256=")
	if !ok {
		return ErrSignatureForm
	}
	got, err := hex.DecodeString(digits)
	if err != nil || len(got) != sha256.Size {
		return ErrSignatureForm
	}
	if !hmac.Equal(got, sum(secret, body)) {
		return ErrSignatureNoMatch
	}
	return nil
}

// Sign is the value of X-Hub-Signature-256 for a body.
func Sign(secret string, body []byte) string {
	return "sha256=" + hex.EncodeToString(sum(secret, body))
}

func sum(secret string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write(body)
	return h.Sum(nil)
}

// Payload returns the JSON of a delivery: the body itself, or, where the
// webhook's content type is application/x-www-form-urlencoded, the form's
// field "payload". Signatures are made over the raw body, never over this.
func Payload(contentType string, body []byte) ([]byte, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if contentType != "" && err != nil {
		return nil, event.Fault("Content-Type", "%q cannot be read", intake.Clean(contentType, 60))
	}
	switch media {
	case "", "application/json":
		return body, nil
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, event.Fault("body", "is not a form: %s", intake.Clean(err.Error(), 100))
		}
		if !form.Has("payload") {
			return nil, event.Fault("payload", "is required in a delivery in form encoding")
		}
		return []byte(form.Get("payload")), nil
	}
	return nil, event.Fault("Content-Type", "%q is not application/json or application/x-www-form-urlencoded", intake.Clean(media, 60))
}
