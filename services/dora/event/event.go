// Package event holds the vocabulary of delivery: what a source can report
// about commits, pull requests, reviews, builds, artifacts, deployments and
// incidents.
//
// An [Event] is one report, by one source, about one entity, at the source's
// own time. Events are facts: they are appended to a log and never changed.
// Everything that Fawkes shows about delivery is a projection of that log, and
// because reports may arrive in any order and more than once, an event says
// only what its source said: a field that the report did not carry is absent,
// which is different from a field that was reported as null.
//
// The package is pure. It parses and writes the bulk format (one JSON object a
// line), validates every field, and packs bodies for the log.
package event

import "fmt"

// Type names what an event is about.
type Type string

// The types of the bulk format, in its own spelling.
const (
	TypeCommit      Type = "commit"
	TypePullRequest Type = "pull_request"
	TypeReview      Type = "review"
	TypeBuild       Type = "build"
	TypeArtifact    Type = "artifact"
	TypeDeployment  Type = "deployment"
	TypeIncident    Type = "incident"
	// TypeOther is a delivery that a source sent and that Fawkes does not
	// interpret. It is kept and counted, never an error.
	TypeOther Type = "other"
)

// Outcomes of builds and deployments.
const (
	OutcomeSuccess  = "success"
	OutcomeFailure  = "failure"
	OutcomeAborted  = "aborted"
	OutcomeUnstable = "unstable" // builds only
)

// Kinds of review.
const (
	ReviewComment          = "comment"
	ReviewApproval         = "approval"
	ReviewChangesRequested = "changes_requested"
)

// Sources that the product itself writes. Webhook sources use their own name,
// a DevLake connection "devlake:<name>".
const (
	SourceBulk = "events"
	SourceGit  = "git"
)

// Event is one report about one entity.
type Event struct {
	// Source is who reported, for example "github" or "git".
	Source string
	// Project is the project that the report names; empty when it names none,
	// and then the repository's or the service's project is used.
	Project string
	// At is the source's own time of the report. Where two reports of one
	// entity disagree on a field, the greater At wins.
	At Time
	// Body is what was reported.
	Body Body
	// Delivery is the source's key of the delivery that carried the event
	// (GitHub's delivery id, say). Empty means that the content is the key.
	Delivery string
}

// Body is the content of an event; its dynamic type is a pointer to one of the
// structs of this package.
type Body interface {
	// Type names the kind of entity.
	Type() Type
	// Entity is the id of the entity within its type. It is unique together
	// with the source, and for commits, pull requests, reviews and artifacts,
	// which name themselves, without it.
	Entity() string
	// Validate returns a *FieldError for the first field at fault.
	Validate() error
	// latest is the greatest time that the body carries.
	latest() Time
}

// Commit is a change as git knows it.
type Commit struct {
	Repo        string        `json:"repo"`
	SHA         string        `json:"sha"`
	Parents     Opt[[]string] `json:"parents,omitzero"`
	Author      Opt[string]   `json:"author,omitzero"`
	AuthoredAt  Opt[Time]     `json:"authored_at,omitzero"`
	CommittedAt Opt[Time]     `json:"committed_at,omitzero"`
	Paths       Opt[[]string] `json:"paths,omitzero"`
	// Ancestors are commits that are known to be contained in this one although
	// the way there is not: a source that does not tell the parents may know that
	// much (a push brings these commits on top of that one).
	Ancestors Opt[[]string] `json:"ancestors,omitzero"`
}

// PullRequest is a proposed change. Number is unique within the repository.
type PullRequest struct {
	Repo      string        `json:"repo"`
	Number    string        `json:"number"`
	Author    Opt[string]   `json:"author,omitzero"`
	CreatedAt Opt[Time]     `json:"created_at,omitzero"`
	MergedAt  Opt[Time]     `json:"merged_at,omitzero"`
	ClosedAt  Opt[Time]     `json:"closed_at,omitzero"`
	MergeSHA  Opt[string]   `json:"merge_sha,omitzero"`
	HeadSHA   Opt[string]   `json:"head_sha,omitzero"`
	Base      Opt[string]   `json:"base,omitzero"`
	Title     Opt[string]   `json:"title,omitzero"`
	Commits   Opt[[]string] `json:"commits,omitzero"`
	URL       Opt[string]   `json:"url,omitzero"`
}

// Review is one act of review on a pull request.
type Review struct {
	Repo        string    `json:"repo"`
	Number      string    `json:"number"`
	Author      string    `json:"author"`
	Kind        string    `json:"kind"`
	SubmittedAt Opt[Time] `json:"submitted_at,omitzero"`
}

// Build is one run of a pipeline.
type Build struct {
	Repo       string      `json:"repo"`
	SHA        string      `json:"sha"`
	ID         string      `json:"id"`
	Branch     Opt[string] `json:"branch,omitzero"`
	Outcome    Opt[string] `json:"outcome,omitzero"`
	StartedAt  Opt[Time]   `json:"started_at,omitzero"`
	FinishedAt Opt[Time]   `json:"finished_at,omitzero"`
	Attempt    Opt[int]    `json:"attempt,omitzero"`
	URL        Opt[string] `json:"url,omitzero"`
}

// Artifact says from which source commit an image digest was made.
type Artifact struct {
	Digest string    `json:"digest"`
	Repo   string    `json:"repo"`
	SHA    string    `json:"sha"`
	MadeAt Opt[Time] `json:"made_at,omitzero"`
}

// Deployment is one attempt to bring a version of a service to an environment.
// FinishedAt is null while it runs.
type Deployment struct {
	ID          string      `json:"id"`
	Service     Opt[string] `json:"service,omitzero"`
	Environment Opt[string] `json:"environment,omitzero"`
	Repo        Opt[string] `json:"repo,omitzero"`
	SHA         Opt[string] `json:"sha,omitzero"`
	Digest      Opt[string] `json:"digest,omitzero"`
	Outcome     Opt[string] `json:"outcome,omitzero"`
	StartedAt   Opt[Time]   `json:"started_at,omitzero"`
	FinishedAt  Opt[Time]   `json:"finished_at,omitzero"`
	Unplanned   Opt[bool]   `json:"unplanned,omitzero"`
	Title       Opt[string] `json:"title,omitzero"`
	URL         Opt[string] `json:"url,omitzero"`
	// ManifestRepos are the repositories of the manifests that were deployed
	// (GitOps). A commit of theirs is not the application's.
	ManifestRepos Opt[[]string] `json:"manifest_repos,omitzero"`
}

// Incident is a failure that users could feel. Where no service is named, the
// repository whose tracker reported it may tell which.
type Incident struct {
	ID                 string      `json:"id"`
	Service            Opt[string] `json:"service,omitzero"`
	Environment        Opt[string] `json:"environment,omitzero"`
	Repo               Opt[string] `json:"repo,omitzero"`
	OpenedAt           Opt[Time]   `json:"opened_at,omitzero"`
	ResolvedAt         Opt[Time]   `json:"resolved_at,omitzero"`
	Severity           Opt[string] `json:"severity,omitzero"`
	CausedByDeployment Opt[string] `json:"caused_by_deployment,omitzero"`
	Digest             Opt[string] `json:"digest,omitzero"`
	SHA                Opt[string] `json:"sha,omitzero"`
	Title              Opt[string] `json:"title,omitzero"`
	URL                Opt[string] `json:"url,omitzero"`
}

// Other is a delivery kept as it came.
type Other struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	Repo string `json:"repo,omitempty"`
	Raw  string `json:"raw,omitempty"`
}

// Type implements [Body].
func (*Commit) Type() Type { return TypeCommit }

// Type implements [Body].
func (*PullRequest) Type() Type { return TypePullRequest }

// Type implements [Body].
func (*Review) Type() Type { return TypeReview }

// Type implements [Body].
func (*Build) Type() Type { return TypeBuild }

// Type implements [Body].
func (*Artifact) Type() Type { return TypeArtifact }

// Type implements [Body].
func (*Deployment) Type() Type { return TypeDeployment }

// Type implements [Body].
func (*Incident) Type() Type { return TypeIncident }

// Type implements [Body].
func (*Other) Type() Type { return TypeOther }

// Entity implements [Body].
func (c *Commit) Entity() string { return c.SHA }

// Entity implements [Body].
func (p *PullRequest) Entity() string { return p.Number }

// Entity implements [Body].
func (r *Review) Entity() string {
	return fmt.Sprintf("%s/%s/%s/%d", r.Number, r.Author, r.Kind, r.SubmittedAt.V)
}

// Entity implements [Body].
func (b *Build) Entity() string { return fmt.Sprintf("%s/%d", b.ID, max(b.Attempt.V, 1)) }

// Entity implements [Body].
func (a *Artifact) Entity() string { return a.Digest }

// Entity implements [Body].
func (d *Deployment) Entity() string { return d.ID }

// Entity implements [Body].
func (i *Incident) Entity() string { return i.ID }

// Entity implements [Body].
func (o *Other) Entity() string { return o.ID }

func (c *Commit) latest() Time      { return max(c.AuthoredAt.V, c.CommittedAt.V) }
func (p *PullRequest) latest() Time { return max(p.CreatedAt.V, p.MergedAt.V, p.ClosedAt.V) }
func (r *Review) latest() Time      { return r.SubmittedAt.V }
func (b *Build) latest() Time       { return max(b.StartedAt.V, b.FinishedAt.V) }
func (a *Artifact) latest() Time    { return a.MadeAt.V }
func (d *Deployment) latest() Time  { return max(d.StartedAt.V, d.FinishedAt.V) }
func (i *Incident) latest() Time    { return max(i.OpenedAt.V, i.ResolvedAt.V) }
func (o *Other) latest() Time       { return 0 }

// New makes an event whose At is the greatest time that the body carries.
func New(source, project string, body Body) Event {
	return Event{Source: source, Project: project, At: body.latest(), Body: body}
}

// Repo returns the repository that a body names, or "".
func Repo(b Body) string {
	switch b := b.(type) {
	case *Commit:
		return b.Repo
	case *PullRequest:
		return b.Repo
	case *Review:
		return b.Repo
	case *Build:
		return b.Repo
	case *Artifact:
		return b.Repo
	case *Deployment:
		return b.Repo.V
	case *Incident:
		return b.Repo.V
	case *Other:
		return b.Repo
	}
	return ""
}

// Service returns the service that a body names, or "".
func Service(b Body) string {
	switch b := b.(type) {
	case *Deployment:
		return b.Service.V
	case *Incident:
		return b.Service.V
	}
	return ""
}
