package goldenpath

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/cienv"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/detect"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
)

// pipeline is one process that runs a pipeline, or one stage of it.
type pipeline struct {
	o         Options
	dir       string // absolute
	artifacts string // absolute
	temp      string // private, removed at the end
	tree      *os.Root
	where     cienv.Environment
	source    source
	file      *fawkesfile.File
	project   detect.Result
	faults    error // what makes a run impossible, told by the checkout
	golang    golang
	mask      mask
	out       *serial
	courier   *courier
	single    bool // one stage of a run that other processes go on with

	mu    sync.Mutex // guards state and golang
	state *State
}

// open looks at the surroundings, the work tree and what is known of the run.
func open(ctx context.Context, o Options, fresh bool) (*pipeline, error) {
	p, err := look(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := p.openArtifacts(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	if err := p.openState(fresh); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// look looks at the surroundings and the work tree, and writes nothing but a private folder.
func look(ctx context.Context, o Options) (*pipeline, error) {
	p := &pipeline{o: o, out: &serial{to: o.Reporter}, mask: newMask(o.Environ)}
	var err error
	if p.dir, err = realFolder(o.Dir); err != nil {
		return nil, failf(ExitUsage, "give the folder of a work tree with --dir", "%v", err)
	}
	if p.tree, err = os.OpenRoot(p.dir); err != nil {
		return nil, failf(ExitUsage, "", "open the work tree: %v", err)
	}
	p.where = cienv.Recognize(o.Env, os.ReadFile)
	if p.temp, err = os.MkdirTemp(p.where.Temp, "fawkes-ci-"); err != nil {
		return nil, errors.Join(failf(ExitUsage, "", "make a private folder: %v", err), p.tree.Close())
	}
	if p.temp, err = filepath.EvalSymlinks(p.temp); err != nil {
		return nil, errors.Join(err, p.close())
	}
	for _, name := range []string{"home", "tmp"} {
		if err := os.Mkdir(filepath.Join(p.temp, name), 0o700); err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	p.source, p.faults = p.readSource(ctx)
	p.readProject(ctx)
	p.state = p.newState()
	return p, nil
}

func (p *pipeline) close() error {
	err := errors.Join(p.tree.Close(), removeAll(p.temp))
	if err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}

// removeAll removes a folder, also where the code under test took its own write permission away.
func removeAll(dir string) error {
	if dir == "" || os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

func realFolder(dir string) (string, error) {
	if dir == "" {
		dir = "."
	}
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return "", fmt.Errorf("the work tree %s: %w", dir, err)
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		return "", fmt.Errorf("%s is no folder", dir)
	}
	return abs, nil
}

func (p *pipeline) openArtifacts() error {
	dir := p.o.Artifacts
	if dir == "" {
		dir = "artifacts"
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.dir, dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return failf(ExitUsage, "give a folder that can be written with --artifacts", "make the folder of the artifacts: %v", err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return failf(ExitUsage, "", "find the folder of the artifacts: %v", err)
	}
	if holds(real, p.dir) {
		return failf(ExitUsage, "give a folder of its own with --artifacts", "the artifacts cannot lie where the work tree is")
	}
	p.artifacts = real
	return nil
}

// readProject reads fawkes.yaml and looks at the files.
func (p *pipeline) readProject(ctx context.Context) {
	p.file = fawkesfile.Default()
	text, err := p.readTree(fawkesfile.Name, fawkesfile.MostBytes+1)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		p.faults = errors.Join(p.faults, failf(ExitUsage, "", "read %s: %v", fawkesfile.Name, err))
		return
	default:
		file, err := fawkesfile.Parse(text)
		if err != nil {
			p.faults = errors.Join(p.faults, err)
			return
		}
		p.file = file
	}
	if p.file.Service == "" {
		p.file.Service = serviceOf(p.source.name)
	}
	if p.file.Project == "" {
		p.file.Project = p.file.Service
	}
	if p.project, err = detect.Project(p.tree.FS(), p.file); err != nil {
		var unknown *detect.UnknownError
		if errors.As(err, &unknown) {
			err = failf(ExitUsage, unknown.Mend, "%s", unknown.Detail)
		}
		p.faults = errors.Join(p.faults, err)
		return
	}
	if p.project.Language == detect.Go {
		p.faults = errors.Join(p.faults, p.findGo(ctx))
	}
}

// serviceOf makes a name for a service of the repository's.
func serviceOf(repository string) string {
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '-'
	}, repository[strings.LastIndexByte(repository, '/')+1:])
	name = strings.TrimLeft(name, "-0123456789")
	name = strings.TrimRight(name[:min(len(name), 52)], "-")
	if name == "" {
		return "service"
	}
	return name
}

// openState goes on with the run of the artifacts, or begins a new one.
func (p *pipeline) openState(fresh bool) error {
	where := p.where
	where.SHA = p.source.sha
	if !fresh {
		old, err := ReadState(p.artifacts)
		if err == nil && old.same(where) {
			p.state = old
			return nil
		}
	}
	if err := reset(p.artifacts); err != nil {
		return failf(ExitUsage, "", "%v", err)
	}
	return nil
}

// newState is that of a run that begins.
func (p *pipeline) newState() *State {
	now := p.o.Clock.Now()
	s := &State{
		Format: stateFormat, System: p.where.System, RunID: p.where.RunID, Attempt: p.where.Attempt, URL: p.where.RunURL, Repository: p.source.repository,
		Name: p.source.name, SHA: p.source.sha, Branch: p.source.branch, DefaultBranch: p.source.defaultBranch, Tag: p.where.Tag, PullRequest: p.where.PullRequest,
		CommittedAt: p.source.committedAt, Changed: p.source.changed, Service: p.file.Service, Project: p.file.Project, Language: p.project.Language,
		StartedAt: now, Stages: map[string]*StageState{},
	}
	if s.Service == "" { // fawkes.yaml is at fault
		s.Service = serviceOf(s.Name)
		s.Project = s.Service
	}
	if s.RunID == "" {
		s.RunID = fmt.Sprintf("shell-%s-%d", short(s.SHA), now.UnixMilli())
	}
	return s
}

// readTree reads a file of the work tree; no link leads out of it.
func (p *pipeline) readTree(name string, most int64) ([]byte, error) {
	f, err := p.tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a plain file", name)
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return text, nil
}

// cache is a folder that is kept for this repository from run to run.
func (p *pipeline) cache(name string) string {
	root := p.o.Env("FAWKES_CACHE")
	if root == "" {
		home := p.o.Env("XDG_CACHE_HOME")
		if home == "" && p.o.Env("HOME") != "" {
			home = filepath.Join(p.o.Env("HOME"), ".cache")
		}
		if home == "" {
			home = p.temp
		}
		root = filepath.Join(home, "fawkes", "ci", cacheName(p.source.name))
	}
	return filepath.Join(root, name)
}

func cacheName(repository string) string {
	return strings.Map(func(c rune) rune {
		if c == '/' || c == '\\' || c == 0 || c == ':' {
			return '+'
		}
		return c
	}, strings.Trim(repository, "./"))
}

// keep writes the state; update changes it first.
func (p *pipeline) keep(update func(*State)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if update != nil {
		update(p.state)
	}
	return p.state.write(p.artifacts)
}

// note keeps a remark for the summary, once.
func (p *pipeline) note(format string, args ...any) {
	text := p.mask.text(fmt.Sprintf(format, args...))
	p.mu.Lock()
	known := slices.Contains(p.state.Notes, text)
	if !known {
		p.state.Notes = append(p.state.Notes, text)
	}
	p.mu.Unlock()
	if !known {
		p.out.report(Event{Event: "note", Text: text, At: p.now()})
	}
}

func (p *pipeline) now() *time.Time { return ptr(p.o.Clock.Now()) }
