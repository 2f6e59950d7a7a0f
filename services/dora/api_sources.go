package dora

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// sourceDevLake is the kind of what reports to DevLake's webhook API, which is
// no [intake.Kind]: it has many paths, answers of its own, and connections.
const sourceDevLake = "devlake"

type sourceBody struct {
	ID        string     `json:"id" doc:"Number of the source; of a DevLake connection its id in paths"`
	Kind      string     `json:"kind" doc:"What sends the deliveries, see the list of kinds"`
	Name      string     `json:"name" doc:"Name, unique within its kind"`
	Project   string     `json:"project" doc:"The project that its events belong to"`
	Path      string     `json:"path" doc:"Where its deliveries go"`
	URL       string     `json:"url" doc:"The same as a full URL"`
	Secret    string     `json:"secret,omitempty" doc:"What signs its deliveries, or is their token; shown once"`
	Setup     string     `json:"setup" doc:"What to do at the source"`
	CreatedAt *time.Time `json:"created_at" doc:"When it was set up"`
}

// sourceKindBody is a kind of source that can be set up.
type sourceKindBody struct {
	Kind   string `json:"kind" doc:"Name of the kind"`
	Title  string `json:"title" doc:"What people call it"`
	Path   string `json:"path" doc:"Where its deliveries go"`
	Signed bool   `json:"signed" doc:"Whether the secret signs the deliveries; else it is, or may be, sent with them as a token"`
	Setup  string `json:"setup" doc:"What to do at the source"`
}

// sourceKinds are all kinds that a source can have.
func (s *Service) sourceKinds() []sourceKindBody {
	out := make([]sourceKindBody, 0, len(s.kinds)+1)
	for _, k := range s.kinds {
		out = append(out, sourceKindBody{Kind: k.Name, Title: k.Title, Path: k.Path, Signed: k.Verify != nil && k.Signature == "", Setup: k.Setup})
	}
	return append(out, sourceKindBody{
		Kind: sourceDevLake, Title: "Apache DevLake's incoming webhook", Path: devlakeConnections,
		Setup: "Where the DevLake webhook's URL was set, set {url}, and send the header `Authorization: Bearer {secret}`; deployments go to {url}/deployments.",
	})
}

const devlakeConnections = "/api/rest/plugins/webhook/connections"

// sourceOf shows a source; with its secret when that was just made.
func (s *Service) sourceOf(v Source, secret string) sourceBody {
	b := sourceBody{ID: strconv.FormatInt(v.ID, 10), Kind: v.Kind, Name: v.Name, Project: v.Project, Secret: secret, CreatedAt: stamp(v.CreatedAt)}
	for _, k := range s.sourceKinds() {
		if k.Kind == v.Kind {
			b.Path, b.Setup = k.Path, k.Setup
		}
	}
	if v.Kind == sourceDevLake {
		b.Path += "/" + b.ID
	}
	b.URL = s.cfg.PublicURL + b.Path
	if secret == "" {
		secret = "SECRET"
	}
	b.Setup = strings.NewReplacer("{url}", b.URL, "{secret}", secret).Replace(b.Setup)
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
					out.Body.Items = append(out.Body.Items, s.sourceOf(v, ""))
				}
			}
			return out, err
		})
	huma.Register(api, operation("list-source-kinds", http.MethodGet, "/source-kinds", "sources", auth.ScopeDoraRead,
		"Kinds of webhook source", "What can send deliveries, where they go and how they are set up."),
		func(context.Context, *struct{}) (*listOutput[sourceKindBody], error) {
			return &listOutput[sourceKindBody]{Body: listBody[sourceKindBody]{Items: s.sourceKinds()}}, nil
		})
	add := operation("add-source", http.MethodPost, "/sources", "sources", auth.ScopeDoraAdmin,
		"Set up a webhook source", "Makes a secret of 256 random bits, which the answer shows once, unless one is given.")
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, func(ctx context.Context, in *struct {
		Body struct {
			Kind    string `json:"kind" doc:"What sends the deliveries: github, devlake, or another of the list of kinds"`
			Name    string `json:"name,omitempty" doc:"Name, unique within its kind; the project's without one"`
			Project string `json:"project,omitempty" doc:"The project that its events belong to; without one, each belongs to the project of its repository or service, as with a webhook of a whole organization"`
			Secret  string `json:"secret,omitempty" minLength:"16" maxLength:"512" doc:"A secret that the source made, as PagerDuty does; without one, a secret is made here"`
		}
	}) (*struct{ Body sourceBody }, error) {
		v := Source{Kind: in.Body.Kind, Name: in.Body.Name, Project: in.Body.Project, Secret: in.Body.Secret}
		if strings.TrimSpace(v.Secret) != v.Secret {
			return nil, problem.New(problem.InvalidField, "begins or ends with white space").WithField("body.secret")
		}
		if v.Name == "" {
			v.Name = v.Project
		}
		if err := s.knownKind(v.Kind); err != nil {
			return nil, err
		}
		if v.Name == "" {
			return nil, problem.New(problem.InvalidField, "a source for no project in particular needs a name").WithField("body.name")
		}
		if v.Project == "" && v.Kind == sourceDevLake {
			return nil, problem.New(problem.InvalidField, "a DevLake connection is for one project").WithField("body.project")
		}
		if v.Project != "" && !project.ValidName(v.Project) {
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
		return &struct{ Body sourceBody }{s.sourceOf(v, made(in.Body.Secret, v.Secret))}, nil
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

func (s *Service) knownKind(name string) error {
	var names []string
	for _, k := range s.sourceKinds() {
		if k.Kind == name {
			return nil
		}
		names = append(names, k.Kind)
	}
	return problem.New(problem.InvalidField, "%q is not a kind of source; the kinds are %s", name, strings.Join(names, ", ")).WithField("body.kind")
}

// made is the secret that was made here: a given one is not told again.
func made(given, secret string) string {
	if given != "" {
		return ""
	}
	return secret
}
