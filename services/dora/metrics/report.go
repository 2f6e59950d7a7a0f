package metrics

import "time"

// The metrics, in the order in which a report lists them.
const (
	DeploymentFrequency = "deployment_frequency"
	ChangeLeadTime      = "change_lead_time"
	ChangeFailRate      = "change_fail_rate"
	RecoveryTime        = "failed_deployment_recovery_time"
	ReworkRate          = "deployment_rework_rate"
)

// Names lists the metrics in the order of a report.
func Names() []string {
	return []string{DeploymentFrequency, ChangeLeadTime, ChangeFailRate, RecoveryTime, ReworkRate}
}

// Units of values.
const (
	UnitPerDay  = "per_day"
	UnitSeconds = "seconds"
	UnitRatio   = "ratio"
)

// Report is the answer to one query: five metrics over one window, and over
// each part of it when an interval was asked for.
type Report struct {
	Project     string    `json:"project" doc:"Name of the project"`
	Profile     string    `json:"profile" doc:"By whose rules the numbers are computed"`
	Version     int64     `json:"profile_version,omitempty" doc:"Which version of a profile of your own; GET /profiles/{name}?version= shows it for good"`
	Service     *string   `json:"service,omitempty" doc:"The service that was asked for"`
	Team        *string   `json:"team,omitempty" doc:"The team that was asked for"`
	Environment *string   `json:"environment,omitempty" doc:"The environment that was asked for; without one, all of kind production"`
	TimeZone    string    `json:"time_zone" doc:"Time zone in which days begin"`
	Interval    string    `json:"interval" enum:"all,day,week,month" doc:"Unit of the series"`
	From        time.Time `json:"from" doc:"Beginning of the window, inclusive"`
	To          time.Time `json:"to" doc:"End of the window, exclusive"`
	AsOf        time.Time `json:"as_of" doc:"The numbers hold as of this time; a window that reaches beyond it is cut here"`
	Metrics     []Metric  `json:"metrics" doc:"The five metrics over the whole window"`
	Score       *float64  `json:"score" doc:"DORA quick check, 0 to 10: the mean of the five scores; null when one is missing"`
	ScoreReason *string   `json:"score_reason" doc:"Why there is no score"`
	Series      []Bucket  `json:"series,omitempty" doc:"The metrics of each day, week or month"`
	// ChangePoints are nil without a series.
	ChangePoints []ChangePoint `json:"change_points,omitzero" doc:"Where in the series the level of a metric changed"`
}

// Metric returns the metric of that name, nil when there is none.
func (r Report) Metric(name string) *Metric { return find(r.Metrics, name) }

// Bucket is one unit of a series.
type Bucket struct {
	From    time.Time `json:"from" doc:"Beginning, inclusive"`
	To      time.Time `json:"to" doc:"End, exclusive"`
	Metrics []Metric  `json:"metrics" doc:"The five metrics of this part of the window"`
}

// Metric returns the metric of that name, nil when there is none.
func (b Bucket) Metric(name string) *Metric { return find(b.Metrics, name) }

func find(ms []Metric, name string) *Metric {
	for i := range ms {
		if ms[i].Metric == name {
			return &ms[i]
		}
	}
	return nil
}

// Metric is one number with all that is needed to trust or question it.
type Metric struct {
	Metric       string       `json:"metric" enum:"deployment_frequency,change_lead_time,change_fail_rate,failed_deployment_recovery_time,deployment_rework_rate" doc:"Name of the metric"`
	Value        *float64     `json:"value" doc:"The value in its unit; null when it is unknown"`
	Unit         string       `json:"unit" enum:"per_day,seconds,ratio" doc:"Unit of value, p75, p90 and interval"`
	P75          *float64     `json:"p75" doc:"75th percentile, for durations"`
	P90          *float64     `json:"p90" doc:"90th percentile, for durations"`
	N            int          `json:"n" doc:"Number of observations behind the value"`
	Interval     *[2]float64  `json:"interval" doc:"Deterministic 95 % interval [low, high]: Poisson for a rate, order statistics for a median, Wilson for a ratio"`
	Level        *string      `json:"level" doc:"elite, high, medium or low; null with fewer than 5 observations or where no bounds are published"`
	LevelEdition *string      `json:"level_edition" doc:"Edition of the table of levels"`
	LevelReason  *string      `json:"level_reason" doc:"Why there is no level"`
	Score        *float64     `json:"score" doc:"DORA quick check of this metric, 0 to 10"`
	Reason       *string      `json:"reason" doc:"Why the value is null, as a stable code"`
	Detail       *string      `json:"detail" doc:"The reason as a sentence"`
	Parts        Parts        `json:"parts" doc:"What the value is made of"`
	Completeness Completeness `json:"completeness" doc:"How much of the input could be linked"`
	Evidence     *string      `json:"evidence,omitempty" doc:"Address of the rows behind the number"`
}

// Parts is what a value is made of. Each metric fills its own fields.
type Parts struct {
	// Of every metric over deployments.
	Deployments *int `json:"deployments,omitempty" doc:"Deployments that count: successful ones for the frequency, finished ones for the rates"`

	// Of the deployment frequency.
	Days                *float64 `json:"days,omitempty" doc:"Calendar days of the window that have elapsed"`
	DistinctDays        *int     `json:"distinct_days,omitempty" doc:"Days with at least one deployment"`
	DistinctDaysPerWeek *float64 `json:"distinct_days_per_week,omitempty" doc:"Days with a deployment per week: what the level goes by"`
	Workdays            *float64 `json:"workdays,omitempty" doc:"Working days of the project's calendar that have elapsed"`
	PerWorkday          *float64 `json:"per_workday,omitempty" doc:"Deployments per working day"`
	MedianDaysPerWeek   *float64 `json:"median_days_per_week,omitempty" doc:"Median over the weeks of days with a deployment, where the profile's level goes by it"`
	MedianDaysPerMonth  *float64 `json:"median_days_per_month,omitempty" doc:"Median over the months of days with a deployment, where the profile's level goes by it"`

	// Of durations whose profile takes the median of daily medians.
	DailyMedians *int `json:"daily_medians,omitempty" doc:"Days in a service and environment whose medians the value is the median of"`

	// Of the lead time.
	Coding  *Part `json:"coding,omitempty" doc:"First commit to pull request"`
	Pickup  *Part `json:"pickup,omitempty" doc:"Pull request to first review"`
	Review  *Part `json:"review,omitempty" doc:"First review to merge"`
	Deploy  *Part `json:"deploy,omitempty" doc:"Merge to deployment"`
	Pending *int  `json:"pending,omitempty" doc:"Changes that no deployment contains yet, at the report's time and whatever the window"`

	// Of the change fail rate.
	Failed            *int           `json:"failed,omitempty" doc:"Deployments that failed, each once"`
	FailedBy          map[string]int `json:"failed_by,omitempty" doc:"Failed deployments by rule; one deployment can fall under several"`
	Incidents         *int           `json:"incidents,omitempty" doc:"Incidents opened in the window"`
	IncidentsLinked   *int           `json:"incidents_linked,omitempty" doc:"Incidents that belong to the window's deployments, where the profile's rate counts them"`
	IncidentsUnlinked map[string]int `json:"incidents_unlinked,omitempty" doc:"Those among them that no deployment explains, by reason"`

	// Of the recovery time.
	Recovered       *int     `json:"recovered,omitempty" doc:"Failures after which service was restored"`
	Open            *int     `json:"open,omitempty" doc:"Failures that still last"`
	OpenDeployments []string `json:"open_deployments,omitempty" doc:"Keys of the deployments whose failure still lasts, the first 100"`

	// Of the rework rate.
	Unplanned *int `json:"unplanned,omitempty" doc:"Unplanned deployments to fix a user-facing bug"`
}

// Part is one stretch of the lead time.
type Part struct {
	Value  *float64 `json:"value" doc:"Median in seconds"`
	N      int      `json:"n" doc:"Changes for which it is known"`
	Reason *string  `json:"reason" doc:"Why it is null"`
}

// Completeness says how much of the input counted, and why the rest did not.
type Completeness struct {
	Linked  int            `json:"linked" doc:"Rows that count"`
	Total   int            `json:"total" doc:"Rows in the window"`
	Reasons map[string]int `json:"reasons" doc:"Rows that do not count, by reason"`
}

// Reasons why a metric has no value. Those of single rows are the Reason
// constants of package history.
const (
	ReasonNoDeploymentYet      = "no_deployment_yet"       // none was ever seen up to the end of the window
	ReasonNoDeploymentInWindow = "no_deployment_in_window" // there were some before
	ReasonNoAttributedChange   = "no_attributed_change"
	ReasonNoFailedDeployment   = "no_failed_deployment"
	ReasonNotRecovered         = "not_recovered" // failed deployments, all of them still open
	ReasonNotElapsed           = "not_elapsed"   // the window lies in the future
	ReasonMetricMissing        = "metric_missing"

	// Reasons why a deployment does not count.
	ReasonAborted        = "aborted"         // it never reached users
	ReasonFailureOutcome = "failure"         // it failed, so it is no successful deployment
	ReasonOutcomeUnknown = "outcome_unknown" // finished without a reported outcome
	ReasonAfterAsOf      = "after_as_of"     // its source's clock is ahead of the report's time

	// Reasons why a span is unknown.
	ReasonCreatedUnknown   = "pull_request_created_unknown"
	ReasonCommittedUnknown = "committed_at_unknown"
	ReasonNotPositive      = "not_positive"      // zero or less, and left out by the profile's rule
	ReasonBeforeStart      = "before_lead_start" // the part lies before the profile's lead time begins
	ReasonNoIncident       = "no_incident"       // only an incident could tell when service was restored
	ReasonSuccessOutcome   = "success"           // it succeeded, and the profile counts other outcomes
	ReasonAuthoredUnknown  = "authored_at_unknown"
	ReasonNotFailed        = "not_failed"
	ReasonResolvedElsewhen = "resolved_outside_window"
)
