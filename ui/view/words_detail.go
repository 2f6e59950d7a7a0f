package view

import (
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/ui/delivery"
)

// failureReason says in words why a deployment counts as failed.
func failureReason(code string) string {
	switch code {
	case "outcome", "failure", "failed":
		return "the deployment itself failed"
	case "aborted":
		return "the deployment was aborted"
	case "rollback", "rolled_back":
		return "it was rolled back"
	case "incident":
		return "it caused an incident"
	}
	return ruleText(code)
}

func linkedByMeaning(by string) string {
	switch by {
	case "explicit":
		return "The source named the deployment."
	case "artifact":
		return "The incident named the artifact or version that the deployment brought."
	case "time":
		return "The latest successful deployment of the service before the incident, within the incident window."
	}
	return "No rule found a deployment: none was named, no artifact matched, and none lay within the incident window."
}

// restoredBy says what ended a failure.
func restoredBy(code string) string {
	switch code {
	case "next_good_deployment":
		return "the next good deployment"
	case "rollback":
		return "a rollback"
	case "incident_resolved":
		return "the end of the incident"
	}
	return ruleName(code)
}

// ruleName writes a rule's code as a name.
func ruleName(code string) string { return strings.ReplaceAll(code, "_", " ") }

func noChanges(d delivery.Deployment) string {
	if d.Reason != "" {
		return reasonText(d.Reason)
	}
	switch d.Kind {
	case "first":
		return "A first deployment is a baseline: the commits before it are not counted as its changes unless the project says so."
	case "redeploy":
		return "The same commit was deployed again, so no change is new."
	case "rollback":
		return "It went back to an earlier commit, so no change is new."
	}
	return "No change could be linked. Its commits may not have arrived yet: import the repository's history."
}

func mustAt(d delivery.Deployment) time.Time {
	at, _ := d.At()
	return at
}

type reasonCount struct {
	Reason string
	Count  int
}

func sortedReasons(reasons map[string]int) []reasonCount {
	out := make([]reasonCount, 0, len(reasons))
	for r, n := range reasons {
		out = append(out, reasonCount{reasonText(r), n})
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Count != out[j].Count {
			return out[i].Count > out[j].Count
		}
		return out[i].Reason < out[j].Reason
	})
	return out
}

// chip narrows a list to one kind.
type chip struct {
	Label, Href, Shape string
	Current            bool
}

func deploymentChips(f Frame, kind string, failed bool) []chip {
	at := func(q url.Values) string { return f.Scope.PathWith(q, "deployments") }
	out := []chip{
		{"All", at(nil), "", kind == "" && !failed},
		{"Failed", at(url.Values{"failed": {"true"}}), "failed", failed},
	}
	for _, k := range []struct{ key, label, shape string }{
		{"rollback", "Rollbacks", "rollback"}, {"redeploy", "Redeploys", "redeploy"}, {"first", "First", "first"},
	} {
		out = append(out, chip{k.label, at(url.Values{"kind": {k.key}}), k.shape, kind == k.key && !failed})
	}
	return out
}
