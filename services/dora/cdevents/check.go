package cdevents

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// check wants that what is read of a subject beyond its form is right: the
// artifacts that it names, the times that it tells, and what customData says in
// words that are ours alone. Subjects that are kept as they came are not checked.
func (r *reading) check() error {
	subjects := []string{"change", "build", "pipelinerun", "taskrun", "artifact", "service", "incident", "ticket"}
	if !slices.Contains(subjects, r.subject) {
		return nil
	}
	if r.ArtifactID != "" {
		if err := checkArtifact(r.data+"subject.content.artifactId", r.ArtifactID); err != nil {
			return err
		}
	}
	if r.subject == "artifact" {
		if err := checkArtifact(r.data+"subject.id", r.Subject.ID); err != nil {
			return err
		}
	}
	if err := r.checkTimes(); err != nil {
		return err
	}
	var err error
	r.custom, err = customOf(r.CustomData, r.CustomDataType, r.data)
	return err
}

// checkTimes wants the times of a subject to be times.
func (r *reading) checkTimes() error {
	if len(r.Subject.Content) == 0 {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(r.Subject.Content, &fields); err != nil {
		return event.Fault(r.data+"subject.content", "want an object, got %s", intake.Clean(string(r.Subject.Content), 60))
	}
	for _, name := range []string{"startedAt", "finishedAt", "createdAt", "updatedAt", "detectedAt", "reportedAt", "resolvedAt", "deployedAt", "timestamp"} {
		raw, ok := fields[name]
		if !ok || string(raw) == "null" {
			continue
		}
		field := r.data + "subject.content." + name
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return event.Fault(field, "want a time such as \"2026-01-31T09:30:00Z\", got %s", intake.Clean(string(raw), 60))
		}
		if _, err := intake.When(field, text); err != nil {
			return err
		}
	}
	return nil
}

// strict says what is wrong with the value of one of our own words in customData;
// plain is the word without case and punctuation. Words that others use in
// another sense ("status", "commit", "ref") are passed over where they do not fit.
func strict(plain, field string, raw json.RawMessage) error {
	if string(raw) == "null" {
		return nil
	}
	var text string
	isText := json.Unmarshal(raw, &text) == nil
	got := intake.Clean(string(raw), 60)
	switch plain {
	case "startedat", "starttime", "createdat", "authoredat":
		if isText && text != "" {
			if _, err := event.ParseTime(strings.TrimSpace(text)); err != nil {
				return event.Fault(field, "%s", err)
			}
		}
	case "commitsha", "gitsha", "headsha", "mergesha", "mergecommitsha":
		if !isText || text != "" && hashOf(strings.TrimSpace(text)) == "" {
			return event.Fault(field, "%s is not a commit's hash: want 7 to 64 hexadecimal digits", got)
		}
	case "outcome":
		if !isText || text != "" && runOutcome(strings.TrimSpace(text)) == "" {
			return event.Fault(field, "%s is not one of success, failure, aborted", got)
		}
	case "unplanned":
		if b, err := strconv.ParseBool(got); err != nil || strconv.FormatBool(b) != got {
			return event.Fault(field, "want true or false, got %s", got)
		}
	case "attempt", "runattempt":
		if n, err := strconv.Atoi(got); err != nil || n < 1 {
			return event.Fault(field, "want a whole number above 0, got %s", got)
		}
	case "deploymentid", "causedbydeployment", "servicename", "environmentname":
		if !isText {
			return event.Fault(field, "want a string, got %s", got)
		}
	}
	return nil
}
