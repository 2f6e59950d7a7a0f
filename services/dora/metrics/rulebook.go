package metrics

import (
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// RuleBook lists every rule in the order in which [Compare] swaps them: first
// what a row is, then what it measures, then how rows become a number.
func RuleBook() []*RuleInfo {
	df, lead, fail, rec, rework := DeploymentFrequency, ChangeLeadTime, ChangeFailRate, RecoveryTime, ReworkRate
	return []*RuleInfo{
		{ID: RuleUnit, About: "What a change is", Metrics: []string{lead}, arranges: true, field: func(c *Choices) *string { return &c.Unit }, Choices: []Choice{
			{string(UnitCommit), "A change is a commit, and belongs to the first successful deployment, per service and environment, that contains it and whose predecessor does not."},
			{string(UnitPullRequest), "A change is a merged pull request, and belongs to the earliest started successful deployment whose difference to the previous successful one holds the merge commit."}}},
		{ID: RuleDelivery, About: "How often a pull request counts", Metrics: []string{lead}, field: func(c *Choices) *string { return &c.Delivery }, Choices: []Choice{
			{DeliveredOnce, "A pull request counts once, where its deployment started first."},
			{DeliveredPerPlace, "A pull request counts once for each service and environment that it reached."}}},
		{ID: RuleFirstDeployment, About: "What the first deployment of a service delivers", Metrics: []string{lead}, arranges: true, field: func(c *Choices) *string { return &c.FirstDeployment }, Choices: []Choice{
			{ByProject, "The first deployment of a service is a baseline without lead times unless the project says otherwise."},
			{"baseline", "The first deployment of a service is a baseline without lead times."},
			{"attribute", "The first deployment of a service delivers everything that it contains."}}},
		{ID: RuleLeadStart, About: "Where lead time begins", Metrics: []string{lead}, arranges: true, field: func(c *Choices) *string { return &c.LeadStart }, Choices: []Choice{
			{LeadAuthored, "Lead time begins when the commit was authored; a squashed pull request counts from its earliest commit."},
			{LeadCommitted, "Lead time begins when the commit was committed."},
			{LeadFirstCommit, "Lead time begins when the earliest commit of the pull request was authored."},
			{LeadCreated, "Lead time begins when the pull request was opened."},
			{LeadMerged, "Lead time begins when the pull request was merged."}}},
		{ID: RuleLeadEnd, About: "Where lead time ends", Metrics: []string{lead}, arranges: true, field: func(c *Choices) *string { return &c.LeadEnd }, Choices: []Choice{
			{EndFinished, "Lead time ends when the deployment has finished."},
			{EndStarted, "Lead time ends when the deployment starts."}}},
		{ID: RuleLeadTime, About: "How lead time is put together", Metrics: []string{lead}, arranges: true, field: func(c *Choices) *string { return &c.LeadTime }, Choices: []Choice{
			{LeadSpan, "Lead time is the span from beginning to end."},
			{LeadStages, "Lead time is coding + (merged - created) + deploy, each rounded by itself, with unknown and negative ones as 0."}}},
		{ID: RuleLeadRounding, About: "How lead times are rounded", Metrics: []string{lead}, arranges: true, field: func(c *Choices) *string { return &c.LeadRounding }, Choices: []Choice{
			{Exact, "Lead times are exact."},
			{MinutesUp, "Lead times are whole minutes, rounded up."},
			{MinutesDown, "Lead times are whole minutes, the rest cut off."},
			{HoursDown, "Lead times are whole hours, the rest cut off."}}},
		{ID: RuleLeadFloor, About: "What becomes of lead times of nothing and less", Metrics: []string{lead}, arranges: true, field: func(c *Choices) *string { return &c.LeadFloor }, Choices: []Choice{
			{FloorZero, "A lead time below zero is unknown."},
			{FloorPositive, "A lead time of zero or less, after rounding, is left out as an automated change."},
			{FloorNone, "A lead time below zero counts as it is."}}},
		{ID: RuleCountedOutcomes, About: "Deployments that count in the frequency have the outcome", Metrics: []string{df}, Set: true, field: func(c *Choices) *string { return &c.CountedOutcomes }, Choices: []Choice{
			{event.OutcomeSuccess, event.OutcomeSuccess}, {event.OutcomeFailure, event.OutcomeFailure}, {event.OutcomeAborted, event.OutcomeAborted}}},
		{ID: RuleRatedOutcomes, About: "Deployments that the rates divide by have the outcome", Metrics: []string{fail, rec, rework}, Set: true, field: func(c *Choices) *string { return &c.RatedOutcomes }, Choices: []Choice{
			{event.OutcomeSuccess, event.OutcomeSuccess}, {event.OutcomeFailure, event.OutcomeFailure}, {event.OutcomeAborted, event.OutcomeAborted}}},
		{ID: RuleKnownCommit, About: "Whether a deployment counts whose commit nobody reported", Metrics: []string{df, fail, rec, rework}, field: func(c *Choices) *string { return &c.KnownCommit }, Choices: []Choice{
			{CommitIgnored, "A deployment counts whether or not its commit was reported."},
			{CommitRequired, "A deployment whose commit was not reported does not count."}}},
		{ID: RuleIncidentLink, About: "Which deployment an incident belongs to", Metrics: []string{fail, rec}, field: func(c *Choices) *string { return &c.IncidentLink }, Choices: []Choice{
			{LinkStrongest, "An incident belongs to the deployment that it names, else to the one that brought the version that it names, else to the service's latest within the incident window."},
			{LinkNamed, "An incident belongs to the deployment that it names or that brought the version that it names, never to one by time."},
			{LinkLatest, "An incident belongs to the project's latest successful production deployment that finished before it was opened."}}},
		{ID: RuleFailures, About: "A deployment failed by", Metrics: []string{fail, rec}, Set: true, field: func(c *Choices) *string { return &c.Failures }, Choices: []Choice{
			{history.FailedOutcome, "its reported outcome"}, {history.FailedRolledBack, "being rolled back by the next one"}, {history.FailedIncident, "an incident that belongs to it"}, {FailedUnplanned, "being unplanned itself"}}},
		{ID: RuleFailRate, About: "What the change fail rate divides", Metrics: []string{fail}, field: func(c *Choices) *string { return &c.FailRate }, Choices: []Choice{
			{RateOfDeployments, "Change fail rate is failed deployments / deployments; each counts once."},
			{RateOfLinkedIncidents, "Change fail rate is incidents that belong to a deployment / deployments; it can exceed 1."},
			{RateOfIncidents, "Change fail rate is all incidents opened in the window / deployments; it can exceed 1."}}},
		{ID: RuleRecoveryOf, About: "What recovers", Metrics: []string{rec}, field: func(c *Choices) *string { return &c.RecoveryOf }, Choices: []Choice{
			{RecoverDeployments, "Each failed deployment recovers once."},
			{RecoverLinkedIncidents, "Each incident that belongs to a deployment recovers by itself."},
			{RecoverIncidents, "Each incident recovers by itself, whether or not it belongs to a deployment."}}},
		{ID: RuleRecoveryStart, About: "Where recovery begins", Metrics: []string{rec}, field: func(c *Choices) *string { return &c.RecoveryStart }, Choices: []Choice{
			{FromDeploymentFinished, "Recovery begins when the failed deployment had finished."},
			{FromDeploymentStarted, "Recovery begins when the failed deployment started."},
			{FromOpened, "Recovery begins when the incident was opened."},
			{FromEarlier, "Recovery begins when the causing deployment had finished, or when the incident was opened if that was earlier or no deployment is known."}}},
		{ID: RuleRecoveryEnd, About: "Where recovery ends", Metrics: []string{rec}, field: func(c *Choices) *string { return &c.RecoveryEnd }, Choices: []Choice{
			{UntilRestored, "Recovery ends with the next good deployment, the rollback or the resolution of its incidents, whichever is first."},
			{UntilResolved, "Recovery ends when the incident is resolved."}}},
		{ID: RuleRecoveryWindow, About: "Which recoveries belong to a window", Metrics: []string{rec}, field: func(c *Choices) *string { return &c.RecoveryWindow }, Choices: []Choice{
			{WindowDeployment, "A recovery belongs to the window in which its deployment finished."},
			{WindowDeploymentAndEnd, "A recovery counts when both its deployment finished and it ended in the window."},
			{WindowStart, "A recovery belongs to the window in which it began."},
			{WindowEnd, "A recovery belongs to the window in which it ended."}}},
		{ID: RuleRecoveryRounding, About: "How recovery times are rounded", Metrics: []string{rec}, field: func(c *Choices) *string { return &c.RecoveryRounding }, Choices: []Choice{
			{Exact, "Recovery times are exact."},
			{MinutesUp, "Recovery times are whole minutes, rounded up."},
			{MinutesDown, "Recovery times are whole minutes, the rest cut off."},
			{HoursDown, "Recovery times are whole hours, the rest cut off."}}},
		{ID: RuleRecoveryFloor, About: "What becomes of recovery times of nothing and less", Metrics: []string{rec}, field: func(c *Choices) *string { return &c.RecoveryFoot }, Choices: []Choice{
			{FloorZero, "A recovery time below zero is unknown."},
			{FloorPositive, "A recovery time of zero or less, after rounding, is left out."},
			{FloorNone, "A recovery time below zero counts as it is."}}},
		{ID: RuleDays, About: "Where days begin", Metrics: []string{df, lead, rec}, field: func(c *Choices) *string { return &c.Days }, Choices: []Choice{
			{ByProject, "Days begin in the project's time zone."},
			{UTC, "Days begin in UTC, wherever the team is."}}},
		{ID: RuleWeekStart, About: "Where weeks begin", Metrics: []string{df}, field: func(c *Choices) *string { return &c.WeekStart }, Choices: []Choice{
			{ByProject, "Weeks begin where the project's calendar says."},
			{"sun", "Weeks begin on Sunday."},
			{"mon", "Weeks begin on Monday."}}},
		{ID: RuleFrequencyDays, About: "What the frequency divides by", Metrics: []string{df}, field: func(c *Choices) *string { return &c.FrequencyDays }, Choices: []Choice{
			{DaysElapsed, "The frequency divides by the days that have elapsed, a begun day by its share."},
			{DaysWhole, "The frequency divides by every day that the window touches, today as a whole."}}},
		{ID: RulePercentile, About: "What kind of percentile a median is", Metrics: []string{lead, rec}, field: func(c *Choices) *string { return &c.Percentile }, Choices: []Choice{
			{string(Continuous), "Medians are continuous: between two neighbors they are interpolated."},
			{string(Lower), "Medians are lower medians: of two neighbors the lower."}}},
		{ID: RuleAggregation, About: "What a median is taken over", Metrics: []string{lead, rec}, field: func(c *Choices) *string { return &c.Aggregation }, Choices: []Choice{
			{AllRows, "A median is taken over all rows of the window."},
			{DailyMedians, "A median is taken over the medians of each day in each service and environment, so that each such day weighs the same."}}},
		{ID: RuleFrequencyLevel, About: "What the frequency's level goes by", Metrics: []string{df}, field: func(c *Choices) *string { return &c.FrequencyLevel }, Choices: []Choice{
			{LevelByMean, "The frequency's level goes by days with a deployment per week on the average."},
			{LevelByMedianWeek, "The frequency's level goes by the lower median of days with a deployment over the weeks, then months."},
			{LevelByFourKeysWeek, "The frequency's level goes by the median over the weeks: days with a deployment, then whether there was one, then such weeks in the week's month."}}},
		{ID: RuleEdition, About: "Which table of levels holds", Metrics: []string{df, lead, fail, rec}, field: func(c *Choices) *string { return &c.Edition }, Choices: []Choice{
			{Edition2021, "Levels are those of the 2021 edition."},
			{Edition2023, "Levels are those of the 2023 edition."},
			{EditionFourKeys, "Levels are the colors of the Four Keys dashboard, after the 2019 edition."},
			{EditionOwn, "Levels are the profile's own."}}},
	}
}

// ruleNamed is the rule of that id, nil when there is none.
func ruleNamed(id string) *RuleInfo {
	for _, r := range RuleBook() {
		if r.ID == id {
			return r
		}
	}
	return nil
}
