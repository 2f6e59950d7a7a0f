package road

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/fawkes-idp/fawkes/api/client/git"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// repositoriesMost bounds the list of repositories.
const repositoriesMost = 2000

// repositories asks the git server.
type repositories struct {
	line
	client *git.Client
}

func newGit(peers peer.Network, gone *absence) (*repositories, error) {
	base, transport := peers.Client(PartGit)
	c, err := git.NewClient(base, git.WithHTTPClient(transport), git.WithRequestEditorFn(auth.Forward))
	if err != nil {
		return nil, fmt.Errorf("make the client of the git server: %w", err)
	}
	return &repositories{line{PartGit, "git server", gone}, c}, nil
}

// of sends a question about one repository, whose name is owner/name.
func of[T any](ctx context.Context, g *repositories, repository, what string, send func(ctx context.Context, owner, name string) (*http.Response, error)) (out T, err error) {
	owner, name, ok := strings.Cut(repository, "/")
	if !ok || owner == "" || name == "" {
		return out, problem.New(problem.NotFound, "there is no repository %q; its name is owner/name", repository)
	}
	return ask[T](ctx, g.line, what, func(ctx context.Context) (*http.Response, error) { return send(ctx, owner, name) })
}

// Repositories lists every repository by name.
func (g *repositories) Repositories(ctx context.Context) ([]Repository, error) {
	items, _, err := Whole(ctx, repositoriesMost, func(ctx context.Context, p Page) (List[Repository], error) {
		l, err := ask[git.RepositoryList](ctx, g.line, "the repositories", func(ctx context.Context) (*http.Response, error) {
			return g.client.ListRepositories(ctx, &git.ListRepositoriesParams{Limit: p.limit(), Cursor: given[string](p.Cursor)})
		})
		return List[Repository]{each(l.Items, repository), value(l.NextCursor)}, err
	})
	return items, err
}

// Repository reads one repository.
func (g *repositories) Repository(ctx context.Context, name string) (Repository, error) {
	w, err := of[git.RepositoryInfo](ctx, g, name, "a repository", func(ctx context.Context, owner, name string) (*http.Response, error) {
		return g.client.GetRepository(ctx, owner, name)
	})
	return repository(w), err
}

func repository(w git.RepositoryInfo) Repository {
	r := Repository{
		Name: w.Name, Description: w.Description, DefaultBranch: w.DefaultBranch, CloneURL: w.CloneURL, Size: w.SizeBytes, PushedAt: w.PushedAt, HeadSHA: value(w.HeadSha),
	}
	for _, p := range w.Protected {
		r.Protected = append(r.Protected, Protection{Branch: p.Branch, AllowForce: yes(p.AllowForce), AllowDelete: yes(p.AllowDelete)})
	}
	return r
}

func yes(b *bool) bool { return b != nil && *b }

// Refs lists the branches and the tags.
func (g *repositories) Refs(ctx context.Context, name string) ([]Ref, error) {
	l, err := of[git.RefsAnswerBody](ctx, g, name, "the branches", func(ctx context.Context, owner, name string) (*http.Response, error) {
		return g.client.ListRefs(ctx, owner, name)
	})
	return each(l.Items, func(w git.RefInfo) Ref { return Ref{Name: w.Name, Kind: string(w.Kind), SHA: w.Sha} }), err
}

// Commits lists commits, the newest first.
func (g *repositories) Commits(ctx context.Context, name string, which LogFilter, page Page) (List[Commit], error) {
	l, err := of[git.LogAnswerBody](ctx, g, name, "the commits", func(ctx context.Context, owner, name string) (*http.Response, error) {
		return g.client.ListCommits(ctx, owner, name, &git.ListCommitsParams{
			Ref: given[string](which.Ref), Path: given[string](which.Path), Q: given[string](which.Search), Limit: page.limit(), Cursor: given[string](page.Cursor),
		})
	})
	return List[Commit]{each(l.Items, commit), value(l.NextCursor)}, err
}

func commit(w git.CommitInfo) Commit {
	return Commit{SHA: w.Sha, Author: w.Author, Email: w.AuthorEmail, AuthoredAt: &w.AuthoredAt, CommittedAt: &w.CommittedAt, Subject: w.Subject, Body: w.Body, Parents: w.Parents}
}

// Tree lists a folder.
func (g *repositories) Tree(ctx context.Context, name, ref, path string) ([]Entry, error) {
	w, err := of[git.TreeAnswerBody](ctx, g, name, "a folder", func(ctx context.Context, owner, name string) (*http.Response, error) {
		return g.client.ListTree(ctx, owner, name, &git.ListTreeParams{Ref: given[string](ref), Path: given[string](path)})
	})
	return each(w.Entries, func(w git.TreeEntry) Entry {
		e := Entry{Name: w.Name, Path: w.Path, Type: string(w.Type), Mode: w.Mode, SHA: w.Sha, Size: -1}
		if w.Size != nil {
			e.Size = *w.Size
		}
		return e
	}), err
}

// File reads a file's text as far as it is sent.
func (g *repositories) File(ctx context.Context, name, ref, path string) (File, error) {
	w, err := of[git.FileAnswerBody](ctx, g, name, "a file", func(ctx context.Context, owner, name string) (*http.Response, error) {
		return g.client.GetFile(ctx, owner, name, &git.GetFileParams{Ref: given[string](ref), Path: given[string](path)})
	})
	return File{Path: w.Path, Size: w.Size, Binary: w.Binary, Truncated: w.Truncated, Text: w.Text}, err
}

// Commit reads one commit with what it changes.
func (g *repositories) Commit(ctx context.Context, name, sha string) (Commit, error) {
	w, err := of[git.CommitDetail](ctx, g, name, "a commit", func(ctx context.Context, owner, name string) (*http.Response, error) {
		return g.client.GetCommit(ctx, owner, name, sha)
	})
	return Commit{
		SHA: w.Sha, Author: w.Author, Email: w.AuthorEmail, AuthoredAt: &w.AuthoredAt, CommittedAt: &w.CommittedAt, Subject: w.Subject, Body: w.Body,
		Parents: w.Parents, Files: each(w.Files, fileChange), Truncated: w.Truncated,
	}, err
}

func fileChange(w git.FileChange) FileChange {
	return FileChange{
		Path: w.Path, OldPath: value(w.OldPath), Status: string(w.Status), Added: int(w.Added), Deleted: int(w.Deleted), Binary: w.Binary, Patch: w.Patch, Truncated: w.Truncated,
	}
}

// Compare reads what head has that base lacks.
func (g *repositories) Compare(ctx context.Context, name, base, head string) (Comparison, error) {
	w, err := of[git.ComparisonAnswerBody](ctx, g, name, "a comparison", func(ctx context.Context, owner, name string) (*http.Response, error) {
		return g.client.CompareCommits(ctx, owner, name, base+"..."+head)
	})
	return Comparison{Commits: each(w.Commits, commit), Files: each(w.Files, fileChange), Truncated: w.Truncated || w.CommitsTruncated}, err
}

// CreateRepository makes an empty repository, or gives one that is there another description.
func (g *repositories) CreateRepository(ctx context.Context, name, description string) error {
	_, err := of[git.RepositoryInfo](ctx, g, name, "a repository", func(ctx context.Context, owner, name string) (*http.Response, error) {
		return g.client.PutRepository(ctx, owner, name, git.PutRepositoryBody{Description: given[string](description)})
	})
	return err
}

// Hooks lists who is told of pushes.
func (g *repositories) Hooks(ctx context.Context) ([]Hook, error) {
	l, err := ask[git.HooksAnswerBody](ctx, g.line, "the hooks", func(ctx context.Context) (*http.Response, error) { return g.client.ListHooks(ctx) })
	return each(l.Items, func(w git.HookInfo) Hook {
		return Hook{Name: w.Name, URL: w.URL, Repository: w.Repository, Events: w.Events, Active: w.Active}
	}), err
}

// Deliveries lists the messages to hooks, the newest first.
func (g *repositories) Deliveries(ctx context.Context, which DeliveryFilter, page Page) (List[Delivery], error) {
	l, err := ask[git.DeliveriesAnswerBody](ctx, g.line, "the deliveries", func(ctx context.Context) (*http.Response, error) {
		return g.client.ListDeliveries(ctx, &git.ListDeliveriesParams{
			Limit: page.limit(), Cursor: given[string](page.Cursor), Hook: given[string](which.Hook), State: given[git.ListDeliveriesParamsState](which.State),
		})
	})
	return List[Delivery]{each(l.Items, func(w git.DeliveryInfo) Delivery {
		d := Delivery{
			ID: w.ID, Hook: w.Hook, Event: w.Event, Repository: w.Repository, Ref: w.Ref, State: string(w.State), Attempts: int(w.Attempts), Error: value(w.Error),
			CreatedAt: &w.CreatedAt, NextAt: w.NextAt, DeliveredAt: w.DeliveredAt,
		}
		if w.Status != nil {
			d.Status = int(*w.Status)
		}
		return d
	}), value(l.NextCursor)}, err
}

// Redeliver sends one message once more.
func (g *repositories) Redeliver(ctx context.Context, id string) error {
	return do(ctx, g.line, "a delivery", func(ctx context.Context) (*http.Response, error) { return g.client.Redeliver(ctx, id) })
}
