package dora

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdevents/sdk-go/pkg/api"
	"github.com/cdevents/sdk-go/pkg/api/v03"
	"github.com/cdevents/sdk-go/pkg/api/v04"
	"github.com/cdevents/sdk-go/pkg/api/v05"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	ceevent "github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

const cdeventsPath = "/webhooks/dora/cloudevents"

// asSent is an event of the SDK as its CloudEvent.
func asSent[E interface {
	api.CDEventReader
	SetSource(string)
	SetTimestamp(time.Time)
	SetSubjectId(string)
}](t *testing.T, subject, at string, e E, err error, more func(E)) ceevent.Event {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	e.SetSource("/ci/prod")
	e.SetTimestamp(when)
	e.SetSubjectId(subject)
	more(e)
	ce, err := api.AsCloudEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	return *ce
}

// sdkEvents is a history told by the SDK of CDEvents, in three versions of the
// specification.
func sdkEvents(t *testing.T) []ceevent.Event {
	production := &api.Reference{Id: "production"}
	packaged := func(image, commit, at string) ceevent.Event {
		e, err := v03.NewArtifactPackagedEvent()
		return asSent(t, purlOf(image), at, e, err, func(e *v03.ArtifactPackagedEvent) {
			e.SetSubjectChange(&api.Reference{Id: hash(commit), Source: "git.example/shop"})
		})
	}
	deployed, err := v04.NewServiceDeployedEvent()
	first := asSent(t, "service/api", "2026-03-02T12:00:00Z", deployed, err, func(e *v04.ServiceDeployedEvent) {
		e.SetSubjectEnvironment(production)
		e.SetSubjectArtifactId(purlOf("a1"))
	})
	upgraded, err := v05.NewServiceUpgradedEvent()
	second := asSent(t, "service/api", "2026-03-03T12:00:00Z", upgraded, err, func(e *v05.ServiceUpgradedEvent) {
		e.SetSubjectEnvironment(production)
		e.SetSubjectArtifactId(purlOf("a2") + "?repository_url=registry.example/shop/api")
	})
	back, err := v03.NewServiceRolledbackEvent()
	third := asSent(t, "service/api", "2026-03-03T15:00:00Z", back, err, func(e *v03.ServiceRolledbackEvent) {
		e.SetSubjectEnvironment(production)
		e.SetSubjectArtifactId(purlOf("a1"))
	})
	again, err := v05.NewServiceUpgradedEvent()
	fourth := asSent(t, "service/api", "2026-03-05T12:00:00Z", again, err, func(e *v05.ServiceUpgradedEvent) {
		e.SetSubjectEnvironment(production)
		e.SetSubjectArtifactId(purlOf("a3"))
	})
	detected, err := v05.NewIncidentDetectedEvent()
	opened := asSent(t, "i-1", "2026-03-05T13:00:00Z", detected, err, func(e *v05.IncidentDetectedEvent) {
		e.SetSubjectEnvironment(production)
		e.SetSubjectService(&api.Reference{Id: "service/api"})
		e.SetSubjectArtifactId(purlOf("a3"))
		e.SetSubjectDescription("slow")
	})
	reported, err := v04.NewIncidentReportedEvent()
	told := asSent(t, "i-1", "2026-03-05T13:30:00Z", reported, err, func(e *v04.IncidentReportedEvent) {
		e.SetSubjectEnvironment(production)
		e.SetSubjectTicketURI("https://issues.example/1")
		e.SetSubjectArtifactId(purlOf("a3")) // which this version's SDK wants
	})
	resolved, err := v03.NewIncidentResolvedEvent()
	closed := asSent(t, "i-1", "2026-03-05T14:00:00Z", resolved, err, func(e *v03.IncidentResolvedEvent) {
		e.SetSubjectEnvironment(production)
		e.SetSubjectArtifactId(purlOf("a1"))
	})
	created, err := v05.NewChangeCreatedEvent()
	proposed := asSent(t, "12", "2026-03-02T09:00:00Z", created, err, func(e *v05.ChangeCreatedEvent) {
		e.SetSubjectRepository(&api.Reference{Id: "shop", Source: "https://git.example"})
	})
	reviewed, err := v04.NewChangeReviewedEvent()
	seen := asSent(t, "12", "2026-03-03T08:30:00Z", reviewed, err, func(e *v04.ChangeReviewedEvent) {
		e.SetSubjectRepository(&api.Reference{Id: "shop", Source: "https://git.example"})
	})
	merged, err := v03.NewChangeMergedEvent()
	landed := asSent(t, "12", "2026-03-03T09:00:00Z", merged, err, func(e *v03.ChangeMergedEvent) {
		e.SetSubjectRepository(&api.Reference{Id: "shop", Source: "https://git.example"})
		if err := e.SetCustomData("application/json", map[string]string{"mergeSha": hash("c2")}); err != nil {
			t.Fatal(err)
		}
	})
	return []ceevent.Event{closed, told, opened, landed, seen, proposed, fourth, third, second, first,
		packaged("a1", "c1", "2026-03-02T09:00:00Z"), packaged("a2", "c2", "2026-03-03T09:00:00Z"), packaged("a3", "c3", "2026-03-05T09:00:00Z")}
}

// TestTheSDKOfCDEventsIsUnderstood has the SDK of CloudEvents send a history over
// HTTP in each of its modes, the last first; the numbers are those of the same
// history in bulk.
func TestTheSDKOfCDEventsIsUnderstood(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		web := httptest.NewServer(s.handler)
		t.Cleanup(web.Close)
		const pullRequest = `{"type":"pull_request","project":"twin","repo":"https://git.example/shop","number":"12","created_at":"2026-03-02T09:00:00Z","merged_at":"2026-03-03T09:00:00Z","closed_at":"2026-03-03T09:00:00Z","merge_sha":"`
		for _, name := range []string{"binary", "structured", "batched", "twin"} {
			for i, c := range []string{"c1", "c2", "c3"} {
				at := []string{"2026-03-02T08:00:00Z", "2026-03-03T08:00:00Z", "2026-03-05T08:00:00Z"}[i]
				parents := []string{}
				if i > 0 {
					parents = append(parents, hash([]string{"c1", "c2"}[i-1]))
				}
				s.post(line(object{"type": "commit", "project": name, "repo": shopRepo, "sha": hash(c), "parents": parents, "author": "ada", "authored_at": at, "committed_at": at}))
			}
		}
		deployed := func(id, commit, at string) string {
			return deploymentLine(id, commit, at, "project", "twin", "repo", shopRepo, "started_at", nil)
		}
		s.post(deployed("1", "c1", "2026-03-02T12:00:00Z"), deployed("2", "c2", "2026-03-03T12:00:00Z"), deployed("3", "c1", "2026-03-03T15:00:00Z"), deployed("4", "c3", "2026-03-05T12:00:00Z"),
			`{"type":"incident","project":"twin","id":"x","service":"api","environment":"production","opened_at":"2026-03-05T13:00:00Z","resolved_at":"2026-03-05T14:00:00Z","caused_by_deployment":"4"}`,
			pullRequest+hash("c2")+`"}`,
			`{"type":"review","project":"twin","repo":"https://git.example/shop","number":"12","author":"","kind":"comment","submitted_at":"2026-03-03T08:30:00Z"}`)
		all := sdkEvents(t)
		for _, mode := range []string{"binary", "structured", "batched"} {
			token, _ := s.addSource("cdevents", mode, mode)
			ctx := context.Background()
			if mode == "batched" {
				r, err := cehttp.NewHTTPRequestFromEvents(ctx, web.URL+cdeventsPath, all)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+token)
				answer, err := web.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusAccepted {
					t.Fatalf("a batch: %s %v", answer.Status, err)
				}
			} else {
				client, err := cloudevents.NewClientHTTP(cehttp.WithTarget(web.URL+cdeventsPath), cehttp.WithHeader("Authorization", "Bearer "+token))
				if err != nil {
					t.Fatal(err)
				}
				ctx = binding.WithForceBinary(ctx)
				if mode == "structured" {
					ctx = binding.WithForceStructured(ctx)
				}
				for _, e := range slices.Concat(all, all[:1]) {
					if res := client.Send(ctx, e); !cloudevents.IsACK(res) {
						t.Fatalf("%s, %s: %v", mode, e.Type(), res)
					}
				}
			}
			if n := get[projectBody](s, "/api/dora/v1/projects/"+mode).Entities["deployment"]; n != 4 {
				t.Errorf("%s: %d deployments, want 4", mode, n)
			}
			s.sameNumbers(mode, "twin", "api")
		}
		// What came in a batch is known when it comes alone.
		token, _ := s.addSource("cdevents", "again", "batched")
		before, _ := s.kept()
		text, err := all[0].MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if n := s.taken(cdeventsPath, token, string(text), "Content-Type", "application/cloudevents+json"); n != 0 {
			t.Errorf("%d events are new of one that came in a batch", n)
		}
		if after, _ := s.kept(); after != before {
			t.Errorf("%d events, want %d as before", after, before)
		}
		if five := s.five("project=binary&from=2026-03-01T00:00:00Z&to=2026-04-01T00:00:00Z"); five["change_fail_rate"].Value == nil || *five["change_fail_rate"].Value != 0.5 || five["change_fail_rate"].N != 4 {
			t.Errorf("the change fail rate is %+v, want 2 of 4: one rolled back, one with an incident", five["change_fail_rate"])
		}
		if q := s.inQuarantine("limit=10").Items; len(q) != 0 {
			t.Errorf("in quarantine: %+v", q)
		}
		if strings.Contains(s.want(200, http.MethodGet, "/api/dora/v1/incidents?project=binary", "", nil), "13:30") {
			t.Error("the incident opened when it was reported, not when it was detected")
		}
	})
}
