package gitlog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// Options says which repository to open, and how.
type Options struct {
	Location string       // a path on this disk, or a URL
	CacheDir string       // where mirrors of URLs are kept; needed for a URL only
	Program  string       // the git program; "" means "git" from PATH
	Identity string       // overrides the repository's name in events
	Progress func(string) // told what a fetch is doing, a short line each time; may be nil
}

// Repository is an opened history. It holds no lock and no process between calls.
type Repository struct {
	git runner
	// Name is the "repo" of every event: a URL without credentials, or the absolute path of a
	// repository that has no origin.
	Name string
	// Dir is where git reads: the given path, or the mirror.
	Dir string
	// Shallow says that history behind some commits is not there.
	Shallow bool
	// ObjectFormat is sha1 or sha256.
	ObjectFormat string
	// Empty says that there is no commit at all yet.
	Empty bool
}

// Open opens a repository on this disk, or fetches a URL into its mirror and opens that.
func Open(ctx context.Context, o Options) (*Repository, error) {
	program := o.Program
	if program == "" {
		program = "git"
	}
	if _, err := exec.LookPath(program); err != nil {
		return nil, &Error{Op: "read repository", Detail: "the program git was not found", Mend: "install git 2.31 or newer and see that it is in PATH", Err: err}
	}
	if strings.TrimSpace(o.Location) == "" {
		return nil, &Error{Op: "read repository", Detail: "no path or URL given", Mend: "give the folder of a clone or a URL"}
	}
	var r *Repository
	if _, err := os.Stat(o.Location); err != nil && IsURL(o.Location) {
		if r, err = mirror(ctx, program, o); err != nil {
			return nil, err
		}
	} else {
		var err error
		if r, err = local(ctx, program, o.Location); err != nil {
			return nil, err
		}
	}
	if o.Identity != "" {
		r.Name = o.Identity
	}
	facts, err := r.git.output(ctx, "read repository", nil, "rev-parse", "--is-shallow-repository", "--show-object-format")
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(facts))
	if len(fields) != 2 {
		return nil, &Error{Op: "read repository", Detail: fmt.Sprintf("git answered %q about %s", facts, r.Dir), Mend: "install git 2.31 or newer"}
	}
	r.Shallow, r.ObjectFormat = fields[0] == "true", fields[1]
	any, err := r.git.output(ctx, "read repository", nil, "for-each-ref", "--count=1", "--format=%(refname)")
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(any)) == 0 { // a detached HEAD without any ref is still a history
		_, err := r.resolve(ctx, "HEAD")
		r.Empty = err != nil
	}
	return r, nil
}

func local(ctx context.Context, program, path string) (*Repository, error) {
	dir, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("read repository: %w", err)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{Op: "read repository", Detail: fmt.Sprintf("%s does not exist", path), Mend: "give the folder of a clone, or a URL such as https://host/owner/name.git", Err: err}
	case err != nil:
		return nil, &Error{Op: "read repository", Detail: err.Error(), Mend: "see that you may read the folder", Err: err}
	case !info.IsDir():
		return nil, &Error{Op: "read repository", Detail: fmt.Sprintf("%s is a file", path), Mend: "give the folder that holds .git, a bare repository, or a URL"}
	}
	r := &Repository{git: runner{program: program, dir: dir}, Dir: dir}
	if _, err := r.git.output(ctx, "read repository", nil, "rev-parse", "--git-dir"); err != nil {
		return nil, err
	}
	r.Name = r.originName(ctx)
	return r, nil
}

// originName is the origin's URL, else the path: an origin that is only another folder says nothing
// to anyone else, and is not taken.
func (r *Repository) originName(ctx context.Context) string {
	out, err := r.git.output(ctx, "read origin", nil, "config", "--get", "remote.origin.url")
	if origin := strings.TrimSpace(string(out)); err == nil && IsURL(origin) {
		return Identity(origin)
	}
	if top, err := r.git.output(ctx, "read repository", nil, "rev-parse", "--show-toplevel"); err == nil {
		if dir := strings.TrimSuffix(string(top), "\n"); dir != "" {
			return dir
		}
	}
	return r.Dir
}

// mirror brings the URL's branches and tags into a bare, blob-less repository of the cache folder.
// The first fetch and all later ones are the same command, so one that broke off is simply repeated.
func mirror(ctx context.Context, program string, o Options) (*Repository, error) {
	if o.CacheDir == "" {
		return nil, &Error{Op: "fetch", Detail: "no cache folder for " + maskCredentials(o.Location), Mend: "give --state"}
	}
	name := Identity(o.Location)
	dir := filepath.Join(o.CacheDir, mirrorFolder(name))
	if err := os.MkdirAll(o.CacheDir, 0o700); err != nil {
		return nil, &Error{Op: "fetch", Detail: err.Error(), Mend: "see that the state folder is writable, or give another with --state", Err: err}
	}
	bare := runner{program: program}
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err != nil {
		if _, err := bare.output(ctx, "fetch", nil, "init", "--quiet", "--bare", dir); err != nil {
			return nil, err
		}
	}
	r := &Repository{Name: name, Dir: dir, git: runner{program: program, dir: dir, config: map[string]string{"remote.origin.url": o.Location}}}
	cmd := r.git.command(ctx, "fetch", "--progress", "--prune", "--force", "--no-tags", "--no-write-fetch-head",
		"--filter=blob:none", "origin", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
	complaint := &progress{tell: o.Progress}
	cmd.Stderr = complaint
	if err := cmd.Run(); err != nil {
		return nil, r.git.explain(ctx, "fetch "+name, err, complaint.tail.String())
	}
	if err := r.followHead(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// followHead points the mirror's HEAD at the remote's default branch.
func (r *Repository) followHead(ctx context.Context) error {
	out, err := r.git.output(ctx, "fetch "+r.Name, nil, "ls-remote", "--symref", "origin", "HEAD")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(line, "ref: "); ok {
			ref, _, _ := strings.Cut(rest, "\t")
			_, err := r.git.output(ctx, "fetch "+r.Name, nil, "symbolic-ref", "HEAD", ref)
			return err
		}
	}
	return nil // a detached remote HEAD: the branch has to be named
}

// mirrorFolder is a readable and unambiguous folder name for a URL.
func mirrorFolder(name string) string {
	sum := sha256.Sum256([]byte(name))
	base := name[strings.LastIndexAny(name, "/:")+1:]
	base = strings.Map(func(c rune) rune {
		if c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return -1
	}, strings.TrimSuffix(base, ".git"))
	if len(base) > 40 {
		base = base[:40]
	}
	return base + "-" + hex.EncodeToString(sum[:8]) + ".git"
}

// progress passes git's progress lines on and keeps its last words.
type progress struct {
	tail tail
	tell func(string)
	line []byte
}

func (p *progress) Write(b []byte) (int, error) {
	for _, c := range b {
		if c != '\r' && c != '\n' {
			p.line = append(p.line, c)
			continue
		}
		text := strings.TrimSpace(maskCredentials(string(p.line)))
		p.line = p.line[:0]
		if text == "" {
			continue
		}
		if strings.HasPrefix(text, "fatal:") || strings.HasPrefix(text, "error:") || !strings.HasSuffix(text, "%") {
			_, _ = p.tail.Write([]byte(text + "\n"))
		}
		if p.tell != nil {
			p.tell(strings.TrimPrefix(text, "remote: "))
		}
	}
	return len(b), nil
}

// Branch is a named line of history.
type Branch struct {
	Name string // "main"; a SHA for a detached HEAD
	SHA  string
}

// Branch finds a branch by name, or the one that HEAD points to for "". A clone's remote branch
// (origin/<name>) is taken when there is no local one of the name; the error lists near names.
func (r *Repository) Branch(ctx context.Context, name string) (Branch, error) {
	if r.Empty {
		return Branch{}, &Error{Op: "read branch", Detail: r.Dir + " has no commit yet", Mend: "commit something, or give another repository"}
	}
	if name == "" {
		sha, err := r.resolve(ctx, "HEAD")
		if err != nil {
			return Branch{}, r.noSuchBranch(ctx, "HEAD")
		}
		out, err := r.git.output(ctx, "read branch", nil, "symbolic-ref", "--quiet", "--short", "HEAD")
		if short := strings.TrimSpace(string(out)); err == nil && short != "" {
			return Branch{Name: short, SHA: sha}, nil
		}
		return Branch{Name: sha, SHA: sha}, nil
	}
	for _, ref := range []string{"refs/heads/" + name, "refs/remotes/origin/" + name, "refs/remotes/" + name, "refs/tags/" + name} {
		if sha, err := r.resolve(ctx, ref); err == nil {
			return Branch{Name: name, SHA: sha}, nil
		}
	}
	if isHex(name) && len(name) >= 7 {
		if sha, err := r.resolve(ctx, name); err == nil {
			return Branch{Name: name, SHA: sha}, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return Branch{}, fmt.Errorf("read branch: %w", err)
	}
	return Branch{}, r.noSuchBranch(ctx, name)
}

func (r *Repository) noSuchBranch(ctx context.Context, name string) error {
	out, err := r.git.output(ctx, "list branches", nil, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes/origin")
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	var names []string
	for _, ref := range strings.Fields(string(out)) {
		short := strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/remotes/origin/")
		if short != "HEAD" && !seen[short] {
			seen[short] = true
			names = append(names, short)
		}
	}
	mend := "this repository has no branches; name a commit or a tag with --branch"
	if near := nearest(name, names, 5); len(near) > 0 {
		mend = "give --branch one of: " + strings.Join(near, ", ")
		if more := len(names) - len(near); more > 0 {
			mend += fmt.Sprintf(" (and %d more)", more)
		}
	}
	return &Error{Op: "read branch", Detail: fmt.Sprintf("there is no branch %q", name), Mend: mend}
}

// resolve gives the commit that a revision names.
func (r *Repository) resolve(ctx context.Context, rev string) (string, error) {
	out, err := r.git.output(ctx, "read "+rev, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

// nearest gives at most n of the names, those most like the wanted one first.
func nearest(want string, names []string, n int) []string {
	type scored struct {
		name     string
		distance int
	}
	all := make([]scored, 0, len(names))
	for _, name := range names {
		d := editDistance(strings.ToLower(want), strings.ToLower(name))
		if strings.Contains(strings.ToLower(name), strings.ToLower(want)) {
			d = 0
		}
		all = append(all, scored{name, d})
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].distance < all[j].distance })
	if len(all) > n {
		all = all[:n]
	}
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = s.name
	}
	return out
}

// editDistance is Levenshtein's, by bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
