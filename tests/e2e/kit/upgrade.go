//go:build linux

package kit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// Upgrade makes another image of the services and lets the platform's repository name it, as a release does, and waits until Argo CD has
// rolled every service out to it.
func (k *Kit) Upgrade(ctx context.Context, version string, limit time.Duration) error {
	digest, err := k.pushServices(ctx, version, map[string]string{"fawkes.dev/upgrade": version})
	if err != nil {
		return err
	}
	k.place.Values["fawkes"]["image"] = map[string]any{"repository": servicesImage, "digest": digest}
	root, err := cluster.SourceFolder(".")
	if err != nil {
		return err
	}
	if _, err := k.Forge.Change(ctx, platformRepository, "fawkes: "+version, func(dir string) error {
		if err := os.RemoveAll(filepath.Join(dir, "platform", "profiles")); err != nil {
			return err
		}
		return writePlatform(ctx, root, dir, k.place)
	}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		behind, err := k.behind(ctx, digest)
		if err == nil && len(behind) == 0 {
			return nil
		}
		if werr := pause(ctx, 250*time.Millisecond); werr != nil {
			return fmt.Errorf("not rolled out within %s: %s: %w", limit, strings.Join(behind, ", "), errors.Join(err, werr))
		}
	}
}

// behind lists the services of which not every instance is a ready one of the image.
func (k *Kit) behind(ctx context.Context, digest string) ([]string, error) {
	text, err := k.Cluster.Kubectl(ctx, "--namespace", servicesNamespace, "get", "deployments", "--selector", "app.kubernetes.io/part-of=fawkes,app.kubernetes.io/component=service", "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.spec.template.spec.containers[0].image} {.metadata.generation} {.status.observedGeneration} {.spec.replicas} {.status.updatedReplicas} {.status.readyReplicas} {.status.replicas}{"\n"}{end}`)
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 8 || !strings.HasSuffix(f[1], digest) || f[2] != f[3] || f[4] != f[5] || f[4] != f[6] || f[4] != f[7] {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out, nil
}

// UntilWhole waits until every service has had all its instances, ready, for some time, and gives how long after a moment it last had not;
// 0: it always had.
func (k *Kit) UntilWhole(ctx context.Context, from time.Time, settled, limit time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	last := from
	for {
		behind, err := k.behind(ctx, "")
		if err != nil || len(behind) > 0 {
			last = time.Now()
		}
		if time.Since(last) > settled {
			return last.Sub(from), nil
		}
		if werr := pause(ctx, 100*time.Millisecond); werr != nil {
			return 0, fmt.Errorf("not whole within %s: %s: %w", limit, strings.Join(behind, ", "), errors.Join(err, werr))
		}
	}
}

// Pod is the name of a ready pod with a label that is not on its way out.
func (k *Kit) Pod(ctx context.Context, namespace, label string) (string, error) {
	text, err := k.Cluster.Kubectl(ctx, "--namespace", namespace, "get", "pods", "--selector", label, "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status} {.metadata.deletionTimestamp}{"\n"}{end}`)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 && f[1] == "True" {
			return f[0], nil
		}
	}
	return "", fmt.Errorf("no pod of %s in %s is ready:\n%s", label, namespace, text)
}

// KillContainer ends the only container of a pod by SIGKILL, on the node that runs it, as running out of memory would, and waits until the
// kubelet has started it again.
func (k *Kit) KillContainer(ctx context.Context, namespace, pod string) error {
	state := func() (node, id string, err error) {
		text, err := k.Cluster.Kubectl(ctx, "--namespace", namespace, "get", "pod", pod, "-o", "jsonpath={.spec.nodeName} {.status.containerStatuses[0].containerID}")
		node, id, _ = strings.Cut(text, " containerd://")
		return node, id, err
	}
	on, before, err := state()
	if err != nil {
		return err
	}
	for _, n := range k.Cluster.Nodes {
		if n.Name != on {
			continue
		}
		if _, err := n.Exec(ctx, "ctr", "--address=/run/containerd/containerd.sock", "--namespace=k8s.io", "task", "kill", "--signal", "SIGKILL", before); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if _, id, err := state(); err == nil && id != "" && id != before {
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("the container of %s was not started again: %w", pod, err)
		}
	}
}
