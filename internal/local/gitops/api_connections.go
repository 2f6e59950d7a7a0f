package gitops

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/audit"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/mirror"
	"github.com/fawkes-idp/fawkes/internal/oci"
)

func (s *server) registerConnections(h huma.API) {
	huma.Register(h, operation(http.MethodGet, "/connections", "get-connections", "Where the other parts are; secrets are not shown", auth.ScopeGitOpsAdmin), s.getConnections)
	huma.Register(h, operation(http.MethodPut, "/connections", "put-connections", "Say where the other parts are. A secret that is left out stays as it is", auth.ScopeGitOpsAdmin), s.putConnections)
}

type repositoryConnection struct {
	URL    string  `json:"url" maxLength:"2000" doc:"Of the environment repository: http, https or file. Empty for none."`
	Branch string  `json:"branch,omitempty" maxLength:"200" default:"main"`
	Token  *string `json:"token,omitempty" maxLength:"4000" doc:"Write-only."`
}

type hostConnection struct {
	Host  string  `json:"host" maxLength:"300" doc:"Host and port of the platform's registry."`
	Token *string `json:"token,omitempty" maxLength:"4000" doc:"Write-only."`
}

type eventsConnection struct {
	URL   string  `json:"url" maxLength:"2000" doc:"Where notifications are posted to: …/webhooks/dora/argocd. Empty for nowhere."`
	Token *string `json:"token,omitempty" maxLength:"4000" doc:"Write-only."`
}

type connectionsRequest struct {
	Repository    repositoryConnection `json:"repository"`
	Registry      *hostConnection      `json:"registry,omitempty"`
	Events        *eventsConnection    `json:"events,omitempty"`
	PublicKey     string               `json:"public_key,omitempty" maxLength:"10000" doc:"PEM. Images must be signed by it; empty: signatures are not looked at."`
	WebhookSecret *string              `json:"webhook_secret,omitempty" maxLength:"500" doc:"Write-only. By which the repository's webhook signs."`
}

type set struct {
	Set bool `json:"set"`
}

type connectionsInfo struct {
	Repository struct {
		URL    string `json:"url"`
		Branch string `json:"branch"`
		Token  set    `json:"token"`
	} `json:"repository"`
	Registry struct {
		Host  string `json:"host"`
		Token set    `json:"token"`
	} `json:"registry"`
	Events struct {
		URL   string `json:"url"`
		Token set    `json:"token"`
	} `json:"events"`
	PublicKey     string  `json:"public_key"`
	WebhookSecret set     `json:"webhook_secret"`
	Webhook       string  `json:"webhook" doc:"Where the repository's webhook delivers to."`
	Problem       *string `json:"problem" doc:"Why the repository, or a part of it, is not read."`
}

type connectionsAnswer struct{ Body connectionsInfo }

func (s *server) getConnections(context.Context, *struct{}) (*connectionsAnswer, error) {
	c := s.e.connections()
	out := &connectionsAnswer{}
	b := &out.Body
	b.Repository.URL, b.Repository.Branch, b.Repository.Token.Set = c.Repository.URL, c.Repository.Branch, c.Repository.Token != ""
	b.Registry.Host, b.Registry.Token.Set = c.Registry.Host, c.Registry.Token != ""
	b.Events.URL, b.Events.Token.Set = c.Events.URL, c.Events.Token != ""
	b.PublicKey, b.WebhookSecret.Set = c.PublicKey, c.WebhookSecret != ""
	b.Webhook, b.Problem = s.e.cfg.PublicURL+hookPath, text(s.e.repository().problem)
	return out, nil
}

func (s *server) putConnections(ctx context.Context, in *struct{ Body connectionsRequest }) (*connectionsAnswer, error) {
	c, r := s.e.connections(), in.Body
	keep := func(into *string, given *string) {
		if given != nil {
			*into = *given
		}
	}
	c.Repository.URL, c.Repository.Branch = strings.TrimSuffix(r.Repository.URL, "/"), r.Repository.Branch
	keep(&c.Repository.Token, r.Repository.Token)
	if r.Registry != nil {
		c.Registry.Host = r.Registry.Host
		keep(&c.Registry.Token, r.Registry.Token)
	}
	if r.Events != nil {
		c.Events.URL = r.Events.URL
		keep(&c.Events.Token, r.Events.Token)
	}
	c.PublicKey = strings.TrimSpace(r.PublicKey)
	keep(&c.WebhookSecret, r.WebhookSecret)
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := s.e.connect(ctx, c); err != nil {
		return nil, err
	}
	return s.getConnections(ctx, nil)
}

// check refuses what cannot be meant.
func (c Connections) check() error {
	bad := func(field string, format string, args ...any) error {
		return problem.New(problem.InvalidField, format, args...).WithField(field)
	}
	if c.Repository.URL != "" {
		if err := (mirror.Remote{URL: c.Repository.URL, Branch: c.Repository.Branch}).Check(); err != nil {
			return bad("body.repository", "%s", err)
		}
	}
	if c.Events.URL != "" {
		if u, err := url.Parse(c.Events.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			return bad("body.events.url", "%q is not a URL to post to", c.Events.URL)
		}
	}
	if strings.ContainsAny(c.Registry.Host, "/@ ") {
		return bad("body.registry.host", "%q is not a host and a port", c.Registry.Host)
	}
	if c.PublicKey != "" {
		if _, err := oci.LoadVerifier([]byte(c.PublicKey)); err != nil {
			return bad("body.public_key", "%s", err)
		}
	}
	for field, secret := range map[string]string{"repository.token": c.Repository.Token, "registry.token": c.Registry.Token, "events.token": c.Events.Token, "webhook_secret": c.WebhookSecret} {
		if strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return bad("body."+field, "holds a control character")
		}
	}
	return nil
}

// connect stores connections and goes by them from now on.
func (e *Engine) connect(ctx context.Context, c Connections) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	err = e.store.Tx(ctx, func(tx *sql.Tx) error {
		if err := e.store.PutConnections(ctx, tx, string(body)); err != nil {
			return err
		}
		return audit.Write(ctx, tx, audit.From(ctx, e.clock.Now(), "connections.changed", "gitops", c.Repository.URL+" "+c.Repository.Branch))
	})
	if err != nil {
		return err
	}
	e.mu.Lock()
	if e.conns.Repository != c.Repository {
		e.known.head = "" // look at all of it
	}
	e.conns = c
	e.mu.Unlock()
	e.Kick()
	poke(e.changes)
	e.outbox.Wake()
	return nil
}
