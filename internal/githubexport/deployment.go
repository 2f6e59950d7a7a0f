package githubexport

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
)

func (r *reader) deployment(o *object) (line, error) {
	repo, err := r.repoOf(o.RepositoryURL, o.URL)
	if err != nil {
		return nil, err
	}
	if o.ID <= 0 {
		return nil, fault("id", "is required: a whole number above 0")
	}
	if err := hash("sha", o.SHA); err != nil {
		return nil, err
	}
	if err := times(required("created_at", o.CreatedAt)); err != nil {
		return nil, err
	}
	l := start("deployment", o.CreatedAt).put("id", strconv.FormatInt(o.ID, 10)).put("environment", o.Environment).put("repo", repo).put("sha", o.SHA).
		put("started_at", o.CreatedAt).put("title", clean(o.Description))
	return o.payload(l)
}

var imageDigest = regexp.MustCompile(`@(sha256:[0-9a-f]{64})$`)

// payload adds what the maker of the deployment put into it, as the webhook's
// reader does.
func (o *object) payload(l line) (line, error) {
	raw := o.Payload
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return l, nil //nolint:nilerr // a payload is free for any use
	}
	digest := ""
	for _, name := range []string{"service", "digest"} {
		v := fields[name]
		if v == nil || bytes.Equal(v, []byte("null")) {
			continue
		}
		var s string
		if json.Unmarshal(v, &s) != nil {
			return nil, fault("payload."+name, "want a string, got %.60s", v)
		}
		if name == "digest" {
			digest = s
		}
		l = l.put(name, s)
	}
	var image string
	if digest == "" && json.Unmarshal(fields["image"], &image) == nil {
		if m := imageDigest.FindStringSubmatch(image); m != nil {
			l = l.put("digest", m[1])
		}
	}
	if v := fields["unplanned"]; v != nil && !bytes.Equal(v, []byte("null")) {
		var b bool
		if json.Unmarshal(v, &b) != nil {
			return nil, fault("payload.unplanned", "want true or false, got %.60s", v)
		}
		l = append(l, pair{"unplanned", b})
	}
	return l, nil
}

var deploymentID = regexp.MustCompile(`/deployments/(\d+)(?:[/?#]|$)`)

// status says what became of a deployment.
func (r *reader) status(o *object) (line, error) {
	m := deploymentID.FindStringSubmatch(o.DeploymentURL)
	if m == nil {
		return nil, fault("deployment_url", "%q names no deployment", o.DeploymentURL)
	}
	repo, err := r.repoOf(o.RepositoryURL, o.DeploymentURL)
	if err != nil {
		return nil, err
	}
	if err := times(required("created_at", o.CreatedAt)); err != nil {
		return nil, err
	}
	var outcome string
	switch o.State {
	case "success":
		outcome = "success"
	case "failure", "error":
		outcome = "failure"
	case "":
		return nil, fault("state", "is required")
	case "queued", "pending", "waiting", "in_progress", "inactive":
		return nil, nil // it still runs, or a later one took its place
	default:
		return nil, fault("state", "%q is not a state of a deployment that is known", o.State)
	}
	l := start("deployment", o.CreatedAt).put("id", m[1]).put("environment", o.Environment).put("repo", repo).put("outcome", outcome).put("finished_at", o.CreatedAt)
	for _, u := range []string{o.LogURL, o.TargetURL, o.EnvironmentURL} {
		if u != "" {
			return l.put("url", u), nil
		}
	}
	return l, nil
}
