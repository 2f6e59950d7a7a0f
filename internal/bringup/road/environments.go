package road

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

//go:embed environments.yaml
var environmentsFile []byte

//go:embed environments.md
var environmentsReadme []byte

// Environments makes the repository of the environments, with the order in which an application
// goes through them, unless it is there.
func (r *Road) Environments(ctx context.Context, say func(string)) (detail string, err error) {
	if err := r.load(); err != nil {
		return "", err
	}
	say("the repository " + EnvironmentsRepository)
	head, err := r.repository(ctx, EnvironmentsRepository, "What runs in which environment: the manifests of every application.")
	if err != nil {
		return "", err
	}
	if head != "" {
		return r.Repository(EnvironmentsRepository), nil
	}
	dir, err := os.MkdirTemp(r.State, "environments-")
	if err != nil {
		return "", fmt.Errorf("make the environments: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for name, text := range map[string][]byte{"environments.yaml": environmentsFile, "README.md": environmentsReadme} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return "", fmt.Errorf("make the environments: %w", err)
		}
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", Branch}, {"add", "."}, {"commit", "-q", "-m", "environments: dev, staging, production"},
		{"push", "-q", r.Repository(EnvironmentsRepository), Branch},
	} {
		if _, err := r.git(ctx, dir, args...); err != nil {
			return "", fmt.Errorf("make the environments: %w", err)
		}
	}
	return r.Repository(EnvironmentsRepository), nil
}

// repository makes a repository, unless it is there, and gives the commit of its main branch, empty
// where nothing was pushed yet.
func (r *Road) repository(ctx context.Context, name, description string) (head string, err error) {
	var found struct {
		Head *string `json:"head_sha"`
	}
	path := "/api/git/v1/repositories/" + name
	err = r.API.Get(ctx, path, nil, &found)
	if absent(err) {
		body := map[string]any{
			"description": description, "default_branch": Branch,
			"protected": []map[string]any{{"branch": Branch, "allow_force": false, "allow_delete": false}},
		}
		err = r.API.Send(ctx, http.MethodPut, path, nil, body, &found)
	}
	if err != nil {
		return "", fmt.Errorf("make the repository %s: %w", name, err)
	}
	if found.Head == nil {
		return "", nil
	}
	return *found.Head, nil
}
