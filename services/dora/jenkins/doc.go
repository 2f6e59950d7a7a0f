// Package jenkins reads what the Notification plugin of Jenkins sends
// (jenkinsci/notification-plugin, format JSON, protocol HTTP) as builds and
// deployments. It is pure.
//
// # Builds
//
// The plugin reports each build in phases. QUEUED says nothing that is known to
// be true yet and is passed over. STARTED is a build that runs; its timestamp is
// the start. COMPLETED is its end; its timestamp is the end, and the start lies
// a duration before it. FINALIZED (FINISHED in old versions) is sent once the
// log is written, somewhat later: it tells the end of a build whose COMPLETED is
// not sent, and nothing that is better known otherwise. Timestamps are
// milliseconds; versions that send none are believed by the time of receipt.
//
// SUCCESS, FAILURE, UNSTABLE and ABORTED are the outcomes; NOT_BUILT is aborted.
// The entity is the build's full_url, so that equal names on two servers stay
// apart; a server without a root URL has its url, then name and number.
//
// A build needs a repository and a commit (scm.url, scm.commit). A pipeline's
// STARTED has none, because nothing is checked out yet: it is passed over. What
// completes without them is kept as it came. "origin/" and "refs/…" before a
// branch are git's and not the branch's name.
//
// # Deployments
//
// A build is also a deployment when
//   - the webhook's URL says so: ?environment=production, with &service=api
//     where the repository's name is not the service's; or
//   - one of its parameters names the environment, in any case of letters:
//     environment, environment_name, deploy_env, deploy_environment,
//     deployment_environment, target_env, target_environment.
//
// What the URL says counts before what a parameter says; ?deployments=false
// makes builds of all. Further parameters say more: service (service_name, app,
// application, component); sha (git_sha, commit, commit_sha, git_commit) for a
// job that deploys another commit than the one it checked out, with repo
// (repository, repo_url, git_url) where that is in another repository; digest
// (image_digest), or an image (docker_image) that is pinned by one; unplanned
// (hotfix). Without a service the repository stands for it, and without a
// repository the job's name.
//
// A deployment that ends UNSTABLE has failed: it is in place, and its checks say
// that it is not good.
package jenkins
