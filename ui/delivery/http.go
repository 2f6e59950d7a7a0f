package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/api/client/dora"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	// answerLimit is the longest answer that is read; a page of rows is a small part of it.
	answerLimit = 32 << 20
	// patience is how long one question may take.
	patience = 20 * time.Second
	// projectsLimit bounds the overview: so many projects are searched.
	projectsLimit = 5000
)

// HTTP reads from the delivery metrics service over the peer network, with the caller's own credential and so with
// no more rights than the caller has.
type HTTP struct{ client *dora.Client }

// NewHTTP makes a reader; it makes no call yet.
func NewHTTP(peers peer.Network) (*HTTP, error) {
	base, transport := peers.Client("dora")
	c, err := dora.NewClient(base, dora.WithHTTPClient(transport), dora.WithRequestEditorFn(auth.Forward), dora.WithRequestEditorFn(sameRequest))
	if err != nil {
		return nil, fmt.Errorf("make the client of dora: %w", err)
	}
	return &HTTP{c}, nil
}

// sameRequest lets one request be followed through the logs of both services.
func sameRequest(ctx context.Context, r *http.Request) error {
	if id := problem.RequestID(ctx); id != "" {
		r.Header.Set("X-Request-Id", id)
	}
	return nil
}

// ask sends one question and reads its answer. An answer that is a problem becomes the error as the service said it;
// a service that does not answer is unavailable, by name.
func ask[T any](ctx context.Context, what string, send func(context.Context) (*http.Response, error)) (out T, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := send(ctx)
	if errors.Is(err, context.Canceled) {
		return out, err
	}
	if err != nil {
		return out, problem.New(problem.Unavailable, "the delivery metrics service does not answer").
			WithMend("load the page again in a moment; `fawkes status` says which service is down").WithCause(err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	if err != nil {
		return out, fmt.Errorf("read dora's answer about %s: %w", what, err)
	}
	if answer.StatusCode/100 != 2 {
		return out, refusal(what, answer, body)
	}
	if len(body) == 0 {
		return out, nil
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, fmt.Errorf("understand dora's answer about %s: %w", what, err)
	}
	return out, nil
}

// do asks for something to be done, whose answer beyond its success is of no use here.
func do(ctx context.Context, what string, send func(context.Context) (*http.Response, error)) error {
	_, err := ask[struct{}](ctx, what, send)
	return err
}

// refusal turns an answer that is no success into an error.
func refusal(what string, answer *http.Response, body []byte) error {
	if strings.HasPrefix(answer.Header.Get("Content-Type"), problem.ContentType) {
		var p problem.Problem
		if err := json.Unmarshal(body, &p); err == nil && p.Status == answer.StatusCode {
			p.Field = strings.TrimPrefix(p.Field, "query.")
			return &p
		}
	}
	return fmt.Errorf("dora answers about %s with %s", what, answer.Status)
}

// given is a parameter that was given; what is empty is left to the service's default.
func given[S ~string](s S) *S {
	if s == "" {
		return nil
	}
	return &s
}

func (p Page) limit() *int64 {
	if p.Limit == 0 {
		return nil
	}
	n := int64(p.Limit)
	return &n
}

// Projects lists all projects that the caller may see, page by page.
func (h *HTTP) Projects(ctx context.Context) ([]Project, error) {
	var out []Project
	for page := (Page{Limit: 500}); len(out) < projectsLimit; {
		l, err := ask[dora.ListBodyProjectBody](ctx, "the projects", func(ctx context.Context) (*http.Response, error) {
			return h.client.ListProjects(ctx, &dora.ListProjectsParams{Limit: page.limit(), Cursor: given(page.Cursor)})
		})
		if err != nil {
			return nil, err
		}
		out = append(out, each(l.Items, project)...)
		if page.Cursor = value(l.NextCursor); page.Cursor == "" {
			break
		}
	}
	return out, nil
}

// Project reads one project with its declaration as a file.
func (h *HTTP) Project(ctx context.Context, name string) (Project, error) {
	raw, err := ask[json.RawMessage](ctx, "a project", func(ctx context.Context) (*http.Response, error) {
		return h.client.GetProject(ctx, name)
	})
	if err != nil {
		return Project{}, err
	}
	var body dora.ProjectBody
	var declared struct { // as it came, its keys in their order
		Spec json.RawMessage `json:"spec"`
	}
	if err := errors.Join(json.Unmarshal(raw, &body), json.Unmarshal(raw, &declared)); err != nil {
		return Project{}, fmt.Errorf("understand dora's answer about the project %s: %w", name, err)
	}
	p := project(body)
	p.YAML, err = asYAML(declared.Spec)
	return p, err
}

// Report computes the five metrics of a window.
func (h *HTTP) Report(ctx context.Context, q Query) (Report, error) {
	r, err := ask[dora.ReportBody](ctx, "the metrics", func(ctx context.Context) (*http.Response, error) {
		return h.client.GetMetrics(ctx, &dora.GetMetricsParams{
			Project: q.Project, Service: given(q.Service), Team: given(q.Team), Environment: given(q.Environment), From: given(q.From), To: given(q.To),
			Interval: given(dora.GetMetricsParamsInterval(q.Interval)), Profile: given(q.Profile),
		})
	})
	if err != nil {
		return Report{}, err
	}
	return report(r), nil
}

// Deployments lists deployments, the latest first.
func (h *HTTP) Deployments(ctx context.Context, q Query, page Page) (List[Deployment], error) {
	newest := true
	params := &dora.ListDeploymentsParams{
		Project: q.Project, Service: given(q.Service), Team: given(q.Team), Environment: given(q.Environment), From: given(q.From), To: given(q.To),
		Profile: given(q.Profile), Limit: page.limit(), Cursor: given(page.Cursor), Kind: given(dora.ListDeploymentsParamsKind(page.Kind)), Newest: &newest,
	}
	if page.Failed {
		params.Failed = &page.Failed
	}
	l, err := ask[dora.ListBodyDeployment](ctx, "the deployments", func(ctx context.Context) (*http.Response, error) {
		return h.client.ListDeployments(ctx, params)
	})
	return List[Deployment]{each(l.Items, deployment), value(l.NextCursor)}, err
}

// Changes lists changes, the latest first.
func (h *HTTP) Changes(ctx context.Context, q Query, page Page) (List[Change], error) {
	newest := true
	l, err := ask[dora.ListBodyChange](ctx, "the changes", func(ctx context.Context) (*http.Response, error) {
		return h.client.ListChanges(ctx, &dora.ListChangesParams{
			Project: q.Project, Service: given(q.Service), Team: given(q.Team), Environment: given(q.Environment), From: given(q.From), To: given(q.To),
			Profile: given(q.Profile), Limit: page.limit(), Cursor: given(page.Cursor), Deployment: given(page.Deployment), Newest: &newest,
		})
	})
	return List[Change]{each(l.Items, change), value(l.NextCursor)}, err
}

// Incidents lists incidents, the latest first.
func (h *HTTP) Incidents(ctx context.Context, q Query, page Page) (List[Incident], error) {
	newest := true
	l, err := ask[dora.ListBodyIncident](ctx, "the incidents", func(ctx context.Context) (*http.Response, error) {
		return h.client.ListIncidents(ctx, &dora.ListIncidentsParams{
			Project: q.Project, Service: given(q.Service), Team: given(q.Team), Environment: given(q.Environment), From: given(q.From), To: given(q.To),
			Profile: given(q.Profile), Limit: page.limit(), Cursor: given(page.Cursor), Deployment: given(page.Deployment), Newest: &newest,
		})
	})
	return List[Incident]{each(l.Items, incident), value(l.NextCursor)}, err
}
