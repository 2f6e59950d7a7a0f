package scaffold

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// Branch is the branch of a new repository.
const Branch = "main"

// GitError is a failure of the git program.
type GitError struct {
	Op     string // "commit", "push"
	Detail string // what git said, in one line
	Mend   string
	Err    error
}

func (e *GitError) Error() string { return "git " + e.Op + ": " + e.Detail }

// Unwrap gives the cause.
func (e *GitError) Unwrap() error { return e.Err }

// Advice is how to mend it; it may be empty.
func (e *GitError) Advice() string { return e.Mend }

// Begin makes a git repository of dir, with everything in it as the first commit of the branch main, and gives
// that commit's id. environ is the environment of the git program; where it and git's configuration name no
// author, the commit is of "Fawkes".
func Begin(ctx context.Context, dir, message string, environ []string) (string, error) {
	g := git{dir: dir, environ: clean(environ)}
	if _, err := g.run(ctx, "init", "init", "--quiet", "--initial-branch="+Branch); err != nil {
		return "", err
	}
	if _, err := g.run(ctx, "add", "add", "--all"); err != nil {
		return "", err
	}
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		if _, err := g.run(ctx, "var", "var", "GIT_"+who+"_IDENT"); err != nil {
			if errors.Is(err, exec.ErrNotFound) || ctx.Err() != nil {
				return "", err
			}
			g.environ = append(g.environ, "GIT_"+who+"_NAME=Fawkes", "GIT_"+who+"_EMAIL=fawkes@localhost")
		}
	}
	if _, err := g.run(ctx, "commit", "-c", "commit.gpgSign=false", "-c", "core.hooksPath=", "commit", "--quiet", "--message="+message); err != nil {
		return "", err
	}
	return g.run(ctx, "rev-parse", "rev-parse", "HEAD")
}

// Push names target as the remote "origin" of the repository in dir and pushes the branch main to it. The token
// of the platform's API, which is the password, reaches git by its environment alone: it is stored nowhere and
// is not in the process list. An empty token leaves it to git how to sign in.
func Push(ctx context.Context, dir, target, token string, environ []string) error {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return &GitError{Op: "push", Detail: fmt.Sprintf("%q is not the URL of a repository", target), Mend: "give a URL such as http://127.0.0.1:8080/git/fawkes/hello.git", Err: err}
	}
	g := git{dir: dir, environ: clean(environ)}
	if _, err := g.run(ctx, "remote", "remote", "get-url", "origin"); err != nil {
		if _, err := g.run(ctx, "remote", "remote", "add", "origin", target); err != nil {
			return err
		}
	} else if _, err := g.run(ctx, "remote", "remote", "set-url", "origin", target); err != nil {
		return err
	}
	if token != "" {
		secret := base64.StdEncoding.EncodeToString([]byte("fawkes:" + token))
		g.configure("http."+u.Scheme+"://"+u.Host+"/.extraHeader", "Authorization: Basic "+secret)
		g.configure("credential.helper", "")
	}
	_, err = g.run(ctx, "push", "push", "--quiet", "--set-upstream", "origin", Branch)
	return err
}

// SignIn keeps in the repository's own configuration which program answers for the sign-in to the platform that
// target is of: helper is a command line for the shell. What asks for a password afterwards asks that program first.
func SignIn(ctx context.Context, dir, target, helper string, environ []string) error {
	u, err := url.Parse(target)
	if err != nil {
		return &GitError{Op: "config", Detail: fmt.Sprintf("%q is not the URL of a repository", target), Err: err}
	}
	g := git{dir: dir, environ: clean(environ)}
	key := "credential." + u.Scheme + "://" + u.Host
	for _, s := range [][2]string{{key + ".username", "fawkes"}, {key + ".helper", "!" + helper}} {
		if _, err := g.run(ctx, "config", "config", "--replace-all", s[0], s[1]); err != nil {
			return err
		}
	}
	return nil
}

// git runs the git program in one repository.
type git struct {
	dir     string
	environ []string
}

// clean is an environment without what points git at another repository.
func clean(environ []string) []string {
	var out []string
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		switch name {
		case "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE",
			"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_TRACE", "GIT_TRACE_CURL", "GIT_CURL_VERBOSE", "LC_ALL":
			continue
		}
		out = append(out, e)
	}
	return append(out, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0")
}

// configure adds a setting by the environment, after those that are there.
func (g *git) configure(key, value string) {
	count := 0
	g.environ = slices.DeleteFunc(slices.Clone(g.environ), func(e string) bool {
		text, ok := strings.CutPrefix(e, "GIT_CONFIG_COUNT=")
		if n, err := strconv.Atoi(text); ok && err == nil && n > 0 {
			count = n
		}
		return ok
	})
	n := strconv.Itoa(count)
	g.environ = append(g.environ, "GIT_CONFIG_KEY_"+n+"="+key, "GIT_CONFIG_VALUE_"+n+"="+value, "GIT_CONFIG_COUNT="+strconv.Itoa(count+1))
}

func (g *git) run(ctx context.Context, op string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = g.dir, g.environ
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("git %s: %w", op, ctx.Err())
		}
		return "", explained(op, complaint.String(), err)
	}
	return strings.TrimSpace(out.String()), nil
}

func explained(op, complaint string, err error) error {
	fault := &GitError{Op: op, Detail: lastLine(complaint), Err: err}
	if fault.Detail == "" {
		fault.Detail = err.Error()
	}
	has := func(text string) bool { return strings.Contains(complaint, text) }
	switch {
	case errors.Is(err, exec.ErrNotFound):
		fault.Detail, fault.Mend = "the program git was not found", "install git 2.31 or newer and see that it is in PATH"
	case has("Authentication failed") || has("could not read Username") || has(" 401") || has(" 403"):
		fault.Detail, fault.Mend = "the platform does not let this token push", "set FAWKES_TOKEN to a token with the scope git:write (fawkes token create)"
	case has("fetch first") || has("non-fast-forward") || has("[rejected]"):
		fault.Detail, fault.Mend = "the repository has commits already", "push to another one, or pull first"
	case has("Connection refused") || has("Could not resolve host") || has("Failed to connect") || has("Couldn't connect"):
		fault.Mend = "see that the platform runs (fawkes status)"
	}
	return fault
}

// lastLine is the last line that says something.
func lastLine(text string) string {
	last := ""
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			last = line
		}
	}
	return last
}
