package dora

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	api.Huma().UseMiddleware(s.csvAnswers)
	s.registerMetrics(api.Huma())
	s.registerRows(api.Huma())
	s.registerEvidence(api.Huma())
	s.registerProjects(api.Huma())
	s.registerSources(api.Huma())
	s.registerQuarantine(api.Huma())
	s.registerImports(api.Huma())
	s.registerFeed(api.Huma())
	s.registerAudit(api.Huma())
	s.registerArchive(api)
	s.registerForeign(api)
	s.registerRelay(api.Huma())
	write := s.auth.Require(auth.ScopeDoraWrite)
	api.Mux().Handle("POST "+base+"/events", write(http.HandlerFunc(s.handleEvent)))
	api.Mux().Handle("POST "+base+"/events:batch", write(http.HandlerFunc(s.handleBatch)))
	s.registerWebhooks(api)
	for _, prefix := range []string{"/api/rest/plugins/webhook/", "/rest/plugins/webhook/", "/plugins/webhook/"} {
		api.Mux().HandleFunc(prefix, s.handleDevLake)
	}
	describePlain(api.Huma().OpenAPI(), s.kinds)
	describeCSV(api.Huma().OpenAPI())
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
	Profile     string `query:"profile" doc:"By whose rules: dora-2025 (default), devlake-2023, fourkeys, gitlab, or a profile of your own"`
}

// ask reads the newest history of the project and the question about it.
func (s *Service) ask(ctx context.Context, in ScopeInput, interval string) (answer, metrics.Query, metrics.Profile, error) {
	fail := func(err error) (answer, metrics.Query, metrics.Profile, error) {
		return answer{}, metrics.Query{}, metrics.Profile{}, queryProblem(err)
	}
	profile, err := s.profile(ctx, in.Profile)
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
	// A plus sign that was not escaped arrives as a space.
	t, err := time.Parse(time.RFC3339, strings.ReplaceAll(text, " ", "+"))
	if err != nil {
		return time.Time{}, event.Fault(field, "%q is neither a day such as 2026-01-31 nor a time such as 2026-01-31T09:30:00Z", text)
	}
	return t, nil
}

func notFoundf(format string, args ...any) error {
	return problem.New(problem.NotFound, "%s", fmt.Sprintf(format, args...))
}
