package dora

import (
	"cmp"
	"context"
	"net/http"
	"slices"
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
				Metric: in.Metric, Value: report.Metric(in.Metric), Profile: p.Name, Rules: sentences(p),
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

// Bounds of what comes with one deployment or incident, and of the places where
// one change arrived.
const (
	mostEvidence = 1000 // changes
	mostEvents   = 100  // reports of one origin, the newest
	mostPlaces   = 100
)

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
	key = d.Key // the one asked for may be that of a report of it
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
	for _, key := range d.Reports {
		if err != nil {
			break
		}
		source, id := history.SplitKey(key)
		var more []eventBody
		more, err = s.eventsAbout(ctx, project, event.TypeDeployment, source, id)
		b.Events = append(b.Events, more...)
	}
	slices.SortFunc(b.Events, func(a, b eventBody) int { return cmp.Compare(a.Seq, b.Seq) })
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

// eventsAbout finds the entries of the log about one deployment or incident.
func (s *Service) eventsAbout(ctx context.Context, project string, t event.Type, source, id string) ([]eventBody, error) {
	out := []eventBody{}
	own, err := s.ownersNow(ctx)
	if err != nil {
		return out, err
	}
	var ids []int64
	for _, o := range own.origins {
		if o.Type == t && o.Source == source && own.of[o.ID] == project {
			ids = append(ids, o.ID)
		}
	}
	err = s.store.EventsAbout(ctx, ids, entityNamed(id), mostEvents, func(e Entry) error {
		body, err := event.Unpack(t, e.Body)
		if err == nil && body.Entity() == id {
			out = append(out, eventBody{Seq: e.Seq, Type: t, Source: source, At: stamp(e.At), ReceivedAt: stamp(e.ReceivedAt)})
		}
		return err
	})
	slices.SortFunc(out, func(a, b eventBody) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, err
}
