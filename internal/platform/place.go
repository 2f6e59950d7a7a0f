package platform

import "maps"

// Place is what a cluster has of its own: where its Argo CD reads from, and what stands there for values and images that
// the inventory cannot know. The zero value changes nothing.
type Place struct {
	Repository, Environments Repository                   // empty: those of the inventory
	Values                   map[string]map[string]any    // Helm values over those of a component, by its name
	Images                   map[string]map[string]string // images of a component's kustomization, by its name
}

// At is the inventory for one place and one profile of it. The inventory itself stays as it is.
func (inv *Inventory) At(profile string, place Place) *Inventory {
	out := *inv
	if place.Repository.URL != "" {
		out.Repository = place.Repository
	}
	if place.Environments.URL != "" {
		out.Environments = place.Environments
	}
	out.Components = nil
	for _, c := range inv.Components {
		s := c.Source
		if other, ok := c.Instead[profile]; ok {
			s = other
		}
		s.Values = overlay(s.Values, place.Values[c.Name])
		if more := place.Images[c.Name]; len(more) > 0 {
			images := maps.Clone(s.Images)
			if images == nil {
				images = map[string]string{}
			}
			maps.Copy(images, more)
			s.Images = images
		}
		c.Source, c.Instead = s, nil
		out.Components = append(out.Components, c)
	}
	return &out
}

// overlay is a tree of values with those of another over it; neither is changed.
func overlay(under, over map[string]any) map[string]any {
	if len(over) == 0 {
		return under
	}
	out := maps.Clone(under)
	if out == nil {
		out = map[string]any{}
	}
	for key, v := range over {
		below, isTree := out[key].(map[string]any)
		if above, ok := v.(map[string]any); ok && isTree {
			v = overlay(below, above)
		}
		out[key] = v
	}
	return out
}
