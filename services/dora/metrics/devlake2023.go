package metrics

import (
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// DevLake2023 gives what Apache DevLake's DORA dashboard shows with the 2023
// report selected. Its rules are those of backend/plugins/dora/tasks (lead
// times: change_lead_time_calculator.go; incidents:
// incident_deploy_connector.go) and of the queries in
// grafana/dashboards/DORA.json and DORADetails-*.json of apache/incubator-devlake
// at commit 420e494 (May 2026).
//
// Recovery follows "Metric 4: Failed deployment recovery time" there: one row
// for each incident whose deployment (successful, production) finished in the
// selected period and which was resolved in it; the span is
// TIMESTAMPDIFF(MINUTE, deployment finished, incident resolved), which cuts off
// the seconds; the median is max(x) WHERE percent_rank() <= 0.5. DevLake itself
// lets a span be negative; so does this.
//
// DevLake knows no rework rate; the value is that of dora-2025 over this
// profile's deployments.
func DevLake2023() Profile {
	return Profile{
		Name:    ProfileDevLake2023,
		Summary: "What Apache DevLake's DORA dashboard shows with its 2023 report.",
		Choices: Choices{
			Unit: string(UnitPullRequest), Delivery: DeliveredOnce, FirstDeployment: ByProject,
			LeadStart: LeadFirstCommit, LeadEnd: EndFinished, LeadTime: LeadStages,
			LeadRounding: MinutesUp, LeadFloor: FloorZero,
			CountedOutcomes: event.OutcomeSuccess, RatedOutcomes: event.OutcomeSuccess, KnownCommit: CommitIgnored,
			IncidentLink: LinkLatest, Failures: history.FailedIncident,
			FailRate:   RateOfDeployments,
			RecoveryOf: RecoverLinkedIncidents, RecoveryStart: FromDeploymentFinished, RecoveryEnd: UntilResolved,
			RecoveryWindow: WindowDeploymentAndEnd, RecoveryRounding: MinutesDown, RecoveryFoot: FloorNone,
			Days: ByProject, WeekStart: ByProject, FrequencyDays: DaysElapsed, FrequencyLevel: LevelByMedianWeek,
			Percentile: string(Lower), Aggregation: AllRows, Edition: Edition2023,
		},
	}
}
