package fawkesfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// mostFaults is how many faults are told at once.
const mostFaults = 20

// reader walks the document and gathers its faults.
type reader struct {
	faults []error
	lines  map[string]int
}

func (r *reader) fault(n *yaml.Node, path, format string, args ...any) {
	if len(r.faults) < mostFaults {
		line := 1
		if n != nil {
			line = n.Line
		}
		r.faults = append(r.faults, &Error{Line: line, Path: path, Detail: fmt.Sprintf(format, args...)})
	}
}

// Parse reads the file. The error joins all faults, each an *[Error].
func Parse(text []byte) (*File, error) {
	f := Default()
	if len(text) > MostBytes {
		return nil, &Error{Line: 1, Detail: fmt.Sprintf("the file has more than %d bytes", MostBytes)}
	}
	if !utf8.Valid(text) {
		return nil, &Error{Line: 1, Detail: "the file is not UTF-8"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return f, nil
	} else if err != nil {
		return nil, yamlError(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &Error{Line: 1, Detail: "the file holds more than one document"}
	}
	r := &reader{lines: f.Lines}
	r.read(f, doc.Content[0])
	if len(r.faults) > 0 {
		return nil, errors.Join(r.faults...)
	}
	return f, nil
}

var yamlLine = regexp.MustCompile(`line ([0-9]+): `)

func yamlError(err error) error {
	e := &Error{Line: 1, Detail: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlLine.FindStringSubmatch(e.Detail); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			e.Line = n
		}
		e.Detail = strings.Replace(e.Detail, m[0], "", 1)
	}
	return e
}

// field reads the value of one key.
type field func(n *yaml.Node, path string)

// fields reads a mapping by its known keys.
func (r *reader) fields(n *yaml.Node, path string, known map[string]field) {
	r.entries(n, path, func(key *yaml.Node, value *yaml.Node, at string) {
		read, ok := known[key.Value]
		if !ok {
			r.fault(key, at, "is not a key here; known are %s%s", strings.Join(slices.Sorted(maps.Keys(known)), ", "), nearest(key.Value, slices.Sorted(maps.Keys(known))))
			return
		}
		if value.Tag != "!!null" {
			read(value, at)
		}
	})
}

// entries goes through a mapping and refuses what is no plain one.
func (r *reader) entries(n *yaml.Node, path string, use func(key, value *yaml.Node, at string)) {
	if n.Kind != yaml.MappingNode {
		r.fault(n, path, "want a mapping of keys to values")
		return
	}
	if len(n.Content)/2 > mostEntries {
		r.fault(n, path, "has more than %d entries", mostEntries)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
			r.fault(key, path, "a key has to be plain text")
		case len(at) > mostText:
			r.fault(key, path, "a key is longer than %d bytes", mostText)
		case seen[key.Value]:
			r.fault(key, at, "is there twice")
		case value.Kind == yaml.AliasNode || value.Anchor != "" || key.Anchor != "":
			r.fault(value, at, "anchors and aliases are not read; write the value out")
		default:
			seen[key.Value] = true
			r.lines[at] = key.Line
			use(key, value, at)
		}
	}
}

// items goes through a list; one plain value is a list of one.
func (r *reader) items(n *yaml.Node, path string, use func(n *yaml.Node, at string)) {
	if n.Kind == yaml.ScalarNode {
		use(n, path)
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.fault(n, path, "want a list")
		return
	}
	if len(n.Content) > mostEntries {
		r.fault(n, path, "has more than %d entries", mostEntries)
		return
	}
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if item.Kind == yaml.AliasNode || item.Anchor != "" {
			r.fault(item, at, "anchors and aliases are not read; write the value out")
			continue
		}
		use(item, at)
	}
}

func (r *reader) text(n *yaml.Node, path string) string {
	if n.Kind != yaml.ScalarNode {
		r.fault(n, path, "want text")
		return ""
	}
	switch {
	case len(n.Value) > mostText:
		r.fault(n, path, "is longer than %d bytes", mostText)
		return ""
	case strings.IndexFunc(n.Value, func(c rune) bool { return c < ' ' && c != '\t' && c != '\n' || c == 0x7f }) >= 0:
		r.fault(n, path, "holds a control character")
		return ""
	}
	return n.Value
}

func (r *reader) texts(n *yaml.Node, path string) []string {
	var out []string
	r.items(n, path, func(n *yaml.Node, at string) { out = append(out, r.text(n, at)) })
	return out
}

func (r *reader) textMap(n *yaml.Node, path string) map[string]string {
	out := map[string]string{}
	r.entries(n, path, func(key, value *yaml.Node, at string) {
		if !variable.MatchString(key.Value) {
			r.fault(key, at, "is no name of a variable: want letters, digits and _")
			return
		}
		out[key.Value] = r.text(value, at)
	})
	return out
}

func (r *reader) flag(n *yaml.Node, path string) bool {
	var v bool
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Decode(&v) != nil {
		r.fault(n, path, "want true or false")
	}
	return v
}

func (r *reader) number(n *yaml.Node, path string, low, high int) int {
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < low || v > high {
		r.fault(n, path, "want a whole number from %d to %d", low, high)
		return low
	}
	return v
}

func (r *reader) choice(n *yaml.Node, path string, among ...string) string {
	if n.Kind != yaml.ScalarNode || !slices.Contains(among, n.Value) {
		r.fault(n, path, "want one of %s%s", strings.Join(among, ", "), nearest(n.Value, among))
		return among[0]
	}
	return n.Value
}

// The bounds of a stage's time.
const (
	shortest = time.Second
	longest  = 2 * time.Hour
)

func (r *reader) duration(n *yaml.Node, path string) time.Duration {
	d, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || d < shortest || d > longest {
		r.fault(n, path, "want a time from 1s to 2h, such as 5m")
		return 0
	}
	return d
}

// command reads a program with its arguments: a list, or one line for the shell.
func (r *reader) command(n *yaml.Node, path string) []string {
	if n.Kind == yaml.ScalarNode {
		line := r.text(n, path)
		if strings.TrimSpace(line) == "" {
			r.fault(n, path, "is empty")
			return nil
		}
		return []string{"sh", "-ec", line}
	}
	words := r.texts(n, path)
	if len(words) == 0 || words[0] == "" {
		r.fault(n, path, "is empty")
		return nil
	}
	return words
}

// folder reads a path inside the work tree.
func (r *reader) folder(n *yaml.Node, path string) string {
	s := r.text(n, path)
	if strings.HasPrefix(s, "/") || slices.Contains(strings.Split(s, "/"), "..") || strings.ContainsRune(s, '\\') {
		r.fault(n, path, "want a path inside the repository, without ..")
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(s, "./"), "/")
}

// nearest names the known word that was probably meant.
func nearest(word string, known []string) string {
	best, at := "", 3
	for _, k := range known {
		if d := distance(word, k); d < at {
			best, at = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// distance is Levenshtein's, of short words.
func distance(a, b string) int {
	if len(a) > 40 {
		return 40
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := before
			if a[i-1] != b[j-1] {
				cost++
			}
			before = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
