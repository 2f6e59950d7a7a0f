package gate

import (
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC) // never changed

func day(s string) time.Time {
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}
	}
	return d.AddDate(0, 0, 1)
}

func good() Facts {
	return Facts{TestsRan: true, TestsPassed: 3, SecretsScan: Scan{Ran: true}, AnalysisScan: Scan{Ran: true}}
}

func TestRules(t *testing.T) {
	half, most := 50.0, 80.0
	finding := func(level string) []Finding {
		return []Finding{{Tool: "gosec", Rule: "G404", Level: level, File: "internal/dice/roll.go", Line: 7}}
	}
	for _, c := range []struct {
		name   string
		rules  func(*fawkesfile.Gate)
		facts  func(*Facts)
		broken string // names of broken rules
		says   string
	}{
		{"everything is good", nil, nil, "", ""},
		{"nothing has run", nil, func(f *Facts) { *f = Facts{} }, "tests secrets static-analysis", "the unit tests have not run; secrets: the scan for secrets has not run"},
		{"a test fails", nil, func(f *Facts) { f.TestsFailed = 1 }, "tests", "1 of 4 failed"},
		{"too few tests", func(g *fawkesfile.Gate) { g.MinTests = 4 }, nil, "tests", "3 passed, at least 4 are wanted"},
		{"no tests at all", nil, func(f *Facts) { f.TestsPassed = 0 }, "tests", "0 passed, at least 1 are wanted"},
		{"tests are skipped", func(g *fawkesfile.Gate) { g.MinCoverage = &half }, func(f *Facts) { f.TestsRan, f.TestsPassed, f.TestsSkipped = false, 0, "none yet" }, "", ""},
		{"coverage is enough", func(g *fawkesfile.Gate) { g.MinCoverage = &half }, func(f *Facts) { f.CoveragePercent = &most }, "", ""},
		{"coverage is too low", func(g *fawkesfile.Gate) { g.MinCoverage = &most }, func(f *Facts) { f.CoveragePercent = &half }, "coverage", "50.0 % of statements, at least 80.0 % is wanted"},
		{"coverage is unknown", func(g *fawkesfile.Gate) { g.MinCoverage = &half }, func(f *Facts) { f.CoverageReason = "Go only" }, "coverage", "not measured, at least 50.0 % is wanted: Go only"},
		{"a secret", nil, func(f *Facts) { f.SecretsScan.Findings = finding("error") }, "secrets", "1 secret: internal/dice/roll.go:7: G404"},
		{"a secret that is permitted", func(g *fawkesfile.Gate) { g.MaxSecrets = 1 }, func(f *Facts) { f.SecretsScan.Findings = finding("error") }, "", ""},
		{"an error", nil, func(f *Facts) { f.AnalysisScan.Findings = finding("error") }, "static-analysis", "1 finding: internal/dice/roll.go:7: G404"},
		{"a warning is below", nil, func(f *Facts) { f.AnalysisScan.Findings = finding("warning") }, "", ""},
		{"a warning counts", func(g *fawkesfile.Gate) { g.StaticAnalysis = "warning" }, func(f *Facts) { f.AnalysisScan.Findings = finding("warning") }, "static-analysis", "1 finding"},
		{"findings are off", func(g *fawkesfile.Gate) { g.StaticAnalysis = "off" }, func(f *Facts) { f.AnalysisScan.Findings = finding("error") }, "", ""},
		{"a scan is skipped", nil, func(f *Facts) { f.AnalysisScan = Scan{Skipped: "no scanner of Java"} }, "", ""},
		{"the image is not scanned yet", nil, func(f *Facts) { f.ImageScan = Scan{} }, "", ""},
		{"a critical vulnerability", nil, func(f *Facts) { f.ImageScanned, f.ImageScan = true, Scan{Ran: true, Findings: finding("critical")} }, "vulnerabilities", "1 finding"},
		{"a high one is below", nil, func(f *Facts) { f.ImageScanned, f.ImageScan = true, Scan{Ran: true, Findings: finding("high")} }, "", ""},
	} {
		rules, facts := fawkesfile.Default().Gate, good()
		if c.rules != nil {
			c.rules(&rules)
		}
		if c.facts != nil {
			c.facts(&facts)
		}
		v := Judge(rules, facts, now)
		var broken []string
		for _, r := range v.Rules {
			if r.Detail == "" {
				t.Errorf("%s: the rule %s says nothing", c.name, r.Name)
			}
			if !r.Passed {
				broken = append(broken, r.Name)
			}
		}
		if got := strings.Join(broken, " "); got != c.broken || v.Passed != (c.broken == "") || !strings.Contains(v.Why(), c.says) {
			t.Errorf("%s: broken %q (%t), %q; want %q, %q", c.name, got, v.Passed, v.Why(), c.broken, c.says)
		}
	}
}

func TestAnExceptionHoldsForItsRuleItsPathAndItsTime(t *testing.T) {
	f := Finding{Tool: "gosec", Rule: "G404", Level: "error", File: "internal/dice/roll.go", Line: 7}
	for _, c := range []struct {
		allow fawkesfile.Allow
		want  bool
	}{
		{fawkesfile.Allow{Rule: "G404", Until: day("2026-12-31")}, true},
		{fawkesfile.Allow{Rule: "G4*", Path: "internal/dice/roll.go", Until: day("2026-12-31")}, true},
		{fawkesfile.Allow{Rule: "gosec/G404", Path: "internal/dice", Until: day("2026-12-31")}, true},
		{fawkesfile.Allow{Rule: "G404", Path: "internal/**", Until: day("2026-12-31")}, true},
		{fawkesfile.Allow{Rule: "*", Path: "./internal/*/roll.go", Until: day("2026-12-31")}, true},
		{fawkesfile.Allow{Rule: "G404", Until: day("2026-11-30")}, true}, // its last day
		{fawkesfile.Allow{Rule: "G404", Until: day("2026-11-29")}, false},
		{fawkesfile.Allow{Rule: "G40", Until: day("2026-12-31")}, false},
		{fawkesfile.Allow{Rule: "G404", Path: "internal/di", Until: day("2026-12-31")}, false},
		{fawkesfile.Allow{Rule: "G404", Path: "roll.go", Until: day("2026-12-31")}, false},
		{fawkesfile.Allow{Rule: "[", Until: day("2026-12-31")}, false},
	} {
		r := JudgeAnalysis(fawkesfile.Gate{StaticAnalysis: "error", Allow: []fawkesfile.Allow{c.allow}}, Scan{Ran: true, Findings: []Finding{f}}, now)
		if r.Passed != c.want || (len(r.Allowed) == 1) != c.want {
			t.Errorf("%+v: passed %t (%s), want %t", c.allow, r.Passed, r.Detail, c.want)
		}
	}
	old := []fawkesfile.Allow{{Rule: "G404", Until: day("2026-11-29"), Line: 9}}
	r := JudgeSecrets(fawkesfile.Gate{Allow: old}, Scan{Ran: true, Findings: []Finding{f}}, now)
	if want := "the exception of line 9 of fawkes.yaml ended on 2026-11-29"; r.Passed || !strings.Contains(r.Detail, want) {
		t.Errorf("%q does not say %q", r.Detail, want)
	}
	both := append(old, fawkesfile.Allow{Rule: "G*", Until: day("2026-12-31")})
	if r := JudgeSecrets(fawkesfile.Gate{Allow: both}, Scan{Ran: true, Findings: []Finding{f}}, now); !r.Passed {
		t.Errorf("one in force does not go before one that ran out: %s", r.Detail)
	}
}

func TestManyFindingsAreCountedAndSomeAreNamed(t *testing.T) {
	var all []Finding
	for range 12 {
		all = append(all, Finding{Rule: "R", Level: "error", File: "a.go"})
	}
	r := JudgeAnalysis(fawkesfile.Gate{StaticAnalysis: "error"}, Scan{Ran: true, Findings: all}, now)
	if len(r.Refused) != 12 || !strings.HasPrefix(r.Detail, "12 findings: a.go: R;") || !strings.HasSuffix(r.Detail, "and 7 more") {
		t.Errorf("%d, %q", len(r.Refused), r.Detail)
	}
}
