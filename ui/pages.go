package ui

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/scope"
	"github.com/fawkes-idp/fawkes/ui/units"
	"github.com/fawkes-idp/fawkes/ui/view"
)

// listLimit is how many rows a page of a list has.
const listLimit = 50

// inProject reads the project that the address names and sets the frame in its time zone.
func (c *console) inProject(r *http.Request, f *view.Frame, tab, title string) error {
	p, err := c.reader.Project(r.Context(), f.Scope.Project)
	if err != nil {
		return err
	}
	f.Project, f.Tab = &p, tab
	if f.Profiles, err = c.reader.Profiles(r.Context()); err != nil {
		return err
	}
	f.Title = f.Scope.Project
	if title != "" {
		f.Title = title + " · " + f.Scope.Project
	}
	zone, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		return problem.New(problem.Internal, "the time zone %q of %s is not known here", p.TimeZone, p.Name)
	}
	f.Zone = zone
	return nil
}

// question is the scope as the service is asked it.
func question(s scope.Scope, w scope.Window, series bool) delivery.Query {
	q := delivery.Query{Project: s.Project, Service: s.Service, Team: s.Team, Environment: s.Environment, Profile: s.Profile}
	q.From, q.To = w.Params()
	if series {
		q.Interval = s.IntervalKey()
	}
	return q
}

// windowText writes the days of a window: 26 Aug – 23 Nov 2026.
func windowText(f view.Frame, w scope.Window) string {
	if !w.Bounded {
		return "all time"
	}
	last := w.To.Add(-time.Second)
	if w.Days() <= 1 {
		return units.Date(w.From)
	}
	layout := "2 Jan 2006"
	if w.From.Year() == last.Year() {
		layout = "2 Jan"
	}
	return w.From.Format(layout) + " – " + units.Date(last)
}

// older points to the window that holds the last deployment, when this one holds none.
func older(f view.Frame, w scope.Window, empty bool) *view.OlderData {
	if !empty || !w.Bounded || f.Project == nil || f.Project.LastDeploymentAt == nil {
		return nil
	}
	last := f.Project.LastDeploymentAt.In(f.Zone)
	if !last.Before(w.From) && last.Before(w.To) {
		return nil // it lies in this window, so a filter hides it
	}
	s := f.Scope
	age := f.Now.Sub(last)
	var label string
	switch {
	case age < 30*24*time.Hour:
		s, label = s.With("range", "30d"), "the last 30 days"
	case age < 180*24*time.Hour:
		s, label = s.With("range", "6m"), "the last 6 months"
	case age < 360*24*time.Hour:
		s, label = s.With("range", "1y"), "the last year"
	default:
		y, m, d := last.Date()
		end := time.Date(y, m, d+1, 0, 0, 0, 0, f.Zone)
		s = s.WithDays(end.AddDate(0, 0, -90), end)
		label = "the 90 days up to it"
	}
	here, err := url.Parse(f.Here)
	if err != nil {
		return nil
	}
	href := here.EscapedPath()
	if q := s.Values().Encode(); q != "" {
		href += "?" + q
	}
	return &view.OlderData{Href: href, Label: label, Last: last}
}

// both runs two reads at once and joins their errors.
func both(ctx context.Context, a, b func(context.Context) error) error {
	errs := make(chan error, 1)
	go func() { errs <- b(ctx) }()
	err := a(ctx)
	return errors.Join(err, <-errs)
}

// nextPage is the address of a list's next page, empty on the last one.
func nextPage(f view.Frame, cursor string) (first, next string) {
	here, err := url.Parse(f.Here)
	if err != nil {
		return "", ""
	}
	q := here.Query()
	if q.Get("cursor") != "" {
		q.Del("cursor")
		first = address(here.EscapedPath(), q)
	}
	if cursor != "" {
		q.Set("cursor", cursor)
		next = address(here.EscapedPath(), q)
	}
	return first, next
}

func address(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func (c *console) keyboard(_ http.ResponseWriter, _ *http.Request, f view.Frame) (templ.Component, error) {
	f.Title = "Keyboard shortcuts"
	return view.Keyboard(f), nil
}

func (c *console) nowhere(_ http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	return nil, problem.New(problem.NotFound, "there is no page at %s", r.URL.Path)
}
