// Package road joins the parts of the delivery road on one machine into a road: the git server's
// pushes reach the runner, the runner reaches the registry and the environments, the environments
// reach the applications, and all of them report to the delivery metrics.
//
// It is what somebody would do by hand, once, with a git host, a CI server, a registry and a GitOps
// controller: make a credential for each, with no more rights than it needs, and enter it where it
// is used. Everything goes over the parts' own APIs. What was made is kept in the state folder
// ([Secrets]), so that a later start finds it and changes nothing.
//
// The sample application is then pushed as a person would push it, by the git program, and followed
// to the moment at which it answers.
package road

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// API is the platform over HTTP, with the owner's credential.
type API interface {
	// Get asks for a JSON answer.
	Get(ctx context.Context, path string, query url.Values, into any) error
	// Send sends a JSON body; into may be nil.
	Send(ctx context.Context, method, path string, query url.Values, body, into any) error
}

// Names that stand in many places of a laptop's platform.
const (
	// Owner is the first part of the names of the platform's own repositories.
	Owner = "fawkes"
	// EnvironmentsRepository holds the manifests of every application in every environment.
	EnvironmentsRepository = Owner + "/environments"
	// Branch is the branch that counts, of applications and of environments.
	Branch = "main"
)

// Road is the road of one platform.
type Road struct {
	API   API
	Clock clock.Clock
	// Base is where this machine reaches the platform, and Public where people do: the repositories'
	// addresses begin with it. Neither ends with a slash.
	Base, Public string
	// State is the state folder.
	State string
	// Program is the fawkes program, for git to ask for credentials.
	Program string
	// Environ is the environment of this process.
	Environ []string

	keys     func() (string, error) // waits for the signing keys, and gives the public one
	secrets  *Secrets
	replaced []string // tokens that others stand for now
}

// Repository is the address of a repository.
func (r *Road) Repository(name string) string { return r.Public + "/git/" + name + ".git" }

// registry is the registry's host, as it stands in the names of images.
func (r *Road) registry() string {
	_, host, _ := strings.Cut(r.Base, "://")
	return host
}

// Keys is the folder of the keys that images are signed with.
func (r *Road) Keys() string { return filepath.Join(r.State, "keys") }

// Prepare begins to make the keys that images are signed with, unless they are there: sealing the
// private one takes a moment, in which the services start.
func (r *Road) Prepare() {
	made := make(chan struct{})
	var public string
	var err error
	go func() {
		defer close(made)
		public, err = r.signingKeys()
	}()
	r.keys = func() (string, error) {
		<-made
		return public, err
	}
}

// Settle waits until nothing of the road is being made any more.
func (r *Road) Settle() {
	if r.keys != nil {
		_, _ = r.keys() // what went wrong was told by Connect, or does not matter any more
	}
}

// Connect makes the credentials that are missing and enters every connection. It says how many
// parts it joined. Doing it again changes nothing.
func (r *Road) Connect(ctx context.Context, say func(string)) (string, error) {
	say("the keys that images are signed with")
	if r.keys == nil {
		r.Prepare()
	}
	public, err := r.keys()
	if err != nil {
		return "", err
	}
	say("the credentials of the parts")
	if err := r.credentials(ctx); err != nil {
		return "", err
	}
	for _, c := range r.connections(public) {
		say(c.what)
		if err := r.API.Send(ctx, http.MethodPut, c.path, nil, c.body, nil); err != nil {
			return "", fmt.Errorf("%s: %w", c.what, err)
		}
	}
	for _, id := range r.replaced {
		if err := r.API.Send(ctx, http.MethodDelete, "/api/identity/v1/tokens/"+url.PathEscape(id), nil, nil, nil); err != nil && !absent(err) {
			return "", fmt.Errorf("take a replaced token back: %w", err)
		}
	}
	r.replaced = nil
	return "git → runner → registry → environments → applications → metrics", nil
}

// connection is one thing to enter at one part.
type connection struct {
	what, path string
	body       map[string]any
}

func (r *Road) connections(publicKey string) []connection {
	s := r.secrets
	hook := func(path, secret, repository string) map[string]any {
		return map[string]any{
			"url": r.Base + path, "secret": secret, "events": []string{"push", "create", "delete"},
			"repository": repository, "active": true,
		}
	}
	at := func(address, token string) map[string]any { return map[string]any{"url": address, "token": token} }
	environments := map[string]any{"url": r.Repository(EnvironmentsRepository), "branch": Branch}
	with := func(m map[string]any, token string) map[string]any {
		out := map[string]any{"token": token}
		for k, v := range m {
			out[k] = v
		}
		return out
	}
	return []connection{
		{"the runner's connections", "/api/runner/v1/connections", map[string]any{
			"git":            at(r.Public+"/git", s.token(tokenRunnerGit)),
			"registry":       map[string]any{"host": r.registry(), "token": s.token(tokenRunnerRegistry)},
			"environments":   with(environments, s.token(tokenRunnerEnvironments)),
			"events":         at(r.Base+"/webhooks/dora/cloudevents", s.token(tokenRunnerEvents)),
			"signing":        map[string]any{"key_file": filepath.Join(r.Keys(), privateKeyFile), "password": s.SigningPassword},
			"webhook_secret": s.RunnerHook,
		}},
		{"the connections of GitOps", "/api/gitops/v1/connections", map[string]any{
			"repository":     with(environments, s.token(tokenGitOpsEnvironments)),
			"registry":       map[string]any{"host": r.registry(), "token": s.token(tokenGitOpsRegistry)},
			"events":         at(r.Base+"/webhooks/dora/argocd", s.token(tokenGitOpsEvents)),
			"public_key":     publicKey,
			"webhook_secret": s.GitOpsHook,
		}},
		{"the webhook of the delivery metrics", "/api/git/v1/hooks/dora", hook("/webhooks/dora/github", s.GitHubSource.Secret, "* !"+EnvironmentsRepository)},
		{"the webhook of the runner", "/api/git/v1/hooks/runner", hook("/webhooks/runner/github", s.RunnerHook, "* !"+EnvironmentsRepository)},
		{"the webhook of GitOps", "/api/git/v1/hooks/gitops", hook("/webhooks/gitops/github", s.GitOpsHook, EnvironmentsRepository)},
	}
}

// absent says whether the platform answered that there is no such thing.
func absent(err error) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.GetStatus() == http.StatusNotFound
}

// pause waits between two looks at something that is under way.
func pause(ctx context.Context) error {
	timer := time.NewTimer(100 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
