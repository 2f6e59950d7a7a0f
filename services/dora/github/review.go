package github

import (
	"strconv"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

func (r *Result) review(body []byte) error {
	var b struct {
		Review *struct {
			User        user   `json:"user"`
			State       string `json:"state"`
			SubmittedAt string `json:"submitted_at"`
		} `json:"review"`
		PullRequest *pullRequest `json:"pull_request"`
	}
	if err := intake.Decode(body, &b); err != nil {
		return err
	}
	if b.Review == nil {
		return event.Fault("review", "is required")
	}
	kind, err := reviewKind(b.Review.State)
	if err != nil {
		return err
	}
	if kind == "" {
		r.Ignored = "a pending review has not been given yet"
		return nil
	}
	number, err := r.needPullRequest(b.PullRequest)
	if err != nil {
		return err
	}
	at, err := intake.MustWhen("review.submitted_at", b.Review.SubmittedAt)
	if err != nil {
		return err
	}
	if err := r.addPullRequest(b.PullRequest, false); err != nil {
		return err
	}
	return r.addReview(number, b.Review.User.Login, kind, at)
}

// reviewKind maps the state of a review; "" is one that nobody has seen yet.
func reviewKind(state string) (string, error) {
	switch state {
	case "approved":
		return event.ReviewApproval, nil
	case "changes_requested":
		return event.ReviewChangesRequested, nil
	case "commented", "dismissed":
		return event.ReviewComment, nil
	case "pending":
		return "", nil
	case "":
		return "", event.Fault("review.state", "is required: approved, changes_requested, commented or dismissed")
	}
	return "", event.Fault("review.state", "%q is not one of approved, changes_requested, commented, dismissed, pending", intake.Clean(state, 60))
}

type comment struct {
	User      user   `json:"user"`
	CreatedAt string `json:"created_at"`
}

func (r *Result) reviewComment(body []byte) error {
	var b struct {
		Action      string       `json:"action"`
		Comment     *comment     `json:"comment"`
		PullRequest *pullRequest `json:"pull_request"`
	}
	if err := intake.Decode(body, &b); err != nil {
		return err
	}
	number, err := r.needPullRequest(b.PullRequest)
	if err != nil {
		return err
	}
	at, err := b.Comment.at(b.Action, r)
	if err != nil || r.Ignored != "" {
		return err
	}
	if err := r.addPullRequest(b.PullRequest, false); err != nil {
		return err
	}
	return r.addReview(number, b.Comment.User.Login, event.ReviewComment, at)
}

func (r *Result) issueComment(body []byte) error {
	var b struct {
		Action  string   `json:"action"`
		Comment *comment `json:"comment"`
		Issue   *struct {
			Number      int64     `json:"number"`
			PullRequest *struct{} `json:"pull_request"`
		} `json:"issue"`
	}
	if err := intake.Decode(body, &b); err != nil {
		return err
	}
	if err := r.needRepo(); err != nil {
		return err
	}
	if b.Issue == nil {
		return event.Fault("issue", "is required")
	}
	if b.Issue.PullRequest == nil {
		r.Ignored = "a comment on an issue says nothing about delivery"
		return nil
	}
	if b.Issue.Number <= 0 {
		return event.Fault("issue.number", "is required: a whole number above 0")
	}
	at, err := b.Comment.at(b.Action, r)
	if err != nil || r.Ignored != "" {
		return err
	}
	return r.addReview(strconv.FormatInt(b.Issue.Number, 10), b.Comment.User.Login, event.ReviewComment, at)
}

// at is when the comment was made. A deleted comment is ignored: the act took
// place, and was reported when it did.
func (c *comment) at(action string, r *Result) (event.Opt[event.Time], error) {
	if c == nil {
		return event.Opt[event.Time]{}, event.Fault("comment", "is required")
	}
	if action == "deleted" {
		r.Ignored = "a deleted comment was reported when it was made"
		return event.Opt[event.Time]{}, nil
	}
	return intake.MustWhen("comment.created_at", c.CreatedAt)
}

func (r *Result) addReview(number, author, kind string, at event.Opt[event.Time]) error {
	body := &event.Review{Repo: r.Repo, Number: number, Author: intake.Clean(author, 512), Kind: kind, SubmittedAt: at}
	return r.add(at.V, body, map[string]string{"repo": repoField})
}
