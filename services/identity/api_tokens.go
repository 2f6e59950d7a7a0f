package identity

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// defaultWorkloadLife is the life of a workload token that names none.
const defaultWorkloadLife = 15 * time.Minute

type tokenInfo struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Person   string     `json:"person" doc:"For whom the token acts."`
	Scopes   []string   `json:"scopes" nullable:"false"`
	Projects []string   `json:"projects" nullable:"false" doc:"When not empty, the only projects it may touch."`
	Created  time.Time  `json:"created_at"`
	Expires  time.Time  `json:"expires_at"`
	Used     *time.Time `json:"last_used_at" doc:"Exact to a minute; null when never used."`
	Revoked  *time.Time `json:"revoked_at"`
}

func toTokenInfo(t Token) tokenInfo {
	return tokenInfo{t.ID, t.Name, t.PersonID, orEmpty(t.Scopes), orEmpty(t.Projects), t.Created, t.Expires, moment(t.Used), moment(t.Revoked)}
}

type tokenList struct {
	Items      []tokenInfo `json:"items" nullable:"false"`
	NextCursor string      `json:"next_cursor,omitempty" doc:"Absent on the last page."`
}

type tokensAnswer struct{ Body tokenList }

type newToken struct {
	Name     string   `json:"name" minLength:"1" maxLength:"100" doc:"What it is for, to recognise it again." example:"ci of shop"`
	Scopes   []string `json:"scopes" minItems:"1" maxItems:"32" nullable:"false" doc:"What it may do; never more than the caller may." example:"[\"dora:read\",\"dora:write\"]"`
	Projects []string `json:"projects,omitempty" maxItems:"100" nullable:"false" doc:"Limit it to these projects."`
	Life     int64    `json:"expires_in,omitempty" minimum:"60" doc:"Seconds until it expires; the platform's default when absent."`
}

type madeToken struct {
	Token string    `json:"token" doc:"The token itself. It is shown here once and stored nowhere." example:"fwk_…"`
	Info  tokenInfo `json:"info"`
}

type madeTokenAnswer struct {
	CacheControl string `header:"Cache-Control"`
	Body         madeToken
}

type newWorkloadToken struct {
	Workload string   `json:"workload" maxLength:"63" doc:"The program's name: lower-case letters, digits and hyphens." example:"jenkins-agent"`
	Audience string   `json:"audience" maxLength:"63" doc:"The one service that shall accept it." example:"dora"`
	Scopes   []string `json:"scopes" minItems:"1" maxItems:"32" nullable:"false" example:"[\"dora:write\"]"`
	Projects []string `json:"projects,omitempty" maxItems:"100" nullable:"false"`
	Life     int64    `json:"expires_in,omitempty" minimum:"60" maximum:"3600" default:"900" doc:"Seconds."`
}

func (s *Service) registerTokens(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/tokens", "list-tokens", "tokens", "List one's own API tokens, or everyone's for an admin",
		auth.Needs(""), 400, 401, 403), s.listTokens)
	add := operation(http.MethodPost, "/tokens", "make-token", "tokens", "Make an API token that acts for the caller",
		auth.Needs(""), 401, 403, 422)
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, s.makeToken)
	huma.Register(api, operation(http.MethodDelete, "/tokens/{id}", "revoke-token", "tokens", "Revoke an API token; other services notice within a minute",
		auth.Needs(""), 401, 403, 404), s.revokeToken)
	workload := operation(http.MethodPost, "/workload-tokens", "issue-workload-token", "tokens", "Issue a short-lived JWT to a named program",
		auth.Needs(auth.ScopeIdentityAdmin), 401, 403, 422)
	huma.Register(api, workload, s.issueWorkload)
}

func (s *Service) listTokens(ctx context.Context, in *listing) (*tokensAnswer, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := mayManage(p); err != nil {
		return nil, err
	}
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	tokens, err := s.store.Tokens(ctx, whose(p), page)
	if err != nil {
		return nil, err
	}
	a := &tokensAnswer{}
	tokens, a.Body.NextCursor = paged(*in, tokens, func(t Token) Position { return Position{sqlstore.Micros(t.Created), t.ID} })
	a.Body.Items = each(tokens, toTokenInfo)
	return a, nil
}

func (s *Service) makeToken(ctx context.Context, in *struct{ Body newToken }) (*madeTokenAnswer, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if p.Kind == auth.KindWorkload {
		return nil, problem.New(problem.Forbidden, "a workload cannot own API tokens")
	}
	if err := mayManage(p); err != nil {
		return nil, err
	}
	life := s.config.TokenLife
	if in.Body.Life != 0 {
		if in.Body.Life > int64(s.config.TokenMaxLife/time.Second) {
			return nil, problem.New(problem.InvalidField, "a token may live at most %d seconds", int64(s.config.TokenMaxLife/time.Second)).
				WithField("expires_in").WithMend("ask for less, or leave it out for the default")
		}
		life = time.Duration(in.Body.Life) * time.Second
	}
	if err := firstOf(checkName("name", in.Body.Name), checkScopes(in.Body.Scopes, p), checkProjects(in.Body.Projects, p)); err != nil {
		return nil, err
	}
	now, secret := s.clock.Now(), auth.NewToken()
	t := Token{
		ID: newID("tok"), Hash: auth.Hash(secret), PersonID: p.Subject, Name: in.Body.Name,
		Scopes: sorted(in.Body.Scopes), Projects: sorted(in.Body.Projects), Created: now, Expires: now.Add(life),
	}
	if err := s.store.AddToken(ctx, t, by(p, now, ActionTokenMade, t.ID, t.Name+": "+strings.Join(t.Scopes, " "))); err != nil {
		return nil, err
	}
	a := &madeTokenAnswer{CacheControl: "no-store"}
	a.Body.Info, a.Body.Token = toTokenInfo(t), secret
	return a, nil
}

func (s *Service) revokeToken(ctx context.Context, in *id) (*struct{}, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := mayManage(p); err != nil {
		return nil, err
	}
	err = s.store.RevokeToken(ctx, in.ID, whose(p), by(p, s.clock.Now(), ActionTokenRevoked, in.ID, ""))
	return nil, answer(err, "token", in.ID)
}

func (s *Service) issueWorkload(ctx context.Context, in *struct{ Body newWorkloadToken }) (*exchangeAnswer, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := firstOf(
		checkService("workload", in.Body.Workload), checkService("audience", in.Body.Audience),
		checkScopes(in.Body.Scopes, p), checkProjects(in.Body.Projects, p)); err != nil {
		return nil, err
	}
	now, life := s.clock.Now(), defaultWorkloadLife
	if in.Body.Life != 0 {
		life = time.Duration(in.Body.Life) * time.Second
	}
	claims := auth.Claims{
		Subject: in.Body.Workload, Name: in.Body.Workload, Kind: auth.KindWorkload,
		Scope: strings.Join(sorted(in.Body.Scopes), " "), Projects: sorted(in.Body.Projects), TokenID: newID("wkl"),
	}
	text, claims, err := s.sign(ctx, claims, in.Body.Audience, now, life)
	if err != nil {
		return nil, err
	}
	detail := fmt.Sprintf("for %s, %s: %s", in.Body.Audience, life, claims.Scope)
	// Nothing leaves that the audit log does not know of.
	if err := s.store.Record(ctx, by(p, now, ActionWorkloadIssued, claims.Subject+" "+claims.TokenID, detail)); err != nil {
		return nil, err
	}
	return newExchangeAnswer(text, claims, life), nil
}

// checkService accepts the name of a program or a service.
func checkService(field, name string) error {
	if auth.ValidService(name) {
		return nil
	}
	return problem.New(problem.InvalidField, "%q cannot name a %s", name, field).
		WithField(field).WithMend("use lower-case letters, digits and hyphens, at most 63, beginning with a letter")
}

// firstOf returns the first error that is not nil.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
