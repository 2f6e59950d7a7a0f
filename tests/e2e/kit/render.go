//go:build linux

package kit

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/fawkes-idp/fawkes/internal/oci"
	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
	"github.com/fawkes-idp/fawkes/tests/e2e/images"
)

// render is what kustomize makes of a folder, as Argo CD has it rendered.
func render(dir string) (string, error) {
	found, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return "", fmt.Errorf("render %s: %w", dir, err)
	}
	text, err := found.AsYaml()
	return string(text), err
}

// joined is the manifests of several files as one text, without what only kustomize reads.
func joined(pattern string) (string, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		all.WriteString("\n---\n")
		all.Write(text)
	}
	if all.Len() == 0 {
		return "", fmt.Errorf("%s names no manifest", pattern)
	}
	return all.String(), nil
}

// scanners lets the forge's pipelines find the scanners of the golden path, beside its program.
func scanners(ctx context.Context, programs string) error {
	root, err := cluster.SourceFolder(".")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "scripts", "scanners.sh"))
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the scanners: %w: %s", err, out)
	}
	return os.Symlink(filepath.Join(root, "bin", "tools"), filepath.Join(programs, "tools"))
}

// The names of our image in the forge's registry.
const servicesImage = registryHost + "/fawkes/fawkes"

// images makes the image of the services as a release does and pushes it to the forge's registry; the inventory's place
// then names it by its digest.
func (k *Kit) images(ctx context.Context) error {
	digest, err := k.pushServices(ctx, "kit", nil)
	if err != nil {
		return err
	}
	k.place.Values = map[string]map[string]any{"fawkes": {"image": map[string]any{"repository": servicesImage, "digest": digest}}}
	k.mark("the image of the services is in the forge's registry: %s", digest)
	postgresql, err := images.PostgreSQL(k.dir)
	if err != nil {
		return err
	}
	k.place.Images = map[string]map[string]string{}
	for _, third := range []struct {
		component, name, as string
		spec                oci.ImageSpec
	}{
		{"postgresql", "docker.io/library/postgres", registryHost + "/kit/postgres", postgresql},
		{"prometheus", "docker.io/prom/prometheus", registryHost + "/kit/prometheus", images.Prometheus(k.Cluster.Program("prometheus"))},
	} {
		img, err := oci.Pack(third.spec)
		if err != nil {
			return fmt.Errorf("pack %s: %w", third.as, err)
		}
		digest, err := k.Forge.Registry().Push(ctx, third.as+":kit", img)
		if err != nil {
			return err
		}
		k.place.Images[third.component] = map[string]string{third.name: third.as + "@" + digest}
		k.mark("the image %s is in the forge's registry", third.as)
	}
	return nil
}

// pushServices makes and pushes one version of the image of the services.
func (k *Kit) pushServices(ctx context.Context, version string, labels map[string]string) (digest string, err error) {
	root, err := cluster.SourceFolder(".")
	if err != nil {
		return "", err
	}
	out := filepath.Join(k.dir, "image-"+version)
	cmd := exec.CommandContext(ctx, "go", "run", "./internal/release", "--out", out, "--version", version, "--repository", servicesImage)
	cmd.Dir = root
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make the image of the services: %w: %s", err, said)
	}
	layout, err := oci.OpenLayout(out)
	if err != nil {
		return "", err
	}
	img, err := layout.Image(version)
	if err != nil {
		return "", err
	}
	if len(labels) > 0 {
		if img, err = oci.Pack(oci.ImageSpec{Base: img, Labels: labels}); err != nil {
			return "", err
		}
	}
	return k.Forge.Registry().Push(ctx, servicesImage+":"+version, img)
}
