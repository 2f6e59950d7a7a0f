package identity

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

type newSigninLink struct {
	Person string `json:"person,omitempty" maxLength:"64" doc:"Whom the link signs in; the caller when absent." example:"owner"`
}

type signinLink struct {
	URL     string    `json:"url" doc:"Opening it once signs the person in." example:"http://127.0.0.1:8080/signin?code=fwc_…"`
	Person  string    `json:"person"`
	Expires time.Time `json:"expires_at"`
}

type linkAnswer struct {
	CacheControl string `header:"Cache-Control"`
	Body         signinLink
}

type sessionInfo struct {
	ID      string    `json:"id"`
	Person  string    `json:"person"`
	Agent   string    `json:"agent" doc:"The browser, as it calls itself."`
	Created time.Time `json:"created_at"`
	Seen    time.Time `json:"seen_at" doc:"The last use, exact to a minute."`
	Expires time.Time `json:"expires_at" doc:"The absolute end; it ends earlier when it is not used."`
	Current bool      `json:"current" doc:"Whether the request came with this session."`
}

type sessionList struct {
	Items      []sessionInfo `json:"items" nullable:"false"`
	NextCursor string        `json:"next_cursor,omitempty" doc:"Absent on the last page."`
}

type sessionsAnswer struct{ Body sessionList }

func (s *Service) registerSignIn(api huma.API) {
	link := operation(http.MethodPost, "/signin-links", "make-signin-link", "sign-in", "Make a one-time sign-in link, good for ten minutes",
		auth.Needs(auth.ScopeIdentityAdmin), 401, 403, 404, 422)
	link.DefaultStatus = http.StatusCreated
	huma.Register(api, link, s.makeLink)
	huma.Register(api, operation(http.MethodGet, "/sessions", "list-sessions", "sign-in", "List one's own sessions, or everyone's for an admin",
		auth.Needs(""), 400, 401, 403), s.listSessions)
	huma.Register(api, operation(http.MethodDelete, "/sessions/{id}", "end-session", "sign-in", "End a session; other services notice within a minute",
		auth.Needs(""), 401, 403, 404), s.endSession)
}

func (s *Service) makeLink(ctx context.Context, in *struct{ Body newSigninLink }) (*linkAnswer, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	person := in.Body.Person
	if person == "" {
		person = p.Subject
	}
	url, expires, err := s.SignInLink(ctx, p, person)
	if err != nil {
		return nil, answer(err, "active person", person)
	}
	a := &linkAnswer{CacheControl: "no-store"}
	a.Body.URL, a.Body.Person, a.Body.Expires = url, person, expires
	return a, nil
}

func (s *Service) listSessions(ctx context.Context, in *listing) (*sessionsAnswer, error) {
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
	sessions, err := s.store.Sessions(ctx, whose(p), page)
	if err != nil {
		return nil, err
	}
	a := &sessionsAnswer{}
	sessions, a.Body.NextCursor = paged(*in, sessions, func(s Session) Position { return Position{sqlstore.Micros(s.Created), s.ID} })
	a.Body.Items = each(sessions, func(s Session) sessionInfo {
		return sessionInfo{s.ID, s.PersonID, s.Agent, s.Created, s.Seen, s.Expires, s.ID == p.TokenID}
	})
	return a, nil
}

func (s *Service) endSession(ctx context.Context, in *id) (*struct{}, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := mayManage(p); err != nil {
		return nil, err
	}
	err = s.store.EndSession(ctx, in.ID, whose(p), by(p, s.clock.Now(), ActionSignedOut, in.ID, ""))
	return nil, answer(err, "session", in.ID)
}
