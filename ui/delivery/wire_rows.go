package delivery

import "time"

type wireDeployment struct {
	ID             string     `json:"id"`
	Source         string     `json:"source"`
	Key            string     `json:"key"`
	Service        string     `json:"service"`
	Environment    string     `json:"environment"`
	Repo           *string    `json:"repo"`
	SHA            *string    `json:"sha"`
	Digest         *string    `json:"digest"`
	Kind           *string    `json:"kind"`
	Outcome        *string    `json:"outcome"`
	Unplanned      bool       `json:"unplanned"`
	StartedAt      *time.Time `json:"started_at"`
	FinishedAt     *time.Time `json:"finished_at"`
	PreviousID     *string    `json:"previous_id"`
	Previous       *string    `json:"previous"`
	Changes        int        `json:"changes"`
	Reason         *string    `json:"reason"`
	Failed         bool       `json:"failed"`
	FailureReasons []string   `json:"failure_reasons"`
	RestoredAt     *time.Time `json:"restored_at"`
	RestoredBy     *string    `json:"restored_by"`
	RestoredRef    *string    `json:"restored_ref"`
	Title          *string    `json:"title"`
	URL            *string    `json:"url"`
}

func (w wireDeployment) deployment() Deployment {
	d := Deployment{
		Key: w.Key, ID: w.ID, Source: w.Source, Service: w.Service, Environment: w.Environment, Repo: deref(w.Repo), SHA: deref(w.SHA),
		Digest: deref(w.Digest), Kind: deref(w.Kind), Outcome: deref(w.Outcome), Unplanned: w.Unplanned, StartedAt: w.StartedAt, FinishedAt: w.FinishedAt,
		PreviousKey: deref(w.Previous), PreviousID: deref(w.PreviousID), Changes: w.Changes, Failed: w.Failed, FailureReasons: w.FailureReasons,
		Reason: deref(w.Reason), RestoredAt: w.RestoredAt, RestoredBy: deref(w.RestoredBy), RestoredRef: deref(w.RestoredRef), Name: deref(w.Title), URL: deref(w.URL),
	}
	return d
}

type wireChange struct {
	Repo            string     `json:"repo"`
	Number          *string    `json:"number"`
	SHA             string     `json:"sha"`
	AuthorRef       *string    `json:"author_ref"`
	Service         *string    `json:"service"`
	Environment     *string    `json:"environment"`
	FirstCommitAt   *time.Time `json:"first_commit_at"`
	CreatedAt       *time.Time `json:"created_at"`
	FirstReviewAt   *time.Time `json:"first_review_at"`
	MergedAt        *time.Time `json:"merged_at"`
	DeployedAt      *time.Time `json:"deployed_at"`
	DeploymentID    *string    `json:"deployment_id"`
	Deployment      *string    `json:"deployment"`
	CodingSeconds   *float64   `json:"coding_seconds"`
	PickupSeconds   *float64   `json:"pickup_seconds"`
	ReviewSeconds   *float64   `json:"review_seconds"`
	DeploySeconds   *float64   `json:"deploy_seconds"`
	LeadTimeSeconds *float64   `json:"lead_time_seconds"`
	Reason          *string    `json:"reason"`
}

func (w wireChange) change() Change {
	return Change{
		Repo: w.Repo, Number: deref(w.Number), SHA: w.SHA, Author: deref(w.AuthorRef), Service: deref(w.Service), Environment: deref(w.Environment),
		FirstCommitAt: w.FirstCommitAt, CreatedAt: w.CreatedAt, FirstReviewAt: w.FirstReviewAt, MergedAt: w.MergedAt, DeployedAt: w.DeployedAt,
		DeploymentKey: deref(w.Deployment), DeploymentID: deref(w.DeploymentID), Coding: w.CodingSeconds, Pickup: w.PickupSeconds, Review: w.ReviewSeconds,
		Deploy: w.DeploySeconds, LeadTime: w.LeadTimeSeconds, Reason: deref(w.Reason),
	}
}

type wireIncident struct {
	ID           string     `json:"id"`
	Source       string     `json:"source"`
	Key          string     `json:"key"`
	Service      *string    `json:"service"`
	Environment  *string    `json:"environment"`
	Severity     *string    `json:"severity"`
	Title        *string    `json:"title"`
	URL          *string    `json:"url"`
	OpenedAt     *time.Time `json:"opened_at"`
	ResolvedAt   *time.Time `json:"resolved_at"`
	DeploymentID *string    `json:"deployment_id"`
	Deployment   *string    `json:"deployment"`
	LinkedBy     string     `json:"linked_by"`
	Reason       *string    `json:"reason"`
}

func (w wireIncident) incident() Incident {
	return Incident{
		Key: w.Key, ID: w.ID, Source: w.Source, Title: deref(w.Title), Severity: deref(w.Severity), Service: deref(w.Service), Environment: deref(w.Environment),
		OpenedAt: w.OpenedAt, ResolvedAt: w.ResolvedAt, DeploymentKey: deref(w.Deployment), DeploymentID: deref(w.DeploymentID), LinkedBy: w.LinkedBy,
		URL: deref(w.URL), Reason: deref(w.Reason),
	}
}
