// Package githubexport reads what GitHub's REST API answered, saved in files, and
// tells it in the bulk format of the delivery metrics.
//
// Nothing is asked of GitHub here. A file is what `gh api --paginate` (or any other
// client) wrote: one array, several arrays one after the other, arrays of pages,
// pages with a list in them ({"workflow_runs": […]}), single objects, or one object a
// line; packed by gzip when its name ends in .gz. What an object is, its fields tell,
// not the name of its file.
//
// An object means what the webhook of the same thing means, under the same source
// and the same id, so that an import and the webhooks complete each other:
//
//	pull request                a pull_request
//	review, review comment      a review
//	issue comment               on a pull request: a review of kind comment
//	commit                      a commit, with its parents, and its paths where the answer has its files
//	deployment, its statuses    a deployment
//	workflow run                a build, one for each attempt
//	issue with incident label   an incident
//	release, other issue        nothing
package githubexport
