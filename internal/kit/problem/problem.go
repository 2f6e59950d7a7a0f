// Package problem is the one shape of every error that leaves over HTTP:
// RFC 9457 application/problem+json with a stable code, the field at fault, what
// mends it, and the request id under which the log tells more.
//
// Domain code returns ordinary errors, or a Problem made with New when it knows
// what the caller did wrong:
//
//	return problem.New(problem.InvalidField, "the time zone %q is not known", tz).
//		WithField("time_zone").WithMend("use an IANA name, for example Europe/Berlin")
//
// The edge turns any error into an answer with Write. An error that is not a
// Problem becomes "internal": the client sees the request id, the log sees the
// error. Nothing internal leaves.
package problem

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
)

// ContentType is the media type of a problem.
const ContentType = "application/problem+json"

// Problem is an error as the client sees it.
type Problem struct {
	Type      string       `json:"type" doc:"What kind of problem this is, as a URI; about:blank when the code says it all." example:"about:blank"`
	Title     string       `json:"title" doc:"The kind of problem in words." example:"A value is not valid"`
	Status    int          `json:"status" doc:"The HTTP status." example:"422"`
	Detail    string       `json:"detail,omitempty" doc:"What is wrong with this request."`
	Code      Code         `json:"code" doc:"The stable name of the kind of problem." example:"invalid_field"`
	Field     string       `json:"field,omitempty" doc:"The field at fault." example:"body.time_zone"`
	Mend      string       `json:"mend,omitempty" doc:"What mends it."`
	RequestID string       `json:"request_id,omitempty" doc:"The id under which the log tells more."`
	Errors    []FieldError `json:"errors,omitempty" doc:"Each fault, when there are several."`
	Head      *int64       `json:"head,omitempty" doc:"The number of the log's last event, with the code cursor_beyond_head."`

	cause error
}

// FieldError is one fault of several in a request.
type FieldError struct {
	Field  string `json:"field" doc:"The field at fault." example:"body.time_zone"`
	Detail string `json:"detail" doc:"What is wrong with it."`
}

// New makes a problem of the code; status and title come from the catalogue. The
// text is for the client: it names what is wrong and holds nothing internal.
func New(code Code, format string, args ...any) *Problem {
	e := entry(code)
	return &Problem{Type: "about:blank", Title: e.Title, Status: e.Status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// WithField names the field at fault.
func (p *Problem) WithField(f string) *Problem { p.Field = f; return p }

// WithMend says what mends it.
func (p *Problem) WithMend(m string) *Problem { p.Mend = m; return p }

// WithErrors lists several faults; the first one's field becomes the problem's.
func (p *Problem) WithErrors(errs ...FieldError) *Problem {
	p.Errors = errs
	if p.Field == "" && len(errs) > 0 {
		p.Field = errs[0].Field
	}
	return p
}

// WithHead tells the end of the log, where the place asked for lies behind it.
func (p *Problem) WithHead(n int64) *Problem { p.Head = &n; return p }

// WithCause keeps the error behind the problem for errors.Is and for the log.
// It is never sent.
func (p *Problem) WithCause(err error) *Problem { p.cause = err; return p }

// Error is the problem in one line.
func (p *Problem) Error() string {
	s := p.Detail
	if s == "" {
		s = p.Title
	}
	if p.Field != "" {
		s = p.Field + ": " + s
	}
	if p.Mend != "" {
		s += " (" + p.Mend + ")"
	}
	return s
}

// Unwrap is the cause given to WithCause.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus is the HTTP status; huma asks for it.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type; huma asks for it.
func (p *Problem) ContentType(string) string { return ContentType }

// From turns any error into a problem. A Problem in the chain is used as it is
// (copied, so that the caller may complete it); an error with a method
// Problem() *Problem says itself what it is; limits and deadlines of net/http
// and context are recognised. All else is internal, without detail.
func From(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		c := *p
		return &c
	}
	var self interface{ Problem() *Problem }
	if errors.As(err, &self) {
		c := *self.Problem()
		return c.WithCause(err)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return New(TooLarge, "the body is larger than %d bytes", tooLarge.Limit).WithMend("send it in smaller parts").WithCause(err)
	case errors.Is(err, context.DeadlineExceeded):
		return New(Timeout, "the request was not done within its time limit").WithCause(err)
	case errors.Is(err, context.Canceled):
		return New(Canceled, "the request was closed before it was answered").WithCause(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return New(SlowBody, "").WithMend("send it at once").WithCause(err)
	case unavailable(err):
		return New(Unavailable, "something this needs does not answer now").WithMend("send the same request again in a few seconds").WithCause(err)
	}
	return New(Internal, "").WithCause(err)
}

// unavailable tells whether a dependency could not be reached, or refuses work
// for now: connections that are refused or lost, and the classes of SQLSTATE that
// mean a database which is starting, stopping or full.
func unavailable(err error) bool {
	var network *net.OpError
	if errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) {
		return true
	}
	var sql interface{ SQLState() string }
	if !errors.As(err, &sql) {
		return false
	}
	state := sql.SQLState()
	return strings.HasPrefix(state, "08") || strings.HasPrefix(state, "53") || strings.HasPrefix(state, "57P")
}

// Write answers the request with the error. Problems of status 500 and above are
// logged with their cause under the request id; what is sent of an internal one
// is only that id.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	p := Prepare(r.Context(), err)
	h := w.Header()
	h.Del("Content-Length")
	h.Del("Content-Encoding")
	h.Del("Etag")
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	body, merr := json.Marshal(p)
	if merr != nil { // a Problem holds only strings and numbers
		logger(r.Context()).Error("encode problem", "error", merr)
		return
	}
	if _, werr := w.Write(append(body, '\n')); werr != nil {
		logger(r.Context()).Debug("write problem", "error", werr)
	}
}

// Prepare makes the problem that would be sent for err: completed with the
// request id of the context, its cause logged when the fault is ours, and, when
// internal, without detail.
func Prepare(ctx context.Context, err error) *Problem {
	p := From(err)
	p.RequestID = RequestID(ctx)
	cause := p.cause
	if own, ok := err.(*Problem); cause == nil && !(ok && own.Code == Unavailable) { //nolint:errorlint // the problem itself
		cause = err
	}
	// A refusal for want of room has no cause, and comes by the thousand.
	if p.Status >= 500 && cause != nil {
		logger(ctx).ErrorContext(ctx, "request failed", "request_id", p.RequestID, "code", string(p.Code), "error", cause)
	}
	if p.Code == Internal {
		p.Detail = "The log has the cause under this request id."
		p.Field, p.Errors = "", nil
	}
	return p
}

type contextKey struct{}

type request struct {
	id  string
	log *slog.Logger
}

// WithRequest puts the request id and the logger of a request into its context.
func WithRequest(ctx context.Context, id string, log *slog.Logger) context.Context {
	return context.WithValue(ctx, contextKey{}, request{id, log})
}

// RequestID is the id that WithRequest put into the context, or "".
func RequestID(ctx context.Context) string {
	r, _ := ctx.Value(contextKey{}).(request)
	return r.id
}

func logger(ctx context.Context) *slog.Logger {
	if r, _ := ctx.Value(contextKey{}).(request); r.log != nil {
		return r.log
	}
	return slog.Default()
}
