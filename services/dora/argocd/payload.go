package argocd

import (
	"encoding/json"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// Format is what the field "fawkes" says in a body of the shipped template.
const Format = "argocd/v1"

// payload is a body of the shipped template.
type payload struct {
	Format string `json:"fawkes"`
	App    struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		UID         string            `json:"uid"`
		Project     string            `json:"project"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"app"`
	Destination destination `json:"destination"`
	Sources     []source    `json:"sources"`
	Operation   *operation  `json:"operation"`
	Resources   []resource  `json:"resources"`
	History     struct {
		ID        *int64   `json:"id"`
		Revision  string   `json:"revision"`
		Revisions []string `json:"revisions"`
	} `json:"history"`
	Health health   `json:"health"`
	Images []string `json:"images"`
	At     string   `json:"reconciledAt"`
	URL    string   `json:"url"`

	synced []string // further revisions that are known to be the manifests'
	whole  string   // what stands before the fields of a whole Application, where the body is one
	isApp  bool
}

type destination struct {
	Server    string `json:"server"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// source is where manifests come from.
type source struct {
	RepoURL string `json:"repoURL"`
	Path    string `json:"path"`
	Chart   string `json:"chart"`
}

// operation is what Argo CD did or does to the Application.
type operation struct {
	Phase      string   `json:"phase"`
	Message    string   `json:"message"`
	StartedAt  string   `json:"startedAt"`
	FinishedAt string   `json:"finishedAt"`
	DryRun     bool     `json:"dryRun"`
	SelfHeal   int64    `json:"selfHeal"`
	Revision   string   `json:"revision"`
	Revisions  []string `json:"revisions"`
}

// resource is one manifest of the sync that names images.
type resource struct {
	Kind    string   `json:"kind"`
	Name    string   `json:"name"`
	Status  string   `json:"status"`
	Message string   `json:"message"`
	Images  []string `json:"images"`
	Health  string   `json:"health"`
}

type health struct {
	Status string `json:"status"`
	Since  string `json:"lastTransitionTime"`
}

// application is the part that matters of an Application as Kubernetes holds it.
type application struct {
	Metadata *struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		UID         string            `json:"uid"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Project     string      `json:"project"`
		Destination destination `json:"destination"`
		Source      source      `json:"source"`
		Sources     []source    `json:"sources"`
	} `json:"spec"`
	Status struct {
		ReconciledAt   string `json:"reconciledAt"`
		Health         health `json:"health"`
		OperationState *struct {
			Phase      string `json:"phase"`
			Message    string `json:"message"`
			StartedAt  string `json:"startedAt"`
			FinishedAt string `json:"finishedAt"`
			Operation  struct {
				Sync struct {
					DryRun    bool     `json:"dryRun"`
					SelfHeal  int64    `json:"autoHealAttemptsCount"`
					Revision  string   `json:"revision"`
					Revisions []string `json:"revisions"`
				} `json:"sync"`
			} `json:"operation"`
			SyncResult struct {
				Revision  string     `json:"revision"`
				Revisions []string   `json:"revisions"`
				Resources []resource `json:"resources"`
			} `json:"syncResult"`
		} `json:"operationState"`
		Summary struct {
			Images []string `json:"images"`
		} `json:"summary"`
		Sync struct {
			Revision  string   `json:"revision"`
			Revisions []string `json:"revisions"`
		} `json:"sync"`
		History []struct {
			ID        int64    `json:"id"`
			Revision  string   `json:"revision"`
			Revisions []string `json:"revisions"`
		} `json:"history"`
		Resources []struct {
			Kind   string `json:"kind"`
			Name   string `json:"name"`
			Health struct {
				Status string `json:"status"`
			} `json:"health"`
		} `json:"resources"`
	} `json:"status"`
}

// parse reads a body of the template, or a whole Application.
func parse(body []byte) (*payload, error) {
	var head struct {
		Metadata json.RawMessage `json:"metadata"`
		App      struct {
			Metadata json.RawMessage `json:"metadata"`
		} `json:"app"`
	}
	if err := intake.Decode(body, &head); err != nil {
		return nil, err
	}
	switch {
	case head.Metadata != nil:
		var a application
		if err := intake.Decode(body, &a); err != nil {
			return nil, err
		}
		return a.payload(""), nil
	case head.App.Metadata != nil:
		var wrapped struct {
			App application `json:"app"`
		}
		if err := intake.Decode(body, &wrapped); err != nil {
			return nil, err
		}
		return wrapped.App.payload("app."), nil
	}
	p := &payload{}
	if err := intake.Decode(body, p); err != nil {
		return nil, err
	}
	if p.Format != "" && p.Format != Format {
		return nil, event.Fault("fawkes", "%q is not a format that is read: want %q, of the template that comes with this version", intake.Clean(p.Format, 60), Format)
	}
	return p, nil
}

func (a *application) payload(at string) *payload {
	p := &payload{whole: at, isApp: true, Destination: a.Spec.Destination, Health: a.Status.Health, Images: a.Status.Summary.Images, At: a.Status.ReconciledAt}
	if m := a.Metadata; m != nil {
		p.App.Name, p.App.Namespace, p.App.UID, p.App.Labels, p.App.Annotations = m.Name, m.Namespace, m.UID, m.Labels, m.Annotations
	}
	p.App.Project, p.Sources = a.Spec.Project, append(a.Spec.Sources, a.Spec.Source)
	p.synced = append(p.synced, a.Status.Sync.Revision)
	p.synced = append(p.synced, a.Status.Sync.Revisions...)
	for _, h := range a.Status.History {
		p.History.ID = &h.ID
		p.synced = append(append(p.synced, h.Revision), h.Revisions...)
	}
	s := a.Status.OperationState
	if s == nil {
		return p
	}
	p.Operation = &operation{
		Phase: s.Phase, Message: s.Message, StartedAt: s.StartedAt, FinishedAt: s.FinishedAt,
		DryRun: s.Operation.Sync.DryRun, SelfHeal: s.Operation.Sync.SelfHeal, Revision: s.SyncResult.Revision, Revisions: s.SyncResult.Revisions,
	}
	p.synced = append(append(p.synced, s.Operation.Sync.Revision), s.Operation.Sync.Revisions...)
	ill := map[[2]string]string{}
	for _, r := range a.Status.Resources {
		ill[[2]string{r.Kind, r.Name}] = r.Health.Status
	}
	for _, r := range s.SyncResult.Resources {
		if len(r.Images) > 0 {
			r.Health = ill[[2]string{r.Kind, r.Name}]
			p.Resources = append(p.Resources, r)
		}
	}
	return p
}
