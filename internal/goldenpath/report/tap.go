package report

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

var (
	tapResult = regexp.MustCompile(`^( *)(not )?ok\b(?: +(\d+))?(?: +- )?(.*)$`)
	tapTime   = regexp.MustCompile(`^ +duration_ms: ([0-9.]+)`)
	tapError  = regexp.MustCompile(`^ +error: (.+)$`)
	tapHeader = regexp.MustCompile(`^ *# Subtest: (.+)$`)
)

// ReadTAP reads the Test Anything Protocol, versions 12 to 14, as `node --test --test-reporter=tap` writes
// it. Every "ok" and "not ok" line is a case; one inside a subtest is named after it ("outer > inner").
// "# SKIP" is skipped; "# TODO" never fails. A plan that promised more tests than came, and "Bail out!",
// are a case that could not be judged.
func ReadTAP(r io.Reader) (*JUnit, error) {
	t := &tap{}
	if err := eachLine(r, t.line); err != nil {
		return nil, fmt.Errorf("read TAP: %w", err)
	}
	return t.finish(), nil
}

type tap struct {
	suite   Suite
	open    []string // names of the subtests around the line, by depth
	block   bool     // inside a YAML block
	plan    int      // of the top level; 0 is unknown
	top     int      // results of the top level
	bailout string
}

func (t *tap) line(raw []byte) error {
	line := printable(string(raw))
	trimmed := strings.TrimSpace(line)
	switch {
	case t.block:
		t.detail(line, trimmed)
	case trimmed == "---":
		t.block = len(t.suite.Cases) > 0
	case strings.HasPrefix(trimmed, "Bail out!"):
		t.bailout = word(trimmed)
	case strings.HasPrefix(line, "1.."):
		if _, err := fmt.Sscanf(line, "1..%d", &t.plan); err != nil {
			t.plan = 0
		}
	default:
		if m := tapHeader.FindStringSubmatch(line); m != nil {
			t.enter(indent(line), unhashed(m[1]))
			return nil
		}
		if m := tapResult.FindStringSubmatch(line); m != nil {
			return t.result(m)
		}
	}
	return nil
}

// unhashed is a test's name without the backslash that keeps a "#" from beginning a directive.
func unhashed(name string) string { return word(strings.ReplaceAll(name, `\#`, "#")) }

func indent(line string) int { return (len(line) - len(strings.TrimLeft(line, " "))) / 4 }

// enter opens a subtest: its header stands as deep as its own result will, one less than its content.
func (t *tap) enter(depth int, name string) {
	depth = min(depth, len(t.open), MaxDepth)
	t.open = append(t.open[:depth:depth], name)
}

func (t *tap) result(m []string) error {
	if len(t.suite.Cases) >= MaxCases {
		return fmt.Errorf("%w: more than %d tests", ErrTooLarge, MaxCases)
	}
	depth := min(len(m[1])/4, len(t.open))
	if len(m[1]) == 0 {
		t.top++
	}
	name, directive := m[4], ""
	if at := directiveAt(name); at >= 0 {
		name, directive = name[:at], strings.TrimSpace(name[at+1:])
	}
	name = unhashed(name)
	if name == "" {
		name = "test " + m[3]
	}
	c := Case{Name: strings.Join(append(t.open[:depth:depth], name), " > "), Status: Passed}
	t.open = t.open[:depth]
	if m[2] != "" {
		c.Status, c.Message = Failed, "not ok"
	}
	switch kind := strings.ToUpper(directive); {
	case strings.HasPrefix(kind, "SKIP"):
		c.Status, c.Message = Skipped, word(directive[len("SKIP"):])
	case strings.HasPrefix(kind, "TODO"):
		c.Status, c.Message = Skipped, word("todo"+directive[len("TODO"):])
	}
	t.suite.Cases = append(t.suite.Cases, c)
	return nil
}

// directiveAt finds the "#" that begins a directive, or -1.
func directiveAt(name string) int {
	for at := 0; at < len(name); at++ {
		if name[at] != '#' || at > 0 && name[at-1] == '\\' {
			continue
		}
		rest := strings.ToUpper(strings.TrimSpace(name[at+1:]))
		if strings.HasPrefix(rest, "SKIP") || strings.HasPrefix(rest, "TODO") {
			return at
		}
	}
	return -1
}

// detail reads a line of the YAML block under a result.
func (t *tap) detail(line, trimmed string) {
	if trimmed == "..." {
		t.block = false
		return
	}
	c := &t.suite.Cases[len(t.suite.Cases)-1]
	if m := tapTime.FindStringSubmatch(line); m != nil {
		c.Seconds = duration(m[1]) / 1000
	}
	if c.Status != Failed {
		return
	}
	if m := tapError.FindStringSubmatch(line); m != nil && c.Message == "not ok" {
		c.Message = word(strings.Trim(m[1], `'"|-`))
		if c.Message == "" {
			c.Message = "not ok"
		}
	} else if c.Message == "not ok" && strings.HasSuffix(c.Output, "error: |-\n") {
		c.Message = word(trimmed)
	}
	c.Output = tail(c.Output + strings.TrimRight(line, " ") + "\n")
}

func (t *tap) finish() *JUnit {
	switch {
	case t.bailout != "":
		t.suite.Cases = append(t.suite.Cases, Case{Name: "(run)", Status: Errored, Message: t.bailout})
	case t.plan > t.top:
		t.suite.Cases = append(t.suite.Cases, Case{
			Name: "(run)", Status: Errored, Message: fmt.Sprintf("the plan says %d tests, %d came", t.plan, t.top),
		})
	}
	for _, c := range t.suite.Cases {
		if !strings.Contains(c.Name, " > ") {
			t.suite.Seconds += c.Seconds
		}
	}
	if len(t.suite.Cases) == 0 {
		return &JUnit{}
	}
	return &JUnit{Suites: []Suite{t.suite}}
}
