package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/fawkes-idp/fawkes/api/client/dora"
)

// recentSpan is how many events of the log are looked through for a project's latest.
const recentSpan = 1000

// Happening is one event of the log as it came in.
type Happening struct {
	Seq        int64
	Type       string
	Source     string
	ReceivedAt *time.Time

	ID, Service, Environment, Outcome, Kind string
	Repo, SHA, Digest, Number, Title        string
	Resolved                                bool // of an incident
	Merged                                  bool // of a pull request
}

// Recent lists a project's latest events, the newest first, at most so many; it looks at the end of the log only.
func (h *HTTP) Recent(ctx context.Context, project string, most int) ([]Happening, error) {
	feed := func(params dora.ListEventsParams) (dora.FeedBody, error) {
		return ask[dora.FeedBody](ctx, "the event log", func(ctx context.Context) (*http.Response, error) {
			return h.client.ListEvents(ctx, &params)
		})
	}
	tail, span := true, int64(recentSpan)
	end, err := feed(dora.ListEventsParams{Tail: &tail})
	if err != nil {
		return nil, err
	}
	after := max(end.Head-span, 0)
	last, err := feed(dora.ListEventsParams{After: &after, Limit: &span, Project: given(project)})
	if err != nil {
		return nil, err
	}
	items := list(last.Items)
	out := make([]Happening, 0, most)
	for _, item := range slices.Backward(items) {
		if len(out) == most {
			break
		}
		v, err := happening(item)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func happening(w dora.FeedItem) (Happening, error) {
	text, err := json.Marshal(w.Event)
	if err != nil {
		return Happening{}, fmt.Errorf("understand event %d: %w", w.Seq, err)
	}
	var e struct {
		Type        string     `json:"type"`
		ID          string     `json:"id"`
		Service     string     `json:"service"`
		Environment string     `json:"environment"`
		Outcome     string     `json:"outcome"`
		Kind        string     `json:"kind"`
		Repo        string     `json:"repo"`
		SHA         string     `json:"sha"`
		Digest      string     `json:"digest"`
		Number      string     `json:"number"`
		Title       string     `json:"title"`
		ResolvedAt  *time.Time `json:"resolved_at"`
		MergedAt    *time.Time `json:"merged_at"`
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return Happening{}, fmt.Errorf("understand event %d: %w", w.Seq, err)
	}
	return Happening{
		Seq: w.Seq, Type: e.Type, Source: w.Source, ReceivedAt: w.ReceivedAt,
		ID: e.ID, Service: e.Service, Environment: e.Environment, Outcome: e.Outcome, Kind: e.Kind,
		Repo: e.Repo, SHA: e.SHA, Digest: e.Digest, Number: e.Number, Title: e.Title,
		Resolved: e.ResolvedAt != nil, Merged: e.MergedAt != nil,
	}, nil
}
