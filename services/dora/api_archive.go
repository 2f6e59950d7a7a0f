package dora

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// archivedEvent is one event on its way into an archive or back.
type archivedEvent struct {
	Seq        int64           `json:"seq,omitempty"`
	Key        string          `json:"key"`
	At         time.Time       `json:"at"`
	ReceivedAt time.Time       `json:"received_at"`
	Event      json.RawMessage `json:"event"`
}

// archiveEnd is the last line of an archive's stream.
type archiveEnd struct {
	Complete bool      `json:"complete"`
	Before   time.Time `json:"before"`
	Events   int64     `json:"events"`
	UpTo     int64     `json:"up_to"`
	Sum      string    `json:"sum"`
}

// archiveTime is how long the copying and the compaction of a log may take.
const archiveTime = time.Hour

// registerArchive adds what `fawkes dora archive` needs: reading the events of
// past months, taking out of the log what has no say any more, and putting
// archived events back.
func (s *Service) registerArchive(api *httpapi.API) {
	admin := s.auth.Require(auth.ScopeDoraAdmin)
	api.Mux().Handle("GET "+base+"/archive", admin(http.HandlerFunc(s.handleArchive)))
	api.Mux().Handle("POST "+base+"/archive:restore", admin(http.HandlerFunc(s.handleUnarchive)))
	op := operation("compact-log", http.MethodPost, "/archive:compact", "archive", auth.ScopeDoraAdmin,
		"Take archived events that have no say in any number out of the log",
		"Give what the last line of GET /archive said. Every project's projection is derived from what would be left and compared first; of one that would change nothing is taken out.")
	huma.Register(api.Huma(), op, func(ctx context.Context, in *struct {
		Body struct {
			Before time.Time `json:"before" doc:"Events before this time were archived"`
			UpTo   int64     `json:"up_to" minimum:"0" doc:"The last event that the archive could hold"`
			Sum    string    `json:"sum" minLength:"64" maxLength:"64" doc:"Sum over the archive's events"`
		}
	}) (*struct{ Body compacted }, error) {
		if err := touch(ctx, ""); err != nil {
			return nil, err
		}
		done, err := s.compact(ctx, event.Micros(in.Body.Before), in.Body.UpTo, in.Body.Sum)
		if err != nil {
			return nil, err
		}
		if err := s.audit(ctx, ActionLogArchived, "", in.Body.Before.Format(time.DateOnly),
			fmt.Sprintf("%d events archived, %d taken out of the log", done.Archived, done.Removed)); err != nil {
			return nil, err
		}
		return &struct{ Body compacted }{done}, nil
	})
}

// handleArchive writes the events of whole months, a line each: GET /archive.
func (s *Service) handleArchive(w http.ResponseWriter, r *http.Request) {
	before, err := s.archiveBefore(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	marks, err := s.store.Marks(r.Context())
	if err == nil {
		err = touch(r.Context(), "")
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	own, err := ownersOf(r.Context(), s.store)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpapi.Allow(r, httpapi.Limits{Timeout: archiveTime})
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, sum := bufio.NewWriterSize(w, 1<<16), newDigest()
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	err = s.store.EventsBefore(r.Context(), event.Micros(before), marks.seq, func(e Entry) error {
		o, ok := own.origins[e.Origin]
		if !ok {
			return fmt.Errorf("event %d is of an origin that is not known", e.Seq)
		}
		sum.add(e)
		body, err := event.Unpack(o.Type, e.Body)
		if err != nil {
			return err
		}
		line, err := event.MarshalLine(event.Event{Source: o.Source, Project: o.Project, At: e.At, Body: body})
		if err != nil {
			return err
		}
		return lines.Encode(archivedEvent{Seq: e.Seq, Key: hex.EncodeToString(e.Key[:]), At: e.At.Std(), ReceivedAt: e.ReceivedAt.Std(), Event: line})
	})
	if err == nil {
		err = lines.Encode(archiveEnd{Complete: true, Before: before, Events: sum.count, UpTo: marks.seq, Sum: sum.String()})
	}
	// Without its last line the stream is not complete, which its reader sees.
	if err = errors.Join(err, out.Flush()); err != nil {
		s.log.ErrorContext(r.Context(), "an archive broke off", "error", err)
	}
}

// archiveBefore is the beginning of the month before which events are archived.
func (s *Service) archiveBefore(r *http.Request) (time.Time, error) {
	asked, err := parameters(r, "before")
	if err != nil {
		return time.Time{}, err
	}
	now := s.clock.Now().UTC()
	at := now.Add(-s.cfg.Retention)
	if text := asked["before"]; text != "" {
		if at, err = time.Parse(time.DateOnly, text); err != nil {
			return time.Time{}, problem.New(problem.InvalidField, "%q is not a day, as 2025-01-31", text).WithField("query.before")
		}
	} else if s.cfg.Retention == 0 {
		return time.Time{}, problem.New(problem.InvalidField, "no day is given, and dora.retention keeps everything").WithField("query.before").
			WithMend("give before=2025-01-01, or set dora.retention")
	}
	month := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	if month.After(now) {
		return time.Time{}, problem.New(problem.InvalidField, "lies in the future").WithField("query.before")
	}
	return month, nil
}

type unarchived struct {
	Restored int `json:"restored"`
	There    int `json:"there"`
}

// handleUnarchive puts archived events back under their own keys, so that those
// that never left the log are not doubled: POST /archive:restore.
func (s *Service) handleUnarchive(w http.ResponseWriter, r *http.Request) {
	httpapi.Allow(r, httpapi.Limits{Body: maxBatch, Timeout: 5 * time.Minute})
	res, err := s.unarchive(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.json(w, r, http.StatusOK, res)
}

func (s *Service) unarchive(r *http.Request) (res unarchived, err error) {
	if _, err := parameters(r); err != nil {
		return res, err
	}
	if err := touch(r.Context(), ""); err != nil {
		return res, err
	}
	in, err := unpacked(r, maxUnpacked)
	if err != nil {
		return res, err
	}
	text := newLines(in, 2*maxLine)
	var chunk []Record
	store := func() error {
		if len(chunk) == 0 {
			return nil
		}
		fresh, err := s.takeBulk(r.Context(), chunk)
		for _, f := range fresh {
			if f {
				res.Restored++
			} else {
				res.There++
			}
		}
		chunk = nil
		return err
	}
	for {
		line, rerr := text.next()
		if len(bytes.TrimSpace(line)) > 0 && (rerr == nil || errors.Is(rerr, io.EOF)) {
			rec, err := archivedRecord(line)
			if err != nil {
				return res, problem.New(problem.InvalidBody, "line %d: %s", text.n, err)
			}
			if chunk = append(chunk, rec); len(chunk) == batchChunk {
				if err := store(); err != nil {
					return res, err
				}
			}
		}
		if errors.Is(rerr, io.EOF) {
			return res, store()
		}
		if rerr != nil {
			return res, unreadable(rerr)
		}
	}
}

// archivedRecord is an event as it was, under its own key.
func archivedRecord(line []byte) (Record, error) {
	var a archivedEvent
	if err := json.Unmarshal(line, &a); err != nil {
		return Record{}, err
	}
	e, err := archivedBody(a.Event)
	if err != nil {
		return Record{}, err
	}
	e.At = event.Micros(a.At)
	rec, err := NewRecord(e, 0, event.Micros(a.ReceivedAt))
	if err != nil {
		return Record{}, err
	}
	if n, err := hex.Decode(rec.Key[:], []byte(a.Key)); err != nil || n != len(rec.Key) || len(a.Key) != 2*n {
		return Record{}, fmt.Errorf("the key %q cannot be read", a.Key)
	}
	return rec, nil
}

// archivedBody reads a line of the bulk format, and besides events of the type
// that nobody may report and deliveries that metrics do not know are kept as.
func archivedBody(line []byte) (event.Event, error) {
	var kind struct {
		event.Header
		event.Other
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return event.Event{}, err
	}
	if kind.Header.Type != event.TypeOther {
		return event.ParseLine(line, event.SourceBulk, "")
	}
	return event.Event{Source: kind.Source, Project: kind.Project, Body: &kind.Other}, nil
}
