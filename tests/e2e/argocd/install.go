//go:build linux

package argocd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// Namespace is where Argo CD is, and where it looks for Applications.
const Namespace = "argocd"

// Options say how Argo CD is installed.
type Options struct {
	// Node is where all its pods run; empty: anywhere.
	Node string
	// Poll is how often it asks git by itself; 0: as its configuration says.
	Poll time.Duration
	// Configuration are manifests of ConfigMaps that stand for those of the same name of an installation that knows nothing
	// yet.
	Configuration string
	// Say is told of each step. Nil: nobody is.
	Say func(line string)
}

// configured says whether the options bring a ConfigMap of this name.
func (o Options) configured(name string) bool {
	return slices.Contains(strings.Split(o.Configuration, "\n"), "  name: "+name)
}

// Workloads are what an installation consists of, as kubectl names it.
func Workloads() []string {
	return []string{
		"deployment/argocd-redis", "deployment/argocd-repo-server", "deployment/argocd-server", "deployment/argocd-notifications-controller",
		"statefulset/argocd-application-controller",
	}
}

// Install brings Argo CD up in its namespace, which is there, and waits until it is ready.
func Install(ctx context.Context, c *cluster.Cluster, options Options) error {
	say := func(format string, args ...any) {
		if options.Say != nil {
			options.Say(fmt.Sprintf(format, args...))
		}
	}
	began := time.Now()
	if err := load(ctx, c); err != nil {
		return err
	}
	say("argocd: %6.1f s  images on the nodes", time.Since(began).Seconds())
	manifests, err := upstream(ctx)
	if err != nil {
		return err
	}
	items := adapted(manifests, options)
	text, err := json.Marshal(object{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		return err
	}
	// The definitions are too large for what kubectl remembers by itself.
	for _, manifests := range []string{string(text), options.Configuration} {
		if manifests == "" {
			continue
		}
		cmd := c.KubectlCommand(ctx, "--namespace", Namespace, "apply", "--server-side", "-f", "-")
		cmd.Stdin = strings.NewReader(manifests)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apply the manifests of Argo CD: %w: %s", err, out)
		}
	}
	say("argocd: %6.1f s  %d objects of its own manifests applied", time.Since(began).Seconds(), len(items))
	for _, workload := range Workloads() {
		if err := c.Rollout(ctx, Namespace, workload, 3*time.Minute); err != nil {
			described, derr := c.Kubectl(ctx, "--namespace", Namespace, "describe", "pods")
			logs, lerr := c.Kubectl(ctx, "--namespace", Namespace, "logs", workload, "--all-containers", "--tail=20")
			return fmt.Errorf("%w\n%s\n%s", errors.Join(err, derr, lerr), described, logs)
		}
	}
	say("argocd: %6.1f s  ready", time.Since(began).Seconds())
	return nil
}
