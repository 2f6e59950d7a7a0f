package project

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Authority says which source is believed about the deployments of a service
// in an environment; the others only add to what it reports.
type Authority struct {
	Service     string `json:"service,omitempty" yaml:"service,omitempty" doc:"The service; empty for any"`
	Environment string `json:"environment,omitempty" yaml:"environment,omitempty" doc:"The environment; empty for any"`
	Source      string `json:"source" yaml:"source" doc:"The source, as its reports name it: argocd, jenkins, github … ; devlake is any of DevLake's connections"`
}

// SourceClass is how close a source stands to what runs.
type SourceClass int

// The classes, the strongest first.
const (
	ClassGitOps  SourceClass = iota // makes the environment what it is, and sees that it is
	ClassCI                         // ran the deployment, or was told of it explicitly
	ClassGitHost                    // hears of it from CI
	ClassGit                        // knows tags
)

// DefaultSource is a source's place in the default order.
type DefaultSource struct {
	Name  string // "*" is every source that has no row of its own
	Class SourceClass
}

// defaultSources is the default order of authority, the strongest first. Where
// nothing is configured, the first of these that reports a deployment is
// believed about it. Sources that share a row go by their names.
var defaultSources = [...]DefaultSource{
	{"argocd", ClassGitOps},
	{"flux", ClassGitOps},
	{"jenkins", ClassCI},
	{"cdevents", ClassCI},
	{"devlake", ClassCI}, // any of its connections
	{"*", ClassCI},
	{event.SourceBulk, ClassCI},
	{"github", ClassGitHost},
	{event.SourceGit, ClassGit},
}

// DefaultSources returns the default order of authority, the strongest first.
func DefaultSources() []DefaultSource { return slices.Clone(defaultSources[:]) }

// family is the name under which a source stands in the table: "devlake" for
// "devlake:shop".
func family(source string) string {
	name, _, _ := strings.Cut(source, ":")
	return name
}

// rank is the source's row in the table.
func rank(source string) int {
	name := family(source)
	other := 0
	for i, s := range defaultSources {
		if s.Name == name {
			return i
		}
		if s.Name == "*" {
			other = i
		}
	}
	return other
}

// ClassOf is the class of a source.
func ClassOf(source string) SourceClass { return defaultSources[rank(source)].Class }

// Speaks reports whether a is about the source.
func (a Authority) Speaks(source string) bool {
	return a.Source == source || a.Source == family(source)
}

// AuthorityOf returns the rule that holds for a service in an environment: the
// one that names both before one that names the service, before one that names
// the environment. Without one the default order holds.
func (s Spec) AuthorityOf(service, environment string) (Authority, bool) {
	best, found := Authority{}, false
	weight := func(a Authority) int {
		w := 0
		if a.Service != "" {
			w += 2
		}
		if a.Environment != "" {
			w++
		}
		return w
	}
	for _, a := range s.Authority {
		if a.Service != "" && a.Service != service || a.Environment != "" && a.Environment != environment {
			continue
		}
		if !found || weight(a) > weight(best) {
			best, found = a, true
		}
	}
	return best, found
}

// CompareSources orders the sources of a service in an environment, the
// strongest first.
func (s Spec) CompareSources(service, environment string) func(a, b string) int {
	rule, configured := s.AuthorityOf(service, environment)
	at := func(source string) int {
		if configured && rule.Speaks(source) {
			return -1
		}
		return rank(source)
	}
	return func(a, b string) int {
		if a == b {
			return 0
		}
		return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	}
}

func (s Spec) validateAuthority() error {
	type scope struct{ service, environment string }
	seen := map[scope]bool{}
	for i, a := range s.Authority {
		f := fmt.Sprintf("authority[%d].", i)
		for _, t := range []struct{ field, value string }{{"service", a.Service}, {"environment", a.Environment}, {"source", a.Source}} {
			if len(t.value) > 512 || strings.TrimSpace(t.value) != t.value {
				return event.Fault(f+t.field, "%.60q is not a name: at most 512 bytes without space around it", t.value)
			}
		}
		if a.Source == "" {
			return event.Fault(f+"source", "is required: the source to believe, such as \"argocd\" or \"jenkins\"")
		}
		k := scope{a.Service, a.Environment}
		if seen[k] {
			return event.Fault(f+"source", "the service %q in the environment %q has an authority already", a.Service, a.Environment)
		}
		seen[k] = true
	}
	return nil
}
