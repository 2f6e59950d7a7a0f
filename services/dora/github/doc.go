// Package github reads GitHub's webhooks as delivery events.
//
// It is pure: [Map] turns the body of one delivery into events, and
// [VerifySignature] checks that GitHub sent it. Receiving, storing and
// answering belong to the caller. GitHub Enterprise Server sends the same
// bodies, and so does every server that is shaped after GitHub's webhooks.
//
// # What becomes what
//
//	push                          one commit a commit, with author, time and paths
//	pull_request                  a pull_request, whatever the action
//	pull_request_review           a review, and the pull_request it carries
//	pull_request_review_comment   a review of kind comment, and the pull_request
//	issue_comment                 on a pull request: a review of kind comment
//	deployment                    a deployment that has started
//	deployment_status             the deployment, finished when the state is final
//	workflow_run                  a build, one for each attempt
//	issues                        with an incident label: an incident
//	ping                          nothing
//	anything else                 other: kept as it came, and counted
//
// Every event has the source "github" and carries GitHub's delivery id, so a
// redelivery is recognised.
//
// # Commits
//
// A push names no parents; they stay unknown until the repository's history
// is imported. The lists of added, removed and modified files are joined into
// the commit's paths. GitHub leaves all three empty for very large commits, so
// three empty lists mean that the paths are unknown, not that there are none.
// The author's own time is used where GitHub gives it (commits[].author.date),
// else commits[].timestamp. A commit's At lies one microsecond before the
// times it carries: where the repository's own history disagrees, that wins.
// A deleted branch says nothing about delivery; neither does a forced push
// beyond the commits that it brings.
//
// # Pull requests
//
// At is updated_at, which has whole seconds, so two reports may carry the same
// instant. Only what a report can know for certain is therefore stated: the
// merge (merged_at, merge_commit_sha) once there is one, and "not closed" only
// by the action reopened. Before the merge, merge_commit_sha is GitHub's trial
// merge, a commit that exists on no branch, and is left out.
//
// A review that was dismissed still took place: it is kept as a comment of the
// same author and time.
//
// # Deployments
//
// The entity is deployment.id. It starts at deployment.created_at and ends
// with a status of success, failure or error, at that status's created_at. The
// states queued, pending, waiting and in_progress leave it running; inactive
// (a later deployment took its place) says nothing new and is dropped.
// deployment.payload may say what GitHub has no field for: "service",
// "digest" (or an "image" with one) and "unplanned". Without a service the
// repository stands for it.
//
// A workflow run is a build and never a deployment by itself: GitHub reports
// the deployments that a workflow makes as deployments. A release is kept as
// other for the same reason: its body names a tag and no commit, and says
// nothing about any environment.
//
// # Incidents
//
// An issue with one of [Mapper.IncidentLabels] is an incident from its
// creation until it is closed; reopening opens it again; taking the label
// away, deleting or transferring the issue takes the incident back (its
// opened_at becomes null). Further labels say more, and the first of a kind
// counts: "service:api", "environment:production" (or "env:"),
// "severity:critical" and "deployment:1234", the id of the deployment that
// caused it. Without a service label the repository stands for the service.
package github
