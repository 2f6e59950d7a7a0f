package identity

import (
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	scopesMax   = 32
	projectsMax = 100
)

// Token is an API token, which acts for the person who made it. Its text is known only by its hash.
type Token struct {
	ID       string
	Hash     string
	PersonID string
	Name     string
	Scopes   []string // asked for; what it grants also depends on its owner's role now
	Projects []string // when not empty, the only projects it may touch
	Created  time.Time
	Expires  time.Time
	Used     time.Time // zero: never; exact to a minute
	Revoked  time.Time // zero: not revoked
}

// Alive says whether the token is good at now.
func (t Token) Alive(now time.Time) bool { return t.Revoked.IsZero() && now.Before(t.Expires) }

// Grants returns what the token may do for owner: never more than the owner may do now.
func (t Token) Grants(owner Person) []string { return auth.Meet(t.Scopes, owner.Role.Scopes()) }

// checkScopes accepts scopes that have the right form and that giver holds itself.
func checkScopes(scopes []string, giver auth.Principal) error {
	if len(scopes) == 0 || len(scopes) > scopesMax {
		return problem.New(problem.InvalidField, "scopes must list 1 to %d scopes, not %d", scopesMax, len(scopes)).
			WithField("scopes").WithMend("for example [\"dora:read\"]")
	}
	for _, s := range scopes {
		if !auth.ValidScope(s) || !auth.KnownScope(s) {
			return problem.New(problem.InvalidField, "%q is not a scope", s).
				WithField("scopes").WithMend("the scopes are " + strings.Join(auth.Scopes(), ", ") + ", *:read and *")
		}
		if !giver.Can(s) {
			return problem.New(problem.Forbidden, "you cannot give the scope %s, which you do not hold", s).
				WithField("scopes").WithMend("ask for less, or ask an admin")
		}
	}
	return nil
}

// checkProjects accepts the restriction to projects, which must stay within the giver's own.
func checkProjects(projects []string, giver auth.Principal) error {
	if len(projects) > projectsMax {
		return problem.New(problem.InvalidField, "projects lists %d projects; at most %d are allowed", len(projects), projectsMax).WithField("projects")
	}
	if len(projects) == 0 && len(giver.Projects) > 0 {
		return problem.New(problem.Forbidden, "you are limited to some projects, so what you make must be too").WithField("projects")
	}
	for _, p := range projects {
		if err := checkName("projects", p); err != nil {
			return err
		}
		if !giver.CanTouch(p) {
			return problem.New(problem.Forbidden, "you cannot give access to the project %s, which you do not have", p).WithField("projects")
		}
	}
	return nil
}

// sorted returns a sorted copy without duplicates.
func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out)
}
