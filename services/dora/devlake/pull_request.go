package devlake

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// PullRequest maps the body of POST …/pull_requests. The error is always a
// *event.FieldError.
func PullRequest(connection string, body []byte) ([]event.Event, error) {
	o, err := parse(body)
	if err != nil {
		return nil, err
	}
	o.need("id", "the pull request's own id")
	title := o.need("displayTitle", "the pull request's title")
	number := o.whole("pullRequestKey")
	if number <= 0 {
		o.fault("pullRequestKey", "is required: the pull request's number, above 0")
	}
	o.oneOf("status", "OPEN", "CLOSED", "MERGED")
	url, base := o.text("url"), o.text("baseRepoId")
	author := o.text("authorName")
	if author == "" {
		author = o.text("authorId")
	}
	p := &event.PullRequest{
		Repo: pullRequestRepo(url, base, connection), Number: strconv.FormatInt(number, 10), Author: event.NonZero(clean(author, 512)),
		CreatedAt: o.needWhen("createdDate"), MergedAt: o.when("mergedDate"), ClosedAt: o.when("closedDate"),
		HeadSHA: event.NonZero(o.text("headCommitSha")), Base: event.NonZero(clean(o.text("baseRef"), 512)),
		Title: event.NonZero(clean(title, 2048)), URL: link(url),
	}
	if merge := o.text("mergeCommitSha"); p.MergedAt.Known {
		p.MergeSHA = event.NonZero(merge)
	}
	if *o.err != nil {
		return nil, *o.err
	}
	return checked(event.New(Source(connection), "", p), pullRequestNames)
}

// pullRequestNames are DevLake's names for the fields of the vocabulary.
var pullRequestNames = map[string]string{
	"source": "connection", "repo": "baseRepoId", "number": "pullRequestKey", "merge_sha": "mergeCommitSha", "head_sha": "headCommitSha",
	"created_at": "createdDate", "merged_at": "mergedDate", "closed_at": "closedDate",
}

// pullRequestPath is where a pull request's page lies below its repository:
// GitHub and Gitea, GitLab, Bitbucket and Azure DevOps.
var pullRequestPath = regexp.MustCompile(`^(https?://.+?)/(?:pull|pulls|-/merge_requests|merge_requests|pull-requests|pullrequest)/\d+(?:[/?#].*)?$`)

// pullRequestRepo finds the repository, of which the body has no URL.
func pullRequestRepo(url, base, connection string) string {
	if m := pullRequestPath.FindStringSubmatch(url); m != nil {
		return m[1]
	}
	if strings.Contains(base, "://") || strings.HasPrefix(base, "git@") {
		return base
	}
	return "webhook:" + connection
}
