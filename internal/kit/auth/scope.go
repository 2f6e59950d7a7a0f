package auth

import (
	"slices"
	"strings"
)

// The scopes of the platform. A scope is "service:verb", or a bare name for a surface without verbs.
const (
	ScopeAll           = "*"      // everything, now and later: the role admin
	ScopeReadAll       = "*:read" // the read scope of every service: the role viewer
	ScopeConsole       = "console"
	ScopeDoraRead      = "dora:read"
	ScopeDoraWrite     = "dora:write"
	ScopeDoraAdmin     = "dora:admin"
	ScopeIdentityAdmin = "identity:admin"

	ScopeGitRead       = "git:read"
	ScopeGitWrite      = "git:write"
	ScopeGitAdmin      = "git:admin"
	ScopeRegistryRead  = "registry:read"
	ScopeRegistryWrite = "registry:write"
	ScopeRegistryAdmin = "registry:admin"
	ScopeRunnerRead    = "runner:read"
	ScopeRunnerWrite   = "runner:write"
	ScopeRunnerAdmin   = "runner:admin"
	ScopeGitOpsRead    = "gitops:read"
	ScopeGitOpsWrite   = "gitops:write"
	ScopeGitOpsAdmin   = "gitops:admin"
)

// Covers says whether holding the scope granted is enough for the scope wanted.
// "*" covers everything; "*:verb" covers "service:verb" of every service; anything else covers only itself.
func Covers(granted, wanted string) bool {
	if granted == wanted || granted == ScopeAll {
		return wanted != ""
	}
	verb, wild := strings.CutPrefix(granted, "*:")
	if !wild {
		return false
	}
	_, wantedVerb, ok := strings.Cut(wanted, ":")
	return ok && wantedVerb == verb
}

// Meet returns the scopes that both a and b grant, in the widest form: what an API token keeps when its
// owner's role has become smaller than the token. The result is sorted and without duplicates.
func Meet(a, b []string) []string {
	var out []string
	for _, x := range a {
		for _, y := range b {
			switch {
			case Covers(x, y):
				out = append(out, y)
			case Covers(y, x):
				out = append(out, x)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ValidScope says whether s has the form of a scope: "*", "*:verb", "service:verb" or "name".
func ValidScope(s string) bool {
	if s == ScopeAll {
		return true
	}
	name, verb, hasVerb := strings.Cut(s, ":")
	if hasVerb && !word(verb) {
		return false
	}
	return word(name) || (hasVerb && name == "*")
}

// KnownScope says whether s is a scope of the platform, or a wildcard for some of them.
func KnownScope(s string) bool {
	for _, known := range Scopes() {
		if Covers(s, known) {
			return true
		}
	}
	return false
}

// Scopes lists the scopes that operations ask for.
func Scopes() []string {
	return []string{
		ScopeConsole,
		ScopeDoraAdmin, ScopeDoraRead, ScopeDoraWrite,
		ScopeGitAdmin, ScopeGitRead, ScopeGitWrite,
		ScopeGitOpsAdmin, ScopeGitOpsRead, ScopeGitOpsWrite,
		ScopeIdentityAdmin,
		ScopeRegistryAdmin, ScopeRegistryRead, ScopeRegistryWrite,
		ScopeRunnerAdmin, ScopeRunnerRead, ScopeRunnerWrite,
	}
}

// ValidService says whether s can name a service or a workload: lower-case letters, digits and hyphens,
// beginning with a letter, at most 63 characters.
func ValidService(s string) bool { return word(s) }

func word(s string) bool {
	if s == "" || len(s) > 63 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
