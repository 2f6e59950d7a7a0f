package road

import (
	"context"
	"strings"
	"time"
)

// Git answers what the pages ask the git server.
type Git interface {
	Repositories(ctx context.Context) ([]Repository, error)
	Repository(ctx context.Context, name string) (Repository, error)
	Refs(ctx context.Context, name string) ([]Ref, error)
	Commits(ctx context.Context, name string, which LogFilter, page Page) (List[Commit], error)
	Tree(ctx context.Context, name, ref, path string) ([]Entry, error)
	File(ctx context.Context, name, ref, path string) (File, error)
	Commit(ctx context.Context, name, sha string) (Commit, error)
	Compare(ctx context.Context, name, base, head string) (Comparison, error)
	CreateRepository(ctx context.Context, name, description string) error

	Hooks(ctx context.Context) ([]Hook, error)
	Deliveries(ctx context.Context, which DeliveryFilter, page Page) (List[Delivery], error)
	Redeliver(ctx context.Context, id string) error
}

// Repository is one repository of the git server.
type Repository struct {
	Name          string // owner/name
	Description   string
	DefaultBranch string
	CloneURL      string
	Size          int64 // bytes
	PushedAt      *time.Time
	HeadSHA       string // empty while nothing was pushed
	Protected     []Protection
}

// Empty says that nothing was pushed yet.
func (r Repository) Empty() bool { return r.HeadSHA == "" }

// Protection is a rule for branches.
type Protection struct {
	Branch                  string
	AllowForce, AllowDelete bool
}

// Ref is a branch or a tag.
type Ref struct {
	Name string // main, v1.0.0
	Kind string // branch or tag
	SHA  string
}

// LogFilter says which commits; an empty Ref is the default branch.
type LogFilter struct{ Ref, Path, Search string }

// Commit is one commit, with its files when it was asked for by itself.
type Commit struct {
	SHA, Author, Email      string
	AuthoredAt, CommittedAt *time.Time
	Subject, Body           string
	Parents                 []string
	Files                   []FileChange
	Truncated               bool // there are more files
}

// Comparison is what one revision has that another lacks.
type Comparison struct {
	Commits   []Commit
	Files     []FileChange
	Truncated bool // there is more
}

// FileChange is a file's part of a commit.
type FileChange struct {
	Path, OldPath  string
	Status         string // added, modified, deleted, renamed
	Added, Deleted int
	Binary         bool
	Patch          string
	Truncated      bool
}

// Entry is a file or a folder of a tree.
type Entry struct {
	Name, Path string
	Type       string // tree, blob or commit (a submodule)
	Size       int64
	Mode, SHA  string
}

// File is a file's text as far as it was sent.
type File struct {
	Path              string
	Size              int64
	Binary, Truncated bool
	Text              string
}

// Hook is a place that pushes are told to.
type Hook struct {
	Name, URL, Repository string
	Events                []string
	Active                bool
}

// The states of a delivery.
const (
	DeliveryPending   = "pending"
	DeliveryDelivered = "delivered"
	DeliveryDead      = "dead"
)

// DeliveryFilter says which deliveries; an empty field is any.
type DeliveryFilter struct{ Hook, State string }

// Delivery is one message to a hook.
type Delivery struct {
	ID, Hook, Event, Repository, Ref string
	State                            string
	Attempts                         int
	Status                           int // of the last answer; 0 when there was none
	Error                            string
	CreatedAt, NextAt, DeliveredAt   *time.Time
}

// GitName is the owner/name of a clone URL of the platform's git server, and of a plain owner/name; empty for any
// other address.
func GitName(address string) string {
	s := strings.TrimSuffix(strings.TrimSuffix(address, "/"), ".git")
	if i := strings.Index(s, "://"); i >= 0 {
		_, after, ok := strings.Cut(s[i+3:], "/git/")
		if !ok {
			return ""
		}
		s = after
	}
	if owner, name, ok := strings.Cut(s, "/"); !ok || owner == "" || name == "" || strings.ContainsAny(name, "/@:") || strings.ContainsAny(owner, "@:") || owner[0] == '.' || name[0] == '.' {
		return ""
	}
	return s
}
