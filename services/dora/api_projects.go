package dora

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	Authority        []project.Authority         `json:"authority" doc:"Which source is believed about deployments, where that is declared; elsewhere GitOps before CI before the git host"`
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
			return s.listProjects(ctx, *in)
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
		if err != nil {
			return nil, err
		}
		s.announce(ctx)
		if err := s.audit(ctx, ActionProjectWithdrawn, in.Project, in.Project, ""); err != nil {
			return nil, err
		}
		return nil, s.noteDeclared(ctx, in.Project, "the project's declaration was withdrawn")
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
	d, err := s.store.PutProject(ctx, spec, event.Micros(s.clock.Now()))
	if err != nil {
		return nil, err
	}
	s.announce(ctx)
	if err := s.audit(ctx, ActionProjectDeclared, name, name, fmt.Sprintf("version %d", d.Version)); err != nil {
		return nil, err
	}
	if err := s.noteDeclared(ctx, name, fmt.Sprintf("the project was declared, version %d", d.Version)); err != nil {
		return nil, err
	}
	b, err := s.describe(ctx, name)
	if errors.Is(err, ErrNotFound) { // declared, and its history not derived within the bound
		b, err = bare(d), nil
	}
	return &projectOutput{b}, err
}

// announce tells the projector of a changed declaration, and waits, within a
// bound, until it holds. Questions wait for it too.
func (s *Service) announce(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, freshWithin)
	defer cancel()
	want, err := s.store.Marks(ctx)
	if err == nil {
		s.projector.wait(bounded, want)
	}
}

// listProjects lists the projects that the caller may see.
func (s *Service) listProjects(ctx context.Context, in PageInput) (*listOutput[projectBody], error) {
	offset, err := in.offset()
	if err != nil {
		return nil, err
	}
	if _, err := s.reader.catchUp(ctx, ""); err != nil {
		return nil, err
	}
	heads, err := s.store.Heads(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.store.Projects(ctx)
	if err != nil {
		return nil, err
	}
	declared := map[string]Declared{}
	for _, d := range all {
		declared[d.Spec.Project] = d
	}
	heads = slices.DeleteFunc(heads, func(h Head) bool { return touch(ctx, h.Project) != nil })
	out := &listOutput[projectBody]{Body: listBody[projectBody]{Items: []projectBody{}}}
	for i := offset; i < len(heads); i++ {
		if len(out.Body.Items) == in.Limit {
			out.Body.NextCursor = cursorAt(i)
			break
		}
		d, ok := declared[heads[i].Project]
		if !ok {
			d = undeclared(heads[i].Project)
		}
		a, err := s.reader.at(ctx, heads[i], d)
		if errors.Is(err, ErrNotFound) {
			continue // withdrawn meanwhile
		}
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, described(a))
	}
	return out, nil
}

func bare(d Declared) projectBody {
	spec := d.Spec
	b := projectBody{
		Project: spec.Project, Description: spec.Description, Declared: d.Version > 0, Version: d.Version,
		TimeZone: spec.Location().String(), Calendar: spec.Calendar, Teams: spec.Teams,
		IncidentWindow: spec.Window().String(), FirstDeployment: cmp.Or(spec.FirstDeployment, project.FirstBaseline),
		MergeCommits: cmp.Or(spec.MergeCommits, project.MergeCount), Spec: spec,
		Authority: append([]project.Authority{}, spec.Authority...), Services: []serviceBody{}, Repositories: []history.RepositorySummary{}, Environments: []project.Environment{}, Entities: map[event.Type]int{},
	}
	if b.Teams == nil {
		b.Teams = []project.Team{}
	}
	b.Environments = append(b.Environments, spec.Environments...)
	return b
}

func (s *Service) describe(ctx context.Context, name string) (projectBody, error) {
	a, err := s.reader.project(ctx, name)
	if err != nil {
		return projectBody{}, err
	}
	return described(a), nil
}

// described joins what was declared about a project with what was seen of it.
func described(a answer) projectBody {
	d := a.Declared
	b := bare(d)
	if a.Summary.Repositories != nil {
		b.Repositories = a.Summary.Repositories
	}
	if a.Summary.Entities != nil {
		b.Entities = a.Summary.Entities
	}
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
	b.FirstDeployedAt, b.LastDeploymentAt = stamp(a.FirstDeployed), stamp(a.LastDeployed)
	if d.Version == 0 {
		for _, v := range b.Services {
			b.Spec.Services = append(b.Spec.Services, project.Service{Name: v.Name, Repo: v.Repo})
		}
		b.Spec.Environments = b.Environments
	}
	return b
}

func stamp(t event.Time) *time.Time {
	if t == 0 {
		return nil
	}
	v := t.Std()
	return &v
}
