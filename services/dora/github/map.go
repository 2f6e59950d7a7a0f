package github

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// Source is the source of every event of this package.
const Source = "github"

// The headers that a delivery carries.
const (
	HeaderEvent     = "X-GitHub-Event"
	HeaderDelivery  = "X-GitHub-Delivery"
	HeaderSignature = "X-Hub-Signature-256"
)

// MaxBody is the most that GitHub sends in one delivery.
const MaxBody = 25 << 20

// maxRaw is how much of a delivery that is not interpreted is kept.
const maxRaw = 8 << 10

// Result is what one delivery says.
type Result struct {
	// Kind is the event with its action, "pull_request.closed", for counting.
	// It is made of GitHub's own words and bounded in length, not in number.
	Kind string
	// Repo is the URL of the repository, "" where the delivery names none.
	Repo string
	// Events are in the order of the body. Their place tells apart the events
	// of one delivery (see event.KeyOf).
	Events []event.Event
	// Ignored says why there are no events although nothing is wrong.
	Ignored string
}

// Mapper maps deliveries. The zero Mapper is ready to use.
type Mapper struct {
	// IncidentLabels are the labels, in any case of letters, that make an
	// issue an incident; none means "incident".
	IncidentLabels []string
}

// Map maps one delivery with the zero [Mapper].
func Map(eventName, deliveryID string, body []byte) (Result, error) {
	return Mapper{}.Map(eventName, deliveryID, body)
}

// Map maps one delivery: the values of X-GitHub-Event and X-GitHub-Delivery,
// and the JSON body (see [Payload] for deliveries in form encoding). The error
// is always a *event.FieldError that names the field as GitHub spells it.
func (m Mapper) Map(eventName, deliveryID string, body []byte) (Result, error) {
	if err := headerText(HeaderEvent, eventName); err != nil {
		return Result{}, err
	}
	if err := headerText(HeaderDelivery, deliveryID); err != nil {
		return Result{}, err
	}
	var head envelope
	if err := intake.Decode(body, &head); err != nil {
		return Result{}, err
	}
	r := Result{Kind: kind(eventName, head.Action), Repo: head.Repository.url()}
	var err error
	switch eventName {
	case "ping":
		r.Ignored = "a ping only tests the webhook"
	case "push":
		err = r.push(body)
	case "pull_request":
		err = r.pullRequest(body)
	case "pull_request_review":
		err = r.review(body)
	case "pull_request_review_comment":
		err = r.reviewComment(body)
	case "issue_comment":
		err = r.issueComment(body)
	case "deployment":
		err = r.deployment(body)
	case "deployment_status":
		err = r.deploymentStatus(body)
	case "workflow_run":
		err = r.workflowRun(body)
	case "issues":
		err = m.issue(&r, body)
	}
	if err != nil {
		return Result{}, err
	}
	if len(r.Events) == 0 && r.Ignored == "" {
		r.other(deliveryID, body)
	}
	for i := range r.Events {
		r.Events[i].Delivery = deliveryID
	}
	return r, nil
}

// add appends a validated event; names translates the fields of the
// vocabulary into GitHub's for the error.
func (r *Result) add(at event.Time, body event.Body, names map[string]string) error {
	e := event.New(Source, "", body)
	if at != 0 {
		e.At = at
	}
	if err := e.Validate(); err != nil {
		return intake.Rename(err, names)
	}
	r.Events = append(r.Events, e)
	return nil
}

// other keeps a delivery that is not interpreted. What it is about has no
// time of its own, so its At stays unknown.
func (r *Result) other(deliveryID string, body []byte) {
	id := deliveryID
	if id == "" {
		sum := sha256.Sum256(body)
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	o := &event.Other{ID: id, Kind: r.Kind, Repo: r.Repo, Raw: raw(body)}
	r.Events = []event.Event{event.New(Source, "", o)}
}

func raw(body []byte) string {
	if len(body) > maxRaw {
		body = body[:maxRaw]
		for len(body) > 0 && !utf8.RuneStart(body[len(body)-1]) {
			body = body[:len(body)-1]
		}
		body = body[:len(body)-1]
	}
	return strings.ToValidUTF8(string(body), "\uFFFD")
}

func kind(eventName, action string) string {
	if action == "" {
		return eventName
	}
	return intake.Clean(eventName+"."+action, 128)
}

// envelope is what all bodies share.
type envelope struct {
	Action     string     `json:"action"`
	Repository repository `json:"repository"`
}

type repository struct {
	Name     string `json:"name"`
	FullName string `json:"full_name"`
	HTMLURL  string `json:"html_url"`
	CloneURL string `json:"clone_url"`
}

func (r repository) url() string {
	if r.HTMLURL != "" {
		return r.HTMLURL
	}
	return r.CloneURL
}

type user struct {
	Login string `json:"login"`
}

// headerText checks a header's value: it becomes part of what is stored.
func headerText(name, v string) error {
	if name == HeaderEvent && v == "" {
		return event.Fault(name, "is required: the name of the event, such as push")
	}
	if len(v) > 128 {
		return event.Fault(name, "is %d bytes long, at most 128 are taken", len(v))
	}
	for _, c := range []byte(v) {
		if c <= ' ' || c > '~' {
			return event.Fault(name, "holds a character other than printable ASCII")
		}
	}
	return nil
}
