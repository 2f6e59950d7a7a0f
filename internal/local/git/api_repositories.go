package git

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

type repositoryInfo struct {
	Name          string     `json:"name" example:"shop/api"`
	Description   string     `json:"description"`
	DefaultBranch string     `json:"default_branch" example:"main"`
	CloneURL      string     `json:"clone_url" example:"http://127.0.0.1:8080/git/shop/api.git"`
	Size          int64      `json:"size_bytes" doc:"On disk, as of the last push."`
	Created       time.Time  `json:"created_at"`
	Pushed        *time.Time `json:"pushed_at" doc:"Null when nothing was pushed yet."`
	Head          *string    `json:"head_sha" doc:"The commit of the default branch; null when there is none yet."`
	Protected     []Rule     `json:"protected" nullable:"false" doc:"Rules for branches. Where several match, each must allow what is done."`
}

type repositoryAnswer struct{ Body repositoryInfo }

type repositoryList struct {
	Items      []repositoryInfo `json:"items" nullable:"false"`
	NextCursor string           `json:"next_cursor,omitempty" doc:"Absent on the last page."`
}

type repositoriesAnswer struct{ Body repositoryList }

type putRepository struct {
	Named
	Body struct {
		Description   *string `json:"description,omitempty" maxLength:"500"`
		DefaultBranch *string `json:"default_branch,omitempty" maxLength:"200" doc:"main when a repository is made without one."`
		Protected     *[]Rule `json:"protected,omitempty" maxItems:"50" doc:"All rules; a new repository without them protects its default branch."`
	}
}

type refInfo struct {
	Name    string  `json:"name" example:"main"`
	Kind    string  `json:"kind" enum:"branch,tag"`
	Ref     string  `json:"ref" example:"refs/heads/main"`
	SHA     string  `json:"sha" doc:"What it names: a commit, or the tag's own object."`
	Commit  *string `json:"commit_sha" doc:"The commit behind it; null of a tag of something else."`
	Default bool    `json:"default"`
}

type refsAnswer struct {
	Body struct {
		Items []refInfo `json:"items" nullable:"false"`
	}
}

func (s *Service) registerRepositories(api huma.API) {
	const tag = "repositories"
	huma.Register(api, operation(http.MethodGet, "/repositories", "list-repositories", tag, "List repositories by name", auth.ScopeGitRead, 400), s.listRepositories)
	huma.Register(api, operation(http.MethodGet, "/repositories/{owner}/{name}", "get-repository", tag, "Show a repository", auth.ScopeGitRead, 404), s.getRepository)
	huma.Register(api, operation(http.MethodPut, "/repositories/{owner}/{name}", "put-repository", tag,
		"Make a repository, or change what is given of it; protection asks for git:admin", auth.ScopeGitWrite, 404, 422), s.putRepository)
	remove := operation(http.MethodDelete, "/repositories/{owner}/{name}", "delete-repository", tag, "Remove a repository for good", auth.ScopeGitAdmin, 404)
	huma.Register(api, remove, s.deleteRepository)
	huma.Register(api, operation(http.MethodGet, "/repositories/{owner}/{name}/refs", "list-refs", tag, "List branches and tags", auth.ScopeGitRead, 404), s.listRefs)
}

// info completes a repository with its head.
func (s *Service) info(ctx context.Context, r Repository) (repositoryInfo, error) {
	i := repositoryInfo{
		Name: r.Name, Description: r.Description, DefaultBranch: r.DefaultBranch, CloneURL: s.cloneURL(r.Name), Size: r.Size,
		Created: r.Created, Pushed: moment(r.Pushed), Protected: r.Protected,
	}
	if i.Protected == nil {
		i.Protected = []Rule{}
	}
	known, err := s.store.announcedRef(ctx, r.Name, "refs/heads/"+r.DefaultBranch)
	i.Head = text(known)
	return i, err
}

func (s *Service) listRepositories(ctx context.Context, in *struct {
	Listing
	Query string `query:"q" maxLength:"140" doc:"Only names with this in them."`
}) (*repositoriesAnswer, error) {
	after := ""
	if in.Cursor != "" {
		words, err := in.place(1)
		if err != nil {
			return nil, err
		}
		after = words[0]
	}
	all, err := s.store.repositories(ctx, after, strings.ToLower(in.Query), in.Limit+1)
	if err != nil {
		return nil, err
	}
	a := &repositoriesAnswer{}
	if len(all) > in.Limit {
		all = all[:in.Limit]
		a.Body.NextCursor = cursor(all[in.Limit-1].Name)
	}
	a.Body.Items = make([]repositoryInfo, 0, len(all))
	for _, r := range all {
		i, err := s.info(ctx, r)
		if err != nil {
			return nil, err
		}
		a.Body.Items = append(a.Body.Items, i)
	}
	return a, nil
}

func (s *Service) getRepository(ctx context.Context, in *Named) (*repositoryAnswer, error) {
	r, err := s.repository(ctx, *in)
	if err != nil {
		return nil, err
	}
	i, err := s.info(ctx, r)
	return &repositoryAnswer{i}, err
}

func (s *Service) putRepository(ctx context.Context, in *putRepository) (*repositoryAnswer, error) {
	if err := in.check(ctx); err != nil {
		return nil, err
	}
	r, err := s.store.repository(ctx, in.name())
	if errors.Is(err, ErrNotFound) {
		r = Repository{Name: in.name()}
		in.apply(&r)
		if r, err = s.create(ctx, r); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if r, err = s.change(ctx, r.Name, in.apply); err != nil {
		return nil, err
	}
	i, err := s.info(ctx, r)
	return &repositoryAnswer{i}, err
}

// apply changes what is given.
func (in *putRepository) apply(r *Repository) {
	if in.Body.Description != nil {
		r.Description = *in.Body.Description
	}
	if in.Body.DefaultBranch != nil {
		r.DefaultBranch = *in.Body.DefaultBranch
	}
	if in.Body.Protected != nil {
		r.Protected = *in.Body.Protected
		if r.Protected == nil {
			r.Protected = []Rule{}
		}
	}
}

func (in *putRepository) check(ctx context.Context) error {
	if !ValidName(in.name()) {
		return invalidName(in.name())
	}
	if b := in.Body.DefaultBranch; b != nil && !ValidBranch(*b) {
		return problem.New(problem.InvalidField, "%q cannot be a branch's name", clip(*b, 100)).WithField("body.default_branch")
	}
	if in.Body.Protected == nil {
		return nil
	}
	if p, ok := auth.FromContext(ctx); ok && !p.Can(auth.ScopeGitAdmin) {
		return problem.New(problem.Forbidden, "the credential lacks the scope %s, which branch protection asks for", auth.ScopeGitAdmin).WithField("body.protected")
	}
	for _, rule := range *in.Body.Protected {
		if !validPattern(rule.Branch) {
			return problem.New(problem.InvalidField, "%q cannot be a rule's branch", clip(rule.Branch, 100)).WithField("body.protected").
				WithMend("use a branch's name, with * for any characters: main, release/*")
		}
	}
	return nil
}

func (s *Service) deleteRepository(ctx context.Context, in *Named) (*struct{}, error) {
	r, err := s.repository(ctx, *in)
	if err != nil {
		return nil, err
	}
	if err := s.delete(ctx, r.Name); err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return nil, nil
}

func (s *Service) listRefs(ctx context.Context, in *Named) (*refsAnswer, error) {
	r, err := s.repository(ctx, *in)
	if err != nil {
		return nil, err
	}
	refs, err := s.git.refs(ctx, s.dir(r.Name))
	if err != nil {
		return nil, err
	}
	a := &refsAnswer{}
	a.Body.Items = each(refs, func(f ref) refInfo {
		i := refInfo{Ref: f.Name, SHA: f.SHA, Commit: text(f.Commit)}
		var branch bool
		if i.Name, branch = strings.CutPrefix(f.Name, "refs/heads/"); branch {
			i.Kind, i.Default = "branch", i.Name == r.DefaultBranch
		} else {
			i.Kind, i.Name = "tag", strings.TrimPrefix(f.Name, "refs/tags/")
		}
		return i
	})
	return a, nil
}
