package git

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// signature is who made a commit, and when, in their own zone.
type signature struct {
	Name, Email string
	At          time.Time
}

// commit is one of a repository's history.
type commit struct {
	SHA, Tree         string
	Parents           []string
	Author, Committer signature
	Message           string
}

// subject is the first line of the message; body is what follows the empty line.
func (c commit) subject() string {
	line, _, _ := strings.Cut(c.Message, "\n")
	return strings.TrimSpace(line)
}

func (c commit) body() string {
	_, rest, _ := strings.Cut(c.Message, "\n")
	return strings.TrimSpace(rest)
}

// mostMessage is how much of a commit's message is told.
const mostMessage = 64 << 10

// The form in which git writes commits, fields and records ended by NUL, which no field can hold.
const (
	commitFields = 10
	commitFormat = "--format=tformat:%H%x00%T%x00%P%x00%an%x00%ae%x00%ad%x00%cn%x00%ce%x00%cd%x00%B"
)

// commits runs `git log` over revisions that git itself named, one a line.
func (g program) commits(ctx context.Context, dir, op string, revisions io.Reader, args ...string) ([]commit, error) {
	args = append([]string{"log", "-z", "--no-patch", "--no-color", "--no-notes", "--no-decorate", "--no-mailmap", "--date=raw", commitFormat}, args...)
	out, _, err := g.output(ctx, dir, op, revisions, mostOutput, args...)
	if err != nil {
		return nil, err
	}
	return parseCommits(string(out))
}

// parseCommits reads what commits asked for; a last record that was cut off is left out.
func parseCommits(text string) (out []commit, err error) {
	fields := strings.Split(text, "\x00")
	for ; len(fields) > commitFields; fields = fields[commitFields:] {
		f := fields[:commitFields]
		if !isSHA(f[0]) || !isSHA(f[1]) {
			return nil, fmt.Errorf("read git's log: %q is no commit", clip(f[0], 60))
		}
		c := commit{SHA: f[0], Tree: f[1], Parents: strings.Fields(f[2]), Message: clean(f[9], mostMessage)}
		c.Author = signature{clean(f[3], 512), clean(f[4], 512), rawDate(f[5])}
		c.Committer = signature{clean(f[6], 512), clean(f[7], 512), rawDate(f[8])}
		out = append(out, c)
	}
	return out, nil
}

// clean makes text of a repository fit for JSON.
func clean(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}

// rawDate reads "1700000000 +0100". A commit may claim any date: what no calendar has becomes the nearest it has.
func rawDate(s string) time.Time {
	seconds, zone, _ := strings.Cut(strings.TrimSpace(s), " ")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		n = 0
	}
	at := time.Unix(min(max(n, 0), 253402300799), 0).UTC() // until the end of the year 9999
	if len(zone) != 5 || zone[0] != '+' && zone[0] != '-' {
		return at
	}
	hm, err := strconv.Atoi(zone[1:])
	if err != nil || hm < 0 || hm/100 > 14 || hm%100 > 59 || hm == 0 {
		return at
	}
	offset := (hm/100*60 + hm%100) * 60
	if zone[0] == '-' {
		offset = -offset
	}
	if there := at.In(time.FixedZone("", offset)); there.Year() <= 9999 {
		return there
	}
	return at
}

// resolve finds the commit that a caller names: a branch, a tag, a commit's id or the beginning of one, or nothing for
// the default branch. git's own language for revisions is not spoken to callers.
func (g program) resolve(ctx context.Context, dir, name string) (sha string, err error) {
	var tries []string
	switch {
	case name == "" || name == "HEAD":
		tries = []string{"HEAD"}
	case strings.HasPrefix(name, "refs/") && ValidBranch(name):
		tries = []string{name}
	case ValidBranch(name):
		tries = []string{"refs/heads/" + name, "refs/tags/" + name}
		if lower := strings.ToLower(name); len(lower) >= 4 && len(lower) <= 40 && hexadecimal(lower) {
			tries = append(tries, lower)
		}
	default:
		return "", problem.New(problem.InvalidField, "%q is no branch, tag or commit", clip(name, 100)).WithField("ref")
	}
	out, err := g.text(ctx, dir, "find a revision", strings.NewReader(strings.Join(tries, "^{commit}\n")+"^{commit}\n"), "cat-file", "--batch-check=%(objectname) %(objecttype)")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		if sha, kind, ok := strings.Cut(strings.TrimSpace(line), " "); ok && kind == "commit" && isSHA(sha) {
			return sha, nil
		}
	}
	if name == "" {
		name = "HEAD"
	}
	return "", problem.New(problem.NotFound, "there is no branch, tag or commit %q", clip(name, 100)).WithField("ref")
}

// ref is a branch or a tag.
type ref struct {
	Name   string // refs/heads/main
	SHA    string // what it names
	Commit string // the commit behind it; "" where there is none
}

// refs lists branches and tags by name.
func (g program) refs(ctx context.Context, dir string) ([]ref, error) {
	out, err := g.text(ctx, dir, "list references", nil, "for-each-ref", "--format=%(objectname) %(objecttype) %(*objectname) %(*objecttype) %(refname)", "refs/heads", "refs/tags")
	if err != nil {
		return nil, err
	}
	var all []ref
	for line := range strings.Lines(out) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 5)
		if len(f) != 5 || !isSHA(f[0]) {
			return nil, fmt.Errorf("list references: git wrote %q", clip(line, 100))
		}
		r := ref{Name: f[4], SHA: f[0]}
		switch {
		case f[1] == "commit":
			r.Commit = f[0]
		case f[3] == "commit":
			r.Commit = f[2]
		}
		all = append(all, r)
	}
	return all, nil
}

// paths are the files that each commit added, removed and changed, against its first parent.
type paths struct{ Added, Removed, Modified []string }

// mostPaths is how many paths one call tells; commits beyond say nothing of theirs.
const mostPaths = 50_000

// changed reads the paths of commits.
func (g program) changed(ctx context.Context, dir string, shas []string) (map[string]paths, error) {
	out, _, err := g.output(ctx, dir, "read changed files", strings.NewReader(strings.Join(shas, "\n")+"\n"), mostOutput,
		"diff-tree", "--stdin", "-r", "-z", "--root", "--no-renames", "--name-status", "--diff-merges=first-parent")
	if err != nil {
		return nil, err
	}
	return parseChanged(string(out)), nil
}

// parseChanged reads ids, each followed by pairs of status and path, all ended by NUL.
func parseChanged(text string) map[string]paths {
	all := map[string]paths{}
	fields := strings.Split(text, "\x00")
	sha, n := "", 0
	for i := 0; i+1 < len(fields); i++ {
		if f := fields[i]; len(f) != 1 {
			sha = strings.TrimSpace(f)
			continue
		}
		if i+2 >= len(fields) { // the path is cut off, and with it the commit
			delete(all, sha)
			break
		}
		if n++; n > mostPaths {
			delete(all, sha)
			break
		}
		p, path := all[sha], strings.ToValidUTF8(fields[i+1], "\uFFFD")
		switch fields[i] {
		case "A":
			p.Added = append(p.Added, path)
		case "D":
			p.Removed = append(p.Removed, path)
		default:
			p.Modified = append(p.Modified, path)
		}
		all[sha] = p
		i++
	}
	return all
}
