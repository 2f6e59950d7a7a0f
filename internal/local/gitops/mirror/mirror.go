// Package mirror keeps a bare copy of the environment repository beside the
// platform's state, reads what stands in it, and writes commits to it.
//
// It speaks to the repository by the git program alone, so that any server will
// do: the platform's own, GitHub, a bare folder (file://). Nothing of the
// repository is ever written to disk as a file; what is read are blobs of a
// bounded number and size, and a symbolic link or a submodule is told as what it
// is and never followed.
//
// The token never stands on a command line: git is given it as a header by its
// environment, for that one URL. Redirects are not followed, so that the token
// reaches no other host.
package mirror

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Remote says where the environment repository is.
type Remote struct {
	URL    string // http://, https:// or file:///absolute/path
	Branch string
	Token  string // sent as the password of Basic authentication; empty: none
}

// Check refuses an address that is not one of a repository, or holds a password.
func (r Remote) Check() error {
	u, err := url.Parse(r.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "file":
		return fmt.Errorf("%q is not the URL of a repository: use http://, https:// or file:///path", r.URL)
	case u.User != nil:
		return errors.New("the URL holds a user: give the token apart")
	case u.Scheme != "file" && u.Host == "":
		return fmt.Errorf("%q names no host", r.URL)
	case u.Scheme == "file" && (u.Host != "" || !filepath.IsAbs(u.Path)):
		return fmt.Errorf("%q names no absolute path", r.URL)
	case strings.ContainsFunc(r.URL, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return errors.New("the URL holds a space or a control character")
	}
	return CheckBranch(r.Branch)
}

// CheckBranch refuses what git would not take as the name of a branch.
func CheckBranch(name string) error {
	bad := name == "" || len(name) > 200 || strings.HasPrefix(name, "-") || strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") ||
		strings.HasSuffix(name, ".lock") || strings.HasSuffix(name, ".") || strings.Contains(name, "..") || strings.Contains(name, "//") || strings.Contains(name, "@{")
	if bad || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`~^:?*[\`, c) }) {
		return fmt.Errorf("%q cannot name a branch", name)
	}
	return nil
}

// What a repository answers beside faults of its own.
var (
	// ErrEmpty says that the branch has no commit yet.
	ErrEmpty = errors.New("the environment repository has no commit on its branch yet")
	// ErrBehind says that somebody pushed in between: fetch, and make the commit again.
	ErrBehind = errors.New("the branch has moved on meanwhile")
)

// Mirror is the bare copy. Methods may be called at the same time.
type Mirror struct {
	folder string

	mu     sync.Mutex // one at a time fetches or pushes
	remote Remote
}

// Open makes the mirror's folder, or uses the one that is there.
func Open(ctx context.Context, folder string) (*Mirror, error) {
	m := &Mirror{folder: folder}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the mirror: %w", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "HEAD")); err == nil {
		return m, nil
	}
	if _, err := m.git(ctx, nil, "init", "--quiet", "--bare", "."); err != nil {
		return nil, fmt.Errorf("make the mirror: %w", err)
	}
	return m, nil
}

// Use says which repository to mirror from now on.
func (m *Mirror) Use(r Remote) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remote = r
}

func (m *Mirror) ref() string { return "refs/environment/" + m.remote.Branch }

// fetchTime and localTime bound the run of one git program.
const (
	fetchTime = 2 * time.Minute
	localTime = 30 * time.Second
)

// Fetch brings the branch in and returns its commit; ErrEmpty when it has none.
func (m *Mirror) Fetch(ctx context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	_, err := m.run(ctx, &m.remote, nil, nil, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--prune", m.remote.URL,
		"+refs/heads/"+m.remote.Branch+":"+m.ref())
	if err != nil {
		if strings.Contains(err.Error(), "couldn't find remote ref") {
			return "", ErrEmpty
		}
		return "", fmt.Errorf("fetch the environment repository: %w", err)
	}
	return m.head(ctx)
}

// Head is the commit that the last Fetch brought; ErrEmpty when there is none.
func (m *Mirror) Head(ctx context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head(ctx)
}

func (m *Mirror) head(ctx context.Context) (string, error) {
	out, err := m.git(ctx, nil, "rev-parse", "--quiet", "--verify", m.ref()+"^{commit}")
	if err != nil {
		return "", ErrEmpty
	}
	return strings.TrimSpace(string(out)), nil
}

// Push makes the branch point at a commit that was made here. ErrBehind when the
// branch is no longer at the commit that was built on.
func (m *Mirror) Push(ctx context.Context, commit string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	if _, err := m.run(ctx, &m.remote, nil, nil, "push", "--quiet", m.remote.URL, commit+":refs/heads/"+m.remote.Branch); err != nil {
		for _, sign := range []string{"non-fast-forward", "fetch first", "stale info", "cannot lock ref", "failed to update ref"} {
			if strings.Contains(err.Error(), sign) {
				return fmt.Errorf("%w: %w", ErrBehind, err)
			}
		}
		return fmt.Errorf("push to the environment repository: %w", err)
	}
	_, err := m.git(ctx, nil, "update-ref", m.ref(), commit)
	return err
}

// git runs the program in the mirror and returns what it wrote.
func (m *Mirror) git(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	return m.run(ctx, nil, nil, stdin, args...)
}

// mostOutput bounds what one program may write; listings and blobs are bounded
// before they are asked for, so that more is an attack.
const mostOutput = 32 << 20

// run is git with further variables, and with the token of a remote if it talks to one.
func (m *Mirror) run(ctx context.Context, remote *Remote, env []string, stdin io.Reader, args ...string) ([]byte, error) {
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, localTime)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.hooksPath=" + os.DevNull, "-c", "protocol.version=2"}, args...)...)
	cmd.Dir, cmd.Stdin = m.folder, stdin
	cmd.Env = append(environment(remote), env...)
	cmd.WaitDelay = 5 * time.Second
	out, complaint := &limited{most: mostOutput}, &limited{most: 16 << 10}
	cmd.Stdout, cmd.Stderr = out, complaint
	err := cmd.Run()
	switch {
	case err == nil && out.over:
		return nil, fmt.Errorf("git %s: wrote more than %d MiB", args[0], mostOutput>>20)
	case err == nil:
		return out.Bytes(), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("git %s: %w", args[0], ctx.Err())
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("the program git was not found: install git and see that it is in PATH")
	}
	said := strings.TrimSpace(complaint.String())
	if said == "" {
		said = err.Error()
	}
	return nil, fmt.Errorf("git %s: %s", args[0], strings.ReplaceAll(said, "\n", "; "))
}

// environment is that of every git program: no taste of the user, no prompt, no
// other repository, and the token as a header for the remote alone.
func environment(remote *Remote) []string {
	var env []string
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); !strings.HasPrefix(name, "GIT_") && !strings.HasPrefix(name, "FAWKES_") {
			env = append(env, kv)
		}
	}
	env = append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_ALLOW_PROTOCOL=http:https:file", "GIT_DIR=.", "GIT_HTTP_LOW_SPEED_LIMIT=1000", "GIT_HTTP_LOW_SPEED_TIME=20")
	config := [][2]string{{"safe.directory", "*"}, {"credential.helper", ""}, {"http.followRedirects", "false"}}
	if remote != nil && remote.Token != "" {
		header := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("fawkes:"+remote.Token))
		config = append(config, [2]string{"http." + remote.URL + ".extraHeader", header})
	}
	env = append(env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(config)))
	for i, c := range config {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, c[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, c[1]))
	}
	return env
}

// limited keeps the first bytes that are written to it.
type limited struct {
	bytes.Buffer
	most int
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if room := l.most - l.Len(); len(p) > room {
		l.over = true
		l.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return l.Buffer.Write(p)
}
