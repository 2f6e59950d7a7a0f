package metrics

import "fmt"

// Editions of the table of levels.
const (
	Edition2021 = "2021"
	Edition2023 = "2023"
	// EditionFourKeys are the buckets and colors of the Four Keys dashboard.
	EditionFourKeys = "fourkeys"
	// EditionOwn are the bounds of a user-defined profile.
	EditionOwn = "own"
)

// Levels, the best first. What reaches no bound is low.
const (
	Elite  = "elite"
	High   = "high"
	Medium = "medium"
	Low    = "low"
)

// LevelMinimum is the least number of observations that gives a level.
const LevelMinimum = 5

// LevelTableVersion changes whenever a bound does.
const LevelTableVersion = 2

// Units of bounds. A month is 30 days and six months are 180 where a bound is a
// duration; where it is a rate they are those of the calendar.
const (
	hour      = 3600.0
	dayLong   = 24 * hour
	week      = 7 * dayLong
	month     = 30 * dayLong
	sixMonths = 180 * dayLong
	// fourKeysMonth is the month of the Four Keys dashboard.
	fourKeysMonth = 730 * hour
)

// Bound is what a metric must reach for a level.
type Bound struct {
	Level string  `json:"level" enum:"elite,high,medium" doc:"The level"`
	Than  string  `json:"than" enum:"less,at_most,at_least" doc:"How the value compares with the bound: less is strict, the others are not"`
	Value float64 `json:"value" doc:"The bound in its unit"`
	Unit  string  `json:"unit" enum:"seconds,ratio,days_per_week,days_per_month,days_per_six_months,weeks_with_deployment,weeks_per_month,per_day" doc:"Unit of the bound"`
	Text  string  `json:"text" doc:"The bound in words"`
}

// How a value compares with a bound.
const (
	Less    = "less"
	AtMost  = "at_most"
	AtLeast = "at_least"
)

// Units of frequency bounds: distinct days with a deployment per week, per
// month and per six months.
const (
	unitPerWeek      = "days_per_week"
	unitPerMonth     = "days_per_month"
	unitPerSixMonths = "days_per_six_months"
	// Of the Four Keys dashboard: whether the median week has a deployment, and
	// how many such weeks the median week's month has.
	unitWeeks         = "weeks_with_deployment"
	unitWeeksPerMonth = "weeks_per_month"
)

// Table holds the bounds of one metric in one edition, the best level first.
type Table struct {
	Edition string  `json:"edition" doc:"Edition of the State of DevOps report"`
	Metric  string  `json:"metric" doc:"The metric"`
	Bounds  []Bound `json:"bounds" doc:"From the best level down; what reaches none is low"`
}

// Levels is the one table of levels that the API, the console, dashboards and
// documentation read. Durations are compared strictly (exactly one day is no
// longer "less than one day"), ratios and frequencies are not (exactly 5 % is
// elite). There are no published bounds for the rework rate. The bounds of the
// 2021 frequency are those of Apache DevLake's dashboard.
func Levels() []Table {
	upTo := func(level string, seconds float64, text string) Bound {
		return Bound{level, Less, seconds, UnitSeconds, "less than " + text}
	}
	share := func(level string, ratio float64) Bound {
		return Bound{level, AtMost, ratio, UnitRatio, fmt.Sprintf("%.0f %% or less", 100*ratio)}
	}
	often := func(level string, days float64, unit, text string) Bound {
		return Bound{level, AtLeast, days, unit, text}
	}
	recovery := []Bound{upTo(Elite, hour, "1 hour"), upTo(High, dayLong, "1 day"), upTo(Medium, week, "1 week")}
	return []Table{
		{Edition2021, DeploymentFrequency, []Bound{
			often(Elite, 5, unitPerWeek, "on 5 days a week or more"),
			often(High, 1, unitPerMonth, "on 1 day a month or more"),
			often(Medium, 1, unitPerSixMonths, "on 1 day in six months or more"),
		}},
		{Edition2021, ChangeLeadTime, []Bound{upTo(Elite, hour, "1 hour"), upTo(High, week, "1 week"), upTo(Medium, sixMonths, "6 months")}},
		{Edition2021, ChangeFailRate, []Bound{share(Elite, 0.15), share(High, 0.20), share(Medium, 0.30)}},
		{Edition2021, RecoveryTime, recovery},
		{Edition2023, DeploymentFrequency, []Bound{
			often(Elite, 5, unitPerWeek, "on 5 days a week or more"),
			often(High, 1, unitPerWeek, "on 1 day a week or more"),
			often(Medium, 1, unitPerMonth, "on 1 day a month or more"),
		}},
		{Edition2023, ChangeLeadTime, []Bound{upTo(Elite, dayLong, "1 day"), upTo(High, week, "1 week"), upTo(Medium, month, "1 month")}},
		{Edition2023, ChangeFailRate, []Bound{share(Elite, 0.05), share(High, 0.10), share(Medium, 0.15)}},
		{Edition2023, RecoveryTime, recovery},
		{EditionFourKeys, DeploymentFrequency, []Bound{
			often(Elite, 3, unitPerWeek, "on 3 days of the median week or more"),
			often(High, 1, unitWeeks, "in the median week"),
			often(Medium, 1, unitWeeksPerMonth, "in a week of the median week's month"),
		}},
		{EditionFourKeys, ChangeLeadTime, []Bound{upTo(Elite, dayLong, "1 day"), upTo(High, week, "1 week"), upTo(Medium, fourKeysMonth, "730 hours")}},
		{EditionFourKeys, ChangeFailRate, []Bound{share(High, 0.15), {Medium, Less, 0.46, UnitRatio, "less than 46 %"}}},
		{EditionFourKeys, RecoveryTime, []Bound{upTo(High, dayLong, "1 day"), upTo(Medium, week, "1 week")}},
	}
}

// tables are the levels of a profile.
func (p Profile) tables() []Table {
	if p.Choices.Edition == EditionOwn {
		return p.Bounds
	}
	return Levels()
}

// bounds are the bounds of each metric under the profile, the best level first.
func (p Profile) bounds() map[string][]Bound {
	out := map[string][]Bound{}
	for _, t := range p.tables() {
		if t.Edition == p.Choices.Edition {
			out[t.Metric] = t.Bounds
		}
	}
	return out
}

// levelOn is the level that a value reaches on bounds; at gives the value in a
// bound's unit.
func levelOn(bounds []Bound, at func(unit string) float64) string {
	for _, b := range bounds {
		if v := at(b.Unit); b.Than == Less && v < b.Value || b.Than == AtMost && v <= b.Value || b.Than == AtLeast && v >= b.Value {
			return b.Level
		}
	}
	return Low
}
