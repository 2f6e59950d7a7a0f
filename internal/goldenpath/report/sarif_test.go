package report_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/report"
)

func sarifText(t *testing.T, s *report.SARIF) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.WriteSARIF(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestASecretIsNotPublishedByItsReport(t *testing.T) {
	s, err := report.ReadSARIF(file(t, "gitleaks.sarif"))
	if err != nil {
		t.Fatal(err)
	}
	s.Redact(report.Error)
	text := sarifText(t, s)
	for _, leaked := range []string{"tok_not_a_real_secret", "ada@example.com", `"Ada"`, "1password"} {
		if strings.Contains(text, leaked) {
			t.Errorf("the written log holds %q", leaked)
		}
	}
	want := []report.Finding{{
		Tool: "gitleaks", Rule: "internal-token", Level: report.Error, File: "conf/cred one.txt", Line: 2,
		Message: "internal-token has detected secret [redacted] for file cred.txt at commit 6fd839426d4dd6ea8684bb07668a7a2ad8b0bf2f.",
	}}
	again, err := report.ReadSARIF(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again.Findings()); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if got := want[0].String(); got != "conf/cred one.txt:2: error: "+want[0].Message+" (gitleaks internal-token)" {
		t.Error(got)
	}
}

func TestGosecSeveritiesAreLevels(t *testing.T) {
	s, err := report.Gosec(file(t, "gosec.json"))
	if err != nil {
		t.Fatal(err)
	}
	s.Relative("/src")
	want := []report.Finding{
		{Tool: "gosec", Rule: "unreadable", Level: report.Error, Message: "expected declaration", File: "broken.go", Line: 3},
		{Tool: "gosec", Rule: "G401", Level: report.Error, Message: "Use of weak cryptographic primitive", File: "main.go", Line: 13},
		{Tool: "gosec", Rule: "G702", Level: report.Error, Message: "Command injection via taint analysis: os/exec.Command", File: "main.go", Line: 14},
		{Tool: "gosec", Rule: "G104", Level: report.Note, Message: "Errors unhandled", File: "a b.go", Line: 7},
	}
	if diff := cmp.Diff(want, s.Findings()); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if strings.Contains(sarifText(t, s), "run(secret)") {
		t.Error("an excerpt of the code is in the log")
	}
}

// Of what gosec calls medium, a way in is an error when it is sure of it; what is a matter of care stays a warning.
func TestGosecCallsAWayInMediumWhichIsAnError(t *testing.T) {
	for _, c := range []struct {
		rule, severity, confidence string
		want                       report.Level
	}{
		{"G201", "MEDIUM", "HIGH", report.Error},
		{"G202", "MEDIUM", "HIGH", report.Error},
		{"G203", "MEDIUM", "LOW", report.Warning},
		{"G204", "MEDIUM", "HIGH", report.Error},
		{"G305", "MEDIUM", "HIGH", report.Error},
		{"G401", "MEDIUM", "HIGH", report.Error},
		{"G401", "MEDIUM", "MEDIUM", report.Warning},
		{"G501", "MEDIUM", "HIGH", report.Error},
		{"G507", "MEDIUM", "HIGH", report.Error},
		{"G102", "MEDIUM", "HIGH", report.Warning},
		{"G104", "LOW", "HIGH", report.Note},
		{"G114", "MEDIUM", "HIGH", report.Warning},
		{"G304", "MEDIUM", "HIGH", report.Warning},
		{"G306", "MEDIUM", "HIGH", report.Warning},
		{"G402", "MEDIUM", "HIGH", report.Warning},
		{"G402", "HIGH", "HIGH", report.Error},
	} {
		s, err := report.Gosec(strings.NewReader(fmt.Sprintf(
			`{"Issues":[{"severity":%q,"confidence":%q,"rule_id":%q,"file":"a.go","line":"1"}],"Stats":{}}`, c.severity, c.confidence, c.rule)))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Findings(); len(got) != 1 || got[0].Level != c.want {
			t.Errorf("%v: %v, want %s", c, got, c.want)
		}
	}
}

func TestStaticcheckAndMerge(t *testing.T) {
	sc, err := report.Staticcheck(strings.NewReader(
		`{"code":"SA5009","severity":"error","location":{"file":"/src/main.go","line":15,"column":13},"message":"Printf format %d has arg #1 of wrong type string"}` + "\n" +
			`{"code":"ST1005","severity":"warning","location":{"file":"/src/x/y.go","line":2},"message":"error strings should not be capitalized"}` + "\n" +
			`{"code":"SA1000","severity":"ignored","location":{"file":"/src/main.go","line":1},"message":"no"}` + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	gs, err := report.Gosec(file(t, "gosec.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := report.MergeSARIF(sc, nil, gs)
	all.Relative("/src/")
	if diff := cmp.Diff(report.Counts{Error: 4, Warning: 1, Note: 1}, all.Count()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	again, err := report.ReadSARIF(strings.NewReader(sarifText(t, all)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all.Findings(), again.Findings()); diff != "" {
		t.Errorf("findings change when written and read again (-want +got):\n%s", diff)
	}
	if again.Runs[0].Tool.Driver.Name != "staticcheck" || len(again.Runs) != 2 {
		t.Errorf("runs: %+v", again.Runs)
	}
}

// TestTheLevelOfAResult follows SARIF 2.1.0, 3.27.9 and 3.27.10.
func TestTheLevelOfAResult(t *testing.T) {
	const rules = `"rules":[{"id":"R1","defaultConfiguration":{"level":"note"}},{"id":"R2"}]`
	cases := map[string]struct {
		result string
		want   report.Level // "" is no finding
	}{
		"its own":                 {`{"ruleId":"R1","level":"error"`, report.Error},
		"its rule's":              {`{"ruleId":"R1"`, report.Note},
		"its rule's, by index":    {`{"ruleIndex":0`, report.Note},
		"else warning":            {`{"ruleId":"R2"`, report.Warning},
		"an index out of range":   {`{"ruleIndex":7`, report.Warning},
		"a negative index":        {`{"ruleIndex":-1`, report.Warning},
		"an unknown word":         {`{"ruleId":"R2","level":"fatal"`, report.Warning},
		"none":                    {`{"ruleId":"R2","level":"none"`, ""},
		"a check that passed":     {`{"ruleId":"R2","kind":"pass"`, ""},
		"suppressed":              {`{"ruleId":"R2","suppressions":[{"kind":"inSource"}]`, ""},
		"suppression refused":     {`{"ruleId":"R2","suppressions":[{"kind":"external","status":"rejected"}]`, report.Warning},
		"suppressions are empty":  {`{"ruleId":"R2","suppressions":[]`, report.Warning},
		"suppression in question": {`{"ruleId":"R2","suppressions":[{"kind":"external","status":"underReview"}]`, report.Warning},
	}
	for name, c := range cases {
		s, err := report.ReadSARIF(strings.NewReader(
			`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x",` + rules + `}},"results":[` + c.result + `,"message":{"text":"m"}}]}]}`))
		if err != nil {
			t.Fatal(name, err)
		}
		got := report.Level("")
		if f := s.Findings(); len(f) > 0 {
			got = f[0].Level
		}
		if got != c.want {
			t.Errorf("%s: level %q, want %q", name, got, c.want)
		}
	}
	if !report.Error.AtLeast(report.Warning) || report.Note.AtLeast(report.Warning) || !report.Warning.AtLeast(report.Warning) {
		t.Error("the order of levels is wrong")
	}
}

func TestWhatIsNoSARIFIsRefused(t *testing.T) {
	for _, text := range []string{"", "{}", `{"version":"1.0.0","runs":[]}`, `{"version":"2.1.0"}`, `[]`, `{"version":"2.1.0","runs":[{"results":"x"}]}`} {
		if _, err := report.ReadSARIF(strings.NewReader(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
	for _, text := range []string{"", "{}", "main.go:1: x"} {
		if _, err := report.Gosec(strings.NewReader(text)); err == nil {
			t.Errorf("gosec %q: no error", text)
		}
	}
	if _, err := report.Staticcheck(strings.NewReader("flag provided but not defined")); err == nil {
		t.Error("staticcheck: no error for text")
	}
}
