//go:build e2e && linux

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// TestManifestsAreTaken gives what this repository holds and renders to a real API server, which knows every field of
// its own kinds and says which pods a namespace's Pod Security would refuse.
func TestManifestsAreTaken(t *testing.T) {
	c := cluster.Up(t, cluster.Options{Nodes: 1})
	ctx := t.Context()

	step(t, "the delivery road's", func(t *testing.T) {
		text := gather(t, "../../samples/hello/deploy/*.yaml")
		for _, where := range []string{"client", "server"} {
			taken(t, ctx, c, text, "--dry-run="+where)
		}
	})
	step(t, "a profile's namespaces and policies", func(t *testing.T) {
		for _, profile := range []string{"kit", "tier1", "tier2", "extensions"} {
			taken(t, ctx, c, gather(t, "../../platform/profiles/"+profile+"/foundation/*/*.yaml"))
		}
	})
	step(t, "the charts', in each combination, under Pod Security", func(t *testing.T) {
		files, err := filepath.Glob("../charts/helm/testdata/golden/*.yaml")
		if err != nil || len(files) < 16 {
			t.Fatalf("%d renderings, %v; want 16 or more", len(files), err)
		}
		for _, file := range files {
			taken(t, ctx, c, gather(t, file), "--dry-run=server", "--namespace=fawkes-apps")
		}
	})
	define(t, ctx, c)
	step(t, "what Argo CD reads, and the Secrets that are to come, of each profile", func(t *testing.T) {
		for _, profile := range []string{"kit", "tier1", "tier2", "extensions"} {
			at := "../../platform/profiles/" + profile
			taken(t, ctx, c, gather(t, at+"/root.yaml")+gather(t, at+"/projects/*.yaml")+gather(t, at+"/applications/*.yaml"), "--dry-run=server")
			if profile != "kit" {
				taken(t, ctx, c, gather(t, at+"/secrets/*/*.yaml"), "--dry-run=server")
			}
		}
	})
	step(t, "the components' own, under Pod Security", func(t *testing.T) {
		folders, err := filepath.Glob("../../platform/components/*/kustomization.yaml")
		if err != nil || len(folders) < 8 {
			t.Fatalf("%d folders of components, %v; want eight or more", len(folders), err)
		}
		for _, kustomization := range folders {
			taken(t, ctx, c, rendering(t, filepath.Dir(kustomization)), "--dry-run=server")
		}
		taken(t, ctx, c, rendering(t, "../../platform/policies"), "--dry-run=server")
	})
	step(t, "what is wrong with a custom resource is refused by name", func(t *testing.T) {
		for _, plant := range []struct{ file, old, new, want string }{
			{"../../platform/profiles/kit/root.yaml", "\n  project: ", "\n  projct: ", `unknown field "spec.projct"`},
			{"../../platform/profiles/kit/root.yaml", "limit: 10", "limit: ten", "limit"},
			{"../../platform/profiles/tier1/secrets/apps/*.yaml", "refreshInterval: 1h", "refreshIntervall: 1h", `unknown field "spec.refreshIntervall"`},
			{"../../platform/components/vault/store.yaml", "version: v2", "version: v3", "spec.provider.vault.version"},
		} {
			good := gather(t, plant.file)
			bad := strings.Replace(good, plant.old, plant.new, 1)
			if bad == good {
				t.Fatalf("%s has no %q to spoil", plant.file, plant.old)
			}
			if out, err := apply(ctx, c, bad, "--dry-run=server"); err == nil || !strings.Contains(out, plant.want) {
				t.Errorf("%s with %q is answered with %v %s; want %s", plant.file, plant.new, err, out, plant.want)
			}
		}
	})
	step(t, "what is wrong is refused by name", func(t *testing.T) {
		good := gather(t, "../../samples/hello/deploy/deployment.yaml")
		bad := strings.Replace(good, "\nspec:\n", "\nspec:\n  replica: 1\n", 1)
		if bad == good {
			t.Fatal("the deployment has no spec to spoil")
		}
		out, err := apply(ctx, c, bad, "--dry-run=server")
		if err == nil || !strings.Contains(out, `unknown field "spec.replica"`) {
			t.Errorf("an unknown field is answered with %v %s", err, out)
		}
		out, err = apply(ctx, c, strings.Replace(good, "runAsNonRoot: true", "runAsNonRoot: false", 1), "--dry-run=server", "--namespace=fawkes-apps")
		if err != nil || !strings.Contains(out, "would violate PodSecurity") {
			t.Errorf("a pod that may run as root is answered with %v %s", err, out)
		}
	})
}

// rendering is what kustomize makes of a folder.
func rendering(t *testing.T, folder string) string {
	t.Helper()
	found, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	text, err := found.AsYaml()
	if err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	return string(text)
}

// gather joins files, without what only kustomize reads.
func gather(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("\n---\n")
		all.Write(text)
	}
	if all.Len() == 0 {
		t.Fatalf("%s names no manifest", pattern)
	}
	return all.String()
}

// apply is kubectl apply with strict validation, and all that it says.
func apply(ctx context.Context, c *cluster.Cluster, text string, args ...string) (string, error) {
	cmd := c.KubectlCommand(ctx, append([]string{"apply", "--validate=strict", "-f", "-"}, args...)...)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// taken fails the test when something is refused or warned of.
func taken(t *testing.T, ctx context.Context, c *cluster.Cluster, text string, args ...string) {
	t.Helper()
	out, err := apply(ctx, c, text, args...)
	if err != nil || strings.Contains(out, "Warning") {
		t.Errorf("apply %v: %v\n%s", args, err, out)
	}
}
