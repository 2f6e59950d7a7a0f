// Package view is the console's pages as templ components. They hold no logic beyond choosing what to show: what
// they show comes from the delivery metrics service, where the marks of charts stand comes from ui/chart, and how
// quantities are written from ui/units.
//
// Every page is complete without JavaScript: controls are links and GET forms, charts are SVG with a table
// behind them. htmx swaps the same pages in place, and console.js adds keys and copy buttons.
package view

import (
	"net/url"
	"time"

	"github.com/fawkes-idp/fawkes/ui/assets"
	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/scope"
	"github.com/fawkes-idp/fawkes/ui/units"
)

// The themes that the cookie may hold; the first follows the system.
const (
	ThemeSystem = "system"
	ThemeLight  = "light"
	ThemeDark   = "dark"
)

// Frame is what surrounds a page: who looks, at what question, when, and in which colours.
type Frame struct {
	Title    string
	Scope    scope.Scope
	Project  *delivery.Project  // nil outside a project
	Profiles []delivery.Profile // the sets of definitions to choose from, inside a project
	Tab      string             // the tab of the project in use, empty for none
	Crumb    string             // the page below the tab, empty for the tab itself
	Theme    string
	Here     string // path and query of this page, to come back to
	User     string // empty when nobody is signed in
	Roles    string
	Search   string
	Area     string                  // the part of the console, projects when empty
	Absent   bool                    // that part is not run here, and has no API
	Keep     url.Values              // what a search keeps of the address
	May      func(scope string) bool // what the reader may do; nil for nothing
	Now      time.Time
	Zone     *time.Location
}

// In writes a moment in the zone of the page.
func (f Frame) In(t *time.Time) string {
	if t == nil {
		return units.Unknown
	}
	return units.Moment(t.In(f.zone()))
}

// Day writes a moment's day in the zone of the page.
func (f Frame) Day(t time.Time) string { return units.Date(t.In(f.zone())) }

// Ago writes how long ago a moment was.
func (f Frame) Ago(t *time.Time) string {
	if t == nil {
		return units.Unknown
	}
	return units.Ago(*t, f.Now)
}

func (f Frame) zone() *time.Location {
	if f.Zone == nil {
		return time.UTC
	}
	return f.Zone
}

// ZoneName names the zone for people.
func (f Frame) ZoneName() string { return f.zone().String() }

func (f Frame) pageTitle() string {
	if f.Title == "" {
		return "Fawkes"
	}
	return f.Title + " · Fawkes"
}

func (f Frame) themeLink(to string) string {
	return "/theme?" + url.Values{"to": {to}, "next": {f.Here}}.Encode()
}

func machine(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func asset(name string) string { return assets.Path(name) }

// Can says whether the reader holds a scope, and so whether a control that needs it is offered.
func (f Frame) Can(scope string) bool { return f.May != nil && f.May(scope) }

// The parts of the console.
const (
	AreaProjects = "projects"
	AreaRuns     = "runs"
	AreaApps     = "apps"
	AreaRegistry = "registry"
	AreaGit      = "git"
)

// area is a part of the console with what its search finds and whose API it draws.
type area struct{ Key, Label, Href, Find, Service string }

func areas() []area {
	return []area{
		{AreaProjects, "Projects", "/", "Find a project", "dora"},
		{AreaRuns, "Runs", "/runs", "Find a run", "runner"},
		{AreaApps, "Applications", "/apps", "Find an application", "gitops"},
		{AreaRegistry, "Registry", "/registry", "Find an image", "registry"},
		{AreaGit, "Git", "/git", "Find a repository", "git"},
	}
}

// area is the part that the page belongs to.
func (f Frame) area() area {
	all := areas()
	for _, a := range all {
		if a.Key == f.Area {
			return a
		}
	}
	return all[0]
}

// apiDocs is the reference of the API that the page draws.
func (f Frame) apiDocs() string {
	if f.Absent {
		return "/api/" + areas()[0].Service + "/docs"
	}
	return "/api/" + f.area().Service + "/docs"
}

// AreaLink is the first page of the part that the page belongs to, and its name.
func (f Frame) AreaLink() (href, label string) {
	a := f.area()
	if a.Key == AreaProjects {
		return "/", "All projects"
	}
	return a.Href, a.Label
}

// areaHref is where the navigation leads; the overview keeps its window.
func (f Frame) areaHref(a area) string {
	if a.Key == AreaProjects {
		return f.Scope.Home()
	}
	return a.Href
}

// tab is one section of a project.
type tab struct{ Key, Label, Href string }

func (f Frame) tabs() []tab {
	return []tab{
		{"metrics", "Metrics", f.Scope.Path()},
		{"deployments", "Deployments", f.Scope.Path("deployments")},
		{"changes", "Changes", f.Scope.Path("changes")},
		{"incidents", "Incidents", f.Scope.Path("incidents")},
		{"live", "Live", f.Scope.Path("live")},
		{"compare", "Compare", f.Scope.Path("compare")},
		{"settings", "Settings", f.Scope.Path("settings")},
	}
}
