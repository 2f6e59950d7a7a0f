package manifest

import (
	"fmt"
	"maps"
	"sort"
	"strings"

	k8syaml "sigs.k8s.io/yaml"
)

// The kinds of difference of one object.
const (
	Create = "create" // wanted, and not there
	Update = "update" // there, and different
	Delete = "delete" // there, and not wanted
	None   = "none"
)

// Difference is what an object would become.
type Difference struct {
	Kind, Namespace, Name string
	Change                string
	Patch                 string // unified; "" for None
}

// Compare sets what is wanted against what there is, object by object, in the
// order of kind and name.
func Compare(desired, live []Object) ([]Difference, error) {
	type pair struct{ want, have Object }
	all := map[string]*pair{}
	get := func(o Object) *pair {
		key := ID(o)
		if all[key] == nil {
			all[key] = &pair{}
		}
		return all[key]
	}
	for _, o := range desired {
		get(o).want = o
	}
	for _, o := range live {
		get(o).have = o
	}
	keys := make([]string, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	var out []Difference
	for _, key := range keys {
		p := all[key]
		shown := p.want
		if shown == nil {
			shown = p.have
		}
		d := Difference{Kind: Kind(shown), Namespace: Namespace(shown), Name: Name(shown), Change: None}
		want, err := Text(p.want)
		if err != nil {
			return nil, err
		}
		have, err := Text(p.have)
		if err != nil {
			return nil, err
		}
		switch {
		case p.have == nil:
			d.Change = Create
		case p.want == nil:
			d.Change = Delete
		case want != have:
			d.Change = Update
		}
		if d.Change != None {
			d.Patch = Unified("live/"+key, "desired/"+key, have, want)
		}
		out = append(out, d)
	}
	return out, nil
}

// Text is an object as YAML with sorted keys, without what only a cluster writes
// into it; "" for none.
func Text(o Object) (string, error) {
	if o == nil {
		return "", nil
	}
	o = maps.Clone(o)
	delete(o, "status")
	if metadata, ok := o["metadata"].(map[string]any); ok {
		metadata = maps.Clone(metadata)
		for _, key := range []string{"creationTimestamp", "resourceVersion", "uid", "generation", "managedFields", "selfLink"} {
			delete(metadata, key)
		}
		o["metadata"] = metadata
	}
	text, err := k8syaml.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", ID(o), err)
	}
	return string(text), nil
}

// ID names an object among those of an application.
func ID(o Object) string {
	parts := []string{Kind(o), Name(o)}
	if n := Namespace(o); n != "" {
		parts = []string{parts[0], n, parts[1]}
	}
	return strings.Join(parts, "/")
}

// Kind is the object's kind.
func Kind(o Object) string { s, _ := o["kind"].(string); return s }

// Name is the object's name.
func Name(o Object) string { return at2(o, "metadata", "name") }

// Namespace is the object's namespace, "" for none.
func Namespace(o Object) string { return at2(o, "metadata", "namespace") }

func at2(o Object, first, second string) string {
	m, _ := o[first].(map[string]any)
	s, _ := m[second].(string)
	return s
}

// Annotations are the object's annotations.
func Annotations(o Object) map[string]string {
	m, _ := o["metadata"].(map[string]any)
	all, _ := m["annotations"].(map[string]any)
	out := map[string]string{}
	for k, v := range all {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}

// Images are the references of an object's containers, init containers among
// them, in their order.
func Images(o Object) []string {
	var out []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range []string{"initContainers", "containers"} {
				list, _ := v[key].([]any)
				for _, c := range list {
					m, _ := c.(map[string]any)
					if image, ok := m["image"].(string); ok && image != "" {
						out = append(out, image)
					}
				}
			}
			for _, key := range []string{"spec", "template", "jobTemplate"} {
				walk(v[key])
			}
		case nil:
		}
	}
	walk(o["spec"])
	return out
}
