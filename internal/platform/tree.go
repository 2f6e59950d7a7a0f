package platform

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// kustomization is the file that makes a folder one that Argo CD can render.
const kustomization = "kustomization.yaml"

// Places sees that every folder and file that the inventory names exists in the tree at root, and is of a form that
// Argo CD renders: a chart, or a folder with a kustomization. A folder without either would be taken as loose manifests, those
// of its tests and examples among them.
func Places(root string, inv *Inventory) []Finding {
	var out []Finding
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
		return err == nil
	}
	folder := func(at, name string, forms ...string) {
		switch {
		case name == "":
		case !there(name):
			out = append(out, Finding{at, "there is no folder " + name + " in the repository", "make it, or name another"})
		case !slices.ContainsFunc(forms, func(form string) bool { return there(path.Join(name, form)) }):
			out = append(out, Finding{at, "the folder " + name + " is neither a chart nor has it a kustomization", "add " + name + "/" + kustomization})
		}
	}
	source := func(at string, s Source) {
		folder(at+".path", s.Path, "Chart.yaml", kustomization)
		folder(at+".manifests", s.Manifests, kustomization)
		for _, file := range s.ValueFiles {
			if s.Path != "" && !there(path.Join(s.Path, file)) {
				out = append(out, Finding{at + ".valueFiles", "there is no file " + path.Join(s.Path, file) + " in the repository", "make it, or name another"})
			}
		}
	}
	for _, c := range inv.Components {
		at := "components[" + c.Name + "]"
		source(at+".source", c.Source)
		for _, profile := range slices.Sorted(maps.Keys(c.Instead)) {
			source(at+".instead."+profile, c.Instead[profile])
		}
	}
	return out
}
