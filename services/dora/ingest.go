package dora

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

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
	batchChunk  = 1000      // lines to a transaction, and no more than these bytes
	batchBytes  = 4 << 20
	maxFaults   = 1000 // rejected lines told one by one
	keptFaults  = 100  // of them kept in quarantine
)

// handleEvent takes one event: POST /events.
func (s *Service) handleEvent(w http.ResponseWriter, r *http.Request) {
	fresh, err := s.takeEvent(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if !fresh {
		s.write(w, r, []byte(`{"status":"duplicate"}`+"\n"))
		return
	}
	w.WriteHeader(http.StatusAccepted)
	s.write(w, r, []byte(`{"status":"stored"}`+"\n"))
}

func (s *Service) takeEvent(r *http.Request) (fresh bool, err error) {
	asked, err := parameters(r, "project")
	if err != nil {
		return false, err
	}
	in, err := unpacked(r, maxLine)
	if err != nil {
		return false, err
	}
	text := s.texts.get()
	defer s.texts.put(text)
	if _, err := text.ReadFrom(in); err != nil {
		return false, unreadable(err)
	}
	body := text.Bytes() // what is read of it is copied
	e, err := event.ParseLine(bytes.TrimPrefix(body, byteOrderMark), event.SourceBulk, asked["project"])
	if err != nil {
		s.quarantine(r.Context(), Quarantined{Source: event.SourceBulk, Project: asked["project"], Kind: "event"}, err, body)
		return false, fieldProblem(err)
	}
	if err := touch(r.Context(), e.Project); err != nil {
		return false, err
	}
	got, err := s.Take(r.Context(), []event.Event{e})
	return err == nil && got[0], err
}

// buffers are reused for the bodies of single events. Large ones are let go: one
// event of a megabyte should not be remembered for ever.
type buffers struct{ pool sync.Pool }

const keptBuffer = 16 << 10

func (b *buffers) get() *bytes.Buffer {
	if v, ok := b.pool.Get().(*bytes.Buffer); ok {
		return v
	}
	return bytes.NewBuffer(make([]byte, 0, 2<<10))
}

func (b *buffers) put(v *bytes.Buffer) {
	if v.Cap() <= keptBuffer {
		v.Reset()
		b.pool.Put(v)
	}
}

// parameters reads the query parameters of a plain handler. Unknown ones are
// refused by name, and so is a project that the caller may not touch.
func parameters(r *http.Request, known ...string) (map[string]string, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	out := map[string]string{}
	for name, values := range r.URL.Query() {
		if !slices.Contains(known, name) {
			return nil, problem.New(problem.UnknownField, "unknown query parameter").WithField("query." + name).
				WithMend("the known ones are " + strings.Join(known, ", "))
		}
		out[name] = values[0]
	}
	if p := out["project"]; p != "" {
		return out, touch(r.Context(), p)
	}
	return out, nil
}

// fail answers with a problem; one that will pass says when to come again.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	retryLater(w, problem.From(err).Status)
	problem.Write(w, r, err)
}

func retryLater(w http.ResponseWriter, status int) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
}

// touch says whether the caller may work on a project.
func touch(ctx context.Context, project string) error {
	p, ok := auth.FromContext(ctx)
	if !ok || p.CanTouch(project) {
		return nil
	}
	if project == "" {
		return problem.New(problem.Forbidden, "this credential is for some projects only, and no project is named").WithField("project")
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

// unpacked is the body without its compression, bounded in length.
func unpacked(r *http.Request, most int64) (io.Reader, error) {
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
		return r.Body, nil
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, problem.New(problem.InvalidBody, "the body is not gzip").WithCause(err)
		}
		if err != nil {
			return nil, unreadable(err)
		}
		return httpapi.Charged(r, http.MaxBytesReader(nil, z, most)), nil
	default:
		return nil, problem.New(problem.UnsupportedType, "the encoding %q is not read", enc).WithMend("send it as it is, or as gzip")
	}
}

// unreadable is the problem of a body that ended in an error.
func unreadable(err error) error {
	var tooLarge *http.MaxBytesError
	var told *problem.Problem
	switch {
	case errors.As(err, &told), errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case errors.As(err, &tooLarge), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return problem.New(problem.InvalidBody, "the gzip is damaged").WithCause(err)
	}
	return problem.New(problem.InvalidBody, "the body broke off").WithMend("send it again").WithCause(err)
}

func (s *Service) write(w http.ResponseWriter, r *http.Request, body []byte) {
	if _, err := w.Write(body); err != nil {
		s.log.DebugContext(r.Context(), "the answer was not read", "error", err)
	}
}
