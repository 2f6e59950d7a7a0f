package github

import (
	"strconv"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// maxPaths is the most paths that an event takes. A commit with more says
// nothing about its paths rather than half of it.
const maxPaths = 10_000

type pushBody struct {
	Ref        string       `json:"ref"`
	Before     string       `json:"before"`
	After      string       `json:"after"`
	Forced     bool         `json:"forced"`
	Deleted    bool         `json:"deleted"`
	Commits    []pushCommit `json:"commits"`
	HeadCommit *pushCommit  `json:"head_commit"`
}

type pushCommit struct {
	ID        string    `json:"id"`
	Timestamp string    `json:"timestamp"`
	Author    signature `json:"author"`
	Committer signature `json:"committer"`
	Added     []string  `json:"added"`
	Removed   []string  `json:"removed"`
	Modified  []string  `json:"modified"`
}

// signature is who made a commit and, where GitHub says so, when.
type signature struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	Username string `json:"username"`
	Date     string `json:"date"`
}

func (s signature) who() string {
	for _, v := range []string{s.Username, s.Email, s.Name} {
		if v = intake.Clean(v, 512); v != "" {
			return v
		}
	}
	return ""
}

func (r *Result) push(body []byte) error {
	var b pushBody
	if err := intake.Decode(body, &b); err != nil {
		return err
	}
	if b.Ref == "" {
		return event.Fault("ref", "is required: the branch or tag that was pushed")
	}
	if err := r.needRepo(); err != nil {
		return err
	}
	seen := make(map[string]bool, len(b.Commits)+1)
	r.Events = make([]event.Event, 0, len(b.Commits)+1)
	for i := range b.Commits {
		if err := r.commit("commits["+strconv.Itoa(i)+"].", &b.Commits[i], seen); err != nil {
			return err
		}
	}
	// A tag, and a branch on a known commit, bring no commits but their head.
	if b.HeadCommit != nil {
		if err := r.commit("head_commit.", b.HeadCommit, seen); err != nil {
			return err
		}
	}
	b.contain(r.Events)
	switch {
	case len(r.Events) > 0:
	case b.Deleted:
		r.Ignored = "a deleted branch or tag says nothing about delivery"
	default:
		r.Ignored = "the push brings no commit"
	}
	return nil
}

// contain says of the pushed head what it contains: GitHub tells no parents, but
// the head holds every commit of the push, and what the branch held before
// unless it was forced away.
func (b *pushBody) contain(events []event.Event) {
	var head *event.Commit
	var others []string
	for _, e := range events {
		c, ok := e.Body.(*event.Commit)
		switch {
		case !ok:
		case strings.EqualFold(c.SHA, b.After):
			head = c
		default:
			others = append(others, c.SHA)
		}
	}
	if head == nil {
		return
	}
	if !b.Forced && len(b.Before) == len(b.After) && strings.Trim(b.Before, "0") != "" && !strings.EqualFold(b.Before, b.After) && hexadecimal(b.Before) {
		others = append(others, b.Before)
	}
	if len(others) > 0 {
		head.Ancestors = event.Some(others)
	}
}

func hexadecimal(s string) bool { return strings.Trim(strings.ToLower(s), "0123456789abcdef") == "" }

func (r *Result) commit(at string, c *pushCommit, seen map[string]bool) error {
	if seen[c.ID] {
		return nil
	}
	seen[c.ID] = true
	authored, err := intake.When(at+"author.date", c.Author.Date)
	if err != nil {
		return err
	}
	committed, err := intake.When(at+"committer.date", c.Committer.Date)
	if err != nil {
		return err
	}
	if !authored.Known {
		if authored, err = intake.MustWhen(at+"timestamp", c.Timestamp); err != nil {
			return err
		}
	}
	body := &event.Commit{
		Repo: r.Repo, SHA: c.ID, Author: event.NonZero(c.Author.who()),
		AuthoredAt: authored, CommittedAt: committed, Paths: c.paths(),
	}
	return r.add(max(authored.V, committed.V)-1, body, map[string]string{"sha": at + "id", "repo": repoField})
}

// paths joins the three lists, or is absent where GitHub did not compute them.
func (c *pushCommit) paths() event.Opt[[]string] {
	n := len(c.Added) + len(c.Removed) + len(c.Modified)
	if n == 0 || n > maxPaths {
		return event.Opt[[]string]{}
	}
	all := make([]string, 0, n)
	for _, list := range [][]string{c.Added, c.Removed, c.Modified} {
		for _, p := range list {
			if p == "" || len(p) > 4096 {
				return event.Opt[[]string]{}
			}
			all = append(all, p)
		}
	}
	return event.Some(all)
}

const repoField = "repository.html_url"

func (r *Result) needRepo() error {
	if r.Repo == "" {
		return event.Fault(repoField, "is required: the repository's URL")
	}
	return nil
}
