package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	mostEntries = 5000    // of a folder
	mostFile    = 1 << 20 // bytes of a file that are shown
)

// entry is a file or a folder in a tree.
type entry struct {
	Name, Path, Kind, Mode, SHA string // Kind: tree, blob, or commit of another repository
	Size                        int64  // of a file; -1 of what has none
}

// tree lists a folder of a commit; cut says that there is more in it than is told.
func (g program) tree(ctx context.Context, dir, sha, path string) (out []entry, cut bool, err error) {
	object, err := g.object(ctx, dir, sha, path, "tree")
	if err != nil {
		return nil, false, err
	}
	text, cut, err := g.output(ctx, dir, "list a folder", nil, mostOutput, "ls-tree", "-z", "-l", "--end-of-options", object)
	if err != nil {
		return nil, false, err
	}
	for record := range strings.SplitSeq(string(text), "\x00") {
		head, name, ok := strings.Cut(record, "\t")
		f := strings.Fields(head)
		if !ok || len(f) != 4 {
			continue // the end, or a record that was cut off
		}
		if len(out) == mostEntries {
			return out, true, nil
		}
		e := entry{Name: strings.ToValidUTF8(name, "\uFFFD"), Mode: f[0], SHA: f[2], Size: -1, Kind: f[1]}
		if n, err := strconv.ParseInt(f[3], 10, 64); err == nil {
			e.Size = n
		}
		e.Path = e.Name
		if path != "" {
			e.Path = path + "/" + e.Name
		}
		out = append(out, e)
	}
	return out, cut, nil
}

// object is the id of what lies at a path of a commit; it must be of the kind.
func (g program) object(ctx context.Context, dir, sha, path, kind string) (id string, err error) {
	if path != "" && !validPath(path) || strings.ContainsAny(path, "\n\r") {
		return "", problem.New(problem.InvalidField, "%q is no path in a repository", clip(path, 100)).WithField("query.path")
	}
	out, err := g.text(ctx, dir, "look up a path", strings.NewReader(sha+":"+path+"\n"), "cat-file", "--batch-check=%(objectname) %(objecttype)")
	if err != nil {
		return "", err
	}
	id, found, _ := strings.Cut(strings.TrimSpace(out), " ")
	switch {
	case !isSHA(id):
		return "", problem.New(problem.NotFound, "there is nothing at %q in %s", clip(path, 200), short(sha)).WithField("query.path")
	case found != kind:
		what := map[string]string{"tree": "a folder", "blob": "a file", "commit": "another repository"}
		return "", problem.New(problem.Conflict, "%q is %s, not %s", clip(path, 200), what[found], what[kind]).WithField("query.path")
	}
	return id, nil
}

// file is what a file holds.
type file struct {
	Size   int64
	Binary bool
	Text   string // "" of a binary one
	Cut    bool
}

// file reads a file of a commit.
func (g program) file(ctx context.Context, dir, sha, path string) (f file, err error) {
	id, err := g.object(ctx, dir, sha, path, "blob")
	if err != nil {
		return f, err
	}
	length, err := g.text(ctx, dir, "look at a file", nil, "cat-file", "-s", id) // an id that git wrote
	if err != nil {
		return f, err
	}
	if f.Size, err = strconv.ParseInt(strings.TrimSpace(length), 10, 64); err != nil {
		return f, fmt.Errorf("look at a file: git wrote %q", clip(length, 40))
	}
	text, cut, err := g.output(ctx, dir, "read a file", nil, mostFile, "cat-file", "blob", id)
	if err != nil {
		return f, err
	}
	if cut { // not in the middle of a character
		for i := 0; i < utf8.UTFMax && len(text) > 0 && !utf8.Valid(text); i++ {
			text = text[:len(text)-1]
		}
	}
	if f.Cut = cut; bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text) {
		f.Binary, f.Cut = true, false
		return f, nil
	}
	f.Text = string(text)
	return f, nil
}

// log lists commits from a commit on, the newest first.
type logQuery struct {
	from  string // a commit
	path  string // "": everything
	text  string // in the message, in any case of letters; "": everything
	skip  int
	limit int
}

func (g program) log(ctx context.Context, dir string, q logQuery) ([]commit, error) {
	if q.path != "" && !validPath(q.path) {
		return nil, problem.New(problem.InvalidField, "%q is no path in a repository", clip(q.path, 100)).WithField("query.path")
	}
	args := []string{"--topo-order", "--skip=" + strconv.Itoa(q.skip), "--max-count=" + strconv.Itoa(q.limit)}
	if q.text != "" {
		args = append(args, "--fixed-strings", "--regexp-ignore-case", "--grep="+q.text)
	}
	args = append(args, "--end-of-options", q.from, "--")
	if q.path != "" {
		args = append(args, q.path)
	}
	return g.commits(ctx, dir, "read the log", nil, args...)
}

// one is a single commit.
func (g program) one(ctx context.Context, dir, sha string) (commit, error) {
	list, err := g.commits(ctx, dir, "read a commit", strings.NewReader(sha+"\n"), "--no-walk", "--stdin")
	if err == nil && len(list) != 1 {
		err = errors.New("read a commit: git wrote none")
	}
	if err != nil {
		return commit{}, err
	}
	return list[0], nil
}
