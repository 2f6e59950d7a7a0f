// Package devlake speaks the incoming webhook API of Apache DevLake, so that
// pipelines which report to a DevLake today can report to Fawkes unchanged.
//
// It is pure: [Route] reads a path, [Deployments], [Issue], [Close] and
// [PullRequest] turn bodies into delivery events, and the answers' shapes are
// here too. HTTP, keys and storage belong to the caller.
//
// # Paths
//
// Below /api/rest/plugins/webhook, /rest/plugins/webhook or /plugins/webhook:
//
//	connections                                   GET, POST
//	connections/{id}                              GET, PATCH, DELETE
//	connections/by-name/{name}                    GET, PATCH, DELETE
//	connections/{id}/deployments                  POST, likewise the next three
//	connections/{id}/pull_requests
//	connections/{id}/issues
//	connections/{id}/issue/{key}/close
//	connections/by-name/{name}/…                  the same four
//	{id}/…                                        the same four
//	projects/{name}/deployments                   POST
//
// # Bodies
//
// Names are in camel case and match in any case of letters, unknown fields
// are passed over, numbers are taken for text and text for numbers: all as
// DevLake does. Times are RFC 3339, an offset without colon ("+0200"),
// "2026-01-31 09:30:00", "2026-01-31 09:30" or "2026-01-31", the last three in
// UTC.
//
// A deployment needs id, startedDate, finishedDate and at least one of
// deploymentCommits with repoUrl, commitSha, startedDate and finishedDate.
// Without a result it was a SUCCESS, without an environment it went to
// PRODUCTION. Every entry of deploymentCommits becomes one deployment: the
// first has the deployment's own id, each further one "<id>:<repository>": by
// its name; where names are not unique by host and path; and where one
// repository stands twice with "@" and the commit as well. The entry's own result
// wins over the deployment's. The field "service", which DevLake passes over,
// may name the service, on the deployment or on an entry; without it the
// repository stands for it.
//
// An issue needs issueKey, title, status (TODO, IN_PROGRESS or DONE),
// originalStatus and createdDate. Of type INCIDENT, or without a type, it is
// an incident of the service that component names; any other is kept as it
// came. An incident that is DONE without a resolutionDate was resolved at its
// updatedDate, or else when the report was received. One that is not DONE and
// carries an updatedDate is open again.
//
// Closing an issue sets its resolution to the time of the request. DevLake
// itself sets only the status, and its recovery times never learn of it. The
// request carries nothing but the key, so a second one is a second report.
//
// A pull request needs id, displayTitle, pullRequestKey and createdDate. Its
// repository is taken from its url ("…/owner/name/pull/12"), else from
// baseRepoId where that is a URL, else it is DevLake's own
// "webhook:<connection>". mergeCommitSha counts once there is a mergedDate.
//
// # Answers
//
// Success is status 200 with an empty body. An error has the status and the
// body of [Failure]: 400 for a body at fault, where DevLake answers 400 or, for
// what is not JSON at all, 500; 401 and 403 for keys; 404 for what does not
// exist.
package devlake
