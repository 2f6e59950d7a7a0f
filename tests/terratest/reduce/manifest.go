package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/fawkes-idp/fawkes/tests/terratest/schema"
)

// manifest is what a package of bindings says of a provider. Its form is jsii's.
type manifest struct {
	name, version string
	provider      string // the provider's version
	types         map[string]*kind
	resources     map[string]*kind // the classes of resources, by the resource's type
}

// kind is one interface or class of the bindings.
type kind struct {
	Name       string     `json:"name"`
	Kind       string     `json:"kind"`
	Base       string     `json:"base"`
	Properties []property `json:"properties"`
	Init       *struct {
		Parameters []struct {
			Name string  `json:"name"`
			Type typeRef `json:"type"`
		} `json:"parameters"`
	} `json:"initializer"`
	Docs docs `json:"docs"`
	FQN  string
}

type property struct {
	Name      string  `json:"name"`
	Optional  bool    `json:"optional"`
	Immutable bool    `json:"immutable"`
	Static    bool    `json:"static"`
	Protected bool    `json:"protected"`
	Type      typeRef `json:"type"`
	Docs      docs    `json:"docs"`
}

type docs struct {
	Summary string `json:"summary"`
	Remarks string `json:"remarks"`
}

// typeRef is the type of a property, of which one field is set.
type typeRef struct {
	Primitive  string `json:"primitive"`
	FQN        string `json:"fqn"`
	Collection *struct {
		Kind    string  `json:"kind"`
		Element typeRef `json:"elementtype"`
	} `json:"collection"`
	Union *struct {
		Types []typeRef `json:"types"`
	} `json:"union"`
}

var (
	providerVersion = regexp.MustCompile(`bindings for \S+ provider version (\d+\.\d+\.\d+)`)
	resourceLink    = regexp.MustCompile(`/docs/resources/(\w+) `)
	argumentLink    = regexp.MustCompile(`/docs[^ #]*#(\w+) `)
)

func readManifest(folder string) (*manifest, error) {
	text, err := os.ReadFile(filepath.Join(folder, ".jsii"))
	if err != nil {
		return nil, err
	}
	var raw struct {
		Name    string           `json:"name"`
		Version string           `json:"version"`
		Types   map[string]*kind `json:"types"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	readme, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		return nil, err
	}
	found := providerVersion.FindSubmatch(readme)
	if found == nil {
		return nil, errors.New("the README does not say the provider's version")
	}
	m := &manifest{name: raw.Name, version: raw.Version, provider: string(found[1]), types: raw.Types, resources: map[string]*kind{}}
	prefix := strings.TrimPrefix(raw.Name, "@cdktf/provider-")
	for fqn, k := range raw.Types {
		k.FQN = fqn
		if k.Kind != "class" || k.Base != "cdktf.TerraformResource" {
			continue
		}
		if link := resourceLink.FindStringSubmatch(k.Docs.Summary + k.Docs.Remarks + " "); link != nil {
			m.resources[prefix+"_"+link[1]] = k
		}
	}
	return m, nil
}

// resource is the body of one type of resource: its arguments from the interface of its settings, and what is computed
// from the rest of its class.
func (m *manifest) resource(name string) (*schema.Block, error) {
	class, ok := m.resources[name]
	if !ok {
		return nil, errors.New("the package has no such resource")
	}
	b, err := m.block(class.FQN+"Config", class.FQN)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// block is the body that an interface describes, with what its class computes beside it when class is not "".
func (m *manifest) block(fqn, class string) (*schema.Block, error) {
	k, ok := m.types[fqn]
	if !ok {
		return nil, fmt.Errorf("the package has no %s", fqn)
	}
	b := &schema.Block{Attributes: map[string]schema.Attribute{}, Blocks: map[string]schema.Nested{}}
	given := map[string]bool{}
	for _, p := range k.Properties {
		given[p.Name] = true
		name := snake(p.Name)
		if link := argumentLink.FindStringSubmatch(p.Docs.Summary + " " + p.Docs.Remarks + " "); link != nil {
			name = link[1]
		}
		if name == "alias" && class == "" && strings.HasSuffix(fqn, "ProviderConfig") {
			continue // Terraform's own
		}
		if p.Docs.Summary == name+" block." {
			n, err := m.nested(p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			n.Single = name == "timeouts"
			b.Blocks[name] = n
			continue
		}
		t, err := m.typeOf(p.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		b.Attributes[name] = schema.Attribute{Type: t, Required: !p.Optional, Optional: p.Optional}
	}
	return b, m.computed(b, class, given)
}

// computed adds the values that only the provider sets.
func (m *manifest) computed(b *schema.Block, class string, given map[string]bool) error {
	if class == "" {
		return nil
	}
	k, ok := m.types[class]
	if !ok {
		return nil
	}
	for _, p := range k.Properties {
		if given[p.Name] || p.Static || p.Protected || p.Optional || !p.Immutable || p.Name == "fqn" {
			continue
		}
		t, err := m.typeOf(p.Type)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		b.Attributes[snake(p.Name)] = schema.Attribute{Type: t, Computed: true}
	}
	return nil
}

func (m *manifest) nested(p property) (schema.Nested, error) {
	t, many := p.Type, false
	for t.FQN == "" {
		switch {
		case t.Union != nil:
			t = preferred(t)
		case t.Collection != nil && t.Collection.Kind == "array":
			t, many = t.Collection.Element, true
		default:
			return schema.Nested{}, errors.New("a block of no known type")
		}
		if t.FQN == resolvable {
			return schema.Nested{}, errors.New("a block without a type")
		}
	}
	b, err := m.block(t.FQN, t.FQN+"OutputReference")
	if err != nil {
		return schema.Nested{}, err
	}
	// These belong to the class, not to the block.
	delete(b.Attributes, "internal_value")
	n := schema.Nested{Block: *b}
	if !p.Optional {
		n.Min = 1
	}
	if !many {
		n.Max = 1
	}
	return n, nil
}

const resolvable = "cdktf.IResolvable"

// preferred is the member of a union that says the most: a value beside a placeholder for one, a list beside that.
func preferred(t typeRef) typeRef {
	for _, u := range t.Union.Types {
		if u.FQN != resolvable {
			return u
		}
	}
	return typeRef{FQN: resolvable}
}

func (m *manifest) typeOf(t typeRef) (any, error) {
	switch {
	case t.Union != nil:
		return m.typeOf(preferred(t))
	case t.Collection != nil:
		e, err := m.typeOf(t.Collection.Element)
		if t.Collection.Kind == "map" {
			return []any{"map", e}, err
		}
		return []any{"list", e}, err
	case t.Primitive == "boolean":
		return "bool", nil
	case t.Primitive == "string", t.Primitive == "number":
		return t.Primitive, nil
	case t.Primitive == "any":
		return "dynamic", nil
	}
	switch t.FQN {
	case "cdktf.IResolvable":
		return "bool", nil // what is a boolean or a placeholder for one has lost its name
	case "cdktf.StringMap":
		return []any{"map", "string"}, nil
	case "cdktf.BooleanMap":
		return []any{"map", "bool"}, nil
	case "cdktf.NumberMap":
		return []any{"map", "number"}, nil
	case "cdktf.AnyMap":
		return []any{"map", "dynamic"}, nil
	case "cdktf.StringMapList":
		return []any{"list", []any{"map", "string"}}, nil
	}
	k, ok := m.types[t.FQN]
	if !ok {
		return nil, fmt.Errorf("no such type: %s", t.FQN)
	}
	if k.Base == "cdktf.ComplexList" {
		e, err := m.object(strings.TrimSuffix(t.FQN, "List") + "OutputReference")
		return []any{"list", e}, err
	}
	if k.Base == "cdktf.ComplexMap" {
		e, err := m.object(strings.TrimSuffix(t.FQN, "Map") + "OutputReference")
		return []any{"map", e}, err
	}
	return m.object(t.FQN)
}

// object is the type of a value with named fields.
func (m *manifest) object(fqn string) (any, error) {
	k, ok := m.types[fqn]
	if !ok {
		return nil, fmt.Errorf("no such type: %s", fqn)
	}
	fields := map[string]any{}
	for _, p := range k.Properties {
		if p.Name == "internalValue" || p.Protected || (k.Kind == "class" && p.Optional) {
			continue
		}
		t, err := m.typeOf(p.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		fields[snake(p.Name)] = t
	}
	return []any{"object", fields}, nil
}

// snake is the Terraform name of a name in the bindings.
func snake(name string) string {
	var out strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}
