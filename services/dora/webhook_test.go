package dora

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/alertmanager"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/github"
	"github.com/fawkes-idp/fawkes/services/dora/jenkins"
	"github.com/fawkes-idp/fawkes/services/dora/pagerduty"
)

// sender sends the deliveries of a kind.
type sender struct {
	kind, path string
	query      string // of the webhook's URL, for all
	prove      func(secret, body string) []string
	wrong      [][]string // headers by which a delivery must not be believed
}

func bearerOf(secret, _ string) []string { return []string{"Authorization", "Bearer " + secret} }

var notTokens = [][]string{
	{"Authorization", "Bearer another"}, {"Authorization", ""}, {"Authorization", "Basic dXNlcjp3cm9uZw=="}, {"Authorization", "Digest x"},
}

func senders() []sender {
	return []sender{
		{"jenkins", "/webhooks/dora/jenkins", "", bearerOf, notTokens},
		{"alertmanager", "/webhooks/dora/alertmanager", "", bearerOf,
			append([][]string{{"Authorization", "", alertmanager.HeaderSignature, strings.Repeat("0", 64)}}, notTokens...)},
		{"pagerduty", "/webhooks/dora/pagerduty", "", func(secret, body string) []string {
			return []string{"Authorization", "", pagerduty.HeaderSignature, pagerduty.Sign(secret, []byte(body))}
		}, [][]string{{pagerduty.HeaderSignature, "v1=" + strings.Repeat("0", 64)}, {"X-Other", "1"}}},
	}
}

func senderOf(t *testing.T, kind string) sender {
	t.Helper()
	for _, k := range senders() {
		if k.kind == kind {
			return k
		}
	}
	t.Fatalf("no sender of the kind %s", kind)
	return sender{}
}

// take sends a delivery and wants a status.
func (s *server) take(status int, k sender, secret, query, body string, texts ...string) webhookAnswer {
	s.t.Helper()
	if query != "" {
		query = "?" + query
	}
	var out webhookAnswer
	if text := s.want(status, http.MethodPost, k.path+query, body, k.prove(secret, body), texts...); status == http.StatusAccepted {
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			s.t.Fatal(err)
		}
	}
	return out
}

func sampleOf(t *testing.T, kind, name string) string {
	t.Helper()
	text, err := os.ReadFile(kind + "/testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDeliveriesThatAreNotProvedStoreNothing(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, k := range senders() {
			body := map[string]string{"jenkins": "freestyle_completed", "alertmanager": "firing", "pagerduty": "triggered"}[k.kind]
			body = sampleOf(t, k.kind, body)
			// Without any source, and with sources of other kinds and projects.
			for round := range 2 {
				for _, header := range k.wrong {
					for _, sent := range []string{body, "{"} {
						code, text := s.call(http.MethodPost, k.path, sent, header...)
						if code != http.StatusUnauthorized || !strings.Contains(text, "fawkes dora source add "+k.kind) {
							t.Errorf("%s in round %d with %q: %d %s", k.kind, round, header, code, text)
						}
					}
				}
				if round == 0 {
					other, _ := s.addSource("github", k.kind, "shop")
					s.take(401, k, other, "", body)
					s.addSource(k.kind, "", "shop")
				}
			}
			if refused := s.counted("fawkes_dora_deliveries_total", "refused", k.kind); refused != float64(4*len(k.wrong)+1) {
				t.Errorf("%s: %g deliveries were counted as refused", k.kind, refused)
			}
		}
		if events, kept := s.kept(); events != 0 || kept != 0 {
			t.Errorf("%d events and %d quarantined", events, kept)
		}
	})
}

func TestARedeliveryIsStoredOnce(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, k := range senders() {
			names, err := os.ReadDir(k.kind + "/testdata")
			if err != nil {
				t.Fatal(err)
			}
			one, _ := s.addSource(k.kind, "one", "one")
			two, _ := s.addSource(k.kind, "two", "two")
			for _, n := range names {
				name, ok := strings.CutSuffix(n.Name(), ".json")
				if !ok {
					continue
				}
				body := sampleOf(t, k.kind, name)
				before, _ := s.kept()
				first := s.take(202, k, one, "", body)
				again := s.take(202, k, one, "", body)
				after, _ := s.kept()
				if again.Stored != 0 || again.Duplicates != first.Stored+first.Duplicates || after-before != first.Stored || again.Ignored != first.Ignored {
					t.Errorf("%s %s: %+v and then %+v, %d events more", k.kind, name, first, again, after-before)
				}
				// The same from another source's webhook is another project's.
				if other := s.take(202, k, two, "", body); other.Stored != first.Stored {
					t.Errorf("%s %s: %+v in one project and %+v in the other", k.kind, name, first, other)
				}
			}
		}
		if _, kept := s.kept(); kept != 0 {
			t.Errorf("%d quarantined: %+v", kept, s.inQuarantine(""))
		}
	})
}

// TestTokensAreTakenWhereASourceCanPutThem proves deliveries in each way.
func TestTokensAreTakenWhereASourceCanPutThem(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		secret, _ := s.addSource("jenkins", "", "shop")
		body := sampleOf(t, "jenkins", "freestyle_completed")
		at := "/webhooks/dora/jenkins"
		s.want(202, http.MethodPost, at+"?token="+secret, body, as(""))
		s.want(202, http.MethodPost, at+"/?token="+secret, body, as(""))
		s.want(202, http.MethodPost, at+"/main?token="+secret+"&project=shop", body, as(""))
		s.want(202, http.MethodPost, at, body, []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("jenkins:"+secret))})
		s.want(403, http.MethodPost, at+"?token="+secret+"&project=other", body, as(""), "query.project")
		// A token of the platform serves, too, within its scope and its projects.
		s.want(202, http.MethodPost, at+"?project=shop", body, as(s.token("dora:write")))
		s.want(202, http.MethodPost, at+"?project=shop", body, as(s.token("dora:write", "shop")))
		s.want(403, http.MethodPost, at+"?project=shop", body, as(s.token("dora:write", "other")))
		s.want(403, http.MethodPost, at, body, as(s.token("dora:write", "shop")))
		s.want(403, http.MethodPost, at+"?project=shop", body, as(s.token("dora:read")), "dora:write")
		s.want(422, http.MethodPost, at+"?project=no%20name", body, as(s.token("dora:write")), "query.project")
		if events, _ := s.kept(); events != 2 {
			t.Errorf("%d events, want one build and one deployment", events)
		}
		// What signs may also be a token, where the source chooses; and what is signed needs none.
		graf, _ := s.addSource("alertmanager", "", "shop")
		alert := sampleOf(t, "alertmanager", "grafana_firing")
		s.want(202, http.MethodPost, "/webhooks/dora/alertmanager", alert, []string{"Authorization", "", alertmanager.HeaderSignature, alertmanager.Sign(graf, "", []byte(alert))})
		stamp := fmt.Sprint(s.clock.Now().Unix())
		s.want(202, http.MethodPost, "/webhooks/dora/alertmanager", alert, []string{"Authorization", "", alertmanager.HeaderTimestamp, stamp,
			alertmanager.HeaderSignature, alertmanager.Sign(graf, stamp, []byte(alert))})
		s.want(401, http.MethodPost, "/webhooks/dora/alertmanager", alert, []string{"Authorization", "", alertmanager.HeaderTimestamp, "1700000000",
			alertmanager.HeaderSignature, alertmanager.Sign(graf, "1700000000", []byte(alert))}, alertmanager.HeaderTimestamp)
	})
}

func TestTheTokenOfAURLIsNotKept(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		secret, _ := s.addSource("jenkins", "ci", "shop")
		s.want(422, http.MethodPost, "/webhooks/dora/jenkins/x?environment=production&token="+secret, `{"name":"api","build":{}}`, as(""), "build.phase")
		q := s.inQuarantine("source=jenkins").Items[0]
		text := s.want(200, http.MethodGet, quarantineAt+"/"+q.ID, "", nil, `"query":"environment=production"`, `"path":"x"`, `"source_name":"ci"`)
		if strings.Contains(text, secret) {
			t.Error("the quarantine shows the token")
		}
	})
}

func TestSourcesOfEveryKindAreSetUp(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.svc.cfg.PublicURL = "https://fawkes.example"
		kinds := get[struct{ Items []sourceKindBody }](s, "/api/dora/v1/source-kinds").Items
		if len(kinds) < 5 {
			t.Fatalf("%d kinds", len(kinds))
		}
		for _, k := range kinds {
			var v sourceBody
			text := s.want(201, http.MethodPost, "/api/dora/v1/sources", fmt.Sprintf(`{"kind":%q,"project":"shop"}`, k.Kind), nil)
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(v.URL, "https://fawkes.example/") || len(v.Secret) < 40 || !strings.Contains(v.Setup, v.URL) || strings.ContainsAny(v.Setup, "\n") || strings.Contains(v.Setup, "{secret}") {
				t.Errorf("%s: %+v", k.Kind, v)
			}
			if k.Title == "" || k.Path == "" || k.Setup == "" {
				t.Errorf("%+v says too little", k)
			}
		}
		s.want(422, http.MethodPost, "/api/dora/v1/sources", `{"kind":"pigeon","project":"shop"}`, nil, "body.kind", "pagerduty")
		// PagerDuty makes its secret itself.
		given := "a secret that PagerDuty made"
		answer := s.want(201, http.MethodPost, "/api/dora/v1/sources", fmt.Sprintf(`{"kind":"pagerduty","name":"own","project":"shop","secret":%q}`, given), nil)
		if strings.Contains(answer, given) {
			t.Error("the answer repeats the secret")
		}
		s.want(422, http.MethodPost, "/api/dora/v1/sources", `{"kind":"pagerduty","name":"short","project":"shop","secret":"short"}`, nil, "body.secret")
		s.take(202, senderOf(t, "pagerduty"), given, "", sampleOf(t, "pagerduty", "triggered"))
	})
}

// mended is a delivery that cannot be read, and what should have been sent.
type mended struct{ of, from, to, field string }

// wrongOnes are ten deliveries of each kind that cannot be read.
var wrongOnes = map[string][]mended{
	"jenkins": {
		{"freestyle_completed", `{`, `[`, "body"},
		{"freestyle_completed", `"build"`, `"built"`, "build"},
		{"freestyle_completed", `"COMPLETED"`, `null`, "build.phase"},
		{"freestyle_completed", `"SUCCESS"`, `"GREAT"`, "build.status"},
		{"freestyle_completed", `"number": 7`, `"number": "seven"`, "build.number"},
		{"freestyle_completed", `"duration": 120000`, `"duration": -1`, "build.duration"},
		{"freestyle_completed", `"timestamp": 17`, `"timestamp": -17`, "build.timestamp"},
		{"freestyle_completed", strings.Repeat("a", 40), "main", "build.scm.commit"},
		{"freestyle_completed", `"scm": {`, `"scm": [], "was": {`, "build.scm"},
		{"freestyle_completed", `"parameters": {`, `"parameters": {"unplanned": "perhaps",`, "build.parameters.unplanned"},
	},
	"alertmanager": {
		{"resolved", `{`, ``, "body"},
		{"resolved", `"alerts"`, `"alarms"`, "alerts"},
		{"resolved", `"alerts": [`, `"alerts": [true,`, "alerts[0]"},
		{"resolved", `"labels": {`, `"labels": 7, "x": {`, "alerts[0].labels"},
		{"resolved", `"startsAt": "2026-03-08T11:00:00.123Z"`, `"startsAt": "11:00"`, "alerts[0].startsAt"},
		{"resolved", `"startsAt": "2026-03-08T11:00:00.123Z"`, `"startsAt": null`, "alerts[0].startsAt"},
		{"resolved", `"endsAt": "2026-03-08T12:30:00.123Z"`, `"endsAt": "later"`, "alerts[0].endsAt"},
		{"resolved", `"endsAt": "2026-03-08T12`, `"endsAt": "2025-03-08T12`, "alerts[0].endsAt"},
		{"resolved", `"labels": {`, `"labels": {"sha": "none",`, "alerts[0].labels.sha"},
		{"resolved", `"labels": {`, `"labels": {"digest": "latest",`, "alerts[0].labels.digest"},
	},
	"pagerduty": {
		{"resolved", `{`, `"`, "body"},
		{"resolved", `"event"`, `"events"`, "event"},
		{"resolved", `"incident.resolved"`, `null`, "event.event_type"},
		{"resolved", `"id": "01CH754TT5VV9DPJMNO53VSNEQ"`, `"id": ""`, "event.id"},
		{"resolved", `"2026-03-08T12:30:00.500Z"`, `"noon"`, "event.occurred_at"},
		{"resolved", `"2026-03-08T12:30:00.500Z"`, `"2026-03-07T12:30:00.500Z"`, "event.occurred_at"},
		{"resolved", `"data": {`, `"data": [], "was": {`, "event.data"},
		{"resolved", `"id": "PGR0VU2"`, `"id": null`, "event.data.id"},
		{"resolved", `"2026-03-08T11:00:00Z"`, `"before"`, "event.data.created_at"},
		{"resolved", `"service": {`, `"service": "api", "was": {`, "event.data.service"},
	},
}

func TestTenMalformedDeliveriesOfEachKindAreReplayed(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, k := range senders() {
			secret, _ := s.addSource(k.kind, "hook", k.kind)
			if len(wrongOnes[k.kind]) != 10 {
				t.Fatalf("%s has %d", k.kind, len(wrongOnes[k.kind]))
			}
			for _, c := range wrongOnes[k.kind] {
				right := sampleOf(t, k.kind, c.of)
				wrong := strings.Replace(right, c.from, c.to, 1)
				before, _ := s.kept()
				code, text := s.call(http.MethodPost, k.path, wrong, k.prove(secret, wrong)...)
				if code < 400 || code > 422 || !strings.Contains(text, `"field":"`+c.field+`"`) {
					t.Errorf("%s with %q: %d %s, want a fault of %s", k.kind, c.to, code, text, c.field)
				}
				l := s.inQuarantine("status=open&source=" + k.kind)
				if l.Total != 1 || l.Items[0].Field != c.field || l.Items[0].SourceName != "hook" || l.Items[0].Project != k.kind {
					t.Fatalf("%s with %q: quarantine %+v", k.kind, c.to, l)
				}
				if after, _ := s.kept(); after != before {
					t.Errorf("%s with %q: %d events were stored", k.kind, c.to, after-before)
				}
				s.replay(code, l.Items[0].ID, "", c.field)
				if got := s.replay(200, l.Items[0].ID, right); got.Stored+got.Duplicates == 0 || got.Status != "replayed" {
					t.Errorf("%s with %q: %+v", k.kind, c.to, got)
				}
			}
			if n := s.counted("fawkes_dora_deliveries_total", "quarantined", k.kind); n != 10 {
				t.Errorf("%s: %g counted as quarantined", k.kind, n)
			}
		}
		// Ten mended deliveries of each were one delivery.
		if events, _ := s.kept(); events != 2+1+1 {
			t.Errorf("%d events, want a build and a deployment, an alert's incident and PagerDuty's", events)
		}
	})
}

// history is what every history below begins with: commits and, unless Jenkins
// tells of them, deployments.
func baseHistory(project string, deployments bool) (lines []string) {
	parents := []string{}
	for n, name := range []string{"one", "two", "three"} {
		o := object{"type": "commit", "project": project, "repo": testRepo, "sha": hash(name), "parents": parents, "author": "ada",
			"authored_at": fmt.Sprintf("2026-03-0%dT08:00:00Z", n+6), "committed_at": fmt.Sprintf("2026-03-0%dT08:00:00Z", n+6)}
		parents = []string{hash(name)}
		lines = append(lines, line(o))
		if deployments {
			lines = append(lines, deploymentLine(fmt.Sprint(n+1), name, fmt.Sprintf("2026-03-0%dT10:00:00Z", n+6), "project", project))
		}
	}
	return lines
}

// TestDeliveriesMoveTheMetricsAsBulkEventsDo tells the same history twice, by a
// source's deliveries and in the bulk format, and wants the same answers.
func TestDeliveriesMoveTheMetricsAsBulkEventsDo(t *testing.T) {
	build := func(n int, phase, at string, duration int, status, commit string) string {
		millis := map[string]string{"10:00": "36000000", "10:05": "36300000", "09:58": "35880000"}[at]
		day := []int64{0, 1772755200000, 1772841600000, 1772928000000}[n]
		var ms int64
		fmt.Sscan(millis, &ms)
		o := object{"name": "deploy", "url": "job/deploy/", "build": object{"full_url": fmt.Sprintf("https://ci.example.com/job/deploy/%d/", n), "number": n, "queue_id": n,
			"phase": phase, "timestamp": day + ms, "duration": duration, "url": fmt.Sprintf("job/deploy/%d/", n),
			"scm":        object{"url": "https://ci:secret@git.example/shop.git", "branch": "origin/main", "commit": hash(commit)},
			"parameters": object{"ENVIRONMENT": "production", "SERVICE": "api"}, "log": "", "artifacts": object{}}}
		if status != "" {
			o["build"].(object)["status"] = status
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const ci = "https://ci.example.com/job/deploy/"
	told := func(n int, of, outcome, finished string) []string {
		start := fmt.Sprintf("2026-03-0%dT09:58:00Z", n+5)
		common := object{"type": "build", "source": "jenkins", "project": "P", "repo": "https://git.example/shop.git", "sha": hash(of), "id": ci + fmt.Sprint(n), "branch": "main",
			"outcome": outcome, "started_at": start, "finished_at": finished}
		b := line(common)
		if outcome == "unstable" {
			outcome = "failure"
		}
		return []string{b, deploymentLine(ci+fmt.Sprint(n), of, finished, "source", "jenkins", "project", "P", "outcome", outcome, "started_at", start)}
	}
	incident := func(source, id, opened, resolved string, more ...any) string {
		o := object{"type": "incident", "source": source, "project": "P", "id": id, "service": "api", "opened_at": opened, "resolved_at": resolved}
		for i := 0; i+1 < len(more); i += 2 {
			o[more[i].(string)] = more[i+1]
		}
		return line(o)
	}
	sample := func(kind string, names ...string) (out []string) {
		for _, n := range names {
			out = append(out, sampleOf(t, kind, n))
		}
		return out
	}
	for _, c := range []struct {
		kind, name  string
		deliveries  []string
		bulk        []string
		deployments bool
		value       float64 // of the change fail rate
	}{
		{"jenkins", "all phases", []string{
			build(1, "STARTED", "09:58", 0, "", "one"), build(1, "COMPLETED", "10:00", 120000, "SUCCESS", "one"), build(1, "FINALIZED", "10:05", 120000, "SUCCESS", "one"),
			build(2, "FINALIZED", "10:05", 120000, "UNSTABLE", "two"), build(2, "COMPLETED", "10:00", 120000, "UNSTABLE", "two"), build(2, "STARTED", "09:58", 0, "", "two"),
			build(3, "COMPLETED", "10:00", 120000, "SUCCESS", "three"), build(3, "COMPLETED", "10:00", 120000, "SUCCESS", "three"),
		}, append(append(told(1, "one", "success", "2026-03-06T10:00:00Z"), told(2, "two", "unstable", "2026-03-07T10:00:00Z")...), told(3, "three", "success", "2026-03-08T10:00:00Z")...), false, 1. / 3},
		{"alertmanager", "firing and resolved", sample("alertmanager", "firing", "resolved", "watchdog"),
			[]string{incident("alertmanager", "b7c2a1e9d4f00315/2026-03-08T11:00:00.123Z", "2026-03-08T11:00:00.123Z", "2026-03-08T12:30:00.123Z", "environment", "production", "severity", "critical")}, true, 1. / 3},
		{"alertmanager", "resolved first", sample("alertmanager", "resolved", "firing"),
			[]string{incident("alertmanager", "b7c2a1e9d4f00315/2026-03-08T11:00:00.123Z", "2026-03-08T11:00:00.123Z", "2026-03-08T12:30:00.123Z", "environment", "production", "severity", "critical")}, true, 1. / 3},
		{"pagerduty", "out of order, linked by a custom field", sample("pagerduty", "resolved", "triggered", "custom_fields", "acknowledged", "priority_updated", "annotated", "ping", "merged", "service_updated"),
			[]string{incident("pagerduty", "PGR0VU2", "2026-03-08T11:00:00Z", "2026-03-08T12:30:00.500Z", "severity", "P1", "caused_by_deployment", "2")}, true, 1. / 3},
	} {
		t.Run(c.kind+" "+c.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				s.post(baseHistory("hooked", c.deployments)...)
				s.post(baseHistory("bulked", c.deployments)...)
				secret, _ := s.addSource(c.kind, "", "hooked")
				for _, d := range c.deliveries {
					s.take(202, senderOf(t, c.kind), secret, "", d)
				}
				for _, l := range c.bulk {
					s.post(strings.Replace(l, `"project":"P"`, `"project":"bulked"`, 1))
				}
				for _, path := range []string{"/metrics?project=P", "/metrics?project=P&interval=day", "/metrics?project=P&profile=devlake-2023", "/deployments?project=P", "/incidents?project=P"} {
					answers := map[string]string{}
					for _, project := range []string{"hooked", "bulked"} {
						text := s.want(200, http.MethodGet, "/api/dora/v1"+strings.Replace(path, "P", project, 1), "", nil)
						answers[project] = unlinked(t, strings.ReplaceAll(text, project, "P"))
					}
					if answers["hooked"] != answers["bulked"] {
						t.Errorf("%s: by webhooks\n%s\nin the bulk format\n%s", path, answers["hooked"], answers["bulked"])
					}
				}
				s.wantValue(s.five("project=hooked"), "change_fail_rate", c.value, 3)
			})
		})
	}
}

// unlinked is an answer without what only a webhook tells: titles and addresses.
func unlinked(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	var strip func(v any)
	strip = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			delete(v, "title")
			delete(v, "url")
			delete(v, "projection") // how often it was written
			for _, x := range v {
				strip(x)
			}
		case []any:
			for _, x := range v {
				strip(x)
			}
		}
	}
	strip(v)
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestBodiesHaveABound wants what is too large refused, and what is compressed read.
func TestBodiesOfWebhooksHaveABound(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		for kind, most := range map[string]int{"jenkins": jenkins.MaxBody, "alertmanager": alertmanager.MaxBody, "pagerduty": pagerduty.MaxBody, "github": github.MaxBody} {
			if kind == "github" {
				continue // has a test of its own
			}
			k := senderOf(t, kind)
			secret, _ := s.addSource(kind, "", "shop")
			s.take(413, k, secret, "", `{"x":"`+strings.Repeat("x", most)+`"}`)
		}
		if events, kept := s.kept(); events != 0 || kept != 0 {
			t.Errorf("%d events and %d quarantined", events, kept)
		}
	})
}

func TestADeliveryStaysInTheProjectOfItsSource(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		theirs := event.New("jenkins", "theirs", &event.Incident{ID: "1", OpenedAt: event.Some(event.Time(1))})
		none := event.New("jenkins", "", &event.Incident{ID: "2", OpenedAt: event.Some(event.Time(1))})
		if _, _, err := s.svc.takeOf(t.Context(), []event.Event{none, theirs}, "mine"); problem.From(err).Code != problem.Forbidden {
			t.Errorf("an event of another project: %v", err)
		}
		if events, _ := s.kept(); events != 0 {
			t.Errorf("%d events were stored all the same", events)
		}
		if stored, _, err := s.svc.takeOf(t.Context(), []event.Event{none}, "mine"); stored != 1 || err != nil {
			t.Errorf("an event without one: %d stored, %v", stored, err)
		}
	})
}
