package github

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

type label struct {
	Name string `json:"name"`
}

type issue struct {
	Number    int64   `json:"number"`
	Title     string  `json:"title"`
	HTMLURL   string  `json:"html_url"`
	Labels    []label `json:"labels"`
	CreatedAt string  `json:"created_at"`
	UpdatedAt string  `json:"updated_at"`
	ClosedAt  string  `json:"closed_at"`
}

// issueNames are GitHub's names for the fields of the vocabulary.
var issueNames = map[string]string{
	"id": "issue.number", "repo": repoField, "service": "issue.labels", "environment": "issue.labels", "severity": "issue.labels",
	"caused_by_deployment": "issue.labels", "opened_at": "issue.created_at", "resolved_at": "issue.closed_at",
	"title": "issue.title", "url": "issue.html_url",
}

func (m Mapper) incident(name string) bool {
	labels := m.IncidentLabels
	if len(labels) == 0 {
		labels = []string{"incident"}
	}
	return slices.ContainsFunc(labels, func(l string) bool { return strings.EqualFold(l, name) })
}

// issue maps an issue with an incident label. Any other is left to be kept as
// it came.
func (m Mapper) issue(r *Result, body []byte) error {
	var b struct {
		Action     string     `json:"action"`
		Label      *label     `json:"label"`
		Issue      *issue     `json:"issue"`
		Repository repository `json:"repository"`
	}
	if err := intake.Decode(body, &b); err != nil {
		return err
	}
	if b.Action == "" {
		return event.Fault("action", "is required: what happened to the issue")
	}
	if b.Issue == nil {
		return event.Fault("issue", "is required")
	}
	is := slices.ContainsFunc(b.Issue.Labels, func(l label) bool { return m.incident(l.Name) })
	was := is || b.Action == "unlabeled" && b.Label != nil && m.incident(b.Label.Name)
	if !was {
		return nil
	}
	if err := r.needRepo(); err != nil {
		return err
	}
	if b.Issue.Number <= 0 {
		return event.Fault("issue.number", "is required: a whole number above 0")
	}
	opened, err := intake.MustWhen("issue.created_at", b.Issue.CreatedAt)
	if err != nil {
		return err
	}
	updated, err := intake.When("issue.updated_at", b.Issue.UpdatedAt)
	if err != nil {
		return err
	}
	resolved, err := intake.When("issue.closed_at", b.Issue.ClosedAt)
	if err != nil {
		return err
	}
	if b.Action == "reopened" && !resolved.Known {
		resolved = event.Null[event.Time]()
	}
	out := &event.Incident{
		ID: incidentID(r.Repo, b.Repository, b.Issue.Number), Repo: event.Some(r.Repo), OpenedAt: opened, ResolvedAt: resolved,
		Title: event.NonZero(intake.Clean(b.Issue.Title, 2048)), URL: intake.Link(b.Issue.HTMLURL),
	}
	describe(out, b.Issue.Labels)
	if !is || b.Action == "deleted" || b.Action == "transferred" {
		out.OpenedAt = event.Null[event.Time]()
		return r.retract(max(updated.V, opened.V), out)
	}
	return r.add(updated.V, out, issueNames)
}

// retract reports that something is no incident after all. The bulk format
// has no such line, so only the body's own rules are checked.
func (r *Result) retract(at event.Time, i *event.Incident) error {
	if err := i.Validate(); err != nil {
		return intake.Rename(err, issueNames)
	}
	r.Events = append(r.Events, event.Event{Source: Source, At: at, Body: i})
	return nil
}

// incidentID is how people write an issue: "owner/name#12".
func incidentID(url string, repo repository, number int64) string {
	name := repo.FullName
	if name == "" {
		name = event.RepoName(url)
	}
	return name + "#" + strconv.FormatInt(number, 10)
}

// describe reads the labels of the form "key:value"; the first of a kind counts.
func describe(out *event.Incident, labels []label) {
	set := func(to *event.Opt[string], v string) {
		if v = intake.Clean(strings.TrimSpace(v), 512); !to.Known && v != "" {
			*to = event.Some(v)
		}
	}
	for _, l := range labels {
		key, value, ok := strings.Cut(l.Name, ":")
		if !ok {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "service":
			set(&out.Service, value)
		case "environment", "env":
			set(&out.Environment, value)
		case "severity":
			set(&out.Severity, value)
		case "deployment":
			set(&out.CausedByDeployment, value)
		}
	}
}
