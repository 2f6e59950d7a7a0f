package identity

import (
	"context"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	base     = "/api/identity/v1"
	bodySize = 64 << 10 // no request to identity needs more
)

// register adds every JSON operation to api.
func (s *Service) register(api huma.API) {
	s.registerPeople(api)
	s.registerSignIn(api)
	s.registerTokens(api)
	s.registerExchange(api)
}

// operation is one huma operation with what all of identity's have in common.
func operation(method, path, id, tag, summary string, security []map[string][]string, errs ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: base + path, Summary: summary, Tags: []string{tag},
		Security: security, Errors: errs, MaxBodyBytes: bodySize,
	}
}

// listing is the input of every list.
type listing struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"200" doc:"The next_cursor of the page before; absent for the first."`
}

// page asks the store for one row more than the client, so that the end of the list is known.
func (l listing) page() (Page, error) {
	after, err := parseCursor(l.Cursor)
	return Page{Limit: l.Limit + 1, After: after}, err
}

// paged cuts the surplus row off and makes the cursor of the next page from the last row that stays.
func paged[T any](l listing, rows []T, at func(T) Position) (page []T, cursor string) {
	if len(rows) <= l.Limit {
		return rows, ""
	}
	rows = rows[:l.Limit]
	last := at(rows[len(rows)-1])
	return rows, base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(last.At, 10) + " " + last.ID))
}

func parseCursor(s string) (Position, error) {
	if s == "" {
		return Position{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	at, id, ok := strings.Cut(string(raw), " ")
	n, err2 := strconv.ParseInt(at, 10, 64)
	if err != nil || err2 != nil || !ok || strings.ContainsRune(id, 0) || strings.ToValidUTF8(id, "") != id {
		return Position{}, problem.New(problem.InvalidCursor, "the cursor was not made by this list").
			WithField("cursor").WithMend("leave it out to start from the first page")
	}
	return Position{At: n, ID: id}, nil
}

// caller returns who asks; the middleware has put it there for every operation that is not open.
func caller(ctx context.Context) (auth.Principal, error) {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return auth.Principal{}, problem.New(problem.Unauthenticated, "the request carries no credential")
	}
	return p, nil
}

// answer turns the store's sentinels into problems about thing; other errors pass.
func answer(err error, thing, id string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotFound):
		return problem.New(problem.NotFound, "there is no %s %q", thing, clip(id, 100))
	case errors.Is(err, ErrLastAdmin):
		return problem.New(problem.Conflict, "%v", ErrLastAdmin).WithMend("make another person admin first")
	}
	return err
}

// mayManage lets people look after their own tokens and sessions, and admins after everyone's; a token without
// identity:admin may not make others, so that a leaked one cannot outlive its revocation.
func mayManage(p auth.Principal) error {
	if p.Kind == auth.KindPerson || p.Can(auth.ScopeIdentityAdmin) {
		return nil
	}
	return problem.New(problem.Forbidden, "a token without the scope identity:admin cannot look after tokens and sessions").
		WithMend("sign in, or use a token with identity:admin")
}

// whose is the person a list or a removal is limited to: oneself, or everyone for admins.
func whose(p auth.Principal) string {
	if p.Can(auth.ScopeIdentityAdmin) {
		return ""
	}
	return p.Subject
}

// id is a path parameter.
type id struct {
	ID string `path:"id" maxLength:"64" pattern:"^[a-z0-9-]+$" doc:"The id, as lists show it."`
}
