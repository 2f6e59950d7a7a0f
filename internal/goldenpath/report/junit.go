package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Status is how a test case ended.
type Status string

// How a case ends. Errored is a case that could not be judged: a crash, a failed set-up, a build that broke.
const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Errored Status = "error"
	Skipped Status = "skipped"
)

// JUnit is the results of a test run, whichever tool gave them.
type JUnit struct {
	Suites []Suite
}

// Suite is the cases of one package, class or file.
type Suite struct {
	Name    string
	Seconds float64 // as the tool measured it; 0 when it did not say
	Output  string  // what the suite printed outside its cases, its end at most
	Cases   []Case
}

// Case is one test.
type Case struct {
	Name    string
	Class   string // the class, package or file that holds it; may be empty
	File    string // the source file, when the tool says it
	Line    int    // the line in File; 0 is unknown
	Seconds float64
	Status  Status
	Message string // why it failed, in a line; or why it was skipped
	Output  string // the failure's text, or what the case printed; its end at most
}

// FullName is the case's name with what holds it, as a person would look for it.
func (c Case) FullName() string {
	if c.Class == "" {
		return c.Name
	}
	return c.Class + " " + c.Name
}

// Totals counts cases by how they ended.
type Totals struct {
	Tests, Passed, Failed, Errored, Skipped int
	Seconds                                 float64 // the suites' times together; suites that ran side by side overlap
}

// Green says whether something was run and nothing failed.
func (t Totals) Green() bool { return t.Passed > 0 && t.Failed == 0 && t.Errored == 0 }

// Totals counts the cases.
func (j *JUnit) Totals() Totals {
	var t Totals
	for _, s := range j.Suites {
		t.Seconds += s.time()
		for _, c := range s.Cases {
			t.add(c.Status)
		}
	}
	return t
}

func (t *Totals) add(s Status) {
	t.Tests++
	switch s {
	case Failed:
		t.Failed++
	case Errored:
		t.Errored++
	case Skipped:
		t.Skipped++
	case Passed:
		t.Passed++
	}
}

func (s Suite) time() float64 {
	if s.Seconds > 0 {
		return s.Seconds
	}
	var sum float64
	for _, c := range s.Cases {
		sum += c.Seconds
	}
	return sum
}

// Failures lists the cases that failed or could not be judged, in the order of the file.
func (j *JUnit) Failures() []Case {
	var out []Case
	for _, s := range j.Suites {
		for _, c := range s.Cases {
			if c.Status == Failed || c.Status == Errored {
				out = append(out, c)
			}
		}
	}
	return out
}

// Add appends the suites of other, which may be nil.
func (j *JUnit) Add(other *JUnit) {
	if other != nil {
		j.Suites = append(j.Suites, other.Suites...)
	}
}

// xmlSuite, xmlCase and xmlResult are the written form, which every reader of JUnit XML takes.
type xmlSuite struct {
	XMLName  xml.Name  `xml:"testsuite"`
	Name     string    `xml:"name,attr"`
	Tests    int       `xml:"tests,attr"`
	Failures int       `xml:"failures,attr"`
	Errors   int       `xml:"errors,attr"`
	Skipped  int       `xml:"skipped,attr"`
	Time     string    `xml:"time,attr"`
	Cases    []xmlCase `xml:"testcase"`
	Output   string    `xml:"system-out,omitempty"`
}

type xmlCase struct {
	Name    string     `xml:"name,attr"`
	Class   string     `xml:"classname,attr"`
	File    string     `xml:"file,attr,omitempty"`
	Line    int        `xml:"line,attr,omitempty"`
	Time    string     `xml:"time,attr"`
	Failure *xmlResult `xml:"failure"`
	Error   *xmlResult `xml:"error"`
	Skipped *xmlResult `xml:"skipped"`
	Output  string     `xml:"system-out,omitempty"`
}

type xmlResult struct {
	Message string `xml:"message,attr,omitempty"`
	Text    string `xml:",chardata"`
}

type xmlSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Time     string     `xml:"time,attr"`
	Suites   []xmlSuite `xml:"testsuite"`
}

// WriteJUnit writes j as JUnit XML with the counts that its cases give. The same value gives the same bytes.
func WriteJUnit(w io.Writer, j *JUnit) error {
	t := j.Totals()
	doc := xmlSuites{Tests: t.Tests, Failures: t.Failed, Errors: t.Errored, Skipped: t.Skipped, Time: seconds(t.Seconds)}
	for _, s := range j.Suites {
		doc.Suites = append(doc.Suites, writtenSuite(s))
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func writtenSuite(s Suite) xmlSuite {
	var t Totals
	out := xmlSuite{Name: printable(s.Name), Time: seconds(s.time()), Output: printable(s.Output)}
	for _, c := range s.Cases {
		t.add(c.Status)
		out.Cases = append(out.Cases, writtenCase(c))
	}
	out.Tests, out.Failures, out.Errors, out.Skipped = t.Tests, t.Failed, t.Errored, t.Skipped
	return out
}

func writtenCase(c Case) xmlCase {
	out := xmlCase{
		Name: printable(c.Name), Class: printable(c.Class), File: printable(c.File), Line: max(c.Line, 0), Time: seconds(c.Seconds),
	}
	result := &xmlResult{Message: printable(c.Message), Text: printable(c.Output)}
	switch c.Status {
	case Failed:
		out.Failure = result
	case Errored:
		out.Error = result
	case Skipped:
		out.Skipped = result
	case Passed:
		out.Output = printable(c.Output)
	}
	return out
}

func seconds(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }

// duration reads a time in seconds as tools write it: "1.5", "1,234.5"; what is no time is 0.
func duration(text string) float64 {
	v, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(text), "s"), ",", ""), 64)
	if err != nil || v < 0 || v > 1e9 || v != v {
		return 0
	}
	return v
}
