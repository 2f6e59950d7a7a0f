package git

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// CommitInfo is a commit as the API shows it.
type CommitInfo struct {
	SHA            string    `json:"sha"`
	Author         string    `json:"author"`
	AuthorEmail    string    `json:"author_email"`
	Authored       time.Time `json:"authored_at"`
	Committer      string    `json:"committer"`
	CommitterEmail string    `json:"committer_email"`
	Committed      time.Time `json:"committed_at"`
	Subject        string    `json:"subject"`
	Body           string    `json:"body"`
	Parents        []string  `json:"parents" nullable:"false"`
}

type fileChange struct {
	Path      string  `json:"path"`
	OldPath   *string `json:"old_path" doc:"The former path of a renamed file."`
	Status    string  `json:"status" enum:"added,deleted,modified,renamed,type_changed"`
	Added     int     `json:"added" doc:"Lines."`
	Deleted   int     `json:"deleted" doc:"Lines."`
	Binary    bool    `json:"binary"`
	Patch     string  `json:"patch" doc:"A unified diff."`
	Truncated bool    `json:"truncated" doc:"The patch is not whole, or left out, for its size."`
}

type treeEntry struct {
	Name string `json:"name"`
	Path string `json:"path"`
	Type string `json:"type" enum:"tree,blob,commit" doc:"A folder, a file (or a link, of mode 120000), or a commit of another repository."`
	Size *int64 `json:"size" doc:"Bytes of a file; null of what has none."`
	Mode string `json:"mode" example:"100644"`
	SHA  string `json:"sha"`
}

type logAnswer struct {
	Body struct {
		Items      []CommitInfo `json:"items" nullable:"false"`
		NextCursor string       `json:"next_cursor,omitempty" doc:"Absent on the last page."`
	}
}

type treeAnswer struct {
	Body struct {
		SHA       string      `json:"sha" doc:"The commit."`
		Path      string      `json:"path"`
		Entries   []treeEntry `json:"entries" nullable:"false"`
		Truncated bool        `json:"truncated" doc:"There is more in the folder."`
	}
}

type fileAnswer struct {
	Body struct {
		SHA       string `json:"sha" doc:"The commit."`
		Path      string `json:"path"`
		Size      int64  `json:"size"`
		Binary    bool   `json:"binary"`
		Text      string `json:"text" doc:"Empty of a binary file."`
		Truncated bool   `json:"truncated" doc:"Only the first MiB is shown."`
	}
}

type commitDetail struct {
	CommitInfo
	Files     []fileChange `json:"files" nullable:"false" doc:"Against the first parent."`
	Truncated bool         `json:"truncated" doc:"More files differ than are listed."`
}

type commitAnswer struct{ Body commitDetail }

type comparisonAnswer struct {
	Body struct {
		Base          string       `json:"base_sha"`
		Head          string       `json:"head_sha"`
		MergeBase     *string      `json:"merge_base_sha" doc:"Where they parted; null where they share no history."`
		Ahead         int          `json:"ahead" doc:"How many commits head has that base has not."`
		Commits       []CommitInfo `json:"commits" nullable:"false" doc:"At most 250 of them, the newest first."`
		CommitsCut    bool         `json:"commits_truncated"`
		Files         []fileChange `json:"files" nullable:"false"`
		FilesOverflow bool         `json:"truncated" doc:"More files differ than are listed."`
	}
}

// Placed is a revision of a repository in an address.
type Placed struct {
	Named
	Ref string `query:"ref" maxLength:"200" doc:"A branch, a tag or a commit; the default branch when absent."`
}

// PlacedPath is a path in a revision.
type PlacedPath struct {
	Placed
	Path string `query:"path" maxLength:"4096" doc:"Without a slash at either end; the root when absent."`
}

func (s *Service) registerHistory(api huma.API) {
	const tag, at = "history", "/repositories/{owner}/{name}"
	huma.Register(api, operation(http.MethodGet, at+"/log", "list-commits", tag, "List commits, the newest first", auth.ScopeGitRead, 400, 404, 422), s.listCommits)
	huma.Register(api, operation(http.MethodGet, at+"/tree", "list-tree", tag, "List a folder", auth.ScopeGitRead, 404, 409, 422), s.listTree)
	huma.Register(api, operation(http.MethodGet, at+"/file", "get-file", tag, "Show a file", auth.ScopeGitRead, 404, 409, 422), s.getFile)
	huma.Register(api, operation(http.MethodGet, at+"/commits/{sha}", "get-commit", tag, "Show a commit and what it changes", auth.ScopeGitRead, 404, 422), s.getCommit)
	huma.Register(api, operation(http.MethodGet, at+"/compare/{range}", "compare-commits", tag, "Show what one revision has that another has not", auth.ScopeGitRead, 404, 422), s.compareCommits)
}

func toCommitInfo(c commit) CommitInfo {
	parents := c.Parents
	if parents == nil {
		parents = []string{}
	}
	return CommitInfo{c.SHA, c.Author.Name, c.Author.Email, c.Author.At.UTC(), c.Committer.Name, c.Committer.Email, c.Committer.At.UTC(), c.subject(), c.body(), parents}
}

func toFileChange(f fileDiff) fileChange {
	return fileChange{f.Path, text(f.OldPath), f.Status, f.Added, f.Deleted, f.Binary, f.Patch, f.Cut}
}

func (s *Service) listCommits(ctx context.Context, in *struct {
	PlacedPath
	Listing
	Query string `query:"q" maxLength:"200" doc:"Only commits with this text in their message, in any case of letters."`
}) (*logAnswer, error) {
	a := &logAnswer{}
	a.Body.Items = []CommitInfo{}
	ref, skip := in.Ref, 0
	if in.Cursor != "" {
		words, err := in.place(2)
		if err != nil {
			return nil, err
		}
		if ref = words[0]; !isSHA(ref) {
			return nil, badCursor()
		}
		if skip, err = strconv.Atoi(words[1]); err != nil || skip < 0 {
			return nil, badCursor()
		}
	}
	r, dir, sha, err := s.at(ctx, in.Named, ref)
	if ref == "" && r.Name != "" && r.Pushed.IsZero() && problem.From(err).Code == problem.NotFound {
		return a, nil // nothing was pushed yet
	}
	if err != nil {
		return nil, err
	}
	list, err := s.git.log(ctx, dir, logQuery{from: sha, path: in.Path, text: in.Query, skip: skip, limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	if len(list) > in.Limit {
		list = list[:in.Limit]
		a.Body.NextCursor = cursor(sha, strconv.Itoa(skip+in.Limit))
	}
	a.Body.Items = each(list, toCommitInfo)
	return a, nil
}

func (s *Service) listTree(ctx context.Context, in *PlacedPath) (*treeAnswer, error) {
	_, dir, sha, err := s.at(ctx, in.Named, in.Ref)
	if err != nil {
		return nil, err
	}
	entries, cut, err := s.git.tree(ctx, dir, sha, in.Path)
	if err != nil {
		return nil, err
	}
	a := &treeAnswer{}
	a.Body.SHA, a.Body.Path, a.Body.Truncated = sha, in.Path, cut
	a.Body.Entries = each(entries, func(e entry) treeEntry {
		t := treeEntry{Name: e.Name, Path: e.Path, Type: e.Kind, Mode: e.Mode, SHA: e.SHA}
		if e.Size >= 0 {
			t.Size = &e.Size
		}
		return t
	})
	return a, nil
}

func (s *Service) getFile(ctx context.Context, in *PlacedPath) (*fileAnswer, error) {
	_, dir, sha, err := s.at(ctx, in.Named, in.Ref)
	if err != nil {
		return nil, err
	}
	f, err := s.git.file(ctx, dir, sha, in.Path)
	if err != nil {
		return nil, err
	}
	a := &fileAnswer{}
	b := &a.Body
	b.SHA, b.Path, b.Size, b.Binary, b.Text, b.Truncated = sha, in.Path, f.Size, f.Binary, f.Text, f.Cut
	return a, nil
}

func (s *Service) getCommit(ctx context.Context, in *struct {
	Named
	SHA string `path:"sha" maxLength:"200" doc:"A commit's id or the beginning of one; a branch or a tag too."`
}) (*commitAnswer, error) {
	_, dir, sha, err := s.at(ctx, in.Named, in.SHA)
	if err != nil {
		return nil, err
	}
	c, err := s.git.one(ctx, dir, sha)
	if err != nil {
		return nil, err
	}
	files, cut, err := s.git.diff(ctx, dir, parentOf(c), sha)
	if err != nil {
		return nil, err
	}
	return &commitAnswer{commitDetail{toCommitInfo(c), each(files, toFileChange), cut}}, nil
}

func (s *Service) compareCommits(ctx context.Context, in *struct {
	Named
	Range string `path:"range" maxLength:"410" doc:"BASE...HEAD, each a branch, a tag or a commit, URL-encoded." example:"main...topic"`
}) (*comparisonAnswer, error) {
	from, to, ok := strings.Cut(in.Range, "...")
	if !ok || from == "" || to == "" {
		return nil, problem.New(problem.InvalidField, "%q is not BASE...HEAD", clip(in.Range, 100)).WithField("path.range")
	}
	_, dir, head, err := s.at(ctx, in.Named, to)
	if err != nil {
		return nil, err
	}
	tail, err := s.git.resolve(ctx, dir, from)
	if err != nil {
		return nil, err
	}
	c, err := s.git.compare(ctx, dir, tail, head)
	if err != nil {
		return nil, err
	}
	a := &comparisonAnswer{}
	b := &a.Body
	b.Base, b.Head, b.Ahead, b.CommitsCut, b.FilesOverflow = tail, head, c.Ahead, c.CutLogs, c.Cut
	if c.Base != emptyTree {
		b.MergeBase = &c.Base
	}
	b.Commits, b.Files = each(c.Commits, toCommitInfo), each(c.Files, toFileChange)
	return a, nil
}
