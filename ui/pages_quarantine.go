package ui

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/view"
)

// correctedLimit is the most bytes of a form with a corrected body: a body of 1 MiB, every byte of it escaped.
const correctedLimit = 4 << 20

// quarantineFilter is which deliveries the address names; open ones when it names no status.
func quarantineFilter(q url.Values) (delivery.QuarantineFilter, error) {
	f := delivery.QuarantineFilter{Status: q.Get("status"), Source: q.Get("source"), Project: q.Get("project")}
	switch f.Status {
	case "":
		f.Status = delivery.QuarantineOpen
	case view.QuarantineAll:
		f.Status = ""
	case delivery.QuarantineOpen, delivery.QuarantineReplayed, delivery.QuarantineDiscarded:
	default:
		return f, problem.New(problem.InvalidField, "%q is not one of open, replayed, discarded, all", f.Status).WithField("status")
	}
	return f, nil
}

// quarantine lists the deliveries that could not be understood.
func (c *console) quarantine(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	f.Title = "Quarantine"
	q := r.URL.Query()
	which, err := quarantineFilter(q)
	if err != nil {
		return nil, err
	}
	p := view.QuarantinePage{Filter: which, Done: doneFrom(q)}
	if p.List, err = c.reader.Quarantine(r.Context(), which, delivery.Page{Limit: listLimit, Cursor: q.Get("cursor")}); err != nil {
		return nil, err
	}
	p.First, p.Next = nextPage(f, p.List.NextCursor)
	return view.Quarantine(f, p), nil
}

// quarantineEntry shows one of them.
func (c *console) quarantineEntry(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	f.Title = "Delivery " + r.PathValue("id")
	q, err := c.reader.QuarantineEntry(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return view.QuarantineEntry(f, view.QuarantineEntryPage{Quarantined: q, Text: q.Body, Done: doneFrom(r.URL.Query())}), nil
}

// settle replays or discards one delivery. One that still cannot be read is shown with its text as it was edited.
func (c *console) settle(w http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	httpapi.Allow(r, httpapi.Limits{Body: correctedLimit})
	if err := r.ParseForm(); err != nil {
		return nil, formFault(err)
	}
	id := r.PathValue("id")
	if r.PostForm.Get("do") == "discard" {
		if err := c.reader.Discard(r.Context(), id); err != nil {
			return nil, err
		}
		return c.settled(w, r, "/quarantine", url.Values{}, delivery.Settled{Discarded: 1})
	}
	q, err := c.reader.QuarantineEntry(r.Context(), id)
	if err != nil {
		return nil, err
	}
	text, corrected := q.Body, (*string)(nil)
	// A form sends line ends as CR LF, whatever they were.
	if sent, ok := r.PostForm["body"]; ok && !sameText(sent[0], q.Body) {
		text, corrected = sent[0], &sent[0]
	}
	got, err := c.reader.Replay(r.Context(), id, corrected)
	if p := problem.From(err); err != nil && p.Status >= 400 && p.Status < 500 && p.Status != http.StatusUnauthorized && p.Status != http.StatusForbidden {
		if q, err = c.reader.QuarantineEntry(r.Context(), id); err != nil {
			return nil, err
		}
		f.Title = "Delivery " + id
		c.render(w, r, http.StatusUnprocessableEntity, view.QuarantineEntry(f, view.QuarantineEntryPage{Quarantined: q, Text: text, Fault: p}))
		return nil, errAnswered
	}
	if err != nil {
		return nil, err
	}
	return c.settled(w, r, "/quarantine/"+url.PathEscape(id), url.Values{}, got)
}

func sameText(a, b string) bool {
	return strings.ReplaceAll(a, "\r\n", "\n") == strings.ReplaceAll(b, "\r\n", "\n")
}

// settleAll replays or discards all that the filter names.
func (c *console) settleAll(w http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	if err := r.ParseForm(); err != nil {
		return nil, formFault(err)
	}
	which := delivery.QuarantineFilter{Source: r.PostForm.Get("source"), Project: r.PostForm.Get("project")}
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	got, err := c.reader.SettleAll(ctx, which, r.PostForm.Get("do") == "discard")
	if err != nil {
		return nil, err
	}
	back := url.Values{}
	for name, v := range map[string]string{"source": which.Source, "project": which.Project} {
		if v != "" {
			back.Set(name, v)
		}
	}
	return c.settled(w, r, "/quarantine", back, got)
}

func formFault(err error) error {
	var p *problem.Problem
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return err
	case errors.As(err, &tooLong):
		return problem.New(problem.TooLarge, "the form is larger than %d bytes", tooLong.Limit).WithMend("replay it from the command line: `fawkes dora quarantine replay ID --body FILE`")
	}
	return problem.New(problem.InvalidField, "the form cannot be read").WithField("body").WithCause(err)
}

// settled goes on to a page that says what was done; loading that one again repeats nothing.
func (c *console) settled(w http.ResponseWriter, r *http.Request, to string, q url.Values, got delivery.Settled) (templ.Component, error) {
	for name, n := range map[string]int{"replayed": got.Replayed, "discarded": got.Discarded, "failed": got.Failed, "stored": got.Stored, "duplicates": got.Duplicates} {
		if n > 0 {
			q.Set(name, strconv.Itoa(n))
		}
	}
	q.Set("done", "1")
	if got.More {
		q.Set("more", "1")
	}
	http.Redirect(w, r, address(to, q), http.StatusSeeOther)
	return nil, errAnswered
}

// doneFrom is what the page before did, as its address says; nil when it did nothing.
func doneFrom(q url.Values) *delivery.Settled {
	if q.Get("done") != "1" {
		return nil
	}
	n := func(name string) int {
		v, err := strconv.Atoi(q.Get(name))
		if err != nil || v < 0 {
			return 0 // an address that was written by hand
		}
		return v
	}
	return &delivery.Settled{Replayed: n("replayed"), Discarded: n("discarded"), Failed: n("failed"), Stored: n("stored"), Duplicates: n("duplicates"), More: q.Get("more") == "1"}
}
