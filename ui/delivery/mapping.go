package delivery

import (
	"bytes"
	"encoding/json"
	"fmt"

	"gopkg.in/yaml.v3"

	"github.com/fawkes-idp/fawkes/api/client/dora"
)

// each turns the items of an answer, of which there may be none.
func each[W, T any](items *[]W, turn func(W) T) []T {
	var out []T
	for _, w := range list(items) {
		out = append(out, turn(w))
	}
	return out
}

func list[T any](items *[]T) []T {
	if items == nil {
		return nil
	}
	return *items
}

func value[S ~string](s *S) string {
	if s == nil {
		return ""
	}
	return string(*s)
}

func project(w dora.ProjectBody) Project {
	p := Project{
		Name: w.Project, Description: w.Description, Declared: w.Declared, TimeZone: w.TimeZone,
		IncidentWindow: w.IncidentWindow, FirstDeployment: w.FirstDeployment, MergeRule: w.MergeCommits,
		FirstEventAt: w.FirstEventAt, LastEventAt: w.LastEventAt, FirstDeploymentAt: w.FirstDeploymentAt, LastDeploymentAt: w.LastDeploymentAt,
		Repos:        each(w.Repositories, func(r dora.RepositorySummary) string { return r.URL }),
		Environments: each(w.Environments, func(e dora.Environment) string { return e.Name }),
	}
	seen := map[string]bool{"": true}
	team := func(name string) {
		if !seen[name] {
			seen[name] = true
			p.Teams = append(p.Teams, name)
		}
	}
	for _, t := range list(w.Teams) {
		team(t.Name)
	}
	for _, s := range list(w.Services) {
		team(s.Team)
		p.Services = append(p.Services, Service{Name: s.Name, Team: s.Team, Repo: s.Repo, Paths: list(s.Paths), Environments: list(s.Environments)})
	}
	p.Entities = map[string]int{}
	for kind, n := range w.Entities {
		p.Entities[kind] = int(n)
	}
	return p
}

// asYAML writes JSON as YAML with its keys in their order.
func asYAML(raw json.RawMessage) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return "", fmt.Errorf("read a project's declaration: %w", err)
	}
	plain(&doc)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return "", fmt.Errorf("write a project's declaration: %w", err)
	}
	return b.String(), nil
}

// plain takes the braces and quotes of JSON away; the encoder quotes again what must be.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}

func report(w dora.ReportBody) Report {
	r := Report{
		Project: w.Project, Profile: w.Profile, From: w.From, To: w.To, AsOf: w.AsOf, Stale: w.Stale, ProjectionPending: int(w.PendingEvents),
		Score: w.Score, ScoreReason: value(w.ScoreReason), Metrics: each(w.Metrics, metric),
		Series: each(w.Series, func(b dora.Bucket) Step { return Step{From: b.From, To: b.To, Metrics: each(b.Metrics, metric)} }),
	}
	r.ChangePoints = each(w.ChangePoints, func(c dora.ChangePoint) ChangePoint {
		return ChangePoint{Metric: string(c.Metric), At: c.At, Before: c.Before, After: c.After, Unit: string(c.Unit), PValue: c.PValue}
	})
	for _, a := range list(w.Annotations) {
		if a.At != nil {
			r.Annotations = append(r.Annotations, Annotation{At: *a.At, Kind: string(a.Kind), Text: a.Text, Service: value(a.Service), Ref: value(a.Ref), Automatic: a.Automatic})
		}
	}
	for _, m := range r.Metrics {
		if r.LevelsEdition == "" {
			r.LevelsEdition = m.Edition
		}
	}
	return r
}

func metric(w dora.Metric) Metric {
	m := Metric{
		Name: string(w.Metric), Value: w.Value, Unit: string(w.Unit), P75: w.P75, P90: w.P90, N: int(w.N), Level: value(w.Level), Edition: value(w.LevelEdition),
		LevelReason: value(w.LevelReason), Score: w.Score, Reason: value(w.Reason),
		Completeness: &Completeness{Linked: int(w.Completeness.Linked), Total: int(w.Completeness.Total), Reasons: map[string]int{}},
	}
	if detail := value(w.Detail); detail != "" {
		m.Reason = detail
	}
	for reason, n := range w.Completeness.Reasons {
		m.Completeness.Reasons[reason] = int(n)
	}
	if ends := list(w.Interval); len(ends) == 2 {
		m.Low, m.High = &ends[0], &ends[1]
	}
	if v := w.Parts.DistinctDaysPerWeek; v != nil {
		m.Extra = append(m.Extra, Extra{"Days per week", *v, ""})
	}
	for _, c := range []struct {
		name string
		n    *int64
	}{{"Failed", w.Parts.Failed}, {"Still open", w.Parts.Open}, {"Unplanned", w.Parts.Unplanned}, {"Not deployed yet", w.Parts.Pending}} {
		if c.n != nil {
			m.Extra = append(m.Extra, Extra{c.name, float64(*c.n), ""})
		}
	}
	for _, p := range []struct {
		name string
		part *dora.Part
	}{{"coding", w.Parts.Coding}, {"pickup", w.Parts.Pickup}, {"review", w.Parts.Review}, {"deploy", w.Parts.Deploy}} {
		if p.part != nil {
			m.Parts = append(m.Parts, Part{Name: p.name, Seconds: p.part.Value, N: int(p.part.N), Reason: value(p.part.Reason)})
		}
	}
	return m
}

func deployment(w dora.Deployment) Deployment {
	return Deployment{
		Key: w.Key, ID: w.ID, Source: w.Source, Service: w.Service, Environment: w.Environment, Repo: value(w.Repo), SHA: value(w.Sha),
		Digest: value(w.Digest), Kind: value(w.Kind), Outcome: value(w.Outcome), Unplanned: w.Unplanned, StartedAt: w.StartedAt, FinishedAt: w.FinishedAt,
		PreviousKey: value(w.Previous), PreviousID: value(w.PreviousID), Changes: int(w.Changes), Failed: w.Failed, FailureReasons: list(w.FailureReasons),
		Reason: value(w.Reason), RestoredAt: w.RestoredAt, RestoredBy: value(w.RestoredBy), RestoredRef: value(w.RestoredRef), Name: value(w.Title), URL: value(w.URL),
	}
}

// known is a deployment that an answer may lack.
func known(w dora.Deployment) *Deployment {
	if w.Key == "" {
		return nil
	}
	d := deployment(w)
	return &d
}

func change(w dora.Change) Change {
	return Change{
		Repo: w.Repo, Number: value(w.Number), SHA: w.Sha, Author: value(w.AuthorRef), Service: value(w.Service), Environment: value(w.Environment),
		FirstCommitAt: w.FirstCommitAt, CreatedAt: w.CreatedAt, FirstReviewAt: w.FirstReviewAt, MergedAt: w.MergedAt, DeployedAt: w.DeployedAt,
		DeploymentKey: value(w.Deployment), DeploymentID: value(w.DeploymentID), Coding: w.CodingSeconds, Pickup: w.PickupSeconds, Review: w.ReviewSeconds,
		Deploy: w.DeploySeconds, LeadTime: w.LeadTimeSeconds, Reason: value(w.Reason),
	}
}

func incident(w dora.Incident) Incident {
	return Incident{
		Key: w.Key, ID: w.ID, Source: w.Source, Title: value(w.Title), Severity: value(w.Severity), Service: value(w.Service), Environment: value(w.Environment),
		OpenedAt: w.OpenedAt, ResolvedAt: w.ResolvedAt, DeploymentKey: value(w.Deployment), DeploymentID: value(w.DeploymentID), LinkedBy: string(w.LinkedBy),
		URL: value(w.URL), Reason: value(w.Reason),
	}
}

func note(w dora.NoteBody) Note { return Note{w.Rule, w.Detail} }

func logged(w dora.EventBody) Event {
	return Event{Seq: w.Seq, Type: w.Type, Source: w.Source, At: w.At}
}
