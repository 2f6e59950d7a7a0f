package platform

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// The places of what is written by hand and of what is generated, in the repository.
const (
	File       = "platform/inventory.yaml"
	SchemaFile = "platform/inventory.schema.json"
	PageFile   = "docs/reference/platform-components.md"

	profilesFolder   = "platform/profiles"
	foundationFolder = "foundation"
	secretsFolder    = "secrets"
)

func profileFolder(profile string) string { return path.Join(profilesFolder, profile) }

// Generate renders every file, by its path in the repository.
func Generate(inv *Inventory, services []Service) (map[string][]byte, error) {
	files := map[string][]byte{}
	text, err := Schema()
	if err != nil {
		return nil, err
	}
	files[SchemaFile] = text
	files[PageFile] = page(inv, services)
	for _, c := range inv.Components {
		files[componentPageFile(c.Name)] = componentPage(inv, services, c)
	}
	for _, name := range Profiles() {
		if err := inv.Profile(name, services).render(files); err != nil {
			return nil, fmt.Errorf("profile %s: %w", name, err)
		}
	}
	return files, nil
}

// render adds the files of a profile: the root with its kustomization, projects, Applications, and for each project a
// folder of its namespaces and their policies.
func (p Profile) render(files map[string][]byte) error {
	folder := profileFolder(p.Name)
	top := folderOf(files, folder)
	if err := top.add("root.yaml", p.root()); err != nil {
		return err
	}
	for _, project := range p.projects() {
		if err := top.add("projects/"+project.Name+".yaml", p.project(project)); err != nil {
			return err
		}
		base := folderOf(files, path.Join(folder, foundationFolder, project.Name))
		for _, ns := range p.namespaces() {
			if ns.Project != project.Name {
				continue
			}
			if err := base.add(ns.Name+".yaml", append([]object{p.namespace(ns)}, p.policies(ns.Name)...)...); err != nil {
				return err
			}
		}
		if err := base.kustomize(); err != nil {
			return err
		}
	}
	if err := p.renderSecrets(files); err != nil {
		return err
	}
	applications := append(p.foundations(), p.secretApplications()...)
	for _, c := range p.Components {
		if a, ok := p.componentApplication(c); ok {
			applications = append(applications, a)
		}
	}
	for _, a := range applications {
		name, _ := a["metadata"].(object)["name"].(string)
		if err := top.add("applications/"+name+".yaml", a); err != nil {
			return err
		}
	}
	return top.kustomize()
}

// folder is a folder of manifests with a kustomization that lists all of them.
type folder struct {
	files map[string][]byte
	path  string
	names []string
}

func folderOf(files map[string][]byte, at string) *folder { return &folder{files: files, path: at} }

func (f *folder) add(name string, objects ...object) error {
	text, err := document(objects...)
	if err != nil {
		return err
	}
	f.files[path.Join(f.path, name)] = text
	f.names = append(f.names, name)
	return nil
}

func (f *folder) kustomize() error {
	text, err := document(object{"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": sorted(f.names)})
	if err != nil {
		return err
	}
	f.files[path.Join(f.path, "kustomization.yaml")] = text
	return nil
}

// Drift is a file of a tree that is not what the inventory gives.
type Drift struct{ Path, Fault string }

// Compare holds the tree at root against the generated files: each that is stale, missing, or no longer generated.
func Compare(root string, files map[string][]byte) ([]Drift, error) {
	var out []Drift
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			out = append(out, Drift{name, "is missing"})
		case err != nil:
			return nil, fmt.Errorf("compare %s: %w", name, err)
		case !bytes.Equal(text, files[name]):
			out = append(out, Drift{name, "is stale"})
		}
	}
	left, err := leftovers(root, files)
	if err != nil {
		return nil, err
	}
	for _, name := range left {
		out = append(out, Drift{name, "is no longer generated"})
	}
	return out, nil
}

// Write writes the generated files into the tree at root, and removes from their folders what is no longer generated.
func Write(root string, files map[string][]byte) error {
	left, err := leftovers(root, files)
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(filepath.Join(root, filepath.FromSlash(name))); err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
		if err := removeEmpty(root, path.Dir(name)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := os.WriteFile(file, files[name], 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// wholly are the folders all of whose files are generated.
func wholly() []string { return []string{profilesFolder, componentsFolder} }

// removeEmpty removes a folder that holds nothing more, and those above it, below the folders that are generated.
func removeEmpty(root, at string) error {
	for ; !slices.Contains(wholly(), at); at = path.Dir(at) {
		entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(at)))
		if err != nil {
			return fmt.Errorf("look at %s: %w", at, err)
		}
		if len(entries) > 0 {
			return nil
		}
		if err := os.Remove(filepath.Join(root, filepath.FromSlash(at))); err != nil {
			return fmt.Errorf("remove %s: %w", at, err)
		}
	}
	return nil
}

// leftovers lists the files in the folders that are wholly generated that no longer are.
func leftovers(root string, files map[string][]byte) ([]string, error) {
	var out []string
	for _, folder := range wholly() {
		left, err := leftoversIn(root, folder, files)
		if err != nil {
			return nil, err
		}
		out = append(out, left...)
	}
	return out, nil
}

func leftoversIn(root, folder string, files map[string][]byte) ([]string, error) {
	var out []string
	err := filepath.WalkDir(filepath.Join(root, filepath.FromSlash(folder)), func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		if name = filepath.ToSlash(name); files[name] == nil {
			out = append(out, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", folder, err)
	}
	return out, nil
}
