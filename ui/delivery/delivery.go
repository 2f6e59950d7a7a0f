// Package delivery is what the console reads from the delivery metrics service, in the words of its pages.
//
// The console computes no metric: every number on a page is one that the service gave, with its sample size,
// interval, completeness and reason. A pointer that is nil is a value that is not known.
package delivery

import (
	"context"
	"time"
)

// Reader answers the questions that the pages ask, on behalf of the person whose credential is in the context.
// Errors are *problem.Problem where the service said what is wrong.
type Reader interface {
	Projects(ctx context.Context) ([]Project, error)
	Project(ctx context.Context, name string) (Project, error)
	Report(ctx context.Context, q Query) (Report, error)
	Deployments(ctx context.Context, q Query, page Page) (List[Deployment], error)
	Changes(ctx context.Context, q Query, page Page) (List[Change], error)
	Incidents(ctx context.Context, q Query, page Page) (List[Incident], error)
	Evidence(ctx context.Context, metric string, q Query, page Page) (Evidence, error)
	DeploymentEvidence(ctx context.Context, q Query, key string) (DeploymentEvidence, error)
	ChangeEvidence(ctx context.Context, q Query, sha string) (ChangeEvidence, error)
	IncidentEvidence(ctx context.Context, q Query, key string) (IncidentEvidence, error)
	Profiles(ctx context.Context) ([]Profile, error)
	Compare(ctx context.Context, q Query, profiles []string) (Comparison, error)
	Recent(ctx context.Context, project string, most int) ([]Happening, error)
	Quarantine(ctx context.Context, which QuarantineFilter, page Page) (Quarantine, error)
	QuarantineEntry(ctx context.Context, id string) (Quarantined, error)
	Replay(ctx context.Context, id string, corrected *string) (Settled, error)
	Discard(ctx context.Context, id string) error
	Relay(ctx context.Context) (Relay, error)
	DeadLetters(ctx context.Context, page Page) (List[DeadLetter], error)
	SettleDeadLetters(ctx context.Context, id string, discard bool) error
	SettleAll(ctx context.Context, which QuarantineFilter, discard bool) (Settled, error)
}

// Query is a question about a window. From and To are days of the project's time zone, half-open; empty is all time.
type Query struct {
	Project, Service, Team, Environment string
	From, To                            string
	Interval, Profile                   string
}

// Page asks for one page of a list. Kind, Failed and Deployment narrow lists that know them.
type Page struct {
	Limit      int
	Cursor     string
	Kind       string
	Failed     bool
	Deployment string
}

// List is one page of a list; NextCursor is empty on the last one.
type List[T any] struct {
	Items      []T
	NextCursor string
}

// Project is a team's boundary and what is known to be in it.
type Project struct {
	Name                                       string
	Description                                string
	TimeZone                                   string
	Declared                                   bool
	Services                                   []Service
	Teams                                      []string
	Repos                                      []string
	Environments                               []string
	Entities                                   map[string]int // distinct things reported, by type
	FirstEventAt, LastEventAt                  *time.Time
	FirstDeploymentAt, LastDeploymentAt        *time.Time
	YAML                                       string // the specification as a file for `fawkes dora project apply -f`
	WeekStart                                  string
	IncidentWindow, FirstDeployment, MergeRule string
}

// Service is something deployed on its own.
type Service struct {
	Name, Team, Repo    string
	Paths, Environments []string
}

// Report is the five metrics of one window and, when asked for, their series.
type Report struct {
	Project, Profile  string
	From, To          time.Time
	AsOf              time.Time
	Stale             bool
	StaleReason       string
	LevelsEdition     string
	Score             *float64 // the mean of the metrics' scores
	ScoreReason       string
	Metrics           []Metric
	Series            []Step
	ChangePoints      []ChangePoint // where the level of a metric changed in the series
	Annotations       []Annotation  // what happened meanwhile
	ProjectionPending int           // events stored and not yet part of the numbers
}

// ChangePoint is where a metric went from one level to another; PValue bounds the probability that nothing changed.
type ChangePoint struct {
	Metric        string
	At            time.Time
	Before, After float64
	Unit          string
	PValue        float64
}

// Annotation is what happened at some time: a note that someone wrote, or what the service found by itself.
type Annotation struct {
	At                       time.Time
	Kind, Text, Service, Ref string
	Automatic                bool
}

// Metric gives the metric of that name; ok is false when the report lacks it.
func (r Report) Metric(name string) (m Metric, ok bool) {
	for _, m := range r.Metrics {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{Name: name}, false
}

// Step is one period of a series.
type Step struct {
	From, To time.Time
	Metrics  []Metric
}

// Metric is one metric's value in a window with all that is needed to judge it.
type Metric struct {
	Name         string
	Value        *float64
	Unit         string
	P75, P90     *float64
	N            int
	Low, High    *float64
	Level        string
	Edition      string // of the table of levels
	Score        *float64
	Reason       string // why the value is missing
	LevelReason  string // why the level is missing
	Completeness *Completeness
	Parts        []Part
	Extra        []Extra // further numbers that the service gives with the metric
}

// Extra is a further number beside a metric, such as distinct deployment days per week or open failures.
type Extra struct {
	Name  string
	Value float64
	Unit  string
}

// Part is one stretch of the lead time; N counts the changes for which it is known.
type Part struct {
	Name    string
	Seconds *float64
	N       int
	Reason  string
}

// Completeness says how much of the input could be linked, and why the rest could not.
type Completeness struct {
	Linked, Total int
	Reasons       map[string]int
}

// Deployment is one deployment of a service to an environment. Key names it in URLs.
type Deployment struct {
	Key, ID, Source       string
	Service, Environment  string
	Repo, SHA, Digest     string
	Kind, Outcome         string
	StartedAt, FinishedAt *time.Time
	PreviousKey           string
	PreviousID            string
	Changes               int
	Failed, Unplanned     bool
	FailureReasons        []string
	Reason                string // why its changes are not known
	RestoredRef           string
	RestoredAt            *time.Time
	RestoredBy            string
	Name, URL             string
}

// At is when the deployment finished or, failing that, started.
func (d Deployment) At() (time.Time, bool) {
	if d.FinishedAt != nil {
		return *d.FinishedAt, true
	}
	if d.StartedAt != nil {
		return *d.StartedAt, true
	}
	return time.Time{}, false
}

// Recovery is how long the failure lasted in seconds, where it has ended.
func (d Deployment) Recovery() (seconds float64, ok bool) {
	if d.RestoredAt == nil || d.FinishedAt == nil {
		return 0, false
	}
	return d.RestoredAt.Sub(*d.FinishedAt).Seconds(), true
}

// Change is a commit or, under profiles that say so, a merged pull request.
type Change struct {
	Repo, Number, SHA, Title, Author                              string
	FirstCommitAt, CreatedAt, FirstReviewAt, MergedAt, DeployedAt *time.Time
	Service, Environment                                          string
	DeploymentKey, DeploymentID                                   string
	Coding, Pickup, Review, Deploy, LeadTime                      *float64
	Reason                                                        string
	Reasons                                                       map[string]string // a reason for each part that is unknown
}

// Parts gives the change's lead time in its four parts.
func (c Change) Parts() []Part {
	out := []Part{{Name: "coding", Seconds: c.Coding}, {Name: "pickup", Seconds: c.Pickup}, {Name: "review", Seconds: c.Review}, {Name: "deploy", Seconds: c.Deploy}}
	for i := range out {
		if out[i].Seconds == nil {
			out[i].Reason = c.Reason
		} else {
			out[i].N = 1
		}
	}
	return out
}

// Incident is a time in which users were hurt.
type Incident struct {
	Key, ID, Source, Title, Severity string
	Service, Environment             string
	OpenedAt, ResolvedAt             *time.Time
	DeploymentKey, DeploymentID      string
	LinkedBy                         string
	URL, Reason                      string
}

// Evidence is the rows behind a number. Rules are those of the profile, a sentence each.
type Evidence struct {
	Rules      []string
	Rows       []Row
	NextCursor string
}

// Row is one piece of evidence: a deployment, a change or an incident. A recovery has its deployment and, where one
// ended the failure, the incident too.
type Row struct {
	Deployment *Deployment
	Change     *Change
	Incident   *Incident
	// Counted says that the row adds to the value: Value is what it adds, and Rule what linked it, pointing at Ref.
	// Otherwise Reason says why it does not.
	Counted      bool
	Value        *float64
	Unit         string
	Rule, Reason string
	Ref          string
}

// DeploymentEvidence is all that is known about one deployment.
type DeploymentEvidence struct {
	Deployment Deployment
	Previous   *Deployment
	RestoredBy *Deployment
	Changes    []Change
	Incidents  []Incident
	Notes      []Note
	Events     []Event
}

// ChangeEvidence is all that is known about one commit or pull request. Deliveries is the change once for each
// service and environment that it reached or waits for; Change stands for them all.
type ChangeEvidence struct {
	Change      Change
	Deployments []Deployment
	Deliveries  []Change
	Notes       []Note
}

// IncidentEvidence is all that is known about one incident.
type IncidentEvidence struct {
	Incident   Incident
	Deployment *Deployment
	Notes      []Note
	Events     []Event
}

// Note is a rule that was applied: its name, and what it did here.
type Note struct{ Rule, Detail string }

// Event is one entry of the event log behind an object; Seq is its number in the log.
type Event struct {
	Seq          int64
	Type, Source string
	At           *time.Time
}
