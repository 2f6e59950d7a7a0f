//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// definitions are files of custom resource definitions, by the module that holds them and the module of ours that says its version.
func definitions() []struct{ ours, module, files string } {
	return []struct{ ours, module, files string }{
		{"tests/e2e/argocd/program", "github.com/argoproj/argo-cd/v3", "manifests/crds/*-crd.yaml"},
		{"tests/e2e/crds", "github.com/cert-manager/cert-manager", "deploy/crds/*.yaml"},
		{"tests/e2e/crds", "github.com/external-secrets/external-secrets", "config/crds/bases/external-secrets.io_*.yaml"},
	}
}

// define gives the cluster the definitions of Argo CD, cert-manager and the External Secrets Operator, from their Go modules.
func define(t *testing.T, ctx context.Context, c *cluster.Cluster) {
	t.Helper()
	for _, d := range definitions() {
		folder, err := cluster.SourceFolder(d.ours)
		if err != nil {
			t.Fatal(err)
		}
		var out []byte
		for _, args := range [][]string{{"mod", "download", d.module}, {"list", "-m", "-f", "{{.Dir}}", d.module}} {
			cmd := exec.CommandContext(ctx, "go", args...)
			cmd.Dir = folder
			cmd.Env = append(os.Environ(), "GOWORK=off")
			if out, err = cmd.Output(); err != nil {
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					out = exit.Stderr
				}
				t.Fatalf("go %s: %v: %s", strings.Join(args, " "), err, out)
			}
		}
		text := gather(t, filepath.Join(strings.TrimSpace(string(out)), filepath.FromSlash(d.files)))
		cmd := c.KubectlCommand(ctx, "apply", "--server-side", "-f", "-")
		cmd.Stdin = strings.NewReader(text)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("define the custom resources of %s: %v: %s", d.module, err, said)
		}
	}
	for _, name := range []string{"applications.argoproj.io", "clusterissuers.cert-manager.io", "clustersecretstores.external-secrets.io"} {
		if _, err := c.Kubectl(ctx, "wait", "--for=condition=Established", "crd/"+name, "--timeout=30s"); err != nil {
			t.Fatal(err)
		}
	}
}
