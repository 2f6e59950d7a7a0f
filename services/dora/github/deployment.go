package github

import (
	"encoding/json"
	"regexp"
	"strconv"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

type deployment struct {
	ID          int64           `json:"id"`
	SHA         string          `json:"sha"`
	Environment string          `json:"environment"`
	Description string          `json:"description"`
	CreatedAt   string          `json:"created_at"`
	UpdatedAt   string          `json:"updated_at"`
	Payload     json.RawMessage `json:"payload"`
}

type deploymentStatus struct {
	State          string `json:"state"`
	Environment    string `json:"environment"`
	CreatedAt      string `json:"created_at"`
	LogURL         string `json:"log_url"`
	TargetURL      string `json:"target_url"`
	EnvironmentURL string `json:"environment_url"`
}

// deploymentNames are GitHub's names for the fields of the vocabulary.
var deploymentNames = map[string]string{
	"id": "deployment.id", "repo": repoField, "sha": "deployment.sha", "environment": "deployment.environment",
	"service": "deployment.payload.service", "digest": "deployment.payload.digest", "title": "deployment.description",
	"started_at": "deployment.created_at", "finished_at": "deployment_status.created_at", "outcome": "deployment_status.state",
}

func (r *Result) deployment(body []byte) error {
	var b struct {
		Deployment *deployment `json:"deployment"`
	}
	if err := intake.Decode(body, &b); err != nil {
		return err
	}
	d, err := r.startedDeployment(b.Deployment)
	if err != nil {
		return err
	}
	return r.add(d.StartedAt.V, d, deploymentNames)
}

func (r *Result) deploymentStatus(body []byte) error {
	var b struct {
		Deployment *deployment       `json:"deployment"`
		Status     *deploymentStatus `json:"deployment_status"`
	}
	if err := intake.Decode(body, &b); err != nil {
		return err
	}
	d, err := r.startedDeployment(b.Deployment)
	if err != nil {
		return err
	}
	if b.Status == nil {
		return event.Fault("deployment_status", "is required")
	}
	at, err := intake.MustWhen("deployment_status.created_at", b.Status.CreatedAt)
	if err != nil {
		return err
	}
	switch b.Status.State {
	case "success":
		d.Outcome, d.FinishedAt = event.Some(event.OutcomeSuccess), at
	case "failure", "error":
		d.Outcome, d.FinishedAt = event.Some(event.OutcomeFailure), at
	case "queued", "pending", "waiting", "in_progress":
	case "inactive":
		r.Ignored = "inactive says only that a later deployment took its place"
		return nil
	case "":
		return event.Fault("deployment_status.state", "is required: success, failure, error, in_progress, queued, pending, waiting or inactive")
	default: // kept as it came: when GitHub's new state is read, the deployment is not lost
		return event.Fault("deployment_status.state", "%q is not success, failure, error, in_progress, queued, pending, waiting or inactive", intake.Clean(b.Status.State, 60))
	}
	for _, u := range []string{b.Status.LogURL, b.Status.TargetURL, b.Status.EnvironmentURL} {
		if d.URL = intake.Link(u); d.URL.Known {
			break
		}
	}
	return r.add(at.V, d, deploymentNames)
}

// startedDeployment reads what a deployment says of itself.
func (r *Result) startedDeployment(d *deployment) (*event.Deployment, error) {
	if err := r.needRepo(); err != nil {
		return nil, err
	}
	if d == nil {
		return nil, event.Fault("deployment", "is required")
	}
	if d.ID <= 0 {
		return nil, event.Fault("deployment.id", "is required: a whole number above 0")
	}
	if d.SHA == "" {
		return nil, event.Fault("deployment.sha", "is required: the commit that is deployed")
	}
	started, err := intake.MustWhen("deployment.created_at", d.CreatedAt)
	if err != nil {
		return nil, err
	}
	out := &event.Deployment{
		ID: strconv.FormatInt(d.ID, 10), Repo: event.Some(r.Repo), SHA: event.Some(d.SHA),
		Environment: event.NonZero(d.Environment), StartedAt: started, Title: event.NonZero(intake.Clean(d.Description, 2048)),
	}
	return out, d.payload(out)
}

// imageDigest is the end of an image's name that is pinned by digest.
var imageDigest = regexp.MustCompile(`@(sha256:[0-9a-f]{64})$`)

// payload reads what the caller of GitHub's API put into the deployment. It is
// free for any use, so a payload of another shape is left alone; but where it
// has our fields, they must be right.
func (d *deployment) payload(out *event.Deployment) error {
	fields := map[string]json.RawMessage{}
	raw := d.Payload
	var text string
	if json.Unmarshal(raw, &text) == nil { // an object written as text
		raw = json.RawMessage(text)
	}
	if json.Unmarshal(raw, &fields) != nil {
		return nil //nolint:nilerr // as said above, another shape is no fault
	}
	var err error
	if out.Service, err = payloadText(fields, "service"); err != nil {
		return err
	}
	if out.Digest, err = payloadText(fields, "digest"); err != nil {
		return err
	}
	if !out.Digest.Known {
		var image string
		if json.Unmarshal(fields["image"], &image) == nil {
			if m := imageDigest.FindStringSubmatch(image); m != nil {
				out.Digest = event.Some(m[1])
			}
		}
	}
	if v, ok := fields["unplanned"]; ok && string(v) != "null" {
		var b bool
		if json.Unmarshal(v, &b) != nil {
			return event.Fault("deployment.payload.unplanned", "want true or false, got %s", intake.Clean(string(v), 60))
		}
		out.Unplanned = event.Some(b)
	}
	return nil
}

func payloadText(fields map[string]json.RawMessage, name string) (event.Opt[string], error) {
	v, ok := fields[name]
	if !ok || string(v) == "null" {
		return event.Opt[string]{}, nil
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return event.Opt[string]{}, event.Fault("deployment.payload."+name, "want a string, got %s", intake.Clean(string(v), 60))
	}
	return event.NonZero(s), nil
}
