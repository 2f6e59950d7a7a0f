package bdd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cucumber/godog"

	"github.com/fawkes-idp/fawkes/internal/cli"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// repositorySteps make a real git repository and import it with the command line.
func repositorySteps(sc *godog.ScenarioContext, the func() *world) {
	sc.Step(`^a git repository "([^"]*)" with these commits:$`, func(ctx context.Context, _ string, t *godog.Table) error {
		return the().makeRepository(ctx, t)
	})
	sc.Step(`^these tags in it:$`, func(ctx context.Context, t *godog.Table) error { return the().tag(ctx, t) })
	sc.Step(`^the repository is imported into project "([^"]*)" as service "([^"]*)", each tag "([^"]*)" a deployment$`,
		func(ctx context.Context, project, service, glob string) error {
			return the().importRepository(ctx, project, service, glob)
		})
}

func (w *world) repository() string { return filepath.Join(w.folder, "repository") }

// git runs the git program in the repository, at a time of the story and free of the user's configuration.
func (w *world) git(ctx context.Context, at string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = w.repository()
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.test", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.test",
		"GIT_AUTHOR_DATE="+at, "GIT_COMMITTER_DATE="+at)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func (w *world) makeRepository(ctx context.Context, t *godog.Table) error {
	if err := os.MkdirAll(w.repository(), 0o700); err != nil {
		return err
	}
	if _, err := w.git(ctx, "", "init", "-q", "-b", "main"); err != nil {
		return err
	}
	for _, row := range rows(t) {
		if _, err := w.git(ctx, row["authored"], "commit", "-q", "--allow-empty", "-m", row["commit"]); err != nil {
			return err
		}
		sha, err := w.git(ctx, "", "rev-parse", "HEAD")
		if err != nil {
			return err
		}
		w.commits[row["commit"]] = sha
	}
	return nil
}

func (w *world) tag(ctx context.Context, t *godog.Table) error {
	for _, row := range rows(t) {
		if _, err := w.git(ctx, row["tagged"], "tag", "-a", "-m", row["tag"], row["tag"], w.commit(row["commit"])); err != nil {
			return err
		}
	}
	return nil
}

// importRepository is `fawkes dora import git`, as a person runs it.
func (w *world) importRepository(ctx context.Context, project, service, glob string) error {
	w.project = project
	return w.fawkes(ctx, "dora", "import", "git", w.repository(), "--project", project, "--service", service, "--deployments", "tags:"+glob)
}

// fawkes runs a command of the command line against the scenario's platform.
func (w *world) fawkes(ctx context.Context, args ...string) error {
	env := map[string]string{
		"FAWKES_API": w.platform.URL(), "FAWKES_TOKEN": w.admin.bearer, "HOME": w.folder, "PATH": os.Getenv("PATH"),
		"FAWKES_STATE": filepath.Join(w.folder, "client"),
	}
	var environ []string
	for k, v := range env {
		environ = append(environ, k+"="+v)
	}
	var out, errors bytes.Buffer
	code := cli.Run(ctx, "test", cli.IO{
		In: strings.NewReader(""), Out: &out, Err: &errors, Env: func(k string) string { return env[k] }, Environ: environ, Clock: clock.System(),
	}, args)
	if code != 0 {
		return fmt.Errorf("fawkes %s ends with %d: %s", strings.Join(args, " "), code, errors.String())
	}
	return nil
}
