package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdevents/sdk-go/pkg/api"
	"github.com/cdevents/sdk-go/pkg/api/v05"
	cloudevent "github.com/cloudevents/sdk-go/v2/event"
)

func aRun() Run {
	return Run{
		Source: SourceOf("shop/api"), ID: RunID("r-1", 2), Pipeline: "api", URL: "https://ci.example/r-1", Repository: "https://git.example/shop/api.git",
		SHA: strings.Repeat("a", 40), Branch: "main", Attempt: 2, Service: "api", StartedAt: time.Date(2026, 3, 1, 10, 0, 0, 5000, time.UTC),
	}
}

func anImage() Image {
	return Image{Name: "api", Repository: "registry.example:5000/shop/api", Digest: "sha256:" + strings.Repeat("b", 64)}
}

// TestTheSDKsTakeEveryEvent has the SDK of CloudEvents read the envelope and the SDK of CDEvents validate
// the content against the schemas of the specification.
func TestTheSDKsTakeEveryEvent(t *testing.T) {
	run, at := aRun(), time.Date(2026, 3, 1, 10, 5, 0, 0, time.UTC)
	bare := Run{Source: SourceOf("a b/ü"), ID: RunID("shell", 0), Pipeline: "x", SHA: run.SHA}
	for name, e := range map[string]Event{
		"started": run.Started(), "success": run.Finished(at, Success, ""), "failure": run.Finished(at, Failure, "unit-test: 1 failed"), "error": run.Finished(at, Error, "x"),
		"cancel": run.Finished(at, Cancel, "stopped"), "packaged": run.Packaged(at, anImage()), "published": run.Published(at, anImage()),
		"bare started": bare.Started(), "bare finished": bare.Finished(at, Success, ""), "bare packaged": bare.Packaged(at, anImage()),
	} {
		line, err := e.Line()
		if err != nil || bytes.ContainsRune(line, '\n') {
			t.Fatalf("%s: %q, %v", name, line, err)
		}
		var envelope cloudevent.Event
		if err := json.Unmarshal(line, &envelope); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := envelope.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		told, err := v05.NewFromJsonBytes(envelope.Data())
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, envelope.Data())
			continue
		}
		if err := api.Validate(told); err != nil {
			t.Errorf("%s: %v\n%s", name, err, envelope.Data())
		}
		if told.GetId() != envelope.ID() || told.GetSource() != envelope.Source() || told.GetSubjectId() != envelope.Subject() || told.GetType().String() != envelope.Type() {
			t.Errorf("%s: content and envelope differ: %s", name, line)
		}
	}
}

func TestTheIdFollowsFromWhatIsToldAboutWhat(t *testing.T) {
	run, at := aRun(), time.Date(2026, 3, 1, 10, 5, 0, 0, time.UTC)
	later, other := at.Add(time.Hour), aRun()
	other.ID = RunID("r-1", 3)
	if run.Finished(at, Success, "").ID != run.Finished(later, Cancel, "lost").ID {
		t.Error("two who tell the end of one run tell it under two ids")
	}
	different := []Event{run.Started(), run.Finished(at, Success, ""), run.FinishedAgain(2, at, Success, ""), run.FinishedAgain(3, at, Success, ""), other.Started(), other.Finished(at, Success, ""),
		run.Packaged(at, anImage()), run.Published(at, anImage()), other.Packaged(at, anImage())}
	seen := map[string]bool{}
	for _, e := range different {
		if seen[e.ID] {
			t.Errorf("%s %s has the id of another", e.Type, e.Subject)
		}
		seen[e.ID] = true
	}
	if got, want := anImage().PURL(), "pkg:oci/api@sha256%3A"+strings.Repeat("b", 64)+"?repository_url=registry.example%3A5000/shop/api"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestASenderIsPatientWithinABound(t *testing.T) {
	var n atomic.Int64
	answers := []int{503, 429, 500, 202}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer t" {
			t.Errorf("authorization %q", got)
		}
		w.WriteHeader(answers[min(int(n.Add(1))-1, len(answers)-1)])
	}))
	defer server.Close()
	failed := 0
	s := Sender{URL: server.URL, Token: "t", Pause: time.Millisecond, Notify: func(error) { failed++ }}
	if err := s.Send(t.Context(), []byte("{}")); err != nil || n.Load() != 4 || failed != 3 {
		t.Errorf("%v after %d tries, %d of them failed", err, n.Load(), failed)
	}

	answers = []int{422}
	n.Store(0)
	var refused *RefusedError
	if err := s.Send(t.Context(), []byte("{}")); !errors.As(err, &refused) || refused.Status != 422 || n.Load() != 1 {
		t.Errorf("%v after %d tries", err, n.Load())
	}

	server.Close()
	s.Bound = 50 * time.Millisecond
	if err := s.Send(t.Context(), []byte("{}")); err == nil || errors.As(err, &refused) || strings.Contains(err.Error(), server.URL) {
		t.Errorf("%v", err)
	}
	if err := (Sender{URL: "::"}).Send(t.Context(), nil); !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
}

func TestLinesAreBounded(t *testing.T) {
	var got []string
	err := ReadLines(strings.NewReader("{\"a\":1}\n\n{\"b\":2}"), func(n int, line []byte) error {
		got = append(got, fmt.Sprint(n, string(line)))
		return nil
	})
	if err != nil || strings.Join(got, " ") != `1{"a":1} 3{"b":2}` {
		t.Errorf("%v, %v", got, err)
	}
	long := io.MultiReader(strings.NewReader("x\n"), bytes.NewReader(make([]byte, 2*mostLine)))
	if err := ReadLines(long, func(int, []byte) error { return nil }); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v", err)
	}
}
