package git

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strings"
	"time"
)

// The bodies of GitHub's webhooks, as far as they say something here.

type hookPerson struct {
	Name     string     `json:"name"`
	Email    string     `json:"email"`
	Username string     `json:"username,omitempty"`
	Date     *time.Time `json:"date,omitempty"`
}

type hookCommit struct {
	ID        string     `json:"id"`
	TreeID    string     `json:"tree_id"`
	Distinct  bool       `json:"distinct"`
	Message   string     `json:"message"`
	Timestamp time.Time  `json:"timestamp"` // the author's, as author.date
	URL       string     `json:"url"`
	Author    hookPerson `json:"author"`
	Committer hookPerson `json:"committer"`
	Added     []string   `json:"added"`
	Removed   []string   `json:"removed"`
	Modified  []string   `json:"modified"`
}

type hookUser struct {
	Login string `json:"login"`
	Type  string `json:"type"`
}

type hookRepository struct {
	ID            uint32   `json:"id"`
	Name          string   `json:"name"`
	FullName      string   `json:"full_name"`
	Private       bool     `json:"private"`
	Owner         hookUser `json:"owner"`
	HTMLURL       string   `json:"html_url"`
	URL           string   `json:"url"`
	GitURL        string   `json:"git_url"`
	CloneURL      string   `json:"clone_url"`
	Description   *string  `json:"description"`
	DefaultBranch string   `json:"default_branch"`
	MasterBranch  string   `json:"master_branch"`
	CreatedAt     int64    `json:"created_at"`
	PushedAt      int64    `json:"pushed_at"`
	Size          int64    `json:"size"` // KiB
}

type pushPayload struct {
	Ref        string         `json:"ref"`
	Before     string         `json:"before"`
	After      string         `json:"after"`
	Created    bool           `json:"created"`
	Deleted    bool           `json:"deleted"`
	Forced     bool           `json:"forced"`
	BaseRef    *string        `json:"base_ref"`
	Compare    string         `json:"compare"`
	Commits    []hookCommit   `json:"commits"`
	HeadCommit *hookCommit    `json:"head_commit"`
	Repository hookRepository `json:"repository"`
	Pusher     hookPerson     `json:"pusher"`
	Sender     hookUser       `json:"sender"`
}

// refPayload is the body of create and delete.
type refPayload struct {
	Ref          string         `json:"ref"` // without refs/heads/
	RefType      string         `json:"ref_type"`
	MasterBranch string         `json:"master_branch,omitempty"` // of create
	Description  *string        `json:"description,omitempty"`
	PusherType   string         `json:"pusher_type"`
	Repository   hookRepository `json:"repository"`
	Sender       hookUser       `json:"sender"`
}

const noCommit = "0000000000000000000000000000000000000000"

// cloneURL is a repository's address for git, pageURL the one for people and for what tells repositories apart.
func (s *Service) cloneURL(name string) string { return s.cfg.PublicURL + "/git/" + name + ".git" }
func (s *Service) pageURL(name string) string  { return s.cfg.PublicURL + "/git/" + name }

func (s *Service) hookRepository(r Repository, size int64, now time.Time) hookRepository {
	owner, own, _ := strings.Cut(r.Name, "/")
	id := fnv.New32a()
	_, _ = id.Write([]byte(r.Name)) // documented never to fail
	h := hookRepository{
		ID: id.Sum32(), Name: own, FullName: r.Name, Private: true, Owner: hookUser{owner, "Organization"},
		HTMLURL: s.pageURL(r.Name), URL: s.pageURL(r.Name), GitURL: s.cloneURL(r.Name), CloneURL: s.cloneURL(r.Name),
		DefaultBranch: r.DefaultBranch, MasterBranch: r.DefaultBranch, CreatedAt: r.Created.Unix(), PushedAt: now.Unix(), Size: size >> 10,
	}
	if r.Description != "" {
		h.Description = &r.Description
	}
	return h
}

func toHookCommit(c commit, p paths, page string, distinct bool) hookCommit {
	person := func(s signature) hookPerson { at := s.At; return hookPerson{Name: s.Name, Email: s.Email, Date: &at} }
	some := func(list []string) []string {
		if list == nil {
			return []string{}
		}
		return list
	}
	return hookCommit{
		ID: c.SHA, TreeID: c.Tree, Distinct: distinct, Message: strings.TrimRight(c.Message, "\n"), Timestamp: c.Author.At, URL: page + "/commit/" + c.SHA,
		Author: person(c.Author), Committer: person(c.Committer), Added: some(p.Added), Removed: some(p.Removed), Modified: some(p.Modified),
	}
}

// deliveryID names a delivery in the form of GitHub's: the same announcement to the same hook has the same one.
func deliveryID(seq int64, hook, event, repository string, c change) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\n%s\n%s\n%s\n%s\n%s\n%s", seq, hook, event, repository, c.ref, c.before, c.after))
	t := hex.EncodeToString(sum[:16])
	return t[:8] + "-" + t[8:12] + "-" + t[12:16] + "-" + t[16:20] + "-" + t[20:]
}
