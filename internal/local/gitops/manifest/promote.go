package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// Promote is the kustomization of an environment after a promotion: the images,
// the fawkes.dev annotations and the resources in base/ are those of the source,
// the namespace is the environment's, and everything else is the target's own, with
// its comments. A target that is not there yet is the source's with the namespace; one
// of production has the hosts that the manifests say, not those with the environment's
// name before them.
func Promote(source, target []byte, environment string, production bool) ([]byte, error) {
	from, err := mapping(source)
	if err != nil {
		return nil, fmt.Errorf("the promoted %s: %w", Kustomization, err)
	}
	to := from
	if len(target) > 0 {
		if to, err = mapping(target); err != nil {
			return nil, fmt.Errorf("the present %s: %w", Kustomization, err)
		}
		if to != from {
			put(to, "images", value(from, "images"))
			put(to, "commonAnnotations", annotations(value(from, "commonAnnotations"), value(to, "commonAnnotations")))
			put(to, "resources", resources(value(from, "resources"), value(to, "resources")))
		}
	}
	if to == from && production {
		put(to, "replacements", withoutHosts(value(from, "replacements")))
	}
	put(to, "namespace", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: environment})
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(to); err != nil {
		return nil, fmt.Errorf("write %s: %w", Kustomization, err)
	}
	return out.Bytes(), encoder.Close()
}

func mapping(text []byte) (*yaml.Node, error) {
	if err := bounded(text); err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("is no mapping")
	}
	return document.Content[0], nil
}

// value is what a key of a mapping has, nil for none.
func value(m *yaml.Node, key string) *yaml.Node {
	for i := 0; m != nil && i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// put gives a key a value, and takes it away where that is nil or empty.
func put(m *yaml.Node, key string, v *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value != key {
			continue
		}
		if v == nil {
			m.Content = append(m.Content[:i], m.Content[i+2:]...)
		} else {
			m.Content[i+1] = v
		}
		return
	}
	if v != nil {
		m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, v)
	}
}

// withoutHosts are the replacements without those that write the hosts of ingresses
// from the namespace, as a first promotion by the golden path adds them.
func withoutHosts(all *yaml.Node) *yaml.Node {
	if all == nil || all.Kind != yaml.SequenceNode {
		return all
	}
	out := *all
	out.Content = slices.DeleteFunc(slices.Clone(all.Content), func(n *yaml.Node) bool {
		var r struct {
			Source struct {
				FieldPath string `yaml:"fieldPath"`
			}
			Targets []struct {
				Select     struct{ Kind string }
				FieldPaths []string `yaml:"fieldPaths"`
			}
		}
		return n.Decode(&r) == nil && r.Source.FieldPath == "metadata.namespace" && len(r.Targets) == 1 &&
			r.Targets[0].Select.Kind == "Ingress" && slices.Equal(r.Targets[0].FieldPaths, []string{"spec.rules.*.host"})
	})
	if len(out.Content) == 0 {
		return nil
	}
	return &out
}

// annotations are the target's without those of the platform, and the source's
// of the platform.
func annotations(from, to *yaml.Node) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	add := func(m *yaml.Node, ours bool) {
		for i := 0; m != nil && i+1 < len(m.Content); i += 2 {
			if strings.HasPrefix(m.Content[i].Value, "fawkes.dev/") == ours {
				out.Content = append(out.Content, m.Content[i], m.Content[i+1])
			}
		}
	}
	add(to, false)
	add(from, true)
	if len(out.Content) == 0 {
		return nil
	}
	return out
}

// resources are those of the source in base/, and those of the target elsewhere.
func resources(from, to *yaml.Node) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	add := func(l *yaml.Node, base bool) {
		for i := 0; l != nil && i < len(l.Content); i++ {
			if strings.HasPrefix(strings.TrimPrefix(l.Content[i].Value, "./"), "base") == base {
				out.Content = append(out.Content, l.Content[i])
			}
		}
	}
	add(from, true)
	add(to, false)
	return out
}
