// Package manifest renders the folder of an application into Kubernetes objects,
// as `kustomize build` does, and compares objects.
//
// The folder is all there is: it is rendered in memory, so that no path leads out
// of it, to the machine or to another application, and a change elsewhere never
// changes an application. What would fetch something (a remote base, a chart), run
// something (a plugin, a generator) or come from elsewhere is refused by the name
// of the field that asks for it, before the kustomize library sees it. Files are
// bounded in number and size before they come here; what a YAML file may expand
// to is bounded here.
package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sort"
	"strings"
	"sync"

	yaml "go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	k8syaml "sigs.k8s.io/yaml"
)

// Kustomization is the file that makes a folder an application.
const Kustomization = "kustomization.yaml"

// Object is a Kubernetes object as it is written.
type Object = map[string]any

// Bounds of what one folder may hold and become.
const (
	mostNodes   = 20_000 // values of one file, with what aliases repeat
	mostDepth   = 60
	mostObjects = 200
)

// Renderer renders folders, each tree once. It is safe for concurrent use.
type Renderer struct {
	mu    sync.Mutex // kustomize keeps what it knows of the schemas in package variables
	cache map[string]rendered
	order []string
	most  int
}

type rendered struct {
	objects []Object
	err     error
}

// NewRenderer keeps the results of the last trees.
func NewRenderer(most int) *Renderer { return &Renderer{cache: map[string]rendered{}, most: most} }

// Render gives the objects of a folder. tree is the folder's identity, folder its
// path in errors; files are read only when the tree is a new one. The objects are
// shared: do not change them.
func (r *Renderer) Render(tree, folder string, files func() (map[string][]byte, error)) ([]Object, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := tree + " " + folder
	if known, ok := r.cache[key]; ok {
		return known.objects, known.err
	}
	text, err := files()
	if err != nil {
		return nil, err // not kept: the repository may answer next time
	}
	var out rendered
	out.objects, out.err = render(folder, text)
	r.cache[key] = out
	if r.order = append(r.order, key); len(r.order) > r.most {
		delete(r.cache, r.order[0])
		r.order = r.order[1:]
	}
	return out.objects, out.err
}

// render builds a folder.
func render(folder string, files map[string][]byte) (objects []Object, err error) {
	if _, there := files[Kustomization]; !there {
		return nil, fmt.Errorf("%s/%s: is missing", folder, Kustomization)
	}
	for _, name := range names(files) {
		if ext := path.Ext(name); ext == ".yaml" || ext == ".yml" {
			if err := bounded(files[name]); err != nil {
				return nil, at(folder+"/"+name, err)
			}
		}
	}
	for _, name := range names(files) {
		if b := path.Base(name); b == Kustomization || b == "kustomization.yml" || b == "Kustomization" {
			if err := closed(folder, name, files); err != nil {
				return nil, err
			}
		}
	}
	disk := filesys.MakeFsInMemory()
	for name, text := range files {
		if err := disk.WriteFile("/app/"+name, text); err != nil {
			return nil, fmt.Errorf("%s/%s: %w", folder, name, err)
		}
	}
	defer func() {
		if p := recover(); p != nil { // a fault of the library is a fault of this folder alone
			objects, err = nil, fmt.Errorf("%s: cannot be rendered: %v", folder, p)
		}
	}()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, "/app")
	if err != nil {
		return nil, fmt.Errorf("%s: %s", folder, plain(err))
	}
	text, err := built.AsYaml()
	if err != nil {
		return nil, fmt.Errorf("%s: %s", folder, plain(err))
	}
	return decode(folder, text)
}

// plain is an error of the library without the paths of the memory.
func plain(err error) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(err.Error()), "'/app'", "the folder"), "/app/", "")
}

func decode(folder string, text []byte) ([]Object, error) {
	var out []Object
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", folder, err)
		}
		one, err := yaml.Marshal(&node)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", folder, err)
		}
		var o Object
		if err := k8syaml.Unmarshal(one, &o); err != nil {
			return nil, fmt.Errorf("%s: %w", folder, err)
		}
		if o == nil {
			continue
		}
		if out = append(out, o); len(out) > mostObjects {
			return nil, fmt.Errorf("%s: more than %d objects", folder, mostObjects)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: renders to no objects", folder)
	}
	return out, nil
}

// bounded refuses a file that stands for more than is read: by aliases of
// aliases, or by depth.
func bounded(text []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		sizes := map[*yaml.Node]int{}
		if n, line := size(&node, 0, sizes); n > mostNodes {
			return fmt.Errorf("line %d: stands for more than %d values", max(line, 1), mostNodes)
		}
	}
}

// size counts values, those that aliases repeat each time. What is too deep or
// refers to itself is endless.
func size(n *yaml.Node, depth int, known map[*yaml.Node]int) (count, line int) {
	if depth > mostDepth {
		return mostNodes + 1, n.Line
	}
	if n.Kind == yaml.AliasNode {
		if c, ok := known[n.Alias]; ok {
			return c, n.Line
		}
		known[n.Alias] = mostNodes + 1 // until it is counted: an alias within itself
		c, _ := size(n.Alias, depth+1, known)
		known[n.Alias] = c
		return c, n.Line
	}
	count, line = 1, n.Line
	for _, inner := range n.Content {
		c, l := size(inner, depth+1, known)
		if count += c; count > mostNodes {
			return mostNodes + 1, l
		}
	}
	return count, line
}

// closed refuses a kustomization that reaches out of the folder.
func closed(folder, name string, files map[string][]byte) error {
	where := folder + "/" + name
	var document yaml.Node
	if err := yaml.Unmarshal(files[name], &document); err != nil {
		return at(where, err)
	}
	if len(document.Content) == 0 {
		return fmt.Errorf("%s:1: is empty", where)
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: is no mapping", where, root.Line)
	}
	dir := path.Dir(name)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		read, known := readers()[key.Value]
		if !known {
			return fmt.Errorf("%s:%d: %q is not supported: known are %s", where, key.Line, key.Value, strings.Join(fields(), ", "))
		}
		for _, n := range read(value) {
			if err := inside(dir, n.Value, files); err != nil {
				return fmt.Errorf("%s:%d: %s: %w", where, n.Line, key.Value, err)
			}
		}
	}
	return nil
}

// inside says whether a path of a kustomization is a file or a folder below it.
func inside(dir, p string, files map[string][]byte) error {
	if strings.Contains(p, "://") || strings.Contains(p, "?") || strings.Contains(p, "@") {
		return fmt.Errorf("%q is remote; copy it into the repository", p)
	}
	clean := path.Join(dir, p)
	if path.IsAbs(p) || clean == ".." || strings.HasPrefix(clean, "../") {
		return fmt.Errorf("%q lies outside the application's folder", p)
	}
	if _, file := files[clean]; file {
		return nil
	}
	for name := range files {
		if strings.HasPrefix(name, clean+"/") {
			return nil
		}
	}
	return fmt.Errorf("%q is not there", p)
}

// reader finds the paths in the value of a field.
type reader func(*yaml.Node) []*yaml.Node

// readers are the fields that a kustomization may have.
func readers() map[string]reader {
	nothing := func(*yaml.Node) []*yaml.Node { return nil }
	all := map[string]reader{
		"resources": items, "components": items, "bases": items, "patchesStrategicMerge": patchItems,
		"patches": under("path"), "patchesJson6902": under("path"), "replacements": under("path"),
		"configMapGenerator": generated, "secretGenerator": generated,
	}
	for _, name := range []string{"apiVersion", "kind", "metadata", "namespace", "namePrefix", "nameSuffix", "labels", "commonLabels", "commonAnnotations",
		"images", "replicas", "generatorOptions", "sortOptions", "buildMetadata"} {
		all[name] = nothing
	}
	return all
}

func fields() []string {
	var out []string
	for name := range readers() {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// follow is what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for range mostDepth {
		if n.Kind != yaml.AliasNode {
			return n
		}
		n = n.Alias
	}
	return n
}

func items(n *yaml.Node) []*yaml.Node {
	var out []*yaml.Node
	for _, item := range follow(n).Content {
		out = append(out, follow(item))
	}
	return out
}

// patchItems leaves out patches that stand in the list themselves.
func patchItems(n *yaml.Node) []*yaml.Node {
	return slices.DeleteFunc(items(n), func(n *yaml.Node) bool { return strings.Contains(n.Value, "\n") })
}

// under reads a key of each item of a list.
func under(keys ...string) reader {
	return func(n *yaml.Node) []*yaml.Node {
		var out []*yaml.Node
		for _, item := range items(n) {
			for i := 0; i+1 < len(item.Content); i += 2 {
				if !slices.Contains(keys, item.Content[i].Value) {
					continue
				}
				if v := follow(item.Content[i+1]); v.Kind == yaml.SequenceNode {
					out = append(out, items(v)...)
				} else {
					out = append(out, v)
				}
			}
		}
		return out
	}
}

// generated reads the files of generators: "name=path", "path".
func generated(n *yaml.Node) []*yaml.Node {
	var out []*yaml.Node
	for _, v := range under("files", "envs", "env")(n) {
		if _, p, named := strings.Cut(v.Value, "="); named {
			v = &yaml.Node{Kind: yaml.ScalarNode, Value: p, Line: v.Line}
		}
		out = append(out, v)
	}
	return out
}

// at brings an error of the YAML library into the form file:line: text.
func at(name string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if line, rest, ok := strings.Cut(rest, ": "); ok {
			return fmt.Errorf("%s:%s: %s", name, line, rest)
		}
	}
	return fmt.Errorf("%s:1: %s", name, strings.ReplaceAll(text, "\n", "; "))
}

func names(files map[string][]byte) []string {
	out := make([]string, 0, len(files))
	for name := range files {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}
