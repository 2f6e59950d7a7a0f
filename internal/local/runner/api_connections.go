package runner

import (
	"context"
	"net/http"
	"path/filepath"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// secretInfo is a secret as it is shown: never itself.
type secretInfo struct {
	Set bool `json:"set"`
}

type gitConnection struct {
	URL   string `json:"url,omitempty" maxLength:"1000" doc:"Below it lie the repositories, as owner/name.git." example:"http://127.0.0.1:8080/git"`
	Token string `json:"token,omitempty" maxLength:"4096" writeOnly:"true"`
}

type registryConnection struct {
	Host  string `json:"host,omitempty" maxLength:"255" example:"127.0.0.1:8080"`
	Token string `json:"token,omitempty" maxLength:"4096" writeOnly:"true"`
}

type environmentsConnection struct {
	URL    string `json:"url,omitempty" maxLength:"1000"`
	Branch string `json:"branch,omitempty" maxLength:"255"`
	Token  string `json:"token,omitempty" maxLength:"4096" writeOnly:"true"`
}

type eventsConnection struct {
	URL   string `json:"url,omitempty" maxLength:"1000" doc:"Where CDEvents are sent." example:"http://127.0.0.1:8080/webhooks/dora/cloudevents"`
	Token string `json:"token,omitempty" maxLength:"4096" writeOnly:"true"`
}

type signingConnection struct {
	KeyFile  string `json:"key_file,omitempty" maxLength:"1000" doc:"The private key, in cosign's form."`
	Password string `json:"password,omitempty" maxLength:"4096" writeOnly:"true"`
}

type connectionsBody struct {
	Git           gitConnection          `json:"git,omitzero"`
	Registry      registryConnection     `json:"registry,omitzero"`
	Environments  environmentsConnection `json:"environments,omitzero"`
	Events        eventsConnection       `json:"events,omitzero"`
	Signing       signingConnection      `json:"signing,omitzero"`
	WebhookSecret string                 `json:"webhook_secret,omitempty" maxLength:"4096" writeOnly:"true" doc:"Pushes are signed with it."`
}

type gitConnected struct {
	URL   string     `json:"url"`
	Token secretInfo `json:"token"`
}

type registryConnected struct {
	Host  string     `json:"host"`
	Token secretInfo `json:"token"`
}

type environmentsConnected struct {
	URL    string     `json:"url"`
	Branch string     `json:"branch"`
	Token  secretInfo `json:"token"`
}

type signingConnected struct {
	KeyFile  string     `json:"key_file"`
	Password secretInfo `json:"password"`
}

type connectedBody struct {
	Git           gitConnected          `json:"git"`
	Registry      registryConnected     `json:"registry"`
	Environments  environmentsConnected `json:"environments"`
	Events        gitConnected          `json:"events"`
	Signing       signingConnected      `json:"signing"`
	WebhookSecret secretInfo            `json:"webhook_secret"`
	Missing       *string               `json:"missing" doc:"Why no run can begin, when none can."`
}

type connectedAnswer struct{ Body connectedBody }

func (s *Service) registerConnections(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/connections", "get-connections", "connections",
		"Where runs find git, the registry and the rest; secrets are not shown", auth.ScopeRunnerAdmin, 401, 403), s.getConnections)
	huma.Register(api, operation(http.MethodPut, "/connections", "set-connections", "connections",
		"Set where runs find what they need; a secret that is left out stays as it is", auth.ScopeRunnerAdmin, 401, 403, 422), s.setConnections)
}

func (s *Service) getConnections(ctx context.Context, _ *struct{}) (*connectedAnswer, error) {
	c, err := s.store.Connections(ctx)
	if err != nil {
		return nil, err
	}
	a := &connectedAnswer{Body: connectedBody{
		Git:           gitConnected{c.Git.URL, secretInfo{c.Git.Token != ""}},
		Registry:      registryConnected{c.Registry.Host, secretInfo{c.Registry.Token != ""}},
		Environments:  environmentsConnected{c.Environments.URL, c.Environments.Branch, secretInfo{c.Environments.Token != ""}},
		Events:        gitConnected{c.Events.URL, secretInfo{c.Events.Token != ""}},
		Signing:       signingConnected{c.Signing.KeyFile, secretInfo{c.Signing.Password != ""}},
		WebhookSecret: secretInfo{c.WebhookSecret != ""},
		Missing:       word(c.Ready()),
	}}
	return a, nil
}

func (s *Service) setConnections(ctx context.Context, in *struct{ Body connectionsBody }) (*connectedAnswer, error) {
	b := in.Body
	for _, u := range []struct {
		field, text string
		files       bool
	}{{"git.url", b.Git.URL, true}, {"environments.url", b.Environments.URL, true}, {"events.url", b.Events.URL, false}} {
		if err := checkURL(u.field, u.text, u.files); err != nil {
			return nil, problem.New(problem.InvalidField, "%v", err).WithField(u.field)
		}
	}
	if b.Environments.Branch != "" && !validBranch(b.Environments.Branch) {
		return nil, problem.New(problem.InvalidField, "%q is no branch", clean(b.Environments.Branch, 100)).WithField("environments.branch")
	}
	if b.Signing.KeyFile != "" && !filepath.IsAbs(b.Signing.KeyFile) {
		return nil, problem.New(problem.InvalidField, "the key file is not an absolute path").WithField("signing.key_file")
	}
	c, err := s.store.Connections(ctx)
	if err != nil {
		return nil, err
	}
	c.Git.URL, c.Registry.Host, c.Events.URL, c.Signing.KeyFile = b.Git.URL, b.Registry.Host, b.Events.URL, b.Signing.KeyFile
	c.Environments.URL, c.Environments.Branch = b.Environments.URL, b.Environments.Branch
	for _, secret := range []struct {
		to   *string
		from string
	}{
		{&c.Git.Token, b.Git.Token}, {&c.Registry.Token, b.Registry.Token}, {&c.Environments.Token, b.Environments.Token},
		{&c.Events.Token, b.Events.Token}, {&c.Signing.Password, b.Signing.Password}, {&c.WebhookSecret, b.WebhookSecret},
	} {
		if secret.from != "" {
			*secret.to = secret.from
		}
	}
	if err := s.store.SetConnections(ctx, c); err != nil {
		return nil, err
	}
	s.poke()
	s.outbox.Wake()
	return s.getConnections(ctx, nil)
}
