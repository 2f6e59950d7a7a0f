package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// goEvent is one line of `go test -json` (see `go doc test2json`).
type goEvent struct {
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// GoTest reads the stream of `go test -json`: one suite a package, one case a test and subtest, each with
// its output when it failed. A package that failed without a failing test (it does not compile, TestMain
// gave up, a crash) has a case named "(package)" that could not be judged; a test that was cut off in the
// middle failed.
//
// text, when not nil, gets the lines that `go test` would have printed to a person, as they come: package
// results at once, the output of a test when it has failed. Lines of the stream that are not JSON, which
// the go command writes before and between, are passed to text.
func GoTest(r io.Reader, text func(line string)) (*JUnit, error) {
	if text == nil {
		text = func(string) {}
	}
	g := &goStream{text: text, packages: map[string]*goPackage{}, builds: map[string]string{}}
	if err := eachLine(r, g.line); err != nil {
		return nil, fmt.Errorf("read go test -json: %w", err)
	}
	return g.finish(), nil
}

type goStream struct {
	text     func(string)
	order    []*goPackage
	packages map[string]*goPackage
	builds   map[string]string // output of builds by import path
	cases    int
}

type goPackage struct {
	suite   Suite
	tests   map[string]int    // name -> place in suite.Cases
	open    map[string]string // running tests and what they printed so far
	printed string
	ended   bool
}

var errTooManyTests = fmt.Errorf("%w: more than %d tests", ErrTooLarge, MaxCases)

func (g *goStream) line(line []byte) error {
	var e goEvent
	if len(line) == 0 {
		return nil
	}
	isEvent := line[0] == '{' && json.Unmarshal(line, &e) == nil && e.Action != ""
	if !isEvent {
		g.text(printable(string(line)))
		return nil
	}
	switch e.Action {
	case "build-output":
		g.builds[e.ImportPath] = tail(g.builds[e.ImportPath] + printable(e.Output))
		g.say(e.Output)
		return nil
	case "build-fail":
		return nil
	}
	p := g.pkg(word(e.Package))
	if e.Test == "" {
		g.packageEvent(p, e)
		return nil
	}
	return g.testEvent(p, e)
}

func (g *goStream) pkg(name string) *goPackage {
	p := g.packages[name]
	if p == nil {
		p = &goPackage{suite: Suite{Name: name}, tests: map[string]int{}, open: map[string]string{}}
		g.packages[name] = p
		g.order = append(g.order, p)
	}
	return p
}

func (g *goStream) packageEvent(p *goPackage, e goEvent) {
	switch e.Action {
	case "output":
		p.printed = tail(p.printed + printable(e.Output))
		if e.Output != "PASS\n" {
			g.say(e.Output)
		}
	case "pass", "fail", "skip":
		p.ended = true
		p.suite.Seconds = duration(seconds(e.Elapsed))
		g.cutOff(p)
		if e.Action == "fail" && !p.hasFailure() {
			message := "the package failed without a failing test"
			output := p.printed
			if e.FailedBuild != "" {
				message = "the package does not build"
				output = tail(g.builds[e.FailedBuild] + output)
			}
			p.whole(message, output)
		}
	}
}

func (g *goStream) testEvent(p *goPackage, e goEvent) error {
	name := word(e.Test)
	switch e.Action {
	case "run":
		if g.cases++; g.cases > MaxCases {
			return errTooManyTests
		}
		p.open[name] = ""
		p.place(name)
	case "output":
		if before, ok := p.open[name]; ok && !strings.HasPrefix(e.Output, "=== ") {
			p.open[name] = tail(before + printable(e.Output))
		}
	case "pass", "fail", "skip":
		g.ended(p, name, e)
	}
	return nil
}

func (g *goStream) ended(p *goPackage, name string, e goEvent) {
	c := &p.suite.Cases[p.place(name)]
	printed := p.open[name]
	delete(p.open, name)
	c.Seconds = duration(seconds(e.Elapsed))
	switch e.Action {
	case "pass":
		c.Status, c.Message = Passed, ""
	case "skip":
		c.Status, c.Message = Skipped, word(firstLine(said(printed), ""))
	case "fail":
		c.Status, c.Output = Failed, printed
		c.Message = word(firstLine(said(printed), "failed"))
		g.say(printed)
	}
}

// said is the output of a test without the lines in which go says how it ended.
func said(output string) string {
	var out strings.Builder
	for line := range strings.Lines(output) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--- ") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// place finds or makes the case of a test.
func (p *goPackage) place(name string) int {
	at, ok := p.tests[name]
	if !ok {
		at = len(p.suite.Cases)
		p.tests[name] = at
		p.suite.Cases = append(p.suite.Cases, Case{Name: name, Class: p.suite.Name, Status: Errored, Message: "did not finish"})
	}
	return at
}

func (p *goPackage) hasFailure() bool {
	for _, c := range p.suite.Cases {
		if c.Status == Failed || c.Status == Errored {
			return true
		}
	}
	return false
}

// whole adds the case that stands for the package itself.
func (p *goPackage) whole(message, output string) {
	p.suite.Cases = append(p.suite.Cases, Case{
		Name: "(package)", Class: p.suite.Name, Status: Errored, Message: message, Output: strings.TrimSpace(output),
	})
}

// cutOff settles the tests that were still running when their package ended.
func (g *goStream) cutOff(p *goPackage) {
	for i := range p.suite.Cases {
		c := &p.suite.Cases[i]
		printed, running := p.open[c.Name]
		if !running {
			continue
		}
		c.Status, c.Message, c.Output = Failed, "did not finish", tail(printed+p.printed)
		g.say(printed)
	}
	clear(p.open)
}

func (g *goStream) finish() *JUnit {
	out := &JUnit{}
	for _, p := range g.order {
		if !p.ended {
			g.cutOff(p)
			p.whole("the stream ended before the package did", p.printed)
		}
		out.Suites = append(out.Suites, p.suite)
	}
	return out
}

// say passes output on line by line.
func (g *goStream) say(output string) {
	for line := range strings.Lines(output) {
		g.text(printable(strings.TrimRight(line, "\r\n")))
	}
}
