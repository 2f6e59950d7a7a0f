// Package gitlog reads a repository's history with the git program and gives it as the delivery
// events of "Bulk events": commits, and deployments found in tags, in merges, or in a file.
//
// # One walk
//
// [Repository.Walk] starts one `git log`, whose records are separated by NUL and are parsed as they
// stream by; nothing of the history is kept in memory but the commit at hand. Commits come oldest
// first and every parent comes before its children, so that whatever prefix of the walk has been
// stored is closed under ancestry: its tips ([Frontier]) say all about what is already known, and a
// later walk that is given these tips goes on exactly there.
//
// Paths cost a tree comparison a commit, about five times the walk without them, so they are read
// only when asked for. A merge has no paths of its own: what it brings in was touched by the commits
// that it merges.
//
// # What is taken as it is, and what is not
//
// Replacement objects and grafts are one clone's opinion about history and are ignored; the parents
// are those that the commit itself names. A shallow clone's border is real, the history behind it is
// not there: [Repository.Shallow] says so. Bytes that are not UTF-8 become U+FFFD. A date that git
// cannot read, or that lies before 1970 or after 2199, is unknown; an author's date that is unknown is
// replaced by the committer's, and nothing else is ever guessed.
//
// # Remote repositories
//
// A URL is fetched into a bare, blob-less mirror under the cache folder and fetched again on the
// next use. Credentials in the URL reach git through its environment only: they are neither stored,
// nor printed, nor visible in the process list.
package gitlog
