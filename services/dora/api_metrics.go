package dora

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

// reportBody is a report and how far behind it is.
type reportBody struct {
	metrics.Report
	Stale         bool  `json:"stale" doc:"Events or declarations were acknowledged that are not part of the numbers yet"`
	PendingEvents int64 `json:"pending_events" doc:"How many events"`
}

type reportOutput struct{ Body reportBody }

func (s *Service) registerMetrics(api huma.API) {
	huma.Register(api, operation("get-metrics", http.MethodGet, "/metrics", "metrics", auth.ScopeDoraRead,
		"The five delivery metrics", "Value, percentiles, interval, level, sample size and completeness of each metric over a window, and over each day, week or month of it. Unknown is null with a reason, never 0."),
		func(ctx context.Context, in *struct {
			ScopeInput
			Interval string `query:"interval" enum:"all,day,week,month" default:"all" doc:"Unit of the series; all gives none"`
		}) (*reportOutput, error) {
			a, q, p, err := s.ask(ctx, in.ScopeInput, in.Interval)
			if err != nil {
				return nil, err
			}
			r, err := metrics.Compute(a.View, q, p)
			if err != nil {
				return nil, queryProblem(err)
			}
			link(r.Metrics, in.ScopeInput, r.From, r.To)
			for _, b := range r.Series {
				link(b.Metrics, in.ScopeInput, b.From, b.To)
			}
			return &reportOutput{reportBody{Report: r, Stale: a.Stale, PendingEvents: a.Pending}}, nil
		})
	s.registerProfiles(api)
}

// link adds to each metric of a window the address of the rows behind it.
func link(all []metrics.Metric, in ScopeInput, from, to time.Time) {
	q := url.Values{"from": {from.UTC().Format(time.RFC3339Nano)}, "to": {to.UTC().Format(time.RFC3339Nano)}}
	for name, v := range map[string]string{"project": in.Project, "service": in.Service, "team": in.Team, "environment": in.Environment, "profile": in.Profile} {
		if v != "" {
			q.Set(name, v)
		}
	}
	rest := "&" + q.Encode()
	for i := range all {
		address := base + "/evidence?metric=" + all[i].Metric + rest
		all[i].Evidence = &address
	}
}

type profileBody struct {
	Name       string   `json:"name" doc:"Name of the profile"`
	Summary    string   `json:"summary" doc:"What it is, in a sentence"`
	Rules      []string `json:"rules" doc:"Its rules, a sentence each"`
	Unit       string   `json:"unit" doc:"What a change is: commit or pull_request"`
	Percentile string   `json:"percentile" doc:"Kind of percentile: continuous or lower"`
	Edition    string   `json:"edition" doc:"Edition of the table of levels"`
}

type profilesOutput struct {
	Body struct {
		Profiles []profileBody   `json:"profiles" doc:"The profiles, the default first"`
		Levels   []metrics.Table `json:"levels" doc:"The tables of levels with their bounds"`
	}
}

func (s *Service) registerProfiles(api huma.API) {
	huma.Register(api, operation("list-profiles", http.MethodGet, "/profiles", "metrics", auth.ScopeDoraRead,
		"Profiles and levels", "The sets of rules by which the same history becomes numbers, and the published bounds of the levels."),
		func(context.Context, *struct{}) (*profilesOutput, error) {
			out := &profilesOutput{}
			out.Body.Profiles = []profileBody{}
			for _, p := range metrics.Profiles() {
				out.Body.Profiles = append(out.Body.Profiles, profileBody{p.Name, p.Summary, p.Rules, string(p.Unit), string(p.Percentile), p.Edition})
			}
			out.Body.Levels = metrics.Levels()
			return out, nil
		})
}
