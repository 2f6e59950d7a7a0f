package dora

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

// deploymentNotes says in words which rules made a deployment what it is.
func deploymentNotes(a answer, d metrics.Deployment) []noteBody {
	var out []noteBody
	note := func(rule, format string, args ...any) {
		out = append(out, noteBody{rule, fmt.Sprintf(format, args...)})
	}
	previous := ""
	if d.PreviousID != nil {
		previous = *d.PreviousID
	}
	if d.Kind != nil {
		switch *d.Kind {
		case history.KindFirst:
			note("kind", "Nothing was deployed to %s of %s before it.", d.Environment, d.Service)
		case history.KindForward:
			note("kind", "It replaced %s with another source commit, which is not an earlier one.", previous)
		case history.KindRedeploy:
			note("kind", "It brought the source commit of %s again, and so no new change.", previous)
		case history.KindRollback:
			note("kind", "Its source commit is an earlier one than that of %s, which it replaced.", previous)
		}
	}
	if d.ResolvedBy != nil {
		switch *d.ResolvedBy {
		case "digest":
			note("source_commit", "The commit is the one that the image %s was made from.", *d.Digest)
		case "sha":
			note("source_commit", "The commit is the one that the source of the report named.")
		case "report":
			note("source_commit", "Its own source named no commit; the commit is the one that another source's report of it names.")
		}
	}
	if len(d.Reports) > 0 {
		note("reports", "%s is believed about it; what else is known comes from %s.", d.Source, strings.Join(d.Reports, ", "))
	}
	if d.Reason != nil {
		switch *d.Reason {
		case history.ReasonNotAuthoritative:
			note("authority", "It does not count: %s is not the source that is believed about deployments of %s to %s, and that one has not reported it.", d.Source, d.Service, d.Environment)
		case history.ReasonBaseline:
			note("first_deployment", "As the first deployment it marks the beginning: its %d commits have no lead time. The project's setting first_deployment: attribute would give them one.", d.Changes)
		case history.ReasonSHAUnknown:
			note("attribution", "Neither its commit nor where its image came from has been reported, so no change can be attributed to it.")
		case history.ReasonCommitsMissing:
			note("attribution", "Its commit has not been reported yet. When it is, the changes will be attributed.")
		}
	} else if outcome := d.Outcome; outcome != nil && *outcome == event.OutcomeSuccess {
		note("attribution", "%d changes are ancestors of its commit and of no commit deployed to %s before.", d.Changes, d.Environment)
	}
	for _, f := range d.Failures {
		switch f.Rule {
		case history.FailedOutcome:
			note(f.Rule, "It counts as failed because its source reported failure.")
		case history.FailedRolledBack:
			note(f.Rule, "It counts as failed because %s rolled it back.", *f.Ref)
		case history.FailedIncident:
			note(f.Rule, "It counts as failed because the incident %s is linked to it.", *f.Ref)
		default:
			note(f.Rule, "It counts as failed under the rule %s.", f.Rule)
		}
	}
	if d.Failed && d.RestoredAt == nil {
		note("recovery", "Service has not been restored as far as is known: the failure is open.")
	}
	if d.RestoredBy != nil {
		ref := ""
		if d.RestoredRef != nil {
			ref = *d.RestoredRef
		}
		switch *d.RestoredBy {
		case history.RestoredDeployment:
			note("recovery", "Service was restored by the next good deployment, %s.", ref)
		case history.RestoredRollback:
			note("recovery", "Service was restored by the rollback %s.", ref)
		case history.RestoredIncident:
			note("recovery", "Service was restored when the incident %s was resolved.", ref)
		}
	}
	if d.Unplanned {
		note("rework", "Its source reported it as unplanned, so it counts as rework.")
	}
	if out == nil {
		out = []noteBody{}
	}
	return out
}

func incidentNote(a answer, i metrics.Incident) noteBody {
	n := noteBody{Rule: i.Rule}
	switch i.Rule {
	case history.LinkExplicit:
		n.Detail = "The incident itself names the deployment."
	case history.LinkArtifact:
		n.Detail = "The incident names the version that the deployment brought."
	case history.LinkTime:
		n.Detail = fmt.Sprintf("It is the latest successful deployment of the same service within %s before the incident.", a.View.Spec().Window())
	case metrics.RuleLatestDeployment:
		n.Detail = "It is the project's latest successful production deployment that finished before the incident was opened."
	default:
		reason := "no_deployment"
		if i.Reason != nil {
			reason = *i.Reason
		}
		n.Detail = map[string]string{
			history.ReasonNotSeen:          "The deployment or version that it names has not been reported; nothing else is blamed in its place.",
			history.ReasonNotAuthoritative: "The deployment that it names does not count: another source is believed about deployments there.",
			history.ReasonOutsideWindow:    fmt.Sprintf("The service's last deployment lies more than %s before it.", a.View.Spec().Window()),
			history.ReasonNoService:        "It names no service, and the project has more than one.",
			history.ReasonNoDeployment:     "The service had no successful deployment before it.",
		}[reason]
		n.Detail = cmp.Or(n.Detail, reason)
	}
	return n
}
