package pagerduty

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

func request(t *testing.T, query, body string) intake.Request {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return intake.Request{Query: q, Body: []byte(body), Header: http.Header{}}
}

func sample(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSamples(t *testing.T) {
	const (
		head  = `{"id":"PGR0VU2","service":"api",`
		open  = `"opened_at":"2026-03-08T11:00:00Z",`
		tail  = `"title":"The basket is empty for everyone","url":"https://acme.pagerduty.com/incidents/PGR0VU2"}`
		other = "other "
	)
	for _, c := range []struct{ name, query, want, ignored string }{
		{"triggered", "", "incident 2026-03-08T11:00:00.412Z " + head + open + `"severity":"high",` + tail, ""},
		{"triggered", "service=shop&environment=staging", "incident 2026-03-08T11:00:00.412Z " + `{"id":"PGR0VU2","service":"shop","environment":"staging",` + open + `"severity":"high",` + tail, ""},
		{"acknowledged", "", "incident 2026-03-08T11:04:10.12Z " + head + open + `"severity":"high",` + tail, ""},
		{"priority_updated", "", "incident 2026-03-08T11:10:22.169Z " + head + open + `"severity":"P1",` + tail, ""},
		{"resolved", "", "incident 2026-03-08T12:30:00.5Z " + head + open + `"resolved_at":"2026-03-08T12:30:00.5Z","severity":"P1",` + tail, ""},
		{"reopened", "", "incident 2026-03-08T12:40:00Z " + head + open + `"resolved_at":null,"severity":"P1",` + tail, ""},
		{"merged", "", "incident 2026-03-08T12:50:00Z " + strings.Replace(head, "PGR0VU2", "PZZ0VU9", 1) + `"opened_at":null,"resolved_at":"2026-03-08T12:50:00Z","severity":"high",` + tail, ""},
		{"custom_fields", "", `incident 2026-03-08T11:30:00Z {"id":"PGR0VU2","caused_by_deployment":"2"}`, ""},
		{"annotated", "", other + "2026-03-08T11:20:00Z incident.annotated", ""},
		{"service_updated", "", other + "2026-03-08T13:35:11.682Z service.updated", ""},
		{"ping", "", "", "ping"},
	} {
		res, err := Read(request(t, c.query, sample(t, c.name)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := ""
		for _, e := range res.Events {
			text, err := json.Marshal(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			if o, ok := e.Body.(*event.Other); ok {
				text = []byte(o.Kind)
			}
			if e.Delivery == "" || e.Delivery != res.Delivery || e.Source != Source {
				t.Errorf("%s: the delivery is %q of %q", c.name, e.Delivery, e.Source)
			}
			got += string(e.Body.Type()) + " " + e.At.Std().Format(time.RFC3339Nano) + " " + string(text)
		}
		if got != c.want || !strings.Contains(res.Ignored, c.ignored) || (res.Ignored == "") != (c.ignored == "") {
			t.Errorf("%s?%s: %q\n%s\nwant %q\n%s", c.name, c.query, res.Ignored, got, c.ignored, c.want)
		}
	}
}

func TestFaultsNameTheField(t *testing.T) {
	for _, c := range []struct{ of, from, to, field string }{
		{"resolved", `"event"`, `"message"`, "event"},
		{"resolved", `"incident.resolved"`, `""`, "event.event_type"},
		{"resolved", `"incident.resolved"`, `7`, "event.event_type"},
		{"resolved", `"01CH754TT5VV9DPJMNO53VSNEQ"`, `null`, "event.id"},
		{"resolved", `"01CH754TT5VV9DPJMNO53VSNEQ"`, `"` + strings.Repeat("x", 200) + `"`, "event.id"},
		{"resolved", `"2026-03-08T12:30:00.500Z"`, `"12:30"`, "event.occurred_at"},
		{"resolved", `"2026-03-08T12:30:00.500Z"`, `"2026-03-08T10:30:00Z"`, "event.occurred_at"},
		{"resolved", `"data": {`, `"data": null, "was": {`, "event.data"},
		{"resolved", `"data": {`, `"data": "none", "was": {`, "event.data"},
		{"resolved", `"id": "PGR0VU2"`, `"id": ""`, "event.data.id"},
		{"resolved", `"2026-03-08T11:00:00Z"`, `"yesterday"`, "event.data.created_at"},
		{"resolved", `"service": {`, `"service": "api", "was": {`, "event.data.service"},
		{"resolved", `"summary": "api"`, `"summary": "` + strings.Repeat("a", 600) + `"`, "event.data.service.summary"},
		{"custom_fields", `"value": "2"`, `"value": {"a":1}`, "event.data.custom_fields.deployment"},
		{"custom_fields", `"name": "deployment"`, `"name": "sha"`, "event.data.custom_fields.sha"},
		{"custom_fields", `"id": "PGR0VU2"`, `"id": ""`, "event.data.incident.id"},
		{"resolved", "{", "", "body"},
		{"resolved", `"event": {`, `"event": null, "x": {`, "event"},
		{"resolved", `"event": {`, `"event": [], "x": {`, "event"},
		{"resolved", `"01CH754TT5VV9DPJMNO53VSNEQ"`, `7`, "event.id"},
		{"resolved", `"2026-03-08T12:30:00.500Z"`, `1772973000`, "event.occurred_at"},
		{"resolved", `"2026-03-08T12:30:00.500Z"`, `null`, "event.occurred_at"},
		{"resolved", `"2026-03-08T12:30:00.500Z"`, `"2999-01-01T00:00:00Z"`, "event.occurred_at"},
		{"resolved", `"data": {`, `"data": [], "was": {`, "event.data"},
		{"resolved", `"data": {`, `"data": {"type": "odd", "id": "x"}, "was": {`, "event.data.type"},
		{"resolved", `"data": {`, `"data": {"type": 7, "id": "x"}, "was": {`, "event.data.type"},
		{"resolved", `"id": "PGR0VU2"`, `"id": 5`, "event.data.id"},
		{"resolved", `"2026-03-08T11:00:00Z"`, `"1969-03-08T11:00:00Z"`, "event.data.created_at"},
		{"resolved", `"data": {`, `"data": {"resolved_at": "then", `, "event.data.resolved_at"},
		{"resolved", `"data": {`, `"data": {"priority": "P1", `, "event.data.priority"},
		{"resolved", `"data": {`, `"data": {"resolve_reason": "merged", `, "event.data.resolve_reason"},
		{"custom_fields", `"custom_fields": [`, `"custom_fields": {}, "x": [`, "event.data.custom_fields"},
	} {
		_, err := Read(request(t, "", strings.Replace(sample(t, c.of), c.from, c.to, 1)))
		var fault *event.FieldError
		if !errors.As(err, &fault) || fault.Field != c.field {
			t.Errorf("%q in place of %q: %v, want a fault of %s", c.to, c.from, err, c.field)
		}
	}
}

func TestSignatures(t *testing.T) {
	body := []byte(`{"event":{"id":"01FKZOXA868SHYEE4DVNWB5P9W","event_type":"pagey.ping"}}`)
	right := Sign("secret", body)
	for _, c := range []struct {
		name, secret, header string
		ok                   bool
	}{
		{"the one", "secret", right, true},
		{"one of several", "secret", Sign("former", body) + "," + right, true},
		{"one of several with spaces", "secret", Sign("former", body) + ", " + right, true},
		{"of a later version beside it", "secret", "v2=abc," + right, true},
		{"in capital letters", "secret", "v1=" + strings.ToUpper(right[3:]), true},
		{"of another secret", "secret", Sign("former", body), false},
		{"without its version", "secret", right[3:], false},
		{"of a later version alone", "secret", strings.Replace(right, "v1", "v2", 1), false},
		{"none", "secret", "", false},
		{"without a secret", "", Sign("", body), false},
		{"beyond the twentieth", "secret", strings.Repeat(Sign("former", body)+",", 20) + right, false},
	} {
		r := intake.Request{Body: body, Header: http.Header{}}
		if c.header != "" {
			r.Header.Set(HeaderSignature, c.header)
		}
		err := Kind().Verify(c.secret, r)
		var fault *event.FieldError
		if c.ok && err != nil || !c.ok && (!errors.As(err, &fault) || fault.Field != HeaderSignature) {
			t.Errorf("a signature %s: %v", c.name, err)
		}
	}
	// Computed by another program.
	if got := Sign("key", []byte("payload")); got != "v1=5d98b45c90a207fa998ce639fea6f02ecc8cc3f36fef81d694fb856b4d0a28ca" {
		t.Errorf("HMAC-SHA256 of a known text is %s", got)
	}
}

func FuzzPagerDuty(f *testing.F) {
	names, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range names {
		if strings.HasSuffix(n.Name(), ".json") {
			text, err := os.ReadFile("testdata/" + n.Name())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, body string) {
		res, err := Read(intake.Request{Body: []byte(body), Query: url.Values{}})
		var fault *event.FieldError
		switch {
		case err != nil && !errors.As(err, &fault):
			t.Fatalf("%T %v", err, err)
		case err == nil && len(res.Events) == 0 && res.Ignored == "":
			t.Fatal("nothing, and no reason")
		}
		for _, e := range res.Events {
			if err := e.Body.Validate(); err != nil {
				t.Fatal(err)
			}
			if _, err := event.Pack(e.Body); err != nil {
				t.Fatal(err)
			}
		}
	})
}
