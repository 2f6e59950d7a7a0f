// Package events is the vocabulary in which delivery is told over the wire: CDEvents in structured
// CloudEvents, as the golden path, the runner and anybody's own pipeline send them.
//
//	run := events.Run{Source: events.SourceOf("shop/api"), ID: events.RunID("build-12", 1), …}
//	event := run.Finished(at, events.Failure, "unit-test: 1 of 12 failed")
//	line, err := event.Line()          // one line of JSON, to keep
//	err = sender.Send(ctx, line)       // to where the platform takes them
//
// # Identity
//
// An event's id follows from what it says about what: the run, its type, the artifact. Whoever tells the
// same thing again, after a crash or from a file, tells it under the same id, and a receiver that
// knows ids keeps it once. So it is with the end of a run: the pipeline tells it, and the runner tells it
// for a pipeline that died; the first to be kept is the one that counts.
//
// # Why by hand
//
// The events are written here and not by the SDK of CDEvents, because that compiles the schemas of all
// its versions whenever a program starts. The tests validate every event with it.
package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// SpecVersion is the version of CDEvents that is written.
const SpecVersion = "0.5.1"

// The types of the events that are written.
const (
	TypeRunStarted        = "dev.cdevents.pipelinerun.started.0.3.0"
	TypeRunFinished       = "dev.cdevents.pipelinerun.finished.0.3.0"
	TypeArtifactPackaged  = "dev.cdevents.artifact.packaged.0.3.0"
	TypeArtifactPublished = "dev.cdevents.artifact.published.0.3.0"
)

// MediaType is that of a structured event.
const MediaType = "application/cloudevents+json; charset=utf-8"

// Event is a CDEvent in a structured CloudEvent.
type Event struct {
	SpecVersion     string `json:"specversion"`
	ID              string `json:"id"`
	Source          string `json:"source"`
	Type            string `json:"type"`
	Subject         string `json:"subject"`
	Time            string `json:"time"` // RFC 3339, UTC
	DataContentType string `json:"datacontenttype"`
	Data            Data   `json:"data"`
}

// Data is the CDEvent itself.
type Data struct {
	Context struct {
		SpecVersion string `json:"specversion"`
		ID          string `json:"id"`
		Source      string `json:"source"`
		Type        string `json:"type"`
		Timestamp   string `json:"timestamp"`
	} `json:"context"`
	Subject struct {
		ID      string         `json:"id"`
		Source  string         `json:"source"`
		Content map[string]any `json:"content"`
	} `json:"subject"`
	Custom      map[string]any `json:"customData,omitempty"`
	ContentType string         `json:"customDataContentType,omitempty"`
}

// Line is the event as one line of JSON, without the line's end.
func (e Event) Line() ([]byte, error) {
	line, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write event %s: %w", e.Type, err)
	}
	return line, nil
}

// newEvent puts a subject into its envelope. The id is made from key, which says what is told.
func newEvent(kind, source, subject string, at time.Time, content, custom map[string]any, key ...string) Event {
	e := Event{
		SpecVersion: "1.0", Source: source, Type: kind, Subject: subject, DataContentType: "application/json",
		Time: at.UTC().Format(time.RFC3339Nano), ID: stableID(append([]string{kind, source, subject}, key...)),
	}
	e.Data.Context.SpecVersion = SpecVersion
	e.Data.Context.ID, e.Data.Context.Source, e.Data.Context.Type, e.Data.Context.Timestamp = e.ID, source, kind, e.Time
	e.Data.Subject.ID, e.Data.Subject.Source, e.Data.Subject.Content = subject, source, content
	if len(custom) > 0 {
		e.Data.Custom, e.Data.ContentType = custom, "application/json"
	}
	return e
}

// stableID is the same for the same words, in the form of a UUID of version 8.
func stableID(words []string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	id := sum[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	h := hex.EncodeToString(id)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
