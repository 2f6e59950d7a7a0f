package ui

import (
	"errors"
	"net/http"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/scope"
	"github.com/fawkes-idp/fawkes/ui/view"
)

func forbiddenConsole() error {
	return problem.New(problem.Forbidden, "your account may not use the console").
		WithMend("ask an administrator for the viewer role")
}

func statusOf(err error) int { return problem.From(err).Status }

// fault shows an error as a page: what happened, how to mend it, and a way on. What the reader cannot mend is logged.
func (c *console) fault(w http.ResponseWriter, r *http.Request, f view.Frame, err error) {
	var field *scope.FieldError
	if errors.As(err, &field) {
		err = problem.New(problem.InvalidField, "%s", field.Detail).WithField(field.Field)
	}
	p := problem.From(err)
	if p.Status >= http.StatusInternalServerError {
		c.log.ErrorContext(r.Context(), "answer a page", "path", r.URL.Path, "status", p.Status, "error", err)
	}
	e := view.Fault{Status: p.Status, Title: p.Title, Detail: p.Detail, Mend: p.Mend, Field: p.Field, RequestID: problem.RequestID(r.Context())}
	e.Back, e.BackLabel = f.AreaLink()
	if p.Field != "" && p.Detail != "" {
		e.Detail = p.Field + ": " + p.Detail
	}
	if f.Scope.Project != "" && p.Status != http.StatusNotFound {
		bare := f.Scope
		e.Back, e.BackLabel = bare.BarePath(), "Metrics of "+bare.Project
	}
	f.Title = p.Title
	c.render(w, r, p.Status, view.FaultPage(f, e))
}
