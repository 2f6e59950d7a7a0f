package identity

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// personInfo is a person in the API.
type personInfo struct {
	ID       string     `json:"id" doc:"Stable id." example:"owner"`
	Name     string     `json:"name" example:"Ada Lovelace"`
	Role     string     `json:"role" enum:"admin,developer,viewer"`
	Teams    []string   `json:"teams" nullable:"false"`
	Created  time.Time  `json:"created_at"`
	Disabled *time.Time `json:"disabled_at" doc:"Null while the person is active."`
}

func toPersonInfo(p Person) personInfo {
	return personInfo{p.ID, p.Name, string(p.Role), orEmpty(p.Teams), p.Created, moment(p.Disabled)}
}

type personAnswer struct{ Body personInfo }

type personList struct {
	Items      []personInfo `json:"items" nullable:"false"`
	NextCursor string       `json:"next_cursor,omitempty" doc:"Absent on the last page."`
}

type peopleAnswer struct{ Body personList }

type newPerson struct {
	Name  string   `json:"name" doc:"What the person is called." minLength:"1" maxLength:"100"`
	Role  string   `json:"role" enum:"admin,developer,viewer" doc:"viewer reads; developer also sends events; admin may do everything."`
	Teams []string `json:"teams,omitempty" maxItems:"100" nullable:"false" doc:"The teams the person belongs to."`
}

type personChange struct {
	Name     *string   `json:"name,omitempty" minLength:"1" maxLength:"100"`
	Role     *string   `json:"role,omitempty" enum:"admin,developer,viewer"`
	Teams    *[]string `json:"teams,omitempty" maxItems:"100"`
	Disabled *bool     `json:"disabled,omitempty" doc:"A disabled person can neither sign in nor use a session or a token."`
}

type changeRequest struct {
	ID   string `path:"id" maxLength:"64" pattern:"^[a-z0-9-]+$" doc:"The id, as lists show it."`
	Body personChange
}

// callerInfo is the caller as the caller may see themselves.
type callerInfo struct {
	Subject string     `json:"subject" doc:"The person's id, or the workload's name."`
	Name    string     `json:"name,omitempty"`
	Kind    string     `json:"kind" enum:"person,token,workload"`
	Roles   []string   `json:"roles" nullable:"false"`
	Scopes  []string   `json:"scopes" nullable:"false" doc:"\"*\" is everything, \"*:read\" the read scope of every service."`
	Teams   []string   `json:"teams" nullable:"false"`
	Project []string   `json:"projects" nullable:"false" doc:"When not empty, the only projects the caller may touch."`
	TokenID string     `json:"token_id,omitempty" doc:"The session's or the token's id."`
	Expires *time.Time `json:"expires_at" doc:"When the proof of identity ends, not the session or the token."`
}

type meAnswer struct{ Body callerInfo }

func (s *Service) registerPeople(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/me", "get-me", "people", "Who the caller is and what they may do",
		auth.Needs(""), 401), s.me)
	huma.Register(api, operation(http.MethodGet, "/people", "list-people", "people", "List people, the newest first",
		auth.Needs(auth.ScopeIdentityAdmin), 400, 401, 403), s.listPeople)
	add := operation(http.MethodPost, "/people", "add-person", "people", "Add a person; make a sign-in link for them next",
		auth.Needs(auth.ScopeIdentityAdmin), 401, 403, 422)
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, s.addPerson)
	huma.Register(api, operation(http.MethodPatch, "/people/{id}", "change-person", "people", "Change a person's name, role or teams, or disable them",
		auth.Needs(auth.ScopeIdentityAdmin), 401, 403, 404, 409, 422), s.changePerson)
	huma.Register(api, operation(http.MethodGet, "/audit", "list-audit", "people", "List what was done, the newest first",
		auth.Needs(auth.ScopeIdentityAdmin), 400, 401, 403), s.listAudit)
}

func (s *Service) me(ctx context.Context, _ *struct{}) (*meAnswer, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	a := &meAnswer{}
	b := &a.Body
	b.Subject, b.Name, b.Kind, b.TokenID, b.Expires = p.Subject, p.Name, p.Kind, p.TokenID, moment(p.Expires)
	b.Roles, b.Scopes, b.Teams, b.Project = orEmpty(p.Roles), orEmpty(p.Scopes), orEmpty(p.Teams), orEmpty(p.Projects)
	return a, nil
}

func (s *Service) listPeople(ctx context.Context, in *listing) (*peopleAnswer, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	people, err := s.store.People(ctx, page)
	if err != nil {
		return nil, err
	}
	a := &peopleAnswer{}
	people, a.Body.NextCursor = paged(*in, people, func(p Person) Position { return Position{sqlstore.Micros(p.Created), p.ID} })
	a.Body.Items = each(people, toPersonInfo)
	return a, nil
}

func (s *Service) addPerson(ctx context.Context, in *struct{ Body newPerson }) (*personAnswer, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	p := Person{ID: newID("per"), Name: in.Body.Name, Role: Role(in.Body.Role), Teams: sorted(in.Body.Teams), Created: s.clock.Now()}
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := s.store.AddPerson(ctx, p, by(who, p.Created, ActionPersonAdded, p.ID, fmt.Sprintf("%s, %s", p.Name, p.Role))); err != nil {
		return nil, err
	}
	return &personAnswer{toPersonInfo(p)}, nil
}

func (s *Service) changePerson(ctx context.Context, in *changeRequest) (*personAnswer, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	change := func(p *Person) error {
		if in.Body.Name != nil {
			p.Name = *in.Body.Name
		}
		if in.Body.Role != nil {
			p.Role = Role(*in.Body.Role)
		}
		if in.Body.Teams != nil {
			p.Teams = sorted(*in.Body.Teams)
		}
		if d := in.Body.Disabled; d != nil && *d == p.Active() {
			p.Disabled = time.Time{}
			if *d {
				p.Disabled = now
			}
		}
		return p.check()
	}
	p, err := s.store.ChangePerson(ctx, in.ID, change, by(who, now, ActionPersonChanged, in.ID, describe(in)))
	if err != nil {
		return nil, answer(err, "person", in.ID)
	}
	return &personAnswer{toPersonInfo(p)}, nil
}

// describe tells the audit log what a change asked for.
func describe(in *changeRequest) string {
	text := ""
	if in.Body.Role != nil {
		text += " role " + *in.Body.Role
	}
	if in.Body.Disabled != nil {
		text += fmt.Sprintf(" disabled %t", *in.Body.Disabled)
	}
	if in.Body.Name != nil {
		text += " name"
	}
	if in.Body.Teams != nil {
		text += " teams"
	}
	return "asked for" + text
}

type auditInfo struct {
	Seq    int64     `json:"seq"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor" doc:"A person's id, a workload's name, or system."`
	Via    string    `json:"via,omitempty" doc:"The id of the session or token that was used."`
	Action string    `json:"action" example:"token.revoked"`
	Target string    `json:"target" doc:"The id of what was acted on."`
	Detail string    `json:"detail,omitempty"`
}

type auditList struct {
	Items      []auditInfo `json:"items" nullable:"false"`
	NextCursor string      `json:"next_cursor,omitempty" doc:"Absent on the last page."`
}

type auditAnswer struct{ Body auditList }

func (s *Service) listAudit(ctx context.Context, in *listing) (*auditAnswer, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	entries, err := s.store.Audit(ctx, page)
	if err != nil {
		return nil, err
	}
	a := &auditAnswer{}
	entries, a.Body.NextCursor = paged(*in, entries, func(e Entry) Position { return Position{At: e.Seq} })
	a.Body.Items = each(entries, func(e Entry) auditInfo {
		return auditInfo{Seq: e.Seq, At: e.At, Actor: e.Actor, Via: e.Via, Action: e.Action, Target: e.Target, Detail: e.Detail}
	})
	return a, nil
}

// orEmpty makes a missing list an empty one, which is [] in JSON and not null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// moment is a time that may be missing.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// each maps a list.
func each[A, B any](in []A, f func(A) B) []B {
	out := make([]B, 0, len(in))
	for _, a := range in {
		out = append(out, f(a))
	}
	return out
}
