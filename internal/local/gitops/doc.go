// Package gitops stands for Argo CD on a machine without a cluster. It brings what
// runs into agreement with what the environment repository says, and says of each
// roll-out what Argo CD's notifications would.
//
// # What the repository says
//
//	environments.yaml                        the environments; see package environment
//	apps/<service>/<environment>/            an application: <service>-<environment>
//	    kustomization.yaml, base/*.yaml      rendered as `kustomize build` does; see package manifest
//
// An application's folder is all there is of it, so a commit elsewhere changes
// nothing of it. What is wrong with one application is a condition of that one,
// with file and line, and stops no other.
//
// # Operations
//
// A commit that changes an application's folder is rolled out by one operation. It
// is stored before it begins, with its identity: the application and the second at
// which it started, of which no two operations of an application share one. While
// it runs, newer commits wait, and of these only the newest comes next. It ends
// Succeeded when what was rolled out is healthy (that moment is its end), Failed
// when the roll-out failed or the cluster refused an object, Error when it could
// not be carried out. In the transaction that stores its end are its notifications
// and what follows of it. After a crash an operation that ran is taken up where it
// was; applying the same again changes nothing. Of one commit there is at most one
// operation that began by itself.
//
// # Rollback
//
// What failed is undone in the repository: a commit that reverts, of the commits
// since the last good roll-out, what they did to the application's folder. It is
// rolled out by an operation of its own. A rollback that fails is not rolled back.
// Where a newer commit waits, that one comes next, and nothing is reverted. An
// application that degrades after it was healthy is reported and left to people.
//
// # Promotion
//
// A roll-out that succeeded is promoted to the environments that follow, by
// itself or when somebody approves: a commit that copies base/, the images and the
// fawkes.dev annotations into the next environment's folder, and leaves alone what
// people made for that environment. A newer promotion supersedes one that waits. A
// rollback is not promoted.
//
// Each commit that the platform makes carries a trailer that names the change in
// its store, so that it is made once, whenever the process dies.
//
// # Parts
//
// [Engine.Refresh] reads the repository, [Engine.WriteChanges] writes to it,
// [Engine.Reconcile] moves one application; [Engine.Run] calls them when there is
// reason to. What applications run on is a [Cluster].
package gitops
