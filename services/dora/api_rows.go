package dora

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

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

func (s *Service) registerRows(api huma.API) {
	huma.Register(api, operation("list-deployments", http.MethodGet, "/deployments", "rows", auth.ScopeDoraRead,
		"Deployments", "Each with its kind, what it replaced, whether and why it failed, and what restored service."),
		func(ctx context.Context, in *struct {
			ScopeInput
			PageInput
			Failed    bool   `query:"failed" doc:"Only those that failed"`
			Kind      string `query:"kind" enum:"first,forward,redeploy,rollback" doc:"Only those of this kind"`
			Newest    bool   `query:"newest" doc:"The latest first"`
			Uncounted bool   `query:"uncounted" doc:"Only the reports that do not count, because the source to believe there has not reported the deployment"`
		}) (*listOutput[metrics.Deployment], error) {
			a, q, p, err := s.ask(ctx, in.ScopeInput, "")
			if err != nil {
				return nil, err
			}
			return page(in.PageInput, metrics.List{Failed: in.Failed, Kind: in.Kind, Newest: in.Newest}, func(l metrics.List) (metrics.Rows[metrics.Deployment], error) {
				if in.Uncounted {
					return metrics.Uncounted(a.View, q, p, l)
				}
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
}
