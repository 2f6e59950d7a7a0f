//go:build linux

package argocd

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/fawkes-idp/fawkes/internal/oci"
	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
	"github.com/fawkes-idp/fawkes/tests/e2e/image"
)

// The names of the images on the nodes. No registry has them.
const (
	imageName = "fawkes.test/argocd:1"
	redisName = "fawkes.test/redis:1"
)

// user is what the images run as, as those that Argo CD's project publishes do.
const user = "999:999"

// commands are the names by which the one program of Argo CD is called, and does different things.
func commands() []string {
	return []string{"server", "repo-server", "application-controller", "notifications", "git-ask-pass", "k8s-auth"}
}

// load puts the images of Argo CD and of its Redis on every node.
func load(ctx context.Context, c *cluster.Cluster) error {
	specs, err := specs(ctx, c)
	if err != nil {
		return err
	}
	for name, spec := range specs {
		img, err := oci.Pack(spec)
		if err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		if err := c.Load(ctx, name, img); err != nil {
			return err
		}
	}
	return nil
}

func specs(ctx context.Context, c *cluster.Cluster) (map[string]oci.ImageSpec, error) {
	const bin = "/usr/local/bin/"
	argocd := []oci.File{
		{Source: c.Program("argocd"), Target: bin + "argocd", Mode: 0o755},
		{Source: c.Program("helm"), Target: bin + "helm", Mode: 0o755},
		{Source: c.Program("kustomize"), Target: bin + "kustomize", Mode: 0o755},
	}
	for _, name := range commands() {
		argocd = append(argocd, oci.File{Link: "argocd", Target: bin + "argocd-" + name})
	}
	source, err := source(ctx)
	if err != nil {
		return nil, err
	}
	for _, script := range []string{"git-verify-wrapper.sh", "gpg-wrapper.sh"} {
		argocd = append(argocd, oci.File{Source: filepath.Join(source, "hack", script), Target: bin + script, Mode: 0o755})
	}
	// The repository server fetches by the git program, and git by its own helpers. Some of what it runs are scripts.
	git, err := image.Programs("/bin/sh", "/usr/bin/git", "/usr/lib/git-core/git", "/usr/lib/git-core/git-remote-http", "/usr/lib/git-core/git-remote-https")
	if err != nil {
		return nil, err
	}
	redis, err := image.Programs("/usr/bin/redis-check-rdb")
	if err != nil {
		return nil, err
	}
	for i, f := range redis {
		// Debian's one program of Redis is the server unless its name says otherwise.
		if filepath.Base(f.Target) == "redis-check-rdb" {
			redis[i].Target = bin + "redis-server"
		}
	}
	return map[string]oci.ImageSpec{
		imageName: {Files: append(argocd, git...), User: user, WorkingDir: "/app", NoTimeZones: true, Entrypoint: nil},
		redisName: {Files: redis, User: user, NoTimeZones: true, Entrypoint: []string{bin + "redis-server"}},
	}, nil
}
