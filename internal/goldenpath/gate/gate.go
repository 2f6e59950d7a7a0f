// Package gate decides whether a commit may become an image: from what tests, scanners and coverage
// found, and from the rules that the repository's fawkes.yaml sets.
//
//	verdict := gate.Judge(rules, facts, now)
//
// It is a calculation alone. A stage that did not run is never taken for a good one: its rule fails and
// says so, unless the repository skips the stage and says why, which the rule then repeats. Exceptions
// are used only up to their last day; from the next day on the finding is refused, and the rule names
// the exception that has run out.
package gate

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
)

// The rules, in their order.
const (
	Tests           = "tests"
	Coverage        = "coverage"
	Secrets         = "secrets"
	StaticAnalysis  = "static-analysis"
	Vulnerabilities = "vulnerabilities"
)

// Finding is what a scanner found. It never holds the secret itself.
type Finding struct {
	Tool    string `json:"tool"`
	Rule    string `json:"rule"`
	Level   string `json:"level"` // error, warning, note; of vulnerabilities critical, high, medium, low
	File    string `json:"file"`  // from the top of the repository
	Line    int    `json:"line"`
	Message string `json:"message"`
}

// Place is the finding as an editor understands it.
func (f Finding) Place() string {
	switch {
	case f.File == "":
		return f.Rule
	case f.Line == 0:
		return f.File + ": " + f.Rule
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Rule)
}

// Scan is what one scanning stage came to.
type Scan struct {
	Ran      bool
	Skipped  string // why it did not run, when that is permitted
	Findings []Finding
}

// Facts is what the stages found.
type Facts struct {
	TestsRan                             bool
	TestsSkipped                         string
	TestsPassed, TestsFailed             int
	CoveragePercent                      *float64 // nil: not measured
	CoverageReason                       string   // why it was not
	SecretsScan, AnalysisScan, ImageScan Scan
	ImageScanned                         bool // whether the rule of vulnerabilities is to be judged yet
}

// Rule is the outcome of one rule.
type Rule struct {
	Name    string    `json:"name"`
	Passed  bool      `json:"passed"`
	Detail  string    `json:"detail"`
	Refused []Finding `json:"refused,omitempty"` // what broke it
	Allowed []Finding `json:"allowed,omitempty"` // what an exception let pass
}

// Verdict is the outcome of all rules.
type Verdict struct {
	Passed bool   `json:"passed"`
	Rules  []Rule `json:"rules"`
}

// Rule is the outcome of one rule by its name.
func (v Verdict) Rule(name string) (Rule, bool) {
	for _, r := range v.Rules {
		if r.Name == name {
			return r, true
		}
	}
	return Rule{}, false
}

// Why says in one line what was refused; empty when nothing was.
func (v Verdict) Why() string {
	var parts []string
	for _, r := range v.Rules {
		if !r.Passed {
			parts = append(parts, r.Name+": "+r.Detail)
		}
	}
	return strings.Join(parts, "; ")
}

// Judge applies the rules at a time.
func Judge(rules fawkesfile.Gate, f Facts, now time.Time) Verdict {
	out := []Rule{judgeTests(rules, f)}
	if rules.MinCoverage != nil {
		out = append(out, judgeCoverage(*rules.MinCoverage, f))
	}
	out = append(out, JudgeSecrets(rules, f.SecretsScan, now), JudgeAnalysis(rules, f.AnalysisScan, now))
	if f.ImageScanned {
		out = append(out, JudgeVulnerabilities(rules, f.ImageScan, now))
	}
	return Verdict{Passed: !slices.ContainsFunc(out, func(r Rule) bool { return !r.Passed }), Rules: out}
}

func judgeTests(rules fawkesfile.Gate, f Facts) Rule {
	r := Rule{Name: Tests}
	switch {
	case f.TestsSkipped != "":
		r.Passed, r.Detail = true, "skipped: "+f.TestsSkipped
	case !f.TestsRan:
		r.Detail = "the unit tests have not run"
	case f.TestsFailed > 0:
		r.Detail = fmt.Sprintf("%d of %d failed", f.TestsFailed, f.TestsPassed+f.TestsFailed)
	case f.TestsPassed < rules.MinTests:
		r.Detail = fmt.Sprintf("%d passed, at least %d are wanted", f.TestsPassed, rules.MinTests)
	default:
		r.Passed, r.Detail = true, fmt.Sprintf("%d passed", f.TestsPassed)
	}
	return r
}

func judgeCoverage(want float64, f Facts) Rule {
	r := Rule{Name: Coverage}
	switch {
	case f.TestsSkipped != "":
		r.Passed, r.Detail = true, "skipped: "+f.TestsSkipped
	case f.CoveragePercent == nil:
		r.Detail = fmt.Sprintf("not measured, at least %.1f %% is wanted", want)
		if f.CoverageReason != "" {
			r.Detail += ": " + f.CoverageReason
		}
	default:
		r.Passed = *f.CoveragePercent >= want
		r.Detail = fmt.Sprintf("%.1f %% of statements, at least %.1f %% is wanted", *f.CoveragePercent, want)
	}
	return r
}

// JudgeSecrets counts the secrets that no exception lets pass.
func JudgeSecrets(rules fawkesfile.Gate, s Scan, now time.Time) Rule {
	r, kept, out := begin(Secrets, "scan for secrets", rules, s, now)
	if out {
		return r
	}
	if len(kept) > rules.MaxSecrets {
		r.Passed, r.Refused = false, kept
	}
	r.Detail = sentence(kept, r, "secret", rules.MaxSecrets, r.Detail)
	return r
}

// JudgeAnalysis refuses findings of the level that is set and above.
func JudgeAnalysis(rules fawkesfile.Gate, s Scan, now time.Time) Rule {
	r, kept, out := begin(StaticAnalysis, "static analysis", rules, s, now)
	if out {
		return r
	}
	return byLevel(r, kept, rules.StaticAnalysis, []string{fawkesfile.LevelNote, fawkesfile.LevelWarning, fawkesfile.LevelError})
}

// JudgeVulnerabilities refuses vulnerabilities of the severity that is set and above.
func JudgeVulnerabilities(rules fawkesfile.Gate, s Scan, now time.Time) Rule {
	r, kept, out := begin(Vulnerabilities, "image scan", rules, s, now)
	if out {
		return r
	}
	return byLevel(r, kept, rules.Vulnerabilities, []string{"low", "medium", "high", "critical"})
}

// begin settles what all scans have in common; done says that there is nothing more to judge.
func begin(name, what string, rules fawkesfile.Gate, s Scan, now time.Time) (r Rule, kept []Finding, done bool) {
	r = Rule{Name: name}
	switch {
	case s.Skipped != "":
		r.Passed, r.Detail = true, "skipped: "+s.Skipped
		return r, nil, true
	case !s.Ran:
		r.Detail = "the " + what + " has not run"
		return r, nil, true
	}
	r.Passed = true
	expired := map[string]bool{}
	for _, f := range s.Findings {
		switch a, state := exception(rules.Allow, f, now); state {
		case inForce:
			r.Allowed = append(r.Allowed, f)
		case runOut:
			expired[fmt.Sprintf("the exception of line %d of %s ended on %s", a.Line, fawkesfile.Name, a.Until.AddDate(0, 0, -1).Format(time.DateOnly))] = true
			kept = append(kept, f)
		default:
			kept = append(kept, f)
		}
	}
	var notes []string
	for note := range expired {
		notes = append(notes, note)
	}
	slices.Sort(notes)
	r.Detail = strings.Join(notes, "; ") // the caller puts its sentence before it
	return r, kept, false
}

func byLevel(r Rule, kept []Finding, from string, order []string) Rule {
	if from != fawkesfile.Off {
		least := slices.Index(order, from)
		for _, f := range kept {
			if slices.Index(order, f.Level) >= least {
				r.Refused = append(r.Refused, f)
			}
		}
	}
	note := r.Detail
	r.Passed = len(r.Refused) == 0
	r.Detail = sentence(r.Refused, r, "finding", 0, "")
	if lesser := len(kept) - len(r.Refused); lesser > 0 {
		r.Detail += fmt.Sprintf(", %d below the level %q", lesser, from)
	}
	if note != "" && !r.Passed {
		r.Detail += " (" + note + ")"
	}
	return r
}

// mostNamed is how many findings a rule's detail names.
const mostNamed = 5

// sentence counts and names findings: "2 secrets: a.go:1: aws-key; b.go:2: jwt".
func sentence(refused []Finding, r Rule, noun string, permitted int, note string) string {
	text := fmt.Sprintf("%d %ss", len(refused), noun)
	switch len(refused) {
	case 0:
		text = "no " + noun
	case 1:
		text = "1 " + noun
	}
	if permitted > 0 {
		text += fmt.Sprintf(", %d permitted", permitted)
	}
	if len(refused) > 0 {
		var places []string
		for _, f := range refused[:min(len(refused), mostNamed)] {
			places = append(places, f.Place())
		}
		text += ": " + strings.Join(places, "; ")
		if more := len(refused) - mostNamed; more > 0 {
			text += fmt.Sprintf("; and %d more", more)
		}
	}
	if n := len(r.Allowed); n > 0 {
		text += fmt.Sprintf(", %d let pass by an exception", n)
	}
	if note != "" && len(refused) > 0 {
		text += " (" + note + ")"
	}
	return text
}

type state int

const (
	none state = iota
	inForce
	runOut
)

// exception finds the one that a finding falls under; one in force goes before one that has run out.
func exception(all []fawkesfile.Allow, f Finding, now time.Time) (fawkesfile.Allow, state) {
	var old *fawkesfile.Allow
	for i, a := range all {
		if !matches(a.Rule, f.Rule) && !matches(a.Rule, f.Tool+"/"+f.Rule) || a.Path != "" && !inPath(a.Path, f.File) {
			continue
		}
		if now.Before(a.Until) {
			return a, inForce
		}
		old = &all[i]
	}
	if old != nil {
		return *old, runOut
	}
	return fawkesfile.Allow{}, none
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// inPath says whether the pattern names the file or a folder above it.
func inPath(pattern, file string) bool {
	pattern = strings.TrimSuffix(strings.TrimPrefix(pattern, "./"), "/")
	pattern = strings.TrimSuffix(pattern, "/**")
	for file != "" && file != "." && file != "/" {
		if matches(pattern, file) {
			return true
		}
		file = path.Dir(file)
	}
	return false
}
