// Package environment reads environments.yaml, the file at the top of the
// environment repository that says which environments there are, in which order
// applications are promoted through them, and when they may be changed.
//
//	environments:
//	  - name: dev
//	    kind: development
//	  - name: staging
//	    kind: staging
//	    from: dev                # promoted from dev …
//	    promote: automatic       # … as soon as a roll-out there is healthy
//	  - name: production
//	    kind: production
//	    from: staging
//	    promote: approval        # somebody decides
//	    windows:
//	      - {kind: deny, days: [fri], from: "16:00", to: "24:00", zone: Europe/Berlin}
//	rollback: automatic          # a roll-out that fails is reverted
//	sync: automatic              # commits are rolled out when they arrive
//
// sync and rollback may be said of one environment as well. Every fault names
// its line. The package is pure.
package environment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// File is the name of the file.
const File = "environments.yaml"

// Default is what `fawkes up` puts into a new environment repository.
const Default = `# The environments of this platform, in the order of promotion.
environments:
  - name: dev
    kind: development
  - name: staging
    kind: staging
    from: dev
    promote: automatic
  - name: production
    kind: production
    from: staging
    promote: approval
sync: automatic
rollback: automatic
`

// The words for who acts.
const (
	Automatic = "automatic"
	Manual    = "manual"
	Approval  = "approval"
)

// Environment is one of them.
type Environment struct {
	Name     string
	Kind     string // development, staging, production
	From     string // promoted from; "" for none
	Promote  string // Automatic or Approval; "" without From
	Sync     string // Automatic or Manual
	Rollback string // Automatic or Manual
	Windows  []Window
}

// Environments is the file.
type Environments []Environment

// Find is the environment of a name.
func (e Environments) Find(name string) (Environment, bool) {
	for _, one := range e {
		if one.Name == name {
			return one, true
		}
	}
	return Environment{}, false
}

// Next are the environments that are promoted to from one.
func (e Environments) Next(name string) Environments {
	var out Environments
	for _, one := range e {
		if one.From == name {
			out = append(out, one)
		}
	}
	return out
}

// ValidName says whether s can name an environment or a service: what Kubernetes
// takes as the name of a namespace.
func ValidName(s string) bool { return len(s) <= 63 && dnsLabel.MatchString(s) }

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// Bounds of the file.
const (
	mostEnvironments = 50
	mostWindows      = 50
	mostBytes        = 64 << 10
)

type fileShape struct {
	Environments []environmentShape `yaml:"environments"`
	Sync         string             `yaml:"sync"`
	Rollback     string             `yaml:"rollback"`
}

type environmentShape struct {
	Name     string        `yaml:"name"`
	Kind     string        `yaml:"kind"`
	From     string        `yaml:"from"`
	Promote  string        `yaml:"promote"`
	Sync     string        `yaml:"sync"`
	Rollback string        `yaml:"rollback"`
	Windows  []windowShape `yaml:"windows"`
	line     int
}

type windowShape struct {
	Kind string   `yaml:"kind"`
	Days []string `yaml:"days"`
	From string   `yaml:"from"`
	To   string   `yaml:"to"`
	Zone string   `yaml:"zone"`
	line int
}

// UnmarshalYAML keeps the line.
func (s *environmentShape) UnmarshalYAML(n *yaml.Node) error {
	type plain environmentShape
	if err := known(n, "name", "kind", "from", "promote", "sync", "rollback", "windows"); err != nil {
		return err
	}
	if err := n.Decode((*plain)(s)); err != nil {
		return err
	}
	s.line = n.Line
	return nil
}

// UnmarshalYAML keeps the line.
func (s *windowShape) UnmarshalYAML(n *yaml.Node) error {
	type plain windowShape
	if err := known(n, "kind", "days", "from", "to", "zone"); err != nil {
		return err
	}
	if err := n.Decode((*plain)(s)); err != nil {
		return err
	}
	s.line = n.Line
	return nil
}

// alias is the line of the first alias, 0 for none: with them a short file could
// stand for an endless one.
func alias(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode {
		return n.Line
	}
	for _, inner := range n.Content {
		if line := alias(inner); line > 0 {
			return line
		}
	}
	return 0
}

// known refuses keys that nobody knows; a decoder's KnownFields does not reach
// below a type that unmarshals itself.
func known(n *yaml.Node, keys ...string) error {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		found := false
		for _, k := range keys {
			found = found || n.Content[i].Value == k
		}
		if !found {
			return fmt.Errorf("line %d: unknown key %q, want one of %s", n.Content[i].Line, n.Content[i].Value, strings.Join(keys, ", "))
		}
	}
	return nil
}

// Parse reads the file. An error names the file and the line.
func Parse(text []byte) (Environments, error) {
	if len(text) > mostBytes {
		return nil, fault(1, "the file has %d bytes, at most %d are read", len(text), mostBytes)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, located(err)
	}
	if line := alias(&document); line > 0 {
		return nil, fault(line, "an alias is not taken: write the value out")
	}
	var f fileShape
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fault(1, "the file is empty")
		}
		return nil, located(err)
	}
	if err := decoder.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return nil, fault(1, "want one document")
	}
	for _, c := range []struct{ key, value string }{{"sync", f.Sync}, {"rollback", f.Rollback}} {
		if err := word(lineOf(text, c.key), c.key, c.value, "", Automatic, Manual); err != nil {
			return nil, err
		}
	}
	if len(f.Environments) == 0 {
		return nil, fault(1, "names no environments: want a list under `environments`")
	}
	if len(f.Environments) > mostEnvironments {
		return nil, fault(f.Environments[mostEnvironments].line, "%d environments, at most %d are taken", len(f.Environments), mostEnvironments)
	}
	var all Environments
	for _, s := range f.Environments {
		e, err := s.environment(all, or(f.Sync, Automatic), or(f.Rollback, Automatic))
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func (s environmentShape) environment(before Environments, sync, rollback string) (Environment, error) {
	if !ValidName(s.Name) {
		return Environment{}, fault(s.line, "%q cannot name an environment: use lower-case letters, digits and hyphens", s.Name)
	}
	if _, twice := before.Find(s.Name); twice {
		return Environment{}, fault(s.line, "the environment %q is declared twice", s.Name)
	}
	if err := errors.Join(
		word(s.line, "kind", s.Kind, "development", "staging", "production"),
		word(s.line, "promote", s.Promote, "", Automatic, Approval),
		word(s.line, "sync", s.Sync, "", Automatic, Manual),
		word(s.line, "rollback", s.Rollback, "", Automatic, Manual),
	); err != nil {
		return Environment{}, err
	}
	e := Environment{Name: s.Name, Kind: s.Kind, From: s.From, Promote: s.Promote, Sync: or(s.Sync, sync), Rollback: or(s.Rollback, rollback)}
	switch _, there := before.Find(s.From); {
	case s.From == "" && s.Promote != "":
		return Environment{}, fault(s.line, "promote: %q is promoted from nowhere; say `from`", s.Name)
	case s.From != "" && !there:
		return Environment{}, fault(s.line, "from: %q is no environment above %q", s.From, s.Name)
	case s.From != "":
		e.Promote = or(s.Promote, Automatic)
	}
	if len(s.Windows) > mostWindows {
		return Environment{}, fault(s.line, "%d windows, at most %d are taken", len(s.Windows), mostWindows)
	}
	for _, w := range s.Windows {
		window, err := w.window()
		if err != nil {
			return Environment{}, err
		}
		e.Windows = append(e.Windows, window)
	}
	return e, nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func word(line int, key, value string, words ...string) error {
	for _, w := range words {
		if value == w {
			return nil
		}
	}
	return fault(line, "%s: %q is not one of %s", key, value, strings.Trim(strings.Join(words, ", "), ", "))
}

func fault(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", File, max(line, 1), fmt.Sprintf(format, args...))
}

// located brings an error of the YAML library into the form file:line: text.
func located(err error) error {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ")
	if m := atLine.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%s:%s: %s", File, m[1], strings.ReplaceAll(m[2], "\n  ", "; "))
	}
	return fmt.Errorf("%s:1: %s", File, strings.ReplaceAll(text, "\n  ", "; "))
}

var atLine = regexp.MustCompile(`(?s)^line (\d+): (.*)$`)

// lineOf is the line of a key at the top of the file.
func lineOf(text []byte, key string) int {
	for i, line := range bytes.Split(text, []byte("\n")) {
		if bytes.HasPrefix(line, []byte(key+":")) {
			return i + 1
		}
	}
	return 1
}

// Open says whether the environment may be changed at a time, and why not.
func (e Environment) Open(at time.Time) (open bool, reason string) { return openAt(e.Windows, at) }

// NextOpen is the first minute after a time at which the environment may be
// changed, false when none comes within eight days.
func (e Environment) NextOpen(after time.Time) (time.Time, bool) {
	at := after.Truncate(time.Minute)
	for range 8 * 24 * 60 {
		at = at.Add(time.Minute)
		if open, _ := e.Open(at); open {
			return at, true
		}
	}
	return time.Time{}, false
}
