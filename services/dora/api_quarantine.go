package dora

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
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
