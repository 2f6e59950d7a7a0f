package dora

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Bounds of the bulk format.
const (
	maxLine     = 1 << 20
	maxBatch    = 64 << 20  // of a body as it is sent
	maxUnpacked = 512 << 20 // of a compressed body
	batchChunk  = 1000      // lines to a transaction
	maxFaults   = 1000      // rejected lines told one by one
	keptFaults  = 100       // of them kept in quarantine
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

// handleEvent takes one event: POST /events.
func (s *Service) handleEvent(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	project, err := s.writable(r, r.URL.Query().Get("project"))
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	e, err := event.ParseLine(body, event.SourceBulk, project)
	if err == nil {
		err = touch(r.Context(), e.Project)
	}
	if err != nil {
		var fault *event.FieldError
		if errors.As(err, &fault) {
			s.quarantine(r.Context(), Quarantined{Source: event.SourceBulk, Project: project, Kind: "event"}, err, body)
		}
		problem.Write(w, r, fieldProblem(err))
		return
	}
	stored, err := s.Take(r.Context(), []event.Event{e})
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if !stored[0] {
		s.write(w, r, []byte(`{"status":"duplicate"}`+"\n"))
		return
	}
	w.WriteHeader(http.StatusAccepted)
	s.write(w, r, []byte(`{"status":"stored"}`+"\n"))
}

// writable checks the project that a request names for its events.
func (s *Service) writable(r *http.Request, project string) (string, error) {
	if project == "" {
		return "", nil
	}
	return project, touch(r.Context(), project)
}

// touch says whether the caller may write to a project.
func touch(ctx context.Context, project string) error {
	p, ok := auth.FromContext(ctx)
	if !ok || p.CanTouch(project) {
		return nil
	}
	return problem.New(problem.Forbidden, "this credential is not for the project %q", project).WithField("project")
}

// fieldProblem makes a 422 of a *event.FieldError and leaves other errors alone.
func fieldProblem(err error) error {
	var fault *event.FieldError
	if !errors.As(err, &fault) {
		return err
	}
	code := problem.InvalidField
	switch {
	case strings.HasPrefix(fault.Detail, "not JSON"):
		code = problem.InvalidBody
	case strings.HasPrefix(fault.Detail, "is not a field of"):
		code = problem.UnknownField
	}
	return problem.New(code, "%s", fault.Detail).WithField(fault.Field).WithCause(err)
}

// handleBatch takes events in the bulk format, one JSON object a line: POST
// /events:batch. A line that is wrong is reported and does not stop the rest;
// with ?strict=true nothing after it is taken.
func (s *Service) handleBatch(w http.ResponseWriter, r *http.Request) {
	httpapi.Allow(r, httpapi.Limits{Body: maxBatch, Timeout: 5 * time.Minute})
	project, err := s.writable(r, r.URL.Query().Get("project"))
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	in, err := unpacked(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	res, err := s.takeBatch(r.Context(), in, project, r.URL.Query().Get("strict") == "true")
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	text, err := json.Marshal(res)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	s.write(w, r, append(text, '\n'))
}

// unpacked is the body without its compression, bounded in length.
func unpacked(r *http.Request) (io.Reader, error) {
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
		return r.Body, nil
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, problem.New(problem.InvalidBody, "the body is not gzip").WithCause(err)
		}
		return http.MaxBytesReader(nil, z, maxUnpacked), nil
	default:
		return nil, problem.New(problem.UnsupportedType, "the encoding %q is not read", enc).WithMend("send it as it is, or as gzip")
	}
}

// takeBatch reads lines, and stores them a chunk at a time while the next is
// being read.
func (s *Service) takeBatch(ctx context.Context, in io.Reader, project string, strict bool) (batchResult, error) {
	res := batchResult{Errors: []lineFault{}}
	type outcome struct {
		stored []bool
		err    error
	}
	var under chan outcome // the chunk that is being stored
	finish := func() error {
		if under == nil {
			return nil
		}
		o := <-under
		under = nil
		for _, fresh := range o.stored {
			if fresh {
				res.Stored++
			} else {
				res.Duplicates++
			}
		}
		return o.err
	}
	flush := func(records []Record) error {
		if err := finish(); err != nil || len(records) == 0 {
			return err
		}
		done := make(chan outcome, 1)
		under = done
		go func() {
			stored, err := s.takeBulk(ctx, records)
			done <- outcome{stored, err}
		}()
		return nil
	}
	now := event.Micros(s.clock.Now())
	scan := bufio.NewScanner(in)
	scan.Buffer(make([]byte, 64<<10), maxLine)
	var chunk []Record
	stop := false
	line := 0
	for !stop && scan.Scan() {
		line++
		text := bytes.TrimSpace(scan.Bytes())
		if len(text) == 0 {
			continue
		}
		rec, err := s.lineRecord(ctx, text, project, now)
		if err == nil {
			chunk = append(chunk, rec)
		} else {
			s.reject(ctx, &res, line, text, project, err)
			stop = strict
		}
		if len(chunk) == batchChunk {
			if err := flush(chunk); err != nil {
				return res, err
			}
			chunk = nil
		}
	}
	if err := errors.Join(flush(chunk), finish()); err != nil {
		return res, err
	}
	if err := scan.Err(); err != nil && !stop {
		if errors.Is(err, bufio.ErrTooLong) {
			return res, problem.New(problem.TooLarge, "line %d is longer than %d bytes; the lines before it are stored", line+1, maxLine)
		}
		if _, ok := errorAs[*http.MaxBytesError](err); ok {
			return res, err
		}
		return res, problem.New(problem.InvalidBody, "the body ended in line %d: %v; the lines before it are stored", line+1, err).WithCause(err)
	}
	return res, nil
}

func errorAs[T error](err error) (T, bool) {
	var t T
	ok := errors.As(err, &t)
	return t, ok
}

func (s *Service) lineRecord(ctx context.Context, text []byte, project string, now event.Time) (Record, error) {
	e, err := event.ParseLine(text, event.SourceBulk, project)
	if err != nil {
		return Record{}, err
	}
	if err := touch(ctx, e.Project); err != nil {
		return Record{}, event.Fault("project", "%s", problem.From(err).Detail)
	}
	return NewRecord(e, 0, now)
}

func (s *Service) reject(ctx context.Context, res *batchResult, line int, text []byte, project string, err error) {
	res.Rejected++
	f := lineFault{Line: line}
	if p, ok := errorAs[*problem.Problem](fieldProblem(err)); ok {
		f.Field, f.Detail, f.Code = p.Field, p.Detail, p.Code
	} else {
		f.Detail, f.Code = err.Error(), problem.InvalidField
	}
	if len(res.Errors) < maxFaults {
		res.Errors = append(res.Errors, f)
	}
	if res.Rejected <= keptFaults {
		s.quarantine(ctx, Quarantined{Source: event.SourceBulk, Project: project, Kind: "line", Delivery: fmt.Sprintf("line %d", line)}, err, text)
	}
}

func (s *Service) write(w http.ResponseWriter, r *http.Request, body []byte) {
	if _, err := w.Write(body); err != nil {
		s.log.DebugContext(r.Context(), "the answer was not read", "error", err)
	}
}
