package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
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
	var body line
	switch typ {
	case TypeCommit:
		body = new(Commit)
	case TypePullRequest:
		body = new(PullRequest)
	case TypeReview:
		body = new(Review)
	case TypeBuild:
		body = new(Build)
	case TypeArtifact:
		body = new(Artifact)
	case TypeDeployment:
		body = new(Deployment)
	case TypeIncident:
		body = new(Incident)
	default:
		return Event{}, Fault("type", "%q is not one of %s", clip([]byte(typ)), typesInWords)
	}
	h := Header{Type: typ}
	s := scanner{data: data}
	if err := s.object(&h, body); err != nil {
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

// lineType finds the type. It stands first on the line, and where it does not
// the fields before it are stepped over.
func lineType(data []byte) (Type, error) {
	s := scanner{data: data}
	if err := s.open(); err != nil {
		return "", err
	}
	if s.peek() != '"' {
		return laterType(data)
	}
	name, err := s.key()
	if err != nil {
		return "", err
	}
	if string(name) != "type" {
		return laterType(data)
	}
	return s.typeName()
}

func (s *scanner) typeName() (Type, error) {
	if s.peek() != '"' {
		return "", s.unwanted("type", "one of "+typesInWords)
	}
	v, err := s.text("type")
	return Type(v), err
}

func laterType(data []byte) (Type, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return "", jsonFault(err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return "", jsonFault(err)
		}
		if key == "type" {
			s := scanner{data: data, pos: int(dec.InputOffset())}
			if s.peek() == ':' {
				s.pos++
			}
			return s.typeName()
		}
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return "", jsonFault(err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return "", jsonFault(err)
	}
	return "", Fault("type", "is required: one of %s", typesInWords)
}

// JSONFault turns an error of encoding/json into a *FieldError that names the
// field, for the mappers of other sources.
func JSONFault(err error) error { return jsonFault(err) }

func jsonFault(err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong):
		return Fault(wrong.Field, "want %s, got %s", kindInWords(wrong.Type), wrong.Value)
	case errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input",
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return Fault("", "not JSON: it ends too early")
	case errors.As(err, &syntax):
		return Fault("", "not JSON: %s at byte %d", syntax.Error(), syntax.Offset)
	}
	return Fault("", "%s", strings.TrimPrefix(err.Error(), "json: "))
}

// kindInWords names what a Go type reads, in JSON's terms.
func kindInWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Pointer:
		return kindInWords(t.Elem())
	}
	return "a whole number"
}

// MarshalLine writes an event as one JSON object of the bulk format, without
// a line feed.
func MarshalLine(e Event) ([]byte, error) {
	if c, ok := e.Body.(*Commit); ok {
		return appendCommit(make([]byte, 0, 512), e, c), nil
	}
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

// appendCommit writes what json.Marshal would write, several times faster.
func appendCommit(out []byte, e Event, c *Commit) []byte {
	out = append(out, `{"type":"commit"`...)
	if e.Project != "" {
		out = appendText(append(out, `,"project":`...), e.Project)
	}
	if e.Source != "" {
		out = appendText(append(out, `,"source":`...), e.Source)
	}
	if e.At != 0 {
		out = e.At.append(append(out, `,"at":`...))
	}
	out = appendText(append(out, `,"repo":`...), c.Repo)
	out = appendText(append(out, `,"sha":`...), c.SHA)
	out = appendOpt(out, `,"parents":`, c.Parents, appendTexts)
	out = appendOpt(out, `,"author":`, c.Author, appendText)
	out = appendOpt(out, `,"authored_at":`, c.AuthoredAt, func(out []byte, t Time) []byte { return t.append(out) })
	out = appendOpt(out, `,"committed_at":`, c.CommittedAt, func(out []byte, t Time) []byte { return t.append(out) })
	out = appendOpt(out, `,"paths":`, c.Paths, appendTexts)
	out = appendOpt(out, `,"ancestors":`, c.Ancestors, appendTexts)
	return append(out, '}')
}

func appendOpt[T any](out []byte, name string, v Opt[T], write func([]byte, T) []byte) []byte {
	switch {
	case v.Known:
		return write(append(out, name...), v.V)
	case v.Present:
		return append(append(out, name...), "null"...)
	}
	return out
}

func appendTexts(out []byte, list []string) []byte {
	if list == nil {
		return append(out, "null"...)
	}
	out = append(out, '[')
	for i, s := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendText(out, s)
	}
	return append(out, ']')
}

// appendText writes a JSON string; what json.Marshal would escape it escapes.
func appendText(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c == 0x7f {
			quoted, err := json.Marshal(s)
			if err != nil { // a string always can be written
				return append(out, `""`...)
			}
			return append(out, quoted...)
		}
	}
	return append(append(append(out, '"'), s...), '"')
}

func index(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }
