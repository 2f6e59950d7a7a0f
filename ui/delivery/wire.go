package delivery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"gopkg.in/yaml.v3"
)

// The wire types are the answers of the service as they come; see api/openapi/dora.yaml.

type wireList[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

type wireProject struct {
	Project     string `json:"project"`
	Description string `json:"description"`
	Declared    bool   `json:"declared"`
	TimeZone    string `json:"time_zone"`
	Calendar    struct {
		WeekStart string `json:"week_start"`
	} `json:"calendar"`
	Teams []struct {
		Name string `json:"name"`
	} `json:"teams"`
	Services []struct {
		Name         string   `json:"name"`
		Team         string   `json:"team"`
		Repo         string   `json:"repo"`
		Paths        []string `json:"paths"`
		Environments []string `json:"environments"`
	} `json:"services"`
	Repositories []struct {
		URL string `json:"url"`
	} `json:"repositories"`
	Environments []struct {
		Name string `json:"name"`
	} `json:"environments"`
	IncidentWindow    string          `json:"incident_window"`
	FirstDeployment   string          `json:"first_deployment"`
	MergeCommits      string          `json:"merge_commits"`
	Entities          map[string]int  `json:"entities"`
	FirstEventAt      *time.Time      `json:"first_event_at"`
	LastEventAt       *time.Time      `json:"last_event_at"`
	FirstDeploymentAt *time.Time      `json:"first_deployment_at"`
	LastDeploymentAt  *time.Time      `json:"last_deployment_at"`
	Spec              json.RawMessage `json:"spec"`
}

func (w wireProject) project() (Project, error) {
	p := Project{
		Name: w.Project, Description: w.Description, Declared: w.Declared, TimeZone: w.TimeZone, WeekStart: w.Calendar.WeekStart,
		IncidentWindow: w.IncidentWindow, FirstDeployment: w.FirstDeployment, MergeRule: w.MergeCommits,
		FirstEventAt: w.FirstEventAt, LastEventAt: w.LastEventAt, FirstDeploymentAt: w.FirstDeploymentAt, LastDeploymentAt: w.LastDeploymentAt,
	}
	seen := map[string]bool{}
	team := func(name string) {
		if name != "" && !seen[name] {
			seen[name] = true
			p.Teams = append(p.Teams, name)
		}
	}
	for _, t := range w.Teams {
		team(t.Name)
	}
	for _, s := range w.Services {
		team(s.Team)
		p.Services = append(p.Services, Service{Name: s.Name, Team: s.Team, Repo: s.Repo, Paths: s.Paths, Environments: s.Environments})
	}
	for _, r := range w.Repositories {
		p.Repos = append(p.Repos, r.URL)
	}
	for _, e := range w.Environments {
		p.Environments = append(p.Environments, e.Name)
	}
	for _, n := range w.Entities {
		p.Entities += n
	}
	var err error
	p.YAML, err = asYAML(w.Spec)
	return p, err
}

// asYAML writes JSON as YAML with its keys in their order.
func asYAML(raw json.RawMessage) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return "", fmt.Errorf("read a project's declaration: %w", err)
	}
	plain(&doc)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return "", fmt.Errorf("write a project's declaration: %w", err)
	}
	return b.String(), nil
}

// plain takes the braces and quotes of JSON away; the encoder quotes again what must be.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}

type wireReport struct {
	Project       string       `json:"project"`
	Profile       string       `json:"profile"`
	From          time.Time    `json:"from"`
	To            time.Time    `json:"to"`
	AsOf          time.Time    `json:"as_of"`
	Metrics       []wireMetric `json:"metrics"`
	Score         *float64     `json:"score"`
	ScoreReason   *string      `json:"score_reason"`
	Series        []wireBucket `json:"series"`
	Stale         bool         `json:"stale"`
	PendingEvents int          `json:"pending_events"`
}

type wireBucket struct {
	From    time.Time    `json:"from"`
	To      time.Time    `json:"to"`
	Metrics []wireMetric `json:"metrics"`
}

func (w wireReport) report() Report {
	r := Report{
		Project: w.Project, Profile: w.Profile, From: w.From, To: w.To, AsOf: w.AsOf, Stale: w.Stale, ProjectionPending: w.PendingEvents,
		Score: w.Score, ScoreReason: deref(w.ScoreReason),
	}
	for _, m := range w.Metrics {
		v := m.metric()
		r.Metrics = append(r.Metrics, v)
		if r.LevelsEdition == "" {
			r.LevelsEdition = v.Edition
		}
	}
	for _, b := range w.Series {
		step := Step{From: b.From, To: b.To}
		for _, m := range b.Metrics {
			step.Metrics = append(step.Metrics, m.metric())
		}
		r.Series = append(r.Series, step)
	}
	return r
}

type wireMetric struct {
	Metric       string      `json:"metric"`
	Value        *float64    `json:"value"`
	Unit         string      `json:"unit"`
	P75          *float64    `json:"p75"`
	P90          *float64    `json:"p90"`
	N            int         `json:"n"`
	Interval     *[2]float64 `json:"interval"`
	Level        *string     `json:"level"`
	LevelEdition *string     `json:"level_edition"`
	LevelReason  *string     `json:"level_reason"`
	Score        *float64    `json:"score"`
	Reason       *string     `json:"reason"`
	Detail       *string     `json:"detail"`
	Parts        wireParts   `json:"parts"`
	Completeness *struct {
		Linked  int            `json:"linked"`
		Total   int            `json:"total"`
		Reasons map[string]int `json:"reasons"`
	} `json:"completeness"`
}

type wireParts struct {
	DistinctDaysPerWeek *float64  `json:"distinct_days_per_week"`
	PerWorkday          *float64  `json:"per_workday"`
	Failed              *int      `json:"failed"`
	Open                *int      `json:"open"`
	Pending             *int      `json:"pending"`
	Unplanned           *int      `json:"unplanned"`
	Coding              *wirePart `json:"coding"`
	Pickup              *wirePart `json:"pickup"`
	Review              *wirePart `json:"review"`
	Deploy              *wirePart `json:"deploy"`
}

type wirePart struct {
	Value  *float64 `json:"value"`
	N      int      `json:"n"`
	Reason *string  `json:"reason"`
}

func (w wireMetric) metric() Metric {
	m := Metric{
		Name: w.Metric, Value: w.Value, Unit: w.Unit, P75: w.P75, P90: w.P90, N: w.N, Level: deref(w.Level), Edition: deref(w.LevelEdition),
		LevelReason: deref(w.LevelReason), Score: w.Score, Reason: deref(w.Reason),
	}
	if w.Detail != nil && *w.Detail != "" {
		m.Reason = *w.Detail
	}
	if w.Interval != nil {
		m.Low, m.High = &w.Interval[0], &w.Interval[1]
	}
	if c := w.Completeness; c != nil {
		m.Completeness = &Completeness{c.Linked, c.Total, c.Reasons}
	}
	if v := w.Parts.DistinctDaysPerWeek; v != nil {
		m.Extra = append(m.Extra, Extra{"Days per week", *v, ""})
	}
	count := func(name string, n *int) {
		if n != nil {
			m.Extra = append(m.Extra, Extra{name, float64(*n), ""})
		}
	}
	count("Failed", w.Parts.Failed)
	count("Still open", w.Parts.Open)
	count("Unplanned", w.Parts.Unplanned)
	count("Not deployed yet", w.Parts.Pending)
	for _, p := range []struct {
		name string
		part *wirePart
	}{{"coding", w.Parts.Coding}, {"pickup", w.Parts.Pickup}, {"review", w.Parts.Review}, {"deploy", w.Parts.Deploy}} {
		if p.part != nil {
			m.Parts = append(m.Parts, Part{Name: p.name, Seconds: p.part.Value, N: p.part.N, Reason: deref(p.part.Reason)})
		}
	}
	return m
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
