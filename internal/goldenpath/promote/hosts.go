package promote

import (
	"bytes"

	"gopkg.in/yaml.v3"
)

// Production is the kind of environment whose hosts are those that the manifests say.
const Production = "production"

// hosts is the kustomize replacement that puts the environment's name before the hosts of the manifests'
// ingresses (shop.example.org in dev: dev.shop.example.org): the manifests are the same in all environments,
// and an address belongs to one. Nil where no ingress names a host, or where no Deployment is there to take
// the namespace from.
func hosts(manifests []Manifest) *yaml.Node {
	var deployment string
	named := false
	for _, m := range manifests {
		decoder := yaml.NewDecoder(bytes.NewReader(m.Text))
		for range mostObjects {
			var o struct {
				Kind     string
				Metadata struct{ Name string }
				Spec     struct{ Rules []struct{ Host string } }
			}
			if decoder.Decode(&o) != nil { // the end; a fault is the renderer's to tell
				break
			}
			switch o.Kind {
			case "Deployment":
				if deployment == "" {
					deployment = o.Metadata.Name
				}
			case "Ingress":
				for _, r := range o.Spec.Rules {
					named = named || r.Host != ""
				}
			}
		}
	}
	if !named || deployment == "" {
		return nil
	}
	text := func(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }
	mapping := func(pairs ...*yaml.Node) *yaml.Node {
		return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: pairs}
	}
	list := func(items ...*yaml.Node) *yaml.Node { return &yaml.Node{Kind: yaml.SequenceNode, Content: items} }
	target := mapping(
		text("select"), mapping(text("kind"), text("Ingress")),
		text("fieldPaths"), &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: []*yaml.Node{text("spec.rules.*.host")}},
		text("options"), mapping(text("delimiter"), text("."), text("index"), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: "-1"}))
	target.Style = 0
	item := mapping(
		text("source"), mapping(text("kind"), text("Deployment"), text("name"), text(deployment), text("fieldPath"), text("metadata.namespace")),
		text("targets"), list(target))
	item.Style = 0
	item.HeadComment = "# The hosts of this environment are those of the manifests with its name before them; production has them as they are."
	return list(item)
}
