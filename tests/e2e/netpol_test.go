//go:build e2e && linux

package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/platform"
	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
	"github.com/fawkes-idp/fawkes/tests/e2e/netpol"
)

// foundations are the namespaces and policies of tier 2.
const foundations = "../../platform/profiles/tier2/foundation/*/*.yaml"

// TestNetworkPolicies tries the connections between all workloads of the platform for real, with the policies that are
// rendered for tier 2, and holds what comes of each against the call table.
func TestNetworkPolicies(t *testing.T) {
	c := cluster.Up(t, cluster.Options{Nodes: 2})
	ctx := t.Context()
	p := profile(t, "tier2")
	n := &connections{whole: t, c: c, table: p.Flows(), pods: standIns(p)}

	step(t, "a pod in the place of each workload, on two nodes by turns", n.populate)
	step(t, "without enforcement everything is open, and the comparison says so", func(t *testing.T) {
		all := sample(n.attempts(), nobody)
		differ, counts := n.compare(t, all)
		var want []string
		for _, a := range all {
			if !a.allowed {
				want = append(want, a.String()+": the call table forbids it, and it is connected")
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, differ); diff != "" || len(want) < 30 {
			t.Errorf("of %d connections that the call table forbids, some are not told (-want +got):\n%s", len(want), diff)
		}
		t.Log(counts)
	})

	enforcing, stop := context.WithCancel(ctx)
	t.Cleanup(stop)
	began := time.Now()
	enforcer, err := netpol.Enforce(enforcing, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); enforcer.Wait() })
	t.Logf("enforced on both nodes after %.2f s", time.Since(began).Seconds())
	synced := func(t *testing.T) {
		t.Helper()
		if err := enforcer.Synced(ctx); err != nil {
			t.Fatal(err)
		}
	}

	step(t, "what connects is what the call table says, for all pairs", func(t *testing.T) {
		differ, counts := n.compare(t, n.attempts())
		if len(differ) > 0 {
			t.Errorf("%d connections differ from the call table:\n%s", len(differ), strings.Join(differ, "\n"))
		}
		t.Log(counts)
	})
	step(t, "names are looked up, over UDP", func(t *testing.T) {
		for _, id := range []string{"fawkes/dora", "harbor/redis"} {
			s := n.find(t, id)
			out, err := c.Kubectl(ctx, "--namespace", s.Namespace, "exec", s.pod(), "--", "/probe", "lookup", "kubernetes.default.svc.cluster.local")
			if err != nil || strings.TrimSpace(out) != "10.96.0.1" {
				t.Errorf("%s looks up %q, %v; want 10.96.0.1", id, out, err)
			}
		}
	})
	step(t, "a pod that nobody knows is probed by the kubelet and reaches name look-ups alone", func(t *testing.T) {
		stranger := standIn{node: "node2", Set: platform.Set{Component: "nobody", Namespace: "fawkes-apps", Workload: platform.Workload{
			Name: "stranger", Labels: map[string]string{"app": "stranger"}, Ports: map[string]int{"http": 8080},
		}}}
		if err := c.Apply(ctx, stranger.manifest()); err != nil {
			t.Fatal(err)
		}
		n.ready(t)
		stranger.address = n.addresses(t)["fawkes-apps/"+stranger.pod()]
		n.pods = append(n.pods, stranger)
		synced(t)
		its := slices.DeleteFunc(n.attempts(), func(a attempt) bool {
			return a.from != stranger.ID() && !strings.HasPrefix(a.to, stranger.ID()+":")
		})
		differ, counts := n.compare(t, its)
		if len(differ) > 0 {
			t.Errorf("the stranger's connections:\n%s", strings.Join(differ, "\n"))
		}
		t.Log(counts)
	})
	step(t, "without one policy the connection that it allowed is refused", func(t *testing.T) {
		if _, err := c.Kubectl(ctx, "--namespace", "fawkes-apps", "delete", "networkpolicy", "fawkes-dora"); err != nil {
			t.Fatal(err)
		}
		synced(t)
		differ, counts := n.compare(t, sample(n.attempts(), func(a attempt) bool {
			return a.from == "fawkes/dora" || strings.HasPrefix(a.to, "fawkes/dora:")
		}))
		t.Log(counts)
		for _, want := range []string{"argo-cd/notifications-controller > fawkes/dora:8080", "prometheus/server > fawkes/dora:8080"} {
			if !slices.Contains(differ, want+": the call table allows it, and it is prohibited") {
				t.Errorf("%s is not told; told is\n%s", want, strings.Join(differ, "\n"))
			}
		}
		for _, line := range differ {
			if !strings.Contains(line, "fawkes/dora") || strings.Contains(line, "it is connected") {
				t.Errorf("without the policy of dora: %s", line)
			}
		}
		t.Logf("%d connections, all of dora, are refused without its policy", len(differ))
		if err := c.Apply(ctx, gather(t, foundations)); err != nil {
			t.Fatal(err)
		}
		synced(t)
	})
	step(t, "a policy that allows too much is found by name", func(t *testing.T) {
		if err := c.Apply(ctx, tooMuch); err != nil {
			t.Fatal(err)
		}
		synced(t)
		differ, counts := n.compare(t, sample(n.attempts(), func(a attempt) bool {
			return strings.HasPrefix(a.from, "harbor/") && strings.HasPrefix(a.to, "devlake/")
		}))
		t.Log(counts)
		want := "harbor/redis > devlake/mysql:3306: the call table forbids it, and it is connected"
		if !slices.Contains(differ, want) {
			t.Errorf("not told: %s; told is\n%s", want, strings.Join(differ, "\n"))
		}
		t.Logf("%d connections too many are found, among them %s", len(differ), want)
		if _, err := c.Kubectl(ctx, "--namespace", "fawkes-cicd", "delete", "networkpolicy", "too-much"); err != nil {
			t.Fatal(err)
		}
		synced(t)
	})
	step(t, "after that it is as before", func(t *testing.T) {
		differ, counts := n.compare(t, sample(n.attempts(), nobody))
		if len(differ) > 0 {
			t.Errorf("%d connections differ from the call table:\n%s", len(differ), strings.Join(differ, "\n"))
		}
		t.Log(counts)
	})
}

// sample is every seventh attempt, and all that are of interest. All of them are tried once; that takes its time, see the
// probe's dial.
func sample(all []attempt, ofInterest func(attempt) bool) []attempt {
	var out []attempt
	for i, a := range all {
		if i%7 == 0 || ofInterest(a) {
			out = append(out, a)
		}
	}
	return out
}

func nobody(attempt) bool { return false }

// tooMuch opens a namespace for itself.
const tooMuch = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: too-much, namespace: fawkes-cicd}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {}}]}]
  egress: [{to: [{podSelector: {}}]}]
`
