package delivery

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/fawkes-idp/fawkes/api/client/dora"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// Relay is how far a DevLake has been told of the history.
type Relay struct {
	Configured                              bool
	URL                                     string
	Reachable                               *bool // nil while nobody tried
	Pending, Sent, Waiting, Dead, Discarded int
	Lag                                     *float64 // seconds
	LastError                               string
	LastErrorAt, LastSentAt                 *time.Time
	Projects                                []RelayProject
}

// RelayProject is one project's part of it. Waiting is by what is missing.
type RelayProject struct {
	Name                                    string
	Pending, Sent, Waiting, Dead, Discarded int
	Missing                                 map[string]int
	SetUpAt                                 *time.Time
	Error                                   string
}

// DeadLetter is what DevLake refused.
type DeadLetter struct {
	ID, Project, Kind, Entity string
	Error                     string
	Status, Attempts          int
	ChangedAt                 *time.Time
	Body                      string
}

// Relay reads how the relay stands.
func (h *HTTP) Relay(ctx context.Context) (Relay, error) {
	w, err := ask[dora.RelayBody](ctx, "the relay", func(ctx context.Context) (*http.Response, error) { return h.client.GetRelay(ctx) })
	out := Relay{
		Configured: w.Configured, URL: w.URL, Reachable: w.Reachable, Pending: int(w.Pending), Sent: int(w.Sent), Waiting: int(w.Waiting),
		Dead: int(w.Dead), Discarded: int(w.Discarded), Lag: w.LagSeconds, LastError: value(w.LastError), LastErrorAt: w.LastErrorAt, LastSentAt: w.LastSentAt,
	}
	out.Projects = each(w.Projects, func(w dora.RelayProjectBody) RelayProject {
		p := RelayProject{Name: w.Project, Pending: int(w.Pending), Sent: int(w.Sent), Dead: int(w.Dead), Discarded: int(w.Discarded), SetUpAt: w.SetUpAt, Error: value(w.Error), Missing: map[string]int{}}
		for why, n := range w.Waiting {
			p.Missing[why] = int(n)
			p.Waiting += int(n)
		}
		return p
	})
	return out, err
}

// DeadLetters lists what DevLake refused.
func (h *HTTP) DeadLetters(ctx context.Context, page Page) (List[DeadLetter], error) {
	l, err := ask[dora.ListBodyDeadLetterBody](ctx, "the dead letters", func(ctx context.Context) (*http.Response, error) {
		return h.client.ListDeadLetters(ctx, &dora.ListDeadLettersParams{Limit: page.limit(), Cursor: given(page.Cursor)})
	})
	return List[DeadLetter]{each(l.Items, func(w dora.DeadLetterBody) DeadLetter {
		return DeadLetter{ID: w.ID, Project: w.Project, Kind: w.Kind, Entity: w.Entity, Error: w.Error, Status: int(w.Status), Attempts: int(w.Attempts), ChangedAt: w.ChangedAt, Body: w.Body}
	}), value(l.NextCursor)}, err
}

// SettleDeadLetters has dead letters sent again, or discards them: the one with the number, or all for "".
func (h *HTTP) SettleDeadLetters(ctx context.Context, id string, discard bool) error {
	n := int64(0)
	if id != "" {
		var err error
		if n, err = strconv.ParseInt(id, 10, 64); err != nil {
			return problem.New(problem.NotFound, "there is no dead letter %q; they are numbered", id)
		}
	}
	return do(ctx, "the dead letters", func(ctx context.Context) (*http.Response, error) {
		switch {
		case id != "" && discard:
			return h.client.DiscardDeadLetter(ctx, n)
		case id != "":
			return h.client.RetryDeadLetter(ctx, n)
		case discard:
			return h.client.DiscardDeadLetters(ctx, &dora.DiscardDeadLettersParams{})
		}
		return h.client.RetryDeadLetters(ctx, &dora.RetryDeadLettersParams{})
	})
}
