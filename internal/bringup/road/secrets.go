package road

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/oci"
)

// The tokens of the road, each for one part to use at one other.
const (
	tokenRunnerGit          = "runner-git"
	tokenRunnerRegistry     = "runner-registry"
	tokenRunnerEnvironments = "runner-environments"
	tokenRunnerEvents       = "runner-events"
	tokenGitOpsEnvironments = "gitops-environments"
	tokenGitOpsRegistry     = "gitops-registry"
	tokenGitOpsEvents       = "gitops-events"
)

// scopes are what each token may do, and no more.
func scopes() map[string][]string {
	return map[string][]string{
		tokenRunnerGit:          {auth.ScopeGitRead},
		tokenRunnerRegistry:     {auth.ScopeRegistryRead, auth.ScopeRegistryWrite},
		tokenRunnerEnvironments: {auth.ScopeGitRead, auth.ScopeGitWrite},
		tokenRunnerEvents:       {auth.ScopeDoraWrite},
		tokenGitOpsEnvironments: {auth.ScopeGitRead, auth.ScopeGitWrite},
		tokenGitOpsRegistry:     {auth.ScopeRegistryRead},
		tokenGitOpsEvents:       {auth.ScopeDoraWrite},
	}
}

const (
	secretsFile    = "road.json"
	privateKeyFile = "cosign.key"
	publicKeyFile  = "cosign.pub"

	// tokenSpare is how much of a token's life must be left at a start; else it is replaced.
	tokenSpare = 30 * 24 * time.Hour

	sourceName = "git"
)

// Secrets are the credentials by which the parts of the road know each other. They are kept in a
// file of the state folder that only its owner can read.
type Secrets struct {
	Tokens          map[string]Token `json:"tokens"`
	GitHubSource    Source           `json:"github_source"`
	RunnerHook      string           `json:"runner_hook"`
	GitOpsHook      string           `json:"gitops_hook"`
	SigningPassword string           `json:"signing_password"`
}

// Token is an API token of one part.
type Token struct {
	ID      string    `json:"id"`
	Secret  string    `json:"secret"`
	Expires time.Time `json:"expires_at"`
}

// Source is the git server as the delivery metrics know it.
type Source struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

func (s *Secrets) token(name string) string { return s.Tokens[name].Secret }

// load reads the secrets, or makes those that need nobody's help.
func (r *Road) load() error {
	if r.secrets != nil {
		return nil
	}
	s := &Secrets{}
	text, err := os.ReadFile(filepath.Join(r.State, secretsFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("read the road's secrets: %w", err)
	default:
		if err := json.Unmarshal(text, s); err != nil {
			return fmt.Errorf("read the road's secrets, %s: %w", filepath.Join(r.State, secretsFile), err)
		}
	}
	if s.Tokens == nil {
		s.Tokens = map[string]Token{}
	}
	for _, secret := range []*string{&s.RunnerHook, &s.GitOpsHook, &s.SigningPassword} {
		if *secret == "" {
			*secret = auth.NewSecret("")
		}
	}
	r.secrets = s
	return r.save()
}

// save puts the file in place at once and on the disk, before anybody relies on what is in it.
func (r *Road) save() error {
	text, err := json.MarshalIndent(r.secrets, "", "  ")
	if err != nil {
		return fmt.Errorf("keep the road's secrets: %w", err)
	}
	return replaceFile(filepath.Join(r.State, secretsFile), append(text, '\n'))
}

// replaceFile writes a file that only its owner can read, so that after a crash the old one or the
// new one is there, whole.
func replaceFile(name string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", name, err), ignoreAbsent(os.Remove(f.Name())))
		}
	}()
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	return err
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// signingKeys makes the keys once and gives the public one.
func (r *Road) signingKeys() (public string, err error) {
	if err := r.load(); err != nil {
		return "", err
	}
	if err := os.MkdirAll(r.Keys(), 0o700); err != nil {
		return "", fmt.Errorf("make the folder of keys: %w", err)
	}
	name := filepath.Join(r.Keys(), publicKeyFile)
	if text, err := os.ReadFile(name); err == nil {
		return string(text), nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the public key: %w", err)
	}
	private, pub, err := oci.GenerateKeys([]byte(r.secrets.SigningPassword))
	if err != nil {
		return "", err
	}
	if err := replaceFile(filepath.Join(r.Keys(), privateKeyFile), private); err != nil {
		return "", err
	}
	// The public key comes last: where it is, both are.
	return string(pub), replaceFile(name, pub)
}

// credentials makes the tokens and the source that are missing or were taken back.
func (r *Road) credentials(ctx context.Context) error {
	if err := r.load(); err != nil {
		return err
	}
	good, err := r.goodTokens(ctx)
	if err != nil {
		return fmt.Errorf("look at the tokens: %w", err)
	}
	for name, scope := range scopes() {
		if t := r.secrets.Tokens[name]; good[t.ID] && t.Expires.Sub(r.Clock.Now()) > tokenSpare {
			continue
		}
		if old := r.secrets.Tokens[name].ID; good[old] {
			r.replaced = append(r.replaced, old)
		}
		if err := r.makeToken(ctx, name, scope); err != nil {
			return fmt.Errorf("make the token %s: %w", name, err)
		}
	}
	if err := r.source(ctx); err != nil {
		return fmt.Errorf("make the git server a source of the delivery metrics: %w", err)
	}
	return nil
}

// goodTokens are the ids of tokens that are not revoked.
func (r *Road) goodTokens(ctx context.Context) (map[string]bool, error) {
	good := map[string]bool{}
	for q := (url.Values{"limit": {"500"}}); ; {
		var page struct {
			Items []struct {
				ID      string     `json:"id"`
				Revoked *time.Time `json:"revoked_at"`
			} `json:"items"`
			Next *string `json:"next_cursor"`
		}
		if err := r.API.Get(ctx, "/api/identity/v1/tokens", q, &page); err != nil {
			return nil, err
		}
		for _, t := range page.Items {
			good[t.ID] = t.Revoked == nil
		}
		if page.Next == nil || *page.Next == "" {
			return good, nil
		}
		q.Set("cursor", *page.Next)
	}
}

func (r *Road) makeToken(ctx context.Context, name string, scope []string) error {
	var made struct {
		Token string `json:"token"`
		Info  struct {
			ID      string    `json:"id"`
			Expires time.Time `json:"expires_at"`
		} `json:"info"`
	}
	body := map[string]any{"name": "road: " + name, "scopes": scope}
	if err := r.API.Send(ctx, http.MethodPost, "/api/identity/v1/tokens", nil, body, &made); err != nil {
		return err
	}
	r.secrets.Tokens[name] = Token{ID: made.Info.ID, Secret: made.Token, Expires: made.Info.Expires}
	return r.save()
}

// source makes the git server one whose signed deliveries the metrics believe, for whatever
// repository.
func (r *Road) source(ctx context.Context) error {
	var known struct {
		Items []struct {
			ID   string `json:"id"`
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"items"`
	}
	const path = "/api/dora/v1/sources"
	if err := r.API.Get(ctx, path, nil, &known); err != nil {
		return err
	}
	for _, s := range known.Items {
		if s.Kind != "github" || s.Name != sourceName {
			continue
		}
		if s.ID == r.secrets.GitHubSource.ID && r.secrets.GitHubSource.Secret != "" {
			return nil
		}
		// Its secret is lost, or the state was restored from elsewhere: it cannot be shown again.
		if err := r.API.Send(ctx, http.MethodDelete, path+"/"+url.PathEscape(s.ID), nil, nil, nil); err != nil {
			return err
		}
	}
	return r.addSource(ctx, path)
}

func (r *Road) addSource(ctx context.Context, path string) error {
	var made Source
	if err := r.API.Send(ctx, http.MethodPost, path, nil, map[string]any{"kind": "github", "name": sourceName}, &made); err != nil {
		return err
	}
	r.secrets.GitHubSource = made
	return r.save()
}
