package alertmanager

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// Source is the source of every event of this package.
const Source = "alertmanager"

// The headers of Grafana's signature. The second is the name that its
// documentation uses for the header with the time, which it leaves open.
const (
	HeaderSignature = "X-Grafana-Alerting-Signature"
	HeaderTimestamp = "X-Grafana-Alerting-Timestamp"
)

// MaxBody is the most that is taken of one delivery.
const MaxBody = 8 << 20

// window is how far the time that a signature covers may lie from receipt.
const window = 5 * time.Minute

// Kind is Alertmanager, and Grafana's alerting, as a kind of webhook source: its
// secret is a token, or what Grafana signs with.
func Kind() intake.Kind {
	return intake.Kind{
		Name: Source, Title: "Alertmanager or Grafana alerting", Path: "/webhooks/dora/alertmanager", MaxBody: MaxBody,
		Setup: "In Alertmanager, add a receiver with webhook_configs: [{url: \"{url}\", send_resolved: true, http_config: {authorization: {credentials: \"{secret}\"}}}]; " +
			"in Grafana, add a contact point of the type Webhook with the URL {url} and, as authorization header credentials or as HMAC secret, {secret}.",
		Verify: verify, Signature: HeaderSignature,
		Read: Read,
	}
}

// verify checks Grafana's signature: the HMAC-SHA256 of the body in hexadecimal
// digits, or, where the header with the time is configured, of the time in
// seconds, a colon and the body.
func verify(secret string, r intake.Request) error {
	got, err := hex.DecodeString(r.Header.Get(HeaderSignature))
	if err != nil || len(got) != sha256.Size {
		return event.Fault(HeaderSignature, "want 64 hexadecimal digits")
	}
	h := hmac.New(sha256.New, []byte(secret))
	stamp := r.Header.Get(HeaderTimestamp)
	if stamp != "" {
		fmt.Fprintf(h, "%s:", stamp)
	}
	h.Write(r.Body)
	if secret == "" || !hmac.Equal(got, h.Sum(nil)) {
		return event.Fault(HeaderSignature, "it does not match the body under any secret that is set up")
	}
	if stamp == "" {
		return nil
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return event.Fault(HeaderTimestamp, "%q is not a time in seconds since 1970", intake.Clean(stamp, 60))
	}
	if away := r.Received.Std().Sub(time.Unix(seconds, 0)).Abs(); away > window {
		return event.Fault(HeaderTimestamp, "it lies %s from now, at most %s are allowed", away.Round(time.Second), window)
	}
	return nil
}

// Sign is the value of the signature's header for a body; stamp is the time in
// seconds, "" for none.
func Sign(secret, stamp string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	if stamp != "" {
		fmt.Fprintf(h, "%s:", stamp)
	}
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}
