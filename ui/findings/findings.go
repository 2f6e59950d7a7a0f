// Package findings reads the reports that a run leaves, as far as a page shows them: findings of scanners (SARIF)
// and the outcome of tests (JUnit). Reports are written by foreign programs about pushed code, so both readers bound
// what they take and say how much they left out.
package findings

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/url"
	"path"
	"strings"
)

const (
	// most is how many findings or failed tests are kept.
	most = 200
	// textLimit bounds a message, in runes.
	textLimit = 600
)

// Finding is one result of a scanner. File and Line are where it is; Line is 0 when it is not known.
type Finding struct {
	Tool, Rule, Level string // Level: error, warning or note
	Message           string
	File              string
	Line              int
}

// Found is what a scanner reported. More counts the findings that were left out.
type Found struct {
	Findings []Finding
	More     int
}

// SARIF reads a report in SARIF 2.1.0. Suppressed results are left out.
func SARIF(text []byte) (Found, error) {
	var doc struct {
		Runs []struct {
			Tool struct {
				Driver struct {
					Name  string `json:"name"`
					Rules []struct {
						ID      string `json:"id"`
						Default struct {
							Level string `json:"level"`
						} `json:"defaultConfiguration"`
					} `json:"rules"`
				} `json:"driver"`
			} `json:"tool"`
			Results []struct {
				RuleID       string            `json:"ruleId"`
				Level        string            `json:"level"`
				Suppressions []json.RawMessage `json:"suppressions"`
				Message      struct {
					Text string `json:"text"`
				} `json:"message"`
				Locations []struct {
					Physical struct {
						Artifact struct {
							URI string `json:"uri"`
						} `json:"artifactLocation"`
						Region struct {
							StartLine int `json:"startLine"`
						} `json:"region"`
					} `json:"physicalLocation"`
				} `json:"locations"`
			} `json:"results"`
		} `json:"runs"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &doc); err != nil {
		return Found{}, fmt.Errorf("read a SARIF report: %w", err)
	}
	var out Found
	for _, run := range doc.Runs {
		levels := map[string]string{}
		for _, r := range run.Tool.Driver.Rules {
			levels[r.ID] = r.Default.Level
		}
		for _, r := range run.Results {
			if len(r.Suppressions) > 0 {
				continue
			}
			if len(out.Findings) == most {
				out.More++
				continue
			}
			f := Finding{Tool: run.Tool.Driver.Name, Rule: r.RuleID, Level: r.Level, Message: short(r.Message.Text)}
			if f.Level == "" {
				f.Level = levels[r.RuleID]
			}
			if f.Level == "" {
				f.Level = "warning" // as SARIF says
			}
			if len(r.Locations) > 0 {
				at := r.Locations[0].Physical
				f.File, f.Line = file(at.Artifact.URI), max(at.Region.StartLine, 0)
			}
			out.Findings = append(out.Findings, f)
		}
	}
	return out, nil
}

// file makes a path within the repository of a report's address; one that leads elsewhere keeps its name only.
func file(uri string) string {
	s := strings.TrimPrefix(uri, "file://")
	if plain, err := url.PathUnescape(s); err == nil {
		s = plain
	}
	clean := path.Clean("/" + s)[1:]
	if strings.HasPrefix(s, "/") || strings.HasPrefix(path.Clean(s), "..") {
		return path.Base(clean)
	}
	return clean
}

// Failure is a test that failed.
type Failure struct{ Suite, Name, Message string }

// Tests is what a JUnit report says.
type Tests struct {
	Total, Failed, Skipped int
	Failures               []Failure
}

type junitSuite struct {
	Name   string       `xml:"name,attr"`
	Suites []junitSuite `xml:"testsuite"`
	Cases  []struct {
		Name    string     `xml:"name,attr"`
		Class   string     `xml:"classname,attr"`
		Failure *junitText `xml:"failure"`
		Error   *junitText `xml:"error"`
		Skipped *struct{}  `xml:"skipped"`
	} `xml:"testcase"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit reads a report in JUnit's XML.
func JUnit(text []byte) (Tests, error) {
	var root junitSuite // <testsuites> and <testsuite> have what is read here in common
	if err := xml.Unmarshal(text, &root); err != nil {
		return Tests{}, fmt.Errorf("read a JUnit report: %w", err)
	}
	var out Tests
	out.add(root, 0)
	return out, nil
}

func (t *Tests) add(s junitSuite, depth int) {
	if depth > 20 {
		return
	}
	for _, inner := range s.Suites {
		t.add(inner, depth+1)
	}
	for _, c := range s.Cases {
		t.Total++
		what := c.Failure
		if what == nil {
			what = c.Error
		}
		switch {
		case what != nil:
			t.Failed++
			if len(t.Failures) < most {
				suite := c.Class
				if suite == "" {
					suite = s.Name
				}
				t.Failures = append(t.Failures, Failure{Suite: suite, Name: c.Name, Message: short(said(*what))})
			}
		case c.Skipped != nil:
			t.Skipped++
		}
	}
}

// said is what a failure says: its text, which has more to say than its title.
func said(t junitText) string {
	if text := strings.TrimSpace(t.Text); text != "" {
		return text
	}
	return t.Message
}

func short(s string) string {
	r := []rune(strings.TrimSpace(strings.ToValidUTF8(s, "\ufffd")))
	if len(r) > textLimit {
		return string(r[:textLimit-1]) + "…"
	}
	return string(r)
}
