package ui

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/view"
)

const (
	projectsPerPage = 20 // each costs one report
	reportsAtOnce   = 6
)

// overview lists the projects, the latest deployed first, with the five metrics of each.
func (c *console) overview(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	f.Title, f.Search = "Projects", strings.TrimSpace(r.URL.Query().Get("q"))
	all, err := c.reader.Projects(r.Context())
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(slices.Clone(all), func(p delivery.Project) bool { return !matches(p, f.Search) })
	slices.SortFunc(found, func(a, b delivery.Project) int {
		return cmp.Or(latest(b).Compare(latest(a)), cmp.Compare(a.Name, b.Name))
	})
	page, err := pageNumber(r.URL.Query().Get("page"))
	if err != nil {
		return nil, err
	}
	from := min((page-1)*projectsPerPage, len(found))
	to := min(from+projectsPerPage, len(found))
	p := view.OverviewPage{Total: len(all), Found: len(found)}
	err = together(r.Context(), func(ctx context.Context) error {
		p.Rows = c.rows(ctx, f, found[from:to])
		return nil
	}, func(context.Context) error {
		if page == 1 && f.Search == "" {
			p.Road = c.strip(r, f)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if page > 1 {
		p.Prev = pageAddress(f, 1)
	}
	if to < len(found) {
		p.Next = pageAddress(f, page+1)
	}
	return view.Overview(f, p), nil
}

// rows reads the reports of the projects, a few at once. A project whose report fails is shown with the reason.
func (c *console) rows(ctx context.Context, f view.Frame, projects []delivery.Project) []view.OverviewRow {
	out := make([]view.OverviewRow, len(projects))
	slots := make(chan struct{}, reportsAtOnce)
	var wg sync.WaitGroup
	for i, p := range projects {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			out[i] = c.row(ctx, f, p)
		})
	}
	wg.Wait()
	return out
}

func (c *console) row(ctx context.Context, f view.Frame, p delivery.Project) view.OverviewRow {
	row := view.OverviewRow{Project: p}
	zone, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		row.Fault = "its time zone " + p.TimeZone + " is not known here"
		return row
	}
	s := f.Scope.With("project", p.Name)
	report, err := c.reader.Report(ctx, question(s, s.Window(f.Now, zone), true))
	if err != nil {
		row.Fault = problem.From(err).Detail
		if ctx.Err() != nil {
			return row // nobody waits for it any more
		}
		c.log.ErrorContext(ctx, "read a project's report for the overview", "project", p.Name, "error", err)
		return row
	}
	row.Report = &report
	f.Scope, f.Project, f.Zone, f.Here = s, &p, zone, s.Path()
	row.Older = older(f, s.Window(f.Now, zone), true)
	return row
}

func matches(p delivery.Project, search string) bool {
	if search == "" {
		return true
	}
	search = strings.ToLower(search)
	in := func(s string) bool { return strings.Contains(strings.ToLower(s), search) }
	return in(p.Name) || slices.ContainsFunc(p.Services, func(s delivery.Service) bool { return in(s.Name) || in(s.Team) })
}

func latest(p delivery.Project) time.Time {
	if p.LastDeploymentAt == nil {
		return time.Time{}
	}
	return *p.LastDeploymentAt
}

func pageNumber(text string) (int, error) {
	if text == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1_000_000 {
		return 0, problem.New(problem.InvalidField, "%q is not the number of a page; the first is 1", text).WithField("page")
	}
	return n, nil
}

func pageAddress(f view.Frame, n int) string {
	here, err := url.Parse(f.Here)
	if err != nil {
		return "/"
	}
	q := here.Query()
	q.Del("page")
	if n > 1 {
		q.Set("page", strconv.Itoa(n))
	}
	return address("/", q)
}
