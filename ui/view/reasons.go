package view

import "strings"

// reasonText turns a reason's stable code into a sentence. A reason that is a sentence already, and a code that is
// not known here, are shown as they are, so that nothing is hidden.
func reasonText(code string) string {
	switch code {
	case "":
		return ""
	case "no_deployment_yet":
		return "No deployment was ever seen."
	case "no_deployment_in_window":
		return "No deployment in this window."
	case "no_attributed_change":
		return "No change could be linked to a deployment."
	case "no_failed_deployment":
		return "No deployment failed in this window."
	case "not_recovered":
		return "None of the failures has ended yet."
	case "not_elapsed":
		return "The window lies in the future."
	case "metric_missing":
		return "The service gave no value for it."
	case "aborted":
		return "It was aborted and never reached users."
	case "failure":
		return "It failed, so it is no successful deployment."
	case "outcome_unknown":
		return "It finished without a reported outcome."
	case "after_as_of":
		return "Its source's clock is ahead."
	case "pull_request_created_unknown":
		return "It is not known when the pull request was opened."
	case "authored_at_unknown":
		return "It is not known when it was authored."
	case "not_failed":
		return "It did not fail."
	case "resolved_outside_window":
		return "It was resolved outside this window."
	case "first_deployment":
		return "Part of the first deployment, which is a baseline without lead times."
	case "clock_skew":
		return "The clocks disagree: the span would be negative."
	case "commit_unknown":
		return "The commit itself has not been reported."
	case "commits_not_reported":
		return "The deployed commit has not been reported. Import the repository's history."
	case "not_authoritative":
		return "Another source is believed about deployments there, and it has not reported this one."
	case "no_commits_reported":
		return "The pull request's commits have not been reported."
	case "no_deployment":
		return "There is no deployment to relate it to."
	case "no_pull_request":
		return "It belongs to no known pull request."
	case "no_review":
		return "Nobody but the author reviewed it."
	case "no_service":
		return "The incident names no service."
	case "not_deployed":
		return "No deployment contains it yet."
	case "not_merged":
		return "The pull request is not merged."
	case "deployment_not_seen":
		return "The deployment that it names has not been reported."
	case "open":
		return "Service is not restored yet."
	case "outside_time_window":
		return "The last deployment lies too far back for the incident window."
	case "paths_unknown":
		return "The service has paths, and those of the commit are not known."
	case "replaced_by_merge":
		return "A squash or rebase put another commit in its place."
	case "source_sha_unknown":
		return "Neither its commit nor that of its image is known."
	}
	if strings.ContainsRune(code, ' ') {
		return sentence(code)
	}
	return sentence(strings.ReplaceAll(code, "_", " "))
}

// ruleText says in words by which rule a row was linked or counted.
func ruleText(code string) string {
	switch code {
	case "commit_graph":
		return "Commit graph: the first successful deployment that contains it."
	case "commit_difference":
		return "Its merge commit is new since the previous successful deployment."
	case "latest_deployment":
		return "The project's latest successful deployment before the incident."
	case "explicit":
		return "The source named the deployment."
	case "artifact":
		return "The incident names the version that was deployed."
	case "time":
		return "The latest deployment of the service within the incident window."
	case "outcome":
		return "Its source reported a failure."
	case "rolled_back":
		return "The next deployment rolled it back."
	case "incident":
		return "An incident is linked to it."
	case "next_good_deployment":
		return "The next good deployment restored service."
	case "rollback":
		return "A rollback restored service."
	case "incident_resolved":
		return "The incident was resolved."
	case "none":
		return "No rule found a deployment."
	}
	return reasonText(code)
}
