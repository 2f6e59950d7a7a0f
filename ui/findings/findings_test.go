package findings_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/ui/findings"
)

const sarif = `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"gosec","rules":[{"id":"G101","defaultConfiguration":{"level":"error"}}]}},"results":[
 {"ruleId":"G101","message":{"text":"Potential <hardcoded> credentials"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"cmd/hello/main.go"},"region":{"startLine":12}}}]},
 {"ruleId":"G404","level":"note","message":{"text":"weak random"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"file:///etc/passwd"},"region":{"startLine":-3}}}]},
 {"ruleId":"G1","suppressions":[{"kind":"inSource"}],"message":{"text":"allowed"}},
 {"ruleId":"G2","message":{"text":"nowhere"}}]}]}`

func TestFindingsAreReadWithTheirPlace(t *testing.T) {
	got, err := findings.SARIF([]byte(sarif))
	if err != nil {
		t.Fatal(err)
	}
	want := []findings.Finding{
		{Tool: "gosec", Rule: "G101", Level: "error", Message: "Potential <hardcoded> credentials", File: "cmd/hello/main.go", Line: 12},
		{Tool: "gosec", Rule: "G404", Level: "note", Message: "weak random", File: "passwd", Line: 0},
		{Tool: "gosec", Rule: "G2", Level: "warning", Message: "nowhere", File: "", Line: 0},
	}
	if fmt.Sprint(got.Findings) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got.Findings, want)
	}
}

func TestTooManyFindingsAreCounted(t *testing.T) {
	one := `{"ruleId":"R","message":{"text":"x"}}`
	got, err := findings.SARIF([]byte(`{"runs":[{"results":[` + one + strings.Repeat(","+one, 999) + `]}]}`))
	if err != nil || len(got.Findings) != 200 || got.More != 800 {
		t.Errorf("%d findings and %d more (%v)", len(got.Findings), got.More, err)
	}
}

func TestTheOutcomeOfTestsIsRead(t *testing.T) {
	got, err := findings.JUnit([]byte(`<testsuites><testsuite name="hello"><testcase name="TestA" classname="hello"/><testcase name="TestB"><failure message="Failed">main_test.go:7: got 2, want 3</failure></testcase>
<testcase name="TestC"><skipped/></testcase></testsuite><testsuite name="deep"><testsuite name="er"><testcase name="TestD"><error message="panic"/></testcase></testsuite></testsuite></testsuites>`))
	if err != nil {
		t.Fatal(err)
	}
	if got.Total != 4 || got.Failed != 2 || got.Skipped != 1 || got.Failures[0] != (findings.Failure{Suite: "hello", Name: "TestB", Message: "main_test.go:7: got 2, want 3"}) || got.Failures[1].Message != "panic" {
		t.Errorf("got %+v", got)
	}
}

func TestWhatIsNoReportIsSaid(t *testing.T) {
	if _, err := findings.SARIF([]byte("<html>")); err == nil {
		t.Error("no error for what is no SARIF")
	}
	if _, err := findings.JUnit([]byte("{}")); err == nil {
		t.Error("no error for what is no JUnit")
	}
}

func FuzzReports(f *testing.F) {
	f.Add([]byte(sarif))
	f.Add([]byte("<testsuite><testcase name='x'><failure/></testcase></testsuite>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := findings.SARIF(text); err == nil {
			for _, f := range got.Findings {
				if strings.HasPrefix(f.File, "/") || strings.HasPrefix(f.File, "..") || f.Line < 0 {
					t.Fatalf("%q names the place %q:%d", text, f.File, f.Line)
				}
			}
		}
		if got, err := findings.JUnit(text); err == nil && got.Failed > got.Total {
			t.Fatalf("%q: %+v", text, got)
		}
	})
}
