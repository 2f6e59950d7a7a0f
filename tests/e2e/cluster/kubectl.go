//go:build linux

package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster/machine"
)

// Kubectl runs kubectl on the first node, as the administrator, and returns what it wrote.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.kubectl(ctx, "", args...)
}

// Apply brings the cluster to what the manifests say, as "kubectl apply" does.
func (c *Cluster) Apply(ctx context.Context, manifests string) error {
	_, err := c.kubectl(ctx, manifests, "apply", "-f", "-")
	return err
}

// Rollout waits until what a deployment, daemon set or stateful set describes runs and is ready.
func (c *Cluster) Rollout(ctx context.Context, namespace, what string, limit time.Duration) error {
	_, err := c.Kubectl(ctx, "--namespace", namespace, "rollout", "status", what, fmt.Sprintf("--timeout=%ds", int(limit.Seconds())))
	return err
}

// KubectlCommand is kubectl on the first node, as the administrator, not started yet.
func (c *Cluster) KubectlCommand(ctx context.Context, args ...string) *exec.Cmd {
	words := append([]string{"kubectl", "--kubeconfig=" + key("admin.kubeconfig")}, args...)
	return c.Nodes[0].Command(ctx, machine.ProgramsDir+"/kube", words...)
}

func (c *Cluster) kubectl(ctx context.Context, input string, args ...string) (string, error) {
	cmd := c.KubectlCommand(ctx, args...)
	cmd.Stdin = strings.NewReader(input)
	return output(cmd, "kubectl "+strings.Join(args, " "))
}
