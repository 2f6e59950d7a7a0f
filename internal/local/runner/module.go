package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/local/runner/migrations"
)

// Option changes what a module is made of; tests have one.
type Option func(*Config)

// WithProgram runs another program than the platform's own `ci run`; its arguments follow.
func WithProgram(program ...string) Option { return func(c *Config) { c.Program = program } }

// Module is the runner as the program sees it.
func Module(options ...Option) module.Module {
	return module.Module{
		Name:       "runner",
		Summary:    "runs the golden path for every push: a queue, stages, logs, artifacts",
		Calls:      []string{"identity"},
		Config:     keys(),
		Migrations: migrations.FS,
		Routes:     []string{"/api/runner/", "/webhooks/runner/"},
		New: func(ctx context.Context, d module.Deps) (*module.Service, error) {
			return open(ctx, d, options)
		},
	}
}

func keys() []config.Key {
	return []config.Key{
		{Name: "runner.concurrency", Default: "2", Doc: "How many runs are worked on at once.", Check: config.IsInt(1, 256)},
		{Name: "runner.keep_every_push", Default: "false", Doc: "Build every push; otherwise a newer push takes the place of those of its branch that still wait.", Check: config.IsBool()},
		{Name: "runner.timeout", Default: "30m", Doc: "The longest that one run may take.", Check: config.IsDuration(time.Second, 24*time.Hour)},
		{Name: "runner.memory_mib", Default: "4096", Doc: "The memory of one run, all its processes together; 0: no limit.", Check: config.IsInt(0, 1<<20)},
		{Name: "runner.processes", Default: "2048", Doc: "The processes of one run at once; 0: no limit.", Check: config.IsInt(0, 1<<20)},
		{Name: "runner.log_mib", Default: "8", Doc: "The log of one stage; what is more is cut.", Check: config.IsInt(1, 1024)},
		{Name: "runner.keep_runs", Default: "100", Doc: "Of how many runs the logs and artifacts are kept.", Check: config.IsInt(1, 100_000)},
		{Name: "runner.keep_work", Default: "2", Doc: "Of how many runs the work folders are kept.", Check: config.IsInt(0, 1000)},
		{Name: "runner.tools", Doc: "The folder of the scanners; empty: tools beside the program, where there is one."},
		{Name: "runner.go_cache", Doc: "The Go build cache that runs share; empty: this user's."},
	}
}

func open(_ context.Context, d module.Deps, options []Option) (*module.Service, error) {
	if d.Folder == "" {
		return nil, errors.New("the runner needs a state folder for the files of its runs")
	}
	c := Config{
		Folder: d.Folder, PublicURL: d.PublicURL, Environ: os.Environ(),
		Concurrency: d.Config.Int("concurrency"), KeepEveryPush: d.Config.Bool("keep_every_push"),
		Timeout: d.Config.Duration("timeout"), Grace: 15 * time.Second,
		Memory: int64(d.Config.Int("memory_mib")) << 20, Processes: d.Config.Int("processes"),
		LogBytes: int64(d.Config.Int("log_mib")) << 20,
		KeepRuns: d.Config.Int("keep_runs"), KeepWork: d.Config.Int("keep_work"),
		Tools: d.Config.String("tools"), GoCache: d.Config.String("go_cache"),
	}
	if err := c.complete(); err != nil {
		return nil, err
	}
	for _, o := range options {
		o(&c)
	}
	s, err := newService(c, d.DB, d.Clock, d.Log, d.Metrics, d.Auth)
	if err != nil {
		return nil, err
	}
	api := httpapi.New(httpapi.Options{
		Service: "runner", Title: "Runner", Version: "1",
		Description: "Runs of the golden path: what waits, what runs, what it wrote and made.",
		Log:         d.Log, Tracer: d.Tracer, Metrics: d.Metrics, Verifier: d.Auth, Clock: d.Clock,
	})
	s.register(api)
	return &module.Service{Handler: api.Handler(), Start: s.Run}, nil
}

// complete finds what was not set: the program, its scanners, the Go cache.
func (c *Config) complete() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own program: %w", err)
	}
	c.Program = []string{self, "ci", "run"}
	if c.Tools == "" {
		if beside := filepath.Join(filepath.Dir(self), "tools"); isFolder(beside) {
			c.Tools = beside
		}
	}
	if c.GoCache == "" {
		if dir, err := os.UserCacheDir(); err == nil {
			c.GoCache = filepath.Join(dir, "go-build")
		}
	}
	for _, p := range []*string{&c.Folder, &c.Tools, &c.GoCache} {
		if *p == "" {
			continue
		}
		if *p, err = filepath.Abs(*p); err != nil {
			return fmt.Errorf("find %s: %w", *p, err)
		}
	}
	return nil
}

func isFolder(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}
