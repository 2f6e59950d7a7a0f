package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	api = "/api/dora/v1"
	// answerLimit is the longest answer that is read; a page of rows is a small part of it.
	answerLimit = 32 << 20
	// patience is how long one question may take.
	patience = 20 * time.Second
	// projectsLimit bounds the overview: so many projects are searched.
	projectsLimit = 5000
)

// HTTP reads from the delivery metrics service over the peer network, with the caller's own credential and so with
// no more rights than the caller has.
type HTTP struct{ peers peer.Network }

// NewHTTP makes a reader; it makes no call yet.
func NewHTTP(peers peer.Network) *HTTP { return &HTTP{peers} }

// get asks one question. An answer that is a problem becomes the error as the service said it; the service that
// does not answer is unavailable, by name.
func get[T any](ctx context.Context, h *HTTP, path string, q url.Values) (out T, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	base, client := h.peers.Client("dora")
	target := base + api + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return out, fmt.Errorf("ask dora %s: %w", path, err)
	}
	r.Header.Set("Accept", "application/json")
	if id := problem.RequestID(ctx); id != "" {
		r.Header.Set("X-Request-Id", id)
	}
	if err := auth.Forward(ctx, r); err != nil {
		return out, fmt.Errorf("ask dora %s: %w", path, err)
	}
	answer, err := client.Do(r)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return out, err
		}
		return out, problem.New(problem.Unavailable, "the delivery metrics service does not answer").
			WithMend("load the page again in a moment; `fawkes status` says which service is down").WithCause(err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	if err != nil {
		return out, fmt.Errorf("read dora's answer to %s: %w", path, err)
	}
	if answer.StatusCode != http.StatusOK {
		return out, refusal(path, answer, body)
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, fmt.Errorf("understand dora's answer to %s: %w", path, err)
	}
	return out, nil
}

// refusal turns an answer that is not 200 into an error.
func refusal(path string, answer *http.Response, body []byte) error {
	if strings.HasPrefix(answer.Header.Get("Content-Type"), problem.ContentType) {
		var p problem.Problem
		if err := json.Unmarshal(body, &p); err == nil && p.Status == answer.StatusCode {
			p.Field = strings.TrimPrefix(p.Field, "query.")
			return &p
		}
	}
	return fmt.Errorf("dora answers %s with %s", path, answer.Status)
}

// values are the parameters of a question; what is empty is left to the service's default.
func (q Query) values() url.Values {
	v := url.Values{}
	for _, f := range []struct{ name, value string }{
		{"project", q.Project}, {"service", q.Service}, {"team", q.Team}, {"environment", q.Environment},
		{"from", q.From}, {"to", q.To}, {"interval", q.Interval}, {"profile", q.Profile},
	} {
		if f.value != "" {
			v.Set(f.name, f.value)
		}
	}
	return v
}

func (p Page) add(v url.Values) url.Values {
	if p.Limit > 0 {
		v.Set("limit", strconv.Itoa(p.Limit))
	}
	if p.Cursor != "" {
		v.Set("cursor", p.Cursor)
	}
	if p.Kind != "" {
		v.Set("kind", p.Kind)
	}
	if p.Failed {
		v.Set("failed", "true")
	}
	if p.Deployment != "" {
		v.Set("deployment", p.Deployment)
	}
	return v
}

// Projects lists all projects that the caller may see, page by page.
func (h *HTTP) Projects(ctx context.Context) ([]Project, error) {
	var out []Project
	for cursor := ""; len(out) < projectsLimit; {
		l, err := get[wireList[wireProject]](ctx, h, "/projects", Page{Limit: 500, Cursor: cursor}.add(url.Values{}))
		if err != nil {
			return nil, err
		}
		for _, p := range l.Items {
			v, err := p.project()
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		if l.NextCursor == nil {
			break
		}
		cursor = *l.NextCursor
	}
	return out, nil
}

// Project reads one project.
func (h *HTTP) Project(ctx context.Context, name string) (Project, error) {
	p, err := get[wireProject](ctx, h, "/projects/"+url.PathEscape(name), nil)
	if err != nil {
		return Project{}, err
	}
	return p.project()
}

// Report computes the five metrics of a window.
func (h *HTTP) Report(ctx context.Context, q Query) (Report, error) {
	r, err := get[wireReport](ctx, h, "/metrics", q.values())
	if err != nil {
		return Report{}, err
	}
	return r.report(), nil
}

// rows reads one page of a list, the latest first.
func rows[W, T any](ctx context.Context, h *HTTP, path string, q Query, page Page, turn func(W) T) (List[T], error) {
	q.Interval = ""
	v := page.add(q.values())
	v.Set("newest", "true")
	l, err := get[wireList[W]](ctx, h, path, v)
	if err != nil {
		return List[T]{}, err
	}
	return turned(l, turn), nil
}

func turned[W, T any](l wireList[W], turn func(W) T) List[T] {
	out := List[T]{NextCursor: deref(l.NextCursor)}
	for _, w := range l.Items {
		out.Items = append(out.Items, turn(w))
	}
	return out
}

// Deployments lists deployments.
func (h *HTTP) Deployments(ctx context.Context, q Query, page Page) (List[Deployment], error) {
	return rows(ctx, h, "/deployments", q, page, wireDeployment.deployment)
}

// Changes lists changes.
func (h *HTTP) Changes(ctx context.Context, q Query, page Page) (List[Change], error) {
	return rows(ctx, h, "/changes", q, page, wireChange.change)
}

// Incidents lists incidents. The service knows no kind of incident, and none that failed.
func (h *HTTP) Incidents(ctx context.Context, q Query, page Page) (List[Incident], error) {
	page.Kind, page.Failed = "", false
	return rows(ctx, h, "/incidents", q, page, wireIncident.incident)
}
