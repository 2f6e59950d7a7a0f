package dora

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

type quarantineBody struct {
	ID         string     `json:"id" doc:"Number of the delivery"`
	ReceivedAt *time.Time `json:"received_at" doc:"When it came"`
	Source     string     `json:"source" doc:"Who sent it"`
	Project    string     `json:"project" doc:"The project that its source belongs to"`
	Kind       string     `json:"kind" doc:"What the source called it"`
	Delivery   string     `json:"delivery" doc:"The source's id of it"`
	Field      string     `json:"field" doc:"The field at fault"`
	Detail     string     `json:"detail" doc:"What is wrong with it"`
	Size       int64      `json:"size" doc:"Bytes of the body"`
	Body       *string    `json:"body,omitempty" doc:"The first 64 KiB of the body; only of a single one"`
}

func quarantineOf(q Quarantined) quarantineBody {
	return quarantineBody{
		ID: strconv.FormatInt(q.ID, 10), ReceivedAt: stamp(q.ReceivedAt), Source: q.Source, Project: q.Project, Kind: q.Kind,
		Delivery: q.Delivery, Field: q.Field, Detail: q.Detail, Size: q.Size,
	}
}

type sourceBody struct {
	ID        string     `json:"id" doc:"Number of the source; of a DevLake connection its id in paths"`
	Kind      string     `json:"kind" doc:"github or devlake"`
	Name      string     `json:"name" doc:"Name, unique within its kind"`
	Project   string     `json:"project" doc:"The project that its events belong to"`
	Path      string     `json:"path" doc:"Where its deliveries go"`
	Secret    string     `json:"secret,omitempty" doc:"What signs its deliveries, or is their key; shown once"`
	CreatedAt *time.Time `json:"created_at" doc:"When it was set up"`
}

func sourceOf(v Source) sourceBody {
	b := sourceBody{ID: strconv.FormatInt(v.ID, 10), Kind: v.Kind, Name: v.Name, Project: v.Project, CreatedAt: stamp(v.CreatedAt), Path: "/webhooks/dora/github"}
	if v.Kind == sourceDevLake {
		b.Path = "/api/rest/plugins/webhook/connections/" + b.ID
	}
	return b
}

var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func (s *Service) registerAdmin(api huma.API) {
	s.registerQuarantine(api)
	s.registerImports(api)
	s.registerFeed(api)
	huma.Register(api, operation("list-sources", http.MethodGet, "/sources", "sources", auth.ScopeDoraAdmin,
		"Webhook sources", "Who may send deliveries; without their secrets."),
		func(ctx context.Context, _ *struct{}) (*listOutput[sourceBody], error) {
			all, err := s.store.Sources(ctx)
			out := &listOutput[sourceBody]{Body: listBody[sourceBody]{Items: []sourceBody{}}}
			for _, v := range all {
				if touch(ctx, v.Project) == nil {
					out.Body.Items = append(out.Body.Items, sourceOf(v))
				}
			}
			return out, err
		})
	add := operation("add-source", http.MethodPost, "/sources", "sources", auth.ScopeDoraAdmin,
		"Set up a webhook source", "Makes a secret of 256 random bits, which the answer shows once.")
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, func(ctx context.Context, in *struct {
		Body struct {
			Kind    string `json:"kind" enum:"github,devlake" doc:"What sends the deliveries"`
			Name    string `json:"name,omitempty" doc:"Name, unique within its kind; the project's without one"`
			Project string `json:"project" doc:"The project that its events belong to"`
		}
	}) (*struct{ Body sourceBody }, error) {
		v := Source{Kind: in.Body.Kind, Name: in.Body.Name, Project: in.Body.Project}
		if v.Name == "" {
			v.Name = v.Project
		}
		if !project.ValidName(v.Project) {
			return nil, problem.New(problem.InvalidField, "%q is not a name for a project", v.Project).WithField("body.project")
		}
		if !sourceName.MatchString(v.Name) {
			return nil, problem.New(problem.InvalidField, "%q is not a name: letters, digits and . _ -, at most 100", v.Name).WithField("body.name")
		}
		if err := touch(ctx, v.Project); err != nil {
			return nil, err
		}
		if p, ok := auth.FromContext(ctx); ok {
			v.CreatedBy = p.Subject
		}
		v, err := s.addSource(ctx, v)
		if errors.Is(err, ErrExists) {
			return nil, problem.New(problem.Conflict, "there is a %s source %q already", in.Body.Kind, v.Name).WithField("body.name").
				WithMend("choose another name, or remove that one: its secret cannot be shown again")
		}
		if err != nil {
			return nil, err
		}
		b := sourceOf(v)
		b.Secret = v.Secret
		return &struct{ Body sourceBody }{b}, nil
	})
	del := operation("delete-source", http.MethodDelete, "/sources/{id}", "sources", auth.ScopeDoraAdmin,
		"Remove a webhook source", "Its deliveries are refused from now on; what it sent stays.")
	del.DefaultStatus = http.StatusNoContent
	huma.Register(api, del, func(ctx context.Context, in *struct {
		ID int64 `path:"id" doc:"Number of the source"`
	}) (*struct{}, error) {
		err := s.store.DeleteSource(ctx, in.ID)
		if errors.Is(err, ErrNotFound) {
			return nil, notFoundf("there is no source %d", in.ID)
		}
		return nil, err
	})
}

func (s *Service) registerQuarantine(api huma.API) {
	huma.Register(api, operation("list-quarantine", http.MethodGet, "/quarantine", "quarantine", auth.ScopeDoraRead,
		"Deliveries that could not be read", "The newest first, each with the field at fault."),
		func(ctx context.Context, in *struct {
			PageInput
			Project string `query:"project" doc:"Only those of this project"`
		}) (*listOutput[quarantineBody], error) {
			if in.Project != "" {
				if err := touch(ctx, in.Project); err != nil {
					return nil, err
				}
			}
			before, err := in.offset()
			if err != nil {
				return nil, err
			}
			rows, err := s.store.Quarantined(ctx, in.Project, int64(before), in.Limit+1)
			if err != nil {
				return nil, err
			}
			out := &listOutput[quarantineBody]{Body: listBody[quarantineBody]{Items: []quarantineBody{}}}
			for i, q := range rows {
				if i == in.Limit {
					out.Body.NextCursor = cursorAt(int(rows[i-1].ID))
					break
				}
				if touch(ctx, q.Project) == nil {
					out.Body.Items = append(out.Body.Items, quarantineOf(q))
				}
			}
			return out, nil
		})
	huma.Register(api, operation("get-quarantine", http.MethodGet, "/quarantine/{id}", "quarantine", auth.ScopeDoraWrite,
		"One such delivery", "With the beginning of its body."),
		func(ctx context.Context, in *struct {
			ID int64 `path:"id" doc:"Number of the delivery"`
		}) (*struct{ Body quarantineBody }, error) {
			q, err := s.store.QuarantinedOne(ctx, in.ID)
			if errors.Is(err, ErrNotFound) || err == nil && touch(ctx, q.Project) != nil {
				return nil, notFoundf("there is no quarantined delivery %d", in.ID)
			}
			if err != nil {
				return nil, err
			}
			b := quarantineOf(q)
			text := string(q.Body)
			if !utf8.ValidString(text) {
				text = fmt.Sprintf("%q", q.Body)
			}
			b.Body = &text
			return &struct{ Body quarantineBody }{b}, nil
		})
}

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
			v.UpdatedAt = stamp(now)
			return &struct{ Body importState }{v}, nil
		})
}

type feedItem struct {
	Seq        int64           `json:"seq" doc:"Number in the log"`
	Project    string          `json:"project" doc:"The project that it belongs to; empty while that cannot be told"`
	ReceivedAt *time.Time      `json:"received_at" doc:"When it was stored"`
	Event      json.RawMessage `json:"event" doc:"The event in the bulk format"`
}

type feedBody struct {
	Items []feedItem `json:"items" doc:"Events in the order of the log"`
	Next  int64      `json:"next" doc:"Give this as after to go on; the same as before when there is nothing new"`
}

// registerFeed adds the feed that other services follow.
func (s *Service) registerFeed(api huma.API) {
	huma.Register(api, operation("list-events", http.MethodGet, "/events", "events", auth.ScopeDoraRead,
		"The event log", "In order; ask again with after=next to follow it."),
		func(ctx context.Context, in *struct {
			After   int64  `query:"after" minimum:"0" doc:"Only events after this number"`
			Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most events of an answer"`
			Project string `query:"project" doc:"Only events of this project"`
		}) (*struct{ Body feedBody }, error) {
			entries, err := s.store.Events(ctx, in.After, in.Limit)
			if err != nil {
				return nil, err
			}
			all, err := s.store.Origins(ctx)
			if err != nil {
				return nil, err
			}
			declared, err := s.store.Projects(ctx)
			if err != nil {
				return nil, err
			}
			origins := map[int64]Origin{}
			for _, o := range all {
				origins[o.ID] = o
			}
			of := assign(all, declared)
			out := feedBody{Items: []feedItem{}, Next: in.After}
			for _, e := range entries {
				out.Next = e.Seq
				name, o := of[e.Origin], origins[e.Origin]
				if in.Project != "" && name != in.Project || touch(ctx, name) != nil {
					continue
				}
				body, err := event.Unpack(o.Type, e.Body)
				if err != nil {
					return nil, err
				}
				line, err := event.MarshalLine(event.Event{Source: o.Source, Project: o.Project, At: e.At, Body: body})
				if err != nil {
					return nil, err
				}
				out.Items = append(out.Items, feedItem{Seq: e.Seq, Project: name, ReceivedAt: stamp(e.ReceivedAt), Event: line})
			}
			return &struct{ Body feedBody }{out}, nil
		})
}
