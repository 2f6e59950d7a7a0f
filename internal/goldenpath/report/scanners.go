package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// FromFindings makes a log of one tool's findings.
func FromFindings(tool, version string, findings []Finding) *SARIF {
	run := Run{Tool: Tool{Driver: Driver{Name: tool, Version: version}}, Results: []Result{}}
	known := map[string]bool{}
	for _, f := range findings {
		if f.Rule != "" && !known[f.Rule] {
			known[f.Rule] = true
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, Rule{ID: f.Rule})
		}
		res := Result{RuleID: f.Rule, Level: f.Level, Message: Message{Text: f.Message}}
		if f.File != "" {
			at := PhysicalLocation{Artifact: ArtifactLocation{URI: escaped(f.File)}}
			if f.Line > 0 {
				at.Region = &Region{StartLine: f.Line}
			}
			res.Locations = []Location{{Physical: at}}
		}
		run.Results = append(run.Results, res)
	}
	return &SARIF{Schema: sarifSchema, Version: sarifVersion, Runs: []Run{run}}
}

// Staticcheck reads the stream of `staticcheck -f json`. Its own SARIF says nothing of severity, which this
// stream does: "error" and "warning" are those levels, what a lint directive ignores is no finding. Code that
// does not compile is a finding of the rule "compile".
func Staticcheck(r io.Reader) (*SARIF, error) {
	var findings []Finding
	err := eachLine(r, func(line []byte) error {
		if strings.TrimSpace(string(line)) == "" {
			return nil
		}
		if len(findings) >= MaxCases {
			return fmt.Errorf("%w: more than %d findings", ErrTooLarge, MaxCases)
		}
		var e struct {
			Code, Severity, Message string
			Location                struct {
				File string
				Line int
			}
		}
		if err := json.Unmarshal(line, &e); err != nil || e.Code == "" {
			return fmt.Errorf("not a line of staticcheck -f json: %q", word(string(line)))
		}
		level := Error
		switch e.Severity {
		case "warning":
			level = Warning
		case "ignored":
			return nil
		}
		findings = append(findings, Finding{
			Tool: "staticcheck", Rule: word(e.Code), Level: level, Message: word(e.Message),
			File: filePath(e.Location.File), Line: max(e.Location.Line, 0),
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read staticcheck: %w", err)
	}
	return FromFindings("staticcheck", "", findings), nil
}

// Gosec reads `gosec -fmt json`. Its own SARIF calls medium severity an error; here HIGH is an error, LOW a note,
// and MEDIUM a warning, unless gosec is sure and the rule is one of injection or broken cryptography, which it
// calls no more than medium: that is an error. Excerpts of the code, which may hold a credential, are not kept. A package that gosec
// could not read is an error of the rule "unreadable": what was not scanned is not clean.
func Gosec(r io.Reader) (*SARIF, error) {
	data, err := readAll(r)
	if err != nil {
		return nil, fmt.Errorf("read gosec: %w", err)
	}
	var in struct {
		Errors map[string][]struct {
			Line  int
			Error string
		} `json:"Golang errors"`
		Issues []struct {
			Severity     string
			Confidence   string
			RuleID       string `json:"rule_id"`
			Details      string
			File         string
			Line         string // "12" or "12-14"
			NoSec        bool
			Suppressions []json.RawMessage
		}
		Stats   map[string]any
		Version string `json:"GosecVersion"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("read gosec: %w", err)
	}
	if in.Issues == nil && in.Stats == nil {
		return nil, errors.New("read gosec: neither Issues nor Stats; is it the output of gosec -fmt json?")
	}
	var findings []Finding
	for file, faults := range in.Errors {
		for _, fault := range faults {
			findings = append(findings, Finding{
				Tool: "gosec", Rule: "unreadable", Level: Error, Message: word(fault.Error), File: filePath(file), Line: max(fault.Line, 0),
			})
		}
	}
	sort.Slice(findings, func(i, j int) bool { return before(findings[i], findings[j]) })
	for _, issue := range in.Issues {
		if issue.NoSec || len(issue.Suppressions) > 0 {
			continue
		}
		level := severity(issue.Severity)
		if level == Warning && strings.EqualFold(issue.Confidence, "HIGH") && vulnerable(issue.RuleID) {
			level = Error
		}
		first, _, _ := strings.Cut(issue.Line, "-")
		line, err := strconv.Atoi(first)
		if err != nil {
			line = 0
		}
		findings = append(findings, Finding{
			Tool: "gosec", Rule: word(issue.RuleID), Level: level, Message: word(issue.Details),
			File: filePath(issue.File), Line: max(line, 0),
		})
	}
	if len(findings) > MaxCases {
		return nil, fmt.Errorf("read gosec: %w: more than %d findings", ErrTooLarge, MaxCases)
	}
	return FromFindings("gosec", word(in.Version), findings), nil
}

// vulnerable says whether what a rule of gosec finds is a way in, not a matter of care: injection (G2xx), an SSH
// host that is not checked (G106), an archive that writes outside its folder (G305), broken hashes, ciphers and
// keys (G4xx and their imports, G5xx). G402 says by its own severity what is one; G504 is of Go before 1.6.3.
func vulnerable(rule string) bool {
	switch rule {
	case "G106", "G201", "G202", "G203", "G204", "G305",
		"G401", "G403", "G405", "G406", "G501", "G502", "G503", "G505", "G506", "G507":
		return true
	}
	return false
}

func severity(s string) Level {
	switch strings.ToUpper(s) {
	case "HIGH", "CRITICAL":
		return Error
	case "LOW":
		return Note
	}
	return Warning
}

// Redact takes out of a log what must not be published: excerpts of files, which for a scanner of secrets are
// the secret, and the names, addresses and messages of the commits it was found in. level, when not "", is
// given to results that say none: for a scanner of secrets that is "error".
func (s *SARIF) Redact(level Level) {
	for i := range s.Runs {
		for j := range s.Runs[i].Results {
			res := &s.Runs[i].Results[j]
			var secrets []string
			for k := range res.Locations {
				region := res.Locations[k].Physical.Region
				if region == nil || region.Snippet == nil {
					continue
				}
				if text := strings.TrimSpace(region.Snippet.Text); len(text) >= 4 {
					secrets = append(secrets, text)
				}
				region.Snippet = nil
			}
			for _, secret := range secrets {
				res.Message.Text = strings.ReplaceAll(res.Message.Text, secret, "[redacted]")
				res.Message.Markdown = strings.ReplaceAll(res.Message.Markdown, secret, "[redacted]")
			}
			for _, personal := range []string{"email", "author", "commitMessage"} {
				delete(res.Fingerprints, personal)
			}
			if res.Level == "" && level != "" {
				res.Level = level
			}
		}
	}
}

func unescape(uri string) string {
	if plain, err := url.PathUnescape(uri); err == nil {
		return plain
	}
	return uri
}

// escaped is a path as a URI reference.
func escaped(file string) string { return (&url.URL{Path: file}).EscapedPath() }
