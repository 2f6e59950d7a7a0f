package project

import (
	"fmt"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Alias says which service a source means by a name of its own: the name of
// PagerDuty's service, of a job of Jenkins or of an Application of Argo CD.
type Alias struct {
	Source      string `json:"source,omitempty" yaml:"source,omitempty"`           // who calls it so: "pagerduty"; none means everyone
	Name        string `json:"name" yaml:"name"`                                   // what the source calls it
	Service     string `json:"service" yaml:"service"`                             // the service that it is
	Environment string `json:"environment,omitempty" yaml:"environment,omitempty"` // where to, for reports that do not say
}

// maxAliases bounds the aliases of a project.
const maxAliases = 1000

func (s Spec) validateAliases() error {
	if len(s.Aliases) > maxAliases {
		return event.Fault("aliases", "holds %d entries, at most %d are taken", len(s.Aliases), maxAliases)
	}
	seen := map[[2]string]bool{}
	for i, a := range s.Aliases {
		f := fmt.Sprintf("aliases[%d].", i)
		switch {
		case strings.TrimSpace(a.Name) == "" || len(a.Name) > 512:
			return event.Fault(f+"name", "is required: what the source calls the service, at most 512 bytes")
		case !ValidName(a.Service):
			return event.Fault(f+"service", "%q is not a name", a.Service)
		case a.Source != "" && !ValidName(a.Source):
			return event.Fault(f+"source", "%q is not a source such as pagerduty", a.Source)
		case a.Environment != "" && !ValidName(a.Environment):
			return event.Fault(f+"environment", "%q is not a name", a.Environment)
		case seen[[2]string{a.Source, a.Name}]:
			return event.Fault(f+"name", "%q stands twice", a.Name)
		}
		seen[[2]string{a.Source, a.Name}] = true
	}
	return nil
}

// Named is the service, and the environment, that a source means. An alias of that
// source goes before one of every source; an environment that the report names
// stays.
func (s Spec) Named(source, service, environment string) (string, string) {
	if len(s.Aliases) == 0 || service == "" {
		return service, environment
	}
	kind, _, _ := strings.Cut(source, ":") // devlake:CONNECTION
	var found *Alias
	for i := range s.Aliases {
		a := &s.Aliases[i]
		if a.Name != service || a.Source != "" && a.Source != kind {
			continue
		}
		if found == nil || a.Source != "" {
			found = a
		}
	}
	if found == nil {
		return service, environment
	}
	if environment == "" {
		environment = found.Environment
	}
	return found.Service, environment
}
