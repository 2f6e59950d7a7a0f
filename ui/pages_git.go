package ui

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/road"
	"github.com/fawkes-idp/fawkes/ui/view"
)

const (
	// readmeLimit is the longest README that is shown below a folder.
	readmeLimit = 64 << 10
	// commitRuns is how many runs of a commit its page shows.
	commitRuns = 6
)

// repos lists the repositories of the git server.
func (c *console) repos(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	q := r.URL.Query()
	f.Title, f.Search = "Git", strings.TrimSpace(q.Get("q"))
	all, err := c.road.Git.Repositories(r.Context())
	if err != nil {
		return nil, err
	}
	p := view.ReposPage{Total: len(all), PushURL: c.pushURL(), Done: wordOf(q, map[string]string{"create": "The repository was created."})}
	search := strings.ToLower(f.Search)
	p.Repositories = slices.DeleteFunc(all, func(r road.Repository) bool {
		return !strings.Contains(strings.ToLower(r.Name+" "+r.Description), search)
	})
	dead := road.List[road.Delivery]{}
	_ = together(r.Context(), c.beside(func(ctx context.Context) (err error) { // keeps its error
		dead, err = c.road.Git.Deliveries(ctx, road.DeliveryFilter{State: road.DeliveryDead}, road.Page{Limit: 100})
		return err
	}, nil))
	p.Failing = len(dead.Items)
	return view.Repos(f, p), nil
}

// createRepo makes an empty repository.
func (c *console) createRepo(w http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	if err := r.ParseForm(); err != nil {
		return nil, formFault(err)
	}
	name := strings.TrimSpace(r.PostForm.Get("name"))
	if road.GitName(name) != name || name == "" {
		return nil, problem.New(problem.InvalidField, "%q is not a name; write it as team/service", name).WithField("name")
	}
	if err := c.road.Git.CreateRepository(r.Context(), name, r.PostForm.Get("description")); err != nil {
		return nil, err
	}
	return nil, goOn(w, r, "/git/"+name, "create")
}

// repo reads what the pages of a repository have in common. A clone URL that is opened in a browser leads here too.
func (c *console) repo(w http.ResponseWriter, r *http.Request, f *view.Frame, tab string) (view.RepoPage, error) {
	owner, name := r.PathValue("owner"), r.PathValue("name")
	if bare, ok := strings.CutSuffix(name, ".git"); ok {
		http.Redirect(w, r, view.RepoPath(owner+"/"+bare), http.StatusSeeOther)
		return view.RepoPage{}, errAnswered
	}
	p := view.RepoPage{Ref: r.URL.Query().Get("ref"), Path: strings.Trim(r.PathValue("path"), "/"), Tab: tab}
	f.Title = owner + "/" + name
	err := together(r.Context(),
		func(ctx context.Context) (err error) {
			p.Repository, err = c.road.Git.Repository(ctx, owner+"/"+name)
			return err
		},
		func(ctx context.Context) (err error) {
			p.Refs, err = c.road.Git.Refs(ctx, owner+"/"+name)
			return err
		})
	return p, err
}

// tree shows a folder of a repository.
func (c *console) tree(w http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	repo, err := c.repo(w, r, &f, "code")
	if err != nil {
		return nil, err
	}
	p := view.TreePage{RepoPage: repo}
	if repo.Repository.Empty() && repo.Ref == "" {
		return view.Tree(f, p), nil
	}
	name := repo.Repository.Name
	err = together(r.Context(),
		func(ctx context.Context) (err error) {
			if p.Entries, err = c.road.Git.Tree(ctx, name, repo.Ref, repo.Path); err != nil {
				return err
			}
			slices.SortStableFunc(p.Entries, func(a, b road.Entry) int { return folderFirst(a) - folderFirst(b) })
			p.Readme, err = c.readme(ctx, name, repo.Ref, p.Entries)
			return err
		},
		c.beside(func(ctx context.Context) error {
			l, err := c.road.Git.Commits(ctx, name, road.LogFilter{Ref: repo.Ref, Path: repo.Path}, road.Page{Limit: 1})
			if len(l.Items) > 0 {
				p.Latest = &l.Items[0]
			}
			return err
		}, nil))
	if err != nil {
		return nil, err
	}
	return view.Tree(f, p), nil
}

// folderFirst orders the entries of a folder: folders before files.
func folderFirst(e road.Entry) int {
	if e.Type == "blob" {
		return 1
	}
	return 0
}

// readme reads the folder's README, when it has one that is text.
func (c *console) readme(ctx context.Context, name, ref string, entries []road.Entry) (*road.File, error) {
	for _, e := range entries {
		base, _, _ := strings.Cut(strings.ToLower(e.Name), ".")
		if e.Type != "blob" || base != "readme" || e.Size > readmeLimit {
			continue
		}
		file, err := c.road.Git.File(ctx, name, ref, e.Path)
		if err != nil {
			return nil, err
		}
		if !file.Binary {
			return &file, nil
		}
	}
	return nil, nil
}

// file shows a file with its lines.
func (c *console) file(w http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	repo, err := c.repo(w, r, &f, "code")
	if err != nil {
		return nil, err
	}
	p := view.FilePage{RepoPage: repo}
	if p.File, err = c.road.Git.File(r.Context(), repo.Repository.Name, repo.Ref, repo.Path); err != nil {
		return nil, err
	}
	f.Title = repo.Path + " · " + f.Title
	return view.File(f, p), nil
}

// gitLog lists commits.
func (c *console) gitLog(w http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	repo, err := c.repo(w, r, &f, "log")
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	repo.Path = strings.Trim(q.Get("path"), "/")
	p := view.LogPage{RepoPage: repo, Search: q.Get("q")}
	if !repo.Repository.Empty() {
		if p.List, err = c.road.Git.Commits(r.Context(), repo.Repository.Name, road.LogFilter{Ref: repo.Ref, Path: repo.Path, Search: p.Search}, road.Page{Limit: listLimit, Cursor: q.Get("cursor")}); err != nil {
			return nil, err
		}
	}
	f.Title = "Commits · " + f.Title
	p.First, p.Next = nextPage(f, p.List.NextCursor)
	return view.Log(f, p), nil
}

// commit shows one commit with its difference, its runs and its evidence.
func (c *console) commit(w http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	repo, err := c.repo(w, r, &f, "log")
	if err != nil {
		return nil, err
	}
	name := repo.Repository.Name
	p := view.CommitPage{RepoPage: repo}
	if p.Commit, err = c.road.Git.Commit(r.Context(), name, r.PathValue("sha")); err != nil {
		return nil, err
	}
	f.Title = p.Commit.Subject + " · " + f.Title
	_ = together(r.Context(), // each keeps its error
		c.beside(func(ctx context.Context) error {
			l, err := c.road.Runs.Runs(ctx, road.RunFilter{Repository: name, SHA: p.Commit.SHA}, road.Page{Limit: commitRuns})
			p.Runs = l.Items
			return err
		}, nil),
		c.beside(func(ctx context.Context) (err error) {
			p.Change, err = c.evidenceOf(ctx, repo.Repository.CloneURL, p.Commit.SHA)
			return err
		}, nil))
	return view.CommitView(f, p), nil
}

// compareCommits shows what one revision has that another lacks.
func (c *console) compareCommits(w http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	repo, err := c.repo(w, r, &f, "log")
	if err != nil {
		return nil, err
	}
	base, head, ok := strings.Cut(r.PathValue("range"), "...")
	if !ok || base == "" || head == "" {
		return nil, problem.New(problem.NotFound, "a comparison is of two revisions, as in main...feature")
	}
	p := view.ComparisonPage{RepoPage: repo, Base: base, Head: head}
	if p.Comparison, err = c.road.Git.Compare(r.Context(), repo.Repository.Name, base, head); err != nil {
		return nil, err
	}
	return view.ComparisonView(f, p), nil
}

// deliveries lists who was told of pushes.
func (c *console) deliveries(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	q := r.URL.Query()
	f.Title = "Webhook deliveries"
	p := view.DeliveriesPage{
		Filter: road.DeliveryFilter{Hook: q.Get("hook"), State: q.Get("state")},
		Done:   wordOf(q, map[string]string{"redeliver": "The delivery is sent again."}),
	}
	err := together(r.Context(),
		func(ctx context.Context) (err error) {
			p.Hooks, err = c.road.Git.Hooks(ctx)
			return err
		},
		func(ctx context.Context) (err error) {
			p.List, err = c.road.Git.Deliveries(ctx, p.Filter, road.Page{Limit: listLimit, Cursor: q.Get("cursor")})
			return err
		})
	if err != nil {
		return nil, err
	}
	p.First, p.Next = nextPage(f, p.List.NextCursor)
	return view.Deliveries(f, p), nil
}

// redeliver sends one delivery again.
func (c *console) redeliver(w http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	if err := r.ParseForm(); err != nil {
		return nil, formFault(err)
	}
	if err := c.road.Git.Redeliver(r.Context(), r.PathValue("id")); err != nil {
		return nil, err
	}
	return nil, goOn(w, r, "/git/deliveries", "redeliver")
}
