package github

import (
	"strconv"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

type pullRequest struct {
	Number         int64  `json:"number"`
	HTMLURL        string `json:"html_url"`
	Title          string `json:"title"`
	User           user   `json:"user"`
	CreatedAt      string `json:"created_at"`
	UpdatedAt      string `json:"updated_at"`
	MergedAt       string `json:"merged_at"`
	ClosedAt       string `json:"closed_at"`
	MergeCommitSHA string `json:"merge_commit_sha"`
	Head           struct {
		SHA string `json:"sha"`
	} `json:"head"`
	Base struct {
		Ref string `json:"ref"`
	} `json:"base"`
}

// pullRequestNames are GitHub's names for the fields of the vocabulary.
var pullRequestNames = map[string]string{
	"repo": repoField, "number": "pull_request.number", "author": "pull_request.user.login",
	"created_at": "pull_request.created_at", "merged_at": "pull_request.merged_at", "closed_at": "pull_request.closed_at",
	"merge_sha": "pull_request.merge_commit_sha", "head_sha": "pull_request.head.sha", "base": "pull_request.base.ref",
	"title": "pull_request.title", "url": "pull_request.html_url",
}

func (r *Result) pullRequest(body []byte) error {
	var b struct {
		Action      string       `json:"action"`
		PullRequest *pullRequest `json:"pull_request"`
	}
	if err := intake.Decode(body, &b); err != nil {
		return err
	}
	if b.Action == "" {
		return event.Fault("action", "is required: what happened to the pull request")
	}
	return r.addPullRequest(b.PullRequest, b.Action == "reopened")
}

func (r *Result) addPullRequest(p *pullRequest, reopened bool) error {
	number, err := r.needPullRequest(p)
	if err != nil {
		return err
	}
	created, err := intake.MustWhen("pull_request.created_at", p.CreatedAt)
	if err != nil {
		return err
	}
	updated, err := intake.When("pull_request.updated_at", p.UpdatedAt)
	if err != nil {
		return err
	}
	merged, err := intake.When("pull_request.merged_at", p.MergedAt)
	if err != nil {
		return err
	}
	closed, err := intake.When("pull_request.closed_at", p.ClosedAt)
	if err != nil {
		return err
	}
	if reopened && !closed.Known {
		closed = event.Null[event.Time]()
	}
	body := &event.PullRequest{
		Repo: r.Repo, Number: number, Author: event.NonZero(intake.Clean(p.User.Login, 512)),
		CreatedAt: created, MergedAt: merged, ClosedAt: closed,
		HeadSHA: event.NonZero(p.Head.SHA), Base: event.NonZero(intake.Clean(p.Base.Ref, 512)),
		Title: event.NonZero(intake.Clean(p.Title, 2048)), URL: intake.Link(p.HTMLURL),
	}
	if merged.Known {
		body.MergeSHA = event.NonZero(p.MergeCommitSHA)
	}
	return r.add(updated.V, body, pullRequestNames)
}

// needPullRequest checks what every body about a pull request must carry, and
// returns its number as text.
func (r *Result) needPullRequest(p *pullRequest) (string, error) {
	if err := r.needRepo(); err != nil {
		return "", err
	}
	if p == nil {
		return "", event.Fault("pull_request", "is required")
	}
	if p.Number <= 0 {
		return "", event.Fault("pull_request.number", "is required: a whole number above 0")
	}
	return strconv.FormatInt(p.Number, 10), nil
}
