package dora

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

// noteBody is a rule that was applied, in words.
type noteBody struct {
	Rule   string `json:"rule" doc:"Name of the rule"`
	Detail string `json:"detail" doc:"What it did here"`
}

// eventBody is an entry of the log behind an object.
type eventBody struct {
	Seq        int64      `json:"seq" doc:"Number in the log"`
	Type       event.Type `json:"type" doc:"What it is about"`
	Source     string     `json:"source" doc:"Who reported it"`
	At         *time.Time `json:"at" doc:"When, by the source's clock"`
	ReceivedAt *time.Time `json:"received_at" doc:"When it was stored"`
}

type evidenceBody struct {
	Metric     string                `json:"metric" doc:"The metric"`
	Value      *metrics.Metric       `json:"value" doc:"The number that the rows stand behind"`
	Profile    string                `json:"profile" doc:"By whose rules"`
	Rules      []string              `json:"rules" doc:"The profile's rules, a sentence each"`
	Items      []metrics.EvidenceRow `json:"items" doc:"The rows of this page"`
	NextCursor *string               `json:"next_cursor" doc:"Where the next page begins; null on the last"`
}

type evidenceOutput struct{ Body evidenceBody }

type deploymentEvidence struct {
	Deployment metrics.Deployment  `json:"deployment" doc:"The deployment"`
	Previous   *metrics.Deployment `json:"previous_deployment" doc:"What it replaced"`
	RestoredBy *metrics.Deployment `json:"restored_by_deployment" doc:"The deployment that ended its failure"`
	Changes    []metrics.Change    `json:"changes" doc:"The changes that first arrived with it, the first 1000; GET /changes?deployment= lists them all"`
	Incidents  []metrics.Incident  `json:"incidents" doc:"Incidents linked to it"`
	Notes      []noteBody          `json:"notes" doc:"The rules that were applied"`
	Events     []eventBody         `json:"events" doc:"What was reported about it"`
}

type changeEvidence struct {
	Changes     []metrics.Change     `json:"changes" doc:"The change, once for each service and environment"`
	Deployments []metrics.Deployment `json:"deployments" doc:"The deployments that brought it"`
	Notes       []noteBody           `json:"notes" doc:"The rules that were applied"`
}

type incidentEvidence struct {
	Incident   metrics.Incident    `json:"incident" doc:"The incident"`
	Deployment *metrics.Deployment `json:"caused_by" doc:"The deployment that it is linked to"`
	Notes      []noteBody          `json:"notes" doc:"The rules that were applied"`
	Events     []eventBody         `json:"events" doc:"What was reported about it"`
}

func (s *Service) registerEvidence(api huma.API) {
	huma.Register(api, operation("get-evidence", http.MethodGet, "/evidence", "evidence", auth.ScopeDoraRead,
		"The rows behind a number", "Each row with what it contributed to the metric, or why it contributed nothing, and by which rule it was linked."),
		func(ctx context.Context, in *struct {
			ScopeInput
			PageInput
			Metric string `query:"metric" required:"true" enum:"deployment_frequency,change_lead_time,change_fail_rate,failed_deployment_recovery_time,deployment_rework_rate" doc:"The metric"`
			Newest bool   `query:"newest" doc:"The latest first"`
		}) (*evidenceOutput, error) {
			a, q, p, err := s.ask(ctx, in.ScopeInput, "")
			if err != nil {
				return nil, err
			}
			report, err := metrics.Compute(a.View, q, p)
			if err != nil {
				return nil, queryProblem(err)
			}
			rows, err := page(in.PageInput, metrics.List{Newest: in.Newest}, func(l metrics.List) (metrics.Rows[metrics.EvidenceRow], error) {
				return metrics.Evidence(a.View, q, p, in.Metric, l)
			})
			if err != nil {
				return nil, err
			}
			return &evidenceOutput{evidenceBody{
				Metric: in.Metric, Value: report.Metric(in.Metric), Profile: p.Name, Rules: p.Rules,
				Items: rows.Body.Items, NextCursor: rows.Body.NextCursor,
			}}, nil
		})
	type keyed struct {
		Key     string `path:"key" doc:"Key: source/id, the slash written %2F"`
		Project string `query:"project" required:"true" doc:"Name of the project"`
		Profile string `query:"profile" doc:"By whose rules"`
	}
	huma.Register(api, operation("get-deployment-evidence", http.MethodGet, "/deployments/{key}/evidence", "evidence", auth.ScopeDoraRead,
		"All about one deployment", "What it replaced, what it brought, why it failed, what restored service, and the reports behind it."),
		func(ctx context.Context, in *keyed) (*struct{ Body deploymentEvidence }, error) {
			a, _, p, err := s.ask(ctx, ScopeInput{Project: in.Project, Profile: in.Profile}, "")
			if err != nil {
				return nil, err
			}
			b, err := s.deploymentEvidence(ctx, a, p, in.Project, in.Key)
			return &struct{ Body deploymentEvidence }{b}, err
		})
	huma.Register(api, operation("get-incident-evidence", http.MethodGet, "/incidents/{key}/evidence", "evidence", auth.ScopeDoraRead,
		"All about one incident", "The deployment that it is linked to, the rule that linked them, and the reports behind it."),
		func(ctx context.Context, in *keyed) (*struct{ Body incidentEvidence }, error) {
			a, _, p, err := s.ask(ctx, ScopeInput{Project: in.Project, Profile: in.Profile}, "")
			if err != nil {
				return nil, err
			}
			b, err := s.incidentEvidence(ctx, a, p, in.Project, in.Key)
			return &struct{ Body incidentEvidence }{b}, err
		})
	huma.Register(api, operation("get-change-evidence", http.MethodGet, "/changes/{sha}/evidence", "evidence", auth.ScopeDoraRead,
		"All about one change", "Where a commit, or the pull request with this merge commit, arrived, and by which rule."),
		func(ctx context.Context, in *struct {
			SHA     string `path:"sha" minLength:"4" maxLength:"64" doc:"The commit, or the beginning of its hash"`
			Project string `query:"project" required:"true" doc:"Name of the project"`
			Profile string `query:"profile" doc:"By whose rules"`
		}) (*struct{ Body changeEvidence }, error) {
			a, _, p, err := s.ask(ctx, ScopeInput{Project: in.Project, Profile: in.Profile}, "")
			if err != nil {
				return nil, err
			}
			b, err := s.changeEvidence(a, p, strings.ToLower(in.SHA))
			return &struct{ Body changeEvidence }{b}, err
		})
}

// mostEvidence bounds the changes that come with a deployment.
const mostEvidence = 1000

func (s *Service) deploymentEvidence(ctx context.Context, a answer, p metrics.Profile, project, key string) (deploymentEvidence, error) {
	d, ok := metrics.DeploymentByKey(a.View, p, key)
	if !ok {
		return deploymentEvidence{}, notFoundf("there is no deployment %q in the project %q", key, project)
	}
	b := deploymentEvidence{Deployment: d, Changes: []metrics.Change{}, Incidents: []metrics.Incident{}, Notes: deploymentNotes(a, d)}
	b.Previous = find(a, p, d.Previous)
	if d.RestoredBy != nil && *d.RestoredBy != history.RestoredIncident {
		b.RestoredBy = find(a, p, d.RestoredRef)
	}
	all := metrics.Query{Environment: d.Environment}
	changes, err := metrics.Changes(a.View, all, p, metrics.List{Deployment: key})
	if err != nil {
		return b, queryProblem(err)
	}
	for c := range changes {
		if len(b.Changes) == mostEvidence {
			break
		}
		b.Changes = append(b.Changes, c)
	}
	incidents, err := metrics.Incidents(a.View, metrics.Query{}, p, metrics.List{Deployment: key})
	if err != nil {
		return b, queryProblem(err)
	}
	for i := range incidents {
		b.Incidents = append(b.Incidents, i)
	}
	b.Events, err = s.eventsAbout(ctx, project, event.TypeDeployment, d.Source, d.ID)
	return b, err
}

func find(a answer, p metrics.Profile, key *string) *metrics.Deployment {
	if key == nil {
		return nil
	}
	if d, ok := metrics.DeploymentByKey(a.View, p, *key); ok {
		return &d
	}
	return nil
}

// deploymentNotes says in words which rules made a deployment what it is.
func deploymentNotes(a answer, d metrics.Deployment) []noteBody {
	var out []noteBody
	note := func(rule, format string, args ...any) {
		out = append(out, noteBody{rule, fmt.Sprintf(format, args...)})
	}
	previous := ""
	if d.PreviousID != nil {
		previous = *d.PreviousID
	}
	if d.Kind != nil {
		switch *d.Kind {
		case history.KindFirst:
			note("kind", "Nothing was deployed to %s of %s before it.", d.Environment, d.Service)
		case history.KindForward:
			note("kind", "It replaced %s with another source commit, which is not an earlier one.", previous)
		case history.KindRedeploy:
			note("kind", "It brought the source commit of %s again, and so no new change.", previous)
		case history.KindRollback:
			note("kind", "Its source commit is an earlier one than that of %s, which it replaced.", previous)
		}
	}
	if d.ResolvedBy != nil {
		switch *d.ResolvedBy {
		case "digest":
			note("source_commit", "The commit is the one that the image %s was made from.", *d.Digest)
		case "sha":
			note("source_commit", "The commit is the one that the source of the report named.")
		}
	}
	if d.Reason != nil {
		switch *d.Reason {
		case history.ReasonBaseline:
			note("first_deployment", "As the first deployment it marks the beginning: its %d commits have no lead time. The project's setting first_deployment: attribute would give them one.", d.Changes)
		case history.ReasonSHAUnknown:
			note("attribution", "Neither its commit nor where its image came from has been reported, so no change can be attributed to it.")
		case history.ReasonCommitsMissing:
			note("attribution", "Its commit has not been reported yet. When it is, the changes will be attributed.")
		}
	} else if outcome := d.Outcome; outcome != nil && *outcome == event.OutcomeSuccess {
		note("attribution", "%d changes are ancestors of its commit and of no commit deployed to %s before.", d.Changes, d.Environment)
	}
	for _, f := range d.Failures {
		switch f.Rule {
		case history.FailedOutcome:
			note(f.Rule, "It counts as failed because its source reported failure.")
		case history.FailedRolledBack:
			note(f.Rule, "It counts as failed because %s rolled it back.", *f.Ref)
		case history.FailedIncident:
			note(f.Rule, "It counts as failed because the incident %s is linked to it.", *f.Ref)
		default:
			note(f.Rule, "It counts as failed under the rule %s.", f.Rule)
		}
	}
	if d.Failed && d.RestoredAt == nil {
		note("recovery", "Service has not been restored as far as is known: the failure is open.")
	}
	if d.RestoredBy != nil {
		ref := ""
		if d.RestoredRef != nil {
			ref = *d.RestoredRef
		}
		switch *d.RestoredBy {
		case history.RestoredDeployment:
			note("recovery", "Service was restored by the next good deployment, %s.", ref)
		case history.RestoredRollback:
			note("recovery", "Service was restored by the rollback %s.", ref)
		case history.RestoredIncident:
			note("recovery", "Service was restored when the incident %s was resolved.", ref)
		}
	}
	if d.Unplanned {
		note("rework", "Its source reported it as unplanned, so it counts as rework.")
	}
	if out == nil {
		out = []noteBody{}
	}
	return out
}

func (s *Service) incidentEvidence(ctx context.Context, a answer, p metrics.Profile, project, key string) (incidentEvidence, error) {
	rows, err := metrics.Incidents(a.View, metrics.Query{}, p, metrics.List{})
	if err != nil {
		return incidentEvidence{}, queryProblem(err)
	}
	for i := range rows {
		if i.Key != key {
			continue
		}
		b := incidentEvidence{Incident: i, Deployment: find(a, p, i.Deployment), Notes: []noteBody{incidentNote(a, i)}}
		b.Events, err = s.eventsAbout(ctx, project, event.TypeIncident, i.Source, i.ID)
		return b, err
	}
	return incidentEvidence{}, notFoundf("there is no incident %q in the project %q", key, project)
}

func incidentNote(a answer, i metrics.Incident) noteBody {
	n := noteBody{Rule: i.LinkedBy}
	switch i.LinkedBy {
	case history.LinkExplicit:
		n.Detail = "The incident itself names the deployment."
	case history.LinkArtifact:
		n.Detail = "The incident names the version that the deployment brought."
	case history.LinkTime:
		n.Detail = fmt.Sprintf("It is the latest successful deployment of the same service within %s before the incident.", a.View.Spec().Window())
	case metrics.RuleLatestDeployment:
		n.Detail = "It is the project's latest successful production deployment that finished before the incident was opened."
	default:
		reason := "no_deployment"
		if i.Reason != nil {
			reason = *i.Reason
		}
		n.Detail = map[string]string{
			history.ReasonNotSeen:       "The deployment or version that it names has not been reported; nothing else is blamed in its place.",
			history.ReasonOutsideWindow: fmt.Sprintf("The service's last deployment lies more than %s before it.", a.View.Spec().Window()),
			history.ReasonNoService:     "It names no service, and the project has more than one.",
			history.ReasonNoDeployment:  "The service had no successful deployment before it.",
		}[reason]
		n.Detail = cmp.Or(n.Detail, reason)
	}
	return n
}

func (s *Service) changeEvidence(a answer, p metrics.Profile, sha string) (changeEvidence, error) {
	b := changeEvidence{Changes: []metrics.Change{}, Deployments: []metrics.Deployment{}, Notes: []noteBody{}}
	for _, env := range environments(a) {
		rows, err := metrics.Changes(a.View, metrics.Query{Environment: env}, p, metrics.List{})
		if err != nil {
			return b, queryProblem(err)
		}
		for c := range rows {
			if !strings.HasPrefix(c.SHA, sha) || len(b.Changes) == 100 {
				continue
			}
			b.Changes = append(b.Changes, c)
			if d := find(a, p, c.Deployment); d != nil {
				b.Deployments = append(b.Deployments, *d)
				b.Notes = append(b.Notes, noteBody{p.LeadRule, fmt.Sprintf("%s is the first successful deployment to %s of %s that contains it.", d.ID, d.Environment, d.Service)})
			} else if c.Reason != nil {
				b.Notes = append(b.Notes, noteBody{*c.Reason, "No deployment holds it."})
			}
		}
	}
	if len(b.Changes) == 0 {
		return b, notFoundf("there is no change %q", sha)
	}
	return b, nil
}

// environments lists those that have lanes; "" first, for all of production.
func environments(a answer) []string {
	out := []string{""}
	seen := map[string]bool{}
	for _, ln := range a.History.Lanes {
		if !ln.Production && !seen[ln.Environment] {
			seen[ln.Environment] = true
			out = append(out, ln.Environment)
		}
	}
	return out
}

// eventsAbout finds the entries of the log about one deployment or incident.
func (s *Service) eventsAbout(ctx context.Context, project string, t event.Type, source, id string) ([]eventBody, error) {
	out := []eventBody{}
	origins, err := s.store.Origins(ctx)
	if err != nil {
		return out, err
	}
	declared, err := s.store.Projects(ctx)
	if err != nil {
		return out, err
	}
	of := assign(origins, declared)
	var ids []int64
	for _, o := range origins {
		if o.Type == t && o.Source == source && of[o.ID] == project {
			ids = append(ids, o.ID)
		}
	}
	err = s.store.EventsOf(ctx, ids, 1<<63-1, func(e Entry) error {
		body, err := event.Unpack(t, e.Body)
		if err == nil && body.Entity() == id {
			out = append(out, eventBody{Seq: e.Seq, Type: t, Source: source, At: stamp(e.At), ReceivedAt: stamp(e.ReceivedAt)})
		}
		return err
	})
	return out, err
}
