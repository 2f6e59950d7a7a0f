package metrics

import (
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// DORA2025 is the default profile.
func DORA2025() Profile {
	return Profile{
		Name:    ProfileDORA2025,
		Summary: "The five DORA metrics per commit, per service and environment.",
		Choices: Choices{
			Unit: string(UnitCommit), Delivery: DeliveredOnce, FirstDeployment: ByProject,
			LeadStart: LeadAuthored, LeadEnd: EndFinished, LeadTime: LeadSpan,
			LeadRounding: Exact, LeadFloor: FloorZero,
			CountedOutcomes: event.OutcomeSuccess, RatedOutcomes: event.OutcomeSuccess + "," + event.OutcomeFailure, KnownCommit: CommitIgnored,
			IncidentLink: LinkStrongest, Failures: history.FailedOutcome + "," + history.FailedRolledBack + "," + history.FailedIncident,
			FailRate:   RateOfDeployments,
			RecoveryOf: RecoverDeployments, RecoveryStart: FromDeploymentFinished, RecoveryEnd: UntilRestored,
			RecoveryWindow: WindowDeployment, RecoveryRounding: Exact, RecoveryFoot: FloorZero,
			Days: ByProject, WeekStart: ByProject, FrequencyDays: DaysElapsed, FrequencyLevel: LevelByMean,
			Percentile: string(Continuous), Aggregation: AllRows, Edition: Edition2023,
		},
	}
}
