//go:build e2e && linux

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
