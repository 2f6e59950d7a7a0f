package goldenpath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/detect"
)

// checkout says what is built, and refuses what cannot be.
func (j *job) checkout(context.Context) error {
	s := j.pipeline.state
	j.log.say("system      %s, run %s", s.System, s.run().ID)
	j.log.say("repository  %s", s.Name)
	j.log.say("commit      %s on %s", s.SHA, orNone(s.Branch))
	if j.faults != nil {
		return j.faults
	}
	j.log.say("service     %s, project %s", s.Service, s.Project)
	j.log.say("language    %s: %s", j.project.Language, j.project.Why)
	if want := j.file.Go.Version; want != "" && j.project.Language == detect.Go && j.goTool().olderThan(want) {
		return failf(ExitUsage, "install a newer Go", "fawkes.yaml wants Go %s, but there is %s", want, j.goTool().version)
	}
	if s.Changed {
		j.note("the work tree holds changes that are not committed: what is built is not exactly %s, and is not promoted", short(s.SHA))
	}
	j.state.Summary = fmt.Sprintf("%s on %s, %s", short(s.SHA), orNone(s.Branch), j.project.Language)
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "no branch"
	}
	return s
}

func short(sha string) string { return sha[:min(len(sha), 12)] }

// build makes the program, or whatever the language has for it.
func (j *job) build(ctx context.Context) error {
	step := j.project.Build
	out := filepath.Join(j.artifacts, folderBuild)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("make the folder of the build: %w", err)
	}
	if step.Kind == detect.GoBuild {
		return j.buildGo(ctx, out)
	}
	if len(step.Commands) == 0 {
		return skipf("there is nothing to build: %s", step.Why)
	}
	for _, argv := range step.Commands {
		if err := j.exec(ctx, j.log, j.projectCommand(argv, j.file.Build.Network, out)); err != nil {
			return j.explained(err)
		}
	}
	j.state.Summary = step.Why
	return nil
}

// projectCommand is a command of the repository, with everything that its language needs.
func (j *job) projectCommand(argv []string, network bool, write ...string) command {
	g := j.goTool()
	c := command{
		argv: argv, network: network, read: g.read(),
		write: append([]string{j.dir, j.cache("npm"), j.cache("pip"), j.cache("m2"), j.cache("gradle")}, append(g.write(), write...)...),
		env:   []string{"FAWKES_BUILD=" + filepath.Join(j.artifacts, folderBuild), "FAWKES_SERVICE=" + j.pipeline.state.Service},
	}
	switch j.project.Language {
	case detect.Python:
		c.env = append(c.env, "PYTHONPATH="+filepath.Join(j.dir, ".fawkes", "site-packages")+":"+j.dir)
		j.makeCaches("pip")
	case detect.Node:
		j.makeCaches("npm")
	case detect.Java:
		j.makeCaches("m2", "gradle")
	}
	return c
}

// makeCaches makes folders that a command shall find; one that cannot be made is missed by the command itself.
func (j *job) makeCaches(names ...string) {
	for _, name := range names {
		_ = os.MkdirAll(j.cache(name), 0o755)
	}
}

func (j *job) buildGo(ctx context.Context, out string) error {
	program := filepath.Join(out, j.file.Service)
	sha := j.pipeline.state.SHA
	argv := []string{"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=" + short(sha) + " -X main.revision=" + sha}
	if len(j.file.Go.Tags) > 0 {
		argv = append(argv, "-tags", strings.Join(j.file.Go.Tags, ","))
	}
	argv = append(argv, "-o", program, j.project.GoPackage)
	err := j.exec(ctx, j.log, j.projectCommand(argv, j.file.Build.Network, out))
	if g := j.goTool(); err != nil && ctx.Err() == nil && !g.writable && strings.Contains(strings.Join(j.log.tail, "\n"), g.modules) {
		j.log.say("the module cache lacks something; a cache of this repository's own is used")
		if err := j.ownModules(); err != nil {
			return err
		}
		err = j.exec(ctx, j.log, j.projectCommand(argv, j.file.Build.Network, out))
	}
	if err != nil {
		return j.explained(err)
	}
	info, err := os.Lstat(program)
	if err != nil || !info.Mode().IsRegular() {
		return failf(ExitUsage, "name the package main with go.package in fawkes.yaml", "go build made no program of %s; it is no package main", j.project.GoPackage)
	}
	j.state.Summary = fmt.Sprintf("%s, %s, %.1f MB", j.project.GoPackage, j.goTool().version, float64(info.Size())/1e6)
	return j.keep(func(s *State) { s.Program = filepath.Join(folderBuild, j.file.Service) })
}

// explained is a command's failure with the last thing that it said.
func (j *job) explained(err error) error {
	var e *exitError
	if !errors.As(err, &e) {
		return err
	}
	reason := e.Error()
	if last := j.log.last(); last != "" && !strings.HasPrefix(last, "$ ") {
		reason += ": " + last
	}
	return &failure{exit: ExitFailed, reason: reason, mend: "the log of the stage says more", err: err}
}
