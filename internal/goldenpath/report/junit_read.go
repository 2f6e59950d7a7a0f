package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// ErrNotJUnit is the reason for which a document that holds no suite and no case is refused.
var ErrNotJUnit = errors.New("not JUnit XML: neither <testsuites> nor <testsuite> nor <testcase>")

// ReadJUnit reads a JUnit XML file of any tool: pytest, Maven Surefire, the test runner of Node.js, Jest,
// gotestsum. Nested suites become suites of their own whose names join with "/"; cases outside a suite
// get one without a name. A case with both a failure and an error failed; retries that passed in the end
// (Surefire's flakyFailure) passed; a case marked as "todo" is skipped, as its runner does not count it either.
func ReadJUnit(r io.Reader) (*JUnit, error) {
	data, err := readAll(r)
	if err != nil {
		return nil, fmt.Errorf("read JUnit XML: %w", err)
	}
	dec := xml.NewDecoder(bytes.NewReader(legal(data)))
	dec.Strict = false
	dec.CharsetReader = charset
	p := &junitReader{dec: dec, out: &JUnit{}}
	if err := p.document(); err != nil {
		line, _ := dec.InputPos()
		return nil, fmt.Errorf("read JUnit XML: line %d: %w", line, err)
	}
	if !p.seen {
		return nil, fmt.Errorf("read JUnit XML: %w", ErrNotJUnit)
	}
	return p.out, nil
}

type junitReader struct {
	dec   *xml.Decoder
	out   *JUnit
	cases int
	seen  bool // an element of JUnit XML
}

func (p *junitReader) document() error {
	loose := &Suite{} // cases outside any suite
	for {
		token, err := p.dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok {
			if err := p.child(start, loose, nil); err != nil {
				return err
			}
		}
	}
	if len(loose.Cases) > 0 {
		p.out.Suites = append(p.out.Suites, *loose)
	}
	return nil
}

// child reads an element that stands in a suite, in <testsuites> or at the top.
func (p *junitReader) child(start xml.StartElement, in *Suite, names []string) error {
	switch start.Name.Local {
	case "testsuites":
		p.seen = true
		return p.children(in, names)
	case "testsuite":
		p.seen = true
		return p.suite(start, names)
	case "testcase":
		p.seen = true
		return p.testCase(start, in)
	case "system-out", "system-err":
		text, err := p.text()
		in.Output = tail(in.Output + text)
		return err
	}
	return p.dec.Skip()
}

// children reads what stands in an element up to its end.
func (p *junitReader) children(in *Suite, names []string) error {
	for {
		token, err := p.dec.Token()
		if err != nil {
			return unexpected(err)
		}
		switch t := token.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if err := p.child(t, in, names); err != nil {
				return err
			}
		}
	}
}

func (p *junitReader) suite(start xml.StartElement, names []string) error {
	if len(names) >= MaxDepth {
		return fmt.Errorf("%w: suites nested more than %d deep", ErrTooLarge, MaxDepth)
	}
	name := word(attribute(start, "name"))
	if name != "" || len(names) > 0 {
		names = append(names[:len(names):len(names)], name)
	}
	s := Suite{Name: strings.Join(names, "/"), Seconds: duration(attribute(start, "time"))}
	at := len(p.out.Suites)
	p.out.Suites = append(p.out.Suites, s)
	if err := p.children(&s, names); err != nil {
		return err
	}
	if len(s.Cases) == 0 && s.Output == "" && len(p.out.Suites) > at+1 {
		p.out.Suites = append(p.out.Suites[:at], p.out.Suites[at+1:]...) // only holds others
		return nil
	}
	p.out.Suites[at] = s
	return nil
}

func (p *junitReader) testCase(start xml.StartElement, in *Suite) error {
	if p.cases++; p.cases > MaxCases {
		return fmt.Errorf("%w: more than %d test cases", ErrTooLarge, MaxCases)
	}
	c := Case{
		Name: word(attribute(start, "name")), Class: word(attribute(start, "classname")),
		File: word(attribute(start, "file")), Seconds: duration(attribute(start, "time")), Status: Passed,
	}
	c.Line, _ = strconv.Atoi(attribute(start, "line"))
	c.Line = max(c.Line, 0)
	var extra caseExtra
	for {
		token, err := p.dec.Token()
		if err != nil {
			return unexpected(err)
		}
		switch t := token.(type) {
		case xml.EndElement:
			if c.Output == "" {
				c.Output = extra.printed
			}
			if extra.todo && c.Status != Passed {
				c.Status, c.Message = Skipped, "todo"
			}
			in.Cases = append(in.Cases, c)
			return nil
		case xml.StartElement:
			if err := p.outcome(t, &c, &extra); err != nil {
				return err
			}
		}
	}
}

// caseExtra is what a case's elements say beside its outcome.
type caseExtra struct {
	printed string
	todo    bool
}

// outcome reads one element of a case.
func (p *junitReader) outcome(start xml.StartElement, c *Case, extra *caseExtra) error {
	var status Status
	switch start.Name.Local {
	case "failure":
		status = Failed
	case "error":
		status = Errored
	case "skipped", "ignored", "disabled":
		status = Skipped
	case "system-out", "system-err":
		text, err := p.text()
		extra.printed = tail(extra.printed + text)
		return err
	default:
		return p.dec.Skip()
	}
	extra.todo = extra.todo || status == Skipped && attribute(start, "type") == "todo"
	message := attribute(start, "message")
	if message == "" {
		message = attribute(start, "type")
	}
	text, err := p.text()
	if err != nil {
		return err
	}
	if rank(status) > rank(c.Status) {
		c.Status, c.Message = status, word(firstLine(message, text))
	}
	if status != Skipped {
		c.Output = tail(c.Output + text)
	}
	return nil
}

// rank orders outcomes: of several in one case the worst counts.
func rank(s Status) int {
	switch s {
	case Failed:
		return 3
	case Errored:
		return 2
	case Skipped:
		return 1
	}
	return 0
}

// text reads the characters of the element at hand, with those of elements inside it, up to its end.
func (p *junitReader) text() (string, error) {
	var out strings.Builder
	for depth := 1; depth > 0; {
		token, err := p.dec.Token()
		if err != nil {
			return "", unexpected(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			out.Write(t)
		}
	}
	return tail(printable(strings.TrimSpace(out.String()))), nil
}

func attribute(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// firstLine is the first line of message that says something, or else of text.
func firstLine(message, text string) string {
	for _, candidate := range []string{message, text} {
		for line := range strings.Lines(candidate) {
			if line = strings.TrimSpace(line); line != "" {
				return line
			}
		}
	}
	return ""
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

var reference = regexp.MustCompile(`&#([0-9]{1,8}|[xX][0-9a-fA-F]{1,8});`)

// legal takes out of a document the bytes and the references that XML does not allow, such as the escape
// character of colored output, which tools write all the same.
func legal(data []byte) []byte {
	data = color.ReplaceAll(data, nil)
	data = reference.ReplaceAllFunc(data, func(ref []byte) []byte {
		digits, base := string(ref[2:len(ref)-1]), 10
		if digits[0] == 'x' || digits[0] == 'X' {
			digits, base = digits[1:], 16
		}
		code, err := strconv.ParseInt(digits, base, 64)
		if err != nil || code > 0x10FFFF || code >= 0xD800 && code <= 0xDFFF || !allowed(rune(code)) && code != '\r' {
			return []byte("\uFFFD")
		}
		return ref
	})
	return bytes.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return ' '
		}
		return r
	}, data)
}

// charset accepts documents that declare an encoding. Everything was made UTF-8 before; the single-byte
// encodings differ in accented letters only, which then are U+FFFD.
func charset(_ string, in io.Reader) (io.Reader, error) { return in, nil }
