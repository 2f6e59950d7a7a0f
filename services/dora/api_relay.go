package dora

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/services/dora/relay"
)

type relayProjectBody struct {
	Project    string         `json:"project" doc:"Name of the project"`
	Pending    int            `json:"pending" doc:"Entities that DevLake is still to be told of"`
	Sent       int            `json:"sent" doc:"Entities that DevLake has as they are now"`
	Dead       int            `json:"dead" doc:"Entities that DevLake refused"`
	Discarded  int            `json:"discarded" doc:"Refused ones that somebody gave up"`
	Waiting    map[string]int `json:"waiting" doc:"Entities that cannot be sent yet, by what is missing: not_finished, outcome_unknown, source_sha_unknown, source_sha_abbreviated, repository_unknown, creation_unknown, number_not_numeric"`
	LagSeconds *float64       `json:"lag_seconds" doc:"How long the oldest pending one has been waiting; null when none is pending"`
	SetUpAt    *time.Time     `json:"set_up_at" doc:"When its project and connections in DevLake were last found or made; null while they are not"`
	Error      *string        `json:"error" doc:"Why it could not be set up; null when it could"`
}

type relayBody struct {
	Configured bool               `json:"configured" doc:"Whether there is a DevLake to relay to (dora.devlake_url)"`
	URL        string             `json:"url" doc:"Its address; empty for none"`
	Reachable  *bool              `json:"reachable" doc:"Whether it took the last request; null while nobody tried"`
	CheckedAt  *time.Time         `json:"checked_at" doc:"When that was noted; it is noted anew when it changes, and every few seconds while something is sent"`
	Pending    int                `json:"pending" doc:"Entities that DevLake is still to be told of"`
	Sent       int                `json:"sent" doc:"Entities that DevLake has as they are now"`
	Dead       int                `json:"dead" doc:"Entities that DevLake refused: see the dead letters"`
	Discarded  int                `json:"discarded" doc:"Refused ones that somebody gave up"`
	Waiting    int                `json:"waiting" doc:"Entities that cannot be sent yet, because DevLake requires what is not known"`
	LagSeconds *float64           `json:"lag_seconds" doc:"How long the oldest pending one has been waiting; null when none is pending"`
	LastSentAt *time.Time         `json:"last_sent_at" doc:"When DevLake last accepted something; null for never"`
	LastError  *string            `json:"last_error" doc:"What is wrong with the settings or with DevLake now; null when nothing is"`
	ErrorAt    *time.Time         `json:"last_error_at" doc:"When that was noted; null for never, and for the settings"`
	Projects   []relayProjectBody `json:"projects" doc:"The projects that are relayed"`
}

type deadLetterBody struct {
	ID        string     `json:"id" doc:"Number of the dead letter"`
	Project   string     `json:"project" doc:"Name of the project"`
	Kind      string     `json:"kind" doc:"deployment, incident or pull_request"`
	Entity    string     `json:"entity" doc:"Key of the entity"`
	Attempts  int        `json:"attempts" doc:"How often it was sent"`
	Status    int        `json:"status" doc:"HTTP status of DevLake's last answer; 0 when there was none"`
	Error     string     `json:"error" doc:"What DevLake said"`
	ChangedAt *time.Time `json:"changed_at" doc:"Since when DevLake was to be told"`
	Body      string     `json:"body" doc:"What DevLake was sent, as JSON"`
}

type changedBody struct {
	Changed int64 `json:"changed" doc:"How many dead letters it concerned"`
}

// The actions of the audit log.
const (
	actionDeadLettersRetried   = "relay.retried"
	actionDeadLettersDiscarded = "relay.discarded"
)

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func textOf(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func lagOf(d time.Duration, pending int) *float64 {
	if pending == 0 {
		return nil
	}
	v := d.Seconds()
	return &v
}

// relayStatus is the status as the caller may see it: of the projects that its
// credential is for.
func (s *Service) relayStatus(ctx context.Context) (relayBody, error) {
	st, err := s.relay.Status(ctx)
	if err != nil {
		return relayBody{}, err
	}
	b := relayBody{Configured: st.Configured, URL: st.URL, Reachable: st.Reachable, CheckedAt: timeOf(st.CheckedAt),
		LastSentAt: timeOf(st.SentAt), LastError: textOf(st.Error), ErrorAt: timeOf(st.ErrorAt), Projects: []relayProjectBody{}}
	if st.Fault != "" {
		b.LastError, b.ErrorAt = textOf(st.Fault), nil
	}
	var lag time.Duration
	for _, p := range st.Projects {
		if touch(ctx, p.Project) != nil {
			continue
		}
		v := relayProjectBody{Project: p.Project, Pending: p.Pending, Sent: p.Sent, Dead: p.Dead, Discarded: p.Discarded, Waiting: p.Waiting,
			LagSeconds: lagOf(p.Lag, p.Pending), SetUpAt: timeOf(p.SetUpAt), Error: textOf(p.Error)}
		if v.Waiting == nil {
			v.Waiting = map[string]int{}
		}
		for _, n := range v.Waiting {
			b.Waiting += n
		}
		b.Pending, b.Sent, b.Dead, b.Discarded = b.Pending+v.Pending, b.Sent+v.Sent, b.Dead+v.Dead, b.Discarded+v.Discarded
		lag = max(lag, p.Lag)
		if b.LastError == nil && v.Error != nil {
			b.LastError = textOf(p.Project + ": " + *v.Error)
		}
		b.Projects = append(b.Projects, v)
	}
	b.LagSeconds = lagOf(lag, b.Pending)
	return b, nil
}

func (s *Service) registerRelay(api huma.API) {
	huma.Register(api, operation("get-relay", http.MethodGet, "/relay", "relay", auth.ScopeDoraRead,
		"How the relay to DevLake stands", "Whether there is one, whether DevLake takes requests, what it has and what it is still to be told."),
		func(ctx context.Context, _ *struct{}) (*struct{ Body relayBody }, error) {
			b, err := s.relayStatus(ctx)
			if err != nil {
				return nil, err
			}
			return &struct{ Body relayBody }{b}, nil
		})
	huma.Register(api, operation("list-dead-letters", http.MethodGet, "/relay/dead-letters", "relay", auth.ScopeDoraRead,
		"What DevLake refused", "With what it said. None is tried again unless it changes or somebody asks for it."),
		func(ctx context.Context, in *struct {
			PageInput
			Project string `query:"project" doc:"Only those of this project"`
		}) (*listOutput[deadLetterBody], error) {
			return s.deadLetters(ctx, in.PageInput, in.Project)
		})
	for _, v := range []struct {
		name, title, text, action string
		do                        func(o *relay.Outbox, ctx context.Context, id int64, project string, now time.Time) (int64, error)
	}{
		{"retry", "Send again what DevLake refused", "As the entity is now, with a fresh count of attempts.", actionDeadLettersRetried, (*relay.Outbox).Retry},
		{"discard", "Give up what DevLake refused", "DevLake is not told of it until it changes.", actionDeadLettersDiscarded, (*relay.Outbox).Discard},
	} {
		huma.Register(api, operation(v.name+"-dead-letter", http.MethodPost, "/relay/dead-letters/{id}/"+v.name, "relay", auth.ScopeDoraAdmin, v.title, v.text),
			func(ctx context.Context, in *struct {
				ID int64 `path:"id" minimum:"1" doc:"Number of the dead letter"`
			}) (*struct{ Body changedBody }, error) {
				d, err := s.deadLetter(ctx, in.ID)
				if err != nil {
					return nil, err
				}
				n, err := v.do(s.relay.Outbox(), ctx, in.ID, "", s.clock.Now())
				if err != nil {
					return nil, err
				}
				return &struct{ Body changedBody }{changedBody{n}}, s.audit(ctx, v.action, d.Project, strconv.FormatInt(d.ID, 10), d.Kind+" "+d.Entity)
			})
		huma.Register(api, operation(v.name+"-dead-letters", http.MethodPost, "/relay/dead-letters:"+v.name, "relay", auth.ScopeDoraAdmin, v.title+": all", v.text),
			func(ctx context.Context, in *struct {
				Project string `query:"project" doc:"Only those of this project"`
			}) (*struct{ Body changedBody }, error) {
				if err := touch(ctx, in.Project); err != nil {
					return nil, err
				}
				if s.relay.Outbox() == nil {
					return &struct{ Body changedBody }{}, nil
				}
				n, err := v.do(s.relay.Outbox(), ctx, 0, in.Project, s.clock.Now())
				if err != nil {
					return nil, err
				}
				return &struct{ Body changedBody }{changedBody{n}}, s.audit(ctx, v.action, in.Project, "dead letters", strconv.FormatInt(n, 10)+" of them")
			})
	}
}

// deadLetter is one of a project that the caller may touch.
func (s *Service) deadLetter(ctx context.Context, id int64) (relay.DeadLetter, error) {
	missing := notFoundf("there is no dead letter %d", id)
	if s.relay.Outbox() == nil {
		return relay.DeadLetter{}, missing
	}
	d, err := s.relay.Outbox().DeadLetter(ctx, id)
	if errors.Is(err, relay.ErrNotFound) || err == nil && touch(ctx, d.Project) != nil {
		return relay.DeadLetter{}, missing
	}
	return d, err
}

func (s *Service) deadLetters(ctx context.Context, page PageInput, project string) (*listOutput[deadLetterBody], error) {
	out := &listOutput[deadLetterBody]{Body: listBody[deadLetterBody]{Items: []deadLetterBody{}}}
	if project != "" {
		if err := touch(ctx, project); err != nil {
			return nil, err
		}
	}
	after, err := page.offset()
	if err != nil || s.relay.Outbox() == nil {
		return out, err
	}
	rows, err := s.relay.Outbox().DeadLetters(ctx, project, int64(after), page.Limit+1)
	if err != nil {
		return nil, err
	}
	for i, d := range rows {
		if i == page.Limit {
			out.Body.NextCursor = cursorAt(int(rows[i-1].ID))
			break
		}
		if touch(ctx, d.Project) == nil {
			out.Body.Items = append(out.Body.Items, deadLetterBody{
				ID: strconv.FormatInt(d.ID, 10), Project: d.Project, Kind: d.Kind, Entity: d.Entity, Attempts: d.Attempts, Status: d.Status,
				Error: d.Error, ChangedAt: timeOf(d.ChangedAt), Body: d.Body,
			})
		}
	}
	return out, nil
}
