package ui

import (
	"context"
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/chart"
	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/scope"
	"github.com/fawkes-idp/fawkes/ui/units"
	"github.com/fawkes-idp/fawkes/ui/view"
)

const (
	timelineLimit = 500 // deployments drawn; the rest is in the list
	timelineLanes = 8
	latestShown   = 8
)

// reports reads the window's report with its series and, when there is one, the report of the window before.
func (c *console) reports(ctx context.Context, s scope.Scope, w scope.Window) (now delivery.Report, before *delivery.Report, err error) {
	if !w.Bounded {
		now, err = c.reader.Report(ctx, question(s, w, true))
		return now, nil, err
	}
	var previous delivery.Report
	err = both(ctx,
		func(ctx context.Context) (err error) {
			now, err = c.reader.Report(ctx, question(s, w, true))
			return err
		},
		func(ctx context.Context) (err error) {
			previous, err = c.reader.Report(ctx, question(s, w.Previous(), false))
			return err
		})
	return now, &previous, err
}

// project is the page of a project's five metrics.
func (c *console) project(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	if err := c.inProject(r, &f, "metrics", ""); err != nil {
		return nil, err
	}
	w := f.Scope.Window(f.Now, f.Zone)
	p := view.ProjectPage{Window: windowText(f, w)}
	var list delivery.List[delivery.Deployment]
	err := both(r.Context(),
		func(ctx context.Context) (err error) {
			p.Report, p.Previous, err = c.reports(ctx, f.Scope, w)
			return err
		},
		func(ctx context.Context) (err error) {
			list, err = c.reader.Deployments(ctx, question(f.Scope, w, false), delivery.Page{Limit: timelineLimit})
			return err
		})
	if err != nil {
		return nil, err
	}
	p.Timeline = timeline(f, w, list.Items)
	p.Latest = list.Items[:min(latestShown, len(list.Items))]
	if list.NextCursor != "" {
		p.Capped = len(list.Items)
	}
	p.Older = older(f, w, len(list.Items) == 0)
	return view.Project(f, p), nil
}

// timeline places the deployments over the window or, for all time, from the first of them to now.
func timeline(f view.Frame, w scope.Window, items []delivery.Deployment) chart.Timeline {
	moments := make([]chart.Moment, 0, len(items))
	from, to := w.From, w.To
	if !w.Bounded {
		from, to = f.Now, f.Now
	}
	for _, d := range items {
		at, ok := d.At()
		if !ok {
			continue
		}
		at = at.In(f.Zone)
		if !w.Bounded && at.Before(from) {
			from = at
		}
		moments = append(moments, chart.Moment{At: at, Lane: d.Service, Shape: view.KindShape(d), Href: f.Scope.Path("deployments", d.Key), Title: view.DeploymentTitle(d, at)})
	}
	if to.After(f.Now.Add(24 * time.Hour)) {
		to = f.Now
	}
	return chart.NewTimeline(moments, from.In(f.Zone), to.In(f.Zone), timelineLanes)
}

// metric opens one number: the same report, and the rows behind it.
func (c *console) metric(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	m, ok := view.MeasureOf(r.PathValue("metric"))
	if !ok {
		return nil, problem.New(problem.NotFound, "there is no metric named %q", r.PathValue("metric"))
	}
	if err := c.inProject(r, &f, "metrics", m.Label); err != nil {
		return nil, err
	}
	f.Crumb = m.Label
	w := f.Scope.Window(f.Now, f.Zone)
	p := view.MetricPage{Measure: m, Window: windowText(f, w)}
	err := both(r.Context(),
		func(ctx context.Context) (err error) {
			p.Report, p.Previous, err = c.reports(ctx, f.Scope, w)
			return err
		},
		func(ctx context.Context) (err error) {
			p.Evidence, err = c.reader.Evidence(ctx, m.Name, question(f.Scope, w, false), delivery.Page{Limit: listLimit, Cursor: r.URL.Query().Get("cursor")})
			return err
		})
	if err != nil {
		return nil, err
	}
	p.First, p.Next = nextPage(f, p.Evidence.NextCursor)
	v, _ := p.Report.Metric(m.Name)
	p.Older = older(f, w, v.N == 0)
	return view.Metric(f, p), nil
}

// knownKind says whether a list can be narrowed to the kind; empty is all.
func knownKind(kind string) bool {
	switch kind {
	case "", "first", "forward", "redeploy", "rollback":
		return true
	}
	return false
}

// deployments lists a project's deployments of the window.
func (c *console) deployments(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	if err := c.inProject(r, &f, "deployments", "Deployments"); err != nil {
		return nil, err
	}
	q := r.URL.Query()
	w := f.Scope.Window(f.Now, f.Zone)
	p := view.ListPage[delivery.Deployment]{Window: windowText(f, w), Kind: q.Get("kind"), Failed: q.Get("failed") == "true"}
	if !knownKind(p.Kind) {
		return nil, problem.New(problem.InvalidField, "%q is not one of first, forward, redeploy, rollback", p.Kind).WithField("kind")
	}
	var err error
	p.List, err = c.reader.Deployments(r.Context(), question(f.Scope, w, false), delivery.Page{Limit: listLimit, Cursor: q.Get("cursor"), Kind: p.Kind, Failed: p.Failed})
	if err != nil {
		return nil, err
	}
	p.First, p.Next = nextPage(f, p.List.NextCursor)
	p.Older = older(f, w, len(p.List.Items) == 0 && q.Get("cursor") == "")
	return view.Deployments(f, p), nil
}

// changes lists a project's changes that were deployed in the window.
func (c *console) changes(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	if err := c.inProject(r, &f, "changes", "Changes"); err != nil {
		return nil, err
	}
	q := r.URL.Query()
	w := f.Scope.Window(f.Now, f.Zone)
	p := view.ListPage[delivery.Change]{Window: windowText(f, w)}
	var err error
	p.List, err = c.reader.Changes(r.Context(), question(f.Scope, w, false), delivery.Page{Limit: listLimit, Cursor: q.Get("cursor")})
	if err != nil {
		return nil, err
	}
	p.First, p.Next = nextPage(f, p.List.NextCursor)
	p.Older = older(f, w, len(p.List.Items) == 0 && q.Get("cursor") == "")
	return view.Changes(f, p), nil
}

// incidents lists a project's incidents of the window.
func (c *console) incidents(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	if err := c.inProject(r, &f, "incidents", "Incidents"); err != nil {
		return nil, err
	}
	w := f.Scope.Window(f.Now, f.Zone)
	p := view.ListPage[delivery.Incident]{Window: windowText(f, w)}
	var err error
	p.List, err = c.reader.Incidents(r.Context(), question(f.Scope, w, false), delivery.Page{Limit: listLimit, Cursor: r.URL.Query().Get("cursor")})
	if err != nil {
		return nil, err
	}
	p.First, p.Next = nextPage(f, p.List.NextCursor)
	return view.Incidents(f, p), nil
}

// deployment is the page of one deployment.
func (c *console) deployment(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	if err := c.inProject(r, &f, "deployments", "Deployment"); err != nil {
		return nil, err
	}
	f.Crumb = "Deployment"
	e, err := c.reader.DeploymentEvidence(r.Context(), question(f.Scope, scope.Window{}, false), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	return view.Deployment(f, e), nil
}

// change is the page of one commit.
func (c *console) change(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	if err := c.inProject(r, &f, "changes", units.Short(r.PathValue("sha"))); err != nil {
		return nil, err
	}
	f.Crumb = "Change"
	e, err := c.reader.ChangeEvidence(r.Context(), question(f.Scope, scope.Window{}, false), r.PathValue("sha"))
	if err != nil {
		return nil, err
	}
	return view.Change(f, e), nil
}

// incident is the page of one incident.
func (c *console) incident(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	if err := c.inProject(r, &f, "incidents", "Incident"); err != nil {
		return nil, err
	}
	f.Crumb = "Incident"
	e, err := c.reader.IncidentEvidence(r.Context(), question(f.Scope, scope.Window{}, false), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	return view.Incident(f, e), nil
}

// settings shows what is declared about a project.
func (c *console) settings(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	if err := c.inProject(r, &f, "settings", "Settings"); err != nil {
		return nil, err
	}
	return view.Settings(f, *f.Project), nil
}
