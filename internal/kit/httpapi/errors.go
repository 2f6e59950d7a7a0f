package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// huma asks two of its package variables for the shape of errors, and offers no
// other way. They are set once, before anything runs, and never again.
func init() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return fromHuma(status, message, errs)
	}
	huma.NewErrorWithContext = func(_ huma.Context, status int, message string, errs ...error) huma.StatusError {
		return fromHuma(status, message, errs)
	}
}

// fromHuma makes our problem of huma's findings: what a handler returned that is
// no problem yet, or the faults of a request's parameters and body.
func fromHuma(status int, message string, errs []error) *problem.Problem {
	if status == http.StatusInternalServerError && len(errs) > 0 {
		return problem.From(errors.Join(errs...))
	}
	code := problem.ForStatus(status)
	if status == http.StatusUnprocessableEntity && allUnknown(errs) {
		code = problem.UnknownField
	}
	p := problem.New(code, "%s", message)
	if status >= 400 {
		p.Status = status
	}
	var faults []problem.FieldError
	for _, err := range errs {
		if err == nil {
			continue
		}
		faults = append(faults, fieldError(err))
	}
	switch len(faults) {
	case 0:
	case 1:
		if status == http.StatusBadRequest && strings.HasPrefix(faults[0].Field, "body.") {
			p = problem.New(problem.InvalidField, "")
		}
		p.Detail = faults[0].Detail
		p.WithErrors(faults...)
	default:
		p.WithErrors(faults...)
	}
	return p
}

// fieldError keeps the place and the finding. The value is left out: it is the
// client's own, and may be a secret that was put into the wrong field.
func fieldError(err error) problem.FieldError {
	var p *problem.Problem
	if errors.As(err, &p) {
		return problem.FieldError{Field: p.Field, Detail: p.Detail}
	}
	var d huma.ErrorDetailer
	if errors.As(err, &d) {
		detail := d.ErrorDetail()
		if field, found, ok := strings.Cut(detail.Message, ": "); ok && detail.Location == "body" && strings.HasPrefix(field, "body.") {
			return problem.FieldError{Field: field, Detail: found} // what CheckJSON found, flattened on its way through huma
		}
		return problem.FieldError{Field: detail.Location, Detail: detail.Message}
	}
	return problem.FieldError{Detail: err.Error()}
}

// allUnknown tells whether all that is wrong are names nobody knows.
func allUnknown(errs []error) bool {
	for _, err := range errs {
		text := fieldError(err).Detail
		if !strings.HasPrefix(text, "unexpected property") && !strings.HasPrefix(text, "unknown query parameter") {
			return false
		}
	}
	return len(errs) > 0
}

// prepareProblems completes every problem that leaves through huma, as
// problem.Write does for those that leave elsewhere.
func prepareProblems(ctx huma.Context, _ string, v any) (any, error) {
	p, ok := v.(*problem.Problem)
	if !ok {
		return v, nil
	}
	ctx.SetHeader("Cache-Control", "no-store")
	return problem.Prepare(ctx.Context(), p), nil
}
