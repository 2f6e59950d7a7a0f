package dora

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// batchResult is the answer to a batch of events.
type batchResult struct {
	Stored     int         `json:"stored" doc:"Events that were new"`
	Duplicates int         `json:"duplicates" doc:"Events that were in the log already"`
	Rejected   int         `json:"rejected" doc:"Lines that were not taken"`
	Errors     []lineFault `json:"errors" doc:"What is wrong with them, the first 1000"`
}

type lineFault struct {
	Line   int          `json:"line" doc:"Number of the line, from 1"`
	Field  string       `json:"field" doc:"The field at fault"`
	Detail string       `json:"detail" doc:"What is wrong with it"`
	Code   problem.Code `json:"code" doc:"Stable name of the kind of fault"`
}

// handleBatch takes events in the bulk format, one JSON object a line: POST
// /events:batch. A line that is wrong is reported and does not stop the rest;
// with ?strict=true nothing after it is taken.
func (s *Service) handleBatch(w http.ResponseWriter, r *http.Request) {
	httpapi.Allow(r, httpapi.Limits{Body: maxBatch, Timeout: 5 * time.Minute, Streams: true})
	res, err := s.readBatch(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.json(w, r, http.StatusOK, res)
}

func (s *Service) readBatch(r *http.Request) (batchResult, error) {
	asked, err := parameters(r, "project", "strict")
	if err != nil {
		return batchResult{}, err
	}
	strict := false
	if text, given := asked["strict"]; given {
		if strict, err = strconv.ParseBool(text); err != nil {
			return batchResult{}, problem.New(problem.InvalidField, "%q is neither true nor false", text).WithField("query.strict")
		}
	}
	in, err := unpacked(r, maxUnpacked)
	if err != nil {
		return batchResult{}, err
	}
	return s.takeBatch(r.Context(), in, asked["project"], strict)
}

// batch is the taking of one body of lines.
type batch struct {
	s       *Service
	project string
	res     batchResult
	now     event.Time

	chunk []Record
	size  int          // bytes of chunk
	under chan outcome // the chunk that is being stored; nil: none
}

type outcome struct {
	fresh []bool
	err   error
}

// takeBatch reads lines, and stores them a chunk at a time while the next is
// being read.
func (s *Service) takeBatch(ctx context.Context, in io.Reader, project string, strict bool) (batchResult, error) {
	b := &batch{s: s, project: project, res: batchResult{Errors: []lineFault{}}, now: event.Micros(s.clock.Now())}
	text := newLines(in, maxLine)
	var rerr error
	for rerr == nil && (!strict || b.res.Rejected == 0) {
		var line []byte
		line, rerr = text.next()
		switch {
		case errors.Is(rerr, errLongLine):
			b.reject(ctx, text.n, nil, problem.New(problem.TooLarge, "is longer than %d bytes", maxLine))
			rerr = nil
		case rerr != nil || len(line) == 0:
		default:
			if err := b.take(ctx, text.n, line); err != nil {
				return b.res, err
			}
		}
	}
	// What came before is stored in any case, and the answer may then say so.
	if err := errors.Join(b.flush(ctx), b.finish()); err != nil {
		return b.res, err
	}
	if rerr != nil && !errors.Is(rerr, io.EOF) {
		p := problem.From(unreadable(rerr))
		p.Detail = fmt.Sprintf("%s, in line %d; of the lines before it %d are stored", p.Detail, text.n+1, b.res.Stored+b.res.Duplicates)
		return b.res, p
	}
	return b.res, nil
}

func (b *batch) take(ctx context.Context, n int, line []byte) error {
	rec, err := b.s.lineRecord(ctx, line, b.project, b.now)
	if err != nil {
		b.reject(ctx, n, line, err)
		return nil
	}
	b.chunk = append(b.chunk, rec)
	b.size += len(rec.Body)
	if len(b.chunk) < batchChunk && b.size < batchBytes {
		return nil
	}
	return b.flush(ctx)
}

// flush waits for the chunk before and begins to store the one at hand.
func (b *batch) flush(ctx context.Context) error {
	if err := b.finish(); err != nil || len(b.chunk) == 0 {
		return err
	}
	records, done := b.chunk, make(chan outcome, 1)
	b.under, b.chunk, b.size = done, nil, 0
	go func() {
		fresh, err := b.s.takeBulk(ctx, records)
		done <- outcome{fresh, err}
	}()
	return nil
}

// finish waits for the chunk that is being stored.
func (b *batch) finish() error {
	if b.under == nil {
		return nil
	}
	o := <-b.under
	b.under = nil
	for _, fresh := range o.fresh {
		if fresh {
			b.res.Stored++
		} else {
			b.res.Duplicates++
		}
	}
	return o.err
}

func (s *Service) lineRecord(ctx context.Context, text []byte, project string, now event.Time) (Record, error) {
	e, err := event.ParseLine(text, event.SourceBulk, project)
	if err != nil {
		return Record{}, err
	}
	if err := touch(ctx, e.Project); err != nil {
		return Record{}, err
	}
	return NewRecord(e, 0, now)
}

// reject notes a line that is not taken, and keeps it when it is its own fault.
func (b *batch) reject(ctx context.Context, n int, line []byte, err error) {
	b.res.Rejected++
	p := problem.From(fieldProblem(err))
	if len(b.res.Errors) < maxFaults {
		b.res.Errors = append(b.res.Errors, lineFault{Line: n, Field: p.Field, Detail: p.Detail, Code: p.Code})
	}
	if b.res.Rejected <= keptFaults && p.Code != problem.Forbidden {
		q := Quarantined{Source: event.SourceBulk, Project: b.project, Kind: "line", Delivery: fmt.Sprintf("line %d", n)}
		if line == nil {
			q.Size = maxLine + 1 // at least: it was stepped over
		}
		b.s.quarantine(ctx, q, err, line)
	}
}
