package dora

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// projectBody is a project as it was declared and as it was seen.
type projectBody struct {
	Project          string                      `json:"project" doc:"Name"`
	Description      string                      `json:"description" doc:"What it is, as declared"`
	Declared         bool                        `json:"declared" doc:"Someone described it; otherwise events alone speak of it"`
	Version          int64                       `json:"version" doc:"Of the declaration; 0 without one"`
	TimeZone         string                      `json:"time_zone" doc:"Where its days begin"`
	Calendar         project.Calendar            `json:"calendar" doc:"Working days and holidays"`
	Teams            []project.Team              `json:"teams" doc:"Teams that own services"`
	Services         []serviceBody               `json:"services" doc:"Services, declared or seen"`
	Repositories     []history.RepositorySummary `json:"repositories" doc:"Repositories, declared or seen"`
	Environments     []project.Environment       `json:"environments" doc:"Environments, declared or seen, with their kind"`
	IncidentWindow   string                      `json:"incident_window" doc:"How long after a deployment an incident that names no cause is linked to it"`
	FirstDeployment  string                      `json:"first_deployment" doc:"baseline or attribute"`
	MergeCommits     string                      `json:"merge_commits" doc:"count or skip"`
	Entities         map[event.Type]int          `json:"entities" doc:"Distinct commits, pull requests, deployments … that were reported"`
	FirstEventAt     *time.Time                  `json:"first_event_at" doc:"Time of the earliest report, by its source's clock"`
	LastEventAt      *time.Time                  `json:"last_event_at" doc:"Time of the latest report"`
	FirstDeployedAt  *time.Time                  `json:"first_deployment_at" doc:"End of the first production deployment"`
	LastDeploymentAt *time.Time                  `json:"last_deployment_at" doc:"End of the latest production deployment"`
	Spec             project.Spec                `json:"spec" doc:"The declaration, to be changed and applied again; of an undeclared project, one that says what was seen"`
}

type serviceBody struct {
	Name         string   `json:"name" doc:"Name"`
	Team         string   `json:"team" doc:"Team that owns it, as declared"`
	Repo         string   `json:"repo" doc:"Repository, as declared or as the only one seen"`
	Repositories []string `json:"repositories" doc:"Repositories that it was deployed from"`
	Paths        []string `json:"paths" doc:"Paths of a monorepo that are its own"`
	Environments []string `json:"environments" doc:"Environments that it was deployed to"`
	Declared     bool     `json:"declared" doc:"It stands in the project's declaration"`
}

type projectOutput struct{ Body projectBody }

func (s *Service) registerProjects(api huma.API) {
	huma.Register(api, operation("list-projects", http.MethodGet, "/projects", "projects", auth.ScopeDoraRead,
		"Projects", "Declared ones and those that events speak of."),
		func(ctx context.Context, in *PageInput) (*listOutput[projectBody], error) {
			names, err := s.projectNames(ctx)
			if err != nil {
				return nil, err
			}
			offset, err := in.offset()
			if err != nil {
				return nil, err
			}
			out := &listOutput[projectBody]{Body: listBody[projectBody]{Items: []projectBody{}}}
			for i, name := range names {
				if i < offset {
					continue
				}
				if len(out.Body.Items) == in.Limit {
					out.Body.NextCursor = cursorAt(i)
					break
				}
				b, err := s.describe(ctx, name)
				if errors.Is(err, ErrNotFound) {
					continue // withdrawn meanwhile
				}
				if err != nil {
					return nil, err
				}
				out.Body.Items = append(out.Body.Items, b)
			}
			return out, nil
		})
	type Named struct {
		Project string `path:"project" doc:"Name of the project"`
	}
	huma.Register(api, operation("get-project", http.MethodGet, "/projects/{project}", "projects", auth.ScopeDoraRead,
		"One project", "As declared, and as seen."),
		func(ctx context.Context, in *Named) (*projectOutput, error) {
			if err := touch(ctx, in.Project); err != nil {
				return nil, err
			}
			b, err := s.describe(ctx, in.Project)
			if errors.Is(err, ErrNotFound) {
				return nil, unknownProject(in.Project)
			}
			return &projectOutput{b}, err
		})
	huma.Register(api, operation("put-project", http.MethodPut, "/projects/{project}", "projects", auth.ScopeDoraAdmin,
		"Declare a project", "Replaces the declaration. Its history is derived anew under it at once."),
		func(ctx context.Context, in *struct {
			Named
			Body project.Spec
		}) (*projectOutput, error) {
			return s.declare(ctx, in.Project, in.Body)
		})
	del := operation("delete-project", http.MethodDelete, "/projects/{project}", "projects", auth.ScopeDoraAdmin,
		"Withdraw a declaration", "Events stay: what they say about the project goes on to be shown under the defaults.")
	del.DefaultStatus = http.StatusNoContent
	huma.Register(api, del, func(ctx context.Context, in *Named) (*struct{}, error) {
		if err := touch(ctx, in.Project); err != nil {
			return nil, err
		}
		err := s.store.DeleteProject(ctx, in.Project)
		if errors.Is(err, ErrNotFound) {
			return nil, unknownProject(in.Project)
		}
		if err == nil {
			s.projector.declare(in.Project)
		}
		return nil, err
	})
}

func (s *Service) declare(ctx context.Context, name string, spec project.Spec) (*projectOutput, error) {
	if err := touch(ctx, name); err != nil {
		return nil, err
	}
	if spec.Project == "" {
		spec.Project = name
	}
	if spec.Project != name {
		return nil, problem.New(problem.InvalidField, "the body describes %q, the address names %q", spec.Project, name).WithField("body.project")
	}
	if err := spec.Validate(); err != nil {
		var fault *event.FieldError
		if errors.As(err, &fault) {
			return nil, problem.New(problem.InvalidField, "%s", fault.Detail).WithField("body." + fault.Field)
		}
		return nil, err
	}
	d, err := s.store.PutProject(ctx, spec)
	if err != nil {
		return nil, err
	}
	s.projector.declare(name)
	bounded, cancel := context.WithTimeout(ctx, freshWithin)
	defer cancel()
	if err := s.projector.waitFor(bounded, func() (bool, error) {
		h, err := s.store.Head(ctx, name)
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		return h.SpecVersion >= d.Version, err
	}); err != nil {
		return nil, err
	}
	b, err := s.describe(ctx, name)
	if errors.Is(err, ErrNotFound) { // declared, and its history not derived within the bound
		b, err = bare(d), nil
	}
	return &projectOutput{b}, err
}

// projectNames lists the projects that the caller may see.
func (s *Service) projectNames(ctx context.Context) ([]string, error) {
	if _, err := s.reader.catchUp(ctx); err != nil {
		return nil, err
	}
	heads, err := s.store.Heads(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, h := range heads {
		if touch(ctx, h.Project) == nil {
			names = append(names, h.Project)
		}
	}
	return names, nil
}

func bare(d Declared) projectBody {
	spec := d.Spec
	b := projectBody{
		Project: spec.Project, Description: spec.Description, Declared: d.Version > 0, Version: d.Version,
		TimeZone: spec.Location().String(), Calendar: spec.Calendar, Teams: spec.Teams,
		IncidentWindow: spec.Window().String(), FirstDeployment: cmp.Or(spec.FirstDeployment, project.FirstBaseline),
		MergeCommits: cmp.Or(spec.MergeCommits, project.MergeCount), Spec: spec,
		Services: []serviceBody{}, Repositories: []history.RepositorySummary{}, Environments: []project.Environment{}, Entities: map[event.Type]int{},
	}
	if b.Teams == nil {
		b.Teams = []project.Team{}
	}
	b.Environments = append(b.Environments, spec.Environments...)
	return b
}

func (s *Service) describe(ctx context.Context, name string) (projectBody, error) {
	d, err := s.store.Project(ctx, name)
	if errors.Is(err, ErrNotFound) {
		d, err = Declared{Spec: project.Spec{Project: name}}, nil
	}
	if err != nil {
		return projectBody{}, err
	}
	a, err := s.reader.project(ctx, name)
	if err != nil {
		return projectBody{}, err
	}
	b := bare(d)
	b.Repositories, b.Entities = a.Summary.Repositories, a.Summary.Entities
	b.FirstEventAt, b.LastEventAt = stamp(a.Summary.FirstAt), stamp(a.Summary.LastAt)
	for _, v := range a.Summary.Services {
		sb := serviceBody{Name: v.Name, Team: v.Team, Repositories: v.Repositories, Environments: v.Environments, Paths: []string{}}
		if declared, ok := d.Spec.Service(v.Name); ok {
			sb.Declared, sb.Repo = true, declared.Repo
			sb.Paths = append(sb.Paths, declared.Paths...)
		}
		if sb.Repo == "" && len(v.Repositories) == 1 {
			sb.Repo = v.Repositories[0]
		}
		b.Services = append(b.Services, sb)
		for _, e := range v.Environments {
			if !slices.ContainsFunc(b.Environments, func(have project.Environment) bool { return have.Name == e }) {
				b.Environments = append(b.Environments, project.Environment{Name: e, Kind: d.Spec.EnvironmentKind(e)})
			}
		}
	}
	var first, last history.Time
	for _, ln := range a.History.Lanes {
		if !ln.Production {
			continue
		}
		for _, dep := range ln.Deployments {
			if t := dep.FinishedAt; t != 0 {
				if first == 0 || t < first {
					first = t
				}
				last = max(last, t)
			}
		}
	}
	b.FirstDeployedAt, b.LastDeploymentAt = stamp(first), stamp(last)
	if d.Version == 0 {
		for _, v := range b.Services {
			b.Spec.Services = append(b.Spec.Services, project.Service{Name: v.Name, Repo: v.Repo})
		}
		b.Spec.Environments = b.Environments
	}
	return b, nil
}

func stamp(t event.Time) *time.Time {
	if t == 0 {
		return nil
	}
	v := t.Std()
	return &v
}
