package identity

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// Role is what a person may do everywhere.
type Role string

// The roles, from the smallest to the widest.
const (
	Viewer    Role = "viewer"    // reads everything but identity's own records
	Developer Role = "developer" // viewer, and may push, build, deploy and send delivery events
	Admin     Role = "admin"     // everything
)

// OwnerID is the id of the first person, who exists from the first start on.
const OwnerID = "owner"

// Scopes returns what the role grants; nothing for an unknown role.
func (r Role) Scopes() []string {
	switch r {
	case Viewer:
		return []string{auth.ScopeReadAll, auth.ScopeConsole}
	case Developer:
		return []string{
			auth.ScopeReadAll, auth.ScopeConsole, auth.ScopeDoraWrite,
			auth.ScopeGitWrite, auth.ScopeRegistryWrite, auth.ScopeRunnerWrite, auth.ScopeGitOpsWrite,
		}
	case Admin:
		return []string{auth.ScopeAll}
	}
	return nil
}

// Person is someone who signs in. Whoever is disabled can neither sign in nor use a token made before.
type Person struct {
	ID       string
	Name     string
	Role     Role
	Teams    []string
	Created  time.Time
	Disabled time.Time // zero while the person is active
}

// Active says whether the person may be let in.
func (p Person) Active() bool { return p.Disabled.IsZero() }

func (p Person) check() error {
	if err := checkName("name", p.Name); err != nil {
		return err
	}
	if p.Role.Scopes() == nil {
		return problem.New(problem.InvalidField, "the role %q does not exist", p.Role).
			WithField("role").WithMend("use admin, developer or viewer")
	}
	if len(p.Teams) > 100 {
		return problem.New(problem.InvalidField, "a person can be in at most 100 teams, not %d", len(p.Teams)).WithField("teams")
	}
	for _, t := range p.Teams {
		if !auth.ValidService(t) {
			return problem.New(problem.InvalidField, "%q cannot name a team", t).
				WithField("teams").WithMend("use lower-case letters, digits and hyphens, at most 63, beginning with a letter")
		}
	}
	return nil
}

const nameMax = 100

// checkName accepts what people write to recognise a thing again: one line of printable text.
func checkName(field, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return problem.New(problem.InvalidField, "%s must not be empty", field).WithField(field)
	case utf8.RuneCountInString(name) > nameMax:
		return problem.New(problem.InvalidField, "%s is longer than %d characters", field, nameMax).WithField(field)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return problem.New(problem.InvalidField, "%s must be one line of printable text", field).WithField(field)
	}
	return nil
}
