package metrics

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// documented is the worked example of the reference page.
func documented(t testing.TB) []byte {
	t.Helper()
	page, err := os.ReadFile("../../../docs/reference/profiles.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "<!-- example -->\n```yaml\n")
	example, _, ok := strings.Cut(rest, "```\n<!-- /example -->")
	if !ok {
		t.Fatal("the page has no example")
	}
	return []byte(example)
}

// The documented profile on the history of TestOneHistoryUnderFourProfiles: from
// merge to live c2 6 h, c4 5 h, c6 4 h, c5 2 h, and c3 has no pull request; d3 is
// a failure because it was unplanned, d2 and d6 are none because incidents make none.
func TestTheDocumentedProfileComputes(t *testing.T) {
	p, err := ParseProfile(documented(t))
	if err != nil {
		t.Fatal(err)
	}
	b := oneHistory(t)
	r := compute(t, b.view("2026-03-31 00:00"), b.window("2026-03-02", "2026-03-16"), p)
	lead, fail, frequency := r.Metric(ChangeLeadTime), r.Metric(ChangeFailRate), r.Metric(DeploymentFrequency)
	wantValue(t, "lead time", lead.Value, 4.5*3600)
	wantValue(t, "change fail rate", fail.Value, 2.0/6)
	if lead.Completeness.Reasons[history.ReasonNoPullRequest] != 1 || lead.N != 4 {
		t.Errorf("lead time: n = %d, %v", lead.N, lead.Completeness.Reasons)
	}
	if fail.Parts.FailedBy[FailedUnplanned] != 1 || fail.Parts.FailedBy[history.FailedOutcome] != 1 {
		t.Errorf("failed by %v", fail.Parts.FailedBy)
	}
	wantText(t, "level of 33 %", fail.Level, Low)
	wantText(t, "level of 5 days in two weeks", frequency.Level, High)
	wantValue(t, "recovery of d4 alone", r.Metric(RecoveryTime).Value, 24*3600)
}

func TestFaultsOfAProfileNameTheKeyTheLineAndTheMend(t *testing.T) {
	for _, row := range []struct{ file, field, detail string }{
		{"", "name", "empty"},
		{"base: dora-2025\n", "name", "is required"},
		{"name: Shop\n", "name", "line 1"},
		{"name: gitlab\n", "name", "built-in"},
		{"name: a\nbase: gitlab-2\n", "base", "line 2"},
		{"name: a\ncolour: red\n", "colour", "line 2: is not known here; take one of name, summary, base, rules, levels"},
		{"name: a\nrules:\n  lead_begin: merged\n", "rules.lead_begin", "line 3: is not known here"},
		{"name: a\nrules:\n  lead_start: deployed\n", "rules.lead_start", `line 3: "deployed" is not one of authored, committed`},
		{"name: a\nrules:\n  unit: commit\n  unit: commit\n", "rules.unit", "stands twice"},
		{"name: a\nrules: [unit]\n", "rules", "line 2: must be a mapping"},
		{"name: a\nrules:\n  failures: outcome\n", "rules.failures", "must be a list"},
		{"name: a\nrules:\n  failures: []\n", "rules.failures", "must be a list"},
		{"name: a\nrules:\n  failures: [outcome, fire]\n", "rules.failures", `"fire" is not one of outcome`},
		{"name: a\nrules:\n  unit: {a: b}\n", "rules.unit", "must be a text"},
		{"name: a\nrules:\n  unit: pull_request\n", "rules.lead_start", "take first_commit, pr_created or merged"},
		{"name: a\nrules:\n  lead_start: first_commit\n", "rules.lead_start", "line 3"},
		{"name: a\nrules:\n  lead_time: stages\n", "rules.lead_time", "unit: pull_request"},
		{"name: a\nrules:\n  delivery: per_environment\n", "rules.delivery", "take once"},
		{"name: a\nrules:\n  rated_outcomes: [failure]\n", "rules.rated_outcomes", "must hold success"},
		{"name: a\nrules:\n  recovery_of: incidents\n", "rules.recovery_end", "take incident_resolved"},
		{"name: a\nrules:\n  incident_link: latest\n", "rules.recovery_end", "take incident_resolved"},
		{"name: a\nrules:\n  recovery_of: incidents\n  recovery_end: incident_resolved\n", "rules.recovery_window", "take start or end"},
		{"name: a\nrules:\n  edition: own\n", "rules.edition", "line 3: own needs `levels:`"},
		{"name: a\nrules:\n  edition: fourkeys\n", "rules.edition", "fourkeys_week"},
		{"name: a\nrules:\n  edition: \"2021\"\nlevels:\n  change_lead_time: {elite: 1h}\n", "rules.edition", "levels of its own"},
		{"name: a\nlevels:\n  deployment_rework_rate: {elite: 1%}\n", "levels.deployment_rework_rate", "is not known here"},
		{"name: a\nlevels:\n  change_lead_time: {elite: soon}\n", "levels.change_lead_time.elite", `line 3: "soon" is not a bound such as 1h`},
		{"name: a\nlevels:\n  change_lead_time: {elite: 1d, high: 1h}\n", "levels.change_lead_time.high", "order the bounds"},
		{"name: a\nlevels:\n  deployment_frequency: {elite: 1/month, high: 1/week}\n", "levels.deployment_frequency.high", "order the bounds"},
		{"name: a\n---\nname: b\n", "", "more than one document"},
		{"name: a\n x: [\n", "", "line"},
		{"name: a\nrules: " + strings.Repeat("x", MaxProfile), "", "larger than 64 KiB"},
	} {
		_, err := ParseProfile([]byte(row.file))
		wantField(t, err, row.field)
		if err != nil && !strings.Contains(err.Error(), row.detail) {
			t.Errorf("%q: %v, want one that says %q", row.file, err, row.detail)
		}
	}
}

// A bound that nothing could reach, or everything, is refused with its path, and
// with what to write instead.
func TestBoundsThatMeanNothingAreRefused(t *testing.T) {
	for _, row := range []struct{ metric, bounds, level, detail string }{
		{ChangeFailRate, "elite: 150%", "elite", `"150%" is more than all deployments; write a share from 0% to 100%`},
		{ChangeFailRate, "elite: 100.1%", "elite", "0% to 100%"},
		{ChangeFailRate, "elite: 5", "elite", `"5" is a ratio above 1; write a share from 0 to 1, such as 0.05, or with a percent sign, such as 5%`},
		{ChangeFailRate, "elite: Inf", "elite", "above 1"},
		{ChangeFailRate, "elite: -5%", "elite", `"-5%" is below nothing`},
		{ChangeFailRate, "elite: NaN", "elite", "is not a bound such as 5%"},
		{ChangeFailRate, "elite: 5%, high: 1.5", "high", "above 1"},
		{ChangeFailRate, "elite: 15%, high: 10%", "high", "no easier to reach"},
		{ChangeFailRate, "elite: 5%, high: 5%", "high", "no easier to reach"},
		{ChangeFailRate, "elite: 5%, medium: 4%", "medium", "no easier to reach"},
		{ChangeLeadTime, "elite: -1h", "elite", `"-1h" is no length of time; write one above zero, such as 1h`},
		{ChangeLeadTime, "elite: -3d", "elite", "write one above zero"},
		{ChangeLeadTime, "elite: 0h", "elite", "write one above zero"},
		{ChangeLeadTime, "elite: 0d", "elite", "write one above zero"},
		{ChangeLeadTime, "elite: 1h, high: 600w", "high", `"600w" is longer than ten years`},
		{ChangeLeadTime, "elite: 1e9d", "elite", "longer than ten years"},
		{ChangeLeadTime, "elite: NaNd", "elite", "is not a bound such as 1h"},
		{ChangeLeadTime, "elite: 5%", "elite", "is not a bound such as 1h"},
		{ChangeLeadTime, "elite: 1d, high: 1w, medium: 2d", "medium", "no easier to reach"},
		{RecoveryTime, "elite: -90m", "elite", "write one above zero"},
		{RecoveryTime, "elite: 2h, high: 1h", "high", "no easier to reach"},
		{DeploymentFrequency, "elite: 8/week", "elite", `"8/week" is more days than a week has; write at most 7/week`},
		{DeploymentFrequency, "elite: 32/month", "elite", "at most 31/month"},
		{DeploymentFrequency, "elite: -1/day", "elite", "above zero"},
		{DeploymentFrequency, "elite: 0/week", "elite", "above zero"},
		{DeploymentFrequency, "elite: 1e9/day", "elite", "is more than 1000000 a day"},
		{DeploymentFrequency, "elite: 5/year", "elite", "is not a bound such as 5/week"},
		{DeploymentFrequency, "elite: 5", "elite", "is not a bound such as 5/week"},
		{DeploymentFrequency, "elite: 1/week, high: 2/week", "high", "no easier to reach"},
	} {
		_, err := ParseProfile([]byte("name: a\nlevels:\n  " + row.metric + ": {" + row.bounds + "}\n"))
		wantField(t, err, "levels."+row.metric+"."+row.level)
		if err != nil && (!strings.Contains(err.Error(), row.detail) || !strings.Contains(err.Error(), "line 3: ")) {
			t.Errorf("%s {%s}: %v, want one that says %q", row.metric, row.bounds, err, row.detail)
		}
	}
	for _, good := range []string{"change_fail_rate: {elite: 0%, high: 0.5, medium: 100%}", "change_lead_time: {elite: 90m, high: 1d, medium: 520w}",
		"deployment_frequency: {elite: 10/day, high: 7/week, medium: 0.5/month}"} {
		if _, err := ParseProfile([]byte("name: a\nlevels:\n  " + good + "\n")); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestANameWithBadCharactersIsNamedWithItsKey(t *testing.T) {
	for name, mend := range map[string]string{"Mine": `"mine"`, "My Profile": `"my-profile"`, "-x": `"x"`, "Ünder": `"nder"`, "'?'": `"my-profile"`, strings.Repeat("a", 64): `"my-profile"`} {
		_, err := ParseProfile([]byte("summary: x\nname: " + name + "\n"))
		wantField(t, err, "name")
		if err != nil && !(strings.Contains(err.Error(), "line 2: the key name holds") && strings.HasSuffix(err.Error(), "such as "+mend)) {
			t.Errorf("%q: %v, want one that names the key and ends with %s", name, err, mend)
		}
	}
}

// A profile that names each rule of a built-in one is that one.
func TestEveryBuiltInProfileCanBeWritten(t *testing.T) {
	for _, base := range Profiles() {
		var file strings.Builder
		file.WriteString("name: copy\nrules:\n")
		for _, r := range base.Rules() {
			value := `"` + r.Choice + `"`
			if ruleNamed(r.ID).Set {
				words := strings.Split(r.Choice, ",")
				slices.Reverse(words)
				value = "[" + strings.Join(words, ", ") + "]"
			}
			file.WriteString("  " + r.ID + ": " + value + "\n")
			if r.Text == "" {
				t.Errorf("%s: %s has no sentence for %s", base.Name, r.ID, r.Choice)
			}
		}
		got, err := ParseProfile([]byte(file.String()))
		if err != nil || got.Choices != base.Choices {
			t.Errorf("%s: %v\n%+v\nwant\n%+v", base.Name, err, got.Choices, base.Choices)
		}
	}
}

// Unused outcomes are told apart by reason.
func TestOutcomesThatAProfileLeavesOutSayWhy(t *testing.T) {
	for outcome, want := range map[string]string{event.OutcomeSuccess: "", event.OutcomeFailure: ReasonFailureOutcome, event.OutcomeAborted: ReasonAborted, "": ReasonOutcomeUnknown} {
		if got := choicesOf(DevLake2023()).rated(&history.Deployment{Outcome: outcome}); got != want {
			t.Errorf("outcome %q: %q, want %q", outcome, got, want)
		}
	}
}
