// Package notify writes what Argo CD's notifications controller would send about
// an Application, had it the template that the platform ships
// (platform/argocd/notifications): the same conditions, the same body. A test
// renders the shipped template with the equivalent Application and compares.
//
// # When something is sent
//
//	an operation runs                        once for its startedAt
//	it has succeeded, failed, or could not   once for its finishedAt
//	be carried out
//	it has succeeded and is healthy          once for its finishedAt
//	it has succeeded and is degraded         once for its startedAt and the transition
//
// Here an operation has succeeded when what it rolled out is healthy, so that the
// second and the third are sent together, as by an Argo CD that sees both at once.
// The receiver takes them for one.
package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Format is what the field "fawkes" says in a body.
const Format = "argocd/v1"

// The phases of an operation.
const (
	Running   = "Running"
	Succeeded = "Succeeded"
	Failed    = "Failed"
	Error     = "Error"
)

// The health of an Application or a resource.
const (
	Healthy     = "Healthy"
	Progressing = "Progressing"
	Degraded    = "Degraded"
	Suspended   = "Suspended"
	Missing     = "Missing"
	Unknown     = "Unknown"
)

// Application is as much of an Argo CD Application as notifications tell of.
type Application struct {
	Name, Namespace, UID, Project string
	Labels, Annotations           map[string]string

	Repository, Path, Branch string // where its manifests are
	Destination              string // the namespace that it deploys to

	Operation *Operation
	History   *History // the newest entry
	Health    Health
	Resources []ResourceHealth // those with a health of their own
	Images    []string         // of what runs
	At        time.Time        // when it was looked at
}

// Operation is what is being, or was last, done to the Application.
type Operation struct {
	Phase, Message    string
	Started, Finished time.Time // Finished is zero for one that runs
	Revision          string
	Automated         bool
	By                string // who began it, when not Automated
	DryRun            bool
	SelfHeal          int // attempts to bring back what was deployed before
	Resources         []Resource
}

// Resource is one manifest of an operation.
type Resource struct {
	Kind, Namespace, Name, Status, Message string
	Images                                 []string
}

// ResourceHealth is the health of one resource.
type ResourceHealth struct{ Kind, Namespace, Name, Status string }

// History is one roll-out that succeeded.
type History struct {
	ID                int64
	Revision          string
	Started, Deployed time.Time
	Automated         bool
	By                string
}

// Health is the Application's, and since when.
type Health struct {
	Status string
	Since  time.Time // zero: unknown
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// object is a JSON object; its keys are written in order.
type object = map[string]any

// Body is the request's body. site is where people see Applications, "" for nowhere.
func (a Application) Body(site string) ([]byte, error) {
	annotations := map[string]string{}
	for name, value := range a.Annotations {
		if strings.HasPrefix(name, "fawkes.dev/") || strings.HasPrefix(name, "org.opencontainers.image.") || name == "environment" || name == "env" {
			annotations[name] = value
		}
	}
	url := ""
	if site != "" {
		url = fmt.Sprintf("%s/applications/%s/%s", site, a.Namespace, a.Name)
	}
	body := object{
		"fawkes":      Format,
		"app":         object{"name": a.Name, "namespace": a.Namespace, "uid": a.UID, "project": a.Project, "labels": a.Labels, "annotations": annotations},
		"destination": a.destination(),
		"sources":     []any{a.source()},
		"resources":   a.resources(),
		"history":     a.History.fields(),
		"health":      a.Health.fields(),
		"images":      orEmpty(a.Images),
		"url":         url, "reconciledAt": stamp(a.At),
	}
	if a.Operation != nil {
		body["operation"] = a.Operation.fields()
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write a notification: %w", err)
	}
	return text, nil
}

func (a Application) destination() object {
	return object{"name": "fawkes", "namespace": a.Destination}
}

func (a Application) source() object {
	return object{"repoURL": a.Repository, "path": a.Path, "targetRevision": a.Branch}
}

// resources are those of the operation that name images, each with its health.
func (a Application) resources() []any {
	out := []any{}
	if a.Operation == nil {
		return out
	}
	health := map[string]string{}
	for _, r := range a.Resources {
		health[r.Kind+"/"+r.Namespace+"/"+r.Name] = r.Status
	}
	for _, r := range a.Operation.Resources {
		if len(r.Images) == 0 {
			continue
		}
		fields := r.fields()
		fields["health"] = health[r.Kind+"/"+r.Namespace+"/"+r.Name]
		out = append(out, fields)
	}
	return out
}

func (r Resource) fields() object {
	out := object{"kind": r.Kind, "namespace": r.Namespace, "name": r.Name, "status": r.Status, "message": r.Message}
	if len(r.Images) > 0 {
		out["images"] = r.Images
	}
	return out
}

func (o *Operation) fields() object {
	out := object{
		"phase": o.Phase, "startedAt": stamp(o.Started), "message": o.Message, "initiatedBy": initiated(o.Automated, o.By),
		"dryRun": o.DryRun, "selfHeal": o.SelfHeal, "revision": o.Revision, "revisions": nil,
	}
	if !o.Finished.IsZero() {
		out["finishedAt"] = stamp(o.Finished)
	}
	return out
}

func initiated(automated bool, by string) object {
	if automated {
		return object{"automated": true}
	}
	return object{"username": by}
}

func (h *History) fields() object {
	if h == nil {
		return object{}
	}
	return object{"id": h.ID, "revision": h.Revision, "deployStartedAt": stamp(h.Started), "deployedAt": stamp(h.Deployed), "initiatedBy": initiated(h.Automated, h.By)}
}

func (h Health) fields() object {
	out := object{"status": h.Status}
	if !h.Since.IsZero() {
		out["lastTransitionTime"] = stamp(h.Since)
	}
	return out
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// Occasions are the conditions of the shipped trigger that hold now, each as a key
// by which it is sent once.
func (a Application) Occasions() []string {
	o := a.Operation
	if o == nil {
		return nil
	}
	var out []string
	switch o.Phase {
	case Running:
		out = append(out, "running "+stamp(o.Started))
	case Succeeded, Failed, Error:
		out = append(out, strings.ToLower(o.Phase)+" "+stamp(o.Finished))
	}
	if o.Phase == Succeeded && a.Health.Status == Healthy {
		out = append(out, "healthy "+stamp(o.Finished))
	}
	if o.Phase == Succeeded && a.Health.Status == Degraded {
		since := ""
		if !a.Health.Since.IsZero() {
			since = stamp(a.Health.Since)
		}
		out = append(out, "degraded "+stamp(o.Started)+" "+since)
	}
	return out
}
