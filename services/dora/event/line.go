package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Header is what every line of the bulk format may carry beside its body.
type Header struct {
	Type    Type   `json:"type"`
	Project string `json:"project,omitempty"`
	Source  string `json:"source,omitempty"`
	At      Time   `json:"at,omitzero"`
}

const typesInWords = "commit, pull_request, review, build, artifact, deployment, incident"

// ParseLine reads one JSON object of the bulk format. source and project are
// used where the line names none. The error is always a *FieldError: an
// unknown field is refused by its name, a wrong type by its field.
func ParseLine(data []byte, source, project string) (Event, error) {
	typ, err := lineType(data)
	if err != nil {
		return Event{}, err
	}
	h := Header{}
	var body Body
	switch typ {
	case TypeCommit:
		b := new(Commit)
		body, err = b, strict(data, &struct {
			*Header
			*Commit
		}{&h, b})
	case TypePullRequest:
		b := new(PullRequest)
		body, err = b, strict(data, &struct {
			*Header
			*PullRequest
		}{&h, b})
	case TypeReview:
		b := new(Review)
		body, err = b, strict(data, &struct {
			*Header
			*Review
		}{&h, b})
	case TypeBuild:
		b := new(Build)
		body, err = b, strict(data, &struct {
			*Header
			*Build
		}{&h, b})
	case TypeArtifact:
		b := new(Artifact)
		body, err = b, strict(data, &struct {
			*Header
			*Artifact
		}{&h, b})
	case TypeDeployment:
		b := new(Deployment)
		body, err = b, strict(data, &struct {
			*Header
			*Deployment
		}{&h, b})
	case TypeIncident:
		b := new(Incident)
		body, err = b, strict(data, &struct {
			*Header
			*Incident
		}{&h, b})
	default:
		return Event{}, Fault("type", "%q is not one of %s", clip([]byte(typ)), typesInWords)
	}
	if err != nil {
		return Event{}, err
	}
	e := Event{Source: h.Source, Project: h.Project, At: h.At, Body: body}
	if e.Source == "" {
		e.Source = source
	}
	if e.Project == "" {
		e.Project = project
	}
	if e.At == 0 {
		e.At = body.latest()
	}
	return e, e.Validate()
}

// Validate checks the header, the body, and what the bulk format requires of a
// body beyond what its source's own webhook would.
func (e Event) Validate() error {
	if err := firstFault(required("source", e.Source), text("project", e.Project, maxText), e.Body.Validate()); err != nil {
		return err
	}
	switch b := e.Body.(type) {
	case *PullRequest:
		return needTime("created_at", b.CreatedAt)
	case *Deployment:
		if b.Service.V == "" && b.Repo.V == "" {
			return Fault("service", "is required (or a repo, whose name is then the service)")
		}
		if b.FinishedAt.Known && !b.Outcome.Known {
			return Fault("outcome", "is required of a finished deployment: one of %s", strings.Join(deploymentOutcomes, ", "))
		}
		if !b.FinishedAt.Known && !b.StartedAt.Known {
			return Fault("finished_at", "is required (or, while the deployment runs, started_at)")
		}
	case *Incident:
		return needTime("opened_at", b.OpenedAt)
	case *Build:
		if !b.FinishedAt.Known && !b.StartedAt.Known {
			return Fault("started_at", "is required: a time such as \"2026-01-31T09:30:00Z\"")
		}
	}
	return nil
}

// lineType finds the type without decoding the whole object when, as usual, it
// stands first.
func lineType(data []byte) (Type, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	tok, err := dec.Token()
	if err != nil {
		return "", jsonFault(err)
	}
	if tok != json.Delim('{') {
		return "", Fault("", "want one JSON object, got %s", clip(data))
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return "", jsonFault(err)
		}
		if key == "type" {
			v, err := dec.Token()
			if err != nil {
				return "", jsonFault(err)
			}
			s, ok := v.(string)
			if !ok {
				return "", Fault("type", "want a string, one of %s", typesInWords)
			}
			return Type(s), nil
		}
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return "", jsonFault(err)
		}
	}
	return "", Fault("type", "is required: one of %s", typesInWords)
}

// strict decodes exactly one JSON object without unknown fields.
func strict(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return jsonFault(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Fault("", "more than one JSON value on the line")
	}
	return nil
}

// JSONFault turns an error of encoding/json into a *FieldError that names the
// field, for the mappers of other sources.
func JSONFault(err error) error { return jsonFault(err) }

func jsonFault(err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong):
		return Fault(wrong.Field, "want %s, got %s", wrong.Type, wrong.Value)
	case errors.As(err, &syntax):
		return Fault("", "not JSON: %s at byte %d", syntax.Error(), syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return Fault("", "not JSON: it ends too early")
	}
	s := strings.TrimPrefix(err.Error(), "json: ")
	if name, ok := strings.CutPrefix(s, "unknown field "); ok {
		if n, err := strconv.Unquote(name); err == nil {
			name = n
		}
		return Fault(name, "is not a field of this type")
	}
	return Fault("", "%s", s)
}

// MarshalLine writes an event as one JSON object of the bulk format, without
// a line feed.
func MarshalLine(e Event) ([]byte, error) {
	h := Header{Type: e.Body.Type(), Project: e.Project, Source: e.Source, At: e.At}
	head, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("event: marshal header: %w", err)
	}
	body, err := json.Marshal(e.Body)
	if err != nil {
		return nil, fmt.Errorf("event: marshal %s: %w", h.Type, err)
	}
	if len(body) > 2 {
		head = append(append(head[:len(head)-1], ','), body[1:]...)
	}
	return head, nil
}

func index(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }
