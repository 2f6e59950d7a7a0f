package cdevents

import (
	"regexp"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// repository is the repository that the event is about, "" when it names none.
func (r *reading) repository() string {
	if ref := r.Repository; ref != nil {
		for _, s := range []string{ref.URL, ref.URI} {
			if repo := repositoryOf("", s); repo != "" {
				return repo
			}
		}
		if repo := repositoryOf(ref.Source, ref.ID); repo != "" {
			return repo
		}
	}
	if r.repo != "" {
		return r.repo
	}
	if r.subject != "change" {
		return ""
	}
	return repositoryOf("", r.Subject.Source)
}

var lastNumber = regexp.MustCompile(`(?:^|[/#!])([0-9]+)$`)

// number is that of the change, or its whole id when it has none.
func (r *reading) number() string {
	if m := lastNumber.FindStringSubmatch(r.Subject.ID); m != nil {
		return m[1]
	}
	return r.Subject.ID
}

func (r *reading) needRepository() (string, error) {
	if repo := r.repository(); repo != "" {
		return repo, nil
	}
	return "", event.Fault(r.data+"subject.content.repository", "is required: the repository, by its id and source (\"shop/api\" and \"https://git.example\")")
}

func changeNames() map[string]string {
	return map[string]string{"repo": "subject.content.repository", "number": "subject.id", "author": "customData.author", "title": "subject.content.description"}
}

// change reports a change that is proposed: to most senders a pull request.
func (r *reading) change() error {
	repo, err := r.needRepository()
	if err != nil {
		return err
	}
	title := r.title
	if title == "" {
		title, _, _ = strings.Cut(strings.TrimSpace(r.Description), "\n")
	}
	p := &event.PullRequest{
		Repo: repo, Number: r.number(), Author: event.NonZero(r.author), CreatedAt: r.authored,
		HeadSHA: event.NonZero(r.headSHA), Base: event.NonZero(r.base), Title: event.NonZero(intake.Clean(title, intake.MostTitle)), URL: r.link(),
	}
	if len(r.commits) > 0 {
		p.Commits = event.Some(r.commits)
	}
	switch r.predicate {
	case "created":
		p.CreatedAt = r.at
	case "abandoned":
		p.ClosedAt = r.at
	case "merged":
		p.MergedAt, p.ClosedAt = r.at, r.at
		for _, sha := range []string{r.mergeSHA, r.sha, hashOf(r.Subject.ID)} {
			if sha != "" {
				p.MergeSHA = event.Some(sha)
				break
			}
		}
	}
	return r.add(r.at.V, p, changeNames())
}

// review reports an act of review. The specification does not tell its verdict.
func (r *reading) review() error {
	repo, err := r.needRepository()
	if err != nil {
		return err
	}
	kind := event.ReviewComment
	switch strings.ToLower(r.verdict) {
	case "approved", "approval", "approve":
		kind = event.ReviewApproval
	case "changes_requested", "rejected", "request_changes":
		kind = event.ReviewChangesRequested
	}
	return r.add(r.at.V, &event.Review{Repo: repo, Number: r.number(), Author: r.author, Kind: kind, SubmittedAt: r.at}, changeNames())
}
