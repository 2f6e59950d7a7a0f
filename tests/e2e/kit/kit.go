//go:build linux

package kit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/platform"
	"github.com/fawkes-idp/fawkes/tests/e2e/argocd"
	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// Kit is the profile on a cluster, with the forge beside it.
type Kit struct {
	Cluster *cluster.Cluster
	Forge   *Forge
	WayIn   *WayIn

	dir     string
	place   platform.Place
	secrets secrets
	began   time.Time
	say     func(string)
	client  // the services in the cluster, as their first admin
}

// Home is the node that keeps what must not move: Argo CD and the database.
func (k *Kit) Home() *cluster.Node { return k.Cluster.Nodes[0] }

// Up brings the kit up on a cluster; it ends with the test. Its steps, and how long each took, are in the test's log.
func Up(t testing.TB, c *cluster.Cluster) *Kit {
	t.Helper()
	k := &Kit{Cluster: c, dir: t.TempDir(), began: time.Now(), say: func(line string) { t.Log(line) }}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(k.tails())
		}
		if err := k.down(); err != nil {
			t.Error(err)
		}
	})
	if err := k.up(t.Context()); err != nil {
		t.Fatal(err)
	}
	return k
}

// mark tells of a step and of the time until it.
func (k *Kit) mark(format string, args ...any) {
	k.say(fmt.Sprintf("kit: %6.1f s  %s", time.Since(k.began).Seconds(), fmt.Sprintf(format, args...)))
}

func (k *Kit) up(ctx context.Context) error {
	for _, step := range []func(context.Context) error{k.startForge, k.images, k.publish, k.foundation, k.argocd, k.root, k.connect, k.sample} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (k *Kit) down() error {
	if k.WayIn != nil {
		k.WayIn.Close()
	}
	if k.Forge != nil {
		return k.Forge.Stop()
	}
	return nil
}

// tails are the ends of what the parts said.
func (k *Kit) tails() string {
	var out strings.Builder
	if k.Forge != nil {
		fmt.Fprintf(&out, "==> forge\n%s\n", k.Forge.Said())
	}
	for _, args := range [][]string{
		{"get", "pods", "--all-namespaces", "-o", "wide"},
		{"get", "events", "--all-namespaces", "--field-selector", "type!=Normal", "--sort-by", ".lastTimestamp"},
		{"--namespace", argocdNamespace, "logs", "deployment/argocd-notifications-controller", "--tail=20"},
		{"--namespace", argocdNamespace, "logs", "statefulset/argocd-application-controller", "--tail=10"},
	} {
		text, err := k.Cluster.Kubectl(context.Background(), args...)
		fmt.Fprintf(&out, "==> kubectl %s\n%s%v\n", strings.Join(args, " "), text, err)
	}
	return out.String()
}

func (k *Kit) startForge(ctx context.Context) error {
	programs := filepath.Join(k.dir, "programs")
	if err := cluster.Build(ctx, programs, "./cmd/fawkes"); err != nil {
		return err
	}
	if err := scanners(ctx, programs); err != nil {
		return err
	}
	state := filepath.Join(k.dir, "forge")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	var err error
	if k.Forge, err = startForge(ctx, k.Home(), filepath.Join(programs, "fawkes"), state); err != nil {
		return err
	}
	if err := k.Cluster.Mirror(registryHost, strings.TrimPrefix(k.Forge.URL, "http://"), k.Forge.Authorization()); err != nil {
		return err
	}
	k.mark("the forge answers at %s", k.Forge.URL)
	return nil
}

// publish gives the forge what Argo CD reads.
func (k *Kit) publish(ctx context.Context) error {
	k.place.Repository = platform.Repository{URL: k.Forge.Repository(platformRepository), Revision: branch}
	k.place.Environments = platform.Repository{URL: k.Forge.Repository(environmentsRepository), Revision: branch}
	root, err := cluster.SourceFolder(".")
	if err != nil {
		return err
	}
	if err := writePlatform(ctx, root, k.platformFolder(), k.place); err != nil {
		return err
	}
	if _, err := k.Forge.Publish(ctx, platformRepository, k.platformFolder(), "the platform, as the kit has it"); err != nil {
		return err
	}
	// Argo CD carries out what is promoted; the forge itself is not to.
	if _, err := k.Forge.Change(ctx, environmentsRepository, "environments: Argo CD carries them out", func(dir string) error {
		file := filepath.Join(dir, "environments.yaml")
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		changed := strings.Replace(string(text), "\nsync: automatic\n", "\nsync: manual\n", 1)
		if changed == string(text) {
			return errors.New("environments.yaml does not say how the environments are synced")
		}
		return os.WriteFile(file, []byte(changed), 0o644)
	}); err != nil {
		return err
	}
	k.mark("the profile is in the forge's repository %s", platformRepository)
	return nil
}

// platformFolder is what was published.
func (k *Kit) platformFolder() string { return filepath.Join(k.dir, "platform") }

// foundation makes the namespaces, which Argo CD then takes over, the Secrets in them, and volumes on the node that stays.
func (k *Kit) foundation(ctx context.Context) error {
	if err := k.Home().Volumes(ctx, 4, "10Gi"); err != nil {
		return err
	}
	// Each node is a zone of its own, as nodes of a cloud may be.
	for _, n := range k.Cluster.Nodes {
		if _, err := k.Cluster.Kubectl(ctx, "label", "node", n.Name, "topology.kubernetes.io/zone="+n.Name); err != nil {
			return err
		}
	}
	text, err := joined(filepath.Join(k.platformFolder(), "platform", "profiles", profile, "foundation", "*", "*.yaml"))
	if err != nil {
		return err
	}
	if err := k.apply(ctx, text); err != nil {
		return err
	}
	var services []string
	for _, m := range app.Modules() {
		services = append(services, m.Name)
	}
	k.secrets = newSecrets(services)
	if err := k.secrets.apply(ctx, k.Cluster); err != nil {
		return err
	}
	// One credential for every repository of the forge.
	creds := secret(argocdNamespace, "forge", map[string]string{"type": "git", "url": k.Forge.URL + "/git", "username": "fawkes", "password": k.Forge.token})
	creds["metadata"].(map[string]any)["labels"] = map[string]string{"argocd.argoproj.io/secret-type": "repo-creds"}
	asJSON, err := json.Marshal(creds)
	if err != nil {
		return err
	}
	if err := k.Cluster.Apply(ctx, string(asJSON)); err != nil {
		return err
	}
	k.mark("namespaces and Secrets are there")
	return nil
}

func (k *Kit) argocd(ctx context.Context) error {
	configuration, err := render(filepath.Join(k.platformFolder(), "platform", "components", "argocd"))
	if err != nil {
		return err
	}
	return argocd.Install(ctx, k.Cluster, argocd.Options{
		Node: k.Home().Name, Poll: 5 * time.Second, Configuration: configuration, Say: func(line string) { k.mark("%s", line) },
	})
}

// root gives Argo CD the one Application of all others, and waits until all of them but the sample, which comes by the road, are
// healthy.
func (k *Kit) root(ctx context.Context) error {
	at := filepath.Join(k.platformFolder(), "platform", "profiles", profile)
	for _, pattern := range []string{"projects/*.yaml", "root.yaml"} {
		text, err := joined(filepath.Join(at, pattern))
		if err != nil {
			return err
		}
		if err := k.apply(ctx, text); err != nil {
			return err
		}
	}
	k.mark("Argo CD has the root Application, and brings the rest")
	applications, err := filepath.Glob(filepath.Join(at, "applications", "*.yaml"))
	if err != nil {
		return err
	}
	var names []string
	for _, file := range applications {
		if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); name != sampleApplication {
			names = append(names, name)
		}
	}
	return k.untilHealthy(ctx, 8*time.Minute, names...)
}

func (k *Kit) apply(ctx context.Context, text string) error {
	cmd := k.Cluster.KubectlCommand(ctx, "apply", "--server-side", "--validate=strict", "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply: %w: %s", err, out)
	}
	return nil
}
