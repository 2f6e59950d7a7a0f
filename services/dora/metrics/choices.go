package metrics

import (
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// Choices are the rules of a profile: independent of each other, each one of
// the values that [RuleBook] lists. That a profile is a set of choices is what
// lets [Compare] swap one at a time. Every combination computes; those that
// would mislead are refused where people write profiles.
type Choices struct {
	Unit, Delivery, FirstDeployment                string
	LeadStart, LeadEnd, LeadTime                   string
	LeadRounding, LeadFloor                        string
	Percentile, Aggregation, Days, WeekStart       string
	CountedOutcomes, RatedOutcomes, KnownCommit    string
	FrequencyDays, FrequencyLevel                  string
	FailRate, Failures, IncidentLink               string
	RecoveryOf, RecoveryStart, RecoveryEnd         string
	RecoveryWindow, RecoveryRounding, RecoveryFoot string
	Edition                                        string
}

// Ids of the rules, as they stand in files, answers and comparisons.
const (
	RuleUnit             = "unit"
	RuleDelivery         = "delivery"
	RuleFirstDeployment  = "first_deployment"
	RuleLeadStart        = "lead_start"
	RuleLeadEnd          = "lead_end"
	RuleLeadTime         = "lead_time"
	RuleLeadRounding     = "lead_rounding"
	RuleLeadFloor        = "lead_floor"
	RulePercentile       = "percentile"
	RuleAggregation      = "aggregation"
	RuleDays             = "days"
	RuleWeekStart        = "week_start"
	RuleCountedOutcomes  = "counted_outcomes"
	RuleRatedOutcomes    = "rated_outcomes"
	RuleKnownCommit      = "known_commit"
	RuleFrequencyDays    = "frequency_days"
	RuleFrequencyLevel   = "frequency_level"
	RuleFailRate         = "fail_rate"
	RuleFailures         = "failures"
	RuleIncidentLink     = "incident_link"
	RuleRecoveryOf       = "recovery_of"
	RuleRecoveryStart    = "recovery_start"
	RuleRecoveryEnd      = "recovery_end"
	RuleRecoveryWindow   = "recovery_window"
	RuleRecoveryRounding = "recovery_rounding"
	RuleRecoveryFloor    = "recovery_floor"
	RuleEdition          = "edition"
)

// Values of the choices.
const (
	LeadAuthored    = "authored"
	LeadCommitted   = "committed"
	LeadFirstCommit = "first_commit"
	LeadCreated     = "pr_created"
	LeadMerged      = "merged"

	EndFinished = "finished"
	EndStarted  = "started"

	LeadSpan   = "span"
	LeadStages = "stages"

	Exact       = "exact"
	MinutesUp   = "minutes_up"
	MinutesDown = "minutes_down"
	HoursDown   = "hours_down"

	FloorZero     = "zero"
	FloorPositive = "positive"
	FloorNone     = "none"

	ByProject = "project"
	UTC       = "utc"

	AllRows      = "rows"
	DailyMedians = "daily_medians"

	DeliveredOnce     = "once"
	DeliveredPerPlace = "per_environment"

	CommitIgnored  = "ignored"
	CommitRequired = "required"

	DaysElapsed = "elapsed"
	DaysWhole   = "whole"

	LevelByMean         = "mean"
	LevelByMedianWeek   = "median_week"
	LevelByFourKeysWeek = "fourkeys_week"

	RateOfDeployments     = "deployments"
	RateOfLinkedIncidents = "linked_incidents"
	RateOfIncidents       = "incidents"

	FailedUnplanned = "unplanned"

	LinkStrongest = "strongest"
	LinkNamed     = "named"
	LinkLatest    = "latest"

	RecoverDeployments     = "failed_deployments"
	RecoverLinkedIncidents = "linked_incidents"
	RecoverIncidents       = "incidents"

	FromDeploymentFinished = "deployment_finished"
	FromDeploymentStarted  = "deployment_started"
	FromOpened             = "incident_opened"
	FromEarlier            = "deployment_or_opened"

	UntilRestored = "restored"
	UntilResolved = "incident_resolved"

	WindowDeployment       = "deployment"
	WindowDeploymentAndEnd = "deployment_and_end"
	WindowStart            = "start"
	WindowEnd              = "end"
)

// Choice is one value of a rule and what it means in one sentence.
type Choice struct {
	Value string `json:"value" doc:"As it stands in a profile"`
	Text  string `json:"text" doc:"What it means, in a sentence"`
}

// RuleInfo is one rule: what it is about, which metrics it can move, and its
// values. Of a Set any may be chosen together, written in this order.
type RuleInfo struct {
	ID      string   `json:"rule" doc:"Its id, which is also its key in a profile's file"`
	About   string   `json:"about" doc:"What it decides"`
	Metrics []string `json:"metrics" doc:"The metrics that it can move"`
	Set     bool     `json:"set" doc:"Several values can be chosen together"`
	Choices []Choice `json:"choices" doc:"Its values"`

	field func(*Choices) *string
	// arranges says that the rule changes how lead times are arranged, so that
	// those of another profile cannot be taken over.
	arranges bool
}

// Get is the rule's value among c.
func (r *RuleInfo) Get(c Choices) string { return *r.field(&c) }

// With is c with another value of the rule.
func (r *RuleInfo) With(c Choices, value string) Choices {
	*r.field(&c) = value
	return c
}

// text is the sentence of a value, for a set of each of its values.
func (r *RuleInfo) text(value string) string {
	if !r.Set {
		for _, c := range r.Choices {
			if c.Value == value {
				return c.Text
			}
		}
		return ""
	}
	var parts []string
	for _, v := range strings.Split(value, ",") {
		for _, c := range r.Choices {
			if c.Value == v {
				parts = append(parts, c.Text)
			}
		}
	}
	return r.About + ": " + strings.Join(parts, ", ") + "."
}

// Rule is one rule of a profile.
type Rule struct {
	ID     string `json:"rule" doc:"Id of the rule"`
	Choice string `json:"choice" doc:"The profile's choice"`
	Text   string `json:"text" doc:"What it means, in a sentence"`
}

// ruleList lists choices with their sentences.
func (c Choices) rules() []Rule {
	var out []Rule
	for _, r := range RuleBook() {
		v := r.Get(c)
		out = append(out, Rule{r.ID, v, r.text(v)})
	}
	return out
}

// fingerprint tells sets of choices apart.
func (c Choices) fingerprint() string {
	var b strings.Builder
	for _, r := range RuleBook() {
		b.WriteString(r.Get(c))
		b.WriteByte('|')
	}
	return b.String()
}

// leadFingerprint tells apart what lead times depend on.
func (c Choices) leadFingerprint() string {
	var b strings.Builder
	for _, r := range RuleBook() {
		if r.arranges {
			b.WriteString(r.Get(c))
			b.WriteByte('|')
		}
	}
	return b.String()
}

// hasWord reports whether a set holds a value.
func hasWord(set, value string) bool {
	for s := range strings.SplitSeq(set, ",") {
		if s == value {
			return true
		}
	}
	return false
}

const minute = Span(60_000_000)

// round is the span from a to b in the units of a rounding, whatever its sign.
// Cutting off goes toward zero, as TIMESTAMP_DIFF of BigQuery and TIMESTAMPDIFF
// of MySQL do.
func round(a, b history.Time, rounding string) Span {
	d := Span(b - a)
	switch rounding {
	case MinutesUp:
		return up(d, minute)
	case MinutesDown:
		return d / minute * minute
	case HoursDown:
		return d / (60 * minute) * (60 * minute)
	}
	return d
}

// up rounds a span up to whole units.
func up(d, unit Span) Span {
	m := d / unit // cuts toward zero, which is up for negative spans
	if d > 0 && d%unit != 0 {
		m++
	}
	return m * unit
}

// measure is the rounded span from a to b, and why it is unknown when it lies
// below the floor.
func measure(a, b history.Time, rounding, floor string) (Span, string) {
	d := round(a, b, rounding)
	switch {
	case d < 0 && floor != FloorNone:
		return Unknown, history.ReasonClockSkew
	case d <= 0 && floor == FloorPositive:
		return Unknown, ReasonNotPositive
	}
	return d, ""
}

// outcomeReason says why a deployment is not among those of some outcomes, "" if
// it is.
func outcomeReason(d *history.Deployment, outcomes, commit string) string {
	if !hasWord(outcomes, d.Outcome) {
		switch d.Outcome {
		case event.OutcomeSuccess:
			return ReasonSuccessOutcome
		case event.OutcomeFailure:
			return ReasonFailureOutcome
		case event.OutcomeAborted:
			return ReasonAborted
		}
		return ReasonOutcomeUnknown
	}
	if commit == CommitRequired && (d.Reason == history.ReasonSHAUnknown || d.Reason == history.ReasonCommitsMissing) {
		return d.Reason
	}
	return ""
}

// counted says why a finished deployment is not in the frequency, "" if it is.
func (c *Choices) counted(d *history.Deployment) string {
	return outcomeReason(d, c.CountedOutcomes, c.KnownCommit)
}

// rated says why a finished deployment is in no denominator, "" if it is.
func (c *Choices) rated(d *history.Deployment) string {
	return outcomeReason(d, c.RatedOutcomes, c.KnownCommit)
}

// link gives the key of the deployment that caused an incident, and the rule.
func (c *Choices) link(i *history.Incident) (deployment, rule string) {
	switch c.IncidentLink {
	case LinkLatest:
		if i.LatestDeployment == "" {
			return "", history.LinkNone
		}
		return i.LatestDeployment, RuleLatestDeployment
	case LinkNamed:
		if i.LinkedBy != history.LinkExplicit && i.LinkedBy != history.LinkArtifact {
			return "", history.LinkNone
		}
	}
	return i.Deployment, i.LinkedBy
}

// failures lists why a deployment counts as failed, given its incidents.
func (c *Choices) failures(d *history.Deployment, linked []*history.Incident) []history.Failure {
	var out []history.Failure
	for _, f := range d.Failures {
		if hasWord(c.Failures, f.Rule) && (f.Rule != history.FailedIncident || c.IncidentLink == LinkStrongest) {
			out = append(out, f)
		}
	}
	if c.IncidentLink != LinkStrongest && hasWord(c.Failures, history.FailedIncident) {
		for _, i := range linked {
			out = append(out, history.Failure{Rule: history.FailedIncident, Ref: i.Key()})
		}
	}
	if d.Unplanned && hasWord(c.Failures, FailedUnplanned) {
		out = append(out, history.Failure{Rule: FailedUnplanned})
	}
	return out
}

// canonicalSet puts the values of a set into the order of the book.
func canonicalSet(r *RuleInfo, values []string) string {
	var out []string
	for _, c := range r.Choices {
		if slices.Contains(values, c.Value) {
			out = append(out, c.Value)
		}
	}
	return strings.Join(out, ",")
}
