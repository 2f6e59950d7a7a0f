package dora

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/audit"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/devlake"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// replayed says what reading a quarantined delivery again came to.
type replayed struct {
	ID         string `json:"id" doc:"Number of the delivery"`
	Status     string `json:"status" doc:"replayed"`
	Kind       string `json:"kind" doc:"What the source called it"`
	Stored     int    `json:"stored" doc:"Events that were new"`
	Duplicates int    `json:"duplicates" doc:"Events that were in the log already"`
	Ignored    string `json:"ignored,omitempty" doc:"Why there are no events although nothing is wrong"`
	Attempts   int    `json:"attempts" doc:"Replays that were tried, with this one"`
}

// The actions of the audit log.
const (
	actionQuarantineReplayed  = "quarantine.replayed"
	actionQuarantineDiscarded = "quarantine.discarded"
)

// quarantined is a delivery that the caller may touch.
func (s *Service) quarantined(ctx context.Context, id int64) (Quarantined, error) {
	q, err := s.store.QuarantinedOne(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && touch(ctx, q.Project) != nil {
		return Quarantined{}, notFoundf("there is no quarantined delivery %d", id)
	}
	return q, err
}

// replay reads a delivery again as it would have been read when it came, or a
// corrected body in its place, and stores what it says. What is stored already
// is recognised, so doing it twice does nothing twice. A delivery that still
// cannot be read stays as it is, with what is wrong with it now.
func (s *Service) replay(ctx context.Context, q Quarantined, corrected *string) (replayed, error) {
	body := q.Body
	switch {
	case corrected != nil:
		body = []byte(*corrected)
	case q.Truncated:
		return replayed{}, problem.New(problem.Conflict, "only the first %d of its %d bytes were kept, so it cannot be read again", len(q.Body), q.Size).
			WithField("body").WithMend(fmt.Sprintf("give the whole body: `fawkes dora quarantine replay %d --body FILE`, or have the source send it again", q.ID))
	}
	out := replayed{Kind: q.Kind}
	err := s.readAgain(ctx, q, body, &out)
	q.TriedAt, q.LastError = event.Micros(s.clock.Now()), ""
	var fault *event.FieldError
	switch {
	case errors.As(err, &fault):
		q.blame(err)
		if q.Status == statusOpen {
			q.Detail, q.Field = cleanText(q.Detail, keptText), cleanText(q.Field, keptText)
		}
	case err != nil:
		q.LastError = cleanText(problem.From(err).Error(), keptText)
	default:
		q.Status, q.SettledAt, q.SettledBy = statusReplayed, q.TriedAt, whoAsks(ctx)
	}
	if serr := s.store.SettleQuarantined(context.WithoutCancel(ctx), q, 1); serr != nil {
		return replayed{}, errors.Join(err, serr)
	}
	if err != nil {
		return replayed{}, fieldProblem(err)
	}
	out.ID, out.Status, out.Attempts = fmt.Sprint(q.ID), q.Status, q.Attempts+1
	how := "as it was"
	if corrected != nil {
		how = "with a corrected body"
	}
	return out, s.audit(ctx, actionQuarantineReplayed, q.Project, out.ID, fmt.Sprintf("%s %s: %d stored, %d duplicates", q.Source, how, out.Stored, out.Duplicates))
}

// readAgain reads a body as what it came as and stores its events.
func (s *Service) readAgain(ctx context.Context, q Quarantined, body []byte, out *replayed) (err error) {
	var events []event.Event
	owner := q.Project
	source, connection, _ := strings.Cut(q.Source, ":")
	switch source {
	case event.SourceBulk:
		var e event.Event
		if e, err = event.ParseLine(bytes.TrimPrefix(bytes.TrimSpace(body), byteOrderMark), event.SourceBulk, q.Project); err != nil {
			return err
		}
		if err := touch(ctx, e.Project); err != nil {
			return err
		}
		events, owner = []event.Event{e}, ""
	case sourceDevLake:
		op := devlake.Operation(q.Kind)
		if op == devlake.OpCloseIssue && s.resolved(ctx, q.Project, connection, q.Delivery) {
			out.Ignored = "the issue is closed already"
			return nil
		}
		if events, err = devlakeEvents(op, connection, q.Delivery, body, q.ReceivedAt); err != nil {
			return err
		}
	default:
		for _, k := range s.kinds {
			if k.Name != source {
				continue
			}
			req, err := q.request(body)
			if err != nil {
				return err
			}
			res, err := k.Read(req)
			if err != nil {
				return err
			}
			if res.Kind != "" {
				out.Kind = res.Kind
			}
			out.Ignored = res.Ignored
			out.Stored, out.Duplicates, err = s.takeOf(ctx, res.Events, owner)
			return err
		}
		return problem.New(problem.Conflict, "nothing here reads deliveries of %q any more", q.Source).WithField("source")
	}
	out.Stored, out.Duplicates, err = s.takeOf(ctx, events, owner)
	return err
}

// discard puts a delivery aside: nobody will replay it.
func (s *Service) discard(ctx context.Context, q Quarantined) (Quarantined, error) {
	if q.Status != statusOpen {
		return q, problem.New(problem.Conflict, "it was %s already", q.Status).WithField("status")
	}
	q.Status, q.SettledAt, q.SettledBy = statusDiscarded, event.Micros(s.clock.Now()), whoAsks(ctx)
	if err := s.store.SettleQuarantined(ctx, q, 0); err != nil {
		return q, err
	}
	return q, s.audit(ctx, actionQuarantineDiscarded, q.Project, fmt.Sprint(q.ID), q.Source+": "+q.Field+" "+q.Detail)
}

// whoAsks is the caller's subject.
func whoAsks(ctx context.Context) string {
	if p, ok := auth.FromContext(ctx); ok {
		return p.Subject
	}
	return audit.System
}

// mostAtOnce is how many deliveries one call replays or discards.
const mostAtOnce = 500

// settleFor is how long one call goes on, well below what a request may take.
const settleFor = 10 * time.Second

// settledMany says what became of many.
type settledMany struct {
	Replayed   int           `json:"replayed" doc:"Deliveries that could be read now"`
	Discarded  int           `json:"discarded" doc:"Deliveries that were put aside"`
	Failed     int           `json:"failed" doc:"Deliveries that still cannot be read"`
	Stored     int           `json:"stored" doc:"Events that were new"`
	Duplicates int           `json:"duplicates" doc:"Events that were in the log already"`
	Errors     []replayFault `json:"errors" doc:"What is wrong with those that failed"`
	NextCursor *string       `json:"next_cursor" doc:"Where to go on; null when all were tried"`
}

type replayFault struct {
	ID     string       `json:"id" doc:"Number of the delivery"`
	Field  string       `json:"field" doc:"The field at fault"`
	Detail string       `json:"detail" doc:"What is wrong with it"`
	Code   problem.Code `json:"code" doc:"Stable name of the kind of fault"`
}

// settleMany replays or discards the open deliveries of a filter, the newest
// first, beginning before a number. It stops in time to say how far it came.
func (s *Service) settleMany(ctx context.Context, f QuarantineFilter, before int64, discard bool) (settledMany, error) {
	out := settledMany{Errors: []replayFault{}}
	f.Status = statusOpen
	rows, err := s.store.Quarantined(ctx, f, before, mostAtOnce+1)
	if err != nil {
		return out, err
	}
	if len(rows) > mostAtOnce {
		rows = rows[:mostAtOnce]
		out.NextCursor = cursorAt(int(rows[mostAtOnce-1].ID))
	}
	end := s.clock.Now().Add(settleFor)
	for i, row := range rows {
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		if i > 0 && s.clock.Now().After(end) { // the rest is for the next call, before this one's time is over
			out.NextCursor = cursorAt(int(rows[i-1].ID))
			break
		}
		q, err := s.quarantined(ctx, row.ID)
		var one replayed
		switch {
		case err != nil:
		case discard:
			_, err = s.discard(ctx, q)
		default:
			one, err = s.replay(ctx, q, nil)
		}
		switch p := problem.From(err); {
		case err == nil && discard:
			out.Discarded++
		case err == nil:
			out.Replayed++
			out.Stored, out.Duplicates = out.Stored+one.Stored, out.Duplicates+one.Duplicates
		case p.Status >= 500:
			return out, err // not this delivery's fault
		case p.Code != problem.NotFound: // dropped or settled by another meanwhile
			out.Failed++
			out.Errors = append(out.Errors, replayFault{ID: fmt.Sprint(row.ID), Field: p.Field, Detail: p.Detail, Code: p.Code})
		}
	}
	return out, nil
}
