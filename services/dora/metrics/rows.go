package metrics

import "time"

// Change is one change and how far it came. Under dora-2025 a change is a
// commit in one service and environment, under devlake-2023 a merged pull
// request.
type Change struct {
	Repo            string     `json:"repo" doc:"Repository"`
	Number          *string    `json:"number" doc:"Number of its pull request"`
	SHA             string     `json:"sha" doc:"The commit; of a pull request its merge commit"`
	AuthorRef       *string    `json:"author_ref" doc:"Pseudonym of the author"`
	Service         *string    `json:"service" doc:"Service that it reached, or waits for"`
	Environment     *string    `json:"environment" doc:"Environment that it reached, or waits for"`
	FirstCommitAt   *time.Time `json:"first_commit_at" doc:"When it was authored; for a pull request its earliest commit"`
	CreatedAt       *time.Time `json:"created_at" doc:"When the pull request was opened"`
	FirstReviewAt   *time.Time `json:"first_review_at" doc:"First act of review by someone other than the author"`
	MergedAt        *time.Time `json:"merged_at" doc:"When the pull request was merged"`
	DeployedAt      *time.Time `json:"deployed_at" doc:"When the deployment that first contained it had finished"`
	DeploymentID    *string    `json:"deployment_id" doc:"That deployment's id at its source"`
	Deployment      *string    `json:"deployment" doc:"That deployment's key: source/id"`
	CodingSeconds   *float64   `json:"coding_seconds" doc:"First commit to pull request"`
	PickupSeconds   *float64   `json:"pickup_seconds" doc:"Pull request to first review"`
	ReviewSeconds   *float64   `json:"review_seconds" doc:"First review to merge; without review, pull request to merge"`
	DeploySeconds   *float64   `json:"deploy_seconds" doc:"Merge to deployment"`
	LeadTimeSeconds *float64   `json:"lead_time_seconds" doc:"The profile's lead time"`
	Reason          *string    `json:"reason" doc:"Why a value is null: the lead time's reason first, else that of the parts"`
}

// Deployment is one deployment with what was derived about it.
type Deployment struct {
	ID             string     `json:"id" doc:"The source's own id"`
	Source         string     `json:"source" doc:"Who reported it"`
	Key            string     `json:"key" doc:"source/id: unique within the project"`
	Service        string     `json:"service" doc:"What was deployed"`
	Environment    string     `json:"environment" doc:"Where to"`
	Production     bool       `json:"production" doc:"The environment is of kind production"`
	Repo           *string    `json:"repo" doc:"Repository of the source commit"`
	SHA            *string    `json:"sha" doc:"Source commit"`
	Digest         *string    `json:"digest" doc:"Image digest"`
	ResolvedBy     *string    `json:"resolved_by" doc:"How the source commit is known: sha, digest, or report (another source's)"`
	Reports        []string   `json:"reports" doc:"Keys of other sources' reports of the same deployment, which were merged into it"`
	Kind           *string    `json:"kind" doc:"first, forward, redeploy or rollback, by what it replaced; null while that is unknown"`
	Outcome        *string    `json:"outcome" doc:"success, failure or aborted; null while it runs"`
	Unplanned      bool       `json:"unplanned" doc:"Made to fix a user-facing bug"`
	StartedAt      *time.Time `json:"started_at" doc:"When it started"`
	FinishedAt     *time.Time `json:"finished_at" doc:"When it had finished"`
	PreviousID     *string    `json:"previous_id" doc:"Id of the successful deployment that it replaced"`
	Previous       *string    `json:"previous" doc:"Key of that one"`
	Changes        int        `json:"changes" doc:"Changes that first arrived with it"`
	Reason         *string    `json:"reason" doc:"Why its changes are not known; not_authoritative when it does not count"`
	Failed         bool       `json:"failed" doc:"It failed, was rolled back, or caused an incident"`
	FailureReasons []string   `json:"failure_reasons" doc:"By which rules it failed: outcome, rolled_back, incident"`
	Failures       []Failure  `json:"failures" doc:"The same with what each rule points at"`
	RestoredAt     *time.Time `json:"restored_at" doc:"When service was restored after it failed"`
	RestoredBy     *string    `json:"restored_by" doc:"next_good_deployment, rollback or incident_resolved"`
	RestoredRef    *string    `json:"restored_ref" doc:"Key of the deployment or incident that ended the failure"`
	Title          *string    `json:"title" doc:"The source's title"`
	URL            *string    `json:"url" doc:"The source's page"`
}

// Failure is one reason why a deployment counts as failed.
type Failure struct {
	Rule string  `json:"rule" doc:"outcome, rolled_back or incident; under other profiles their own"`
	Ref  *string `json:"ref" doc:"Key of the rollback or of the incident"`
}

// Incident is one incident and the deployment that caused it.
type Incident struct {
	ID           string     `json:"id" doc:"The source's own id"`
	Source       string     `json:"source" doc:"Who reported it"`
	Key          string     `json:"key" doc:"source/id: unique within the project"`
	Service      *string    `json:"service" doc:"The service it hit"`
	Environment  *string    `json:"environment" doc:"The environment it hit"`
	Severity     *string    `json:"severity" doc:"The source's severity"`
	Title        *string    `json:"title" doc:"The source's title"`
	URL          *string    `json:"url" doc:"The source's page"`
	OpenedAt     *time.Time `json:"opened_at" doc:"When it began"`
	ResolvedAt   *time.Time `json:"resolved_at" doc:"When it was resolved"`
	DeploymentID *string    `json:"deployment_id" doc:"Id of the deployment that caused it"`
	Deployment   *string    `json:"deployment" doc:"Key of that one"`
	LinkedBy     string     `json:"linked_by" enum:"explicit,artifact,time,none" doc:"By which rule"`
	Rule         string     `json:"-"` // the same in the words of the profile
	Reason       *string    `json:"reason" doc:"Why no deployment is linked"`
}

// EvidenceRow is one row behind a number: what it is, what it contributed or
// why it contributed nothing, and by which rule it was linked. Exactly one of
// Deployment, Change and Incident is set, after Kind; a recovery has both its
// deployment and, where one ended it, its incident.
type EvidenceRow struct {
	Metric     string      `json:"metric" doc:"The metric it belongs to"`
	Kind       string      `json:"kind" enum:"deployment,change,pull_request,incident" doc:"What kind of row it is"`
	Value      *float64    `json:"value" doc:"What it contributed: 1 or 0 to a count or ratio, seconds to a duration; null when it does not count"`
	Unit       string      `json:"unit" enum:"count,seconds" doc:"Unit of value"`
	Reason     *string     `json:"reason" doc:"Why it does not count"`
	Rule       *string     `json:"rule" doc:"The rule that linked it"`
	Ref        *string     `json:"ref" doc:"What the rule points at: key of a deployment or incident"`
	Deployment *Deployment `json:"deployment,omitempty" doc:"The deployment"`
	Change     *Change     `json:"change,omitempty" doc:"The commit or pull request"`
	Incident   *Incident   `json:"incident,omitempty" doc:"The incident"`
}
