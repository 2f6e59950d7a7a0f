package dora

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// importState is how far an importer has read a repository.
type importState struct {
	Key         string     `json:"key" doc:"The importer's own name for what it reads"`
	Repo        string     `json:"repo" doc:"Repository"`
	Tips        []string   `json:"tips" doc:"Commits whose whole history is in the log"`
	Deployments int        `json:"deployments" doc:"Deployments made from it so far"`
	UpdatedAt   *time.Time `json:"updated_at,omitempty" doc:"When it was stored"`
}

func (s *Service) registerImports(api huma.API) {
	huma.Register(api, operation("list-imports", http.MethodGet, "/imports", "events", auth.ScopeDoraRead,
		"How far importers have come", "So that an import goes on where the last one ended."),
		func(ctx context.Context, in *struct {
			Project string `query:"project" required:"true" doc:"Name of the project"`
			Repo    string `query:"repo" doc:"Only of this repository"`
		}) (*listOutput[importState], error) {
			if err := touch(ctx, in.Project); err != nil {
				return nil, err
			}
			rows, err := s.store.Imports(ctx, in.Project, in.Repo)
			if err != nil {
				return nil, err
			}
			out := &listOutput[importState]{Body: listBody[importState]{Items: []importState{}}}
			for _, r := range rows {
				v := importState{}
				if err := json.Unmarshal([]byte(r.State), &v); err != nil {
					return nil, fmt.Errorf("read the progress of an import: %w", err)
				}
				v.Key, v.Repo, v.UpdatedAt = r.Key, r.Repo, stamp(r.UpdatedAt)
				out.Body.Items = append(out.Body.Items, v)
			}
			return out, nil
		})
	huma.Register(api, operation("put-import", http.MethodPut, "/imports/{key}", "events", auth.ScopeDoraWrite,
		"Store how far an importer has come", "Everything up to the tips must have been acknowledged before."),
		func(ctx context.Context, in *struct {
			Key     string `path:"key" maxLength:"256" doc:"The importer's own name for what it reads"`
			Project string `query:"project" required:"true" doc:"Name of the project"`
			Body    struct {
				Key         string     `json:"key,omitempty" doc:"As in the address"`
				Repo        string     `json:"repo,omitempty" maxLength:"2048" doc:"Repository"`
				Tips        []string   `json:"tips" maxItems:"10000" doc:"Commits whose whole history is in the log"`
				Deployments int        `json:"deployments,omitempty" minimum:"0" doc:"Deployments made from it so far"`
				UpdatedAt   *time.Time `json:"updated_at,omitempty" doc:"Ignored"`
			}
		}) (*struct{ Body importState }, error) {
			if err := touch(ctx, in.Project); err != nil {
				return nil, err
			}
			v := importState{Key: in.Key, Repo: in.Body.Repo, Tips: in.Body.Tips, Deployments: in.Body.Deployments}
			text, err := json.Marshal(v)
			if err != nil {
				return nil, fmt.Errorf("store the progress of an import: %w", err)
			}
			now := event.Micros(s.clock.Now())
			if err := s.store.PutImport(ctx, Import{Project: in.Project, Key: in.Key, Repo: v.Repo, State: string(text), UpdatedAt: now}); err != nil {
				return nil, err
			}
			if err := s.audit(ctx, ActionImportRecorded, in.Project, in.Key, fmt.Sprintf("%s: %d tips, %d deployments", v.Repo, len(v.Tips), v.Deployments)); err != nil {
				return nil, err
			}
			v.UpdatedAt = stamp(now)
			return &struct{ Body importState }{v}, nil
		})
}
