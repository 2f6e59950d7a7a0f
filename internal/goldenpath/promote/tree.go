package promote

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// The annotations that every promoted object carries.
const (
	AnnotationRevision   = "fawkes.dev/revision"
	AnnotationService    = "fawkes.dev/service"
	AnnotationRepository = "fawkes.dev/repository"
)

const mostKustomization = 1 << 20

var (
	plainName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	fileName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.ya?ml$`)
	branchForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$`)
)

// check refuses what would become a path, a ref or an option of something else.
func (c Change) check(to Target) error {
	wrong := func(format string, args ...any) error {
		return &Error{Op: "promote", Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case !plainName.MatchString(c.Service):
		return wrong("%q is not a name of a service", c.Service)
	case len(c.Environments) == 0:
		return wrong("there is no environment to promote to")
	case !digestForm.MatchString(c.Digest):
		return wrong("%q is not a digest of an image", c.Digest)
	case c.Image == "":
		return wrong("the image's repository is not known")
	case len(c.Revision) < 7:
		return wrong("the source's commit is not known")
	case strings.HasPrefix(to.URL, "-") || to.URL == "":
		return wrong("%q is not the address of a repository", to.URL)
	case !branchForm.MatchString(to.Branch) || strings.Contains(to.Branch, ".."):
		return wrong("%q is not a name of a branch", to.Branch)
	case len(c.Manifests) == 0:
		return wrong("there are no manifests")
	}
	for _, env := range c.Environments {
		if !plainName.MatchString(env) {
			return wrong("%q is not a name of an environment", env)
		}
	}
	for _, m := range c.Manifests {
		if !fileName.MatchString(m.Name) || m.Name == "kustomization.yaml" || m.Name == "kustomization.yml" {
			return wrong("%q is not a name for a manifest", m.Name)
		}
	}
	return nil
}

// knownEnvironments compares with environments.yaml, where the repository has it, and gives the kinds.
func knownEnvironments(root string, wanted []string) (kinds map[string]string, err error) {
	text, err := os.ReadFile(filepath.Join(root, "environments.yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var file struct {
		Environments []struct {
			Name string `yaml:"name"`
			Kind string `yaml:"kind"`
		} `yaml:"environments"`
	}
	if err == nil {
		err = yaml.Unmarshal(text, &file)
	}
	if err != nil {
		return nil, &Error{Op: "read environments.yaml of the environment repository", Detail: err.Error(), Err: err}
	}
	var known []string
	kinds = map[string]string{}
	for _, e := range file.Environments {
		known = append(known, e.Name)
		kinds[e.Name] = e.Kind
	}
	for _, w := range wanted {
		if !slices.Contains(known, w) {
			return nil, &Error{Op: "promote", Detail: fmt.Sprintf("the environment repository knows no environment %q, only %s", w, strings.Join(known, ", ")), Mend: "name one of them in promote.to of fawkes.yaml, or add it to environments.yaml"}
		}
	}
	return kinds, nil
}

// promotedRevision is the source revision that the folder has now, "" when it has none.
func promotedRevision(folder string) string {
	text, err := os.ReadFile(filepath.Join(folder, "kustomization.yaml"))
	if err != nil {
		return ""
	}
	var k struct {
		Annotations map[string]string `yaml:"commonAnnotations"`
	}
	if yaml.Unmarshal(text, &k) != nil {
		return ""
	}
	return k.Annotations[AnnotationRevision]
}

// write makes base/ anew and brings kustomization.yaml up to date. kind is the environment's, "" when it is not
// known.
func write(root, folder, env, kind string, c Change) error {
	at := filepath.Join(root, folder)
	base := filepath.Join(at, "base")
	for dir := at; dir != root; dir = filepath.Dir(dir) {
		if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
			return &Error{Op: "promote", Detail: fmt.Sprintf("%s in the environment repository is no folder", strings.TrimPrefix(dir, root+string(filepath.Separator)))}
		}
	}
	if err := os.RemoveAll(base); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	var names []string
	for _, m := range c.Manifests {
		names = append(names, "base/"+m.Name)
		if err := os.WriteFile(filepath.Join(base, m.Name), m.Text, 0o644); err != nil {
			return fmt.Errorf("promote: %w", err)
		}
	}
	slices.Sort(names)
	file := filepath.Join(at, "kustomization.yaml")
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("promote: %w", err)
	}
	text, err := kustomization(old, env, kind, names, c)
	if err != nil {
		return &Error{Op: "read " + filepath.ToSlash(filepath.Join(folder, "kustomization.yaml")) + " of the environment repository", Detail: err.Error(), Mend: "mend the file by hand, then run the stage again", Err: err}
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	return nil
}

// kustomization sets what a promotion decides and leaves everything else, comments too, as it was.
func kustomization(old []byte, env, kind string, names []string, c Change) ([]byte, error) {
	if len(old) > mostKustomization {
		return nil, fmt.Errorf("it is larger than %d bytes", mostKustomization)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(old, &doc); err != nil {
		return nil, err
	}
	if doc.Kind == 0 {
		doc = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map"}}}
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, errors.New("it is no mapping")
	}
	setText(top, "apiVersion", "kustomize.config.k8s.io/v1beta1", false)
	setText(top, "kind", "Kustomization", false)
	setText(top, "namespace", env, false)

	resources, err := child(top, "resources", yaml.SequenceNode)
	if err != nil {
		return nil, err
	}
	kept := names
	for _, n := range resources.Content { // what people added, after ours
		if !strings.HasPrefix(n.Value, "base/") {
			kept = append(kept, n.Value)
		}
	}
	if !slices.EqualFunc(resources.Content, kept, func(n *yaml.Node, s string) bool { return n.Value == s }) {
		resources.Content = nil
		for _, name := range kept {
			resources.Content = append(resources.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name})
		}
	}
	images, err := child(top, "images", yaml.SequenceNode)
	if err != nil {
		return nil, err
	}
	var image *yaml.Node
	for _, n := range images.Content {
		if n.Kind == yaml.MappingNode && value(n, "name") != nil && value(n, "name").Value == c.Service {
			image = n
		}
	}
	if image == nil {
		image = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		images.Content = append(images.Content, image)
	}
	setText(image, "name", c.Service, true)
	setText(image, "newName", c.Image, true)
	setText(image, "digest", c.Digest, true)
	remove(image, "newTag")

	annotations, err := child(top, "commonAnnotations", yaml.MappingNode)
	if err != nil {
		return nil, err
	}
	setText(annotations, AnnotationRevision, c.Revision, true)
	setText(annotations, AnnotationService, c.Service, true)
	if c.Repository != "" {
		setText(annotations, AnnotationRepository, c.Repository, true)
	}
	if len(old) == 0 && kind != "" && kind != Production {
		if own := hosts(c.Manifests); own != nil {
			top.Content = append(top.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "replacements"}, own)
		}
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&doc); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func value(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// setText sets a key; over says whether a value that is there is replaced.
func setText(m *yaml.Node, key, text string, over bool) {
	if n := value(m, key); n != nil {
		if over || n.Value == "" {
			n.Kind, n.Tag, n.Value, n.Content, n.Alias = yaml.ScalarNode, "!!str", text, nil, nil
		}
		return
	}
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text})
}

func remove(m *yaml.Node, key string) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			m.Content = slices.Delete(m.Content, i, i+2)
			return
		}
	}
}

// child gives the list or mapping of a key, and makes it where there is none.
func child(m *yaml.Node, key string, kind yaml.Kind) (*yaml.Node, error) {
	n := value(m, key)
	if n == nil || n.Tag == "!!null" {
		made := &yaml.Node{Kind: kind}
		if n != nil {
			*n = *made
			return n, nil
		}
		m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, made)
		return made, nil
	}
	if n.Kind != kind {
		return nil, fmt.Errorf("line %d: %s is of another kind than kustomize has it", n.Line, key)
	}
	return n, nil
}
