package dora

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

// streams bounds the streams of this process and says how they behave.
type streams struct {
	places    chan struct{}
	heartbeat time.Duration // a comment when there was nothing for so long
	recheck   time.Duration // the caller's credential is judged again, and its projects with it
	patience  time.Duration // a reader that takes nothing for so long is cut off
	settle    time.Duration // between two reports of one projection
	wall      clock.Clock   // waits are real ones, whatever clock the numbers go by
}

func newStreams(most int) *streams {
	if most <= 0 {
		most = 200
	}
	return &streams{places: make(chan struct{}, most), heartbeat: 15 * time.Second, recheck: auth.MaxCache, patience: 10 * time.Second, settle: time.Second, wall: clock.System()}
}

// liveWindow is the window of the numbers that a stream tells.
const liveWindow = 30 * 24 * time.Hour

// shortMetric is a metric in a stream.
type shortMetric struct {
	Metric string   `json:"metric"`
	Value  *float64 `json:"value"`
	Unit   string   `json:"unit"`
	N      int      `json:"n"`
	Level  *string  `json:"level"`
	Reason *string  `json:"reason"`
}

// projectionBody is a moved projection in a stream.
type projectionBody struct {
	Project    string        `json:"project"`
	Revision   int64         `json:"revision"`
	SettledAt  *time.Time    `json:"settled_at"`
	AsOf       time.Time     `json:"as_of"`
	WindowDays int           `json:"window_days"`
	Metrics    []shortMetric `json:"metrics"`
}

// handleStream sends what happens as server-sent events: GET /stream.
func (s *Service) handleStream(w http.ResponseWriter, r *http.Request) {
	st, err := s.openStream(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	select {
	case s.streams.places <- struct{}{}:
		defer func() { <-s.streams.places }()
	default:
		w.Header().Set("Retry-After", "5")
		problem.Write(w, r, problem.New(problem.Unavailable, "this process serves %d streams already", cap(s.streams.places)).
			WithMend("come again after Retry-After, or follow GET "+base+"/events?wait=25 instead"))
		return
	}
	httpapi.Allow(r, httpapi.Limits{Timeout: -1})
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	if why := st.run(); why != "" {
		// The reader may be gone, which is how most streams end.
		_ = st.send(": " + why + "\n\n")
	}
}

// stream is one reader.
type stream struct {
	s       *Service
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	ctx     context.Context // with the caller
	filter  feedFilter
	cursor  int64
	reset   int64 // where the reader was, in a log that is no more; 0 for none
	checkAt time.Time
	told    map[string]Head      // projections as they were told of
	toldAt  map[string]time.Time // and when
}

func (s *Service) openStream(w http.ResponseWriter, r *http.Request) (*stream, error) {
	asked, err := parameters(r, "project", "after", "type", "source")
	if err != nil {
		return nil, err
	}
	st := &stream{s: s, w: w, r: r, control: http.NewResponseController(w), ctx: r.Context(), told: map[string]Head{}, toldAt: map[string]time.Time{}}
	if st.filter, err = newFilter(st.ctx, asked["project"], asked["type"], asked["source"]); err != nil {
		return nil, err
	}
	state, err := s.tail.look(st.ctx)
	if err != nil {
		return nil, err
	}
	if p := asked["project"]; p != "" {
		if _, known := state.heads[p]; !known {
			if _, err := s.history(st.ctx, p); err != nil {
				return nil, err
			}
		}
	}
	// A browser that comes again says where it was.
	field, at := "Last-Event-ID", r.Header.Get("Last-Event-ID")
	if at == "" {
		field, at = "query.after", asked["after"]
	}
	st.cursor = state.head
	if at != "" {
		if st.cursor, err = strconv.ParseInt(at, 10, 64); err != nil || st.cursor < 0 {
			return nil, problem.New(problem.InvalidField, "%q is not the id of an event", at).WithField(field)
		}
		switch _, err = st.s.beginning(st.ctx, st.cursor, false, state.head); {
		case err == nil:
		case problem.From(err).Code == problem.BeyondHead && field != "query.after":
			st.reset, st.cursor = st.cursor, state.head // a browser can do nothing about an error
		default:
			return nil, err
		}
	}
	st.judged()
	return st, nil
}

// judged notes that the caller is known good now, and until when.
func (st *stream) judged() {
	st.checkAt = st.s.streams.wall.Now().Add(st.s.streams.recheck)
	if p, ok := auth.FromContext(st.ctx); ok && !p.Expires.IsZero() {
		if left := p.Expires.Sub(st.s.clock.Now()); left < st.s.streams.recheck {
			st.checkAt = st.s.streams.wall.Now().Add(max(left, 0))
		}
	}
}

// recheck judges the caller again; the stream ends with its credential.
func (st *stream) recheck() error {
	p, err := st.s.auth.Authenticate(st.r)
	if err != nil {
		return err
	}
	st.ctx = auth.NewContext(st.ctx, p)
	if !p.Can(auth.ScopeDoraRead) {
		return problem.New(problem.Forbidden, "the credential no longer has the scope %s", auth.ScopeDoraRead)
	}
	if st.filter.project != "" {
		if err := touch(st.ctx, st.filter.project); err != nil {
			return err
		}
	}
	st.judged()
	return nil
}

// run sends what happens until the reader goes, its credential ends or the
// program stops; it says why it ended.
func (st *stream) run() string {
	ctx, cancel := untilClosing(st.ctx)
	defer cancel()
	version := int64(0)
	if err := st.send("retry: 2000\n: following after " + strconv.FormatInt(st.cursor, 10) + "\n\n"); err != nil {
		return ""
	}
	if st.reset > 0 {
		if err := st.send(fmt.Sprintf("event: reset\nid: %d\ndata: {\"after\":%d,\"head\":%d}\n\n", st.cursor, st.reset, st.cursor)); err != nil {
			return ""
		}
	}
	for {
		state, due, err := st.next(ctx, version)
		switch {
		case st.r.Context().Err() != nil:
			return "" // the reader went
		case ctx.Err() != nil:
			return "the program is stopping; come again"
		case err != nil:
			return st.ending(err)
		}
		if !due {
			continue
		}
		more, err := st.tell(ctx, state)
		if err != nil && ctx.Err() == nil {
			return st.ending(err)
		}
		if !more {
			version = state.version
		}
	}
}

// ending says why a stream ends with an error; "" when nobody is there to read it.
func (st *stream) ending(err error) string {
	var gone *goneError
	if errors.As(err, &gone) {
		return ""
	}
	return problem.Prepare(st.ctx, err).Detail
}

// next waits for something to tell and keeps the stream alive meanwhile; due says
// that there may be something.
func (st *stream) next(ctx context.Context, version int64) (state tailState, due bool, err error) {
	if !st.s.streams.wall.Now().Before(st.checkAt) {
		if err := st.recheck(); err != nil {
			return state, false, err
		}
	}
	limit := min(st.s.streams.heartbeat, max(time.Until(st.checkAt), time.Millisecond))
	settled := st.unsettled()
	if settled > 0 {
		limit = min(limit, settled)
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	state, err = st.s.tail.wait(bounded, version)
	switch {
	case err == nil || ctx.Err() != nil:
		return state, err == nil, err
	case settled > 0: // a projection that moved too soon after it was told of
		state, err = st.s.tail.look(ctx)
		return state, err == nil, err
	}
	return state, false, st.send(": still here\n\n")
}

// unsettled is how long until a projection that moved may be told of again; 0
// when there is none.
func (st *stream) unsettled() time.Duration {
	var least time.Duration
	for p, at := range st.toldAt {
		if _, told := st.told[p]; !told {
			if left := max(st.s.streams.settle-time.Since(at), time.Millisecond); least == 0 || left < least {
				least = left
			}
		}
	}
	return least
}

// tell sends the events after the cursor, a batch of them, and then the
// projections that moved; more says that there are further events.
func (st *stream) tell(ctx context.Context, state tailState) (more bool, err error) {
	if st.cursor < state.head {
		rows, err := st.s.sharedRows(ctx, st.cursor, state.head)
		if err != nil {
			return false, err
		}
		before := st.cursor
		for _, row := range rows {
			st.cursor = row.seq
			if !st.filter.takes(st.ctx, row) {
				continue
			}
			if err := st.event("delivery", row.item); err != nil {
				return false, err
			}
		}
		if len(rows) > 0 {
			if st.cursor > before && !slices.ContainsFunc(rows, func(r feedRow) bool { return st.filter.takes(st.ctx, r) }) {
				// The reader's id moves over what it is not told of.
				if err := st.send("id: " + strconv.FormatInt(st.cursor, 10) + "\n\n"); err != nil {
					return false, err
				}
			}
			return true, nil
		}
	}
	return false, st.tellProjections(ctx, state)
}

func (st *stream) tellProjections(ctx context.Context, state tailState) error {
	for name, head := range state.heads {
		if st.filter.project != "" && name != st.filter.project || touch(st.ctx, name) != nil || st.told[name] == head {
			continue
		}
		if at, ok := st.toldAt[name]; ok && time.Since(at) < st.s.streams.settle {
			delete(st.told, name) // later: see unsettled
			continue
		}
		body, err := st.s.projectionNow(ctx, head)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		st.told[name], st.toldAt[name] = head, st.s.streams.wall.Now()
		if err := st.event("projection", body); err != nil {
			return err
		}
	}
	return nil
}

// projectionNow is the short form of a project's numbers as of a head.
func (s *Service) projectionNow(ctx context.Context, head Head) (projectionBody, error) {
	declared, err := s.store.Project(ctx, head.Project)
	if errors.Is(err, ErrNotFound) {
		declared, err = undeclared(head.Project), nil
	}
	if err != nil {
		return projectionBody{}, err
	}
	a, err := s.reader.at(ctx, head, declared)
	if err != nil {
		return projectionBody{}, err
	}
	p, err := metrics.ProfileNamed("")
	if err != nil {
		return projectionBody{}, err
	}
	r, err := metrics.Compute(a.View, metrics.Query{From: a.View.AsOf.Add(-liveWindow), To: a.View.AsOf}, p)
	if err != nil {
		return projectionBody{}, err
	}
	b := projectionBody{Project: head.Project, Revision: head.Rev, SettledAt: stamp(head.SettledAt), AsOf: r.AsOf, WindowDays: int(liveWindow / (24 * time.Hour))}
	for _, m := range r.Metrics {
		b.Metrics = append(b.Metrics, shortMetric{m.Metric, m.Value, m.Unit, m.N, m.Level, m.Reason})
	}
	return b, nil
}

// event sends one event with the cursor as its id.
func (st *stream) event(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	return st.send("event: " + name + "\nid: " + strconv.FormatInt(st.cursor, 10) + "\ndata: " + string(text) + "\n\n")
}

// goneError is that of a reader who went, or takes nothing any more.
type goneError struct{ cause error }

func (e *goneError) Error() string { return "the reader is gone: " + e.cause.Error() }
func (e *goneError) Unwrap() error { return e.cause }

// send writes and flushes; a reader that takes nothing within the bound is gone.
func (st *stream) send(text string) error {
	if err := st.control.SetWriteDeadline(st.s.streams.wall.Now().Add(st.s.streams.patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return &goneError{err}
	}
	if _, err := st.w.Write([]byte(text)); err != nil {
		return &goneError{err}
	}
	if err := st.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return &goneError{err}
	}
	return nil
}
