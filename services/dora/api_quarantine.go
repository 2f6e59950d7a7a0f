package dora

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

type quarantineBody struct {
	ID         string              `json:"id" doc:"Number of the delivery"`
	ReceivedAt *time.Time          `json:"received_at" doc:"When it came"`
	Age        int64               `json:"age_seconds" doc:"How long ago that was"`
	Source     string              `json:"source" doc:"Who reads it: a kind of source, devlake:NAME, or events for the bulk format"`
	SourceName string              `json:"source_name" doc:"Name of the webhook source that it came by; empty for none"`
	Project    string              `json:"project" doc:"The project that its source belongs to"`
	Kind       string              `json:"kind" doc:"What the source called it"`
	Delivery   string              `json:"delivery" doc:"The source's id of it"`
	Field      string              `json:"field" doc:"The field at fault"`
	Detail     string              `json:"detail" doc:"What is wrong with it"`
	Size       int64               `json:"size" doc:"Bytes of the body"`
	Truncated  bool                `json:"truncated" doc:"Whether only its first MiB was kept; then a replay needs a body"`
	Status     string              `json:"status" enum:"open,replayed,discarded" doc:"What became of it"`
	Attempts   int                 `json:"attempts" doc:"Replays that were tried"`
	TriedAt    *time.Time          `json:"tried_at" doc:"When the last was"`
	LastError  string              `json:"last_error" doc:"Why the last failed, when not for the field"`
	SettledAt  *time.Time          `json:"settled_at" doc:"When it was replayed or discarded"`
	SettledBy  string              `json:"settled_by" doc:"Who did"`
	Path       string              `json:"path,omitempty" doc:"What followed the path of its kind; only of a single one"`
	Query      string              `json:"query,omitempty" doc:"Its query, without secrets; only of a single one"`
	Headers    map[string][]string `json:"headers,omitempty" doc:"The headers that reading needs; only of a single one"`
	Body       *string             `json:"body,omitempty" doc:"The body, at most 1 MiB of it; only of a single one"`
	BodyBase64 *string             `json:"body_base64,omitempty" doc:"The same where it is not UTF-8"`
}

func (s *Service) quarantineOf(q Quarantined) quarantineBody {
	return quarantineBody{
		ID: strconv.FormatInt(q.ID, 10), ReceivedAt: stamp(q.ReceivedAt), Age: int64(s.clock.Now().Sub(q.ReceivedAt.Std()).Seconds()),
		Source: q.Source, SourceName: q.SourceName, Project: q.Project, Kind: q.Kind, Delivery: q.Delivery, Field: q.Field, Detail: q.Detail,
		Size: q.Size, Truncated: q.Truncated, Status: q.Status, Attempts: q.Attempts, TriedAt: stamp(q.TriedAt), LastError: q.LastError,
		SettledAt: stamp(q.SettledAt), SettledBy: q.SettledBy,
	}
}

// quarantineList is a page with what all of them count.
type quarantineList struct {
	Items      []quarantineBody `json:"items" doc:"The rows of this page"`
	NextCursor *string          `json:"next_cursor" doc:"Where the next page begins; null on the last"`
	Total      int              `json:"total" doc:"All that the filters name, on this page or not"`
	Counts     map[string]int   `json:"counts" doc:"The same by status, whichever status is asked for: open, replayed, discarded"`
}

// QuarantineFilterInput says which deliveries.
type QuarantineFilterInput struct {
	Project string `query:"project" doc:"Only those of this project"`
	Source  string `query:"source" doc:"Only those of this source: github, devlake:shop, devlake for all of its connections, events for the bulk format"`
}

// filter is what the caller asked for and may touch.
func (in QuarantineFilterInput) filter(ctx context.Context) (QuarantineFilter, error) {
	f := QuarantineFilter{Project: in.Project, Source: in.Source}
	if p, ok := auth.FromContext(ctx); ok {
		f.Projects = p.Projects
	}
	if in.Project != "" {
		return f, touch(ctx, in.Project)
	}
	return f, nil
}

func (s *Service) registerQuarantine(api huma.API) {
	huma.Register(api, operation("list-quarantine", http.MethodGet, "/quarantine", "quarantine", auth.ScopeDoraRead,
		"Deliveries that could not be read", "The newest first, each with the field at fault and what became of it."),
		func(ctx context.Context, in *struct {
			PageInput
			QuarantineFilterInput
			Status string `query:"status" enum:"open,replayed,discarded" doc:"Only those with this status"`
		}) (*struct{ Body quarantineList }, error) {
			f, err := in.filter(ctx)
			if err != nil {
				return nil, err
			}
			f.Status = in.Status
			before, err := in.offset()
			if err != nil {
				return nil, err
			}
			rows, err := s.store.Quarantined(ctx, f, int64(before), in.Limit+1)
			if err != nil {
				return nil, err
			}
			out := &struct{ Body quarantineList }{}
			if out.Body.Counts, err = s.store.CountQuarantined(ctx, f); err != nil {
				return nil, err
			}
			for status, n := range out.Body.Counts {
				if in.Status == "" || in.Status == status {
					out.Body.Total += n
				}
			}
			out.Body.Items = []quarantineBody{}
			for i, q := range rows {
				if i == in.Limit {
					out.Body.NextCursor = cursorAt(int(rows[i-1].ID))
					break
				}
				out.Body.Items = append(out.Body.Items, s.quarantineOf(q))
			}
			return out, nil
		})
	huma.Register(api, operation("get-quarantine", http.MethodGet, "/quarantine/{id}", "quarantine", auth.ScopeDoraWrite,
		"One such delivery", "With its body and the headers that reading needs."),
		func(ctx context.Context, in *QuarantineIDInput) (*struct{ Body quarantineBody }, error) {
			q, err := s.quarantined(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			b := s.quarantineOf(q)
			b.Path, b.Query, b.Headers = q.Path, q.Query, q.Header
			text := string(q.Body)
			if !utf8.ValidString(text) {
				raw := base64.StdEncoding.EncodeToString(q.Body)
				text, b.BodyBase64 = strconv.Quote(text), &raw
			}
			b.Body = &text
			return &struct{ Body quarantineBody }{b}, nil
		})
	s.registerReplay(api)
}

// QuarantineIDInput names a quarantined delivery.
type QuarantineIDInput struct {
	ID int64 `path:"id" doc:"Number of the delivery"`
}

// registerReplay adds what is done about such deliveries.
func (s *Service) registerReplay(api huma.API) {
	op := operation("replay-quarantine", http.MethodPost, "/quarantine/{id}/replay", "quarantine", auth.ScopeDoraWrite,
		"Read a delivery again", "As if it came now with the time of then; with a body, that one in its place. What is stored already is not stored again. One that still cannot be read is answered with the field at fault and stays.")
	op.MaxBodyBytes = 2 * mostReplayed
	huma.Register(api, op, func(ctx context.Context, in *struct {
		QuarantineIDInput
		Body *struct {
			Body *string `json:"body,omitempty" doc:"A corrected body; without one, the body as it came"`
		} `required:"false"`
	}) (*struct{ Body replayed }, error) {
		q, err := s.quarantined(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		var corrected *string
		if in.Body != nil {
			corrected = in.Body.Body
		}
		got, err := s.replay(ctx, q, corrected)
		if err != nil {
			return nil, err
		}
		return &struct{ Body replayed }{got}, nil
	})
	huma.Register(api, operation("discard-quarantine", http.MethodPost, "/quarantine/{id}/discard", "quarantine", auth.ScopeDoraWrite,
		"Put a delivery aside", "It stays in the list as discarded for 30 days, and can still be replayed."),
		func(ctx context.Context, in *QuarantineIDInput) (*struct{ Body quarantineBody }, error) {
			q, err := s.quarantined(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			if q, err = s.discard(ctx, q); err != nil {
				return nil, err
			}
			return &struct{ Body quarantineBody }{s.quarantineOf(q)}, nil
		})
	many := func(id, path, summary, text string, discard bool) {
		huma.Register(api, operation(id, http.MethodPost, path, "quarantine", auth.ScopeDoraWrite, summary, text),
			func(ctx context.Context, in *struct {
				QuarantineFilterInput
				Cursor string `query:"cursor" doc:"next_cursor of the call before"`
			}) (*struct{ Body settledMany }, error) {
				f, err := in.filter(ctx)
				if err != nil {
					return nil, err
				}
				before, err := PageInput{Cursor: in.Cursor}.offset()
				if err != nil {
					return nil, err
				}
				got, err := s.settleMany(ctx, f, int64(before), discard)
				if err != nil {
					return nil, err
				}
				return &struct{ Body settledMany }{got}, nil
			})
	}
	many("replay-all-quarantine", "/quarantine:replay", "Read many deliveries again",
		"All that are open, the newest first, at most 500 a call: for after Fawkes or a declaration was mended.", false)
	many("discard-all-quarantine", "/quarantine:discard", "Put many deliveries aside",
		"All that are open, the newest first, at most 500 a call.", true)
}

// mostReplayed is the largest body that a replay takes.
const mostReplayed = 25 << 20
