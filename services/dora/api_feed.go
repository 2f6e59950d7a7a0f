package dora

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

type feedItem struct {
	Seq        int64           `json:"seq" doc:"Number in the log"`
	Project    string          `json:"project" doc:"The project that it belongs to; empty while that cannot be told"`
	Source     string          `json:"source" doc:"Who reported it"`
	ReceivedAt *time.Time      `json:"received_at" doc:"When it was stored"`
	Event      json.RawMessage `json:"event" doc:"The event in the bulk format"`
}

type feedBody struct {
	Items []feedItem `json:"items" doc:"Events in the order of the log"`
	Next  int64      `json:"next" doc:"Give this as after to go on; the same as before when there is nothing new. It moves over events that the filters leave out"`
	Head  int64      `json:"head" doc:"Number of the last event of the log: next has reached it when there is nothing more"`
}

// feedFilter is which events of the log are told of.
type feedFilter struct {
	project string
	sources []string
	types   []string
}

func (f feedFilter) takes(ctx context.Context, r feedRow) bool {
	return (f.project == "" || r.project == f.project) && (len(f.sources) == 0 || slices.Contains(f.sources, r.source)) &&
		(len(f.types) == 0 || slices.Contains(f.types, string(r.kind))) && touch(ctx, r.project) == nil
}

// newFilter reads the filters of a request; lists are separated by commas.
func newFilter(ctx context.Context, project, types, sources string) (feedFilter, error) {
	f := feedFilter{project: project, sources: words(sources), types: words(types)}
	for _, t := range f.types {
		if !slices.Contains(event.Types(), event.Type(t)) {
			return f, problem.New(problem.InvalidField, "%q is not a type of event", t).WithField("query.type").
				WithMend("the types are " + strings.Join(typeNames(), ", "))
		}
	}
	if project == "" {
		return f, nil
	}
	return f, touch(ctx, project)
}

func typeNames() []string {
	var out []string
	for _, t := range event.Types() {
		out = append(out, string(t))
	}
	return out
}

// mostScanned bounds how much of the log one answer of the feed looks through.
const mostScanned = 10_000

// registerFeed adds the feed that other services follow.
func (s *Service) registerFeed(api huma.API) {
	huma.Register(api, operation("list-events", http.MethodGet, "/events", "events", auth.ScopeDoraRead,
		"The event log", "In order; ask again with after=next to follow it, and with wait to be answered when there is something; begin with tail=true to learn where it ends. An event that was stored before the answer is in it or comes after next; none comes before."),
		func(ctx context.Context, in *struct {
			After   int64  `query:"after" minimum:"0" doc:"Only events after this number. Behind the end of the log it is answered 409 cursor_beyond_head, with the end in head"`
			Tail    bool   `query:"tail" doc:"Begin at the end of the log instead: with what comes from now on"`
			Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most events of an answer"`
			Project string `query:"project" doc:"Only events of this project"`
			Type    string `query:"type" doc:"Only events of these types, separated by commas"`
			Source  string `query:"source" doc:"Only what these sources reported, separated by commas"`
			Wait    int    `query:"wait" minimum:"0" maximum:"25" doc:"When there is nothing, answer at the first event, at the latest after so many seconds"`
		}) (*struct{ Body feedBody }, error) {
			filter, err := newFilter(ctx, in.Project, in.Type, in.Source)
			if err != nil {
				return nil, err
			}
			if in.Tail && in.After != 0 {
				return nil, problem.New(problem.InvalidField, "after and tail are two places to begin at").WithField("query.tail").WithMend("give one of them")
			}
			until, cancel := context.WithTimeout(ctx, time.Duration(in.Wait)*time.Second)
			defer cancel()
			first := true
			out := feedBody{Items: []feedItem{}, Next: in.After}
			for {
				state, err := s.tail.look(ctx)
				if err != nil {
					return nil, err
				}
				if out.Head = state.head; first {
					if out.Next, err = s.beginning(ctx, in.After, in.Tail, state.head); err != nil {
						return nil, err
					}
					first = false
				}
				out.Head = max(out.Head, out.Next)
				if err := s.feedPage(ctx, filter, in.Limit, &out); err != nil {
					return nil, err
				}
				if len(out.Items) > 0 || out.Next < out.Head || in.Wait == 0 || s.nothingMore(until, state.version) {
					return &struct{ Body feedBody }{out}, ctx.Err()
				}
			}
		})
}

// beginning is the place in the log that a reader goes on from. One that lies
// behind the end is an error: the reader has seen a log that is no more, that from
// before a restoration, and would otherwise wait in silence and miss what comes.
func (s *Service) beginning(ctx context.Context, after int64, tail bool, head int64) (int64, error) {
	if tail {
		return head, nil
	}
	if after > head { // as it was looked at, maybe by another
		var err error
		if head, err = s.store.LogHead(ctx); err != nil {
			return 0, err
		}
	}
	if after > head {
		return 0, problem.New(problem.BeyondHead, "the log ends at %d, before %d: it was restored from an older backup, or this is another log", head, after).
			WithField("query.after").WithHead(head).WithMend("forget what was learned of events after head, and go on with after=head; tail=true tells where the log ends")
	}
	return after, nil
}

// feedPage adds the events after out.Next, up to the limit or the bound of what
// one answer looks through.
func (s *Service) feedPage(ctx context.Context, filter feedFilter, limit int, out *feedBody) error {
	for scanned := 0; scanned < mostScanned && len(out.Items) < limit; {
		rows, err := s.feedRows(ctx, out.Next, limit)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if len(out.Items) == limit {
				return nil
			}
			out.Next = r.seq
			if filter.takes(ctx, r) {
				out.Items = append(out.Items, r.item)
			}
		}
		scanned += len(rows)
		if len(rows) < limit {
			return nil
		}
	}
	return nil
}

// nothingMore waits for something new; it says that there was nothing when ctx or
// the program ended.
func (s *Service) nothingMore(ctx context.Context, version int64) bool {
	ctx, cancel := untilClosing(ctx)
	defer cancel()
	_, err := s.tail.wait(ctx, version)
	return err != nil
}

// untilClosing is a context that ends, too, when the program begins to stop.
func untilClosing(ctx context.Context) (context.Context, context.CancelFunc) {
	closing := httpapi.Closing(ctx)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
