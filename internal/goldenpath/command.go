package goldenpath

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// command is a program of the repository, or one that reads what the repository wrote.
type command struct {
	argv    []string
	dir     string   // empty: the work tree
	env     []string // beside the clean environment
	read    []string // beside the toolchain and the system
	write   []string // beside the private folders
	network bool
	stdout  io.Writer // nil: the log
	stderr  io.Writer // nil: the log
	quiet   bool      // the log does not name it
	nice    int       // how much it gives way to what runs beside it
}

// exitError is a command that ended otherwise than with 0.
type exitError struct {
	name string
	exit sandbox.Exit
}

func (e *exitError) Error() string {
	switch {
	case e.exit.OutOfMemory:
		return e.name + " used more memory than it may"
	case e.exit.TooManyProcesses:
		return e.name + " started more processes than it may"
	case e.exit.Signal != "":
		return fmt.Sprintf("%s was ended by %s", e.name, e.exit.Signal)
	}
	return fmt.Sprintf("%s ended with exit code %d", e.name, e.exit.Code)
}

// mostProcesses bounds a command's tree, against fork bombs.
const mostProcesses = 4096

// exec runs a command by the sandbox and waits until its whole tree is gone.
func (p *pipeline) exec(ctx context.Context, log *stageLog, c command) error {
	if c.dir == "" {
		c.dir = p.dir
	}
	program, err := p.lookPath(c.argv[0], c.dir)
	if err != nil {
		return err
	}
	if !c.quiet {
		log.say("$ %s", strings.Join(c.argv, " "))
	}
	stdout, stderr := c.stdout, c.stderr
	if stdout == nil {
		stdout = log
	}
	if stderr == nil {
		stderr = log
	}
	spec := sandbox.Spec{
		Path: program, Args: c.argv[1:], Dir: c.dir, Env: append(p.cleanEnvironment(), c.env...), Stdout: stdout, Stderr: stderr,
		Read: existing(slices.Concat(p.systemPaths(), c.read)), Write: existing(slices.Concat([]string{p.temp}, c.write)),
		Limits: sandbox.Limits{Processes: mostProcesses}, Network: c.network, Marker: p.marker(), Grace: p.grace(), Nice: c.nice,
	}
	process, err := sandbox.Start(ctx, spec)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("start %s: %w", c.argv[0], err)
	}
	p.isolated(process.Report())
	exit, err := process.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("run %s: %w", c.argv[0], err)
	case !exit.Success():
		return &exitError{filepath.Base(c.argv[0]), exit}
	}
	return nil
}

// output runs a command and gives what it writes to its standard output, at most most bytes of it.
func (p *pipeline) output(ctx context.Context, log *stageLog, c command, most int) ([]byte, error) {
	var out bounded
	out.most = most
	c.stdout = &out
	err := p.exec(ctx, log, c)
	if err == nil && out.over {
		err = fmt.Errorf("%s wrote more than %d bytes", c.argv[0], most)
	}
	return out.text, err
}

// bounded keeps the beginning of what is written.
type bounded struct {
	text []byte
	most int
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.most - len(b.text); len(p) > room {
		b.over = true
		b.text = append(b.text, p[:max(room, 0)]...)
	} else {
		b.text = append(b.text, p...)
	}
	return len(p), nil
}

func (p *pipeline) grace() time.Duration {
	if p.o.Grace > 0 {
		return p.o.Grace
	}
	return 5 * time.Second
}

// marker lets a platform that was killed find what it left behind.
func (p *pipeline) marker() string {
	if m := p.o.Env(sandbox.KeptVariable); m != "" {
		return m
	}
	return "|ci|" + p.state.RunID
}

// lookPath finds a program: in the work tree where the name has a slash, else by PATH.
func (p *pipeline) lookPath(name, dir string) (string, error) {
	if strings.Contains(name, "/") {
		at := name
		if !filepath.IsAbs(at) {
			at = filepath.Join(dir, at)
		}
		if runnable(at) {
			return at, nil
		}
		return "", failf(ExitUsage, "see that the file is there and may be executed", "the program %s is not there, or may not be executed", name)
	}
	for _, folder := range filepath.SplitList(p.o.Env("PATH")) {
		if at := filepath.Join(folder, name); filepath.IsAbs(folder) && runnable(at) {
			return at, nil
		}
	}
	return "", failf(ExitUsage, "install "+name+", or see that it is in PATH", "the program %s was not found", name)
}

func runnable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// existing leaves out what is not there, and what is there twice.
func existing(paths []string) []string {
	out := []string{}
	for _, s := range paths {
		if s != "" && !slices.Contains(out, s) && exists(s) {
			out = append(out, s)
		}
	}
	return out
}

// cleanEnvironment is what every command gets: no variable of ours, and no token.
func (p *pipeline) cleanEnvironment() []string {
	env := []string{
		"PATH=" + p.o.Env("PATH"), "HOME=" + filepath.Join(p.temp, "home"), "TMPDIR=" + filepath.Join(p.temp, "tmp"),
		"LANG=C.UTF-8", "CI=true", "TERM=dumb", "NO_COLOR=1", "PYTHONDONTWRITEBYTECODE=1", "GRADLE_USER_HOME=" + p.cache("gradle"),
		"npm_config_cache=" + p.cache("npm"), "npm_config_update_notifier=false", "PIP_CACHE_DIR=" + p.cache("pip"), "MAVEN_ARGS=-Dmaven.repo.local=" + p.cache("m2"),
	}
	for _, name := range []string{"TZ", "JAVA_HOME", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "npm_config_registry", "PIP_INDEX_URL", "PYENV_ROOT", "PYENV_VERSION"} {
		if v := p.o.Env(name); v != "" && !strings.Contains(v, "@") { // an address with a password stays here
			env = append(env, name+"="+v)
		}
	}
	return append(env, p.goTool().environment()...)
}

// systemPaths are what every command may read: the toolchains and what programs need of the system, but
// nobody's home, and nothing of the platform.
func (p *pipeline) systemPaths() []string {
	paths := []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/ca-certificates.conf",
		"/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/localtime", "/etc/timezone", "/etc/services",
		"/etc/protocols", "/etc/mime.types", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/os-release", "/etc/maven",
		"/etc/java", "/etc/gai.conf", "/run/systemd/resolve", "/sys/fs/cgroup", "/sys/devices/system/cpu", "/sys/kernel/mm/transparent_hugepage", p.dir}
	for _, pattern := range []string{"/etc/python3*", "/etc/java-*"} {
		if found, err := filepath.Glob(pattern); err == nil {
			paths = append(paths, found...)
		}
	}
	home := p.o.Env("HOME")
	for _, folder := range filepath.SplitList(p.o.Env("PATH")) {
		if !filepath.IsAbs(folder) {
			continue
		}
		paths = append(paths, folder)
		// A toolchain is the folder around its bin, unless that holds more than a toolchain.
		if around := filepath.Dir(filepath.Clean(folder)); slices.Contains([]string{"bin", "shims"}, filepath.Base(folder)) && !holds(around, home) && !holds(around, p.temp) {
			paths = append(paths, around)
		}
	}
	return append(paths, p.o.Env("JAVA_HOME"), p.goTool().root, p.o.Env("SSL_CERT_FILE"), p.o.Env("NODE_EXTRA_CA_CERTS"))
}

// holds says whether a folder is, or is above, another.
func holds(folder, other string) bool {
	return folder == "/" || other != "" && (folder == other || strings.HasPrefix(other+"/", folder+"/"))
}

// isolated keeps what could be had of confinement.
func (p *pipeline) isolated(r sandbox.Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.Isolation == nil {
		p.state.Isolation = &r
	}
}

// code gives the exit code of a command that ended by itself.
func code(err error) (int, bool) {
	var e *exitError
	if errors.As(err, &e) && e.exit.Signal == "" {
		return e.exit.Code, true
	}
	return 0, err == nil
}
