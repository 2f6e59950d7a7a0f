package goldenpath

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/detect"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/gate"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/report"
)

func (j *job) unitTest(ctx context.Context) error {
	results, err := j.runTests(ctx, j.project.Test)
	if results != nil {
		if kept := j.keepTests(results, FileUnit); kept != nil {
			return kept
		}
		if j.file.Test.Coverage && j.project.Test.Kind == detect.GoTest {
			j.coverage()
		} else {
			j.state.Tests.Reason = "coverage is measured of Go only"
			if !j.file.Test.Coverage {
				j.state.Tests.Reason = "fawkes.yaml says test.coverage: false"
			}
		}
	}
	if err != nil {
		return err
	}
	facts := gate.Facts{TestsRan: true, TestsPassed: j.state.Tests.Passed, CoveragePercent: j.state.Tests.Coverage, CoverageReason: j.state.Tests.Reason}
	verdict := gate.Judge(j.file.Gate, facts, j.o.Clock.Now())
	for _, name := range []string{gate.Tests, gate.Coverage} {
		if r, ok := verdict.Rule(name); ok && !r.Passed {
			return failf(ExitRefused, "write tests, or set gate.min_tests and gate.min_coverage in fawkes.yaml", "the quality gate refuses it: %s: %s", name, r.Detail)
		}
	}
	return nil
}

func (j *job) behaviorTest(ctx context.Context) error {
	step := j.project.Behavior
	if len(step.Commands) == 0 {
		return skipf("the repository has no behavior test: set behavior.command in fawkes.yaml, or put one where the golden path looks for it")
	}
	results, err := j.runTests(ctx, step)
	if results != nil {
		if kept := j.keepTests(results, FileBehavior); kept != nil {
			return kept
		}
	}
	return err
}

// keepTests writes the results and counts them.
func (j *job) keepTests(results *report.JUnit, file string) error {
	var out bytes.Buffer
	if err := report.WriteJUnit(&out, results); err != nil {
		return err
	}
	if err := j.artifact(file, "junit", []byte(j.mask.text(out.String()))); err != nil {
		return err
	}
	t := results.Totals()
	j.state.Tests = &TestState{Passed: t.Passed, Failed: t.Failed + t.Errored, Skipped: t.Skipped}
	j.state.Summary = fmt.Sprintf("%d passed", t.Passed)
	if t.Failed+t.Errored > 0 {
		j.state.Summary = fmt.Sprintf("%d of %d failed", t.Failed+t.Errored, t.Tests)
	}
	if t.Skipped > 0 {
		j.state.Summary += fmt.Sprintf(", %d skipped", t.Skipped)
	}
	for _, c := range results.Failures() {
		if len(j.state.Failures) < 50 {
			j.state.Failures = append(j.state.Failures, j.mask.text(c.FullName()))
		}
	}
	return nil
}

// coverage reads the profile that go test wrote.
func (j *job) coverage() {
	text, err := os.ReadFile(j.coverProfile())
	if err != nil {
		j.state.Tests.Reason = "go test wrote no profile"
		return
	}
	c, err := report.ReadCoverage(bytes.NewReader(text))
	if err != nil {
		j.state.Tests.Reason = err.Error()
		return
	}
	if j.state.Tests.Coverage = c.Percent(); j.state.Tests.Coverage == nil {
		j.state.Tests.Reason = "there are no statements"
		return
	}
	j.state.Summary += fmt.Sprintf(", coverage %.1f %%", *j.state.Tests.Coverage)
	if err := j.artifact(FileCoverage, "coverage", text); err != nil {
		j.log.say("%v", err)
	}
}

func (j *job) coverProfile() string { return filepath.Join(j.temp, "tmp", "coverage-"+j.name+".out") }

// runTests runs the tests of a step. Results are given also where tests failed; the error then says which.
func (j *job) runTests(ctx context.Context, step detect.Step) (*report.JUnit, error) {
	var results *report.JUnit
	var err error
	switch step.Kind {
	case detect.GoTest:
		results, err = j.goTest(ctx, step.Commands[0])
	case detect.NodeTest:
		results, err = j.reported(ctx, step.Commands[0])
	case detect.PythonTest:
		results, err = j.pythonTest(ctx, step)
	case detect.MavenTest:
		results, err = j.fromFiles(ctx, step.Commands[0], "target/surefire-reports/*.xml")
	case detect.GradleTest:
		results, err = j.fromFiles(ctx, step.Commands[0], "build/test-results/test/*.xml")
	default:
		results, err = j.reported(ctx, step.Commands[0])
	}
	if results == nil {
		return nil, j.explained(err)
	}
	failed := results.Failures()
	if len(failed) == 0 {
		return results, j.explained(err)
	}
	var names []string
	for _, c := range failed[:min(len(failed), 5)] {
		names = append(names, c.FullName())
	}
	text := fmt.Sprintf("%d of %d tests failed: %s", len(failed), results.Totals().Tests, strings.Join(names, "; "))
	if len(failed) > 5 {
		text += "; …"
	}
	if ctx.Err() != nil {
		return results, ctx.Err()
	}
	return results, failf(ExitFailed, "the log of the stage and its JUnit report say more", "%s", text)
}

// goTest runs go test and reads its stream as it comes.
func (j *job) goTest(ctx context.Context, argv []string) (*report.JUnit, error) {
	args := []string{argv[0], argv[1], "-json"}
	if j.file.Test.Coverage && j.name == "unit-test" && !slices.ContainsFunc(argv, func(s string) bool { return strings.HasPrefix(s, "-cover") }) {
		args = append(args, "-coverprofile="+j.coverProfile())
	}
	if len(j.file.Go.Tags) > 0 && !slices.ContainsFunc(argv, func(s string) bool { return strings.HasPrefix(s, "-tags") }) {
		args = append(args, "-tags="+strings.Join(j.file.Go.Tags, ","))
	}
	for _, a := range argv[2:] {
		if a != "-json" && a != "-v" {
			args = append(args, a)
		}
	}
	in, out := io.Pipe()
	var results *report.JUnit
	var unread error
	read := make(chan struct{})
	go func() {
		defer close(read)
		results, unread = report.GoTest(in, func(line string) { j.log.say("%s", line) })
		_, _ = io.Copy(io.Discard, in) // a stream that is refused must not make go test wait
	}()
	c := j.testCommand(args)
	c.stdout = out
	err := j.exec(ctx, j.log, c)
	_ = out.Close()
	<-read
	if unread != nil {
		return nil, unread
	}
	if len(results.Suites) == 0 && err != nil {
		return nil, err
	}
	return results, err
}

func (j *job) testCommand(argv []string) command {
	c := j.projectCommand(argv, j.file.Test.Network)
	c.read = append(c.read, filepath.Join(j.artifacts, folderBuild))
	if s := j.pipeline.state; s.Program != "" {
		c.env = append(c.env, "FAWKES_PROGRAM="+filepath.Join(j.artifacts, s.Program))
	}
	return c
}

// reported runs any command. It may write JUnit XML to the file that FAWKES_JUNIT names, as the test
// runner of Node.js is told to, or be Python's unittest; one that does neither is one test as a whole.
func (j *job) reported(ctx context.Context, argv []string) (*report.JUnit, error) {
	file := filepath.Join(j.temp, "tmp", "junit-"+j.name+".xml")
	if err := os.RemoveAll(file); err != nil {
		return nil, err
	}
	c := j.testCommand(argv)
	c.env = append(c.env, "FAWKES_JUNIT="+file)
	if j.project.Language == detect.Node {
		c.env = append(c.env, "NODE_OPTIONS=--test-reporter=spec --test-reporter-destination=stdout --test-reporter=junit --test-reporter-destination="+file)
	}
	spoken := &bounded{most: 8 << 20}
	if slices.Contains(argv, "unittest") {
		c.argv = append(slices.Clone(argv), "-v")
		c.stderr = io.MultiWriter(j.log, spoken)
	}
	began := j.o.Clock.Now()
	err := j.exec(ctx, j.log, c)
	if results := unittest(string(spoken.text)); results.Totals().Tests > 0 {
		return results, err
	}
	if results, unread := readResults(file); results != nil || unread != nil {
		return results, errors.Join(err, unread)
	}
	whole := report.Case{Name: strings.Join(argv, " "), Class: j.name, Seconds: j.o.Clock.Now().Sub(began).Seconds(), Status: report.Passed}
	if err != nil {
		whole.Status, whole.Message, whole.Output = report.Failed, err.Error(), strings.Join(j.log.tail, "\n")
	}
	return &report.JUnit{Suites: []report.Suite{{Name: j.name, Cases: []report.Case{whole}}}}, err
}

// readResults reads a JUnit file that a command wrote; nil where there is none or it is empty.
func readResults(file string) (*report.JUnit, error) {
	info, err := os.Lstat(file)
	if err != nil || info.Size() == 0 {
		return nil, nil //nolint:nilerr // no file is no results
	}
	if !info.Mode().IsRegular() {
		return nil, failf(ExitFailed, "", "the report of the tests is no plain file")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the results: %w", err)
	}
	defer f.Close()
	results, err := report.ReadJUnit(f)
	if err != nil || results.Totals().Tests == 0 {
		return nil, err
	}
	return results, nil
}

// fromFiles runs a command that leaves its results in the work tree.
func (j *job) fromFiles(ctx context.Context, argv []string, pattern string) (*report.JUnit, error) {
	old, err := fs.Glob(j.tree.FS(), pattern)
	if err != nil {
		return nil, err
	}
	for _, name := range old { // of an earlier run
		if err := j.tree.Remove(name); err != nil {
			return nil, fmt.Errorf("remove old results: %w", err)
		}
	}
	failed := j.exec(ctx, j.log, j.testCommand(argv))
	files, err := fs.Glob(j.tree.FS(), pattern)
	if err != nil || len(files) == 0 {
		return nil, failed
	}
	all := &report.JUnit{}
	for _, name := range files {
		text, err := j.readTree(name, report.MaxBytes)
		if err != nil {
			return nil, err
		}
		one, err := report.ReadJUnit(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all.Add(one)
	}
	return all, failed
}

func (j *job) pythonTest(ctx context.Context, step detect.Step) (*report.JUnit, error) {
	dir := ""
	if len(step.Commands) > 0 {
		dir = step.Commands[0][0]
	}
	probe := j.testCommand([]string{"python3", "-c", "import pytest"})
	probe.quiet, probe.stderr, probe.stdout = true, io.Discard, io.Discard
	if err := j.exec(ctx, j.log, probe); err == nil {
		file := filepath.Join(j.temp, "tmp", "junit-"+j.name+".xml")
		argv := []string{"python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=" + file}
		if dir != "" {
			argv = append(argv, dir)
		}
		err := j.exec(ctx, j.log, j.testCommand(argv))
		if n, own := code(err); own && n == 5 { // no test was found
			return &report.JUnit{}, nil
		}
		results, unread := readResults(file)
		return results, errors.Join(err, unread)
	} else if _, own := code(err); !own {
		return nil, err
	}
	argv := []string{"python3", "-m", "unittest", "discover", "-v"}
	if dir != "" {
		argv = append(argv, "-s", dir, "-t", ".")
	} else if _, err := j.tree.Stat("tests/__init__.py"); err != nil {
		if info, err := j.tree.Stat("tests"); err == nil && info.IsDir() {
			argv = append(argv, "-s", "tests")
		}
	}
	spoken := &bounded{most: 8 << 20}
	c := j.testCommand(argv)
	c.stderr = io.MultiWriter(j.log, spoken)
	err := j.exec(ctx, j.log, c)
	if n, own := code(err); own && n == 5 {
		return &report.JUnit{}, nil
	}
	return unittest(string(spoken.text)), err
}

var unittestLine = regexp.MustCompile(`^(\w+) \(([^)]+)\)(?: .*)? \.\.\. (?:.* )?(ok|FAIL|ERROR|skipped.*|expected failure|unexpected success)$`)

// unittest reads what `python3 -m unittest -v` says.
func unittest(text string) *report.JUnit {
	suite := report.Suite{Name: "unittest"}
	for line := range strings.Lines(text) {
		m := unittestLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		c := report.Case{Name: m[1], Class: strings.TrimSuffix(m[2], "."+m[1]), Status: report.Passed}
		switch {
		case m[3] == "FAIL" || m[3] == "unexpected success":
			c.Status, c.Message = report.Failed, m[3]
		case m[3] == "ERROR":
			c.Status, c.Message = report.Errored, m[3]
		case strings.HasPrefix(m[3], "skipped"):
			c.Status, c.Message = report.Skipped, m[3]
		}
		suite.Cases = append(suite.Cases, c)
	}
	return &report.JUnit{Suites: []report.Suite{suite}}
}

// artifact keeps a report and tells of it.
func (p *pipeline) artifact(name, kind string, text []byte) error {
	if err := writeFile(filepath.Join(p.artifacts, name), text); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	size := int64(len(text))
	p.out.report(Event{Event: "artifact", Name: name, Kind: kind, SizeBytes: &size, At: p.now()})
	return nil
}
