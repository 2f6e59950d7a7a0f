package dora

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/audit"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

type auditBody struct {
	ID      string    `json:"id" doc:"Number of the entry"`
	At      time.Time `json:"at" doc:"When it was done"`
	Actor   string    `json:"actor" doc:"A person's id, a workload's name, or system"`
	Via     string    `json:"via" doc:"The id of the session or token that was used"`
	Action  string    `json:"action" example:"source.added" doc:"What was done"`
	Project string    `json:"project" doc:"The project that it concerns; empty where it concerns none"`
	Target  string    `json:"target" doc:"What it was done to"`
	Detail  string    `json:"detail" doc:"More, for people to read"`
}

// registerAudit adds the list of who changed what.
func (s *Service) registerAudit(api huma.API) {
	huma.Register(api, operation("list-audit", http.MethodGet, "/audit", "audit", auth.ScopeDoraAdmin,
		"Who changed what", "The newest first. Entries are only ever added."),
		func(ctx context.Context, in *struct {
			PageInput
			Project string `query:"project" doc:"Only what concerns this project"`
			Actor   string `query:"actor" doc:"Only what this person, workload or system did"`
			Action  string `query:"action" doc:"Only this action, for example source.added"`
			Target  string `query:"target" doc:"Only what was done to this"`
		}) (*listOutput[auditBody], error) {
			if in.Project != "" {
				if err := touch(ctx, in.Project); err != nil {
					return nil, err
				}
			}
			before, err := in.offset()
			if err != nil {
				return nil, err
			}
			q := audit.Query{Before: int64(before), Limit: in.Limit + 1, Actor: in.Actor, Action: in.Action, Project: in.Project, Target: in.Target}
			if p, ok := auth.FromContext(ctx); ok {
				q.Projects = p.Projects
			}
			rows, err := s.store.Audit(ctx, q)
			if err != nil {
				return nil, err
			}
			out := &listOutput[auditBody]{Body: listBody[auditBody]{Items: []auditBody{}}}
			for i, e := range rows {
				if i == in.Limit {
					out.Body.NextCursor = cursorAt(int(rows[i-1].Seq))
					break
				}
				out.Body.Items = append(out.Body.Items, auditBody{ID: strconv.FormatInt(e.Seq, 10), At: e.At, Actor: e.Actor, Via: e.Via,
					Action: e.Action, Project: e.Project, Target: e.Target, Detail: e.Detail})
			}
			return out, nil
		})
}
