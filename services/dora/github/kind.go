package github

import (
	"errors"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// Kind is GitHub as a kind of webhook source.
func Kind(m Mapper) intake.Kind {
	return intake.Kind{
		Name: Source, Title: "GitHub", Path: "/webhooks/dora/github", MaxBody: MaxBody,
		Keep: []string{HeaderEvent, HeaderDelivery, "Content-Type"},
		Setup: "On GitHub, add a webhook (Settings, Webhooks) with the payload URL {url}, the content type application/json, the secret {secret}, " +
			"and the events pushes, pull requests and their reviews and comments, deployments and their statuses, workflow runs and issues.",
		Verify: func(secret string, r intake.Request) error {
			if err := VerifySignature(secret, r.Header.Get(HeaderSignature), r.Body); err != nil {
				return event.Fault(HeaderSignature, "%s", signatureFault(err))
			}
			return nil
		},
		Read: m.read,
	}
}

func (m Mapper) read(r intake.Request) (intake.Result, error) {
	name, delivery := r.Header.Get(HeaderEvent), r.Header.Get(HeaderDelivery)
	out := intake.Result{Kind: name, Delivery: delivery}
	body, err := Payload(r.Header.Get("Content-Type"), r.Body)
	if err != nil {
		return out, err
	}
	res, err := m.Map(name, delivery, body)
	if err != nil {
		return out, err
	}
	return intake.Result{Kind: res.Kind, Delivery: delivery, Events: res.Events, Ignored: res.Ignored}, nil
}

// signatureFault says to a person why a signature is refused.
func signatureFault(err error) string {
	switch {
	case errors.Is(err, ErrNoSignature):
		return "the header " + HeaderSignature + " is missing"
	case errors.Is(err, ErrSignatureForm):
		return "want sha256= and 64 hexadecimal digits"
	}
	return "it does not match the body under any secret that is set up"
}
