package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// ChartValues holds the values that the inventory gives to charts of others against the keys that each chart knows: those
// that the tree at root keeps in [ChartsFolder] and, when charts is not empty, against the unpacked charts in that folder
// too, whose defaults must not be repeated.
func ChartValues(root string, inv *Inventory, charts string) ([]Finding, error) {
	var out []Finding
	sources := inv.charts()
	for _, at := range slices.Sorted(maps.Keys(sources)) {
		s := sources[at]
		var keys Keys
		switch err := readYAML(filepath.Join(root, filepath.FromSlash(chartFile(s.Chart.Name))), &keys); {
		case errors.Is(err, fs.ErrNotExist):
			out = append(out, Finding{at + ".chart", "the keys of " + s.Chart.Name + " are not known", "run `fawkes platform charts` on a folder that has the chart"})
			continue
		case err != nil:
			return nil, fmt.Errorf("read the keys of %s: %w", s.Chart.Name, err)
		}
		if keys.Version != s.Chart.Version {
			out = append(out, Finding{at + ".chart.version", fmt.Sprintf("is %s, and the keys that are known are those of %s", s.Chart.Version, keys.Version), "run `fawkes platform charts` on a folder that has the chart"})
			continue
		}
		out = append(out, keys.unknown(at+".values", keys.Values, s.Values)...)
		if charts == "" {
			continue
		}
		more, err := ofChart(filepath.Join(charts, s.Chart.Name), at, s)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// ofChart holds values against the chart itself.
func ofChart(dir, at string, s Source) ([]Finding, error) {
	keys, defaults, err := ReadChart(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{{at + ".chart", "the folder of charts has no " + s.Chart.Name, "add the chart, unpacked, in a folder of its name"}}, nil
	case err != nil:
		return nil, err
	case keys.Version != s.Chart.Version:
		return []Finding{{at + ".chart.version", fmt.Sprintf("is %s, and the folder of charts has %s", s.Chart.Version, keys.Version), "add that version"}}, nil
	}
	return append(keys.unknown(at+".values", keys.Values, s.Values), repeated(at+".values", defaults, s.Values)...), nil
}

// unknown finds values whose key the chart does not know, or whose type is another.
func (k *Keys) unknown(at string, tree, values map[string]any) []Finding {
	var out []Finding
	for _, key := range slices.Sorted(maps.Keys(values)) {
		field := at + "." + key
		known, there := tree[key]
		if !there {
			if _, open := tree[others]; !open {
				names := slices.DeleteFunc(slices.Sorted(maps.Keys(tree)), func(name string) bool { return name == others })
				out = append(out, Finding{field, fmt.Sprintf("the chart %s %s reads no such value", k.Chart, k.Version), oneOf(key, names)})
			}
			continue
		}
		value := values[key]
		switch known := known.(type) {
		case map[string]any:
			inner, ok := value.(map[string]any)
			if !ok {
				out = append(out, Finding{field, fmt.Sprintf("the chart %s %s has a mapping here", k.Chart, k.Version), "give keys"})
				continue
			}
			if !anyKeys(key) {
				out = append(out, k.unknown(field, known, inner)...)
			}
		case string:
			got := typeName(value)
			tag := key == "tag" && known == isNumber && got == isString // a default such as 8, which a longer tag replaces
			if known != isAny && value != nil && got != known && !tag {
				out = append(out, Finding{field, fmt.Sprintf("is a %s, and the chart %s %s has a %s", got, k.Chart, k.Version, known), "give a " + known})
			}
		}
	}
	return out
}

// anyKeys says that a mapping of that name takes keys of any name in every chart, also where the chart itself has some.
func anyKeys(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "annotations") || strings.HasSuffix(name, "labels")
}

// typeName is the word for a value's type.
func typeName(v any) string {
	if name, ok := typeOf(v).(string); ok {
		return name
	}
	return isMap
}

// repeated finds values that say what the chart says already: they would hide a later change of its mind.
func repeated(at string, defaults, values map[string]any) []Finding {
	var out []Finding
	for _, key := range slices.Sorted(maps.Keys(values)) {
		field := at + "." + key
		standard, there := defaults[key]
		if !there {
			continue
		}
		inner, ok := values[key].(map[string]any)
		below, deeper := standard.(map[string]any)
		switch {
		case ok && deeper && len(inner) > 0:
			out = append(out, repeated(field, below, inner)...)
		case same(standard, values[key]):
			out = append(out, Finding{field, "repeats the default of the chart", "take it away"})
		}
	}
	return out
}

// same compares values of YAML and of JSON, whose numbers differ in their types.
func same(a, b any) bool {
	return reflect.DeepEqual(a, b) || (typeOf(a) == isNumber && typeOf(b) == isNumber && fmt.Sprint(a) == fmt.Sprint(b))
}
