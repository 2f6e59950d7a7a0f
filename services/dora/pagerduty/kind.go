package pagerduty

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// Source is the source of every event of this package.
const Source = "pagerduty"

// HeaderSignature carries the signatures of a delivery.
const HeaderSignature = "X-PagerDuty-Signature"

// MaxBody is more than PagerDuty sends in one delivery, which is 256 KB.
const MaxBody = 1 << 20

// mostSignatures is how many signatures of one delivery are looked at.
const mostSignatures = 20

// Kind is PagerDuty as a kind of webhook source.
func Kind() intake.Kind {
	return intake.Kind{
		Name: Source, Title: "PagerDuty V3 webhooks", Path: "/webhooks/dora/pagerduty", MaxBody: MaxBody,
		Setup: "In PagerDuty, under Integrations, Generic Webhooks (v3), add a webhook with the URL {url} and the incident events; PagerDuty then shows a secret of its own, " +
			"so add the source with it: `fawkes dora source add pagerduty --project P --secret-from FILE`.",
		Verify: verify,
		Read:   Read,
	}
}

// verify checks that one of the signatures, "v1=" and the HMAC-SHA256 of the
// body in hexadecimal digits each, is right.
func verify(secret string, r intake.Request) error {
	header := strings.Join(r.Header.Values(HeaderSignature), ",")
	if header == "" {
		return event.Fault(HeaderSignature, "the header %s is missing", HeaderSignature)
	}
	h := hmac.New(sha256.New, []byte(secret))
	h.Write(r.Body)
	want, formed, right := h.Sum(nil), false, false
	for n, one := range strings.Split(header, ",") {
		if n == mostSignatures {
			break
		}
		digits, ok := strings.CutPrefix(strings.TrimSpace(one), "v1=")
		got, err := hex.DecodeString(digits)
		if !ok || err != nil || len(got) != sha256.Size {
			continue // another version, or no signature
		}
		formed = true
		right = hmac.Equal(got, want) || right
	}
	switch {
	case right && secret != "":
		return nil
	case !formed:
		return event.Fault(HeaderSignature, "want v1= and 64 hexadecimal digits, several separated by commas")
	}
	return event.Fault(HeaderSignature, "it does not match the body under any secret that is set up")
}

// Sign is the value of the signature's header for a body.
func Sign(secret string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write(body)
	return "v1=" + hex.EncodeToString(h.Sum(nil))
}
