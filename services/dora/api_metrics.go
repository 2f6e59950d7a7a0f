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
	// Annotations are nil without a series.
	Annotations []annotationBody `json:"annotations,omitzero" doc:"What people wrote beside the series, and what came by itself"`
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
			out := &reportOutput{reportBody{Report: r, Stale: a.Stale, PendingEvents: a.Pending}}
			if r.Interval != metrics.IntervalAll {
				q.From, q.To = r.From, r.To
				if out.Body.Annotations, err = s.annotations(ctx, a, q, p); err != nil {
					return nil, err
				}
			}
			return out, nil
		})
	s.registerProfiles(api)
	s.registerCompare(api)
	s.registerAnnotations(api)
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
