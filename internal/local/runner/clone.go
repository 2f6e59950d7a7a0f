package runner

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// cloneDepth is how many commits of history a work folder has.
const cloneDepth = 50

// gitTimeout bounds one call of the git program.
const gitTimeout = 10 * time.Minute

// gitUser is the user name beside the token; servers that know tokens take any.
const gitUser = "fawkes"

// git runs the git program below a keeper, with the token in the environment alone and no configuration but this.
type git struct {
	program string // absolute
	path    string // PATH
	home    string
	marker  string
	server  string // the token is for addresses below it
	token   string
}

// newGit finds the git program.
func newGit(path, home, marker string, c Connections) (git, error) {
	for _, dir := range filepath.SplitList(path) {
		if p, err := exec.LookPath(filepath.Join(dir, "git")); err == nil && filepath.IsAbs(p) {
			return git{program: p, path: path, home: home, marker: marker, server: strings.TrimRight(c.Git.URL, "/"), token: c.Git.Token}, nil
		}
	}
	return git{}, errors.New("the git program is not on the PATH: install git")
}

// environ is git's whole environment.
func (g git) environ() []string {
	env := []string{
		"PATH=" + g.path, "HOME=" + g.home, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_ALLOW_PROTOCOL=http:https:file", "GIT_LFS_SKIP_SMUDGE=1",
	}
	config := [][2]string{
		{"core.hooksPath", "/dev/null"}, {"gc.auto", "0"}, {"maintenance.auto", "false"}, {"advice.detachedHead", "false"},
		{"core.symlinks", "true"}, {"protocol.version", "2"}, {"http.followRedirects", "false"},
		{"http.lowSpeedLimit", "1000"}, {"http.lowSpeedTime", "60"}, {"init.defaultBranch", "main"},
	}
	if g.token != "" {
		basic := base64.StdEncoding.EncodeToString([]byte(gitUser + ":" + g.token))
		config = append(config, [2]string{"http." + g.server + "/.extraHeader", "Authorization: Basic " + basic})
	}
	env = append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(config)))
	for i, kv := range config {
		n := strconv.Itoa(i)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+kv[0], "GIT_CONFIG_VALUE_"+n+"="+kv[1])
	}
	return env
}

// run runs git and gives what it wrote, at most a MiB of it.
func (g git) run(ctx context.Context, dir string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	var out, errs bounded
	p, err := sandbox.Start(ctx, sandbox.Spec{
		Path: g.program, Args: args, Dir: dir, Env: g.environ(), Network: true, Marker: g.marker,
		Stdout: &out, Stderr: &errs, Grace: 2 * time.Second,
	})
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	exit, err := p.Wait()
	switch {
	case err != nil:
		return "", fmt.Errorf("git %s: %w", args[0], err)
	case ctx.Err() != nil:
		return "", fmt.Errorf("git %s: %w", args[0], ctx.Err())
	case !exit.Success():
		return "", fmt.Errorf("git %s: %s", args[0], g.told(errs.String(), exit))
	}
	return out.String(), nil
}

// told is what git said, without its token.
func (g git) told(text string, exit sandbox.Exit) string {
	text = clean(strings.TrimSpace(text), mostReason)
	if g.token != "" {
		text = strings.ReplaceAll(text, g.token, "***")
	}
	if text == "" {
		text = fmt.Sprintf("it ended with status %d%s", exit.Code, exit.Signal)
	}
	return text
}

// checkout brings the commit into dir, which it makes. Where the server gives no single commits, the branch is fetched.
func (g git) checkout(ctx context.Context, address, branch, sha, dir string, say func(string)) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the work folder: %w", err)
	}
	if _, err := g.run(ctx, dir, "init", "--quiet"); err != nil {
		return err
	}
	say("fetch " + sha + " from " + address)
	_, err := g.run(ctx, dir, "fetch", "--quiet", "--no-tags", "--depth="+strconv.Itoa(cloneDepth), address, sha)
	if err != nil && ctx.Err() == nil {
		say(err.Error())
		say("fetch the branch " + branch)
		_, err = g.run(ctx, dir, "fetch", "--quiet", "--no-tags", address, "refs/heads/"+branch)
	}
	if err != nil {
		return err
	}
	_, err = g.run(ctx, dir, "checkout", "--quiet", "--detach", sha)
	return err
}

// resolved is what a name means at the server.
type resolved struct{ branch, sha, defaultBranch string }

var symrefForm = regexp.MustCompile(`(?m)^ref: refs/heads/(\S+)\tHEAD$`)

// resolve asks the server what a branch, or a commit that a branch points at, is; an empty name is the default branch.
func (g git) resolve(ctx context.Context, address, name string) (resolved, error) {
	out, err := g.run(ctx, "/", "ls-remote", "--symref", address, "HEAD", "refs/heads/*")
	if err != nil {
		return resolved{}, err
	}
	var r resolved
	if m := symrefForm.FindStringSubmatch(out); m != nil {
		r.defaultBranch = m[1]
	}
	name = strings.TrimPrefix(name, "refs/heads/")
	if name == "" {
		name = r.defaultBranch
	}
	for _, line := range strings.Split(out, "\n") {
		sha, ref, ok := strings.Cut(line, "\t")
		branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
		if !ok || !isBranch || !shaForm.MatchString(sha) || !validBranch(branch) {
			continue
		}
		if branch == name || sha == name && (r.branch == "" || branch == r.defaultBranch) {
			r.branch, r.sha = branch, sha
		}
	}
	if r.sha == "" {
		return r, fmt.Errorf("%w: no branch is called, or points at, %q", ErrNotFound, clean(name, 100))
	}
	return r, nil
}

// subject reads the first line of the commit's message and its author.
func (g git) subject(ctx context.Context, dir, sha string) (subject, author string) {
	out, err := g.run(ctx, dir, "log", "-1", "--format=%s%x00%an", sha)
	if err != nil {
		return "", ""
	}
	subject, author, _ = strings.Cut(strings.TrimSpace(out), "\x00")
	return clean(subject, mostSubject), clean(author, mostSubject)
}

// bounded keeps the first MiB that is written to it.
type bounded struct{ buf bytes.Buffer }

const mostOutput = 1 << 20

func (b *bounded) Write(p []byte) (int, error) {
	b.buf.Write(p[:min(len(p), mostOutput-b.buf.Len())])
	return len(p), nil
}

func (b *bounded) String() string { return b.buf.String() }
