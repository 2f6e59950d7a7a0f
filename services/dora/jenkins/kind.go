package jenkins

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// Source is the source of every event of this package.
const Source = "jenkins"

// MaxBody is the most that is taken of one delivery: with the log of a build in
// it, deliveries are large.
const MaxBody = 16 << 20

// Kind is Jenkins as a kind of webhook source. The plugin can send no header of
// its own, so the token stands in the URL.
func Kind() intake.Kind {
	return intake.Kind{
		Name: Source, Title: "Jenkins Notification plugin", Path: "/webhooks/dora/jenkins", MaxBody: MaxBody,
		Setup: "In the job's configuration, under Job Notifications, add an endpoint with the format JSON, the protocol HTTP, the event All Events " +
			"and the URL {url}?token={secret} (kept as a secret text under Credentials Store); add &environment=production&service=NAME for a job that deploys.",
		Read: Read,
	}
}

// message is a delivery.
type message struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	URL         string `json:"url"`
	Build       *build `json:"build"`
}

type build struct {
	FullURL    string           `json:"full_url"`
	OldFullURL string           `json:"fullUrl"` // before version 1.5
	Number     int64            `json:"number"`
	Phase      string           `json:"phase"`
	Status     string           `json:"status"`
	URL        string           `json:"url"`
	Timestamp  int64            `json:"timestamp"`
	Duration   int64            `json:"duration"`
	SCM        scm              `json:"scm"`
	Parameters map[string]param `json:"parameters"`
}

// param is the value of a parameter. The plugin writes texts; what imitates it
// also writes numbers and truth values.
type param string

// UnmarshalJSON implements json.Unmarshaler.
func (p *param) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '"':
		return json.Unmarshal(b, (*string)(p))
	case '{', '[':
		return &json.UnmarshalTypeError{Value: map[byte]string{'{': "object", '[': "array"}[b[0]], Type: reflect.TypeFor[string]()}
	case 'n':
		*p = ""
	default:
		*p = param(b)
	}
	return nil
}

type scm struct {
	URL    string `json:"url"`
	Branch string `json:"branch"`
	Commit string `json:"commit"`
}

// names are Jenkins's names for the fields of the vocabulary.
var names = map[string]string{
	"id": "build.full_url", "repo": "build.scm.url", "sha": "build.scm.commit", "branch": "build.scm.branch", "outcome": "build.status",
	"started_at": "build.timestamp", "finished_at": "build.timestamp", "url": "build.full_url",
}

// buildOutcomes maps the results of Jenkins.
var buildOutcomes = map[string]string{
	"SUCCESS": event.OutcomeSuccess, "FAILURE": event.OutcomeFailure, "UNSTABLE": event.OutcomeUnstable,
	"ABORTED": event.OutcomeAborted, "NOT_BUILT": event.OutcomeAborted,
}

// run is a build as far as it is read.
type run struct {
	id, job  string
	started  event.Opt[event.Time]
	finished event.Opt[event.Time]
	outcome  string
	at       event.Time
	delivery string
}

// Read reads one delivery.
func Read(r intake.Request) (intake.Result, error) {
	var m message
	if err := intake.Decode(r.Body, &m); err != nil {
		return intake.Result{}, err
	}
	b := m.Build
	if b == nil {
		return intake.Result{}, event.Fault("build", "is required")
	}
	phase := strings.ToUpper(b.Phase)
	res := intake.Result{Kind: intake.Clean("build."+phase, 128)}
	run, ignored, err := m.run(phase, r)
	if err != nil {
		return res, err
	}
	if res.Delivery = intake.Clean(run.id, intake.MostText); ignored != "" {
		res.Ignored = ignored
		return res, nil
	}
	target, err := targetOf(r, m)
	if err != nil {
		return res, err
	}
	if b.SCM.Commit != "" && b.SCM.URL != "" {
		if err := add(&res, run, m.build(run), names); err != nil {
			return res, err
		}
	}
	if target != nil {
		if err := add(&res, run, target.deployment(run, b), target.names); err != nil {
			return res, err
		}
	}
	if len(res.Events) > 0 {
		return res, nil
	}
	if phase == "STARTED" {
		res.Ignored = "no commit is checked out yet"
		return res, nil
	}
	res.Events = []event.Event{intake.Other(Source, res.Kind, run.id, "", r.Body)}
	return res, nil
}

// run reads what a delivery says about the course of a build.
func (m message) run(phase string, r intake.Request) (run, string, error) {
	b := m.Build
	out := run{job: jobName(m)}
	switch phase {
	case "":
		return out, "", event.Fault("build.phase", "is required: QUEUED, STARTED, COMPLETED or FINALIZED")
	case "FINISHED":
		phase = "FINALIZED"
	}
	if b.Number < 0 {
		return out, "", event.Fault("build.number", "%d is below 0", b.Number)
	}
	if out.id = m.id(); out.id == "" {
		return out, "", event.Fault("build.number", "is required, with the job's name (or build.full_url)")
	}
	if b.Duration < 0 {
		return out, "", event.Fault("build.duration", "%d is below 0", b.Duration)
	}
	at, err := b.time(r)
	if err != nil {
		return out, "", err
	}
	if b.Timestamp == 0 {
		// Read by the time of receipt, two deliveries of one body would differ.
		sum := sha256.Sum256(r.Body)
		out.delivery = "body:" + hex.EncodeToString(sum[:])
	}
	switch phase {
	case "STARTED":
		out.started, out.at = event.Some(at), at
		return out, "", nil
	case "COMPLETED", "FINALIZED":
	case "QUEUED":
		return out, "a queued build says nothing about delivery yet", nil
	default:
		return out, "", event.Fault("build.phase", "%q is not QUEUED, STARTED, COMPLETED or FINALIZED", intake.Clean(b.Phase, 60))
	}
	if b.Status == "" {
		return out, "", event.Fault("build.status", "is required of a completed build: SUCCESS, FAILURE, UNSTABLE, ABORTED or NOT_BUILT")
	}
	outcome, ok := buildOutcomes[strings.ToUpper(b.Status)]
	if !ok {
		return out, "", event.Fault("build.status", "%q is not SUCCESS, FAILURE, UNSTABLE, ABORTED or NOT_BUILT", intake.Clean(b.Status, 60))
	}
	out.outcome, out.finished, out.at = outcome, event.Some(at), at
	start := at - event.Time(b.Duration)*1000
	if start <= 0 {
		return out, "", event.Fault("build.duration", "%d ms lead back before 1970", b.Duration)
	}
	if b.Duration > 0 {
		out.started = event.Some(start)
	}
	if phase == "FINALIZED" {
		// What COMPLETED and STARTED say of the same fields is better.
		const before = event.Time(3600_000_000)
		out.at = max(start-before, 1)
	}
	return out, "", nil
}

// time is the timestamp, or when the delivery came.
func (b build) time(r intake.Request) (event.Time, error) {
	const latest = 7_258_118_400_000 // the year 2200
	switch {
	case b.Timestamp == 0:
		return r.Received, nil
	case b.Timestamp < 0 || b.Timestamp > latest:
		return 0, event.Fault("build.timestamp", "%d is not a time in milliseconds since 1970", b.Timestamp)
	}
	return event.Time(b.Timestamp) * 1000, nil
}

// id names the build, on all servers that have a root URL.
func (m message) id() string {
	b := m.Build
	for _, u := range []string{b.FullURL, b.OldFullURL} {
		if u = strings.TrimRight(withoutUser(strings.TrimSpace(u)), "/"); u != "" {
			return u
		}
	}
	if b.Number == 0 {
		return strings.TrimRight(strings.TrimSpace(b.URL), "/")
	}
	if job := strings.TrimSpace(jobName(m)); job != "" {
		return job + "#" + itoa(b.Number)
	}
	return ""
}

// jobName is the job with its folders: "job/shop/job/api/" is shop/api.
func jobName(m message) string {
	var parts []string
	elements := strings.Split(strings.Trim(m.URL, "/"), "/")
	for i := 0; i+1 < len(elements); i += 2 {
		if elements[i] != "job" {
			return m.Name
		}
		parts = append(parts, elements[i+1])
	}
	if len(parts) == 0 {
		return m.Name
	}
	return strings.Join(parts, "/")
}

func (m message) build(r run) *event.Build {
	b := m.Build
	return &event.Build{
		Repo: withoutUser(b.SCM.URL), SHA: b.SCM.Commit, ID: r.id, Branch: event.NonZero(branch(b.SCM.Branch)),
		Outcome: event.NonZero(r.outcome), StartedAt: r.started, FinishedAt: r.finished, URL: intake.Link(b.FullURL),
	}
}

// branch is the name of a branch without what git puts before it.
func branch(s string) string {
	s = strings.TrimPrefix(s, "refs/")
	s = strings.TrimPrefix(s, "remotes/")
	s = strings.TrimPrefix(s, "heads/")
	return strings.TrimPrefix(s, "origin/")
}

// add appends a validated event.
func add(res *intake.Result, r run, body event.Body, names map[string]string) error {
	e := event.Event{Source: Source, At: r.at, Body: body, Delivery: r.delivery}
	if err := e.Validate(); err != nil {
		return intake.Rename(err, names)
	}
	res.Events = append(res.Events, e)
	return nil
}
