package dora

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

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
			if in.Project != "" {
				if err := touch(ctx, in.Project); err != nil {
					return nil, err
				}
			}
			entries, err := s.store.Events(ctx, in.After, in.Limit)
			if err != nil {
				return nil, err
			}
			own, err := s.ownersNow(ctx)
			if err != nil {
				return nil, err
			}
			out := feedBody{Items: []feedItem{}, Next: in.After}
			for _, e := range entries {
				out.Next = e.Seq
				name, o := own.of[e.Origin], own.origins[e.Origin]
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
