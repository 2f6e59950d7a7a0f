package dora

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// tail watches the end of the log, and the heads of the projections, for all who
// wait for something new: streams and long polls. One of those who wait polls the
// store for all of them, so that any number costs one query a period, and nobody
// waiting costs none. It knows nothing of who stores events or projects them:
// another process may.
type tail struct {
	store Store
	log   *slog.Logger
	every time.Duration // between two looks at the store
	wall  clock.Clock   // waits are real ones, whatever clock the numbers go by
	nudge chan struct{} // something was stored in this process: look now

	mu      sync.Mutex
	state   tailState
	looked  time.Time
	polling bool          // someone polls
	changed chan struct{} // closed when state or polling changed

	flight  singleflight.Group
	batches [keptBatches]feedBatch // read lately, for the streams that follow at the same place
	next    int
}

// tailState is the end of the log and the head of each projection, as of one look.
type tailState struct {
	version int64
	head    int64
	heads   map[string]Head
}

const (
	tailEvery   = 300 * time.Millisecond
	keptBatches = 8
	streamBatch = 100
)

func newTail(store Store, log *slog.Logger) *tail {
	return &tail{store: store, log: log, every: tailEvery, wall: clock.System(), nudge: make(chan struct{}, 1), changed: make(chan struct{})}
}

// notify says that something was stored in this process.
func (t *tail) notify() { signal(t.nudge) }

// wait returns the first state after a version, or ctx's error.
func (t *tail) wait(ctx context.Context, version int64) (tailState, error) {
	for {
		t.mu.Lock()
		state, changed, poller := t.state, t.changed, !t.polling
		if state.version > version {
			t.mu.Unlock()
			return state, nil
		}
		t.polling = true
		t.mu.Unlock()
		if poller {
			t.poll(ctx, version)
			if ctx.Err() != nil {
				return tailState{}, ctx.Err()
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return tailState{}, ctx.Err()
		}
	}
}

// poll looks at the store until there is something new or ctx ends, and then
// leaves the polling to another.
func (t *tail) poll(ctx context.Context, version int64) {
	defer t.announce(func() { t.polling = false })
	for {
		t.mu.Lock()
		left := time.Until(t.looked.Add(t.every)) // many short waits in a row look as often as a long one
		t.mu.Unlock()
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-t.nudge:
			timer.Stop()
		case <-timer.C:
		}
		state, err := t.look(ctx)
		if err != nil && ctx.Err() == nil {
			t.log.WarnContext(ctx, "the end of the log cannot be read; it is tried again", "error", err)
		}
		if err == nil && state.version > version {
			return
		}
	}
}

// look reads the end of the log and the heads, and tells everyone who waits when
// they have moved.
func (t *tail) look(ctx context.Context) (tailState, error) {
	t.mu.Lock()
	t.looked = t.wall.Now()
	t.mu.Unlock()
	seq, err := t.store.LogHead(ctx)
	if err != nil {
		return tailState{}, err
	}
	all, err := t.store.Heads(ctx)
	if err != nil {
		return tailState{}, err
	}
	heads := make(map[string]Head, len(all))
	for _, h := range all {
		heads[h.Project] = h
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state.version == 0 || seq != t.state.head || !maps.Equal(heads, t.state.heads) {
		t.state = tailState{t.state.version + 1, max(seq, t.state.head), heads}
		t.wakeAll()
	}
	return t.state, nil
}

func (t *tail) announce(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
	t.wakeAll()
}

func (t *tail) wakeAll() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// feedRow is an event of the log as the feed and streams tell it.
type feedRow struct {
	seq     int64
	project string
	kind    event.Type
	source  string
	item    feedItem
}

// feedBatch is the rows after a place in the log.
type feedBatch struct {
	after, head int64
	rows        []feedRow
}

// feedRows reads the log after a number, in order, at most limit events.
func (s *Service) feedRows(ctx context.Context, after int64, limit int) ([]feedRow, error) {
	entries, err := s.store.Events(ctx, after, limit)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	own, err := s.ownersNow(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]feedRow, 0, len(entries))
	for _, e := range entries {
		o := own.origins[e.Origin]
		body, err := event.Unpack(o.Type, e.Body)
		if err != nil {
			return nil, err
		}
		line, err := event.MarshalLine(event.Event{Source: o.Source, Project: o.Project, At: e.At, Body: body})
		if err != nil {
			return nil, err
		}
		name := own.of[e.Origin]
		out = append(out, feedRow{e.Seq, name, o.Type, o.Source,
			feedItem{Seq: e.Seq, Project: name, Source: o.Source, ReceivedAt: stamp(e.ReceivedAt), Event: json.RawMessage(line)}})
	}
	return out, nil
}

// sharedRows is feedRows for many who follow at the same place.
func (s *Service) sharedRows(ctx context.Context, after, head int64) ([]feedRow, error) {
	t := s.tail
	t.mu.Lock()
	for _, b := range t.batches {
		if b.rows != nil && b.after == after && b.head == head {
			t.mu.Unlock()
			return b.rows, nil
		}
	}
	t.mu.Unlock()
	done := t.flight.DoChan(fmt.Sprint(after, " ", head), func() (any, error) {
		rows, err := s.feedRows(context.WithoutCancel(ctx), after, streamBatch)
		size := 0
		for _, r := range rows {
			size += len(r.item.Event)
		}
		if err == nil && size < 1<<20 {
			t.mu.Lock()
			t.batches[t.next%keptBatches] = feedBatch{after, head, rows}
			t.next++
			t.mu.Unlock()
		}
		return rows, err
	})
	select {
	case r := <-done:
		rows, _ := r.Val.([]feedRow)
		return rows, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
