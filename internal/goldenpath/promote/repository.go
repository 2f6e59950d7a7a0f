package promote

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// errOvertaken says that somebody else pushed in between.
var errOvertaken = errors.New("overtaken")

// repository is a clone of the environment repository, worked on by the git program. The token is handed
// to git by its environment, never by an argument, which every user of the machine can read.
type repository struct {
	dir    string
	target Target
}

// clone fetches the head of the branch. A repository without commits gives an empty tree.
func (r *repository) clone(ctx context.Context) error {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	for _, args := range [][]string{{"init", "--quiet", "--initial-branch=" + r.target.Branch}, {"config", "core.symlinks", "false"}, {"config", "core.hooksPath", os.DevNull}} {
		if _, err := r.git(ctx, args...); err != nil {
			return err
		}
	}
	heads, err := r.git(ctx, "ls-remote", "--heads", "--", r.target.URL)
	if err != nil {
		return err
	}
	if !strings.Contains(heads, "\trefs/heads/"+r.target.Branch+"\n") {
		if strings.TrimSpace(heads) != "" {
			return &Error{Op: "read the environment repository", Detail: fmt.Sprintf("it has no branch %q", r.target.Branch), Mend: "create the branch, or name another with FAWKES_ENVIRONMENTS_BRANCH"}
		}
		return nil // the first commit makes the branch
	}
	return r.catchUp(ctx)
}

// catchUp stands the clone on the newest head of the branch and drops what was committed here.
func (r *repository) catchUp(ctx context.Context) error {
	if _, err := r.git(ctx, "fetch", "--quiet", "--depth=1", "--no-tags", "--", r.target.URL, "refs/heads/"+r.target.Branch); err != nil {
		return err
	}
	_, err := r.git(ctx, "reset", "--quiet", "--hard", "FETCH_HEAD")
	if err != nil {
		return err
	}
	_, err = r.git(ctx, "clean", "-ffdxq")
	return err
}

// commit commits what changed in a folder; nothing changed is no commit.
func (r *repository) commit(ctx context.Context, folder, message string) (bool, error) {
	if _, err := r.git(ctx, "add", "--all", "--force", "--", filepath.ToSlash(folder)); err != nil {
		return false, err
	}
	staged, err := r.git(ctx, "diff", "--cached", "--name-only", "-z")
	if err != nil || staged == "" {
		return false, err
	}
	_, err = r.git(ctx, "commit", "--quiet", "--no-verify", "--no-gpg-sign", "-m", message)
	return err == nil, err
}

func (r *repository) head(ctx context.Context) (string, error) {
	out, err := r.git(ctx, "rev-parse", "--quiet", "--verify", "HEAD^{commit}")
	return strings.TrimSpace(out), err
}

func (r *repository) push(ctx context.Context) error {
	_, err := r.git(ctx, "push", "--quiet", "--porcelain", "--", r.target.URL, "HEAD:refs/heads/"+r.target.Branch)
	return err
}

// git runs the program. Its environment is made here: neither a hook's variables nor a user's settings
// reach it.
func (r *repository) git(ctx context.Context, args ...string) (string, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return "", &Error{Op: "promote", Detail: "the program git was not found", Mend: "install git and see that it is in PATH", Err: err}
	}
	cmd := exec.CommandContext(ctx, program, append([]string{"-C", r.dir, "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "commit.gpgSign=false", "-c", "core.autocrlf=false"}, args...)...)
	cmd.Env = r.environment()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", r.explain(ctx, args[0], err, out.String()+complaint.String())
	}
	return out.String(), nil
}

func (r *repository) environment() []string {
	env := []string{
		"HOME=" + r.dir, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_AUTHOR_NAME=fawkes", "GIT_AUTHOR_EMAIL=fawkes@localhost", "GIT_COMMITTER_NAME=fawkes", "GIT_COMMITTER_EMAIL=fawkes@localhost",
	}
	for _, name := range []string{"PATH", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "SSL_CERT_FILE", "GIT_SSL_CAINFO"} {
		if r.target.Env == nil {
			break
		}
		if v := r.target.Env(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	if r.target.Token != "" && strings.HasPrefix(r.target.URL, "http") {
		word := base64.StdEncoding.EncodeToString([]byte("fawkes:" + r.target.Token))
		env = append(env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: Basic "+word)
	}
	return env
}

// explain turns git's complaint into an error that a person can act on.
func (r *repository) explain(ctx context.Context, command string, err error, complaint string) error {
	if ctx.Err() != nil {
		return &Error{Op: "promote", Detail: "the time was up, or the run was stopped, during git " + command, Unreachable: true, Err: ctx.Err()}
	}
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(complaint, w) {
				return true
			}
		}
		return false
	}
	e := &Error{Op: "git " + command + " in the environment repository", Detail: lastLine(complaint, r.target.Token), Err: err}
	switch {
	case command == "push" && has("[rejected]", "fetch first", "non-fast-forward", "cannot lock ref", "failed to update ref", "reference already exists", "incorrect old value", "stale info", "is at ", "[remote rejected] HEAD -> "+r.target.Branch+" (failed"):
		return errOvertaken
	case has("hook declined", "protected branch", "pre-receive"):
		e.Mend = "the repository does not accept commits of the golden path on this branch; permit them for its token"
	case has("Authentication failed", "could not read Username", "terminal prompts disabled", "401", "403", "Access denied", "Permission denied"):
		e.Mend = "give a token that may write to the repository with FAWKES_ENVIRONMENTS_TOKEN"
		e.Unreachable = true
	case has("not found", "does not exist", "does not appear to be a git repository", "No such file"):
		e.Mend = "check FAWKES_ENVIRONMENTS_URL; `git ls-remote` on it must work"
		e.Unreachable = true
	case command == "ls-remote" || command == "fetch" || command == "push":
		e.Mend = "see that the environment repository can be reached, then run the stage again"
		e.Unreachable = true
	}
	return e
}

// lastLine is what git says at last, without the token.
func lastLine(s, token string) string {
	last := ""
	for _, line := range strings.FieldsFunc(s, func(c rune) bool { return c == '\n' || c == '\r' }) {
		if line = strings.TrimSpace(line); line != "" && line != "Done" {
			last = line
			if strings.HasPrefix(line, "fatal: ") {
				break
			}
		}
	}
	if token != "" {
		last = strings.ReplaceAll(last, token, "***")
	}
	return strings.ToValidUTF8(last[:min(len(last), 400)], "?")
}
