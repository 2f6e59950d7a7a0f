package platform

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// ChartsFolder holds, for each chart of others that the inventory names, which values the pinned version knows.
const ChartsFolder = "platform/charts"

// Keys says which values a chart of one version knows, and of which type each is. It holds no values and no text of the
// chart.
type Keys struct {
	Chart   string         `yaml:"chart"`
	Version string         `yaml:"version"`
	Values  map[string]any `yaml:"values"` // a tree; its leaves are the words below
}

// The words for a value's type in Keys. Under the key others a mapping takes keys of any name.
const (
	isAny    = "any" // the chart gives no default, or only its templates name it
	isMap    = "map" // a mapping of any keys
	isList   = "list"
	isString = "string"
	isNumber = "number"
	isBool   = "boolean"
	others   = "*"
)

// reference finds the values that a template reads.
var reference = regexp.MustCompile(`\.Values((?:\.[A-Za-z0-9_]+)+)`)

// ReadChart reads the keys of an unpacked chart, and its default values.
//
// Known are the keys of values.yaml, those that a template reads by name, and the names of its dependencies with the keys of
// each that is there. Where a template reads a mapping as a whole, that mapping takes keys of any name: it may be
// passed on or gone through. Where the chart's own schema allows several types, none is asked for.
func ReadChart(dir string) (*Keys, map[string]any, error) {
	var about struct {
		Name, Version string
		Dependencies  []struct{ Name, Alias string }
	}
	if err := readYAML(filepath.Join(dir, "Chart.yaml"), &about); err != nil {
		return nil, nil, fmt.Errorf("read the chart in %s: %w", dir, err)
	}
	defaults := map[string]any{}
	if err := readYAML(filepath.Join(dir, "values.yaml"), &defaults); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read the values of %s: %w", about.Name, err)
	}
	keys := &Keys{Chart: about.Name, Version: about.Version, Values: typesOf(defaults)}
	var schema schemaNode
	if err := readYAML(filepath.Join(dir, "values.schema.json"), &schema); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read the schema of %s: %w", about.Name, err)
	}
	loosen(keys.Values, schema)
	read, err := references(filepath.Join(dir, "templates"))
	if err != nil {
		return nil, nil, fmt.Errorf("read the templates of %s: %w", about.Name, err)
	}
	for _, way := range read {
		keys.addReference(way)
	}
	for _, d := range about.Dependencies {
		name := d.Name
		if d.Alias != "" {
			name = d.Alias
		}
		switch sub, _, err := ReadChart(filepath.Join(dir, "charts", d.Name)); {
		case errors.Is(err, fs.ErrNotExist):
			keys.Values[name] = isAny
		case err != nil:
			return nil, nil, err
		default:
			keys.Values[name] = merged(sub.Values, keys.Values[name])
		}
	}
	return keys, defaults, nil
}

func readYAML(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(text, into)
}

// typesOf is the tree of a mapping's types.
func typesOf(values map[string]any) map[string]any {
	out := map[string]any{}
	for key, v := range values {
		out[key] = typeOf(v)
	}
	return out
}

func typeOf(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return isMap
		}
		return typesOf(v)
	case []any:
		return isList
	case string:
		return isString
	case int, float64, int64, uint64:
		return isNumber
	case bool:
		return isBool
	}
	return isAny
}

// schemaNode is what is read of a chart's own schema. JSON is YAML.
type schemaNode struct {
	Type       any                   `yaml:"type"`
	Properties map[string]schemaNode `yaml:"properties"`
}

// loosen takes the type of a default away where the chart's schema allows several.
func loosen(tree map[string]any, schema schemaNode) {
	for key, node := range schema.Properties {
		switch known := tree[key].(type) {
		case map[string]any:
			loosen(known, node)
		case string:
			if types, several := node.Type.([]any); several && len(types) > 1 {
				tree[key] = isAny
			}
		}
	}
}

// merged is a tree with the keys of another that it lacks.
func merged(tree map[string]any, more any) map[string]any {
	if m, ok := more.(map[string]any); ok {
		for key, v := range m {
			if _, there := tree[key]; !there {
				tree[key] = v
			}
		}
	}
	return tree
}

// references lists what the templates of a folder read, each as the way to it.
func references(dir string) ([][]string, error) {
	var out [][]string
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range reference.FindAllSubmatch(text, -1) {
			out = append(out, strings.Split(string(m[1][1:]), "."))
		}
		return nil
	})
	return out, err
}

// addReference adds what a template reads. What is read by name below a mapping of any keys adds nothing.
func (k *Keys) addReference(way []string) {
	tree := k.Values
	for i, key := range way {
		next, there := tree[key]
		below, deeper := next.(map[string]any)
		last := i == len(way)-1
		switch {
		case last && deeper:
			below[others] = isAny
		case last && !there:
			tree[key] = isAny
		case last || next == isMap || (there && !deeper):
			return
		case !there:
			below = map[string]any{}
			tree[key] = below
		}
		tree = below
	}
}

// Text is the file of the keys.
func (k *Keys) Text() ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Generated by `fawkes platform charts` from the chart of this version; do not edit.\n")
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(k); err != nil {
		return nil, fmt.Errorf("write the keys of %s: %w", k.Chart, err)
	}
	return out.Bytes(), nil
}

// chartFile is the file of the keys of a chart, in the repository.
func chartFile(name string) string { return path.Join(ChartsFolder, name+".yaml") }

// charts lists the sources of charts of the inventory, by the field that names each.
func (inv *Inventory) charts() map[string]Source {
	out := map[string]Source{}
	for _, c := range inv.Components {
		at := "components[" + c.Name + "]"
		if c.Source.Chart != nil {
			out[at+".source"] = c.Source
		}
		for profile, s := range c.Instead {
			if s.Chart != nil {
				out[at+".instead."+profile] = s
			}
		}
	}
	return out
}

// ChartKeys reads from dir, which holds one unpacked chart a folder named by the chart, the keys of the charts that the
// inventory names, as files of the repository. Charts that dir lacks are told by name.
func ChartKeys(inv *Inventory, dir string) (files map[string][]byte, absent []string, err error) {
	files = map[string][]byte{}
	sources := inv.charts()
	for _, at := range slices.Sorted(maps.Keys(sources)) {
		chart := sources[at].Chart
		keys, _, err := ReadChart(filepath.Join(dir, chart.Name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			absent = append(absent, chart.Name+" "+chart.Version)
			continue
		case err != nil:
			return nil, nil, err
		case keys.Version != chart.Version:
			return nil, nil, fmt.Errorf("%s has the chart %s in version %s, and the inventory names %s", dir, chart.Name, keys.Version, chart.Version)
		}
		if files[chartFile(chart.Name)], err = keys.Text(); err != nil {
			return nil, nil, err
		}
	}
	return files, absent, nil
}
