package metrics

import (
	"errors"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

func projectWithTeams() project.Spec {
	return project.Spec{
		Project: "p", Teams: []project.Team{{Name: "core"}, {Name: "shop"}},
		Services: []project.Service{{Name: "api", Team: "core"}, {Name: "web", Team: "shop"}, {Name: "pay", Team: "shop"}},
	}
}

func wantField(t testing.TB, err error, field string) {
	t.Helper()
	var f *event.FieldError
	if !errors.As(err, &f) || f.Field != field {
		t.Errorf("error %v, want one that names %s", err, field)
	}
}

// The table as it is published in the product's documents.
func TestLevelsQuoteThePublishedBounds(t *testing.T) {
	published := map[string]string{
		"fourkeys " + DeploymentFrequency: "on 3 days of the median week or more / in the median week / in a week of the median week's month",
		"fourkeys " + ChangeLeadTime:      "less than 1 day / less than 1 week / less than 730 hours",
		"fourkeys " + ChangeFailRate:      "15 % or less / less than 46 %",
		"fourkeys " + RecoveryTime:        "less than 1 day / less than 1 week",
		"2021 " + ChangeLeadTime:          "less than 1 hour / less than 1 week / less than 6 months",
		"2023 " + ChangeLeadTime:          "less than 1 day / less than 1 week / less than 1 month",
		"2021 " + ChangeFailRate:          "15 % or less / 20 % or less / 30 % or less",
		"2023 " + ChangeFailRate:          "5 % or less / 10 % or less / 15 % or less",
		"2021 " + RecoveryTime:            "less than 1 hour / less than 1 day / less than 1 week",
		"2023 " + RecoveryTime:            "less than 1 hour / less than 1 day / less than 1 week",
		"2021 " + DeploymentFrequency:     "on 5 days a week or more / on 1 day a month or more / on 1 day in six months or more",
		"2023 " + DeploymentFrequency:     "on 5 days a week or more / on 1 day a week or more / on 1 day a month or more",
	}
	for _, table := range Levels() {
		var texts []string
		for _, b := range table.Bounds {
			texts = append(texts, b.Text)
		}
		key := table.Edition + " " + table.Metric
		if got := strings.Join(texts, " / "); got != published[key] {
			t.Errorf("%s: %s, want %s", key, got, published[key])
		}
		delete(published, key)
	}
	for key := range published {
		t.Errorf("no table for %s", key)
	}
}

func TestLevelsAtTheirBounds(t *testing.T) {
	const h, d = 3600.0, 86400.0
	for _, row := range []struct {
		edition, metric string
		value           float64
		want            string
	}{
		{"2023", ChangeLeadTime, d - 1, Elite}, {"2023", ChangeLeadTime, d, High},
		{"2023", ChangeLeadTime, 7*d - 1, High}, {"2023", ChangeLeadTime, 7 * d, Medium},
		{"2023", ChangeLeadTime, 30*d - 1, Medium}, {"2023", ChangeLeadTime, 30 * d, Low},
		{"2021", ChangeLeadTime, h - 1, Elite}, {"2021", ChangeLeadTime, h, High},
		{"2021", ChangeLeadTime, 7 * d, Medium}, {"2021", ChangeLeadTime, 180 * d, Low},
		{"2023", RecoveryTime, h - 1, Elite}, {"2023", RecoveryTime, h, High}, {"2023", RecoveryTime, d, Medium}, {"2023", RecoveryTime, 7 * d, Low},
		{"2023", ChangeFailRate, 0.05, Elite}, {"2023", ChangeFailRate, 0.0501, High}, {"2023", ChangeFailRate, 0.10, High},
		{"2023", ChangeFailRate, 3.0 / 20, Medium}, {"2023", ChangeFailRate, 0.1501, Low},
		{"2021", ChangeFailRate, 0.15, Elite}, {"2021", ChangeFailRate, 0.2, High}, {"2021", ChangeFailRate, 0.3, Medium}, {"2021", ChangeFailRate, 0.31, Low},
		{"2023", ReworkRate, 0, ""},
	} {
		if got := levelAt(row.edition, row.metric, func(string) float64 { return row.value }); got != row.want {
			t.Errorf("%s %s %v = %q, want %q", row.edition, row.metric, row.value, got, row.want)
		}
	}
	for _, row := range []struct {
		edition                    string
		perWeek, perMonth, perHalf float64
		want                       string
	}{
		{"2023", 5, 20, 120, Elite}, {"2023", 4.99, 20, 120, High}, {"2023", 1, 4, 24, High},
		{"2023", 0.99, 4, 24, Medium}, {"2023", 0.25, 1, 6, Medium}, {"2023", 0.2, 0.99, 5, Low},
		{"2021", 1, 4, 24, High}, {"2021", 0.2, 0.5, 3, Medium}, {"2021", 0, 0, 0.9, Low},
	} {
		got := levelAt(row.edition, DeploymentFrequency, func(unit string) float64 {
			return map[string]float64{unitPerWeek: row.perWeek, unitPerMonth: row.perMonth, unitPerSixMonths: row.perHalf}[unit]
		})
		if got != row.want {
			t.Errorf("%s: on %v days a week, %v a month = %q, want %q", row.edition, row.perWeek, row.perMonth, got, row.want)
		}
	}
}

func TestQuickCheckScores(t *testing.T) {
	const h, d = 3600.0, 86400.0
	for _, row := range []struct{ seconds, want float64 }{
		{0, 10}, {h - 1, 10}, {h, 8}, {d - 1, 8}, {d, 6}, {7 * d, 6}, {7*d + 1, 4}, {30 * d, 4}, {30*d + 1, 2}, {180 * d, 2}, {180*d + 1, 0},
	} {
		if got := durationScore(row.seconds); got != row.want {
			t.Errorf("duration %v s scores %v, want %v", row.seconds, got, row.want)
		}
	}
	for _, row := range []struct{ perDay, want float64 }{
		{24, 10}, {2, 10}, {1.9, 8}, {1, 8}, {0.9, 6}, {1.0 / 7, 6}, {0.1, 4}, {1.0 / 30, 4}, {0.02, 2}, {1.0 / 180, 2}, {0.005, 0}, {0, 0},
	} {
		if got := frequencyScore(row.perDay); got != row.want {
			t.Errorf("%v a day scores %v, want %v", row.perDay, got, row.want)
		}
	}
	for _, row := range []struct{ ratio, want float64 }{{0, 10}, {1, 0}, {0.25, 7.5}} {
		if got := ratioScore(row.ratio); got != row.want {
			t.Errorf("%v scores %v, want %v", row.ratio, got, row.want)
		}
	}
}

func TestProfilesAreFoundByName(t *testing.T) {
	for _, name := range []string{"", ProfileDORA2025, ProfileDevLake2023, ProfileFourKeys, ProfileGitLab} {
		if p, err := ProfileNamed(name); err != nil || name != "" && p.Name != name || p.Name == "" {
			t.Errorf("ProfileNamed(%q) = %q, %v", name, p.Name, err)
		}
	}
	_, err := ProfileNamed("devlake")
	wantField(t, err, "profile")
	if !strings.Contains(err.Error(), "devlake-2023") {
		t.Errorf("%v names no known profile", err)
	}
}

// levelAt is the level of an edition, "" where it has no bounds for the metric.
func levelAt(edition, metric string, at func(unit string) float64) string {
	bounds, ok := Profile{Choices: Choices{Edition: edition}}.bounds()[metric]
	if !ok {
		return ""
	}
	return levelOn(bounds, at)
}
