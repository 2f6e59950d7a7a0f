package ui

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/road"
	"github.com/fawkes-idp/fawkes/ui/view"
)

// appTail is how many lines of an instance's log a page shows.
const appTail = 500

// appWords say what was done to an application.
func appWords() map[string]string {
	return map[string]string{
		"sync":      "The sync was asked for. What it does shows here.",
		"rollback":  "The rollback was asked for: a revert in the environment repository, then its roll-out.",
		"promote":   "The promotion was asked for.",
		"restart":   "Every instance is being started again, one after the other.",
		"terminate": "The operation is being stopped.",
		"approve":   "The promotion was approved.",
		"reject":    "The promotion was rejected.",
	}
}

// apps shows every service in every environment.
func (c *console) apps(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	q := r.URL.Query()
	f.Title, f.Search, f.Keep = "Applications", strings.TrimSpace(q.Get("q")), keep(q, "environment", "health", "sync")
	p := view.AppsPage{
		Filter: road.AppFilter{Environment: q.Get("environment"), Service: q.Get("service"), Health: q.Get("health"), Sync: q.Get("sync"), Search: f.Search},
		Done:   wordOf(q, appWords()), PushURL: c.pushURL(),
	}
	err := together(r.Context(),
		func(ctx context.Context) (err error) {
			p.Apps, err = c.road.Apps.Apps(ctx, p.Filter)
			return err
		},
		func(ctx context.Context) error {
			all, err := c.road.Apps.Environments(ctx)
			p.Environments, p.Problem = all.Environments, all.Problem
			return err
		},
		func(ctx context.Context) (err error) {
			p.Promotions, err = c.road.Apps.Promotions(ctx)
			return err
		})
	if err != nil {
		return nil, err
	}
	return view.Apps(f, p), nil
}

// app shows one application.
func (c *console) app(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	q, name := r.URL.Query(), r.PathValue("name")
	a, err := c.road.Apps.App(r.Context(), name)
	if err != nil {
		return nil, err
	}
	f.Title = a.Health + ": " + a.Name
	p := view.AppPageData{App: a, Instance: q.Get("instance"), Done: wordOf(q, appWords())}
	if n, err := number(q, "changes"); err == nil && q.Get("done") == "dry_run" {
		p.Done = view.WouldChange(int(n))
	}
	var all []road.Promotion
	var environments road.Landscape
	err = together(r.Context(),
		func(ctx context.Context) error {
			diff, err := c.road.Apps.Diff(ctx, name)
			p.Diff = diff
			if refused := problem.From(err); err != nil && refused.Status < http.StatusInternalServerError && refused.Status != http.StatusUnauthorized {
				p.DiffFault = refused.Detail // what is declared cannot be rendered, which the page says
				return nil
			}
			return err
		},
		func(ctx context.Context) (err error) {
			p.History, err = c.road.Apps.History(ctx, name)
			return err
		},
		func(ctx context.Context) (err error) {
			p.Instances, err = c.road.Apps.Instances(ctx, name)
			return err
		},
		func(ctx context.Context) (err error) {
			all, err = c.road.Apps.Promotions(ctx)
			return err
		},
		func(ctx context.Context) (err error) {
			environments, err = c.road.Apps.Environments(ctx)
			return err
		},
		func(ctx context.Context) error { return c.instanceLog(ctx, &p) })
	if err != nil {
		return nil, err
	}
	for _, e := range environments.Environments {
		if e.Name == a.Environment {
			p.Environment = e
		}
		if e.From == a.Environment {
			p.Next = append(p.Next, e)
		}
	}
	p.Promotions = slices.DeleteFunc(all, func(m road.Promotion) bool { return m.Service != a.Service })
	return view.App(f, p), nil
}

// instanceLog reads the end of the log of the instance that the address names. An instance that is gone is said.
func (c *console) instanceLog(ctx context.Context, p *view.AppPageData) error {
	if p.Instance == "" {
		return nil
	}
	text, err := c.road.Apps.AppLog(ctx, p.App.Name, p.Instance, appTail)
	if err != nil && statusOf(err) == http.StatusNotFound {
		p.LogFault = "there is no such instance any more"
		return nil
	}
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	p.Log = logLines(lines[max(len(lines)-appTail, 0):], 0, false)
	return nil
}

// changeApp does what one of the application's forms asks for.
func (c *console) changeApp(w http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	if err := r.ParseForm(); err != nil {
		return nil, formFault(err)
	}
	ctx, name, form := r.Context(), r.PathValue("name"), r.PostForm
	do := form.Get("do")
	var err error
	switch do {
	case "sync":
		dry := form.Get("dry_run") == "true"
		changes, err := c.road.Apps.Sync(ctx, name, form.Get("prune") == "true", dry)
		if err != nil {
			return nil, err
		}
		if dry {
			return nil, goOn(w, r, view.AppPath(name), "dry_run", "changes", strconv.Itoa(len(changes)))
		}
	case "rollback":
		err = c.road.Apps.Rollback(ctx, name, form.Get("id"))
	case "promote":
		err = c.road.Apps.Promote(ctx, name, form.Get("to"))
	case "restart":
		err = c.road.Apps.Restart(ctx, name)
	case "terminate":
		err = c.road.Apps.Terminate(ctx, name)
	default:
		err = unknownDo(do)
	}
	if err != nil {
		return nil, err
	}
	return nil, goOn(w, r, view.AppPath(name), do)
}

// promotions lists every promotion that is kept.
func (c *console) promotions(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	f.Title = "Promotions"
	all, err := c.road.Apps.Promotions(r.Context())
	if err != nil {
		return nil, err
	}
	return view.Promotions(f, all, wordOf(r.URL.Query(), appWords())), nil
}

// decide approves or rejects a promotion and goes back to where that was done.
func (c *console) decide(w http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	if err := r.ParseForm(); err != nil {
		return nil, formFault(err)
	}
	do := r.PostForm.Get("do")
	if do != "approve" && do != "reject" {
		return nil, unknownDo(do)
	}
	if err := c.road.Apps.Decide(r.Context(), r.PathValue("id"), do == "approve"); err != nil {
		return nil, err
	}
	to := "/promotions"
	if u, err := url.Parse(localPath(r.PostForm.Get("next"))); err == nil && u.Path != "/" {
		to = u.EscapedPath()
	}
	return nil, goOn(w, r, to, do)
}
