package devlake

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// Kinds of what is sent to a DevLake.
const (
	KindDeployment  = "deployment"
	KindIncident    = "incident"
	KindPullRequest = "pull_request"
)

// Why something that is known cannot be sent to a DevLake yet: its API requires
// what is not known.
const (
	WaitsForEnd        = "not_finished"
	WaitsForOutcome    = "outcome_unknown"
	WaitsForSHA        = "source_sha_unknown"
	WaitsForFullSHA    = "source_sha_abbreviated"
	WaitsForRepository = "repository_unknown"
	WaitsForCreation   = "creation_unknown"
	WaitsForNumber     = "number_not_numeric"
)

// FullSHAWithin is how long after its end a deployment of which only an
// abbreviated SHA is known waits for the whole one.
const FullSHAWithin = time.Hour

// Outgoing is one entity as a DevLake is told of it.
type Outgoing struct {
	Kind   string
	Entity string // its key within project and kind
	// Repo is the key of the repository whose connection takes it: DevLake knows
	// pull requests of one connection by their number alone, so each repository
	// needs its own. "" is the project's connection.
	Repo string
	Path string // below the connection
	Body []byte // JSON
	// Waits says why it cannot be sent now, "" when it can; Until is when it can
	// be sent all the same, 0 for never.
	Waits string
	Until event.Time
}

// Hash tells one body from another.
func (o Outgoing) Hash() string {
	sum := sha256.Sum256(o.Body)
	return hex.EncodeToString(sum[:16])
}

type outgoingDeployment struct {
	ID                  string           `json:"id"`
	Name                string           `json:"name"`
	DisplayTitle        string           `json:"displayTitle"`
	Result              string           `json:"result"`
	Environment         string           `json:"environment"`
	OriginalEnvironment string           `json:"originalEnvironment"`
	Service             string           `json:"service,omitempty"` // DevLake passes over it
	CreatedDate         string           `json:"createdDate"`
	StartedDate         string           `json:"startedDate"`
	FinishedDate        string           `json:"finishedDate"`
	DeploymentCommits   []outgoingCommit `json:"deploymentCommits"`
}

type outgoingCommit struct {
	RepoURL      string `json:"repoUrl"`
	CommitSHA    string `json:"commitSha"`
	Name         string `json:"name"`
	DisplayTitle string `json:"displayTitle"`
	Result       string `json:"result"`
	CreatedDate  string `json:"createdDate"`
	StartedDate  string `json:"startedDate"`
	FinishedDate string `json:"finishedDate"`
}

// results are the words that DevLake's pipelines send for our outcomes.
var results = map[string]string{
	event.OutcomeSuccess: "SUCCESS",
	event.OutcomeFailure: "FAILURE",
	event.OutcomeAborted: "ABORT",
}

// OutgoingDeployment is the body of POST …/deployments for a deployment. DevLake
// knows deployments of all connections by their id alone, so the id holds the
// project and the source.
func OutgoingDeployment(spec project.Spec, d *history.Deployment, now event.Time) (Outgoing, error) {
	out := Outgoing{Kind: KindDeployment, Entity: d.Key(), Path: "deployments"}
	result, known := results[d.Outcome]
	switch {
	case d.FinishedAt == 0:
		out.Waits = WaitsForEnd
	case !known:
		out.Waits = WaitsForOutcome
	case d.SHA == "":
		out.Waits = WaitsForSHA
	case d.Repo == "":
		out.Waits = WaitsForRepository
	case len(d.SHA) < 40:
		if until := d.FinishedAt + event.Time(FullSHAWithin.Microseconds()); now < until {
			out.Waits, out.Until = WaitsForFullSHA, until
		}
	}
	if out.Waits != "" {
		return out, nil
	}
	started, finished := date(cmp.Or(d.StartedAt, d.FinishedAt)), date(d.FinishedAt)
	title := clean(cmp.Or(d.Title, d.Service+" to "+d.Environment), 250)
	name := clean(fmt.Sprintf("%s %s to %s", d.Service, d.ID, d.Environment), 250)
	return out.with(outgoingDeployment{
		ID: short(spec.Project+"/"+d.Key(), 160), Name: name, DisplayTitle: title, Result: result,
		Environment: strings.ToUpper(spec.EnvironmentKind(d.Environment)), OriginalEnvironment: clean(d.Environment, 250),
		Service: d.Service, CreatedDate: started, StartedDate: started, FinishedDate: finished,
		DeploymentCommits: []outgoingCommit{{
			RepoURL: d.Repo, CommitSHA: d.SHA, Name: name, DisplayTitle: title, Result: result,
			CreatedDate: started, StartedDate: started, FinishedDate: finished,
		}},
	})
}

type outgoingIssue struct {
	IssueKey       string `json:"issueKey"`
	Title          string `json:"title"`
	Type           string `json:"type"`
	Status         string `json:"status"`
	OriginalStatus string `json:"originalStatus"`
	URL            string `json:"url,omitempty"`
	Severity       string `json:"severity,omitempty"`
	Component      string `json:"component,omitempty"`
	CreatedDate    string `json:"createdDate"`
	ResolutionDate string `json:"resolutionDate,omitempty"`
	UpdatedDate    string `json:"updatedDate"`
}

// OutgoingIncident is the body of POST …/issues for an incident. A resolved one
// is posted as DONE with its resolution date: DevLake's …/close sets none, and
// its recovery times would never learn of it.
func OutgoingIncident(i *history.Incident) (Outgoing, error) {
	out := Outgoing{Kind: KindIncident, Entity: i.Key(), Path: "issues"}
	if i.OpenedAt == 0 {
		out.Waits = WaitsForCreation
		return out, nil
	}
	b := outgoingIssue{
		IssueKey: short(i.Key(), 200), Title: clean(cmp.Or(i.Title, "Incident "+i.ID), 250), Type: "INCIDENT",
		Status: StatusTodo, OriginalStatus: "OPEN", URL: fitting(i.URL, 255), Severity: clean(i.Severity, 100), Component: clean(i.Service, 250),
		CreatedDate: date(i.OpenedAt), UpdatedDate: date(max(i.OpenedAt, i.ResolvedAt)),
	}
	if i.ResolvedAt != 0 {
		b.Status, b.OriginalStatus, b.ResolutionDate = StatusDone, "RESOLVED", date(i.ResolvedAt)
	}
	return out.with(b)
}

type outgoingPullRequest struct {
	ID             string `json:"id"`
	PullRequestKey int64  `json:"pullRequestKey"`
	BaseRepoID     string `json:"baseRepoId"` // DevLake puts its own in its place
	Status         string `json:"status"`
	OriginalStatus string `json:"originalStatus"`
	DisplayTitle   string `json:"displayTitle"`
	URL            string `json:"url,omitempty"`
	AuthorID       string `json:"authorId,omitempty"`
	CreatedDate    string `json:"createdDate"`
	MergedDate     string `json:"mergedDate,omitempty"`
	ClosedDate     string `json:"closedDate,omitempty"`
	MergeCommitSHA string `json:"mergeCommitSha,omitempty"`
	HeadCommitSHA  string `json:"headCommitSha,omitempty"`
	BaseRef        string `json:"baseRef,omitempty"`
}

// OutgoingPullRequest is the body of POST …/pull_requests. Its author is the
// pseudonym that the history knows, never a name.
func OutgoingPullRequest(p *history.PullRequest) (Outgoing, error) {
	repo := event.RepoKey(p.Repo)
	out := Outgoing{Kind: KindPullRequest, Entity: repo + "#" + p.Number, Repo: repo, Path: "pull_requests"}
	number, err := strconv.ParseInt(p.Number, 10, 32)
	switch {
	case err != nil || number <= 0:
		out.Waits = WaitsForNumber
		return out, nil //nolint:nilerr // it waits, which is no fault
	case p.CreatedAt == 0:
		out.Waits = WaitsForCreation
		return out, nil
	}
	b := outgoingPullRequest{
		ID: short(out.Entity, 200), PullRequestKey: number, BaseRepoID: p.Repo, Status: "OPEN", DisplayTitle: clean(cmp.Or(p.Title, "#"+p.Number), 250),
		URL: fitting(p.URL, 255), CreatedDate: date(p.CreatedAt), MergeCommitSHA: fitting(p.SHA, 40), HeadCommitSHA: fitting(p.Head, 40), BaseRef: clean(p.Base, 250),
	}
	if p.Author != 0 {
		b.AuthorID = p.Author.String()
	}
	switch {
	case p.MergedAt != 0:
		b.Status = "MERGED"
	case p.ClosedAt != 0:
		b.Status = "CLOSED"
	}
	b.OriginalStatus = b.Status
	if p.MergedAt != 0 {
		b.MergedDate = date(p.MergedAt)
	}
	if p.ClosedAt != 0 {
		b.ClosedDate = date(p.ClosedAt)
	}
	return out.with(b)
}

func (o Outgoing) with(body any) (Outgoing, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return Outgoing{}, fmt.Errorf("write the body of %s %s: %w", o.Kind, o.Entity, err)
	}
	o.Body = text
	return o, nil
}

// date writes a time as DevLake reads it best: RFC 3339 in UTC.
func date(t event.Time) string { return t.Std().UTC().Format(time.RFC3339Nano) }

// short keeps an id within DevLake's columns: one that is too long ends in a
// digest of the whole.
func short(id string, most int) string {
	if len(id) <= most {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	cut := id[:most-17]
	for !utf8.ValidString(cut) {
		cut = cut[:len(cut)-1]
	}
	return cut + "_" + hex.EncodeToString(sum[:8])
}

// fitting is a value that is of no use when it is cut, such as an address or a
// hash: "" when DevLake's column is too narrow for it, because DevLake would
// refuse the whole entity.
func fitting(v string, most int) string {
	if utf8.RuneCountInString(v) > most {
		return ""
	}
	return v
}

// ConnectionFor is what the connection of a project, or of one of its
// repositories, is called in DevLake: within its 100 bytes, and safe in a path.
func ConnectionFor(project, repo string) string {
	if repo == "" {
		return short("fawkes-"+project, 100)
	}
	sum := sha256.Sum256([]byte(project + "\x00" + repo))
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, event.RepoName(repo))
	return short("fawkes-"+project, 50) + "-" + name[:min(len(name), 30)] + "-" + hex.EncodeToString(sum[:6])
}

// ProjectFor is what a project is called in DevLake, within its 100 bytes.
func ProjectFor(project string) string { return short(project, 100) }
