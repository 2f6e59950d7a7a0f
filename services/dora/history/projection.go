// Package history turns delivery events into delivery history: which change
// reached which environment with which deployment, what each deployment
// replaced, which failed and how service was restored.
//
// A [Ledger] merges reports about one entity field by field, so that the order
// of arrival and repeated arrival do not matter. [Ledger.Settle] derives a
// [Projection] from the merged facts: it is a pure function of them, and that
// is the whole argument for order independence. To stay fast it derives anew
// only the lanes whose facts changed.
//
// The package is pure: no database, no network, no clock.
package history

import (
	"net/url"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Time is an instant in microseconds, 0 when unknown.
type Time = event.Time

// Kinds of deployment, by what it replaced in its service and environment.
// Whether it was planned is a separate question, see Deployment.Unplanned.
const (
	KindFirst    = "first"    // nothing was deployed there before
	KindForward  = "forward"  // another source commit than the one replaced, and not an earlier one
	KindRedeploy = "redeploy" // the same source commit again
	KindRollback = "rollback" // an earlier source commit than the one replaced
)

// Rules by which a deployment counts as failed.
const (
	FailedOutcome    = "outcome"     // its source reported failure
	FailedRolledBack = "rolled_back" // the next deployment rolled it back
	FailedIncident   = "incident"    // an incident is linked to it
)

// Rules by which service counts as restored after a failed deployment.
const (
	RestoredDeployment = "next_good_deployment"
	RestoredRollback   = "rollback"
	RestoredIncident   = "incident_resolved"
)

// Rules that link an incident to a deployment, the strongest first.
const (
	LinkExplicit = "explicit" // the incident names the deployment
	LinkArtifact = "artifact" // the incident names the version that was deployed
	LinkTime     = "time"     // the latest deployment of the service within the incident window
	LinkNone     = "none"
)

// Reasons why a value is unknown. They are part of the wire format.
const (
	ReasonNotDeployed       = "not_deployed"         // no deployment contains the change yet
	ReasonBaseline          = "first_deployment"     // part of the first deployment, which has no predecessor
	ReasonClockSkew         = "clock_skew"           // the span would be negative
	ReasonNoPullRequest     = "no_pull_request"      // the change belongs to no known pull request
	ReasonNoReview          = "no_review"            // nobody but the author reviewed it
	ReasonNotMerged         = "not_merged"           // the pull request is not merged
	ReasonReplaced          = "replaced_by_merge"    // a squash or rebase put another commit in its place
	ReasonCommitUnknown     = "commit_unknown"       // the commit itself has not been reported
	ReasonPathsUnknown      = "paths_unknown"        // the service has paths, the commit's are not known
	ReasonNoCommitsReported = "no_commits_reported"  // the pull request's commits are not known
	ReasonNoDeployment      = "no_deployment"        // there is no deployment to relate to
	ReasonNotSeen           = "deployment_not_seen"  // the named deployment has not been reported
	ReasonOutsideWindow     = "outside_time_window"  // the last deployment lies too far back
	ReasonNoService         = "no_service"           // the incident names no service
	ReasonOpen              = "open"                 // not restored yet
	ReasonSHAUnknown        = "source_sha_unknown"   // neither the SHA nor its digest's source is known
	ReasonCommitsMissing    = "commits_not_reported" // the deployed commit has not been reported
	ReasonNotAuthoritative  = "not_authoritative"    // the source to believe there has not reported the deployment
)

// Deployment is one deployment with everything that was derived about it.
type Deployment struct {
	Source, ID           string
	Service, Environment string
	Repo, SHA, Digest    string
	Production           bool   // the environment is of kind production
	Kind                 string // "" when nobody said what was deployed
	Outcome              string // "" while it runs or when unreported
	StartedAt            Time
	FinishedAt           Time // 0 while it runs
	Unplanned            bool
	Title, URL           string

	// Previous is the key of the successful deployment that it replaced (or,
	// when it failed or still runs, would replace); PreviousID that one's own id.
	Previous, PreviousID string
	// ResolvedBy says how the source commit became known: "sha" as reported,
	// "digest" through the image, or "report" by another source that reported the
	// same deployment.
	ResolvedBy string
	// Reports are the keys of other sources' reports of this deployment, the
	// strongest source's first. They are no deployments of their own.
	Reports []string
	// Reason says why no change could be attributed, "" when all is known:
	// ReasonBaseline, ReasonSHAUnknown, ReasonCommitsMissing; of one that does not
	// count ReasonNotAuthoritative.
	Reason string

	Failed   bool
	Failures []Failure
	// RestoredAt, RestoredBy and RestoredRef are set once service was restored
	// after a failed deployment; RestoredRef is a deployment's or incident's key.
	RestoredAt              Time
	RestoredBy, RestoredRef string

	// PullRequests are those that Changes refer to by index.
	PullRequests []PullRequestRef
	// Changes first reached this service and environment with this deployment,
	// in order of (CommittedAt, SHA).
	Changes []Change
	// LongSHAs are the texts of those hashes among Changes that do not have 40
	// digits; nil in nearly every repository.
	LongSHAs map[SHA]string
}

// Key is "source/id": unique within a project.
func (d *Deployment) Key() string { return Key(d.Source, d.ID) }

// Key joins a source and the source's own id. A slash in the source's name is
// escaped, so that no two pairs share a key.
func Key(source, id string) string {
	if strings.ContainsAny(source, "/%") {
		source = url.PathEscape(source)
	}
	return source + "/" + id
}

// SplitKey is the inverse of [Key].
func SplitKey(key string) (source, id string) {
	source, id, _ = strings.Cut(key, "/")
	if plain, err := url.PathUnescape(source); err == nil {
		source = plain
	}
	return source, id
}

// Failure is one reason why a deployment counts as failed.
type Failure struct {
	Rule string // FailedOutcome, FailedRolledBack, FailedIncident
	Ref  string // key of the rollback or of the incident
}

// Change is one commit in one service and environment. It is small, because
// there are millions.
type Change struct {
	SHA         SHA
	Author      AuthorRef
	FirstAt     Time  // authored; for a squashed pull request its earliest commit's
	CommittedAt Time  // 0 when unknown
	PR          int32 // index into the PullRequests beside it, -1 for none
	Reason      ReasonCode
}

// ReasonCode is a reason as one byte; its String is one of the Reason constants, "" for 0.
type ReasonCode uint8

// AuthorRef is a pseudonym of a commit's author: stable within an
// installation, not reversible without its salt. 0 is unknown.
type AuthorRef uint64

// PullRequestRef is what a change needs to know of its pull request.
type PullRequestRef struct {
	Number        string
	CreatedAt     Time
	FirstReviewAt Time // first act of review by someone other than the author; 0 for none
	MergedAt      Time
}

// PullRequest is one pull request with what was derived about it.
type PullRequest struct {
	Repo, Number, Title, Base, URL string
	Author                         AuthorRef
	SHA                            string // merge SHA; "" while not merged
	Head                           string
	FirstCommitAt                  Time // earliest authored time of its commits; 0 when none is known
	CreatedAt                      Time
	FirstCommentAt                 Time // first review or comment by someone other than the author
	ApprovedAt                     Time // first approval
	MergedAt, ClosedAt             Time
	Commits                        int // how many of its commits are known
	// Deliveries lists, per service and environment, the deployments whose
	// commit difference to the previous successful one (by start) holds the
	// merge SHA, the earliest started only.
	Deliveries []Delivery
	// Reason says why Deliveries is empty: ReasonNotMerged, ReasonCommitUnknown,
	// ReasonBaseline, ReasonNotDeployed.
	Reason string
}

// Delivery is where a pull request arrived.
type Delivery struct {
	Service, Environment string
	Production           bool
	Deployment           string // key
	DeploymentID         string
	StartedAt            Time
	FinishedAt           Time
}

// Incident is one incident with what was derived about it.
type Incident struct {
	Source, ID           string
	Service, Environment string
	Severity, Title, URL string
	OpenedAt, ResolvedAt Time
	// Deployment is the key of the deployment that caused it under the default
	// rules, LinkedBy the rule; Reason says why there is none.
	Deployment, DeploymentID string
	LinkedBy                 string
	Reason                   string
	// LatestDeployment is the latest successful production deployment of the
	// whole project that finished before the incident was opened: the link that
	// the devlake-2023 profile uses.
	LatestDeployment string
}

// Key is "source/id": unique within a project.
func (i *Incident) Key() string { return Key(i.Source, i.ID) }

// Lane is one service in one environment with its deployments in the order in
// which they took effect: (FinishedAt, StartedAt, key). Those that have not
// finished stand at the end.
type Lane struct {
	Service, Environment string
	Production           bool
	Deployments          []*Deployment
}

// Pending are the known commits of one month in a service's repository that no
// deployment of the lane contains, each with its reason, in order of
// (CommittedAt, SHA). Environment is "" where the service has never been
// deployed to an environment of kind production.
type Pending struct {
	Service, Environment string
	Production           bool
	Repo                 string
	PullRequests         []PullRequestRef
	Changes              []Change
	LongSHAs             map[SHA]string
}

// Projection is the derived history of one project, as readers see it.
type Projection struct {
	Project      string
	Lanes        []*Lane        // by (service, environment)
	Uncounted    []*Deployment  // reports that do not count, by (service, environment, finished, started, key)
	Pending      []*Pending     // by (service, environment, repo, month)
	PullRequests []*PullRequest // by (repo, created, number)
	Incidents    []*Incident    // by (opened, key)
}
