// Package argocd reads what Argo CD's notifications report of an Application as
// delivery events.
//
// The body is ours: the notifications template that the platform ships writes it
// (see docs/reference/webhooks.md for every field). A body that is the whole
// Application, as {{toJson .app}} writes it, is read as well. The package is
// pure; see package intake for what the service does around it.
//
// # What becomes what
//
//	operation Running                a deployment that has started
//	operation Succeeded              a finished deployment
//	operation Failed, Error          a failed deployment; aborted when somebody ended it
//	health Degraded soon after       the deployment failed after all
//	a dry run, a self-heal           nothing: neither brings anything new
//	a phase that nobody knows        a fault: it waits in the quarantine
//
// # Identity
//
// A deployment is an operation: the Application (namespace, name, uid) and the
// time at which the operation started, and the service where the Application
// holds several. Argo CD keeps that time through retries, and every notification
// about one operation carries it, so that the reports of running and succeeded
// and their duplicates are one deployment. A rollback is an operation of its own.
// The number in the Application's history would not do: it is given only when
// an operation has succeeded.
//
// # The source commit
//
// The revision that Argo CD synced is a commit of the repository that holds the
// manifests. It is never taken for the application's commit, not even where both
// live in one repository: what runs is the image. The way to the commit goes
// from the image's digest through the artifact that the pipeline reported. Beside
// that, in this order: the Application may name the commit in an annotation, and
// a tag that is a whole commit hash (or "sha-" and a hash, as the metadata action
// of Docker writes it) names it. A tag or an annotation that names a revision
// which Argo CD synced is not believed; and the manifests' repositories are told,
// so that a commit which turns out to be theirs is not believed either.
//
// Images are those of the manifests that were synced (syncResult.resources), which
// Argo CD tells from version 3.0 on. Before that they are those of the running pods,
// among which the former may still be; two digests of one image then tell nothing.
//
// # Services of one Application
//
// Without an annotation an Application is one service. The annotation
// fawkes.dev/services names several, each with its image; each is then deployed
// by itself, and only those take part in an operation whose manifests it changed,
// as far as the result of the sync tells.
package argocd
