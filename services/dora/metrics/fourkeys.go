package metrics

import (
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// FourKeys gives what Google's Four Keys shows: the views queries/changes.sql,
// queries/deployments.sql and queries/incidents.sql, and the panels of
// dashboard/fourkeys_dashboard.json, of dora-team/fourkeys at commit 6cc642e
// (January 2024, where it was archived).
//
//   - Lead time ("Lead Time to Change Bucket") is TIMESTAMP_DIFF(deployment,
//     commit, MINUTE), which cuts off the seconds, over deployments CROSS JOIN
//     their changes; a commit's time is commits[].timestamp of the push, the
//     committer's. IF(diff > 0, diff, NULL) leaves out "automated pushes", and
//     commits that were never reported are NULL too. PERCENTILE_CONT takes the
//     median and ignores NULL.
//   - Deployments are successful ones whose commit was reported: the view joins
//     them with the events of their commits.
//   - Change fail rate is SUM(an incident is joined) / COUNT(DISTINCT deploy_id),
//     joined on the incident's "root cause: SHA" being one of the deployment's
//     changes, so two incidents count twice.
//   - Time to restore is TIMESTAMP_DIFF(resolved, created, HOUR) over all
//     incidents, where created is the earlier of the causing deployment's time
//     and the issue's; the window goes by created. An unresolved one is NULL.
//   - The frequency's level is the median over the weeks, which begin on Sunday
//     in UTC: 3 days or more is Daily, at least one is Weekly, else the median of
//     weeks with a deployment in the week's month is Monthly.
//   - The dashboard's colors stand for levels: purple, green, yellow, red.
//
// Four Keys knows no rework rate and no deployments per day over a window; both
// are those of dora-2025 over this profile's deployments.
func FourKeys() Profile {
	return Profile{
		Name:    ProfileFourKeys,
		Summary: "What the dashboard of Google's Four Keys shows.",
		Choices: Choices{
			Unit: string(UnitCommit), Delivery: DeliveredOnce, FirstDeployment: ByProject,
			LeadStart: LeadCommitted, LeadEnd: EndFinished, LeadTime: LeadSpan,
			LeadRounding: MinutesDown, LeadFloor: FloorPositive,
			CountedOutcomes: event.OutcomeSuccess, RatedOutcomes: event.OutcomeSuccess, KnownCommit: CommitRequired,
			IncidentLink: LinkNamed, Failures: history.FailedIncident,
			FailRate:   RateOfLinkedIncidents,
			RecoveryOf: RecoverIncidents, RecoveryStart: FromEarlier, RecoveryEnd: UntilResolved,
			RecoveryWindow: WindowStart, RecoveryRounding: HoursDown, RecoveryFoot: FloorNone,
			Days: UTC, WeekStart: "sun", FrequencyDays: DaysElapsed, FrequencyLevel: LevelByFourKeysWeek,
			Percentile: string(Continuous), Aggregation: AllRows, Edition: EditionFourKeys,
		},
		Limits: []string{
			"Four Keys takes as a deployment's changes the commits of the push whose head was deployed, again for each deployment of it; here they are the commits that first arrived with it.",
			"Four Keys joins an incident by a commit among the deployment's changes; here the incident names the deployment or the version that was deployed.",
			"The \"Change Failure Rate\" panel counts an incident once for each event that names its root cause; here, as in its daily panel, it counts once.",
		},
	}
}
