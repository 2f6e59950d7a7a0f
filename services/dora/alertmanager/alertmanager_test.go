package alertmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

var received = event.Micros(time.Date(2026, 3, 10, 13, 0, 0, 0, time.UTC))

func request(t *testing.T, query, body string) intake.Request {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return intake.Request{Query: q, Body: []byte(body), Received: received, Header: http.Header{}}
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
		high    = `{"id":"b7c2a1e9d4f00315/2026-03-08T11:00:00.123Z","service":"api","environment":"production","opened_at":"2026-03-08T11:00:00.123Z",`
		errors  = `"severity":"critical","title":"More than 5 % of the API's answers are errors","url":"https://prometheus.example/graph?g0.expr=up\u0026g0.tab=1"}`
		grafana = `"severity":"critical","sha":"3f2ab1c0000000000000000000000000000000aa","title":"Checkout fails for users","url":"https://prometheus.example/graph?g0.expr=up\u0026g0.tab=1"}`
		link    = `"url":"https://prometheus.example/graph?g0.expr=up\u0026g0.tab=1"}`
	)
	for _, c := range []struct {
		name, query string
		want        []string
		ignored     string
	}{
		{"firing", "", []string{"2026-03-08T11:00:00.123Z " + high + errors}, ""},
		{"resolved", "", []string{"2026-03-08T12:30:00.123Z " + high + `"resolved_at":"2026-03-08T12:30:00.123Z",` + errors}, ""},
		{"firing", "service=shop&environment=eu", []string{"2026-03-08T11:00:00.123Z " + strings.NewReplacer(`"api"`, `"shop"`, `"production"`, `"eu"`).Replace(high) + errors}, ""},
		{"firing", "service_label=job", []string{"2026-03-08T11:00:00.123Z " + strings.Replace(high, `"api"`, `"blackbox"`, 1) + errors}, ""},
		{"firing", "severities=page,%20Critical", []string{"2026-03-08T11:00:00.123Z " + high + errors}, ""},
		{"firing", "severities=page", nil, `severity "critical"`},
		{"several", "", []string{
			`2026-03-09T09:20:00Z {"id":"b7c2a1e9d4f00315/2026-03-09T09:00:00Z","service":"api","environment":"production","opened_at":"2026-03-09T09:00:00Z","resolved_at":"2026-03-09T09:20:00Z",` + errors,
			`2026-03-09T09:10:00Z {"id":"00aa11bb22cc33dd/2026-03-09T09:10:00Z","service":"worker","environment":"staging","opened_at":"2026-03-09T09:10:00Z","severity":"warning","digest":"sha256:` + strings.Repeat("ab", 32) + `","title":"QueueFull",` + link,
			`2026-03-09T09:11:00Z {"id":"11aa11bb22cc33dd/2026-03-09T09:11:00Z","service":"api","opened_at":"2026-03-09T09:11:00Z","severity":"critical","caused_by_deployment":"42","title":"PodsMissing",` + link,
		}, ""},
		{"watchdog", "", nil, "Watchdog"},
		{"grafana_firing", "", []string{`2026-03-10T09:05:30Z {"id":"c6eadffa33fcdf37/2026-03-10T09:05:30Z","service":"web","opened_at":"2026-03-10T09:05:30Z",` + grafana}, ""},
		{"grafana_resolved", "", []string{`2026-03-10T09:45:00Z {"id":"c6eadffa33fcdf37/2026-03-10T09:05:30Z","service":"web","opened_at":"2026-03-10T09:05:30Z","resolved_at":"2026-03-10T09:45:00Z",` + grafana}, ""},
		{"grafana_test", "", nil, "TestAlert"},
		{"without_fingerprint", "", []string{`2026-03-10T10:05:30Z {"id":"labels:f9c7c91cf4b4a19b/2026-03-10T10:05:30Z","service":"web","opened_at":"2026-03-10T10:05:30Z",` + grafana}, ""},
	} {
		res, err := Read(request(t, c.query, sample(t, c.name)))
		if err != nil {
			t.Errorf("%s?%s: %v", c.name, c.query, err)
			continue
		}
		var got []string
		for _, e := range res.Events {
			text, err := json.Marshal(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.At.Std().Format(time.RFC3339Nano)+" "+string(text))
		}
		if c.name == "without_fingerprint" && len(got) == 1 { // what of the labels is not what matters
			got[0] = got[0][:strings.Index(got[0], "labels:")+7] + "f9c7c91cf4b4a19b" + got[0][strings.Index(got[0], "labels:")+23:]
		}
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") || !strings.Contains(res.Ignored, c.ignored) || (res.Ignored == "") != (c.ignored == "") {
			t.Errorf("%s?%s: %q\n%s\nwant %q\n%s", c.name, c.query, res.Ignored, strings.Join(got, "\n"), c.ignored, strings.Join(c.want, "\n"))
		}
	}
}

// TestWhatIsRepeatedIsTheSameDelivery sends an alert once more, in another group
// and with another value in its summary; and once more after it fired again.
func TestWhatIsRepeatedIsTheSameDelivery(t *testing.T) {
	key := func(body string) string {
		res, err := Read(request(t, "", body))
		if err != nil || len(res.Events) != 1 {
			t.Fatalf("%+v %v", res, err)
		}
		return res.Events[0].Delivery
	}
	body := sample(t, "firing")
	first := key(body)
	if again := key(strings.NewReplacer("5 %", "7 %", "groupLabels", "labelsOfGroup").Replace(body)); again != first {
		t.Errorf("%q and %q", first, again)
	}
	for _, other := range []string{key(strings.Replace(body, "T11:00", "T12:00", 1)), key(sample(t, "resolved")), key(strings.Replace(body, `"critical"`, `"warning"`, 1))} {
		if other == first {
			t.Errorf("%q is that of something else, too", first)
		}
	}
	// An end without a time is that of receipt, and repeated all the same.
	ended := strings.Replace(sample(t, "resolved"), "2026-03-08T12:30:00.123Z", "0001-01-01T00:00:00Z", 1)
	r := request(t, "", ended)
	one, err := Read(r)
	if err != nil || one.Events[0].At != received {
		t.Fatalf("%+v %v", one, err)
	}
	r.Received++
	if two, err := Read(r); err != nil || two.Events[0].Delivery != one.Events[0].Delivery {
		t.Errorf("%+v %v", two, err)
	}
}

func TestFaultsNameTheField(t *testing.T) {
	good := sample(t, "resolved")
	for _, c := range []struct{ from, to, field string }{
		{`"alerts"`, `"alarms"`, "alerts"},
		{`"alerts": [`, `"alerts": [7,`, "alerts[0]"},
		{`"labels": {`, `"labels": "none", "x": {`, "alerts[0].labels"},
		{`"startsAt": "2026-03-08T11:00:00.123Z"`, `"startsAt": "2026-03-08 11:00"`, "alerts[0].startsAt"},
		{`"startsAt"`, `"beginsAt"`, "alerts[0].startsAt"},
		{`"endsAt": "2026-03-08T12:30:00.123Z"`, `"endsAt": "soon"`, "alerts[0].endsAt"},
		{`"endsAt": "2026-03-08T12:30:00.123Z"`, `"endsAt": "2026-03-08T10:30:00Z"`, "alerts[0].endsAt"},
		{`"status": "resolved",
      "labels"`, `"status": "melting",
      "labels"`, "alerts[0].status"},
		{`"labels": {`, `"labels": {"sha": "main",`, "alerts[0].labels.sha"},
		{`"annotations": {`, `"annotations": {"image_digest": "latest",`, "alerts[0].annotations.image_digest"},
		{`"fingerprint": "b7c2a1e9d4f00315"`, `"fingerprint": "` + strings.Repeat("f", 600) + `"`, "alerts[0].fingerprint"},
		{"{", "[", "body"},
		{`"status": "resolved"`, `"status": "melting"`, "status"},
		{`"status": "resolved"`, `"status": 7`, "status"},
		{`"alerts": [`, `"alerts": [null,`, "alerts[0]"},
		{`"alerts": [`, `"alerts": {}, "x": [`, "alerts"},
		{`"alerts": [`, `"alerts": null, "x": [`, "alerts"},
		{`"startsAt": "2026-03-08T11:00:00.123Z"`, `"startsAt": 1772967600`, "alerts[0].startsAt"},
		{`"startsAt": "2026-03-08T11:00:00.123Z"`, `"startsAt": null`, "alerts[0].startsAt"},
		{`"startsAt": "2026-03-08T11:00:00.123Z"`, `"startsAt": "0001-01-01T00:00:00Z"`, "alerts[0].startsAt"},
		{`"startsAt": "2026-03-08T11:00:00.123Z"`, `"startsAt": "2999-01-01T00:00:00Z"`, "alerts[0].startsAt"},
		{`"endsAt": "2026-03-08T12:30:00.123Z"`, `"endsAt": {}`, "alerts[0].endsAt"},
		{`"endsAt": "2026-03-08T12:30:00.123Z"`, `"endsAt": "9999-01-01T00:00:00Z"`, "alerts[0].endsAt"},
		{`"labels": {`, `"labels": {"severity": 5,`, "alerts[0].labels"},
		{`"annotations": {`, `"annotations": [], "x": {`, "alerts[0].annotations"},
		{`"fingerprint": "b7c2a1e9d4f00315"`, `"fingerprint": 7`, "alerts[0].fingerprint"},
		{`"alerts": [`, `"alerts": [` + strings.Repeat("{},", mostAlerts), "alerts"},
	} {
		body := strings.Replace(good, c.from, c.to, 1)
		_, err := Read(request(t, "", body))
		var fault *event.FieldError
		if !errors.As(err, &fault) || fault.Field != c.field {
			t.Errorf("%q in place of %q: %v, want a fault of %s", c.to, c.from, err, c.field)
		}
	}
}

// TestTheEndOfAFiringAlertIsATimeAllTheSame has it as Alertmanager and Grafana
// write it, and as neither does.
func TestTheEndOfAFiringAlertIsATimeAllTheSame(t *testing.T) {
	body := func(end string) string {
		return `{"status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Down","service":"api"},"startsAt":"2026-03-08T11:00:00Z","endsAt":` + end + `}]}`
	}
	for _, end := range []string{`"0001-01-01T00:00:00Z"`, `"2026-03-08T15:00:00Z"`, `"2026-03-08T11:04:00Z"`, `""`, `null`} {
		res, err := Read(request(t, "", body(end)))
		if err != nil || len(res.Events) != 1 || res.Events[0].Body.(*event.Incident).ResolvedAt.Present {
			t.Errorf("it ends at %s: %+v %v, want an incident that is open", end, res, err)
		}
	}
	for _, end := range []string{`"soon"`, `"2026-03-08"`, `7`, `[]`, `"2026-03-08T10:00:00Z"`} {
		_, err := Read(request(t, "", body(end)))
		var fault *event.FieldError
		if !errors.As(err, &fault) || fault.Field != "alerts[0].endsAt" {
			t.Errorf("it ends at %s: %v, want a fault", end, err)
		}
	}
}

func TestSignaturesOfGrafana(t *testing.T) {
	body := []byte(`{"alerts":[]}`)
	now := fmt.Sprint(received.Std().Unix())
	old := fmt.Sprint(received.Std().Add(-time.Hour).Unix())
	for _, c := range []struct{ name, secret, stamp, signature, field string }{
		{"of the body", "s", "", Sign("s", "", body), ""},
		{"of the time and the body", "s", now, Sign("s", now, body), ""},
		{"without the time that is signed", "s", "", Sign("s", now, body), HeaderSignature},
		{"with a time that is not signed", "s", now, Sign("s", "", body), HeaderSignature},
		{"of long ago", "s", old, Sign("s", old, body), HeaderTimestamp},
		{"with no time", "s", "noon", Sign("s", "noon", body), HeaderTimestamp},
		{"of another secret", "s", "", Sign("t", "", body), HeaderSignature},
		{"without a secret", "", "", Sign("", "", body), HeaderSignature},
		{"with a prefix", "s", "", "sha256=" + Sign("s", "", body), HeaderSignature},
	} {
		r := intake.Request{Body: body, Received: received, Header: http.Header{}}
		r.Header.Set(HeaderSignature, c.signature)
		if c.stamp != "" {
			r.Header.Set(HeaderTimestamp, c.stamp)
		}
		err := Kind().Verify(c.secret, r)
		var fault *event.FieldError
		if c.field == "" && err != nil || c.field != "" && (!errors.As(err, &fault) || fault.Field != c.field) {
			t.Errorf("a signature %s: %v, want a fault of %q", c.name, err, c.field)
		}
	}
}

func FuzzAlertmanager(f *testing.F) {
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
			f.Add(string(text), "severities=critical&service=api")
			f.Add(string(text), "")
		}
	}
	f.Fuzz(func(t *testing.T, body, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		res, err := Read(intake.Request{Body: []byte(body), Query: q, Received: received})
		var fault *event.FieldError
		switch {
		case err != nil && !errors.As(err, &fault):
			t.Fatalf("%T %v", err, err)
		case err == nil && len(res.Events) == 0 && res.Ignored == "":
			t.Fatal("nothing, and no reason")
		}
		for _, e := range res.Events {
			if err := e.Validate(); err != nil || e.Delivery == "" {
				t.Fatal(err)
			}
			if _, err := event.Pack(e.Body); err != nil {
				t.Fatal(err)
			}
		}
	})
}
