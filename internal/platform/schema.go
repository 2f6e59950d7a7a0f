package platform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// definitions is where a schema refers to the types that it is made of.
const definitions = "#/$defs/"

// schema is the JSON schema of the inventory, made from its types.
func schema() (huma.Registry, *huma.Schema) {
	registry := huma.NewMapRegistry(definitions, huma.DefaultSchemaNamer)
	return registry, registry.Schema(reflect.TypeFor[Inventory](), true, "Inventory")
}

// Schema is platform/inventory.schema.json, with which an editor completes and checks the list.
func Schema() ([]byte, error) {
	registry, root := schema()
	text, err := json.Marshal(map[string]any{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"$comment":    generated,
		"title":       "The inventory of the platform",
		"description": "Every component of the platform. Beyond this, `fawkes platform check` sees that all names that are used exist.",
		"$ref":        root.Ref,
		"$defs":       registry.Map(),
	})
	if err != nil {
		return nil, fmt.Errorf("write the schema of the inventory: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return nil, fmt.Errorf("write the schema of the inventory: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// shape holds a decoded document against the schema.
func shape(document any) []Finding {
	registry, root := schema()
	result := &huma.ValidateResult{}
	huma.Validate(registry, root, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, document, result)
	var out []Finding
	for _, err := range result.Errors {
		detail, ok := err.(*huma.ErrorDetail) //nolint:errorlint // the validator documents that each is one of these, unwrapped
		if !ok {
			out = append(out, Finding{"inventory", err.Error(), "see inventory.schema.json"})
			continue
		}
		out = append(out, shapeFault(registry, root, document, detail))
	}
	return out
}

// shapeFault says what the validator found in the words of the inventory.
func shapeFault(registry huma.Registry, root *huma.Schema, document any, detail *huma.ErrorDetail) Finding {
	f := Finding{Field: named(document, detail.Location), Detail: detail.Message, Mend: "see inventory.schema.json"}
	switch {
	case detail.Message == "unexpected property":
		f.Detail = "is no key of the inventory"
		parent, _, _ := cutLast(detail.Location, ".")
		key := detail.Location[strings.LastIndex(detail.Location, ".")+1:]
		f.Mend = oneOf(key, properties(registry, root, parent))
	case strings.HasPrefix(detail.Message, "expected required property "):
		key := strings.Fields(detail.Message)[3]
		f.Field, f.Detail, f.Mend = strings.TrimPrefix(f.Field+"."+key, "."), "is missing", "add "+key
	case strings.HasPrefix(detail.Message, "expected value to be one of "):
		f.Detail = fmt.Sprintf("%v is not known", detail.Value)
		f.Mend = "give one of " + strings.TrimPrefix(detail.Message, "expected value to be one of ")
	}
	return f
}

// properties lists the keys that the schema allows at a location.
func properties(registry huma.Registry, s *huma.Schema, location string) []string {
	resolve := func(s *huma.Schema) *huma.Schema {
		for s != nil && s.Ref != "" {
			s = registry.SchemaFromRef(s.Ref)
		}
		return s
	}
	s = resolve(s)
	for _, part := range strings.FieldsFunc(location, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		switch {
		case s == nil:
			return nil
		case s.Items != nil:
			s = resolve(s.Items)
		case s.Properties[part] != nil:
			s = resolve(s.Properties[part])
		default: // a map, whose keys are free
			values, ok := s.AdditionalProperties.(*huma.Schema)
			if !ok {
				return nil
			}
			s = resolve(values)
		}
	}
	if s == nil {
		return nil
	}
	var out []string
	for name := range s.Properties {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// named writes a location with the names of list items instead of their numbers.
func named(document any, location string) string {
	var out strings.Builder
	at := document
	for i, part := range strings.FieldsFunc(location, func(r rune) bool { return r == '.' || r == '[' }) {
		index, isIndex := strings.CutSuffix(part, "]")
		if !isIndex {
			if i > 0 {
				out.WriteByte('.')
			}
			out.WriteString(part)
			at = child(at, part)
			continue
		}
		label := index
		at = item(at, index)
		if name, ok := child(at, "name").(string); ok && name != "" {
			label = name
		}
		out.WriteString("[" + label + "]")
	}
	return out.String()
}

func child(v any, key string) any {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	return m[key]
}

func item(v any, index string) any {
	list, ok := v.([]any)
	n, err := strconv.Atoi(index)
	if !ok || err != nil || n < 0 || n >= len(list) {
		return nil
	}
	return list[n]
}

// cutLast cuts s around the last separator.
func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return "", s, false
}
