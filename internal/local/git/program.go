package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// program runs git. Nothing of the machine's or of the user's own configuration counts, and no input of a caller is
// ever placed where git reads an option: names go behind --end-of-options or through standard input.
type program struct {
	path string // of the git program
	home string // an empty folder
}

// Older ones lack settings that this server relies on.
const leastMajor, leastMinor = 2, 36

// check refuses a git that is too old.
func (g program) check(ctx context.Context) error {
	out, err := g.text(ctx, "/", "ask git for its version", nil, "version")
	if err != nil {
		return err
	}
	var major, minor int
	if _, err := fmt.Sscanf(out, "git version %d.%d", &major, &minor); err != nil {
		return fmt.Errorf("ask git for its version: it wrote %q", clip(strings.TrimSpace(out), 100))
	}
	if major < leastMajor || major == leastMajor && minor < leastMinor {
		return fmt.Errorf("git %d.%d is too old: install git %d.%d or newer", major, minor, leastMajor, leastMinor)
	}
	return nil
}

// grace is how long git may take to clean up after it was told to end.
const grace = 3 * time.Second

// setting is one line of git's configuration.
type setting struct{ key, value string }

// safety are the settings of every run.
func safety() []setting {
	return []setting{
		{"safe.directory", "*"}, // the folder is ours, whoever started the platform
		{"core.fsmonitor", "false"},
		{"core.quotePath", "false"},
		{"core.bigFileThreshold", "8m"}, // larger files are streamed, not held
		{"core.packedGitWindowSize", "8m"},
		{"core.packedGitLimit", "64m"},
		{"core.deltaBaseCacheLimit", "32m"},
		{"core.logAllRefUpdates", "always"},
		{"core.fsync", "committed,reference"}, // what a client is told is stored, is
		{"pack.windowMemory", "32m"},
		{"pack.deltaCacheSize", "32m"},
		{"pack.threads", "2"},
		{"gc.auto", "0"}, // the server tidies by itself, while nobody waits for it
		{"maintenance.auto", "false"},
		{"receive.autogc", "false"},
		{"log.showSignature", "false"},
		{"i18n.logOutputEncoding", "UTF-8"},
		{"diff.renameLimit", "400"},
		{"protocol.allow", "never"}, // this side calls nobody
		{"init.defaultBranch", "main"},
	}
}

// environment is the whole environment of a run.
func (g program) environment(settings []setting, more ...string) []string {
	settings = append(safety(), settings...)
	env := []string{
		"PATH=" + filepath.Dir(g.path) + ":/usr/local/bin:/usr/bin:/bin", "HOME=" + g.home, "XDG_CONFIG_HOME=" + g.home,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_NO_REPLACE_OBJECTS=1", "GIT_LITERAL_PATHSPECS=1", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1",
		"LC_ALL=C", "TZ=UTC", "GIT_CONFIG_COUNT=" + strconv.Itoa(len(settings)),
	}
	for i, s := range settings {
		n := strconv.Itoa(i)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+s.key, "GIT_CONFIG_VALUE_"+n+"="+s.value)
	}
	return append(env, more...)
}

// command is a run of git in a repository's folder. When ctx ends, git and what it started are told to end.
func (g program) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.path, args...) //nolint:gosec // found once, by its name
	cmd.Dir, cmd.Env = dir, g.environment(nil)
	apart(cmd)
	return cmd
}

// apart makes the run a process group of its own, which is ended as a whole.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
}

// gitError is a run that failed, with what git said.
type gitError struct {
	op     string
	stderr string
	err    error
}

func (e *gitError) Error() string {
	if e.stderr == "" {
		return fmt.Sprintf("%s: git: %v", e.op, e.err)
	}
	return fmt.Sprintf("%s: git: %v: %s", e.op, e.err, e.stderr)
}

func (e *gitError) Unwrap() error { return e.err }

// exitCode is that of the run, -1 where there was none.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// output runs git and returns what it wrote, at most limit bytes of it; cut says that there was more.
func (g program) output(ctx context.Context, dir, op string, stdin io.Reader, limit int64, args ...string) (text []byte, cut bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := g.command(ctx, dir, args...)
	cmd.Stdin = stdin
	stderr := &beginning{most: 4 << 10}
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, false, &gitError{op: op, err: err}
	}
	if err := cmd.Start(); err != nil {
		return nil, false, &gitError{op: op, err: err}
	}
	var buf bytes.Buffer
	_, rerr := io.Copy(&buf, io.LimitReader(out, limit+1))
	if cut = int64(buf.Len()) > limit; cut {
		buf.Truncate(int(limit))
		cancel()
	}
	werr := cmd.Wait()
	switch {
	case cut:
		return buf.Bytes(), true, nil
	case ctx.Err() != nil:
		return nil, false, ctx.Err()
	case werr != nil:
		return nil, false, &gitError{op: op, stderr: stderr.String(), err: werr}
	case rerr != nil:
		return nil, false, &gitError{op: op, err: rerr}
	}
	return buf.Bytes(), false, nil
}

// mostOutput is how much of git's output is held at once.
const mostOutput = 16 << 20

// text is output that is whole.
func (g program) text(ctx context.Context, dir, op string, stdin io.Reader, args ...string) (string, error) {
	out, cut, err := g.output(ctx, dir, op, stdin, mostOutput, args...)
	if err == nil && cut {
		err = fmt.Errorf("%s: git wrote more than %d bytes", op, mostOutput)
	}
	return string(out), err
}

// beginning keeps the first bytes of what is written to it.
type beginning struct {
	most int
	text []byte
}

func (t *beginning) Write(p []byte) (int, error) {
	t.text = append(t.text, p[:min(len(p), t.most-len(t.text))]...)
	return len(p), nil
}

func (t *beginning) String() string {
	return strings.TrimSpace(strings.ToValidUTF8(string(t.text), "?"))
}
