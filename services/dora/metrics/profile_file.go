package metrics

import (
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// MaxProfile bounds the size of a profile's file.
const MaxProfile = 64 << 10

var profileName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// ParseProfile reads a user-defined profile from YAML (or JSON, which is YAML).
// It is data: names of rules and of their values, and bounds of levels; nothing
// in it is run. Its errors are *event.FieldError: they name the key with its
// line, and the mend.
func ParseProfile(data []byte) (Profile, error) {
	if len(data) > MaxProfile {
		return Profile{}, event.Fault("", "the file is larger than %d KiB", MaxProfile>>10)
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return Profile{}, event.Fault("name", "the file is empty; begin it with `name: <name>`")
		}
		return Profile{}, event.Fault("", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return Profile{}, event.Fault("", "the file holds more than one document; write one profile a file")
	}
	return readProfile(doc.Content[0])
}

// profileFile is the file while it is read.
type profileFile struct {
	p     Profile
	lines map[string]int // by key
}

func readProfile(root *yaml.Node) (Profile, error) {
	f := profileFile{lines: map[string]int{}}
	keys, err := f.mapping("", root, "name", "summary", "base", "rules", "levels")
	if err != nil {
		return Profile{}, err
	}
	for key, to := range map[string]*string{"name": &f.p.Name, "summary": &f.p.Summary, "base": &f.p.Base} {
		if *to, err = f.scalar(key, keys[key]); err != nil {
			return Profile{}, err
		}
	}
	switch {
	case f.p.Name == "":
		return Profile{}, event.Fault("name", "is required; begin the file with `name: <name>`")
	case !profileName.MatchString(f.p.Name):
		return Profile{}, f.fault("name", "the key name holds %q; write small letters, digits and . _ -, beginning with a letter or digit, at most 63, such as %q", f.p.Name, plainName(f.p.Name))
	case BuiltIn(f.p.Name):
		return Profile{}, f.fault("name", "%q is a built-in profile; take another name and write `base: %s`", f.p.Name, f.p.Name)
	case len(f.p.Summary) > 500:
		return Profile{}, f.fault("summary", "is longer than 500 bytes; one sentence will do")
	}
	if f.p.Base == "" {
		f.p.Base = ProfileDORA2025
	}
	base, err := ProfileNamed(f.p.Base)
	if err != nil {
		return Profile{}, f.fault("base", "%q is not a built-in profile: %s", f.p.Base, strings.Join(builtInNames(), ", "))
	}
	f.p.Choices = base.Choices
	if f.p.Summary == "" {
		f.p.Summary = "The rules of " + base.Name + ", with changes."
	}
	if err := f.rules(keys["rules"]); err != nil {
		return Profile{}, err
	}
	if err := f.levels(keys["levels"]); err != nil {
		return Profile{}, err
	}
	return f.p, f.possible()
}

// plainName is a name made of what names may hold, as near as can be.
func plainName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	if s = strings.Trim(s, "._-"); s == "" || len(s) > 63 {
		return "my-profile"
	}
	return s
}

func builtInNames() []string {
	var out []string
	for _, p := range Profiles() {
		out = append(out, p.Name)
	}
	return out
}

// fault names a key and, where it stands in the file, its line.
func (f *profileFile) fault(key, format string, args ...any) error {
	detail := fmt.Sprintf(format, args...)
	if line := f.lines[key]; line > 0 {
		detail = fmt.Sprintf("line %d: %s", line, detail)
	}
	return event.Fault(key, "%s", detail)
}

// mapping reads a mapping whose keys are known.
func (f *profileFile) mapping(at string, n *yaml.Node, known ...string) (map[string]*yaml.Node, error) {
	out := map[string]*yaml.Node{}
	if n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return out, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, event.Fault(at, "line %d: must be a mapping of keys to values", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		path := key.Value
		if at != "" {
			path = at + "." + key.Value
		}
		f.lines[path] = key.Line
		if !slices.Contains(known, key.Value) {
			return nil, f.fault(path, "is not known here; take one of %s", strings.Join(known, ", "))
		}
		if _, twice := out[key.Value]; twice {
			return nil, f.fault(path, "stands twice; keep one")
		}
		out[key.Value] = n.Content[i+1]
	}
	return out, nil
}

func (f *profileFile) scalar(key string, n *yaml.Node) (string, error) {
	switch {
	case n == nil:
		return "", nil
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		return "", f.fault(key, "must be a text")
	}
	return n.Value, nil
}

// rules reads the choices that differ from the base's.
func (f *profileFile) rules(n *yaml.Node) error {
	var known []string
	for _, r := range RuleBook() {
		known = append(known, r.ID)
	}
	keys, err := f.mapping("rules", n, known...)
	if err != nil {
		return err
	}
	for _, r := range RuleBook() {
		v, ok := keys[r.ID]
		if !ok {
			continue
		}
		value, err := f.choice(r, v)
		if err != nil {
			return err
		}
		f.p.Choices = r.With(f.p.Choices, value)
	}
	return nil
}

func (f *profileFile) choice(r *RuleInfo, n *yaml.Node) (string, error) {
	key := "rules." + r.ID
	var allowed []string
	for _, c := range r.Choices {
		allowed = append(allowed, c.Value)
	}
	if !r.Set {
		value, err := f.scalar(key, n)
		if err == nil && !slices.Contains(allowed, value) {
			err = f.fault(key, "%q is not one of %s", value, strings.Join(allowed, ", "))
		}
		return value, err
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return "", f.fault(key, "must be a list of some of %s, such as [%s]", strings.Join(allowed, ", "), allowed[0])
	}
	var values []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode || !slices.Contains(allowed, item.Value) {
			return "", f.fault(key, "%q is not one of %s", item.Value, strings.Join(allowed, ", "))
		}
		values = append(values, item.Value)
	}
	return canonicalSet(r, values), nil
}

// levels reads the profile's own bounds.
func (f *profileFile) levels(n *yaml.Node) error {
	names := []string{DeploymentFrequency, ChangeLeadTime, ChangeFailRate, RecoveryTime}
	keys, err := f.mapping("levels", n, names...)
	if err != nil || len(keys) == 0 {
		return err
	}
	if f.lines["rules.edition"] > 0 && f.p.Choices.Edition != EditionOwn {
		return f.fault("rules.edition", "the profile has levels of its own; leave this key out, or the levels")
	}
	f.p.Choices.Edition = EditionOwn
	for _, name := range names {
		v, ok := keys[name]
		if !ok {
			continue
		}
		at := "levels." + name
		bounds, err := f.mapping(at, v, Elite, High, Medium)
		if err != nil {
			return err
		}
		t := Table{Edition: EditionOwn, Metric: name}
		for _, level := range []string{Elite, High, Medium} {
			b, ok := bounds[level]
			if !ok {
				continue
			}
			text, err := f.scalar(at+"."+level, b)
			if err != nil {
				return err
			}
			bound, wrong := readBound(name, level, text)
			if wrong != "" {
				return f.fault(at+"."+level, "%q %s", text, wrong)
			}
			if len(t.Bounds) > 0 && !stricter(t.Bounds[len(t.Bounds)-1], bound) {
				return f.fault(at+"."+level, "%q is no easier to reach than the level above it; order the bounds from elite to medium", text)
			}
			t.Bounds = append(t.Bounds, bound)
		}
		if len(t.Bounds) == 0 {
			return f.fault(at, "has no bound; give elite, high or medium, such as %s", boundExample(name))
		}
		f.p.Bounds = append(f.p.Bounds, t)
	}
	return nil
}

func boundExample(metric string) string {
	switch metric {
	case DeploymentFrequency:
		return "5/week (days with a deployment), 1/month or 2/day (deployments)"
	case ChangeFailRate:
		return "5%"
	}
	return "1h, 1d or 1w"
}

// readBound reads a bound as people write it, or says what is wrong with it and
// what to write.
func readBound(metric, level, s string) (b Bound, wrong string) {
	switch metric {
	case DeploymentFrequency:
		return readFrequency(level, s)
	case ChangeFailRate:
		return readShare(level, s)
	}
	d, ok := readDuration(s)
	switch {
	case !ok:
		return Bound{}, "is not a bound such as " + boundExample(metric)
	case d <= 0:
		return Bound{}, "is no length of time; write one above zero, such as " + boundExample(metric)
	case d > longestBound:
		return Bound{}, "is longer than ten years; write a shorter one, such as " + boundExample(metric)
	}
	return Bound{level, Less, d.Seconds(), UnitSeconds, "less than " + s}, ""
}

func readFrequency(level, s string) (Bound, string) {
	n, per, _ := strings.Cut(s, "/")
	n, per = strings.TrimSpace(n), strings.TrimSpace(per)
	v, err := strconv.ParseFloat(n, 64)
	b := Bound{level, AtLeast, v, "", "on " + n + " days a " + per + " or more"}
	most := 0.0
	switch per {
	case "day":
		b.Unit, b.Text, most = UnitPerDay, n+" a day or more", 1e6
	case "week":
		b.Unit, most = unitPerWeek, 7
	case "month":
		b.Unit, most = unitPerMonth, 31
	}
	switch {
	case b.Unit == "" || err != nil || math.IsNaN(v):
		return Bound{}, "is not a bound such as " + boundExample(DeploymentFrequency)
	case v <= 0:
		return Bound{}, "is reached by nobody deploying; write a number above zero, such as " + boundExample(DeploymentFrequency)
	case v > most && per == "day":
		return Bound{}, fmt.Sprintf("is more than %.0f a day; write less, such as %s", most, boundExample(DeploymentFrequency))
	case v > most:
		return Bound{}, fmt.Sprintf("is more days than a %s has; write at most %.0f/%s, or n/day for deployments a day", per, most, per)
	}
	return b, ""
}

func readShare(level, s string) (Bound, string) {
	n, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
	if percent {
		v /= 100
	}
	switch {
	case err != nil || math.IsNaN(v):
		return Bound{}, "is not a bound such as " + boundExample(ChangeFailRate)
	case v < 0:
		return Bound{}, "is below nothing; write a share from 0% to 100%, such as " + boundExample(ChangeFailRate)
	case v > 1 && !percent:
		return Bound{}, "is a ratio above 1; write a share from 0 to 1, such as 0.05, or with a percent sign, such as " + boundExample(ChangeFailRate)
	case v > 1:
		return Bound{}, "is more than all deployments; write a share from 0% to 100%, such as " + boundExample(ChangeFailRate)
	}
	return Bound{level, AtMost, v, UnitRatio, strconv.FormatFloat(100*v, 'g', 6, 64) + " % or less"}, ""
}

// longestBound is the longest duration that a level can ask for.
const longestBound = 3653 * 24 * time.Hour

// readDuration reads 90m, 12h, 3d and 2w. What overflows comes out as longer
// than any bound.
func readDuration(s string) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	for unit, d := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
			return time.Duration(max(-1, min(v, 10_000)) * float64(d)), err == nil && !math.IsNaN(v)
		}
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// stricter reports whether a is harder to reach than b.
func stricter(a, b Bound) bool {
	in := map[string]float64{UnitPerDay: 1, unitPerWeek: 1.0 / 7, unitPerMonth: 1.0 / 31}
	if a.Than == AtLeast {
		return a.Value*in[a.Unit] > b.Value*in[b.Unit]
	}
	return a.Value < b.Value
}

// possible refuses choices that do not go together. The key at fault is one that
// the file sets, where it sets one of them.
func (f *profileFile) possible() error {
	c := f.p.Choices
	request := c.Unit == string(UnitPullRequest)
	for _, x := range []struct {
		wrong bool
		key   string
		mend  string
	}{
		{request && (c.LeadStart == LeadAuthored || c.LeadStart == LeadCommitted), RuleLeadStart, c.LeadStart + " is of a commit, and unit is pull_request; take first_commit, pr_created or merged"},
		{!request && c.LeadStart == LeadFirstCommit, RuleLeadStart, "first_commit is of a pull request, and unit is commit; take authored, committed, pr_created or merged"},
		{!request && c.LeadTime == LeadStages, RuleLeadTime, "stages are those of a pull request, and unit is commit; take span, or unit: pull_request"},
		{!request && c.Delivery == DeliveredPerPlace, RuleDelivery, "per_environment is about pull requests, and unit is commit, which counts in each environment anyway; take once"},
		{c.LeadTime == LeadStages && c.LeadFloor == FloorNone, RuleLeadFloor, "stages below zero count as 0, so none can be kept; take zero or positive"},
		{!hasWord(c.CountedOutcomes, event.OutcomeSuccess), RuleCountedOutcomes, "must hold success"},
		{!hasWord(c.RatedOutcomes, event.OutcomeSuccess), RuleRatedOutcomes, "must hold success"},
		{c.RecoveryOf != RecoverDeployments && c.RecoveryEnd == UntilRestored, RuleRecoveryEnd, "restored is of a deployment, and recovery_of is " + c.RecoveryOf + "; take incident_resolved, or recovery_of: failed_deployments"},
		{c.RecoveryEnd == UntilRestored && c.IncidentLink == LinkLatest, RuleRecoveryEnd, "what restored service is known for incident_link strongest and named only; take incident_resolved"},
		{c.RecoveryOf == RecoverIncidents && (c.RecoveryWindow == WindowDeployment || c.RecoveryWindow == WindowDeploymentAndEnd), RuleRecoveryWindow, "an incident need not belong to a deployment; take start or end, or recovery_of: linked_incidents"},
		{c.RecoveryOf == RecoverDeployments && c.Failures == FailedUnplanned, RuleFailures, "nothing tells when an unplanned deployment's failure ended; add outcome, rolled_back or incident"},
		{c.Edition == EditionOwn && len(f.p.Bounds) == 0, RuleEdition, "own needs `levels:` with bounds"},
		{c.Edition == EditionFourKeys && c.FrequencyLevel != LevelByFourKeysWeek, RuleEdition, "fourkeys judges the frequency by its weeks; take frequency_level: fourkeys_week, or another edition"},
	} {
		if x.wrong {
			return f.fault("rules."+x.key, "%s", x.mend)
		}
	}
	return nil
}
