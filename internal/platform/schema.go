package platform

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
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
	out := unknown(registry, root, document, document, "")
	for _, err := range result.Errors {
		detail, ok := err.(*huma.ErrorDetail) //nolint:errorlint // the validator adds no other, and wraps none
		switch {
		case !ok:
			out = append(out, Finding{"inventory", err.Error(), "see inventory.schema.json"})
		case detail.Message != validation.MsgUnexpectedProperty: // told above, in upper and lower case
			out = append(out, shapeFault(document, detail))
		}
	}
	slices.SortFunc(out, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Detail, b.Detail)) })
	return out
}

// shapeFault says what the validator found in the words of the inventory.
func shapeFault(document any, detail *huma.ErrorDetail) Finding {
	f := Finding{Field: named(document, detail.Location), Detail: detail.Message, Mend: "see inventory.schema.json"}
	switch {
	case strings.HasPrefix(detail.Message, "expected required property "):
		key := strings.Fields(detail.Message)[3]
		f.Field, f.Detail, f.Mend = strings.TrimPrefix(f.Field+"."+key, "."), "is missing", "add "+key
	case strings.HasPrefix(detail.Message, "expected value to be one of "):
		f.Detail = fmt.Sprintf("%v is not known", detail.Value)
		f.Mend = "give one of " + strings.TrimPrefix(detail.Message, "expected value to be one of ")
	}
	return f
}

// unknown finds the keys that the schema does not have, letter by letter: the validator takes apiserver for apiServer.
func unknown(registry huma.Registry, s *huma.Schema, document, at any, location string) []Finding {
	for s != nil && s.Ref != "" {
		s = registry.SchemaFromRef(s.Ref)
	}
	if s == nil {
		return nil
	}
	var out []Finding
	switch v := at.(type) {
	case []any:
		for i, el := range v {
			out = append(out, unknown(registry, s.Items, document, el, fmt.Sprintf("%s[%d]", location, i))...)
		}
	case map[string]any:
		values, free := s.AdditionalProperties.(*huma.Schema)
		for key, el := range v {
			path := strings.TrimPrefix(location+"."+key, ".")
			property, known := s.Properties[key]
			switch {
			case known:
				out = append(out, unknown(registry, property, document, el, path)...)
			case free:
				out = append(out, unknown(registry, values, document, el, path)...)
			case s.Properties != nil:
				mend := oneOf(key, slices.Sorted(maps.Keys(s.Properties)))
				out = append(out, Finding{named(document, path), "is no key of the inventory", mend})
			}
		}
	}
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
