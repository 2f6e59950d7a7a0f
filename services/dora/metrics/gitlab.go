package metrics

import (
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// GitLab gives what GitLab's DORA API and charts show: ee/app/models/dora
// (daily_metrics.rb, deployment_frequency_metric.rb,
// lead_time_for_changes_metric.rb, time_to_restore_service_metric.rb,
// change_failure_rate_metric.rb), ee/app/services/dora/aggregate_metrics_service.rb
// and app/services/deployments/link_merge_requests_service.rb of
// gitlab-org/gitlab, as of GitLab 16.
//
//   - dora_daily_metrics holds a row for each environment and day (of the
//     instance's time zone, UTC by default): the count of successful deployments
//     that finished on it, PERCENTILE_CONT(0.5) of finished_at - merged_at over
//     their merge requests, PERCENTILE_CONT(0.5) of closed_at - created_at over
//     the incidents closed on it, and the count of incidents created on it.
//   - Over an interval the durations are PERCENTILE_CONT(0.5) of those daily
//     medians, so that a day with one merge request weighs as much as one with
//     fifty.
//   - Deployment frequency is the sum / the number of days, both ends included.
//   - Change failure rate is SUM(incidents) / GREATEST(SUM(deployments), 1),
//     whether or not an incident has to do with a deployment.
//   - A merge request is linked to an environment's first deployment whose
//     difference to the previous one holds its merge commit; the first deployment
//     of an environment takes all that were merged before.
//
// GitLab knows no rework rate and publishes no levels beside these; the former is
// that of dora-2025 over this profile's deployments, the latter are those of 2023.
// Where GitLab shows 0 for a change failure rate without deployments and
// incidents, the value here is null.
func GitLab() Profile {
	return Profile{
		Name:    ProfileGitLab,
		Summary: "What GitLab's DORA API and charts show.",
		Choices: Choices{
			Unit: string(UnitPullRequest), Delivery: DeliveredPerPlace, FirstDeployment: "attribute",
			LeadStart: LeadMerged, LeadEnd: EndFinished, LeadTime: LeadSpan,
			LeadRounding: Exact, LeadFloor: FloorNone,
			CountedOutcomes: event.OutcomeSuccess, RatedOutcomes: event.OutcomeSuccess, KnownCommit: CommitIgnored,
			IncidentLink: LinkStrongest, Failures: history.FailedIncident,
			FailRate:   RateOfIncidents,
			RecoveryOf: RecoverIncidents, RecoveryStart: FromOpened, RecoveryEnd: UntilResolved,
			RecoveryWindow: WindowEnd, RecoveryRounding: Exact, RecoveryFoot: FloorNone,
			Days: UTC, WeekStart: ByProject, FrequencyDays: DaysWhole, FrequencyLevel: LevelByMean,
			Percentile: string(Continuous), Aggregation: DailyMedians, Edition: Edition2023,
		},
		Limits: []string{
			"GitLab links merge requests by target branch to an environment's first deployment; here it takes those whose merge commit it contains.",
			"GitLab also links cherry-picked merge requests, which a commit does not tell of here.",
			"In GitLab a project has its own incidents; here an incident counts for the service that it names, and one that names none for every question about all services.",
		},
	}
}
