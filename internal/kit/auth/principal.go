package auth

import (
	"context"
	"slices"
	"time"
)

// The kinds of caller.
const (
	KindPerson   = "person"   // someone signed in with a browser
	KindToken    = "token"    // an API token, acting for the person who made it
	KindWorkload = "workload" // a named program with a short JWT of its own
)

// Principal is an authenticated caller and what it may do.
type Principal struct {
	Subject  string    // stable id: a person's id, or the workload's name
	Name     string    // for people to read; may be empty
	Kind     string    // KindPerson, KindToken or KindWorkload
	Roles    []string  // admin, developer, viewer
	Scopes   []string  // what is granted, see Covers for the wildcards
	Teams    []string  // the teams the person belongs to
	Projects []string  // when not empty, the only projects the caller may touch
	TokenID  string    // the API token's or session's id, for audit logs
	Expires  time.Time // when the proof of identity ends; zero for the static operator token
}

// Can says whether the principal holds scope, directly or through a wildcard.
func (p Principal) Can(scope string) bool {
	return slices.ContainsFunc(p.Scopes, func(granted string) bool { return Covers(granted, scope) })
}

// CanTouch says whether the principal may work on project at all; scopes are a separate question.
func (p Principal) CanTouch(project string) bool {
	return len(p.Projects) == 0 || slices.Contains(p.Projects, project)
}

type contextKey int

const (
	principalKey contextKey = iota
	credentialKey
)

// NewContext returns a context that carries p, as the middleware does for handlers.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey, p)
}

// FromContext returns the caller that the middleware authenticated; false when the operation is open.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey).(Principal)
	return p, ok
}
