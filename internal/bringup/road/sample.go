package road

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/fawkes-idp/fawkes/samples"
)

// The sample application.
const (
	Sample            = "hello"
	SampleRepository  = Owner + "/" + Sample
	SampleEnvironment = "production"
	SampleApplication = Sample + "-" + SampleEnvironment
)

// Work is the folder of the sample's clone, in which somebody edits, commits and pushes.
func (r *Road) Work() string { return filepath.Join(r.State, "work", Sample) }

// Push brings the sample's first commit to the git server, unless it is there, and gives the commit
// that the main branch is at. pushed says whether it was brought now.
func (r *Road) Push(ctx context.Context) (sha string, pushed bool, err error) {
	if err := r.load(); err != nil {
		return "", false, err
	}
	if err := r.declare(ctx); err != nil {
		return "", false, err
	}
	head, err := r.repository(ctx, SampleRepository, "The sample application: a page, its health, its metrics.")
	if err != nil {
		return "", false, err
	}
	if head == "" {
		if head, err = r.first(ctx); err != nil {
			return "", false, err
		}
		pushed = true
	}
	return head, pushed, r.clone(ctx)
}

// declare tells the delivery metrics what the sample is. Its first deployment has lead times: nothing
// was live before it that its commits could have waited for.
func (r *Road) declare(ctx context.Context) error {
	path := "/api/dora/v1/projects/" + Sample
	var known struct {
		Declared bool `json:"declared"`
	}
	if err := r.API.Get(ctx, path, nil, &known); err == nil && known.Declared {
		return nil
	} else if err != nil && !absent(err) {
		return fmt.Errorf("declare the project %s: %w", Sample, err)
	}
	err := r.API.Send(ctx, http.MethodPut, path, nil, map[string]any{
		"project": Sample, "description": "The sample application",
		"services":         []map[string]any{{"name": Sample, "repo": r.Repository(SampleRepository)}},
		"first_deployment": "attribute",
	}, nil)
	if err != nil {
		return fmt.Errorf("declare the project %s: %w", Sample, err)
	}
	return nil
}

// first commits the sample as the program holds it, and pushes it.
func (r *Road) first(ctx context.Context) (sha string, err error) {
	dir, err := os.MkdirTemp(r.State, "sample-")
	if err != nil {
		return "", fmt.Errorf("make the sample: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := samples.Write(dir, Sample, samples.Params{}); err != nil {
		return "", fmt.Errorf("make the sample: %w", err)
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", Branch}, {"add", "."}, {"commit", "-q", "-m", "hello: a page, its health, its metrics"},
		{"push", "-q", r.Repository(SampleRepository), Branch},
	} {
		if _, err := r.git(ctx, dir, args...); err != nil {
			return "", fmt.Errorf("push the sample: %w", err)
		}
	}
	if sha, err = r.git(ctx, dir, "rev-parse", "HEAD"); err != nil {
		return "", fmt.Errorf("push the sample: %w", err)
	}
	return sha, nil
}

// clone makes the clone to work in, which asks the program for its credential, unless it is there. A
// clone that somebody changed is left alone, but for the address of a platform that moved.
func (r *Road) clone(ctx context.Context) error {
	work, address := r.Work(), r.Repository(SampleRepository)
	_, err := os.Stat(filepath.Join(work, ".git"))
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(work), 0o700); err != nil {
			return fmt.Errorf("make the folder to work in: %w", err)
		}
		if _, err := r.git(ctx, r.State, "clone", "-q", address, work); err != nil {
			return fmt.Errorf("make the clone to work in: %w", err)
		}
	} else if err != nil {
		return fmt.Errorf("look at the clone to work in: %w", err)
	}
	settings := [][2]string{
		{"remote.origin.url", address},
		{"credential." + r.Public + ".username", Owner},
		{"credential." + r.Public + ".helper", fmt.Sprintf("!%s --state %s git credential", quoted(r.Program), quoted(r.State))},
	}
	// Whoever has no name in git yet commits as the platform, so that the first try does not end in git's questions.
	for key, value := range map[string]string{"user.name": author, "user.email": authorEmail} {
		if known, err := r.gitWith(ctx, work, nil, "config", "--get", key); err != nil || known == "" {
			settings = append(settings, [2]string{key, value})
		}
	}
	for _, s := range settings {
		if _, err := r.git(ctx, work, "config", "--replace-all", s[0], s[1]); err != nil {
			return fmt.Errorf("set up the clone to work in: %w", err)
		}
	}
	return nil
}

// quoted is a word of a shell's command.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Page is where the sample answers; empty while it does not run.
func (r *Road) Page(ctx context.Context) (string, error) {
	a, err := r.application(ctx)
	if err != nil || a.URL == nil {
		return "", err
	}
	return *a.URL, nil
}

func (r *Road) application(ctx context.Context) (application, error) {
	var a application
	err := r.API.Get(ctx, "/api/gitops/v1/applications/"+url.PathEscape(SampleApplication), nil, &a)
	if absent(err) {
		return application{}, nil
	}
	return a, err
}
