package gitlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Error is a failure that a person can mend: what was being done, what git or the file said, and
// what to do about it.
type Error struct {
	Op     string // "read repository", "fetch", …
	Detail string // what went wrong, in one line
	Mend   string // what the reader can do; may be empty
	Err    error  // the cause, if any
}

// Error gives the operation and the detail; the mend is kept apart, for the caller to show.
func (e *Error) Error() string { return e.Op + ": " + e.Detail }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// runner starts the git program in one repository with an environment that neither a hook's
// variables nor a user's taste can bend.
type runner struct {
	program string
	dir     string            // the repository, "" before there is one
	config  map[string]string // configuration passed by environment, so that it stays out of `ps`
}

// inherited are variables that point git at another repository or change what history it sees.
var inherited = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX",
	"GIT_NAMESPACE", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE",
	"GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_EXTERNAL_DIFF", "GIT_TRACE",
}

func (r runner) environment() []string {
	env := make([]string, 0, len(os.Environ())+8)
next:
	for _, kv := range os.Environ() {
		for _, name := range inherited {
			if strings.HasPrefix(kv, name+"=") {
				continue next
			}
		}
		if strings.HasPrefix(kv, "GIT_CONFIG_") && !strings.HasPrefix(kv, "GIT_CONFIG_GLOBAL=") &&
			!strings.HasPrefix(kv, "GIT_CONFIG_SYSTEM=") && !strings.HasPrefix(kv, "GIT_CONFIG_NOSYSTEM=") && len(r.config) > 0 {
			continue
		}
		env = append(env, kv)
	}
	env = append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_GRAFT_FILE="+os.DevNull)
	if len(r.config) > 0 {
		i := 0
		for key, value := range r.config {
			env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, value))
			i++
		}
		env = append(env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", i))
	}
	return env
}

func (r runner) command(ctx context.Context, args ...string) *exec.Cmd {
	all := make([]string, 0, len(args)+10)
	if r.dir != "" {
		all = append(all, "-C", r.dir)
	}
	all = append(all, "-c", "i18n.logOutputEncoding=UTF-8", "-c", "gc.auto=0", "-c", "maintenance.auto=false")
	cmd := exec.CommandContext(ctx, r.program, append(all, args...)...)
	cmd.Env = r.environment()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// output runs git to its end and gives its standard output.
func (r runner) output(ctx context.Context, op string, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := r.command(ctx, args...)
	var out bytes.Buffer
	var complaint tail
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, r.explain(ctx, op, err, complaint.String())
	}
	return out.Bytes(), nil
}

// tail keeps the last 8 KiB written to it: git's complaint stands at the end of what it says.
type tail struct{ buf []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if extra := len(t.buf) - 8192; extra > 0 {
		t.buf = append(t.buf[:0], t.buf[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.buf) }

// explain turns a failed git into an Error that names the cause and the mend.
func (r runner) explain(ctx context.Context, op string, err error, complaint string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, ctx.Err())
	}
	if errors.Is(err, exec.ErrNotFound) {
		return &Error{Op: op, Detail: "the program git was not found", Mend: "install git 2.31 or newer and see that it is in PATH", Err: err}
	}
	detail := lastComplaint(complaint)
	if detail == "" {
		detail = err.Error()
	}
	fault := &Error{Op: op, Detail: detail, Err: err}
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(complaint, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("dubious ownership", "unsafe repository"):
		fault.Detail = fmt.Sprintf("git refuses %s: it belongs to another user", r.dir)
		fault.Mend = "if you trust it: git config --global --add safe.directory " + shellQuote(r.dir)
	case has("not a git repository"):
		fault.Detail = fmt.Sprintf("%s is not a git repository", r.dir)
		fault.Mend = "give the folder that holds .git, a bare repository, or a URL"
	case has("Could not resolve host", "Connection refused", "Connection timed out", "Network is unreachable", "Failed to connect", "Could not connect", "No route to host"):
		fault.Mend = "check the URL and the network (proxy: https_proxy), then run the same command again: it goes on where it stopped"
	case has("Authentication failed", "could not read Username", "Permission denied (publickey", "terminal prompts disabled", "HTTP Basic: Access denied"):
		fault.Mend = "set up a git credential helper or an SSH key for this host; `git ls-remote <url>` must work without a prompt"
	case has("Repository not found", "repository not found", "not found", "does not exist", "does not appear to be a git repository"):
		fault.Mend = "check the URL and that you may read it; `git ls-remote <url>` must work"
	case has("No space left"):
		fault.Mend = "free disk space under the state folder, or give another with --state"
	case has("early EOF", "unexpected disconnect", "RPC failed", "hung up unexpectedly"):
		fault.Mend = "the connection broke; run the same command again"
	case has("bad object", "missing blob", "missing tree", "is corrupt", "object file is empty", "loose object"):
		fault.Mend = "the repository is damaged or incomplete: `git fsck` says where; a fresh clone helps"
	}
	return fault
}

// lastComplaint picks the line that says most: the first "fatal:" or "error:", else the last line.
func lastComplaint(s string) string {
	last := ""
	for _, line := range strings.FieldsFunc(s, func(c rune) bool { return c == '\n' || c == '\r' }) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		for _, prefix := range []string{"fatal: ", "error: "} {
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				return maskCredentials(rest)
			}
		}
		last = line
	}
	return maskCredentials(last)
}

func shellQuote(s string) string {
	plain := func(c rune) bool {
		return c == '/' || c == '.' || c == '-' || c == '_' || c == '+' || c == '~' ||
			c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	if s != "" && strings.IndexFunc(s, func(c rune) bool { return !plain(c) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
