package report_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/report"
)

// seeds adds the files of testdata to a fuzz target.
func seeds(f *testing.F, more ...string) {
	names, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil || len(names) == 0 {
		f.Fatal(err, len(names))
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, text := range more {
		f.Add([]byte(text))
	}
}

// FuzzJUnit: whatever is read can be written, and reads again as the same outcomes.
func FuzzJUnit(f *testing.F) {
	seeds(f, "<testsuite><testcase name='&#27;'><error/><failure message='\x01'>a</failure></testcase></testsuite>")
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func() (*report.JUnit, error){
			func() (*report.JUnit, error) { return report.ReadJUnit(bytes.NewReader(data)) },
			func() (*report.JUnit, error) { return report.ReadTAP(bytes.NewReader(data)) },
			func() (*report.JUnit, error) { return report.GoTest(bytes.NewReader(data), nil) },
		} {
			j, err := read()
			if err != nil {
				continue
			}
			before, after := j.Totals(), rewritten(t, j).Totals()
			before.Seconds, after.Seconds = 0, 0
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("totals change when written and read again (-before +after):\n%s", diff)
			}
		}
	})
}

// FuzzFindings: whatever is read can be written, and reads again as the same findings; none has text that
// cannot be shown.
func FuzzFindings(f *testing.F) {
	seeds(f, `{"code":"SA1","severity":"error","location":{"file":"/a","line":1},"message":"m"}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func() (*report.SARIF, error){
			func() (*report.SARIF, error) { return report.ReadSARIF(bytes.NewReader(data)) },
			func() (*report.SARIF, error) { return report.Gosec(bytes.NewReader(data)) },
			func() (*report.SARIF, error) { return report.Staticcheck(bytes.NewReader(data)) },
		} {
			s, err := read()
			if err != nil {
				continue
			}
			s.Redact("")
			s.Relative("/src")
			var b bytes.Buffer
			if err := report.WriteSARIF(&b, s); err != nil {
				t.Fatal(err)
			}
			again, err := report.ReadSARIF(&b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s.Count(), again.Count()); diff != "" {
				t.Errorf("counts change when written and read again (-before +after):\n%s", diff)
			}
			for _, finding := range s.Findings() {
				if !utf8.ValidString(finding.String()) {
					t.Errorf("not UTF-8: %q", finding)
				}
			}
		}
	})
}

// FuzzComponents: whatever is read can be written as an SBOM and read again with as many components.
func FuzzComponents(f *testing.F) {
	seeds(f, "Flask==1.0\n", "x: go1.26\n\tmod\tm\tv1\n\tdep\ta\tv1\th1:x\n", "[INFO] a:b:jar:1:compile\n", "mode: set\na/b.go:1.1,2.2 1 1\n",
		`{"Path":"m","Main":true}{"Path":"a","Version":"v1"}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		var all []report.Component
		for _, read := range []func() (report.Component, []report.Component, error){
			func() (report.Component, []report.Component, error) { return report.GoBinary(bytes.NewReader(data)) },
			func() (report.Component, []report.Component, error) { return report.GoModules(bytes.NewReader(data)) },
			func() (report.Component, []report.Component, error) { return report.PackageLock(bytes.NewReader(data)) },
			func() (report.Component, []report.Component, error) { return report.POM(bytes.NewReader(data)) },
		} {
			if _, parts, err := read(); err == nil {
				all = append(all, parts...)
			}
		}
		if parts, err := report.Requirements(bytes.NewReader(data)); err == nil {
			all = append(all, parts...)
		}
		if parts, err := report.MavenDependencies(bytes.NewReader(data)); err == nil {
			all = append(all, parts...)
		}
		if c, err := report.ReadCoverage(bytes.NewReader(data)); err == nil && c.Covered > c.Statements {
			t.Errorf("more covered than there is: %+v", c)
		}
		var b bytes.Buffer
		if err := report.WriteSBOM(&b, report.SBOM{Main: report.Component{Name: "main"}, Components: all}); err != nil {
			t.Fatal(err)
		}
		again, err := report.ReadSBOM(&b)
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Components) > len(all) || len(all) > 0 && len(again.Components) == 0 {
			t.Errorf("%d components of %d", len(again.Components), len(all))
		}
	})
}
