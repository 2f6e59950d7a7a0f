package argocd

import (
	"errors"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// ofManifests reports whether a commit is one that Argo CD synced: a commit of
// the repository that holds the manifests, and none of the application's. It may
// be abbreviated.
func (p *payload) ofManifests(commit string) bool {
	known := append([]string{p.History.Revision}, p.History.Revisions...)
	if p.Operation != nil {
		known = append(append(known, p.Operation.Revision), p.Operation.Revisions...)
	}
	for _, revision := range append(known, p.synced...) {
		if commit != "" && strings.HasPrefix(strings.ToLower(revision), strings.ToLower(commit)) {
			return true
		}
	}
	return false
}

// ofApplication is a commit unless it is one of the manifests.
func (p *payload) ofApplication(commit string) string {
	if p.ofManifests(commit) {
		return ""
	}
	return commit
}

// mostRepositories bounds the repositories that are told of the manifests.
const mostRepositories = 32

// manifestRepos are the git repositories that the manifests come from, so that a
// commit of theirs can be told from the application's once it is known.
func (p *payload) manifestRepos() event.Opt[[]string] {
	var out []string
	for _, s := range p.Sources {
		key := event.RepoKey(s.RepoURL)
		if s.Chart == "" && key != "" && len(key) <= 2048 && !strings.ContainsFunc(key, control) && len(out) < mostRepositories {
			out = append(out, key)
		}
	}
	if len(out) == 0 {
		return event.Opt[[]string]{}
	}
	return event.Some(out)
}

func control(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f || r == '\uFFFD' }

// spelt gives a fault of the template's field the name that it has in a whole
// Application, where the body is one.
func (p *payload) spelt(err error) error {
	var fault *event.FieldError
	if !p.isApp || !errors.As(err, &fault) {
		return err
	}
	field := fault.Field
	for _, f := range []struct{ from, to string }{
		{"operation.selfHeal", "status.operationState.operation.sync.autoHealAttemptsCount"}, {"operation", "status.operationState"},
		{"resources", "status.operationState.syncResult.resources"}, {"images", "status.summary.images"},
		{"app", "metadata"}, {"health", "status.health"}, {"reconciledAt", "status.reconciledAt"},
	} {
		if rest, ok := strings.CutPrefix(field, f.from); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			field = f.to + rest
			break
		}
	}
	return event.Fault(p.whole+field, "%s", fault.Detail)
}
