package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"
)

// Level is how severe a finding is, in SARIF's words.
type Level string

// SARIF's levels, the gravest first. None is a result that is no problem.
const (
	Error   Level = "error"
	Warning Level = "warning"
	Note    Level = "note"
	None    Level = "none"
)

// Version of SARIF that is read and written, and where its schema is.
const (
	sarifVersion = "2.1.0"
	sarifSchema  = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

// ErrNotSARIF is the reason for which a document is refused that is no SARIF 2.x log.
var ErrNotSARIF = errors.New("not a SARIF 2.1.0 log")

// SARIF is a log of findings: a run for each tool. What a tool writes beyond these fields (its command line
// and folders, taxonomies, fixes) is not kept.
type SARIF struct {
	Schema  string `json:"$schema,omitempty"`
	Version string `json:"version"`
	Runs    []Run  `json:"runs"`
}

// Run is what one tool found.
type Run struct {
	Tool    Tool     `json:"tool"`
	Results []Result `json:"results"`
}

// Tool names the scanner.
type Tool struct {
	Driver Driver `json:"driver"`
}

// Driver is the scanner and the rules it knows.
type Driver struct {
	Name            string `json:"name"`
	Version         string `json:"version,omitempty"`
	SemanticVersion string `json:"semanticVersion,omitempty"`
	InformationURI  string `json:"informationUri,omitempty"`
	Rules           []Rule `json:"rules,omitempty"`
}

// Rule is one thing that a scanner looks for.
type Rule struct {
	ID               string         `json:"id"`
	Name             string         `json:"name,omitempty"`
	ShortDescription *Message       `json:"shortDescription,omitempty"`
	FullDescription  *Message       `json:"fullDescription,omitempty"`
	Help             *Message       `json:"help,omitempty"`
	HelpURI          string         `json:"helpUri,omitempty"`
	Default          *RuleDefault   `json:"defaultConfiguration,omitempty"`
	Properties       map[string]any `json:"properties,omitempty"`
}

// RuleDefault is the level of a rule's findings that say none.
type RuleDefault struct {
	Level Level `json:"level,omitempty"`
}

// Message is text, plain and perhaps as Markdown.
type Message struct {
	Text     string `json:"text,omitempty"`
	Markdown string `json:"markdown,omitempty"`
}

// Result is one finding as SARIF has it; [SARIF.Findings] gives what a gate and a page need.
type Result struct {
	RuleID       string            `json:"ruleId,omitempty"`
	RuleIndex    *int              `json:"ruleIndex,omitempty"`
	Kind         string            `json:"kind,omitempty"`
	Level        Level             `json:"level,omitempty"`
	Message      Message           `json:"message"`
	Locations    []Location        `json:"locations,omitempty"`
	Fingerprints map[string]string `json:"partialFingerprints,omitempty"`
	Suppressions []Suppression     `json:"suppressions,omitempty"`
	Properties   map[string]any    `json:"properties,omitempty"`
}

// Suppression says that a finding was accepted, and why.
type Suppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status,omitempty"`
	Justification string `json:"justification,omitempty"`
}

// Location is where a finding is.
type Location struct {
	Physical PhysicalLocation `json:"physicalLocation"`
}

// PhysicalLocation is a place in a file.
type PhysicalLocation struct {
	Artifact ArtifactLocation `json:"artifactLocation"`
	Region   *Region          `json:"region,omitempty"`
}

// ArtifactLocation names a file.
type ArtifactLocation struct {
	URI       string `json:"uri,omitempty"`
	URIBaseID string `json:"uriBaseId,omitempty"`
}

// Region is the lines and columns, from 1.
type Region struct {
	StartLine   int      `json:"startLine,omitempty"`
	StartColumn int      `json:"startColumn,omitempty"`
	EndLine     int      `json:"endLine,omitempty"`
	EndColumn   int      `json:"endColumn,omitempty"`
	Snippet     *Message `json:"snippet,omitempty"`
}

// Finding is one thing that a scanner found.
type Finding struct {
	Tool    string `json:"tool"`
	Rule    string `json:"rule"`
	Level   Level  `json:"level"`
	Message string `json:"message"`
	File    string `json:"file"` // relative to what was scanned; "" is unknown
	Line    int    `json:"line"` // from 1; 0 is unknown
}

// String is the finding as a compiler would write it.
func (f Finding) String() string {
	place := f.File
	if place == "" {
		place = "(no file)"
	}
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d", place, f.Line)
	}
	return fmt.Sprintf("%s: %s: %s (%s %s)", place, f.Level, f.Message, f.Tool, f.Rule)
}

// Counts is how many findings there are of each level.
type Counts struct {
	Error, Warning, Note int
}

// ReadSARIF reads a log of any tool. Suppressed results stay in it and are no findings.
func ReadSARIF(r io.Reader) (*SARIF, error) {
	data, err := readAll(r)
	if err != nil {
		return nil, fmt.Errorf("read SARIF: %w", err)
	}
	var out SARIF
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("read SARIF: %w: %w", ErrNotSARIF, err)
	}
	if !strings.HasPrefix(out.Version, "2.") || out.Runs == nil {
		return nil, fmt.Errorf("read SARIF: %w: version %q", ErrNotSARIF, word(out.Version))
	}
	total := 0
	for _, run := range out.Runs {
		total += len(run.Results)
	}
	if total > MaxCases {
		return nil, fmt.Errorf("read SARIF: %w: more than %d results", ErrTooLarge, MaxCases)
	}
	return &out, nil
}

// WriteSARIF writes s, indented, with only those rules that a result names: some tools list every rule
// they know.
func WriteSARIF(w io.Writer, s *SARIF) error {
	out := SARIF{Schema: sarifSchema, Version: sarifVersion, Runs: make([]Run, 0, len(s.Runs))}
	for _, run := range s.Runs {
		out.Runs = append(out.Runs, run.used())
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return fmt.Errorf("write SARIF: %w", err)
	}
	return nil
}

// used is the run with the rules that its results name, and each result with its rule's name instead of the
// rule's place.
func (r Run) used() Run {
	named := map[string]bool{}
	results := make([]Result, 0, len(r.Results))
	for _, res := range r.Results {
		res.RuleID, res.RuleIndex = r.ruleOf(res), nil
		named[res.RuleID] = true
		results = append(results, res)
	}
	var rules []Rule
	for _, rule := range r.Tool.Driver.Rules {
		if named[rule.ID] {
			rules = append(rules, rule)
			named[rule.ID] = false
		}
	}
	r.Results, r.Tool.Driver.Rules = results, rules
	return r
}

// MergeSARIF puts the runs of several logs into one; nil logs are passed over.
func MergeSARIF(logs ...*SARIF) *SARIF {
	out := &SARIF{Schema: sarifSchema, Version: sarifVersion, Runs: []Run{}}
	for _, l := range logs {
		if l != nil {
			out.Runs = append(out.Runs, l.Runs...)
		}
	}
	return out
}

// Findings lists what is not suppressed and not level "none", ordered by gravity, file, line and rule.
func (s *SARIF) Findings() []Finding {
	var out []Finding
	for _, run := range s.Runs {
		rules := make(map[string]Rule, len(run.Tool.Driver.Rules))
		for _, rule := range run.Tool.Driver.Rules {
			rules[rule.ID] = rule
		}
		for _, res := range run.Results {
			rule := run.ruleOf(res)
			level := levelOf(res, rules[rule])
			if level == None || res.suppressed() {
				continue
			}
			f := Finding{Tool: word(run.Tool.Driver.Name), Rule: word(rule), Level: level, Message: word(res.Message.Text)}
			if f.Message == "" {
				f.Message = word(rules[rule].title())
			}
			if len(res.Locations) > 0 {
				at := res.Locations[0].Physical
				f.File = filePath(at.Artifact.URI)
				if at.Region != nil {
					f.Line = max(at.Region.StartLine, 0)
				}
			}
			out = append(out, f)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return before(out[i], out[j]) })
	return out
}

func before(a, b Finding) bool {
	switch {
	case a.Level != b.Level:
		return gravity(a.Level) > gravity(b.Level)
	case a.File != b.File:
		return a.File < b.File
	case a.Line != b.Line:
		return a.Line < b.Line
	}
	return a.Rule < b.Rule
}

// Count counts the findings by level.
func (s *SARIF) Count() Counts {
	var c Counts
	for _, f := range s.Findings() {
		switch f.Level {
		case Error:
			c.Error++
		case Warning:
			c.Warning++
		case Note, None:
			c.Note++
		}
	}
	return c
}

// AtLeast says whether l is as grave as floor, or graver. An unknown level is taken for a warning.
func (l Level) AtLeast(floor Level) bool { return gravity(l) >= gravity(floor) }

func gravity(l Level) int {
	switch l {
	case Error:
		return 3
	case Note:
		return 1
	case None:
		return 0
	case Warning:
	}
	return 2
}

// levelOf follows SARIF 2.1.0, 3.27.10: the result's level, else its rule's, else "warning"; a result whose
// kind is not "fail" has none.
func levelOf(r Result, rule Rule) Level {
	if r.Kind != "" && r.Kind != "fail" {
		return None
	}
	level := r.Level
	if level == "" && rule.Default != nil {
		level = rule.Default.Level
	}
	switch level {
	case Error, Note, None:
		return level
	case Warning:
	}
	return Warning
}

// ruleOf is the id of a result's rule; some tools give only its place in the list of rules.
func (r Run) ruleOf(res Result) string {
	rules := r.Tool.Driver.Rules
	if res.RuleID == "" && res.RuleIndex != nil && *res.RuleIndex >= 0 && *res.RuleIndex < len(rules) {
		return rules[*res.RuleIndex].ID
	}
	return res.RuleID
}

func (r Rule) title() string {
	for _, m := range []*Message{r.ShortDescription, r.FullDescription} {
		if m != nil && m.Text != "" {
			return m.Text
		}
	}
	return r.Name
}

// suppressed says whether the finding was accepted: a suppression counts unless it is under review or refused.
func (r Result) suppressed() bool {
	if len(r.Suppressions) == 0 {
		return false
	}
	for _, s := range r.Suppressions {
		if s.Status == "underReview" || s.Status == "rejected" {
			return false
		}
	}
	return true
}

// filePath is a URI of a file as a path with slashes.
func filePath(uri string) string {
	uri = strings.TrimPrefix(uri, "file://")
	if strings.Contains(uri, "%") {
		uri = unescape(uri)
	}
	uri = word(strings.ReplaceAll(uri, `\`, "/"))
	if uri == "" {
		return ""
	}
	return strings.TrimPrefix(path.Clean(uri), "./")
}

// Relative rewrites the places that lie under root, a folder with slashes, as paths relative to it, and
// drops the names of base folders: a report must not say where it was made.
func (s *SARIF) Relative(root string) {
	root = strings.TrimSuffix(path.Clean(root), "/") + "/"
	for i := range s.Runs {
		for j := range s.Runs[i].Results {
			locations := s.Runs[i].Results[j].Locations
			for k := range locations {
				a := &locations[k].Physical.Artifact
				a.URI = escaped(strings.TrimPrefix(filePath(a.URI), root))
				a.URIBaseID = ""
			}
		}
	}
}
