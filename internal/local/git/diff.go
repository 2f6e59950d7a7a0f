package git

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

const (
	mostDiffFiles = 300
	mostPatch     = 256 << 10 // bytes of one file's patch
	mostPatches   = 2 << 20   // bytes of all
	emptyTree     = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
)

// fileDiff is how one file differs.
type fileDiff struct {
	Path, OldPath  string // OldPath of a renamed one
	Status         string // added, deleted, modified, renamed or type_changed
	Added, Deleted int    // lines; 0 of a binary file
	Binary         bool
	Patch          string
	Cut            bool // the patch is not whole, or left out
}

// diff compares two trees or commits; cut says that more files differ than are told.
func (g program) diff(ctx context.Context, dir, from, to string) (files []fileDiff, cut bool, err error) {
	options := []string{"diff-tree", "-r", "--find-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index"}
	numbers, cutNumbers, err := g.output(ctx, dir, "compare", nil, mostOutput, append(options, "--raw", "--numstat", "-z", "--end-of-options", from, to)...)
	if err != nil {
		return nil, false, err
	}
	if files, err = parseNumbers(string(numbers)); err != nil {
		return nil, false, err
	}
	if cut = cutNumbers || len(files) > mostDiffFiles; len(files) > mostDiffFiles {
		files = files[:mostDiffFiles]
	}
	patches, cutPatches, err := g.output(ctx, dir, "compare", nil, mostPatches, append(options, "--patch", "--end-of-options", from, to)...)
	if err != nil {
		return nil, false, err
	}
	parts := splitPatches(string(patches))
	for i := range files {
		f := &files[i]
		if i >= len(parts) {
			f.Cut = !f.Binary
			continue
		}
		f.Patch = strings.ToValidUTF8(parts[i], "\uFFFD")
		f.Cut = cutPatches && i == len(parts)-1
		if len(f.Patch) > mostPatch {
			f.Patch = strings.ToValidUTF8(f.Patch[:mostPatch], "")
			f.Patch, f.Cut = f.Patch[:strings.LastIndexByte(f.Patch, '\n')+1], true
		}
	}
	return files, cut, nil
}

// parseNumbers reads what --raw --numstat -z writes: first a record for each file, then a count of lines for each.
func parseNumbers(text string) (files []fileDiff, err error) {
	fields := strings.Split(text, "\x00")
	at := 0
	next := func() (string, bool) {
		if at+1 >= len(fields) { // what follows the last NUL was cut off
			return "", false
		}
		at++
		return fields[at-1], true
	}
	names := map[string]string{"A": "added", "D": "deleted", "M": "modified", "R": "renamed", "C": "added", "T": "type_changed"}
	for at < len(fields) && strings.HasPrefix(fields[at], ":") {
		head, _ := next()
		f := strings.Fields(head)
		if len(f) != 5 || names[f[4][:1]] == "" {
			return nil, fmt.Errorf("compare: git wrote %q", clip(head, 100))
		}
		d := fileDiff{Status: names[f[4][:1]]}
		path, ok := next()
		if f[4][0] == 'R' || f[4][0] == 'C' {
			d.OldPath = strings.ToValidUTF8(path, "\uFFFD")
			path, ok = next()
		}
		if !ok {
			break
		}
		d.Path = strings.ToValidUTF8(path, "\uFFFD")
		files = append(files, d)
	}
	for i := range files {
		line, ok := next()
		if !ok {
			break
		}
		f := strings.SplitN(line, "\t", 3)
		if len(f) != 3 {
			return nil, fmt.Errorf("compare: git wrote %q", clip(line, 100))
		}
		if f[2] == "" { // of a renamed file both names follow
			next()
			next()
		}
		files[i].Binary = f[0] == "-"
		files[i].Added, _ = strconv.Atoi(f[0])   // "-" of a binary file counts none
		files[i].Deleted, _ = strconv.Atoi(f[1]) // so here
	}
	return files, nil
}

// splitPatches cuts a patch into that of each file. Inside one, no line begins with the word that heads the next.
func splitPatches(text string) (out []string) {
	const word = "diff --git "
	for strings.HasPrefix(text, word) {
		end := strings.Index(text, "\n"+word)
		if end < 0 {
			return append(out, text)
		}
		out = append(out, text[:end+1])
		text = text[end+1:]
	}
	return out
}

// parentOf is what a commit is compared with: its first parent, or nothing.
func parentOf(c commit) string {
	if len(c.Parents) == 0 {
		return emptyTree
	}
	return c.Parents[0]
}

// comparison is what lies between two commits.
type comparison struct {
	Base         string // where they parted
	Commits      []commit
	Ahead        int
	Files        []fileDiff
	Cut, CutLogs bool
}

const mostCompared = 250

// compare tells what head has that base has not, since they parted.
func (g program) compare(ctx context.Context, dir, base, head string) (c comparison, err error) {
	out, err := g.text(ctx, dir, "find where two commits parted", nil, "merge-base", "--end-of-options", base, head)
	switch {
	case err == nil:
		c.Base = strings.TrimSpace(out)
	case exitCode(err) == 1:
		c.Base = emptyTree // they share no history
	default:
		return c, err
	}
	revisions := head + "\n^" + base + "\n"
	count, err := g.text(ctx, dir, "count commits", strings.NewReader(revisions), "rev-list", "--count", "--stdin")
	if err != nil {
		return c, err
	}
	if c.Ahead, err = strconv.Atoi(strings.TrimSpace(count)); err != nil {
		return c, fmt.Errorf("count commits: git wrote %q", clip(count, 40))
	}
	c.Commits, err = g.commits(ctx, dir, "read the commits between", strings.NewReader(revisions), "--topo-order", "--max-count="+strconv.Itoa(mostCompared), "--stdin")
	if err != nil {
		return c, err
	}
	c.CutLogs = c.Ahead > len(c.Commits)
	c.Files, c.Cut, err = g.diff(ctx, dir, c.Base, head)
	return c, err
}
