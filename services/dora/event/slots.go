package event

// The fields of each type by the names of the bulk format.

func (h *Header) slot(name []byte) any {
	switch string(name) {
	case "type":
		return &h.Type
	case "project":
		return &h.Project
	case "source":
		return &h.Source
	case "at":
		return &h.At
	}
	return nil
}

func (c *Commit) slot(name []byte) any {
	switch string(name) {
	case "repo":
		return &c.Repo
	case "sha":
		return &c.SHA
	case "parents":
		return &c.Parents
	case "author":
		return &c.Author
	case "authored_at":
		return &c.AuthoredAt
	case "committed_at":
		return &c.CommittedAt
	case "paths":
		return &c.Paths
	case "ancestors":
		return &c.Ancestors
	}
	return nil
}

func (p *PullRequest) slot(name []byte) any {
	switch string(name) {
	case "repo":
		return &p.Repo
	case "number":
		return &p.Number
	case "author":
		return &p.Author
	case "created_at":
		return &p.CreatedAt
	case "merged_at":
		return &p.MergedAt
	case "closed_at":
		return &p.ClosedAt
	case "merge_sha":
		return &p.MergeSHA
	case "head_sha":
		return &p.HeadSHA
	case "base":
		return &p.Base
	case "title":
		return &p.Title
	case "commits":
		return &p.Commits
	case "url":
		return &p.URL
	}
	return nil
}

func (r *Review) slot(name []byte) any {
	switch string(name) {
	case "repo":
		return &r.Repo
	case "number":
		return &r.Number
	case "author":
		return &r.Author
	case "kind":
		return &r.Kind
	case "submitted_at":
		return &r.SubmittedAt
	}
	return nil
}

func (b *Build) slot(name []byte) any {
	switch string(name) {
	case "repo":
		return &b.Repo
	case "sha":
		return &b.SHA
	case "id":
		return &b.ID
	case "branch":
		return &b.Branch
	case "outcome":
		return &b.Outcome
	case "started_at":
		return &b.StartedAt
	case "finished_at":
		return &b.FinishedAt
	case "attempt":
		return &b.Attempt
	case "url":
		return &b.URL
	}
	return nil
}

func (a *Artifact) slot(name []byte) any {
	switch string(name) {
	case "digest":
		return &a.Digest
	case "repo":
		return &a.Repo
	case "sha":
		return &a.SHA
	case "made_at":
		return &a.MadeAt
	}
	return nil
}

func (d *Deployment) slot(name []byte) any {
	switch string(name) {
	case "id":
		return &d.ID
	case "service":
		return &d.Service
	case "environment":
		return &d.Environment
	case "repo":
		return &d.Repo
	case "sha":
		return &d.SHA
	case "digest":
		return &d.Digest
	case "outcome":
		return &d.Outcome
	case "started_at":
		return &d.StartedAt
	case "finished_at":
		return &d.FinishedAt
	case "unplanned":
		return &d.Unplanned
	case "manifest_repos":
		return &d.ManifestRepos
	case "title":
		return &d.Title
	case "url":
		return &d.URL
	}
	return nil
}

func (i *Incident) slot(name []byte) any {
	switch string(name) {
	case "id":
		return &i.ID
	case "service":
		return &i.Service
	case "environment":
		return &i.Environment
	case "repo":
		return &i.Repo
	case "opened_at":
		return &i.OpenedAt
	case "resolved_at":
		return &i.ResolvedAt
	case "severity":
		return &i.Severity
	case "caused_by_deployment":
		return &i.CausedByDeployment
	case "digest":
		return &i.Digest
	case "sha":
		return &i.SHA
	case "title":
		return &i.Title
	case "url":
		return &i.URL
	}
	return nil
}
