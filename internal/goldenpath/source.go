package goldenpath

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/cienv"
)

// source is the commit that is built, as the surroundings and the work tree say.
type source struct {
	sha           string
	repository    string
	name          string // "owner/name"
	branch        string
	defaultBranch string
	committedAt   int64
	changed       bool // tracked files differ from the commit
	git           bool // there is a repository
}

var fullHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// readSource asks the work tree for what the surroundings do not say, and compares what both do.
func (p *pipeline) readSource(ctx context.Context) (source, error) {
	s := source{sha: p.where.SHA, repository: p.where.Repository, name: p.where.RepositoryName, branch: p.where.Branch, defaultBranch: p.where.DefaultBranch}
	defer func() {
		if s.name == "" {
			s.name = filepath.Base(p.dir)
		}
	}()
	head, err := p.git(ctx, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil {
		if s.name == "" {
			s.name = filepath.Base(p.dir)
		}
		return s, failf(ExitUsage, "check the repository out with git, and give its folder with --dir", "%s holds no commit of a git repository: %v", p.dir, err)
	}
	s.git = true
	var fault error
	switch {
	case s.sha == "":
		s.sha = head
	case !fullHash.MatchString(s.sha):
		fault = failf(ExitUsage, "", "%q is not the full hash of a commit", s.sha)
	case s.sha != head:
		fault = failf(ExitUsage, "check out the commit that is to be built", "the work tree stands on %s, but the commit to build is %s", head, s.sha)
	}
	if s.repository == "" {
		if url, err := p.git(ctx, "config", "--get", "remote.origin.url"); err == nil {
			s.repository = cienv.CleanURL(url)
		}
	}
	if s.name == "" {
		s.name = cienv.NameOf(s.repository)
	}
	if s.name == "" {
		s.name = filepath.Base(p.dir)
	}
	if s.branch == "" && p.where.Tag == "" && p.where.System == cienv.Shell {
		if b, err := p.git(ctx, "symbolic-ref", "--quiet", "--short", "HEAD"); err == nil {
			s.branch = b
		}
	}
	if s.defaultBranch == "" {
		if b, err := p.git(ctx, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"); err == nil {
			s.defaultBranch = strings.TrimPrefix(b, "origin/")
		}
	}
	if at, err := p.git(ctx, "show", "--no-patch", "--format=%ct", "--no-show-signature", head); err == nil {
		s.committedAt, _ = strconv.ParseInt(at, 10, 64)
	}
	if out, err := p.git(ctx, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules"); err == nil {
		s.changed = out != ""
	}
	return s, fault
}

// onDefaultBranch says whether the commit is of the branch that is delivered from, and why not.
func (s *State) onDefaultBranch() (bool, string) {
	switch {
	case s.PullRequest != "":
		return false, "change " + s.PullRequest + " is proposed, not merged"
	case s.Tag != "":
		return false, "this is the tag " + s.Tag + ", not the default branch"
	case s.Branch == "":
		return false, "the branch is not known"
	case s.DefaultBranch != "" && s.Branch != s.DefaultBranch:
		return false, fmt.Sprintf("the branch is %s, and only %s is promoted", s.Branch, s.DefaultBranch)
	case s.DefaultBranch == "" && s.Branch != "main" && s.Branch != "master":
		return false, fmt.Sprintf("the branch is %s, and the default branch is not known (main and master are taken for it)", s.Branch)
	}
	return true, ""
}

// git asks the work tree's repository. Its configuration is the repository's, which strangers write: what
// could start a program is switched off.
func (p *pipeline) git(ctx context.Context, args ...string) (string, error) {
	program, err := p.lookPath("git", p.dir)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"-C", p.dir, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull, "-c", "core.pager=cat",
		"-c", "diff.external=", "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "safe.directory=" + p.dir}, args...)...)
	cmd.Env = []string{"PATH=" + p.o.Env("PATH"), "HOME=" + filepath.Join(p.temp, "home"), "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_REPLACE_OBJECTS=1", "GIT_NO_LAZY_FETCH=1"}
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(complaint.String()); text != "" {
			return "", fmt.Errorf("git %s: %s", args[0], text)
		}
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(out.String()), nil
}
