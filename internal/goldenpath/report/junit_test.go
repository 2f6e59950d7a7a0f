package report_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/report"
)

func file(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// outcomes is a result as lines "suite | case: status message".
func outcomes(j *report.JUnit) []string {
	var out []string
	for _, s := range j.Suites {
		for _, c := range s.Cases {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s | %s: %s %s", s.Name, c.Name, c.Status, c.Message)))
		}
	}
	return out
}

func TestFilesOfRealToolsAreRead(t *testing.T) {
	cases := map[string][]string{
		"pytest.xml": {
			"pytest | test_page_says_version[v1-a&b]: passed",
			"pytest | test_health: failed assert 503 == 200",
			"pytest | test_later: skipped no network",
			`pytest | test_db: error failed on setup with "OSError: refused"`,
		},
		"surefire.xml": {
			"com.example.PageTest | saysVersion: passed",
			"com.example.PageTest | flaky: passed",
			"com.example.PageTest | ready: failed expected: <200> but was: <503>",
		},
		"node.xml": {
			"outer | inner fails: failed 1 == 2",
			"outer | inner # 2: passed",
			"a suite | works: passed",
			"a suite | prints red: failed red",
			"| adds: passed",
			"| later: skipped no network",
			"| idea: skipped todo",
		},
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := report.ReadJUnit(file(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, outcomes(got)); diff != "" {
				t.Errorf("cases (-want +got):\n%s", diff)
			}
			again := rewritten(t, got)
			if diff := cmp.Diff(want, outcomes(again)); diff != "" {
				t.Errorf("cases written and read again (-want +got):\n%s", diff)
			}
		})
	}
}

func rewritten(t *testing.T, j *report.JUnit) *report.JUnit {
	t.Helper()
	var b bytes.Buffer
	if err := report.WriteJUnit(&b, j); err != nil {
		t.Fatal(err)
	}
	again, err := report.ReadJUnit(&b)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestAFailureKeepsItsText(t *testing.T) {
	got, err := report.ReadJUnit(file(t, "surefire.xml"))
	if err != nil {
		t.Fatal(err)
	}
	failed := got.Failures()
	if len(failed) != 1 || !strings.Contains(failed[0].Output, "PageTest.java:12") || failed[0].FullName() != "com.example.PageTest ready" {
		t.Fatalf("failures: %+v", failed)
	}
	if got.Suites[0].Seconds != 1234.5 {
		t.Errorf("seconds %v, want 1234.5 of \"1,234.5\"", got.Suites[0].Seconds)
	}
	if out := got.Suites[0].Cases[0].Output; out != "started <page>" {
		t.Errorf("output %q", out)
	}
}

func TestCountsAreCountedAndNotBelieved(t *testing.T) {
	got, err := report.ReadJUnit(strings.NewReader(`<testsuites tests="99" failures="0"><testsuite name="a" tests="0" failures="0">
		<testcase name="x"><failure/></testcase><testcase name="y"/></testsuite></testsuites>`))
	if err != nil {
		t.Fatal(err)
	}
	want := report.Totals{Tests: 2, Passed: 1, Failed: 1}
	if diff := cmp.Diff(want, got.Totals()); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if got.Totals().Green() {
		t.Error("a run with a failure is green")
	}
	if (report.Totals{Tests: 1, Skipped: 1}).Green() {
		t.Error("a run of skipped tests alone is green")
	}
}

func TestNestedSuitesAreNamedAfterTheirParents(t *testing.T) {
	got, err := report.ReadJUnit(strings.NewReader(
		`<testsuite name="a"><testsuite name="b"><testcase name="x"/></testsuite><testsuite name="c"><testsuite name="d"><testcase name="y"/></testsuite></testsuite></testsuite>`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a/b | x: passed", "a/c/d | y: passed"}, outcomes(got)); diff != "" {
		t.Error(diff)
	}
}

func TestHostileXMLIsRefusedOrTamed(t *testing.T) {
	deep := strings.Repeat(`<testsuite name="s">`, 40)
	refused := map[string]string{
		"not JUnit":    `<html><body/></html>`,
		"empty":        ``,
		"cut off":      `<testsuite name="a"><testcase name="x">`,
		"very deep":    deep,
		"many cases":   "<testsuite>" + strings.Repeat("<testcase/>", report.MaxCases+1) + "</testsuite>",
		"JSON instead": `{"tests": 1}`,
	}
	for name, text := range refused {
		if got, err := report.ReadJUnit(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error, %d suites", name, len(got.Suites))
		}
	}
	// An entity that names a file or itself is text, never opened and never unfolded.
	tamed := `<!DOCTYPE t [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>` +
		"<testsuite name=\"\x00&#0;&#xFFFF;\"><testcase name=\"&b;\"><failure message=\"&f;\">\x1b[31mx&#x1b;[0m \xff</failure></testcase></testsuite>"
	got, err := report.ReadJUnit(strings.NewReader(tamed))
	if err != nil {
		t.Fatal(err)
	}
	c := got.Suites[0].Cases[0]
	if strings.Contains(c.Message, "root") || strings.Contains(c.Name, "aaaa") || !strings.HasPrefix(c.Output, "x") || strings.ContainsRune(c.Output, 0x1b) {
		t.Errorf("case %+v", c)
	}
}

func TestALongOutputKeepsItsEnd(t *testing.T) {
	text := "<testsuite><testcase name='x'><failure>" + strings.Repeat("line\n", 40_000) + "the reason</failure></testcase></testsuite>"
	got, err := report.ReadJUnit(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	out := got.Suites[0].Cases[0].Output
	if !strings.HasSuffix(out, "the reason") || len(out) > report.MaxOutput+100 || !strings.HasPrefix(out, "[cut") {
		t.Errorf("%d bytes, begins %.30q, ends %q", len(out), out, out[len(out)-20:])
	}
}

func TestTAPOfNodeIsRead(t *testing.T) {
	got, err := report.ReadTAP(file(t, "node.tap"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"| adds: passed",
		"| outer > inner fails: failed 1 == 2",
		"| outer > inner # 2: passed",
		"| outer: failed 1 subtest failed",
		"| later: skipped no network",
		"| idea: skipped todo",
		"| a suite > works: passed",
		"| a suite > prints red: failed red \\x1B[31m",
		"| a suite: failed 1 subtest failed",
	}
	if diff := cmp.Diff(want, outcomes(got)); diff != "" {
		t.Errorf("cases (-want +got):\n%s", diff)
	}
	if s := got.Suites[0].Cases[0].Seconds; s < 0.0009 || s > 0.001 {
		t.Errorf("seconds %v, want about 0.00099", s)
	}
}

func TestTAPThatEndsEarlyIsNoSuccess(t *testing.T) {
	for text, want := range map[string]string{
		"1..3\nok 1\nok 2 - two\n":      "| (run): error the plan says 3 tests, 2 came",
		"ok 1 - a\nBail out! disk full": "| (run): error Bail out! disk full",
	} {
		got, err := report.ReadTAP(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		all := outcomes(got)
		if last := all[len(all)-1]; last != want {
			t.Errorf("%q: last case %q, want %q", text, last, want)
		}
	}
}
