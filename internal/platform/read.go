package platform

import (
	"encoding/json"
	"fmt"

	"gopkg.in/yaml.v3"
)

// Read reads an inventory and refuses one that cannot be meant, with an *Invalid that has every fault. Faults of form
// (keys, types) are told alone, since the meaning of a list of the wrong form is not known.
func Read(text []byte, services []Service) (*Inventory, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, &Invalid{[]Finding{{"inventory", "is no YAML: " + err.Error(), "mend the line"}}}
	}
	if len(document.Content) == 0 {
		return nil, &Invalid{[]Finding{{"inventory", "is empty", "list the components"}}}
	}
	if findings := duplicates(document.Content[0], ""); len(findings) > 0 {
		return nil, &Invalid{findings}
	}
	var plain any
	if err := document.Decode(&plain); err != nil {
		return nil, &Invalid{[]Finding{{"inventory", err.Error(), "mend the line"}}}
	}
	asJSON, err := json.Marshal(plain)
	if err != nil {
		return nil, &Invalid{[]Finding{{"inventory", err.Error(), "use keys that are words"}}}
	}
	var generic any
	if err := json.Unmarshal(asJSON, &generic); err != nil {
		return nil, fmt.Errorf("read the inventory: %w", err)
	}
	if findings := shape(generic); len(findings) > 0 {
		return nil, &Invalid{findings}
	}
	inv := &Inventory{}
	if err := json.Unmarshal(asJSON, inv); err != nil {
		return nil, fmt.Errorf("read the inventory: %w", err)
	}
	if findings := verify(inv, services); len(findings) > 0 {
		return nil, &Invalid{findings}
	}
	return inv, nil
}

// duplicates finds keys that stand twice in one mapping: the later one would win in silence.
func duplicates(n *yaml.Node, path string) []Finding {
	var out []Finding
	switch n.Kind {
	case yaml.MappingNode:
		lines := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			at := key.Value
			if path != "" {
				at = path + "." + key.Value
			}
			if first, twice := lines[key.Value]; twice {
				out = append(out, Finding{at, fmt.Sprintf("stands twice, in lines %d and %d", first, key.Line), "keep one of them"})
			}
			lines[key.Value] = key.Line
			out = append(out, duplicates(n.Content[i+1], at)...)
		}
	case yaml.SequenceNode:
		for i, el := range n.Content {
			out = append(out, duplicates(el, fmt.Sprintf("%s[%s]", path, itemLabel(el, i)))...)
		}
	}
	return out
}

// itemLabel is the name of a list's item, or its number.
func itemLabel(n *yaml.Node, index int) string {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == "name" {
				return n.Content[i+1].Value
			}
		}
	}
	return fmt.Sprint(index)
}
