// Package scope is what a console page is about, as it stands in the URL: the project, the window of time, the
// service, team and environment, the interval of the series, and the profile of definitions.
//
// Every link and every form of the console is made from a Scope, so that a URL copied to a colleague shows
// the same page, and going from a number to its evidence never changes the question that was asked.
// A zero field is the default and is left out of the URL.
package scope

import (
	"fmt"
	"net/url"
	"slices"
	"time"
)

// DateLayout is how days stand in the URL and in questions to the API.
const DateLayout = "2006-01-02"

// DefaultRange is the window shown when the URL names none.
const DefaultRange = "90d"

// DefaultProfile is the set of definitions used when the URL names none.
const DefaultProfile = "dora-2025"

// Range is one choice of window.
type Range struct{ Key, Label, Long string }

// Ranges lists the windows in the order in which they are offered.
func Ranges() []Range {
	return []Range{
		{"7d", "7d", "the last 7 days"},
		{"30d", "30d", "the last 30 days"},
		{"90d", "90d", "the last 90 days"},
		{"6m", "6m", "the last 6 months"},
		{"1y", "1y", "the last year"},
		{"all", "All", "all time"},
		{"custom", "Custom", "chosen days"},
	}
}

// Scope is the question a page answers. From and To are the days of a custom range, To being its last day.
type Scope struct {
	Project     string
	Service     string
	Team        string
	Environment string
	Range       string
	From, To    string
	Interval    string
	Profile     string
}

// FieldError says which part of the URL cannot be used and how to mend it.
type FieldError struct{ Field, Detail string }

func (e *FieldError) Error() string { return e.Field + ": " + e.Detail }

// Parse reads a scope from a URL's query. The project comes from the path.
func Parse(project string, q url.Values) (Scope, error) {
	s := Scope{
		Project: project, Service: q.Get("service"), Team: q.Get("team"), Environment: q.Get("environment"),
		Range: q.Get("range"), From: q.Get("from"), To: q.Get("to"), Interval: q.Get("interval"), Profile: q.Get("profile"),
	}
	if s.Range == "" && (s.From != "" || s.To != "") {
		s.Range = "custom"
	}
	if s.Range != "" && !slices.ContainsFunc(Ranges(), func(r Range) bool { return r.Key == s.Range }) {
		return s, &FieldError{"range", fmt.Sprintf("%q is not one of 7d, 30d, 90d, 6m, 1y, all, custom", s.Range)}
	}
	if !slices.Contains([]string{"", "day", "week", "month"}, s.Interval) {
		return s, &FieldError{"interval", fmt.Sprintf("%q is not one of day, week, month", s.Interval)}
	}
	if s.Range != "custom" {
		s.From, s.To = "", ""
		return s, nil
	}
	from, err := time.Parse(DateLayout, s.From)
	if err != nil {
		return s, &FieldError{"from", fmt.Sprintf("%q is not a day; write it as 2026-01-31", s.From)}
	}
	to, err := time.Parse(DateLayout, s.To)
	if err != nil {
		return s, &FieldError{"to", fmt.Sprintf("%q is not a day; write it as 2026-01-31", s.To)}
	}
	if to.Before(from) {
		return s, &FieldError{"to", fmt.Sprintf("%s lies before %s; exchange the two days", s.To, s.From)}
	}
	return s, nil
}

// RangeKey is the range in use, the default when none is named.
func (s Scope) RangeKey() string {
	if s.Range == "" {
		return DefaultRange
	}
	return s.Range
}

// ProfileKey is the profile in use, the default when none is named.
func (s Scope) ProfileKey() string {
	if s.Profile == "" {
		return DefaultProfile
	}
	return s.Profile
}

// RangeLabel says the window in words.
func (s Scope) RangeLabel() string {
	if s.Range == "custom" {
		return s.From + " to " + s.To
	}
	for _, r := range Ranges() {
		if r.Key == s.RangeKey() {
			return r.Long
		}
	}
	return s.Range
}

// Window is a half-open span of days in the project's time zone; Bounded is false for all time.
type Window struct {
	From, To time.Time
	Bounded  bool
}

// Window gives the days of the scope as seen at now in the project's time zone. Today is part of every relative window.
func (s Scope) Window(now time.Time, zone *time.Location) Window {
	y, m, d := now.In(zone).Date()
	end := time.Date(y, m, d+1, 0, 0, 0, 0, zone)
	switch s.RangeKey() {
	case "7d":
		return Window{end.AddDate(0, 0, -7), end, true}
	case "30d":
		return Window{end.AddDate(0, 0, -30), end, true}
	case "90d":
		return Window{end.AddDate(0, 0, -90), end, true}
	case "6m":
		return Window{end.AddDate(0, -6, 0), end, true}
	case "1y":
		return Window{end.AddDate(-1, 0, 0), end, true}
	case "custom":
		from, err1 := time.ParseInLocation(DateLayout, s.From, zone)
		to, err2 := time.ParseInLocation(DateLayout, s.To, zone)
		if err1 == nil && err2 == nil {
			return Window{from, to.AddDate(0, 0, 1), true}
		}
	}
	return Window{}
}

// Previous is the window of equally many days that ends where w begins. All time has none.
func (w Window) Previous() Window {
	if !w.Bounded {
		return Window{}
	}
	return Window{w.From.AddDate(0, 0, -w.Days()), w.From, true}
}

// Days counts the days of the window.
func (w Window) Days() int {
	f := time.Date(w.From.Year(), w.From.Month(), w.From.Day(), 0, 0, 0, 0, time.UTC)
	t := time.Date(w.To.Year(), w.To.Month(), w.To.Day(), 0, 0, 0, 0, time.UTC)
	return int(t.Sub(f).Hours()/24 + 0.5)
}

// Params gives the window as the API's from and to, both empty for all time.
func (w Window) Params() (from, to string) {
	if !w.Bounded {
		return "", ""
	}
	return w.From.Format(DateLayout), w.To.Format(DateLayout)
}

// IntervalKey is the interval of the series: the one chosen, or the one that gives the window a readable number of points.
func (s Scope) IntervalKey() string {
	if s.Interval != "" {
		return s.Interval
	}
	switch s.RangeKey() {
	case "7d", "30d":
		return "day"
	case "90d", "6m":
		return "week"
	case "custom":
		w := s.Window(time.Time{}, time.UTC)
		switch d := w.Days(); {
		case d <= 45:
			return "day"
		case d <= 200:
			return "week"
		}
	}
	return "month"
}

// With gives the scope with one field changed; the names are those of the URL.
// Choosing a range that is not custom drops the chosen days.
func (s Scope) With(field, value string) Scope {
	switch field {
	case "project":
		s.Project = value
	case "service":
		s.Service = value
	case "team":
		s.Team = value
	case "environment":
		s.Environment = value
	case "interval":
		s.Interval = value
	case "profile":
		s.Profile = value
	case "range":
		s.Range, s.From, s.To = value, "", ""
	}
	return s
}

// WithDays gives the scope over chosen days, to being the first day after the window.
func (s Scope) WithDays(from, to time.Time) Scope {
	s.Range, s.From, s.To = "custom", from.Format(DateLayout), to.Add(-time.Second).Format(DateLayout)
	return s
}

// Values gives the query of the scope without defaults.
func (s Scope) Values() url.Values {
	q := url.Values{}
	set := func(k, v, def string) {
		if v != "" && v != def {
			q.Set(k, v)
		}
	}
	set("range", s.Range, DefaultRange)
	set("from", s.From, "")
	set("to", s.To, "")
	set("service", s.Service, "")
	set("team", s.Team, "")
	set("environment", s.Environment, "")
	set("interval", s.Interval, "")
	set("profile", s.Profile, DefaultProfile)
	return q
}

// Home is the overview's address with the parts of the scope that hold across projects.
func (s Scope) Home() string {
	s = Scope{Range: s.Range, From: s.From, To: s.To, Interval: s.Interval, Profile: s.Profile}
	return address("/", s.Values())
}

// Path gives the address of a page of the project, its segments escaped: Path("deployments", key).
func (s Scope) Path(segments ...string) string {
	return address(s.BarePath(segments...), s.Values())
}

// BarePath is Path without the query, as the action of a form.
func (s Scope) BarePath(segments ...string) string {
	p := "/p/" + url.PathEscape(s.Project)
	for _, seg := range segments {
		p += "/" + url.PathEscape(seg)
	}
	return p
}

// PathWith gives the address of a page of the project with more parameters after the scope.
func (s Scope) PathWith(more url.Values, segments ...string) string {
	q := s.Values()
	for k, v := range more {
		q[k] = v
	}
	return address(s.BarePath(segments...), q)
}

func address(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
