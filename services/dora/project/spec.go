// Package project describes a team's boundary: which repositories and services
// belong together, in which time zone its days begin, and the few choices that
// change what its delivery metrics mean.
//
// A project needs no description: events discover its repositories, services
// and environments, and a [Spec] with nothing but a name has sensible defaults.
package project

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Spec is what people declare about a project. It is the body of
// PUT /projects/{project} and the file of `fawkes dora project apply -f`.
type Spec struct {
	Project         string        `json:"project" yaml:"project"`
	Description     string        `json:"description,omitempty" yaml:"description,omitempty"`
	TimeZone        string        `json:"time_zone,omitempty" yaml:"time_zone,omitempty"`
	Calendar        Calendar      `json:"calendar,omitzero" yaml:"calendar,omitempty"`
	Teams           []Team        `json:"teams,omitempty" yaml:"teams,omitempty"`
	Services        []Service     `json:"services,omitempty" yaml:"services,omitempty"`
	Environments    []Environment `json:"environments,omitempty" yaml:"environments,omitempty"`
	IncidentWindow  string        `json:"incident_window,omitempty" yaml:"incident_window,omitempty"`
	FirstDeployment string        `json:"first_deployment,omitempty" yaml:"first_deployment,omitempty"`
	MergeCommits    string        `json:"merge_commits,omitempty" yaml:"merge_commits,omitempty"`
	Authority       []Authority   `json:"authority,omitempty" yaml:"authority,omitempty"`
	Aliases         []Alias       `json:"aliases,omitempty" yaml:"aliases,omitempty"`
}

// Calendar says which days are working days.
type Calendar struct {
	Workdays  []string `json:"workdays,omitempty" yaml:"workdays,omitempty"`     // mon … sun; default mon to fri
	Holidays  []string `json:"holidays,omitempty" yaml:"holidays,omitempty"`     // 2026-12-25
	WeekStart string   `json:"week_start,omitempty" yaml:"week_start,omitempty"` // default mon
}

// Team owns services.
type Team struct {
	Name        string `json:"name" yaml:"name"`
	Description string `json:"description,omitempty" yaml:"description,omitempty"`
}

// Service is what is deployed. In a monorepo Paths tells which changes are its
// own: a prefix ("services/api/"), or a pattern ("*.proto", "services/*/api/**").
type Service struct {
	Name  string   `json:"name" yaml:"name"`
	Team  string   `json:"team,omitempty" yaml:"team,omitempty"`
	Repo  string   `json:"repo,omitempty" yaml:"repo,omitempty"`
	Paths []string `json:"paths,omitempty" yaml:"paths,omitempty"`
}

// Environment is where services run; Kind production is what the metrics count.
type Environment struct {
	Name string `json:"name" yaml:"name"`
	Kind string `json:"kind" yaml:"kind"` // production, staging, testing, development
}

// The values of the choices; the first of each is the default.
const (
	FirstBaseline  = "baseline"  // a first deployment only marks the start
	FirstAttribute = "attribute" // its commits get lead times too

	MergeCount = "count" // a merge commit is a change like any other
	MergeSkip  = "skip"  // a merge commit is not a change

	KindProduction  = "production"
	KindStaging     = "staging"
	KindTesting     = "testing"
	KindDevelopment = "development"
)

// DefaultIncidentWindow is how long after a deployment an incident that names
// no cause is still linked to it.
const DefaultIncidentWindow = 24 * time.Hour

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$`)
	dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	kinds    = []string{KindProduction, KindStaging, KindTesting, KindDevelopment}
)

// ValidName reports whether s can name a project.
func ValidName(s string) bool { return nameForm.MatchString(s) }

// Parse reads a Spec from YAML (or JSON, which is YAML) and validates it.
// Unknown keys are refused by name.
func Parse(data []byte) (Spec, error) {
	var s Spec
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&s); err != nil {
		if errors.Is(err, io.EOF) {
			return Spec{}, event.Fault("project", "the file is empty")
		}
		return Spec{}, event.Fault("", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return s, s.Validate()
}

// Validate returns a *event.FieldError for the first field at fault.
func (s Spec) Validate() error {
	if !ValidName(s.Project) {
		return event.Fault("project", "%q is not a name: letters, digits and . _ - /, beginning with a letter or digit, at most 128", s.Project)
	}
	if _, err := time.LoadLocation(s.TimeZone); err != nil {
		return event.Fault("time_zone", "%q is not a time zone such as \"Europe/Berlin\"", s.TimeZone)
	}
	if err := s.Calendar.validate(); err != nil {
		return err
	}
	if s.IncidentWindow != "" {
		d, err := time.ParseDuration(s.IncidentWindow)
		if err != nil || d <= 0 || d > 90*24*time.Hour {
			return event.Fault("incident_window", "%q is not a duration such as \"24h\", at most 2160h", s.IncidentWindow)
		}
	}
	if err := choice("first_deployment", s.FirstDeployment, FirstBaseline, FirstAttribute); err != nil {
		return err
	}
	if err := choice("merge_commits", s.MergeCommits, MergeCount, MergeSkip); err != nil {
		return err
	}
	if err := s.validateAuthority(); err != nil {
		return err
	}
	if err := s.validateAliases(); err != nil {
		return err
	}
	teams := map[string]bool{}
	for i, t := range s.Teams {
		f := fmt.Sprintf("teams[%d].name", i)
		if t.Name == "" {
			return event.Fault(f, "is required")
		}
		if teams[t.Name] {
			return event.Fault(f, "%q stands twice", t.Name)
		}
		teams[t.Name] = true
	}
	return s.validateServices(teams)
}

func (s Spec) validateServices(teams map[string]bool) error {
	services := map[string]bool{}
	perRepo := map[string]int{}
	for i, v := range s.Services {
		f := fmt.Sprintf("services[%d].", i)
		if !ValidName(v.Name) {
			return event.Fault(f+"name", "%q is not a name", v.Name)
		}
		if services[v.Name] {
			return event.Fault(f+"name", "%q stands twice", v.Name)
		}
		services[v.Name] = true
		if v.Team != "" && !teams[v.Team] {
			return event.Fault(f+"team", "%q is not one of the project's teams", v.Team)
		}
		if len(v.Paths) > 0 && v.Repo == "" {
			return event.Fault(f+"repo", "is required where paths are given")
		}
		if v.Repo != "" {
			if perRepo[event.RepoKey(v.Repo)]++; perRepo[event.RepoKey(v.Repo)] > MaxServicesPerRepo {
				return event.Fault(f+"repo", "more than %d services of one repository", MaxServicesPerRepo)
			}
		}
		for j, p := range v.Paths {
			if _, err := path.Match(strings.ReplaceAll(p, "**", "*"), ""); err != nil || p == "" {
				return event.Fault(fmt.Sprintf("%spaths[%d]", f, j), "%q is not a path prefix or pattern", p)
			}
		}
	}
	for i, e := range s.Environments {
		f := fmt.Sprintf("environments[%d].", i)
		if e.Name == "" {
			return event.Fault(f+"name", "is required")
		}
		if !slices.Contains(kinds, e.Kind) {
			return event.Fault(f+"kind", "%q is not one of %s", e.Kind, strings.Join(kinds, ", "))
		}
	}
	return nil
}

// MaxServicesPerRepo bounds how many services with paths share a repository.
const MaxServicesPerRepo = 64

func (c Calendar) validate() error {
	for i, d := range c.Workdays {
		if !slices.Contains(dayNames, d) {
			return event.Fault(fmt.Sprintf("calendar.workdays[%d]", i), "%q is not one of %s", d, strings.Join(dayNames, ", "))
		}
	}
	if c.WeekStart != "" && !slices.Contains(dayNames, c.WeekStart) {
		return event.Fault("calendar.week_start", "%q is not one of %s", c.WeekStart, strings.Join(dayNames, ", "))
	}
	for i, h := range c.Holidays {
		if _, err := time.Parse(time.DateOnly, h); err != nil {
			return event.Fault(fmt.Sprintf("calendar.holidays[%d]", i), "%q is not a date such as \"2026-12-25\"", h)
		}
	}
	return nil
}

func choice(field, v string, allowed ...string) error {
	if v != "" && !slices.Contains(allowed, v) {
		return event.Fault(field, "%q is not one of %s", v, strings.Join(allowed, ", "))
	}
	return nil
}

// Location is the project's time zone, UTC unless set.
func (s Spec) Location() *time.Location {
	loc, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return time.UTC
	}
	return loc
}

// Window is the incident window in force.
func (s Spec) Window() time.Duration {
	if d, err := time.ParseDuration(s.IncidentWindow); err == nil && d > 0 {
		return d
	}
	return DefaultIncidentWindow
}

// EnvironmentKind is the kind of an environment: as declared, else by its name.
func (s Spec) EnvironmentKind(name string) string {
	for _, e := range s.Environments {
		if e.Name == name {
			return e.Kind
		}
	}
	n := strings.ToLower(name)
	for _, word := range strings.FieldsFunc(n, func(r rune) bool { return r == '-' || r == '_' || r == '/' || r == '.' || r == ' ' }) {
		switch word {
		case "prod", "production", "prd", "live":
			return KindProduction
		case "stage", "staging", "stg", "preprod":
			return KindStaging
		case "test", "testing", "qa", "uat":
			return KindTesting
		}
	}
	return KindDevelopment
}

// Service returns the declared service of that name.
func (s Spec) Service(name string) (Service, bool) {
	i := slices.IndexFunc(s.Services, func(v Service) bool { return v.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return s.Services[i], true
}

// WeekStart is the first day of the project's week.
func (s Spec) WeekStart() time.Weekday {
	if i := slices.Index(dayNames, s.Calendar.WeekStart); i >= 0 {
		return time.Weekday(i)
	}
	return time.Monday
}

// Workday reports whether t's day, in t's location, is a working day.
func (s Spec) Workday(t time.Time) bool {
	days := s.Calendar.Workdays
	if len(days) == 0 {
		days = dayNames[1:6]
	}
	return slices.Contains(days, dayNames[t.Weekday()]) && !slices.Contains(s.Calendar.Holidays, t.Format(time.DateOnly))
}

// Touches reports whether a path belongs to the service.
func (v Service) Touches(p string) bool {
	for _, pat := range v.Paths {
		if matchPath(strings.TrimPrefix(pat, "/"), p) {
			return true
		}
	}
	return false
}

func matchPath(pat, p string) bool {
	if !strings.ContainsAny(pat, "*?[") {
		return p == strings.TrimSuffix(pat, "/") || strings.HasPrefix(p, strings.TrimSuffix(pat, "/")+"/")
	}
	return matchSegments(strings.Split(strings.TrimSuffix(pat, "/"), "/"), strings.Split(p, "/"))
}

// matchSegments matches a pattern whose "**" stands for any number of folders.
// A pattern that ends before the path does matches the folder it names. Only
// the last "**" is ever tried again, so the time is bounded by the product of
// the lengths.
func matchSegments(pat, p []string) bool {
	var retryPat, retryPath []string
	for {
		switch {
		case len(pat) == 0:
			return true
		case pat[0] == "**":
			pat = pat[1:]
			retryPat, retryPath = pat, p
			continue
		case len(p) > 0:
			if ok, err := path.Match(pat[0], p[0]); err == nil && ok {
				pat, p = pat[1:], p[1:]
				continue
			}
		}
		if len(retryPath) == 0 {
			return false
		}
		retryPath = retryPath[1:]
		pat, p = retryPat, retryPath
	}
}
