package cdevents

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// cloudEvent is the envelope of one event, whatever the mode it came in.
type cloudEvent struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject"`
	Time        string          `json:"time"`
	Data        json.RawMessage `json:"data"`
	Base64      *string         `json:"data_base64"`

	prefix string // of the names of its attributes: "ce-", "[2]."
	data   string // name of its data: "data.", "[2].data.", "" where the body is it
	bare   bool   // a CDEvent without an envelope
}

// attributes are the headers of binary mode.
func attributes() []string {
	return []string{"Ce-Specversion", "Ce-Id", "Ce-Source", "Ce-Type", "Ce-Subject", "Ce-Time"}
}

// mostEvents bounds a batch.
const mostEvents = 1000

// unwrap takes a delivery apart into its events. The media type decides; where a
// sender calls a structured event plain JSON, its form does.
func unwrap(r intake.Request) ([]cloudEvent, error) {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	media = strings.ToLower(strings.TrimSpace(media))
	switch {
	case strings.HasPrefix(media, "application/cloudevents-batch"):
		return batch(r.Body, false)
	case strings.HasPrefix(media, "application/cloudevents"):
		if !strings.HasSuffix(media, "+json") && media != "application/cloudevents" {
			return nil, event.Fault("Content-Type", "%q is not read: want application/cloudevents+json", intake.Clean(media, 80))
		}
		c, err := structured(r.Body, "")
		return []cloudEvent{c}, err
	case r.Header.Get("Ce-Type") != "" || r.Header.Get("Ce-Id") != "" || r.Header.Get("Ce-Specversion") != "":
		c, err := binary(r)
		return []cloudEvent{c}, err
	}
	if bytes.HasPrefix(bytes.TrimLeft(r.Body, " \t\r\n"), []byte("[")) {
		return batch(r.Body, true)
	}
	c, err := guess(r.Body, "")
	return []cloudEvent{c}, err
}

// binary reads an event whose attributes are headers and whose data is the body.
func binary(r intake.Request) (cloudEvent, error) {
	attribute := func(name string) string {
		v := r.Header.Get(name)
		if decoded, err := url.PathUnescape(v); err == nil { // as the HTTP binding writes what is not ASCII
			return decoded
		}
		return v
	}
	c := cloudEvent{
		SpecVersion: attribute("Ce-Specversion"), ID: attribute("Ce-Id"), Source: attribute("Ce-Source"), Type: attribute("Ce-Type"),
		Subject: attribute("Ce-Subject"), Time: attribute("Ce-Time"), Data: r.Body, prefix: "ce-",
	}
	return c, c.check()
}

// structured reads an event that is one JSON object.
func structured(body []byte, at string) (cloudEvent, error) {
	c := cloudEvent{}
	if err := decode(body, &c, at); err != nil {
		return c, err
	}
	c.prefix, c.data = at, at+"data."
	switch {
	case c.Base64 != nil:
		data, err := base64.StdEncoding.DecodeString(*c.Base64)
		if err != nil {
			return c, event.Fault(at+"data_base64", "is not base64")
		}
		c.Data, c.data = data, at+"data_base64."
	case len(c.Data) > 0 && c.Data[0] == '"': // JSON written as text
		var text string
		if err := decode(c.Data, &text, at+"data."); err != nil {
			return c, err
		}
		c.Data = json.RawMessage(text)
	}
	return c, c.check()
}

// guess reads a structured event, or a CDEvent without an envelope.
func guess(body []byte, at string) (cloudEvent, error) {
	var form struct {
		SpecVersion json.RawMessage `json:"specversion"`
		Context     json.RawMessage `json:"context"`
	}
	if err := decode(body, &form, at); err != nil {
		return cloudEvent{}, err
	}
	if form.SpecVersion == nil && form.Context != nil {
		return cloudEvent{Data: body, data: at, bare: true}, nil
	}
	return structured(body, at)
}

func batch(body []byte, bare bool) ([]cloudEvent, error) {
	var list []json.RawMessage
	if err := intake.Decode(body, &list); err != nil {
		return nil, err
	}
	if len(list) > mostEvents {
		return nil, event.Fault("body", "holds %d events, at most %d are taken", len(list), mostEvents)
	}
	out := make([]cloudEvent, 0, len(list))
	for i, text := range list {
		read := structured
		if bare {
			read = guess
		}
		c, err := read(text, fmt.Sprintf("[%d].", i))
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// check wants what every CloudEvent must have.
func (c *cloudEvent) check() error {
	switch {
	case c.SpecVersion == "":
		return event.Fault(c.prefix+"specversion", "is required: 1.0")
	case c.SpecVersion != "1.0" && c.SpecVersion != "0.3":
		return event.Fault(c.prefix+"specversion", "%q is not read: want 1.0", intake.Clean(c.SpecVersion, 60))
	}
	for _, a := range []struct{ name, v string }{{"id", c.ID}, {"source", c.Source}, {"type", c.Type}} {
		if strings.TrimSpace(a.v) == "" {
			return event.Fault(c.prefix+a.name, "is required of a CloudEvent")
		}
		if len(a.v) > intake.MostText || intake.Clean(a.v, intake.MostText) != a.v {
			return event.Fault(c.prefix+a.name, "is longer than %d bytes, or holds a control character", intake.MostText)
		}
	}
	return nil
}

// decode reads JSON whose fields stand below a place in the body.
func decode(body []byte, v any, at string) error {
	err := intake.Decode(body, v)
	var fault *event.FieldError
	switch {
	case err == nil || !errors.As(err, &fault) || at == "":
		return err
	case fault.Field == "body":
		return event.Fault(strings.TrimSuffix(at, "."), "%s", fault.Detail)
	}
	return event.Fault(at+fault.Field, "%s", fault.Detail)
}
