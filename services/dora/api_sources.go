package dora

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

type sourceBody struct {
	ID        string     `json:"id" doc:"Number of the source; of a DevLake connection its id in paths"`
	Kind      string     `json:"kind" doc:"github or devlake"`
	Name      string     `json:"name" doc:"Name, unique within its kind"`
	Project   string     `json:"project" doc:"The project that its events belong to"`
	Path      string     `json:"path" doc:"Where its deliveries go"`
	Secret    string     `json:"secret,omitempty" doc:"What signs its deliveries, or is their key; shown once"`
	CreatedAt *time.Time `json:"created_at" doc:"When it was set up"`
}

func sourceOf(v Source) sourceBody {
	b := sourceBody{ID: strconv.FormatInt(v.ID, 10), Kind: v.Kind, Name: v.Name, Project: v.Project, CreatedAt: stamp(v.CreatedAt), Path: "/webhooks/dora/github"}
	if v.Kind == sourceDevLake {
		b.Path = "/api/rest/plugins/webhook/connections/" + b.ID
	}
	return b
}

// sourceName is what a source may be called.
var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func (s *Service) registerSources(api huma.API) {
	huma.Register(api, operation("list-sources", http.MethodGet, "/sources", "sources", auth.ScopeDoraAdmin,
		"Webhook sources", "Who may send deliveries; without their secrets."),
		func(ctx context.Context, _ *struct{}) (*listOutput[sourceBody], error) {
			all, err := s.store.Sources(ctx)
			out := &listOutput[sourceBody]{Body: listBody[sourceBody]{Items: []sourceBody{}}}
			for _, v := range all {
				if touch(ctx, v.Project) == nil {
					out.Body.Items = append(out.Body.Items, sourceOf(v))
				}
			}
			return out, err
		})
	add := operation("add-source", http.MethodPost, "/sources", "sources", auth.ScopeDoraAdmin,
		"Set up a webhook source", "Makes a secret of 256 random bits, which the answer shows once.")
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, func(ctx context.Context, in *struct {
		Body struct {
			Kind    string `json:"kind" enum:"github,devlake" doc:"What sends the deliveries"`
			Name    string `json:"name,omitempty" doc:"Name, unique within its kind; the project's without one"`
			Project string `json:"project" doc:"The project that its events belong to"`
		}
	}) (*struct{ Body sourceBody }, error) {
		v := Source{Kind: in.Body.Kind, Name: in.Body.Name, Project: in.Body.Project}
		if v.Name == "" {
			v.Name = v.Project
		}
		if !project.ValidName(v.Project) {
			return nil, problem.New(problem.InvalidField, "%q is not a name for a project", v.Project).WithField("body.project")
		}
		if !sourceName.MatchString(v.Name) {
			return nil, problem.New(problem.InvalidField, "%q is not a name: letters, digits and . _ -, at most 100", v.Name).WithField("body.name")
		}
		if err := touch(ctx, v.Project); err != nil {
			return nil, err
		}
		if p, ok := auth.FromContext(ctx); ok {
			v.CreatedBy = p.Subject
		}
		v, err := s.addSource(ctx, v)
		if errors.Is(err, ErrExists) {
			return nil, problem.New(problem.Conflict, "there is a %s source %q already", in.Body.Kind, v.Name).WithField("body.name").
				WithMend("choose another name, or remove that one: its secret cannot be shown again")
		}
		if err != nil {
			return nil, err
		}
		b := sourceOf(v)
		b.Secret = v.Secret
		return &struct{ Body sourceBody }{b}, nil
	})
	del := operation("delete-source", http.MethodDelete, "/sources/{id}", "sources", auth.ScopeDoraAdmin,
		"Remove a webhook source", "Its deliveries are refused from now on; what it sent stays.")
	del.DefaultStatus = http.StatusNoContent
	huma.Register(api, del, func(ctx context.Context, in *struct {
		ID int64 `path:"id" doc:"Number of the source"`
	}) (*struct{}, error) {
		all, err := s.store.Sources(ctx)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(v Source) bool { return v.ID == in.ID })
		if i < 0 || touch(ctx, all[i].Project) != nil {
			return nil, notFoundf("there is no source %d", in.ID)
		}
		err = s.store.DeleteSource(ctx, in.ID)
		if errors.Is(err, ErrNotFound) {
			return nil, notFoundf("there is no source %d", in.ID)
		}
		if err != nil {
			return nil, err
		}
		return nil, s.auditSource(ctx, ActionSourceRemoved, all[i])
	})
}
