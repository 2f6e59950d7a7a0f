package delivery

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/fawkes-idp/fawkes/api/client/dora"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// What became of a quarantined delivery.
const (
	QuarantineOpen      = "open"
	QuarantineReplayed  = "replayed"
	QuarantineDiscarded = "discarded"
)

// QuarantineFilter says which deliveries; an empty field is any.
type QuarantineFilter struct{ Status, Source, Project string }

// Quarantine is a page of the deliveries that could not be understood. Counts are by status, whichever is asked for.
type Quarantine struct {
	List[Quarantined]
	Total  int
	Counts map[string]int
}

// Quarantined is a delivery that could not be understood, kept as it came.
type Quarantined struct {
	ID, Source, SourceName, Project, Kind, Delivery string
	Field, Detail                                   string
	ReceivedAt                                      *time.Time
	Size                                            int
	Status                                          string
	Attempts                                        int
	TriedAt                                         *time.Time
	LastError                                       string
	SettledAt                                       *time.Time
	SettledBy                                       string

	// Of a single one: the body as far as it was kept. Binary says that it is no
	// text, and is shown quoted.
	Body              string
	Truncated, Binary bool
	Headers           map[string][]string
	Query             string
}

// Settled says what replaying or discarding came to. More says that there are
// further deliveries, to be asked for again.
type Settled struct {
	Replayed, Discarded, Failed int
	Stored, Duplicates          int
	Ignored                     string
	More                        bool
}

// Quarantine lists the deliveries that could not be understood, the newest first.
func (h *HTTP) Quarantine(ctx context.Context, which QuarantineFilter, page Page) (Quarantine, error) {
	l, err := ask[dora.QuarantineList](ctx, "the quarantine", func(ctx context.Context) (*http.Response, error) {
		return h.client.ListQuarantine(ctx, &dora.ListQuarantineParams{
			Limit: page.limit(), Cursor: given(page.Cursor), Project: given(which.Project), Source: given(which.Source),
			Status: given(dora.ListQuarantineParamsStatus(which.Status)),
		})
	})
	out := Quarantine{List: List[Quarantined]{each(l.Items, quarantined), value(l.NextCursor)}, Total: int(l.Total), Counts: map[string]int{}}
	for status, n := range l.Counts {
		out.Counts[status] = int(n)
	}
	return out, err
}

// QuarantineEntry reads one of them with its body.
func (h *HTTP) QuarantineEntry(ctx context.Context, id string) (Quarantined, error) {
	n, err := quarantineNumber(id)
	if err != nil {
		return Quarantined{}, err
	}
	q, err := ask[dora.QuarantineBody](ctx, "a quarantined delivery", func(ctx context.Context) (*http.Response, error) {
		return h.client.GetQuarantine(ctx, n)
	})
	return quarantined(q), err
}

// Replay has one of them read again, a corrected body in the place of its own where one is given.
func (h *HTTP) Replay(ctx context.Context, id string, corrected *string) (Settled, error) {
	n, err := quarantineNumber(id)
	if err != nil {
		return Settled{}, err
	}
	r, err := ask[dora.Replayed](ctx, "a replay", func(ctx context.Context) (*http.Response, error) {
		return h.client.ReplayQuarantine(ctx, n, dora.ReplayQuarantineJSONRequestBody{Body: corrected})
	})
	return Settled{Replayed: 1, Stored: int(r.Stored), Duplicates: int(r.Duplicates), Ignored: value(r.Ignored)}, err
}

// Discard puts one of them aside.
func (h *HTTP) Discard(ctx context.Context, id string) error {
	n, err := quarantineNumber(id)
	if err != nil {
		return err
	}
	_, err = ask[dora.QuarantineBody](ctx, "a quarantined delivery", func(ctx context.Context) (*http.Response, error) {
		return h.client.DiscardQuarantine(ctx, n)
	})
	return err
}

// SettleAll replays, or discards, the open ones that the filter names, as many as the service does in one go.
func (h *HTTP) SettleAll(ctx context.Context, which QuarantineFilter, discard bool) (Settled, error) {
	r, err := ask[dora.SettledMany](ctx, "the quarantine", func(ctx context.Context) (*http.Response, error) {
		if discard {
			return h.client.DiscardAllQuarantine(ctx, &dora.DiscardAllQuarantineParams{Project: given(which.Project), Source: given(which.Source)})
		}
		return h.client.ReplayAllQuarantine(ctx, &dora.ReplayAllQuarantineParams{Project: given(which.Project), Source: given(which.Source)})
	})
	return Settled{
		Replayed: int(r.Replayed), Discarded: int(r.Discarded), Failed: int(r.Failed), Stored: int(r.Stored), Duplicates: int(r.Duplicates),
		More: r.NextCursor != nil,
	}, err
}

func quarantineNumber(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0, problem.New(problem.NotFound, "there is no quarantined delivery %q; deliveries are numbered", id)
	}
	return n, nil
}

func quarantined(w dora.QuarantineBody) Quarantined {
	q := Quarantined{
		ID: w.ID, ReceivedAt: w.ReceivedAt, Source: w.Source, SourceName: w.SourceName, Project: w.Project, Kind: w.Kind, Delivery: w.Delivery,
		Field: w.Field, Detail: w.Detail, Size: int(w.Size), Status: string(w.Status), Attempts: int(w.Attempts), TriedAt: w.TriedAt, LastError: w.LastError,
		SettledAt: w.SettledAt, SettledBy: w.SettledBy, Body: value(w.Body), Truncated: w.Truncated, Binary: w.BodyBase64 != nil, Query: value(w.Query),
	}
	if w.Headers != nil {
		q.Headers = map[string][]string{}
		for name, values := range *w.Headers {
			if values != nil {
				q.Headers[name] = *values
			}
		}
	}
	return q
}
