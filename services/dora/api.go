package dora

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

const base = "/api/dora/v1"

// register adds every operation of the service to its edge.
func (s *Service) register(api *httpapi.API) {
	s.registerMetrics(api.Huma())
	s.registerEvidence(api.Huma())
	s.registerProjects(api.Huma())
	s.registerAdmin(api.Huma())
	write := s.auth.Require(auth.ScopeDoraWrite)
	api.Mux().Handle("POST "+base+"/events", write(http.HandlerFunc(s.handleEvent)))
	api.Mux().Handle("POST "+base+"/events:batch", write(http.HandlerFunc(s.handleBatch)))
	api.Mux().HandleFunc("POST /webhooks/dora/github", s.handleGitHub)
	for _, prefix := range []string{"/api/rest/plugins/webhook/", "/rest/plugins/webhook/", "/plugins/webhook/"} {
		api.Mux().HandleFunc(prefix, s.handleDevLake)
	}
	describePlain(api.Huma().OpenAPI())
}

// operation is what all operations have in common.
func operation(id, method, path, tag, scope, summary, text string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: base + path, Tags: []string{tag}, Summary: summary, Description: text,
		Security: auth.Needs(scope),
	}
}

// ScopeInput is which part of a project's history is asked for.
type ScopeInput struct {
	Project     string `query:"project" required:"true" doc:"Name of the project"`
	Service     string `query:"service" doc:"Only this service"`
	Team        string `query:"team" doc:"Only the services of this team"`
	Environment string `query:"environment" doc:"Only this environment; without one, all of kind production"`
	From        string `query:"from" doc:"Beginning, inclusive: a day of the project's time zone (2026-01-31) or a time (RFC 3339). Without one, the day of the first deployment."`
	To          string `query:"to" doc:"End, exclusive: a day or a time. Without one, now."`
	Profile     string `query:"profile" doc:"By whose rules: dora-2025 (default) or devlake-2023"`
}

// ask reads the newest history of the project and the question about it.
func (s *Service) ask(ctx context.Context, in ScopeInput, interval string) (answer, metrics.Query, metrics.Profile, error) {
	fail := func(err error) (answer, metrics.Query, metrics.Profile, error) {
		return answer{}, metrics.Query{}, metrics.Profile{}, queryProblem(err)
	}
	profile, err := metrics.ProfileNamed(in.Profile)
	if err != nil {
		return fail(err)
	}
	a, err := s.history(ctx, in.Project)
	if err != nil {
		return fail(err)
	}
	q := metrics.Query{Service: in.Service, Team: in.Team, Environment: in.Environment, Interval: interval}
	if q.From, err = instant("from", in.From, a.View.Location()); err != nil {
		return fail(err)
	}
	if q.To, err = instant("to", in.To, a.View.Location()); err != nil {
		return fail(err)
	}
	return a, q, profile, nil
}

// history is the newest history of a project that the caller may read.
func (s *Service) history(ctx context.Context, name string) (answer, error) {
	if err := touch(ctx, name); err != nil {
		return answer{}, err
	}
	a, err := s.reader.project(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return answer{}, unknownProject(name)
	}
	return a, err
}

func unknownProject(name string) error {
	return problem.New(problem.UnknownProject, "there is no project %q: nothing was declared or reported under this name", name).
		WithField("project").WithMend("see `fawkes dora project list`, or bring history in: `fawkes dora import git <path-or-url> --project " + name + " --service S`")
}

// queryProblem names the parameter at fault as huma would.
func queryProblem(err error) error {
	var fault *event.FieldError
	if errors.As(err, &fault) {
		return problem.New(problem.InvalidField, "%s", fault.Detail).WithField("query." + fault.Field).WithCause(err)
	}
	return err
}

// instant reads a day of a time zone or a time.
func instant(field, text string, loc *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if len(text) == len(time.DateOnly) {
		return metrics.Day(field, text, loc)
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, event.Fault(field, "%q is neither a day such as 2026-01-31 nor a time such as 2026-01-31T09:30:00Z", text)
	}
	return t, nil
}

// PageInput asks for one page of a list.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most rows of a page"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}

const cursorForm = "o"

// offset reads a cursor of this API.
func (p PageInput) offset() (int, error) {
	if p.Cursor == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err == nil {
		if text, ok := strings.CutPrefix(string(raw), cursorForm); ok {
			if n, err := strconv.Atoi(text); err == nil && n >= 0 {
				return n, nil
			}
		}
	}
	return 0, problem.New(problem.InvalidCursor, "the cursor was not made by this list").WithField("query.cursor").WithMend("begin again without a cursor")
}

func cursorAt(offset int) *string {
	c := base64.RawURLEncoding.EncodeToString([]byte(cursorForm + strconv.Itoa(offset)))
	return &c
}

// listBody is one page of a list.
type listBody[T any] struct {
	Items      []T     `json:"items" doc:"The rows of this page"`
	NextCursor *string `json:"next_cursor" doc:"Where the next page begins; null on the last"`
}

type listOutput[T any] struct{ Body listBody[T] }

// page takes one page from rows; make is told where it begins.
func page[T any](in PageInput, list metrics.List, rows func(metrics.List) (metrics.Rows[T], error)) (*listOutput[T], error) {
	offset, err := in.offset()
	if err != nil {
		return nil, err
	}
	list.Offset = offset
	seq, err := rows(list)
	if err != nil {
		return nil, queryProblem(err)
	}
	out := &listOutput[T]{Body: listBody[T]{Items: []T{}}}
	for row := range seq {
		if len(out.Body.Items) == in.Limit {
			out.Body.NextCursor = cursorAt(offset + in.Limit)
			break
		}
		out.Body.Items = append(out.Body.Items, row)
	}
	return out, nil
}

// reportBody is a report and how far behind it is.
type reportBody struct {
	metrics.Report
	Stale         bool  `json:"stale" doc:"Events were acknowledged that are not part of the numbers yet"`
	PendingEvents int64 `json:"pending_events" doc:"How many"`
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
			return &reportOutput{reportBody{Report: r, Stale: a.Pending > 0, PendingEvents: a.Pending}}, nil
		})
	huma.Register(api, operation("list-deployments", http.MethodGet, "/deployments", "rows", auth.ScopeDoraRead,
		"Deployments", "Each with its kind, what it replaced, whether and why it failed, and what restored service."),
		func(ctx context.Context, in *struct {
			ScopeInput
			PageInput
			Failed bool   `query:"failed" doc:"Only those that failed"`
			Kind   string `query:"kind" enum:"first,forward,redeploy,rollback" doc:"Only those of this kind"`
			Newest bool   `query:"newest" doc:"The latest first"`
		}) (*listOutput[metrics.Deployment], error) {
			a, q, p, err := s.ask(ctx, in.ScopeInput, "")
			if err != nil {
				return nil, err
			}
			return page(in.PageInput, metrics.List{Failed: in.Failed, Kind: in.Kind, Newest: in.Newest}, func(l metrics.List) (metrics.Rows[metrics.Deployment], error) {
				return metrics.Deployments(a.View, q, p, l)
			})
		})
	huma.Register(api, operation("list-changes", http.MethodGet, "/changes", "rows", auth.ScopeDoraRead,
		"Changes", "Under dora-2025 a change is a commit in one service and environment, under devlake-2023 a merged pull request. A null comes with its reason."),
		func(ctx context.Context, in *struct {
			ScopeInput
			PageInput
			Deployment string `query:"deployment" doc:"Only those that arrived with the deployment of this key"`
			Newest     bool   `query:"newest" doc:"The latest first"`
		}) (*listOutput[metrics.Change], error) {
			a, q, p, err := s.ask(ctx, in.ScopeInput, "")
			if err != nil {
				return nil, err
			}
			return page(in.PageInput, metrics.List{Deployment: in.Deployment, Newest: in.Newest}, func(l metrics.List) (metrics.Rows[metrics.Change], error) {
				return metrics.Changes(a.View, q, p, l)
			})
		})
	huma.Register(api, operation("list-incidents", http.MethodGet, "/incidents", "rows", auth.ScopeDoraRead,
		"Incidents", "Each with the deployment that caused it and the rule that linked them."),
		func(ctx context.Context, in *struct {
			ScopeInput
			PageInput
			Deployment string `query:"deployment" doc:"Only those linked to the deployment of this key"`
			Newest     bool   `query:"newest" doc:"The latest first"`
		}) (*listOutput[metrics.Incident], error) {
			a, q, p, err := s.ask(ctx, in.ScopeInput, "")
			if err != nil {
				return nil, err
			}
			return page(in.PageInput, metrics.List{Deployment: in.Deployment, Newest: in.Newest}, func(l metrics.List) (metrics.Rows[metrics.Incident], error) {
				return metrics.Incidents(a.View, q, p, l)
			})
		})
	s.registerProfiles(api)
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

func notFoundf(format string, args ...any) error {
	return problem.New(problem.NotFound, "%s", fmt.Sprintf(format, args...))
}
