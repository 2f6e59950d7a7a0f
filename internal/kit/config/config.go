// Package config turns defaults, a file, the environment and flags into the
// settings of the services, and explains every fault.
//
// Each layer wins over the one before it:
//
//	default < file (YAML) < FAWKES_<SERVICE>_<KEY> < flag
//
// A key that nobody declared is an error that names the nearest known one, in
// the file and in the environment alike: a setting with a slip in its name must
// not be ignored in silence.
package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// Sources of a value, from the weakest to the strongest.
const (
	FromDefault     = "default"
	FromFile        = "file"
	FromEnvironment = "environment"
	FromFlag        = "flag"
)

const prefix = "FAWKES_"

// Config holds the value of every declared key.
type Config struct {
	keys    []Key
	known   map[string]Key
	values  *koanf.Koanf
	sources map[string]string
}

// Line is one setting as `fawkes config check` shows it.
type Line struct {
	Key    string `json:"key"`
	Value  string `json:"value"` // masked when secret
	Source string `json:"source"`
	Env    string `json:"env"`
	Doc    string `json:"doc"`
}

// Load reads every layer. The file may be "" for none; env is what os.Environ
// returns; overrides holds the flags by key. The error names every fault at once.
func Load(keys []Key, path string, env []string, overrides map[string]string) (*Config, error) {
	c := &Config{keys: slices.Clone(keys), known: map[string]Key{}, values: koanf.New("."), sources: map[string]string{}}
	sort.Slice(c.keys, func(i, j int) bool { return c.keys[i].Name < c.keys[j].Name })
	defaults := map[string]any{}
	for _, k := range c.keys {
		if !strings.Contains(k.Name, ".") {
			return nil, fmt.Errorf("configuration: the key %q is not of the form service.key", k.Name)
		}
		if _, twice := c.known[k.Name]; twice {
			return nil, fmt.Errorf("configuration: the key %q is declared twice", k.Name)
		}
		c.known[k.Name] = k
		defaults[k.Name] = k.Default
	}
	var faults []error
	faults = append(faults, c.layer(FromDefault, defaults)...)
	if path != "" {
		fromFile, err := readFile(path)
		if err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		faults = append(faults, c.layer(FromFile, fromFile)...)
	}
	fromEnv, envFaults := c.environment(env)
	faults = append(faults, envFaults...)
	faults = append(faults, c.layer(FromEnvironment, fromEnv)...)
	flags := map[string]any{}
	for k, v := range overrides {
		flags[k] = v
	}
	faults = append(faults, c.layer(FromFlag, flags)...)
	for _, k := range c.keys {
		if k.Check == nil {
			continue
		}
		if err := k.Check.Refuse(c.values.String(k.Name)); err != nil {
			faults = append(faults, fmt.Errorf("%s (from %s): %w", k.Name, c.where(k.Name), err))
		}
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("configuration: %w", errors.Join(faults...))
	}
	return c, nil
}

func readFile(path string) (map[string]any, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("the file: %w", err)
	}
	k := koanf.New(".")
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		return nil, fmt.Errorf("the file %s: %w", path, err)
	}
	return k.All(), nil
}

// layer puts values over what is there, and reports keys that nobody declared.
func (c *Config) layer(source string, values map[string]any) []error {
	var faults []error
	for _, name := range sortedNames(values) {
		value := values[name]
		if _, ok := c.known[name]; !ok {
			faults = append(faults, fmt.Errorf("the %s has the unknown key %q%s", source, name, c.suggest(name, func(k string) string { return k })))
			continue
		}
		switch value.(type) {
		case nil, map[string]any, []any:
			faults = append(faults, fmt.Errorf("the %s gives %q no plain value; write a text, a number, or true or false", source, name))
			continue
		}
		if err := c.values.Load(confmap.Provider(map[string]any{name: fmt.Sprint(value)}, "."), nil); err != nil {
			faults = append(faults, fmt.Errorf("the key %q: %w", name, err))
			continue
		}
		c.sources[name] = source
	}
	return faults
}

// environment picks the variables of the services that are declared. A variable
// of a service that is not declared here belongs to somebody else (FAWKES_API,
// FAWKES_TOKEN, FAWKES_PEER_…); one of a declared service must be a declared key.
func (c *Config) environment(env []string) (map[string]any, []error) {
	variables := map[string]string{}
	for _, k := range c.keys {
		variables[variable(k.Name)] = k.Name
	}
	values, faults := map[string]any{}, []error{}
	for _, kv := range slices.Sorted(slices.Values(env)) {
		name, value, _ := strings.Cut(kv, "=")
		if key, ok := variables[name]; ok {
			values[key] = value
			continue
		}
		if c.ours(name) {
			faults = append(faults, fmt.Errorf("the environment has the unknown variable %s%s", name, c.suggest(name, variable)))
		}
	}
	return values, faults
}

// ours tells whether the variable carries the name of a declared service. What
// the program itself reads for each service is no setting of the service.
func (c *Config) ours(name string) bool {
	for _, k := range c.keys {
		service, _, _ := strings.Cut(k.Name, ".")
		if strings.HasPrefix(name, prefix+envName(service)+"_") && !strings.HasSuffix(name, "_DATABASE_URL") {
			return true
		}
	}
	return false
}

// suggest names the declared key that is nearest to the wrong one, if any is near.
func (c *Config) suggest(wrong string, form func(string) string) string {
	best, distance := "", len(wrong)/3+2
	for _, k := range c.keys {
		if d := edits(strings.ToLower(wrong), strings.ToLower(form(k.Name))); d < distance {
			best, distance = form(k.Name), d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// edits is the Levenshtein distance of two texts.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

func variable(key string) string {
	service, rest, _ := strings.Cut(key, ".")
	return prefix + envName(service) + "_" + envName(rest)
}

func envName(s string) string {
	return strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(s))
}

func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// String is the value of a declared key. Asking for another one is a fault of
// the program, not of its user, and panics.
func (c *Config) String(key string) string {
	if _, ok := c.known[key]; !ok {
		//nolint:forbidigo // a fault of the program, found by its first test
		panic("configuration: the program asks for the key " + key + ", which no module declares")
	}
	return c.values.String(key)
}

// Source tells where the value of the key came from.
func (c *Config) Source(key string) string { return c.sources[key] }

func (c *Config) where(key string) string {
	if c.sources[key] == FromEnvironment {
		return variable(key)
	}
	return "the " + c.sources[key]
}

// Explain lists every setting in the order of its name; secrets are masked.
func (c *Config) Explain() []Line {
	lines := make([]Line, 0, len(c.keys))
	for _, k := range c.keys {
		value := c.values.String(k.Name)
		if k.Secret && value != "" {
			value = "••••••"
		}
		lines = append(lines, Line{Key: k.Name, Value: value, Source: c.sources[k.Name], Env: variable(k.Name), Doc: k.Doc})
	}
	return lines
}
