//go:build e2e && linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/fawkes-idp/fawkes/internal/oci"
	"github.com/fawkes-idp/fawkes/tests/docs"
	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// source is a file or folder of the repository.
func source(t *testing.T, path string) string {
	t.Helper()
	found, err := cluster.SourceFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// rendered is what kustomize makes of a component with another image in the place of the one that it names.
func rendered(t *testing.T, component, name, image string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "component"), os.DirFS(source(t, "platform/components/"+component))); err != nil {
		t.Fatal(err)
	}
	newName, tag, _ := strings.Cut(image, ":")
	overlay := fmt.Sprintf("resources: [component]\nimages: [{name: %s, newName: %s, newTag: %q}]\n", name, newName, tag)
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(overlay), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := found.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), image) || strings.Contains(string(text), name+":") {
		t.Fatalf("%s does not name %s alone in the place of %s", component, image, name)
	}
	return string(text)
}

// load packs an image and puts it on the nodes.
func load(t *testing.T, c *cluster.Cluster, ref string, spec oci.ImageSpec) {
	t.Helper()
	img, err := oci.Pack(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Load(t.Context(), ref, img); err != nil {
		t.Fatal(err)
	}
}

// page is the commands of a how-to, which a test runs as they are written there.
type page struct {
	blocks []string
	path   string // with the cluster's kubectl before all others
}

func readPage(t *testing.T, c *cluster.Cluster, name string) page {
	t.Helper()
	text, err := os.ReadFile(source(t, "docs/how-to/"+name))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var words []string
	for _, word := range c.KubectlCommand(t.Context()).Args {
		words = append(words, "'"+strings.ReplaceAll(word, "'", `'\''`)+"'")
	}
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte("#!/bin/sh\nexec "+strings.Join(words, " ")+` "$@"`+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return page{blocks: docs.Blocks(text, "text"), path: dir + ":" + os.Getenv("PATH")}
}

// run runs the one block that has some words, with other words in the place of those that a reader would replace, and returns all that it
// wrote.
func (p page) run(ctx context.Context, words string, replace ...string) (string, error) {
	var found []string
	for _, block := range p.blocks {
		if strings.Contains(block, words) {
			found = append(found, block)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d blocks of the page have %q; want one", len(found), words)
	}
	script := found[0]
	for i := 0; i+1 < len(replace); i += 2 {
		if !strings.Contains(script, replace[i]) {
			return "", fmt.Errorf("the page's block does not say %q:\n%s", replace[i], script)
		}
		script = strings.ReplaceAll(script, replace[i], replace[i+1])
	}
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Env = append(os.Environ(), "PATH="+p.path)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w:\n%s\n%s", err, script, out.String())
	}
	return out.String(), nil
}
